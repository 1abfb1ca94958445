//! The report stage: one page over all of it.

use crate::index::{RECALL_FILE, open_index};
use crate::sheet::{decode_thumbnails, sheet_of_neighbors};
use crate::stage::{Stage, name};
use crate::{PipelineError, ReportSettings, StageSummary, gallery};
use featlas_core::{ImageId, Progress, RgbImage, Stage as Step};
use featlas_image::{DecodeOptions, Limits, decode, thumbnail};
use featlas_index::RecallReport;
use featlas_net::Model;
use featlas_render::{Figure, RecallPoint, RecallView, RejectRow, ReportView, StageRow, report_html};
use featlas_store::{Atlas, ImageRecord};
use std::collections::BTreeMap;
use std::path::PathBuf;

const REPORT_FILE: &str = "report/index.html";
/// Longer side of the previews inside the page.
const PREVIEW_SIDE_PX: u32 = 1100;
/// Rejects, labels and classes that the page lists.
const LISTED: usize = 50;
/// Neighbors a query shows.
const NEIGHBORS: usize = 8;

/// Writes the report if anything it shows changed.
///
/// # Errors
/// A damaged file of the atlas, a full disk.
pub fn report(
    atlas: &mut Atlas,
    settings: &ReportSettings,
    progress: &dyn Progress,
) -> Result<StageSummary, PipelineError> {
    let upstream = [name::INDEX, name::EMBED, name::POSTER, name::GALLERY];
    let stage = Stage::of(atlas, name::REPORT, &upstream, &(settings, atlas.num_rejects()))?;
    if stage.is_fresh(atlas) {
        return Ok(StageSummary::fresh(name::REPORT));
    }
    let _lock = atlas.lock()?;
    progress.begin(Step::Report, None);
    let html = view(atlas, settings, progress).map(|view| report_html(&view));
    progress.end(Step::Report);
    let html = html?;
    stage.begin(atlas)?;
    let output = atlas.write_file(REPORT_FILE, html.as_bytes())?;
    let secs = stage.finish(atlas, vec![output])?;
    Ok(StageSummary::done(name::REPORT, secs, 1, "page", serde_json::Value::Null))
}

fn view(
    atlas: &Atlas,
    settings: &ReportSettings,
    progress: &dyn Progress,
) -> Result<ReportView, PipelineError> {
    let records = atlas.images()?;
    let manifest = atlas.manifest();
    let fingerprint = |field: &str| manifest.fingerprint.get(field).unwrap_or_default().to_owned();
    let schema = &manifest.schema;
    let title = settings.title.clone().unwrap_or_else(|| default_title(atlas));
    let recall = recall_of(atlas)?;
    let mut facts = vec![
        ("images".to_owned(), records.len().to_string()),
        ("rejected".to_owned(), atlas.num_rejects().to_string()),
        ("model".to_owned(), fingerprint("model")),
        ("feature".to_owned(), format!("{}, {} values", schema.feature_column, schema.dim)),
    ];
    for conv in &schema.convs {
        let shape = format!("{} channels, {} x {} cells", conv.channels, conv.height, conv.width);
        facts.push((conv.name.clone(), shape));
    }
    facts.push(("preprocessing".to_owned(), fingerprint("preprocess")));
    let rejects = atlas.rejects()?;
    Ok(ReportView {
        title,
        subtitle: format!("{} images as {} sees them", records.len(), fingerprint("model")),
        facts,
        warnings: warnings(atlas, &rejects),
        posters: posters(atlas, progress)?,
        neighbors: neighbors(atlas, &records, settings)?,
        galleries: galleries(atlas)?,
        recall: recall.as_ref().map(recall_view),
        labels: most_common(records.iter().filter_map(|record| record.label.clone())),
        classes: classes(&fingerprint("model"), &records),
        stages: stages(atlas),
        reject_count: rejects.len() as u64,
        rejects: rejects
            .into_iter()
            .take(LISTED)
            .map(|row| RejectRow {
                path: String::from_utf8_lossy(&row.path).into_owned(),
                reason: row.reason,
                message: row.message,
            })
            .collect(),
        footer: format!(
            "featlas {} · fingerprint {}",
            env!("CARGO_PKG_VERSION"),
            manifest.fingerprint_digest.short()
        ),
    })
}

fn default_title(atlas: &Atlas) -> String {
    let absolute = std::path::absolute(atlas.root()).unwrap_or_else(|_err| atlas.root().to_owned());
    absolute.file_name().map_or_else(|| "atlas".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn warnings(atlas: &Atlas, rejects: &[featlas_store::RejectRow]) -> Vec<String> {
    let mut warnings = Vec::new();
    if !rejects.is_empty() {
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for row in rejects {
            *reasons.entry(&row.reason).or_default() += 1;
        }
        let reasons: Vec<String> =
            reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        warnings.push(format!("{} images could not be used: {}", rejects.len(), reasons.join(", ")));
    }
    for (stage, what) in [(name::INDEX, "index"), (name::EMBED, "map"), (name::GALLERY, "gallery")] {
        if !atlas.manifest().stages.contains_key(stage) {
            warnings.push(format!("there is no {what} yet"));
        }
    }
    warnings
}

/// The recorded pictures of a stage whose file names satisfy `wanted`, as previews.
fn figures(
    atlas: &Atlas,
    stage: &str,
    wanted: impl Fn(&str) -> bool,
    caption: impl Fn(&str) -> String,
    link: impl Fn(&str) -> String,
) -> Result<Vec<Figure>, PipelineError> {
    let Some(record) = atlas.manifest().stages.get(stage) else { return Ok(Vec::new()) };
    let mut figures = Vec::new();
    for output in record.outputs.iter().filter(|output| wanted(&output.file)) {
        let picture = decode(&atlas.read_file(&output.file)?, &own_pictures());
        let Ok(picture) = picture else { continue };
        figures.push(Figure {
            caption: caption(&output.file),
            link: Some(PathBuf::from("..").join(link(&output.file))),
            image: thumbnail(&picture.image, PREVIEW_SIDE_PX),
        });
    }
    Ok(figures)
}

/// Our own posters may be larger than a stranger's picture is allowed to be.
fn own_pictures() -> DecodeOptions {
    let limits = Limits { max_pixels: 1 << 30, max_side_px: 60_000, max_file_bytes: 1 << 31 };
    DecodeOptions { limits, apply_orientation: false }
}

fn posters(atlas: &Atlas, progress: &dyn Progress) -> Result<Vec<Figure>, PipelineError> {
    let caption = |file: &str| {
        let stem = file.trim_start_matches("posters/").trim_end_matches(".png");
        match stem.split('-').next().unwrap_or(stem) {
            "grid" => "Every image in a cell of its own; alike lie side by side",
            "scatter" => "Every image at its place on the t-SNE map",
            "fill" => "Every cell shows the image nearest to it on the map",
            "points" => "The map, a dot an image, colored by label",
            other => other,
        }
        .to_owned()
    };
    progress.note(Step::Report, "posters");
    figures(atlas, name::POSTER, |_| true, caption, str::to_owned)
}

fn galleries(atlas: &Atlas) -> Result<Vec<Figure>, PipelineError> {
    let layer_of = |file: &str| file.split('/').nth(1).unwrap_or_default().to_owned();
    figures(
        atlas,
        name::GALLERY,
        |file| file.ends_with("/overview.png"),
        |file| format!("The patches that excite each channel of {} most", layer_of(file)),
        |file| format!("{}/index.html", gallery::folder_of(&layer_of(file))),
    )
}

fn recall_of(atlas: &Atlas) -> Result<Option<RecallReport>, PipelineError> {
    if !atlas.manifest().stages.contains_key(name::INDEX) {
        return Ok(None);
    }
    Ok(serde_json::from_slice(&atlas.read_file(RECALL_FILE)?).ok())
}

fn recall_view(recall: &RecallReport) -> RecallView {
    let point = |point: &featlas_index::RecallPoint| RecallPoint {
        ef_search: point.ef_search,
        recall: point.recall,
        queries_per_sec: 1e6 / point.micros_per_query.max(1e-3),
    };
    RecallView { k: recall.k, queries: recall.num_queries, points: recall.curve.iter().map(point).collect() }
}

/// The neighbors of a few images, spread evenly over the atlas.
fn neighbors(
    atlas: &Atlas,
    records: &[ImageRecord],
    settings: &ReportSettings,
) -> Result<Vec<Figure>, PipelineError> {
    let index = match open_index(atlas) {
        Ok(index) => index,
        Err(PipelineError::Missing { .. } | PipelineError::Stale { .. }) => return Ok(Vec::new()),
        Err(err) => return Err(err),
    };
    let by_id: BTreeMap<ImageId, &ImageRecord> =
        records.iter().map(|record| (record.image_id, record)).collect();
    let step = index.len().div_ceil(settings.queries.max(1)).max(1);
    let queries: Vec<ImageId> = index.ids().iter().copied().step_by(step).take(settings.queries).collect();
    let k = (NEIGHBORS + 1).min(index.len());
    let mut rows = Vec::new();
    for &id in &queries {
        let Some(row) = index.row_of(id) else { continue };
        let mut found = index.search(index.vector(row), k, index.params().ef_search)?;
        found.retain(|neighbor| neighbor.id != id);
        found.truncate(NEIGHBORS);
        rows.push((id, found));
    }
    if rows.iter().all(|(_, found)| found.is_empty()) {
        return Ok(Vec::new());
    }
    let wanted: Vec<ImageId> =
        rows.iter().flat_map(|(id, found)| found.iter().map(|n| n.id).chain([*id])).collect();
    let thumbnails: BTreeMap<ImageId, RgbImage> = decode_thumbnails(atlas, &wanted)?;
    let sheet = sheet_of_neighbors(&rows, &by_id, &thumbnails)?;
    let caption = "Images at the left, what the network sees as most like them at the right, with distances";
    Ok(vec![Figure { caption: caption.to_owned(), link: None, image: sheet }])
}

fn classes(model: &str, records: &[ImageRecord]) -> Vec<(String, u64)> {
    // Only the embedded model's classes are known without its weights file.
    let names = Model::open(model, None).ok();
    let label = |class: u32| {
        let index = class as usize;
        names.as_ref().map_or_else(|| format!("class {index}"), |model| model.class_label(index))
    };
    most_common(
        records.iter().filter_map(|record| record.top_classes.first()).map(|&(class, _)| label(class)),
    )
}

/// Names by how often they occur, the most common first, ties by name.
fn most_common(names: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(LISTED);
    counts
}

fn stages(atlas: &Atlas) -> Vec<StageRow> {
    let order = [name::EXTRACT, name::INDEX, name::EMBED, name::POSTER, name::GALLERY];
    let images = atlas.num_images() as f64;
    let row = |stage: &str| {
        let record = atlas.manifest().stages.get(stage)?;
        let per_image = [name::EXTRACT, name::INDEX, name::EMBED].contains(&stage) && record.secs > 0.0;
        let rate = if per_image { format!("{:.1} images/s", images / record.secs) } else { String::new() };
        Some(StageRow { name: stage.to_owned(), secs: record.secs, rate, note: String::new() })
    };
    order.into_iter().filter_map(row).collect()
}
