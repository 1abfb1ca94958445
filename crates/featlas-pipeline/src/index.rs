//! The index stage: the graph over the features, its recall measured, what follows from neighbors, its files written.
//!
//! New images are linked into the graph of last night, removed ones are dropped from its answers; once enough has changed
//! it is built anew. Every file has a name of its own, and the manifest turns to the new ones when all are written: a killed
//! run leaves the old index as it was.

use crate::basis::fit_basis;
use crate::insights::{Insights, insights};
use crate::stage::{Stage, name};
use crate::{IndexSettings, PipelineError, StageSummary};
use featlas_core::{ImageId, Progress};
use featlas_index::{DEFAULT_EF_CURVE, Index, IndexParams, RecallReport, RowsWriter};
use featlas_store::{Atlas, FileRecord, StageRecord};
use std::io::BufWriter;
use std::path::PathBuf;

/// Folder of the index, in the atlas.
const FOLDER: &str = "index";
const GRAPH: &str = "graph";
const ROWS: &str = "rows";
const RECALL: &str = "recall";
const INSIGHTS: &str = "insights";
/// The command that makes the index.
const COMMAND: &str = "featlas index ATLAS";

/// Name of the recall at the index's own `ef_search` among the stage's figures.
pub(crate) const RECALL_AT_10: &str = "recall_at_10";
/// Queries that recall is measured with.
const RECALL_QUERIES: usize = 500;
/// The same where every query is compared with so many rows that their number is felt.
const FEWER_QUERIES: usize = 200;
const MANY_ROWS: usize = 200_000;

/// Builds the index, or brings it up to date, if the features or the settings changed or a file of it is damaged.
///
/// # Errors
/// An atlas without features, a damaged shard, a full disk, a cancelled `progress`.
pub fn index(
    atlas: &mut Atlas,
    settings: &IndexSettings,
    threads: usize,
    progress: &dyn Progress,
) -> Result<StageSummary, PipelineError> {
    let stage = Stage::of(atlas, name::INDEX, &[], settings)?;
    let before = atlas.manifest().stages.get(name::INDEX).cloned();
    // Every byte is read for this; a query would stumble over damage, and this command is what it asks for then.
    if stage.is_fresh(atlas) && before.as_ref().is_some_and(|record| open_verified(atlas, record).is_ok()) {
        return Ok(StageSummary::fresh(name::INDEX));
    }
    let _lock = atlas.lock()?;
    let live = atlas.live_ids()?;
    if live.is_empty() {
        return Err(PipelineError::Empty { atlas: atlas.root().to_owned() });
    }
    let folder = atlas.root().join(FOLDER);
    fs_err::create_dir_all(&folder)?;
    let old = before.as_ref().and_then(|record| last_night(atlas, record, settings, progress));
    let update = match old {
        Some(old) => updated(atlas, &old, &live, &stage, threads, progress)?,
        None => None,
    };
    let was_updated = update.is_some();
    let mut index = match update {
        Some(index) => index,
        None => built(atlas, &live, settings, &stage, threads, progress)?,
    };
    let queries = if index.num_rows() > MANY_ROWS { FEWER_QUERIES } else { RECALL_QUERIES };
    let recall = index.measure_recall(&efs(settings), queries, settings.seed, settings.recall, progress)?;
    index.set_ef_search(settings.ef_search.unwrap_or(recall.ef_search));
    tell_shortfall(&recall, settings, progress);
    let insights = insights(atlas, &index, settings, progress)?;

    let outputs = write_files(atlas, &index, &recall, &insights, before.as_ref(), &stage)?;
    let figures = figures(&index, &recall, &insights, was_updated);
    let secs = stage.finish(atlas, outputs)?;
    forget_files(atlas, before.as_ref());
    Ok(StageSummary::done(name::INDEX, secs, index.len() as u64, "images", figures))
}

/// The index that the last run left, if new images can be linked into it. What cannot be read is built anew.
fn last_night(
    atlas: &Atlas,
    record: &StageRecord,
    settings: &IndexSettings,
    progress: &dyn Progress,
) -> Option<Index> {
    let params = serde_json::to_value(settings).ok()?;
    if record.params != params {
        return None;
    }
    let index = open_verified(atlas, record);
    index.inspect_err(|err| progress.warn(&format!("the index is built anew: {err}"))).ok()
}

/// The index of `record`, after every file of it was read and compared with its digest.
fn open_verified(atlas: &Atlas, record: &StageRecord) -> Result<Index, PipelineError> {
    for output in &record.outputs {
        atlas.open_file(&output.file)?;
    }
    let missing =
        || PipelineError::Missing { what: "index", command: COMMAND, atlas: atlas.root().to_owned() };
    Ok(Index::open(&path_of(atlas, record, GRAPH).ok_or_else(missing)?)?)
}

/// The old index with what changed since; nothing if it is better built anew.
fn updated(
    atlas: &Atlas,
    old: &Index,
    live: &[ImageId],
    stage: &Stage,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Option<Index>, PipelineError> {
    let removed: Vec<ImageId> =
        old.live().map(|(_, id)| id).filter(|id| live.binary_search(id).is_err()).collect();
    let last = old.id_of(old.num_rows() - 1);
    let added = &live[live.partition_point(|id| *id <= last)..];
    let (gone, rows) = (old.num_removed() + removed.len(), old.num_rows() + added.len());
    if gone * 5 > rows
        || (old.num_added() + added.len()) * 2 > rows
        || added.len() + old.len() == removed.len()
    {
        return Ok(None);
    }
    let rows =
        if added.is_empty() { None } else { Some(rows_of(atlas, added, old.metric(), stage, progress)?) };
    let folder = atlas.root().join(FOLDER);
    let index = old.updated(&folder, rows, &removed, threads, stage.inputs(), progress)?;
    Ok(Some(index).filter(|index| !index.wants_rebuild()))
}

fn built(
    atlas: &Atlas,
    live: &[ImageId],
    settings: &IndexSettings,
    stage: &Stage,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Index, PipelineError> {
    let rows = rows_of(atlas, live, settings.metric, stage, progress)?;
    let basis = fit_basis(rows.sample(), rows.dim(), progress)?;
    let params = IndexParams {
        m: settings.m,
        ef_construction: settings.ef_construction,
        rank: settings.rank,
        recall: settings.recall,
        seed: settings.seed,
        threads,
    };
    let folder = atlas.root().join(FOLDER);
    Ok(featlas_index::build(&folder, rows, &basis, &params, stage.inputs(), progress)?)
}

/// Stores the full features of `ids` in a rows file of their own.
fn rows_of(
    atlas: &Atlas,
    ids: &[ImageId],
    metric: featlas_index::Metric,
    stage: &Stage,
    progress: &dyn Progress,
) -> Result<RowsWriter, PipelineError> {
    let name = free_name(atlas, ROWS, "bin", stage);
    let mut rows =
        RowsWriter::create(&atlas.root().join(FOLDER), &name, atlas.manifest().schema.dim, metric)?;
    progress.begin(featlas_core::Stage::Load, Some(ids.len() as u64));
    let read = atlas.for_each_feature_of(ids, |id, row| {
        if progress.is_cancelled() {
            return Err(PipelineError::Interrupted);
        }
        progress.advance(featlas_core::Stage::Load, 1);
        Ok(rows.push(id, row)?)
    });
    progress.end(featlas_core::Stage::Load);
    read?;
    if !rows.zero().is_empty() {
        let count = rows.zero().len();
        progress.warn(&format!("{count} images have an all-zero feature and cannot be neighbors"));
    }
    Ok(rows)
}

fn efs(settings: &IndexSettings) -> Vec<usize> {
    let mut efs: Vec<usize> = DEFAULT_EF_CURVE.into_iter().chain(settings.ef_search).collect();
    efs.sort_unstable();
    efs.dedup();
    efs
}

fn tell_shortfall(recall: &RecallReport, settings: &IndexSettings, progress: &dyn Progress) {
    if let Some(point) = recall.chosen().filter(|point| point.recall_at_10 < settings.recall) {
        progress.warn(&format!(
            "recall@10 is {:.4} at ef_search {}, less than the {} asked for; a larger `--rank` or `--ef-construction` may \
             help, `--exact` always does",
            point.recall_at_10, point.ef_search, settings.recall
        ));
    }
}

fn write_files(
    atlas: &Atlas,
    index: &Index,
    recall: &RecallReport,
    insights: &Insights,
    before: Option<&StageRecord>,
    stage: &Stage,
) -> Result<Vec<FileRecord>, PipelineError> {
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|err| PipelineError::Io(err.into()));
    let file = |kind: &str, ending: &str| format!("{FOLDER}/{}", free_name(atlas, kind, ending, stage));
    let mut out = BufWriter::new(atlas.create_file(&file(GRAPH, "bin"))?);
    index.write(&mut out)?;
    let out = out.into_inner().map_err(|err| PipelineError::Io(err.into_error()))?;
    let mut outputs = vec![out.commit()?];
    for rows in index.rows_files() {
        let file = format!("{FOLDER}/{}", rows.name);
        let known = before.and_then(|record| record.outputs.iter().find(|output| output.file == file));
        outputs.push(match known {
            // Rows files never change.
            Some(known) => known.clone(),
            None => atlas.record_file(&file)?,
        });
    }
    outputs.push(atlas.write_file(&file(RECALL, "json"), &json(serde_json::to_vec_pretty(recall))?)?);
    outputs.push(atlas.write_file(&file(INSIGHTS, "json"), &json(serde_json::to_vec_pretty(insights))?)?);
    Ok(outputs)
}

fn figures(
    index: &Index,
    recall: &RecallReport,
    insights: &Insights,
    was_updated: bool,
) -> serde_json::Value {
    let at_own = recall.curve.iter().find(|point| point.ef_search == index.ef_search());
    serde_json::json!({
        "metric": index.metric().name(),
        "ef_search": index.ef_search(),
        RECALL_AT_10: at_own.map(|point| point.recall_at_10),
        "micros_per_query": at_own.map(|point| point.micros_per_query),
        "updated": was_updated,
        "removed_rows": index.num_removed(),
        "memory_bytes": index.memory_bytes(),
        "recall": recall,
        "label_accuracy_features": insights.features.map(|accuracy| accuracy.share()),
        "label_accuracy_pixels": insights.pixels.map(|accuracy| accuracy.share()),
        "duplicate_groups": insights.duplicates.len(),
    })
}

/// A name that no file has: the kind, what it was made from, and a number if a killed run left one of that name.
fn free_name(atlas: &Atlas, kind: &str, ending: &str, stage: &Stage) -> String {
    let base = format!("{kind}-{}", stage.inputs().short());
    let names = (0u32..).map(|number| match number {
        0 => format!("{base}.{ending}"),
        number => format!("{base}-{number}.{ending}"),
    });
    let folder = atlas.root().join(FOLDER);
    names.into_iter().find(|name| !folder.join(name).exists()).expect("there are more numbers than files")
}

/// Removes the files of the index before that the new one does not use. One that stays is an orphan for `gc`.
fn forget_files(atlas: &Atlas, before: Option<&StageRecord>) {
    let now = atlas.manifest().stages.get(name::INDEX);
    let used = |file: &str| now.is_some_and(|record| record.outputs.iter().any(|output| output.file == file));
    for output in before.iter().flat_map(|record| &record.outputs).filter(|output| !used(&output.file)) {
        drop(fs_err::remove_file(atlas.root().join(&output.file)));
    }
}

fn file_of<'a>(record: &'a StageRecord, kind: &str) -> Option<&'a str> {
    let begins = format!("{FOLDER}/{kind}-");
    record.outputs.iter().map(|output| output.file.as_str()).find(|file| file.starts_with(&begins))
}

fn path_of(atlas: &Atlas, record: &StageRecord, kind: &str) -> Option<PathBuf> {
    file_of(record, kind).map(|file| atlas.root().join(file))
}

fn record_of(atlas: &Atlas) -> Result<&StageRecord, PipelineError> {
    let root = || atlas.root().to_owned();
    if atlas.num_images() == 0 {
        return Err(PipelineError::Empty { atlas: root() });
    }
    let missing = || PipelineError::Missing { what: "index", command: COMMAND, atlas: root() };
    let record = atlas.manifest().stages.get(name::INDEX).ok_or_else(missing)?;
    if record.inputs != Stage::of(atlas, name::INDEX, &[], &())?.inputs() {
        return Err(PipelineError::Stale { what: "index", command: COMMAND, atlas: root() });
    }
    Ok(record)
}

/// Opens the index of `atlas`; it is verified, and so is each row when it is used.
///
/// # Errors
/// No index, one older than the features or of other features, or a damaged file.
pub(crate) fn open_index(atlas: &Atlas) -> Result<Index, PipelineError> {
    let record = record_of(atlas)?;
    let root = || atlas.root().to_owned();
    let path = path_of(atlas, record, GRAPH).ok_or_else(|| PipelineError::Missing {
        what: "index",
        command: COMMAND,
        atlas: root(),
    })?;
    let index = Index::open(&path)?;
    if index.tag() != record.inputs || index.dim() != atlas.manifest().schema.dim {
        return Err(PipelineError::ForeignIndex { path });
    }
    Ok(index)
}

/// The measured recall of the index, if there is one.
///
/// # Errors
/// A damaged file.
pub(crate) fn recall_of(atlas: &Atlas) -> Result<Option<RecallReport>, PipelineError> {
    read_json(atlas, RECALL)
}

/// What follows from the neighbors of the index, if there is one.
///
/// # Errors
/// A damaged file.
pub(crate) fn insights_of(atlas: &Atlas) -> Result<Option<Insights>, PipelineError> {
    read_json(atlas, INSIGHTS)
}

fn read_json<T: serde::de::DeserializeOwned>(atlas: &Atlas, kind: &str) -> Result<Option<T>, PipelineError> {
    let record = atlas.manifest().stages.get(name::INDEX);
    let Some(file) = record.and_then(|record| file_of(record, kind)) else { return Ok(None) };
    Ok(serde_json::from_slice(&atlas.read_file(file)?).ok())
}
