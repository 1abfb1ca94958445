//! The neighbors of all rows: the graph that t-SNE, duplicates and label accuracy start from.

use crate::exact::{Hit, all_rows, nearest_batch};
use crate::index::Asker;
use crate::{Index, IndexError, Metric, Vectors};
use featlas_core::{ImageId, Progress, Stage};
use rayon::prelude::*;

/// Rows between two reports of progress.
const CHUNK: usize = 1024;

/// The nearest others of every image of an index.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighborGraph {
    /// The images, ascending.
    pub ids: Vec<ImageId>,
    /// Neighbors of each image.
    pub k: usize,
    /// `(n, k)` row-major: places in `ids`, nearest first, ties by id.
    pub neighbors: Vec<u32>,
    /// `(n, k)`: their distances.
    pub distances: Vec<f32>,
}

impl NeighborGraph {
    /// The neighbors of image number `at`, nearest first: places in `ids`, with distances.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn of(&self, at: usize) -> impl ExactSizeIterator<Item = (usize, f32)> + '_ {
        let range = at * self.k..(at + 1) * self.k;
        self.neighbors[range.clone()].iter().map(|&at| at as usize).zip(self.distances[range].iter().copied())
    }
}

impl Index {
    /// The `k` nearest other images of every image, by the graph; `k` is cut to the other images there are. A search keeps the
    /// candidates that the recall asks for, and half as many again as neighbors are wanted.
    ///
    /// # Errors
    /// [`IndexError::Cancelled`], [`IndexError::DamagedRow`].
    pub fn neighbors_of_all(&self, k: usize, progress: &dyn Progress) -> Result<NeighborGraph, IndexError> {
        let live: Vec<(usize, ImageId)> = self.live().collect();
        let k = k.min(live.len().saturating_sub(1));
        let mut place_of_row = vec![u32::MAX; self.num_rows()];
        for (&(row, _), place) in live.iter().zip(0u32..) {
            place_of_row[row] = place;
        }
        let ef = self.ef_search().max(k + k / 2 + 1);
        let search = |asker: &mut Asker, row: usize| -> Result<Vec<(usize, f32)>, IndexError> {
            let query = self.full_row(row)?;
            let code = self.view().code(self.parts.node_of_row[row]);
            let hits = self.ask_coded(code, &query, k + 1, ef, None, asker)?;
            Ok(without(&hits, row, k, self.metric()))
        };
        let mut graph = NeighborGraph {
            ids: live.iter().map(|&(_, id)| id).collect(),
            k,
            neighbors: Vec::with_capacity(live.len() * k),
            distances: Vec::with_capacity(live.len() * k),
        };
        progress.begin(Stage::Neighbors, Some(live.len() as u64));
        let done = live.chunks(CHUNK).try_for_each(|chunk| {
            if progress.is_cancelled() {
                return Err(IndexError::Cancelled);
            }
            let found: Vec<Vec<(usize, f32)>> = chunk
                .par_iter()
                .map_init(Asker::default, |asker, &(row, _)| search(asker, row))
                .collect::<Result<_, _>>()?;
            for (row, distance) in found.into_iter().flatten() {
                graph.neighbors.push(place_of_row[row]);
                graph.distances.push(distance);
            }
            progress.advance(Stage::Neighbors, chunk.len() as u64);
            Ok(())
        });
        progress.end(Stage::Neighbors);
        done.map(|()| graph)
    }
}

/// The `k` nearest other rows of every row, as `(row, cosine distance)`, by comparing all pairs.
///
/// Nearest first, ties by image id; a row is never its own neighbor. `k` is cut to the other rows there are. Memory:
/// `16 k` bytes a row.
///
/// # Errors
/// [`IndexError::Cancelled`].
pub fn neighbors_of_all(
    vectors: &Vectors,
    k: usize,
    progress: &dyn Progress,
) -> Result<Vec<Vec<(usize, f32)>>, IndexError> {
    let (n, dim) = (vectors.len(), vectors.dim());
    let k = k.min(n.saturating_sub(1));
    progress.begin(Stage::Neighbors, Some(n as u64));
    let mut all = Vec::with_capacity(n);
    for first in (0..n).step_by(CHUNK) {
        if progress.is_cancelled() {
            progress.end(Stage::Neighbors);
            return Err(IndexError::Cancelled);
        }
        let rows = first..(first + CHUNK).min(n);
        let found =
            nearest_batch(vectors, &vectors.values()[rows.start * dim..rows.end * dim], k + 1, all_rows)?;
        all.extend(rows.clone().zip(&found).map(|(row, hits)| without(hits, row, k, Metric::Cosine)));
        progress.advance(Stage::Neighbors, rows.len() as u64);
    }
    progress.end(Stage::Neighbors);
    Ok(all)
}

/// `hits` but `row`, cut to `k`. Among more than `k` equal rows, `row` itself may be missing.
fn without(hits: &[Hit], row: usize, k: usize, metric: Metric) -> Vec<(usize, f32)> {
    let others = hits.iter().filter(|hit| hit.row as usize != row);
    others.take(k).map(|hit| (hit.row as usize, metric.distance(hit.squared))).collect()
}
