//! The rows that are mapped: their principal components, their neighbors, and how well a map keeps those.

use crate::vectors::{SpaceVectors, load_vectors};
use crate::{PipelineError, Space};
use featlas_core::{ImageId, Progress, RowsView};
use featlas_embed::{NeighborTable, Pca, QUALITY_SAMPLE, Quality};
use featlas_index::Vectors;
use featlas_store::Atlas;

/// The greatest cosine distance.
const FARTHEST: f32 = 2.0;

/// One space of an atlas.
pub(super) struct SpaceRows {
    pub(super) ids: Vec<ImageId>,
    pub(super) pca: Pca,
    // `(n, k)`
    scores: Vec<f32>,
    metric: Metric,
}

/// By what images are neighbors.
enum Metric {
    /// The direction of their features, as in the index.
    Direction(Directions),
    /// The Euclidean distance of their pixels, all principal components of which are looked at.
    Euclidean(SpaceVectors),
}

impl SpaceRows {
    /// Reads the vectors of `space` and fits `components` principal components to them.
    pub(super) fn load(
        atlas: &Atlas,
        space: Space,
        components: usize,
        progress: &dyn Progress,
    ) -> Result<Self, PipelineError> {
        let loaded = load_vectors(atlas, space, progress)?;
        let rows = RowsView::new(&loaded.values, loaded.dim)?;
        let (pca, scores) = featlas_embed::fit_project(rows, components, progress)?;
        let ids = loaded.ids.clone();
        let metric = match space {
            Space::Fc7 => Metric::Direction(Directions::new(loaded)?),
            Space::Pixels => Metric::Euclidean(loaded),
        };
        Ok(Self { ids, pca, scores, metric })
    }

    /// The first `axes` scores of every image, `(n, axes)`. Axes that PCA did not find are zero, as for a single
    /// image.
    pub(super) fn first_scores(&self, axes: usize) -> Vec<f32> {
        let k = self.pca.num_components();
        let score = |row: usize, axis: usize| if axis < k { self.scores[row * k + axis] } else { 0.0 };
        (0..self.ids.len())
            .flat_map(|row| (0..axes).map(move |axis| (row, axis)))
            .map(|(r, a)| score(r, a))
            .collect()
    }

    /// The `k` nearest images of every image with their squared distances. For features those are the index's; for
    /// pixels, the nearest by the principal components, as in the paper on t-SNE.
    pub(super) fn neighbors(
        &self,
        k: usize,
        progress: &dyn Progress,
    ) -> Result<NeighborTable, PipelineError> {
        match &self.metric {
            Metric::Direction(directions) => directions.neighbors(k, progress),
            Metric::Euclidean(_) => {
                let components = self.pca.num_components();
                let zeros = vec![0.0; self.ids.len()];
                let (scores, dim) = if components == 0 { (&zeros, 1) } else { (&self.scores, components) };
                Ok(featlas_embed::exact_neighbors(RowsView::new(scores, dim)?, k, progress)?)
            }
        }
    }

    /// How much of the neighborhoods the map, `(n, 2)`, keeps.
    pub(super) fn quality(&self, map: &[f32], k: usize) -> Result<Quality, PipelineError> {
        match &self.metric {
            Metric::Direction(directions) => directions.quality(map, k),
            Metric::Euclidean(pixels) => {
                let rows = RowsView::new(&pixels.values, pixels.dim)?;
                Ok(featlas_embed::map_quality(rows, RowsView::new(map, 2)?, k, QUALITY_SAMPLE)?)
            }
        }
    }
}

/// Unit rows of a space. An all-zero row has no direction and is left out; the map holds it all the same.
struct Directions {
    vectors: Vectors,
    /// The row of the space behind each unit row.
    rows: Vec<usize>,
    n: usize,
}

impl Directions {
    fn new(loaded: SpaceVectors) -> Result<Self, PipelineError> {
        let n = loaded.ids.len();
        let (vectors, zero) = Vectors::new(loaded.ids.clone(), loaded.values, loaded.dim)?;
        let rows = (0..n).filter(|&row| zero.binary_search(&loaded.ids[row]).is_err()).collect();
        Ok(Self { vectors, rows, n })
    }

    /// A row without direction, or with fewer than `k` others, is given the first other rows at the greatest
    /// distance.
    fn neighbors(&self, k: usize, progress: &dyn Progress) -> Result<NeighborTable, PipelineError> {
        let found = featlas_index::neighbors_of_all(&self.vectors, k, progress)?;
        let mut neighbors: Vec<Vec<(usize, f32)>> = vec![Vec::new(); self.n];
        for (&row, found) in self.rows.iter().zip(found) {
            // A cosine distance is half the squared Euclidean one of unit rows.
            neighbors[row] =
                found.into_iter().map(|(other, distance)| (self.rows[other], 2.0 * distance)).collect();
        }
        for (row, list) in neighbors.iter_mut().enumerate() {
            let farthest = (0..self.n).filter(|&other| other != row).map(|other| (other, 2.0 * FARTHEST));
            pad(list, farthest, k);
        }
        Ok(NeighborTable::from_lists(&neighbors)?)
    }

    fn quality(&self, map: &[f32], k: usize) -> Result<Quality, PipelineError> {
        let map: Vec<f32> = self.rows.iter().flat_map(|&row| [map[2 * row], map[2 * row + 1]]).collect();
        let map = RowsView::new(&map, 2)?;
        Ok(featlas_embed::map_quality(self.vectors.rows(), map, k, QUALITY_SAMPLE)?)
    }
}

/// Fills `found` up to `k` with rows of `filler` that it lacks.
fn pad(found: &mut Vec<(usize, f32)>, filler: impl Iterator<Item = (usize, f32)>, k: usize) {
    for (other, distance) in filler {
        if found.len() >= k {
            break;
        }
        if found.iter().all(|&(there, _)| there != other) {
            found.push((other, distance));
        }
    }
}
