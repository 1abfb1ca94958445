//! The report stage: one page over all of it.

use crate::atlas::open_model_of;
use crate::explain::explained_images;
use crate::index::{insights_of, open_index, recall_of};
use crate::insights::Insights;
use crate::poster::PREVIEW_ENDING;
use crate::sheet::{decode_thumbnails, sheet_of_neighbors};
use crate::stage::{Stage, name};
use crate::zoom::{MAP_OF_PAGE, zoom};
use crate::{PipelineError, ReportSettings, StageSummary, gallery};
use featlas_core::{Digest, ImageId, Progress, RgbImage, Stage as Step};
use featlas_image::{DecodeOptions, Limits, decode, thumbnail};
use featlas_index::{LabelAccuracy, RecallReport};
use featlas_net::Model;
use featlas_render::{
    AccuracyView, Figure, FollowsView, NamedImage, RecallPoint, RecallView, RejectRow, ReportView, StageRow,
    VIEWER_JS, ZoomView, report_html,
};
use featlas_store::{Atlas, FileRecord, ImageRecord};
use std::collections::BTreeMap;
use std::path::PathBuf;

const REPORT_FILE: &str = "report/index.html";
/// The script that draws the zoomable map, beside the page.
const VIEWER_OF_PAGE: &str = "viewer.js";
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
    let zoomable = zoom(atlas, settings.zoom_px, progress)?;
    let upstream = [name::INDEX, name::EMBED, name::POSTER, name::GALLERY, name::ZOOM];
    let chosen = settings.explain.iter().map(|image| Ok(Digest::of(&fs_err::read(image)?)));
    let chosen = chosen.collect::<Result<Vec<_>, PipelineError>>()?;
    let stage = Stage::of(atlas, name::REPORT, &upstream, &(settings, atlas.num_rejects(), chosen))?;
    if stage.is_fresh(atlas) {
        return Ok(StageSummary::fresh(name::REPORT));
    }
    let _lock = atlas.lock()?;
    progress.begin(Step::Report, None);
    let view = view(atlas, settings, progress);
    progress.end(Step::Report);
    let mut view = view?;
    if zoomable {
        view.zoom = Some(ZoomView { viewer: VIEWER_OF_PAGE.into(), map: MAP_OF_PAGE.into() });
    }
    stage.begin(atlas)?;
    let mut outputs = Vec::new();
    if zoomable {
        outputs.push(atlas.write_file(&format!("report/{VIEWER_OF_PAGE}"), VIEWER_JS.as_bytes())?);
    }
    outputs.push(atlas.write_file(REPORT_FILE, report_html(&view).as_bytes())?);
    let secs = stage.finish(atlas, outputs)?;
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
        zoom: None,
        neighbors: neighbors(atlas, &records, settings)?,
        galleries: galleries(atlas)?,
        explained: match settings.explain.as_slice() {
            [] => Vec::new(),
            images => explained_images(&open_model_of(atlas, None)?, images, progress)?,
        },
        recall: recall.as_ref().map(recall_view),
        follows: insights_of(atlas)?.map(|insights| follows_view(&insights, &records)),
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

/// Pictures of our own: previews and overviews, never a whole poster.
fn own_pictures() -> DecodeOptions {
    let limits = Limits { max_pixels: 1 << 28, max_side_px: 60_000, max_file_bytes: 1 << 30 };
    DecodeOptions { limits, apply_orientation: false }
}

fn posters(atlas: &Atlas, progress: &dyn Progress) -> Result<Vec<Figure>, PipelineError> {
    let stem = |file: &str| file.trim_end_matches(PREVIEW_ENDING).to_owned();
    let caption = |file: &str| {
        let stem = stem(file.trim_start_matches("posters/"));
        match stem.split('-').next().unwrap_or_default() {
            "grid" => "Every image in a cell of its own; alike lie side by side",
            "scatter" => "Every image at its place on the t-SNE map",
            "fill" => "Every cell shows the image nearest to it on the map",
            "points" => "The map, a dot an image, colored by label",
            other => other,
        }
        .to_owned()
    };
    progress.note(Step::Report, "posters");
    let outputs = atlas.manifest().stages.get(name::POSTER).map_or(&[][..], |record| &record.outputs);
    // A preview leads to its poster; a zoomable one is no page to lead to, so to its preview.
    let poster_of = |file: &str| {
        let stem = stem(file);
        let is_poster = |other: &&FileRecord| {
            ["png", "jpg"].iter().any(|ending| other.file == format!("{stem}.{ending}"))
        };
        outputs.iter().find(is_poster).map_or_else(|| file.to_owned(), |poster| poster.file.clone())
    };
    figures(atlas, name::POSTER, |file| file.ends_with(PREVIEW_ENDING), caption, poster_of)
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

fn recall_view(recall: &RecallReport) -> RecallView {
    let point = |point: &featlas_index::RecallPoint| RecallPoint {
        ef_search: point.ef_search,
        recall: point.recall_at_10,
        recall_at_1: point.recall_at_1,
        recall_at_100: point.recall_at_100,
        queries_per_sec: 1e6 / point.micros_per_query.max(1e-3),
    };
    RecallView {
        k: 10,
        queries: recall.num_queries,
        chosen: recall.ef_search,
        points: recall.curve.iter().map(point).collect(),
    }
}

/// What follows from neighbors, in names.
fn follows_view(insights: &Insights, records: &[ImageRecord]) -> FollowsView {
    let path = |id: &ImageId| {
        let at = records.binary_search_by_key(id, |record| record.image_id).ok()?;
        Some(records[at].display_path.clone())
    };
    let accuracy = |of: LabelAccuracy, space: &str| AccuracyView {
        space: space.to_owned(),
        share: of.share(),
        images: of.images as u64,
        voters: of.k,
    };
    let spaces = [(insights.features, "the network's features"), (insights.pixels, "raw pixels")];
    let groups = insights.duplicates.iter();
    FollowsView {
        accuracies: spaces.into_iter().filter_map(|(of, space)| Some(accuracy(of?, space))).collect(),
        duplicate_limit: insights.duplicate_limit,
        duplicate_groups: insights.duplicates.len() as u64,
        duplicates: groups.take(LISTED).map(|group| group.iter().filter_map(path).collect()).collect(),
        outliers: insights
            .outliers
            .iter()
            .filter_map(|(id, distance)| Some(NamedImage { path: path(id)?, distance: *distance }))
            .collect(),
    }
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
    let queries: Vec<ImageId> = index.live().map(|(_, id)| id).step_by(step).take(settings.queries).collect();
    let k = (NEIGHBORS + 1).min(index.len());
    let mut rows = Vec::new();
    for &id in &queries {
        let mut found = index.search(&index.vector(id)?, k, index.ef_search_for(k))?;
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
