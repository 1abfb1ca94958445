//! What follows from neighbors: whether they share labels, in features and in raw pixels; near-duplicates; outliers.

use crate::{IndexSettings, PipelineError};
use featlas_core::{ImageId, Progress};
use featlas_index::{Index, LabelAccuracy, exact_pixels_batch, label_accuracy, near_duplicates, outliers};
use featlas_store::{Atlas, PIXELS_LEN};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Neighbors that vote for an image's label.
const VOTERS: usize = 10;
/// Images that an outlier is listed among.
const OUTLIERS: usize = 24;
/// Cosine distance within which images count as nearly the same.
pub const DEFAULT_DUPLICATE_LIMIT: f32 = 0.02;

/// What follows from the neighbors of an atlas's images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Insights {
    /// How often the ten nearest by features vote for an image's own label; none without labels.
    pub features: Option<LabelAccuracy>,
    /// The same by raw pixels, of the same images.
    pub pixels: Option<LabelAccuracy>,
    /// Distance within which images count as nearly the same.
    pub duplicate_limit: f32,
    /// Groups of images that are nearly the same, the largest first.
    pub duplicates: Vec<Vec<ImageId>>,
    /// Images that are least like any other, with the mean distance to their neighbors.
    pub outliers: Vec<(ImageId, f32)>,
}

pub(crate) fn insights(
    atlas: &Atlas,
    index: &Index,
    settings: &IndexSettings,
    progress: &dyn Progress,
) -> Result<Insights, PipelineError> {
    let graph = index.neighbors_of_all(VOTERS, progress)?;
    let ids = |places: Vec<usize>| places.into_iter().map(|place| graph.ids[place]).collect();
    let duplicates = near_duplicates(&graph, DEFAULT_DUPLICATE_LIMIT).into_iter().map(ids).collect();
    let outliers = outliers(&graph, OUTLIERS).into_iter().map(|(at, mean)| (graph.ids[at], mean)).collect();

    let labels = Labels::of(atlas)?;
    let labeled: Vec<usize> =
        (0..graph.ids.len()).filter(|&at| labels.of_image(graph.ids[at]).is_some()).collect();
    let (mut features, mut pixels) = (None, None);
    if labels.distinct > 1 && !labeled.is_empty() {
        let mut all = labeled;
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let mut asked = all.partial_shuffle(&mut rng, settings.accuracy_queries).0.to_vec();
        asked.sort_unstable();
        let votes = asked.iter().map(|&at| {
            let neighbors = graph.of(at).map(|(other, _)| labels.of_image(graph.ids[other]));
            (labels.of_image(graph.ids[at]), neighbors)
        });
        features = Some(label_accuracy(VOTERS, votes)).filter(|accuracy| accuracy.images > 0);
        let asked: Vec<ImageId> = asked.into_iter().map(|at| graph.ids[at]).collect();
        pixels = Some(accuracy_of_pixels(atlas, &labels, &asked)?).filter(|accuracy| accuracy.images > 0);
    }
    Ok(Insights { features, pixels, duplicate_limit: DEFAULT_DUPLICATE_LIMIT, duplicates, outliers })
}

fn accuracy_of_pixels(
    atlas: &Atlas,
    labels: &Labels,
    asked: &[ImageId],
) -> Result<LabelAccuracy, PipelineError> {
    let (ids, pixels) = atlas.pixels()?;
    let row = |id: &ImageId| ids.binary_search(id).ok();
    let asked: Vec<(ImageId, usize)> = asked.iter().filter_map(|id| Some((*id, row(id)?))).collect();
    let queries: Vec<u8> =
        asked.iter().flat_map(|&(_, row)| &pixels[row * PIXELS_LEN..][..PIXELS_LEN]).copied().collect();
    // One more than vote: each image finds itself.
    let k = (VOTERS + 1).min(ids.len());
    let found = exact_pixels_batch(&queries, &ids, &pixels, PIXELS_LEN, k)?;
    let votes = asked.iter().zip(&found).map(|(&(id, _), found)| {
        let others = found.iter().filter(move |neighbor| neighbor.id != id);
        (labels.of_image(id), others.map(|neighbor| labels.of_image(neighbor.id)))
    });
    Ok(label_accuracy(VOTERS, votes))
}

/// Labels as numbers.
struct Labels {
    by_image: BTreeMap<ImageId, u32>,
    distinct: usize,
}

impl Labels {
    fn of(atlas: &Atlas) -> Result<Self, PipelineError> {
        let mut names: BTreeMap<String, u32> = BTreeMap::new();
        let mut by_image = BTreeMap::new();
        for record in atlas.images()? {
            if let Some(label) = record.label {
                let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
                by_image.insert(record.image_id, *names.entry(label).or_insert(next));
            }
        }
        Ok(Self { by_image, distinct: names.len() })
    }

    fn of_image(&self, id: ImageId) -> Option<u32> {
        self.by_image.get(&id).copied()
    }
}
