//! The index: unit rows, the frozen graph over them, and every way to ask.

use crate::exact::{Hit, all_rows, nearest, nearest_batch};
use crate::graph::Graph;
use crate::vectors::unit_queries;
use crate::{Audit, IndexError, IndexParams, Vectors, files};
use featlas_core::{Digest, ImageId, Neighbor, Progress, RowsView, Stage};
use rayon::prelude::*;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Rows between two reports of progress.
const CHUNK: usize = 1024;

/// Unit vectors of images and a graph that finds the nearest of them.
///
/// All distances are cosine distances in `[0, 2]`; all answers are nearest first, ties by image id.
/// Searching changes nothing, so any number of threads may search at once.
#[derive(Debug)]
pub struct Index {
    vectors: Arc<Vectors>,
    graph: Graph,
    params: IndexParams,
    audit: Audit,
    vectors_digest: OnceLock<Digest>,
}

impl Index {
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) fn from_parts(vectors: Arc<Vectors>, graph: Graph, params: IndexParams, audit: Audit) -> Self {
        Self { vectors, graph, params, audit, vectors_digest: OnceLock::new() }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Always false: an empty index cannot be built or read.
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// Components of a vector.
    pub fn dim(&self) -> usize {
        self.vectors.dim()
    }

    /// Image ids, row by row.
    pub fn ids(&self) -> &[ImageId] {
        self.vectors.ids()
    }

    /// The vector of row `row`, scaled to length 1.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn vector(&self, row: usize) -> &[f32] {
        self.vectors.row(row)
    }

    /// The row of image `id`, if it is in the index.
    pub fn row_of(&self, id: ImageId) -> Option<usize> {
        self.vectors.row_of(id)
    }

    /// All vectors.
    pub fn vectors(&self) -> &Vectors {
        &self.vectors
    }

    /// Distinct vectors; equal ones share a place in the graph.
    pub fn num_distinct(&self) -> usize {
        self.graph.len()
    }

    /// What the index was built with.
    pub fn params(&self) -> &IndexParams {
        &self.params
    }

    /// How the graph stood the test after the build.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The `k` images nearest to `query`, by the graph.
    ///
    /// `query` has [`Index::dim`] components and any length but 0. `ef` is the number of candidates kept, raised to `k`;
    /// more finds more of the true neighbors and takes longer. Should the graph not lead to `k` images, the answer
    /// is that of [`Index::search_exact`].
    ///
    /// # Errors
    /// [`IndexError::TooFewVectors`], [`IndexError::Dimension`], [`IndexError::NonFiniteQuery`], [`IndexError::ZeroNorm`].
    pub fn search(&self, query: &[f32], k: usize, ef: usize) -> Result<Vec<Neighbor>, IndexError> {
        let query = self.check(query, k)?;
        Ok(self.neighbors(&self.search_unit(&query, k, ef)))
    }

    /// The `k` images nearest to `query`, by comparing it with every vector.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn search_exact(&self, query: &[f32], k: usize) -> Result<Vec<Neighbor>, IndexError> {
        let query = self.check(query, k)?;
        Ok(self.neighbors(&nearest(&self.vectors, &query, k, all_rows)))
    }

    /// [`Index::search_exact`] for every row of `queries`, several times faster than one by one and with the same result.
    ///
    /// # Errors
    /// As [`Index::search`]; the error names the row of the query.
    pub fn search_exact_batch(
        &self,
        queries: RowsView<'_>,
        k: usize,
    ) -> Result<Vec<Vec<Neighbor>>, IndexError> {
        Self::check_k(k, self.len())?;
        let unit = unit_queries(queries, self.dim())?;
        Ok(nearest_batch(&self.vectors, &unit, k, all_rows).iter().map(|hits| self.neighbors(hits)).collect())
    }

    /// The `k` nearest other rows of every row, as [`crate::neighbors_of_all`] gives them, but by the graph: faster for many
    /// rows, and not all of them the nearest.
    ///
    /// # Errors
    /// [`IndexError::Cancelled`].
    pub fn neighbors_of_all(
        &self,
        k: usize,
        progress: &dyn Progress,
    ) -> Result<Vec<Vec<(usize, f32)>>, IndexError> {
        let ef = self.params.ef_search.max(k + k / 2);
        others_of_all(&self.vectors, k, progress, |rows, k| {
            rows.into_par_iter().map(|row| self.search_unit(self.vectors.row(row), k, ef)).collect()
        })
    }

    /// Writes the vectors; read back by [`Index::open`].
    ///
    /// # Errors
    /// [`IndexError::Write`].
    pub fn write_vectors(&self, out: &mut dyn Write) -> Result<(), IndexError> {
        let digest = files::write_vectors(&self.vectors, out)
            .map_err(|source| IndexError::Write { file: "vectors", source })?;
        // Equal vectors have equal bytes, so a digest set before is the same.
        self.vectors_digest.get_or_init(|| digest);
        Ok(())
    }

    /// Writes the graph, its parameters and its audit; it names the vectors it belongs to by their digest.
    ///
    /// # Errors
    /// [`IndexError::Write`].
    pub fn write_graph(&self, out: &mut dyn Write) -> Result<(), IndexError> {
        let sink = || files::write_vectors(&self.vectors, &mut std::io::sink());
        let digest = match self.vectors_digest.get() {
            Some(digest) => Ok(*digest),
            None => sink(),
        };
        digest
            .and_then(|digest| files::write_graph(&self.graph, &self.params, &self.audit, digest, out))
            .map_err(|source| IndexError::Write { file: "graph", source })
    }

    /// Reads the two files of an index.
    ///
    /// The length that a header announces must be the file's; then the digest at the end must be that of the
    /// contents; then every number must lie in its bounds: unit rows, distinct ids, links to existing nodes of the
    /// right layer. Only then is anything used. A damaged file is an error, never a panic, and never
    /// takes more memory than the file is long.
    ///
    /// # Errors
    /// [`IndexError::Read`], [`IndexError::Version`], [`IndexError::Damaged`], [`IndexError::Mismatch`].
    pub fn open(vectors: &Path, graph: &Path) -> Result<Self, IndexError> {
        let (mut vectors_file, vectors_len) = files::open(vectors)?;
        let (mut graph_file, graph_len) = files::open(graph)?;
        Self::read((&mut vectors_file, vectors_len, vectors), (&mut graph_file, graph_len, graph))
    }

    /// [`Index::open`] for files that are in memory already.
    ///
    /// # Errors
    /// As [`Index::open`], with `vectors` and `graph` for the paths.
    pub fn from_bytes(vectors: &[u8], graph: &[u8]) -> Result<Self, IndexError> {
        let (mut vectors, vectors_len) = (vectors, vectors.len() as u64);
        let (mut graph, graph_len) = (graph, graph.len() as u64);
        Self::read(
            (&mut vectors, vectors_len, Path::new("vectors")),
            (&mut graph, graph_len, Path::new("graph")),
        )
    }

    fn read(vectors: files::Input<'_>, graph: files::Input<'_>) -> Result<Self, IndexError> {
        let graph_path = graph.2;
        let (vectors, digest) = files::read_vectors(vectors)?;
        let read = files::read_graph(graph)?;
        if read.vectors_digest != digest || read.graph.num_rows() != vectors.len() {
            return Err(IndexError::Mismatch { path: graph_path.to_owned() });
        }
        let vectors_digest = OnceLock::from(digest);
        Ok(Self {
            vectors: Arc::new(vectors),
            graph: read.graph,
            params: read.params,
            audit: read.audit,
            vectors_digest,
        })
    }

    fn check_k(k: usize, len: usize) -> Result<(), IndexError> {
        if k > len { Err(IndexError::TooFewVectors { k, len }) } else { Ok(()) }
    }

    fn check(&self, query: &[f32], k: usize) -> Result<Vec<f32>, IndexError> {
        Self::check_k(k, self.len())?;
        let empty = IndexError::Dimension { expected: self.dim(), got: query.len() };
        let rows = RowsView::new(query, query.len()).map_err(|_empty| empty)?;
        unit_queries(rows, self.dim())
    }

    /// Searches the graph for a unit row.
    fn search_unit(&self, query: &[f32], k: usize, ef: usize) -> Vec<Hit> {
        let nodes = self.graph.search(&self.vectors, query, ef.max(k));
        let hits = self.graph.hits(&self.vectors, &nodes, k);
        if hits.len() < k { nearest(&self.vectors, query, k, all_rows) } else { hits }
    }

    fn neighbors(&self, hits: &[Hit]) -> Vec<Neighbor> {
        let id = |hit: &Hit| self.vectors.ids()[hit.row as usize];
        hits.iter().map(|hit| Neighbor { id: id(hit), distance: hit.distance }).collect()
    }
}

/// The `k` nearest other rows of every row, as `(row, distance)`, by comparing all pairs.
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
    let dim = vectors.dim();
    others_of_all(vectors, k, progress, |rows, k| {
        nearest_batch(vectors, &vectors.values()[rows.start * dim..rows.end * dim], k, all_rows)
    })
}

/// Asks `search` for the nearest of every row, in chunks, and leaves the row itself out.
fn others_of_all(
    vectors: &Vectors,
    k: usize,
    progress: &dyn Progress,
    search: impl Fn(Range<usize>, usize) -> Vec<Vec<Hit>>,
) -> Result<Vec<Vec<(usize, f32)>>, IndexError> {
    let n = vectors.len();
    let k = k.min(n.saturating_sub(1));
    progress.begin(Stage::Neighbors, Some(n as u64));
    let mut all = Vec::with_capacity(n);
    for first in (0..n).step_by(CHUNK) {
        if progress.is_cancelled() {
            progress.end(Stage::Neighbors);
            return Err(IndexError::Cancelled);
        }
        let rows = first..(first + CHUNK).min(n);
        let found = search(rows.clone(), k + 1);
        all.extend(rows.clone().zip(&found).map(|(row, hits)| without(hits, row, k)));
        progress.advance(Stage::Neighbors, rows.len() as u64);
    }
    progress.end(Stage::Neighbors);
    Ok(all)
}

/// `hits` but `row`, cut to `k`. Among more than `k` equal rows, `row` itself may be missing.
fn without(hits: &[Hit], row: usize, k: usize) -> Vec<(usize, f32)> {
    let others = hits.iter().filter(|hit| hit.row as usize != row);
    others.take(k).map(|hit| (hit.row as usize, hit.distance)).collect()
}

#[cfg(test)]
#[path = "index/tests.rs"]
mod tests;
