//! "Which images does the network see as like this one?"

mod ask;
mod filter;
mod sheet;

use crate::atlas::{open_model_of, settings_of};
use crate::index::open_index;
use crate::{PipelineError, Space, calibration};
use featlas_core::{Digest, ImageId, Neighbor, Progress, RgbImage, RowsView, Stage};
use featlas_index::Index;
use featlas_net::{Backend, Batch, Preprocess, Taps};
use featlas_store::{AnswerRow, Atlas, ImageRecord, write_answers};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub use ask::Ask;
pub(crate) use ask::open_image;
use ask::{Subject, in_chunks};
use filter::Filter;
pub use sheet::query_sheet;

/// How to search.
#[derive(Debug, Clone, Default)]
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
    /// Leave the image itself out of its answer, and every image with the same bytes.
    pub exclude_self: bool,
    /// Only images with this label.
    pub label: Option<String>,
    /// Only images whose path or label matches one of these globs.
    pub only: Vec<String>,
    /// Only images within this distance.
    pub max_distance: Option<f32>,
    /// Keep the pictures asked about, for a sheet.
    pub keep_images: bool,
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
    /// What was asked about: a file, or the path of an image of the atlas.
    pub query: String,
    /// What was compared.
    pub space: Space,
    /// The neighbors.
    pub neighbors: Vec<Found>,
    /// The query itself, if [`QuerySettings::keep_images`] asked for it.
    pub image: Option<RgbImage>,
}

/// What is compared: a row for each image asked about.
struct Queries {
    names: Vec<String>,
    /// Images of the atlas that are the query itself.
    selves: Vec<BTreeSet<ImageId>>,
    images: Vec<Option<RgbImage>>,
    features: Vec<f32>,
    pixels: Vec<u8>,
}

/// Finds the neighbors of everything `asked`, which need not be in the atlas; answers come in the order asked, the spaces of
/// one image together.
///
/// Images of a folder that cannot be used are passed over with a warning; one that was named is an error.
///
/// # Errors
/// An image that cannot be decoded or is not in the atlas, an index that is missing, stale or damaged, other weights,
/// a pattern that is none, or `k` above the number of images.
pub fn query(
    atlas: &Atlas,
    asked: &[Ask],
    settings: &QuerySettings,
    progress: &dyn Progress,
) -> Result<Vec<Answer>, PipelineError> {
    let images = usize::try_from(atlas.num_images()).unwrap_or(usize::MAX);
    if images == 0 {
        return Err(PipelineError::Empty { atlas: atlas.root().to_owned() });
    }
    if settings.k > images {
        return Err(PipelineError::TooManyNeighbors { k: settings.k, images });
    }
    let by_features = settings.spaces.contains(&Space::Fc7);
    // Before the network runs: a missing index is told at once.
    let index = if by_features { Some(open_index(atlas)?) } else { None };
    let filter = Filter::new(atlas, settings, asked)?;
    let queries = prepare(atlas, asked, settings, index.as_ref(), &filter, progress)?;
    let mut of_spaces = Vec::new();
    for &space in &settings.spaces {
        let found = match (space, &index) {
            (Space::Fc7, Some(index)) => search_features(index, &queries, &filter, settings)?,
            _ => search_pixels(atlas, &queries, &filter, settings)?,
        };
        of_spaces.push((space, found));
    }
    answers(atlas, settings, queries, of_spaces, filter)
}

/// Brings everything asked about into the form in which it is compared.
fn prepare(
    atlas: &Atlas,
    asked: &[Ask],
    settings: &QuerySettings,
    index: Option<&Index>,
    filter: &Filter,
    progress: &dyn Progress,
) -> Result<Queries, PipelineError> {
    let by_pixels = settings.spaces.contains(&Space::Pixels);
    let mut queries =
        Queries { names: vec![], selves: vec![], images: vec![], features: vec![], pixels: vec![] };
    let mut network: Option<Network> = None;
    let mut own_pixels: Option<(Vec<ImageId>, Vec<u8>)> = None;
    progress.begin(Stage::Query, None);
    let done = in_chunks(atlas, asked, settings, progress, |subjects: Vec<Subject>| {
        let files: Vec<&RgbImage> = subjects.iter().filter_map(|subject| subject.decoded()).collect();
        let mut features = Vec::new().into_iter();
        if index.is_some() && !files.is_empty() {
            let network = match &mut network {
                Some(network) => network,
                none => none.insert(Network::open(atlas, settings.weights.as_deref())?),
            };
            features = network.features(&files)?.into_iter();
        }
        progress.advance(Stage::Query, subjects.len() as u64);
        for subject in subjects {
            queries.selves.push(filter.selves(&subject));
            match &subject {
                Subject::File { image, .. } => {
                    queries.features.extend(features.next().unwrap_or_default());
                    if by_pixels {
                        queries.pixels.extend(featlas_extract::pixels_of(image));
                    }
                }
                Subject::Own { record, .. } => {
                    let id = record.image_id;
                    if let Some(index) = index {
                        let row = index.row_of(id).map(|_row| index.vector(id)).transpose()?;
                        let none = || PipelineError::NoFeature { id, atlas: atlas.root().to_owned() };
                        queries.features.extend(row.ok_or_else(none)?);
                    }
                    if by_pixels {
                        let (ids, pixels) = match &own_pixels {
                            Some(pixels) => pixels,
                            None => own_pixels.insert(atlas.pixels()?),
                        };
                        let at = ids.binary_search(&id).unwrap_or_default() * featlas_store::PIXELS_LEN;
                        queries.pixels.extend(&pixels[at..at + featlas_store::PIXELS_LEN]);
                    }
                }
            }
            queries.names.push(subject.name());
            queries.images.push(subject.into_image().filter(|_| settings.keep_images));
        }
        Ok(())
    });
    progress.end(Stage::Query);
    done.map(|()| queries)
}

/// The network of an atlas, loaded once for all queries.
struct Network {
    preprocess: Preprocess,
    backend: Box<dyn Backend>,
    taps: Taps,
}

impl Network {
    fn open(atlas: &Atlas, weights: Option<&Path>) -> Result<Self, PipelineError> {
        let model = open_model_of(atlas, weights)?;
        let taps = model.resolve_taps(&[atlas.manifest().schema.feature_column.clone()])?.without_logits();
        let backend = settings_of(atlas)?.backend.open(&model, calibration::stored_in(atlas)?.as_ref())?;
        Ok(Self { preprocess: model.preprocess().clone(), backend, taps })
    }

    /// The features of `images` by the atlas's own network and tap.
    fn features(&self, images: &[&RgbImage]) -> Result<Vec<Vec<f32>>, PipelineError> {
        let mut batch = Batch::new(images.len(), self.preprocess.input_px());
        for (slot, image) in images.iter().enumerate() {
            self.preprocess.write_input(image, batch.slot(slot));
        }
        let outputs = self.backend.forward(&batch, &self.taps)?;
        Ok(outputs.features.chunks(self.taps.feature.dim).map(<[f32]>::to_vec).collect())
    }
}

/// How many neighbors a search has to ask for, so that `k` are left without the query itself.
fn wanted(queries: &Queries, settings: &QuerySettings, images: usize) -> usize {
    let selves = queries.selves.iter().map(BTreeSet::len).max().unwrap_or(0);
    settings.k.saturating_add(selves).min(images)
}

fn search_features(
    index: &Index,
    queries: &Queries,
    filter: &Filter,
    settings: &QuerySettings,
) -> Result<Vec<Vec<Neighbor>>, PipelineError> {
    if settings.k > index.len() {
        return Err(PipelineError::TooManyNeighbors { k: settings.k, images: index.len() });
    }
    let rows = RowsView::new(&queries.features, index.dim())?;
    let k = wanted(queries, settings, index.len());
    let ef = settings.ef_search.unwrap_or(index.ef_search_for(settings.k));
    Ok(if let Some(passing) = filter.passing() {
        // However few pass, all of them are looked at: a filter's answer is complete.
        index.search_among(rows, k, |id| passing.contains(&id))?
    } else if settings.exact || index.prefers_exact() {
        index.search_exact_batch(rows, k)?
    } else {
        index.search_batch(rows, k, ef)?
    })
}

fn search_pixels(
    atlas: &Atlas,
    queries: &Queries,
    filter: &Filter,
    settings: &QuerySettings,
) -> Result<Vec<Vec<Neighbor>>, PipelineError> {
    let (mut ids, mut pixels) = atlas.pixels()?;
    if let Some(passing) = filter.passing() {
        let rows = ids.iter().zip(pixels.chunks_exact(featlas_store::PIXELS_LEN));
        let kept: Vec<(ImageId, &[u8])> =
            rows.filter(|(id, _)| passing.contains(id)).map(|(&id, row)| (id, row)).collect();
        (ids, pixels) =
            (kept.iter().map(|row| row.0).collect(), kept.iter().flat_map(|row| row.1).copied().collect());
    }
    let k = wanted(queries, settings, ids.len());
    let queries = queries.pixels.chunks_exact(featlas_store::PIXELS_LEN);
    queries
        .map(|query| Ok(featlas_index::exact_pixels(query, &ids, &pixels, featlas_store::PIXELS_LEN, k)?))
        .collect()
}

/// Puts the answers together, in the order asked.
fn answers(
    atlas: &Atlas,
    settings: &QuerySettings,
    queries: Queries,
    mut of_spaces: Vec<(Space, Vec<Vec<Neighbor>>)>,
    filter: Filter,
) -> Result<Vec<Answer>, PipelineError> {
    let near = |neighbor: &Neighbor| settings.max_distance.is_none_or(|limit| neighbor.distance <= limit);
    for (_, found) in &mut of_spaces {
        for (neighbors, selves) in found.iter_mut().zip(&queries.selves) {
            neighbors.retain(|neighbor| near(neighbor) && !selves.contains(&neighbor.id));
            neighbors.truncate(settings.k);
        }
    }
    let ids: BTreeSet<ImageId> =
        of_spaces.iter().flat_map(|(_, found)| found.iter().flatten().map(|neighbor| neighbor.id)).collect();
    let records = filter.records(atlas, &ids)?;
    let mut answers = Vec::with_capacity(queries.names.len() * of_spaces.len());
    for (at, (name, image)) in queries.names.into_iter().zip(queries.images).enumerate() {
        for (space, found) in &of_spaces {
            let with_record =
                |&neighbor: &Neighbor| Some(Found { neighbor, record: records.get(&neighbor.id)?.clone() });
            answers.push(Answer {
                query: name.clone(),
                space: *space,
                neighbors: found[at].iter().filter_map(with_record).collect(),
                image: image.clone(),
            });
        }
    }
    Ok(answers)
}

/// Writes answers as a Parquet table: `query`, `space`, `rank`, `image_id`, `path`, `label`, `distance`.
///
/// # Errors
/// A file that cannot be written.
pub fn write_answers_to(atlas: &Atlas, answers: &[Answer], path: &Path) -> Result<(), PipelineError> {
    let row = |answer: &Answer, found: &Found, rank: u32| AnswerRow {
        query: answer.query.clone(),
        space: answer.space.name().to_owned(),
        rank,
        image_id: found.neighbor.id,
        path: found.record.display_path.clone(),
        label: found.record.label.clone(),
        distance: found.neighbor.distance,
    };
    let rows: Vec<AnswerRow> = answers
        .iter()
        .flat_map(|answer| {
            answer.neighbors.iter().zip(1..).map(move |(found, rank)| row(answer, found, rank))
        })
        .collect();
    let mut file = write_answers(atlas, fs_err::File::create(path)?, path, &rows)?;
    file.flush()?;
    Ok(())
}

/// Digest by which the bytes of a file are known again in the atlas.
fn content_hash(bytes: &[u8]) -> Digest {
    Digest::of(bytes)
}

/// Records by id.
type Records = BTreeMap<ImageId, ImageRecord>;
