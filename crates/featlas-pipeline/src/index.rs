//! The index stage: the graph over the features, its recall measured, its files written.

use crate::stage::{Stage, name};
use crate::vectors::load_vectors;
use crate::{IndexSettings, PipelineError, Space, StageSummary};
use featlas_core::Progress;
use featlas_index::{DEFAULT_EF_CURVE, Index, IndexError, IndexParams, RecallReport, Vectors};
use featlas_store::{Atlas, FileRecord};
use std::io::{BufWriter, Write};

/// Files of the index, relative to the atlas.
pub(crate) const VECTORS_FILE: &str = "index/vectors.bin";
pub(crate) const GRAPH_FILE: &str = "index/graph.bin";
pub(crate) const RECALL_FILE: &str = "index/recall.json";

/// Neighbors at which recall is measured.
pub(crate) const RECALL_K: usize = 10;
/// Name of the recall at the index's own `ef_search` among the stage's figures.
pub(crate) const RECALL_AT_10: &str = "recall_at_10";
const RECALL_QUERIES: usize = 500;

/// Builds the index if the features or the settings changed.
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
    if stage.is_fresh(atlas) {
        return Ok(StageSummary::fresh(name::INDEX));
    }
    let _lock = atlas.lock()?;
    let loaded = load_vectors(atlas, Space::Fc7, progress)?;
    let (vectors, zero) = Vectors::new(loaded.ids, loaded.values, loaded.dim)?;
    if !zero.is_empty() {
        progress.warn(&format!("{} images have an all-zero feature and cannot be neighbors", zero.len()));
    }
    let params = IndexParams {
        m: settings.m,
        ef_construction: settings.ef_construction,
        ef_search: settings.ef_search,
        seed: settings.seed,
        threads,
    };
    let index = featlas_index::build(vectors, &params, progress)?;
    let recall = measure(&index, settings, progress)?;

    stage.begin(atlas)?;
    let recall_json = serde_json::to_vec_pretty(&recall).map_err(|err| PipelineError::Io(err.into()))?;
    let outputs = vec![
        write_with(atlas, VECTORS_FILE, |out| index.write_vectors(out))?,
        write_with(atlas, GRAPH_FILE, |out| index.write_graph(out))?,
        atlas.write_file(RECALL_FILE, &recall_json)?,
    ];
    let secs = stage.finish(atlas, outputs)?;
    let mut figures = serde_json::to_value(&recall).map_err(|err| PipelineError::Io(err.into()))?;
    let at_default = recall.curve.iter().find(|point| point.ef_search == settings.ef_search);
    figures[RECALL_AT_10] = at_default.map(|point| point.recall).into();
    Ok(StageSummary::done(name::INDEX, secs, index.len() as u64, "images", figures))
}

fn write_with(
    atlas: &Atlas,
    file: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<(), IndexError>,
) -> Result<FileRecord, PipelineError> {
    let mut out = BufWriter::new(atlas.create_file(file)?);
    write(&mut out)?;
    let out = out.into_inner().map_err(|err| PipelineError::Io(err.into_error()))?;
    Ok(out.commit()?)
}

fn measure(
    index: &Index,
    settings: &IndexSettings,
    progress: &dyn Progress,
) -> Result<RecallReport, PipelineError> {
    let mut efs: Vec<usize> = DEFAULT_EF_CURVE.to_vec();
    efs.push(settings.ef_search);
    efs.sort_unstable();
    efs.dedup();
    Ok(index.measure_recall(RECALL_K, &efs, RECALL_QUERIES, settings.seed, progress)?)
}

/// Opens the index of `atlas`, its files verified.
///
/// # Errors
/// No index, one older than the features, or a damaged file.
pub(crate) fn open_index(atlas: &Atlas) -> Result<Index, PipelineError> {
    const COMMAND: &str = "featlas index ATLAS";
    let root = || atlas.root().to_owned();
    let Some(record) = atlas.manifest().stages.get(name::INDEX) else {
        return Err(PipelineError::Missing { what: "index", command: COMMAND, atlas: root() });
    };
    if record.inputs != Stage::of(atlas, name::INDEX, &[], &())?.inputs() {
        return Err(PipelineError::Stale { what: "index", command: COMMAND, atlas: root() });
    }
    Ok(Index::from_bytes(&atlas.read_file(VECTORS_FILE)?, &atlas.read_file(GRAPH_FILE)?)?)
}
