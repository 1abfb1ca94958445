//! The index: codes, the graph over them, and the full rows behind them.

mod search;

use crate::blob::{Blob, Section};
use crate::compact::Projection;
use crate::files::{self, Head};
use crate::graph::{Audit, GraphView};
use crate::segment::{PackedPlace, RowStore, RowsFile, StoredRows};
use crate::{IndexError, IndexParams, Metric};
use featlas_core::{Digest, ImageId};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

pub(crate) use search::Asker;

/// Neighbors for which `ef_search` is chosen.
const TUNED_K: usize = 10;
/// Rows up to which comparing with all of them takes about as long as the graph.
const EXACT_ROWS: usize = 1000;

/// What an index file holds besides its head.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Images, ascending.
    pub(crate) ids: Section<u64>,
    pub(crate) places: Section<PackedPlace>,
    pub(crate) node_of_row: Section<u32>,
    pub(crate) members: Members,
    /// A bit a row: whether its image is gone.
    pub(crate) removed: Section<u64>,
    pub(crate) levels: Section<u8>,
    pub(crate) slots: Section<u32>,
    pub(crate) bottom: Section<u32>,
    pub(crate) upper: Section<u32>,
    pub(crate) codes: Section<u8>,
    pub(crate) projection: Projection,
    pub(crate) files: Vec<RowsFile>,
}

/// Rows grouped by node: nodes are numbered in the order of their first row.
#[derive(Debug)]
pub(crate) enum Members {
    /// All rows are different: node `i` is row `i`.
    Same,
    /// Rows of node `v`, ascending, are `rows[start[v]..start[v + 1]]`.
    Grouped { start: Vec<u32>, rows: Vec<u32> },
}

impl Members {
    /// Groups the rows; the text of the error says what is wrong with the numbering.
    pub(crate) fn of(node_of_row: &[u32], nodes: usize) -> Result<Self, String> {
        let mut seen = 0usize;
        for (row, &node) in node_of_row.iter().enumerate() {
            if node as usize > seen || node as usize >= nodes {
                return Err(format!("row {row} belongs to node {node}, expected at most {seen}"));
            }
            seen += usize::from(node as usize == seen);
        }
        if seen != nodes || nodes == 0 {
            return Err(format!("expected at least one row for each of {nodes} nodes, got {seen}"));
        }
        if nodes == node_of_row.len() {
            return Ok(Self::Same);
        }
        let mut start = vec![0u32; nodes + 1];
        for &node in node_of_row {
            start[node as usize + 1] += 1;
        }
        for node in 0..nodes {
            start[node + 1] += start[node];
        }
        let mut next = start.clone();
        let mut rows = vec![0u32; node_of_row.len()];
        for (row, &node) in (0u32..).zip(node_of_row) {
            rows[next[node as usize] as usize] = row;
            next[node as usize] += 1;
        }
        Ok(Self::Grouped { start, rows })
    }

    /// The rows of `node`, ascending.
    pub(crate) fn rows_of(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let (same, grouped) = match self {
            Self::Same => (Some(node), &[][..]),
            Self::Grouped { start, rows } => {
                (None, &rows[start[node as usize] as usize..start[node as usize + 1] as usize])
            }
        };
        same.into_iter().chain(grouped.iter().copied())
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Same => 0,
            Self::Grouped { start, rows } => (start.len() + rows.len()) * 4,
        }
    }
}

/// Compact vectors of images, a graph that finds the nearest of them, and their full rows, read one by one.
///
/// Answers are nearest first, ties by image id; their distances are exact, computed from the full rows, whichever way they
/// were found. Searching changes nothing, so any number of threads may search at once.
#[derive(Debug)]
pub struct Index {
    pub(crate) head: Head,
    pub(crate) parts: Parts,
    pub(crate) store: RowStore,
    num_removed: usize,
    // What searches that are over leave to those that come.
    askers: Mutex<Vec<Asker>>,
}

impl Index {
    pub(crate) fn from_parts(head: Head, parts: Parts, folder: &Path) -> Result<Self, IndexError> {
        let store = RowStore::open(folder, &parts.files, parts.ids.len(), parts.projection.dim())?;
        let num_removed = parts.removed.iter().map(|word| word.count_ones() as usize).sum();
        Ok(Self { head, parts, store, num_removed, askers: Mutex::default() })
    }

    /// Opens an index file; its rows files lie in the same folder.
    ///
    /// The file is mapped, and verified before anything in it is used: magic and version, the digest of all of it, the
    /// counts against its length, then every number against its bounds. Rows are not read here; each is verified against its
    /// own digest when it is first used. A damaged file is an error, never a panic.
    ///
    /// # Errors
    /// [`IndexError::Read`], [`IndexError::Version`], [`IndexError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        Self::read(&Blob::open(path)?, path, path.parent().unwrap_or(Path::new("")))
    }

    /// [`Index::open`] for a file that is in memory already; its rows files lie in `folder`.
    ///
    /// # Errors
    /// As [`Index::open`], with `index` for the path.
    pub fn from_bytes(bytes: &[u8], folder: &Path) -> Result<Self, IndexError> {
        let path = Path::new("index");
        Self::read(&Blob::copy_of(bytes, path)?, path, folder)
    }

    fn read(blob: &Blob, path: &Path, folder: &Path) -> Result<Self, IndexError> {
        let (head, parts) = files::read(blob, path)?;
        let damaged = |reason: String| IndexError::Damaged { reason, path: path.to_owned() };
        view_of(&head, &parts).check().map_err(damaged)?;
        let rows = parts.ids.len();
        let beyond = parts.removed.last().is_some_and(|last| rows % 64 != 0 && last >> (rows % 64) != 0);
        if beyond {
            return Err(damaged("a row is removed that it does not have".to_owned()));
        }
        Self::from_parts(head, parts, folder)
    }

    /// Writes the index file. The rows files are on disk already.
    ///
    /// # Errors
    /// [`IndexError::Write`].
    pub fn write(&self, out: &mut dyn Write) -> Result<(), IndexError> {
        files::write(&self.head, &self.parts, out).map_err(|source| IndexError::Write { source })
    }

    pub(crate) fn view(&self) -> GraphView<'_> {
        view_of(&self.head, &self.parts)
    }

    pub(crate) fn rows(&self) -> StoredRows<'_> {
        StoredRows { store: &self.store, ids: &self.parts.ids, places: &self.parts.places }
    }

    /// Number of images that can be found.
    pub fn len(&self) -> usize {
        self.num_rows() - self.num_removed
    }

    /// Whether every image was removed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows, those of removed images included.
    pub fn num_rows(&self) -> usize {
        self.parts.ids.len()
    }

    /// Number of images that were removed since the last full build.
    pub fn num_removed(&self) -> usize {
        self.num_removed
    }

    /// Number of images that were added since the last full build.
    pub fn num_added(&self) -> usize {
        self.num_rows().saturating_sub(usize::try_from(self.head.built_rows).unwrap_or(usize::MAX))
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.parts.projection.dim()
    }

    /// Directions of a compact vector, a byte each.
    pub fn rank(&self) -> usize {
        self.parts.projection.rank()
    }

    /// Distinct rows; equal ones share a place in the graph.
    pub fn num_distinct(&self) -> usize {
        self.parts.levels.len()
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.head.metric
    }

    /// What the index was built with.
    pub fn params(&self) -> &IndexParams {
        &self.head.params
    }

    /// Candidates a search keeps unless told otherwise.
    pub fn ef_search(&self) -> usize {
        self.head.ef_search
    }

    /// Candidates that a search for `k` neighbors keeps unless told otherwise: [`Index::ef_search`] is chosen for ten
    /// neighbors, and as many times more need as many times more candidates.
    pub fn ef_search_for(&self, k: usize) -> usize {
        self.head.ef_search.saturating_mul(k.div_ceil(TUNED_K).max(1))
    }

    /// Sets [`Index::ef_search`], at least 1.
    pub fn set_ef_search(&mut self, ef: usize) {
        self.head.ef_search = ef.clamp(1, 1 << 20);
    }

    /// How the graph stood the test after the build.
    pub fn audit(&self) -> &Audit {
        &self.head.audit
    }

    /// Whether comparing with every image is as fast as the graph, and so the better choice.
    pub fn prefers_exact(&self) -> bool {
        self.num_rows() <= EXACT_ROWS
    }

    /// What the index was made from, as its maker said.
    pub fn tag(&self) -> Digest {
        self.head.tag
    }

    /// The rows files, in the folder of the index file.
    pub fn rows_files(&self) -> &[RowsFile] {
        &self.parts.files
    }

    /// Bytes of memory that the loaded index takes, without the rows files: the index file itself, and what is derived
    /// from it.
    pub fn memory_bytes(&self) -> usize {
        let parts = &self.parts;
        let projection = parts.projection.matrix().len() * 2 + parts.projection.rank() * 4;
        let rows = parts.ids.len() * 8 + parts.places.len() * 24 + parts.node_of_row.len() * 4;
        let graph = parts.levels.len() + (parts.slots.len() + parts.bottom.len() + parts.upper.len()) * 4;
        rows + graph
            + parts.codes.len()
            + 2 * projection
            + parts.members.bytes()
            + 2 * parts.removed.len() * 8
    }

    /// The images that can be found, by row, with their rows.
    pub fn live(&self) -> impl Iterator<Item = (usize, ImageId)> + '_ {
        let live = self.parts.ids.iter().enumerate().filter(|&(row, _)| !self.is_removed(row));
        live.map(|(row, &id)| (row, ImageId(id)))
    }

    /// The row of image `id`, if it can be found.
    pub fn row_of(&self, id: ImageId) -> Option<usize> {
        self.parts.ids.binary_search(&id.0).ok().filter(|&row| !self.is_removed(row))
    }

    /// The image of row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn id_of(&self, row: usize) -> ImageId {
        ImageId(self.parts.ids[row])
    }

    /// The full row of image `id`, as it is compared: of length 1 under the cosine.
    ///
    /// # Errors
    /// [`IndexError::UnknownImage`], [`IndexError::DamagedRow`].
    pub fn vector(&self, id: ImageId) -> Result<Vec<f32>, IndexError> {
        let row = self.row_of(id).ok_or(IndexError::UnknownImage { id })?;
        self.full_row(row)
    }

    pub(crate) fn full_row(&self, row: usize) -> Result<Vec<f32>, IndexError> {
        use crate::exact::Rows as _;
        let mut buffer = Vec::new();
        self.rows().row(row, &mut buffer)?;
        Ok(buffer)
    }

    pub(crate) fn is_removed(&self, row: usize) -> bool {
        self.parts.removed[row / 64] >> (row % 64) & 1 == 1
    }
}

fn view_of<'a>(head: &Head, parts: &'a Parts) -> GraphView<'a> {
    GraphView {
        m: head.params.m,
        rank: parts.projection.rank(),
        codes: &parts.codes,
        levels: &parts.levels,
        bottom: &parts.bottom,
        slots: &parts.slots,
        upper: &parts.upper,
        entry: head.entry,
    }
}

#[cfg(test)]
mod tests;
