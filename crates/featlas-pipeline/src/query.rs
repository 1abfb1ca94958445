//! "Which images does the network see as like this one?"

use crate::atlas::{decode_options, open_model_of};
use crate::index::open_index;
use crate::sheet::{blank, decode_thumbnails};
use crate::{PipelineError, Space};
use featlas_core::{Neighbor, Progress, RgbImage, Silent, Stage};
use featlas_image::{ListRow, Reject, RejectReason, Source, SourceOptions, decode};
use featlas_net::{Backend as _, Batch, CandleBackend, Model};
use featlas_render::{SheetItem, SheetParams, SheetRow, contact_sheet};
use featlas_store::{Atlas, ImageRecord};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How to search.
#[derive(Debug, Clone)]
pub struct QuerySettings {
    /// Neighbors wanted.
    pub k: usize,
    /// Compare with every image instead of searching the graph.
    pub exact: bool,
    /// What is compared; several give several answers an image.
    pub spaces: Vec<Space>,
    /// Candidates while searching; none: as the index was set up.
    pub ef_search: Option<usize>,
    /// Where the weights are, if no longer where the extraction found them.
    pub weights: Option<PathBuf>,
}

/// One neighbor, with where it is.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its number and distance.
    pub neighbor: Neighbor,
    /// Its row.
    pub record: ImageRecord,
}

/// The neighbors of one query image in one space, nearest first.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The file asked about.
    pub query: PathBuf,
    /// What was compared.
    pub space: Space,
    /// The neighbors.
    pub neighbors: Vec<Found>,
    /// The query itself, decoded.
    pub image: RgbImage,
}

/// Finds the neighbors of each of `images`, which need not be in the atlas.
///
/// # Errors
/// An image that cannot be decoded, an index that is missing, stale or damaged, other weights, or `k`
/// above the number of images.
pub fn query(
    atlas: &Atlas,
    images: &[PathBuf],
    settings: &QuerySettings,
    progress: &dyn Progress,
) -> Result<Vec<Answer>, PipelineError> {
    let records: BTreeMap<_, _> =
        atlas.images()?.into_iter().map(|record| (record.image_id, record)).collect();
    if records.is_empty() {
        return Err(PipelineError::Empty { atlas: atlas.root().to_owned() });
    }
    if settings.k > records.len() {
        return Err(PipelineError::TooManyNeighbors { k: settings.k, images: records.len() });
    }
    let decoded: Vec<RgbImage> = images.iter().map(|path| open_image(path)).collect::<Result<_, _>>()?;
    let mut answers = Vec::new();
    for &space in &settings.spaces {
        let found = match space {
            Space::Fc7 => search_features(atlas, &decoded, settings, progress)?,
            Space::Pixels => search_pixels(atlas, &decoded, settings)?,
        };
        for ((path, image), neighbors) in images.iter().zip(&decoded).zip(found) {
            let neighbors = neighbors
                .into_iter()
                .filter_map(|neighbor| Some(Found { neighbor, record: records.get(&neighbor.id)?.clone() }))
                .collect();
            answers.push(Answer { query: path.clone(), space, neighbors, image: image.clone() });
        }
    }
    // Every image's answers together, in the order asked.
    answers.sort_by_key(|answer| images.iter().position(|path| *path == answer.query));
    Ok(answers)
}

fn open_image(path: &Path) -> Result<RgbImage, PipelineError> {
    let bad = |reject| PipelineError::Image { reject, path: path.to_owned() };
    // Read as a source reads: a pipe does not hang it, a huge file does not fill memory.
    let options = SourceOptions { follow_links: true, ..SourceOptions::default() };
    let row = ListRow { path: path.to_owned(), label: None };
    let source = Source::from_list(vec![row], Path::new(""), &options)?;
    let entries = source.entries(&Silent)?;
    let entry = entries.first().ok_or_else(|| bad(Reject::new(RejectReason::Vanished, "no such file")))?;
    let bytes = source.read(entry).map_err(bad)?;
    Ok(decode(&bytes, &decode_options()).map_err(bad)?.image)
}

fn search_features(
    atlas: &Atlas,
    images: &[RgbImage],
    settings: &QuerySettings,
    progress: &dyn Progress,
) -> Result<Vec<Vec<Neighbor>>, PipelineError> {
    let index = open_index(atlas)?;
    if settings.k > index.len() {
        return Err(PipelineError::TooManyNeighbors { k: settings.k, images: index.len() });
    }
    let model = open_model_of(atlas, settings.weights.as_deref())?;
    let features = features_of(&model, atlas, images, progress)?;
    let ef = settings.ef_search.unwrap_or(index.params().ef_search);
    features
        .iter()
        .map(|feature| {
            let found = if settings.exact {
                index.search_exact(feature, settings.k)
            } else {
                index.search(feature, settings.k, ef)
            };
            Ok(found?)
        })
        .collect()
}

/// The features of `images` by the atlas's own network and tap.
fn features_of(
    model: &Model,
    atlas: &Atlas,
    images: &[RgbImage],
    progress: &dyn Progress,
) -> Result<Vec<Vec<f32>>, PipelineError> {
    let taps = model.resolve_taps(&[atlas.manifest().schema.feature_column.clone()])?;
    let backend = CandleBackend::new(model)?;
    let mut features = Vec::with_capacity(images.len());
    progress.begin(Stage::Query, Some(images.len() as u64));
    for chunk in images.chunks(crate::DEFAULT_BATCH) {
        let mut batch = Batch::new(chunk.len(), model.preprocess().input_px());
        for (slot, image) in chunk.iter().enumerate() {
            model.preprocess().write_input(image, batch.slot(slot));
        }
        let outputs = backend.forward(&batch, &taps)?;
        features.extend(outputs.features.chunks(taps.feature.dim).map(<[f32]>::to_vec));
        progress.advance(Stage::Query, chunk.len() as u64);
    }
    progress.end(Stage::Query);
    Ok(features)
}

fn search_pixels(
    atlas: &Atlas,
    images: &[RgbImage],
    settings: &QuerySettings,
) -> Result<Vec<Vec<Neighbor>>, PipelineError> {
    let (ids, pixels) = atlas.pixels()?;
    images
        .iter()
        .map(|image| {
            let query = featlas_extract::pixels_of(image);
            Ok(featlas_index::exact_pixels(&query, &ids, &pixels, featlas_store::PIXELS_LEN, settings.k)?)
        })
        .collect()
}

/// Draws the answers as a contact sheet: a row an answer.
///
/// # Errors
/// A damaged thumbnail shard.
pub fn query_sheet(atlas: &Atlas, answers: &[Answer]) -> Result<RgbImage, PipelineError> {
    let wanted: Vec<_> =
        answers.iter().flat_map(|answer| answer.neighbors.iter().map(|found| found.neighbor.id)).collect();
    let thumbnails = decode_thumbnails(atlas, &wanted)?;
    let several_spaces = answers.iter().any(|answer| answer.space != answers[0].space);
    let rows: Vec<SheetRow> = answers
        .iter()
        .map(|answer| SheetRow {
            title: title_of(answer, several_spaces),
            query: Some(answer.image.clone()),
            items: answer
                .neighbors
                .iter()
                .map(|found| SheetItem {
                    image: thumbnails.get(&found.neighbor.id).cloned().unwrap_or_else(blank),
                    caption: answer.space.distance_text(found.neighbor.distance),
                    sub: found.record.display_path.clone(),
                })
                .collect(),
        })
        .collect();
    Ok(contact_sheet(&rows, &SheetParams::default())?)
}

fn title_of(answer: &Answer, with_space: bool) -> String {
    let name = answer.query.file_name().unwrap_or(answer.query.as_os_str()).to_string_lossy().into_owned();
    match (with_space, answer.space) {
        (false, _) => name,
        (true, Space::Fc7) => format!("{name}: what the network sees as alike"),
        (true, Space::Pixels) => format!("{name}: what raw pixels call alike"),
    }
}
