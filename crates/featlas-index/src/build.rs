//! Building an index, and bringing one up to date.

use crate::blob::Section;
use crate::choose::choose;
use crate::compact::{Projection, check_dim};
use crate::exact::Rows as _;
use crate::files::{Head, is_plain_name};
use crate::graph::{Audit, Draft, GrowParams, audit, grow};
use crate::index::{Members, Parts};
use crate::record::Sparse;
use crate::segment::{PackedPlace, Place, RowStore, RowsWriter, StoredRows};
use crate::vectors::MAX_ROWS;
use crate::{Basis, Index, IndexError, IndexParams};
use featlas_core::{Digest, ImageId, Progress, Stage};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;

/// Candidates kept by a search until the recall was measured.
const FIRST_EF_SEARCH: usize = 64;
/// Rows whose codes are computed between two looks at the progress.
const CHUNK: usize = 4096;

/// Builds the index over the rows that `rows` took, in `folder`, where it writes its files.
///
/// `basis` holds the directions of compact vectors, fitted to [`RowsWriter::sample`]; `tag` says what the index is made from,
/// and is stored. Cost: about `n · log n` distances between codes times `ef_construction`. Memory while it builds:
/// `rank + 8 m + 60` bytes a row, and the sample.
///
/// # Errors
/// [`IndexError::Empty`], [`IndexError::Parameter`], [`IndexError::Dimension`], [`IndexError::Threads`],
/// [`IndexError::Cancelled`], [`IndexError::WriteRows`].
pub fn build(
    folder: &Path,
    rows: RowsWriter,
    basis: &Basis,
    params: &IndexParams,
    tag: Digest,
    progress: &dyn Progress,
) -> Result<Index, IndexError> {
    params.check()?;
    check_dim(basis, rows.dim())?;
    if rows.is_empty() {
        return Err(IndexError::Empty);
    }
    on_threads(params.threads, || build_here(folder, rows, basis, params, tag, progress))
}

fn build_here(
    folder: &Path,
    rows: RowsWriter,
    basis: &Basis,
    params: &IndexParams,
    tag: Digest,
    progress: &dyn Progress,
) -> Result<Index, IndexError> {
    let (dim, metric) = (rows.dim(), rows.metric());
    let written = rows.finish()?;
    let files = vec![written.file];
    check_rows(written.ids.len(), &files[0].name)?;
    let ids: Vec<u64> = written.ids.iter().map(|id| id.0).collect();
    let places: Vec<PackedPlace> = written.places.iter().map(|place| place.pack()).collect();
    let store = RowStore::open(folder, &files, ids.len(), dim)?;
    let stored = StoredRows { store: &store, ids: &ids, places: &places };
    progress.begin(Stage::Index, Some(ids.len() as u64));
    let grown = grow_first(&stored, basis, params, progress);
    progress.end(Stage::Index);
    let (node_of_row, draft, projection, rerank, audit) = grown?;
    let head = Head {
        metric,
        params: *params,
        ef_search: FIRST_EF_SEARCH,
        rerank,
        entry: draft.entry,
        built_rows: ids.len() as u64,
        audit,
        tag,
    };
    let removed = vec![0u64; ids.len().div_ceil(64)];
    Index::from_parts(head, parts(ids, places, node_of_row, removed, draft, projection, files), folder)
}

type Grown = (Vec<u32>, Draft, Projection, usize, Audit);

fn grow_first(
    stored: &StoredRows<'_>,
    basis: &Basis,
    params: &IndexParams,
    progress: &dyn Progress,
) -> Result<Grown, IndexError> {
    let mut nodes = Nodes::default();
    let (node_of_row, first_rows) = nodes.number(stored, 0)?;
    progress.note(Stage::Index, "how short the vectors may be");
    let chosen = choose(stored, basis, params.recall, params.seed)?;
    let projection = Projection::new(basis, params.rank.unwrap_or(chosen.rank));
    progress.note(Stage::Index, "compact vectors");
    let codes = codes_of(stored, &first_rows, &projection, progress)?;
    progress.note(Stage::Index, "links");
    let mut draft = Draft::new(params.m, projection.rank());
    let how = GrowParams { ef_construction: params.ef_construction, seed: params.seed };
    grow(&mut draft, &codes, how, progress)?;
    let audit = audit(&mut draft, progress)?;
    Ok((node_of_row, draft, projection, chosen.rerank, audit))
}

impl Index {
    /// The index with the images that `rows` took added, and those of `removed` gone; this one stays as it is.
    ///
    /// New rows go into a file of their own in `folder`, old ones stay where they are. Removed images are never found again,
    /// but keep their places in the graph until the next full build; see [`Index::wants_rebuild`]. Images of `removed` that
    /// are not here are passed over.
    ///
    /// # Errors
    /// As [`build`]; [`IndexError::Order`] if a new image's number is not above all old ones.
    pub fn updated(
        &self,
        folder: &Path,
        rows: Option<RowsWriter>,
        removed: &[ImageId],
        threads: usize,
        tag: Digest,
        progress: &dyn Progress,
    ) -> Result<Self, IndexError> {
        on_threads(threads, || self.updated_here(folder, rows, removed, tag, progress))
    }

    fn updated_here(
        &self,
        folder: &Path,
        rows: Option<RowsWriter>,
        removed: &[ImageId],
        tag: Digest,
        progress: &dyn Progress,
    ) -> Result<Self, IndexError> {
        let old = &self.parts;
        let (mut ids, mut places, mut files) = (old.ids.to_vec(), old.places.to_vec(), old.files.clone());
        let mut gone = old.removed.to_vec();
        for id in removed {
            if let Ok(row) = ids.binary_search(&id.0) {
                gone[row / 64] |= 1 << (row % 64);
            }
        }
        if let Some(mut rows) = rows.filter(|rows| !rows.is_empty()) {
            if rows.dim() != self.dim() {
                return Err(IndexError::Dimension { expected: self.dim(), got: rows.dim() });
            }
            if let Some(&id) = rows.ids.first().filter(|id| ids.last().is_some_and(|last| *last >= id.0)) {
                return Err(IndexError::Order { id });
            }
            rows.number(files.len());
            let written = rows.finish()?;
            ids.extend(written.ids.iter().map(|id| id.0));
            places.extend(written.places.iter().map(|place| place.pack()));
            check_rows(ids.len(), &written.file.name)?;
            files.push(written.file);
        }
        gone.resize(ids.len().div_ceil(64), 0);
        let store = RowStore::open(folder, &files, ids.len(), self.dim())?;
        let stored = StoredRows { store: &store, ids: &ids, places: &places };
        let added = ids.len() - old.ids.len();
        progress.begin(Stage::Index, Some(added as u64));
        let grown = self.grow_more(&stored, progress);
        progress.end(Stage::Index);
        let (node_of_row, draft, audit) = grown?;
        let head = Head { entry: draft.entry, audit, tag, ..self.head };
        let projection = old.projection.clone();
        Self::from_parts(head, parts(ids, places, node_of_row, gone, draft, projection, files), folder)
    }

    fn grow_more(
        &self,
        stored: &StoredRows<'_>,
        progress: &dyn Progress,
    ) -> Result<(Vec<u32>, Draft, Audit), IndexError> {
        let old = &self.parts;
        let mut draft = Draft {
            m: self.head.params.m,
            rank: self.rank(),
            codes: old.codes.to_vec(),
            levels: old.levels.to_vec(),
            bottom: old.bottom.to_vec(),
            slots: old.slots.to_vec(),
            upper: old.upper.to_vec(),
            entry: self.head.entry,
        };
        let mut node_of_row = old.node_of_row.to_vec();
        if stored.len() == node_of_row.len() {
            return Ok((node_of_row, draft, self.head.audit));
        }
        let mut nodes = Nodes::known(stored, &node_of_row);
        let (of_new, first_rows) = nodes.number(stored, node_of_row.len())?;
        node_of_row.extend(of_new);
        let codes = codes_of(stored, &first_rows, &old.projection, progress)?;
        let params = &self.head.params;
        let how = GrowParams { ef_construction: params.ef_construction, seed: params.seed };
        grow(&mut draft, &codes, how, progress)?;
        let audit = audit(&mut draft, progress)?;
        Ok((node_of_row, draft, audit))
    }

    /// Whether so much changed since the last full build that it is time for another: a fifth of the rows are removed, or half
    /// as many again were added as the compact vectors were fitted to.
    pub fn wants_rebuild(&self) -> bool {
        let built = usize::try_from(self.head.built_rows).unwrap_or(usize::MAX);
        self.num_removed() * 5 > self.num_rows() || self.num_added() * 2 > built || self.is_empty()
    }
}

fn check_rows(rows: usize, name: &str) -> Result<(), IndexError> {
    if rows > MAX_ROWS {
        return Err(IndexError::TooManyVectors { limit: MAX_ROWS, got: rows });
    }
    if !is_plain_name(name) {
        let expected = "at most 56 letters, digits, `-`, `_` and `.`";
        return Err(IndexError::Parameter { name: "rows file", expected, got: name.to_owned() });
    }
    Ok(())
}

fn parts(
    ids: Vec<u64>,
    places: Vec<PackedPlace>,
    node_of_row: Vec<u32>,
    removed: Vec<u64>,
    draft: Draft,
    projection: Projection,
    files: Vec<crate::segment::RowsFile>,
) -> Parts {
    let members = Members::of(&node_of_row, draft.levels.len())
        .expect("nodes are numbered in the order of their first row");
    Parts {
        ids: Section::from(ids),
        places: places.into(),
        node_of_row: node_of_row.into(),
        members,
        removed: removed.into(),
        levels: draft.levels.into(),
        slots: draft.slots.into(),
        bottom: draft.bottom.into(),
        upper: draft.upper.into(),
        codes: draft.codes.into(),
        projection,
        files,
    }
}

/// Numbers the distinct rows: equal ones share a node.
#[derive(Default)]
struct Nodes {
    // Node and first row by the short digest of the row. Looked up only, never walked: its order reaches nothing.
    by_digest: HashMap<u64, (u32, usize)>,
    count: usize,
}

impl Nodes {
    /// The nodes of rows that were numbered before.
    fn known(stored: &StoredRows<'_>, node_of_row: &[u32]) -> Self {
        let mut nodes = Self::default();
        for (row, &node) in node_of_row.iter().enumerate() {
            if node as usize == nodes.count {
                nodes.count += 1;
                nodes.by_digest.entry(Place::unpack(stored.places[row]).digest).or_insert((node, row));
            }
        }
        nodes
    }

    /// Numbers the rows from `first` on; returns each one's node, and the first row of each new node.
    fn number(
        &mut self,
        stored: &StoredRows<'_>,
        first: usize,
    ) -> Result<(Vec<u32>, Vec<usize>), IndexError> {
        let mut node_of_row = Vec::with_capacity(stored.len() - first);
        let mut first_rows = Vec::new();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for row in first..stored.len() {
            let digest = Place::unpack(stored.places[row]).digest;
            let known = self.by_digest.get(&digest).copied();
            // Eight bytes of a digest may agree by chance; the rows themselves do not.
            let same = match known {
                Some((_, other)) => stored.row(row, &mut left)? == stored.row(other, &mut right)?,
                None => false,
            };
            let node = match known {
                Some((node, _)) if same => node,
                _ => {
                    let node = u32::try_from(self.count).expect("rows are fewer than 2^31");
                    self.by_digest.entry(digest).or_insert((node, row));
                    self.count += 1;
                    first_rows.push(row);
                    node
                }
            };
            node_of_row.push(node);
        }
        Ok((node_of_row, first_rows))
    }
}

/// Codes of some rows, `(rows.len(), rank)`.
fn codes_of(
    stored: &StoredRows<'_>,
    rows: &[usize],
    projection: &Projection,
    progress: &dyn Progress,
) -> Result<Vec<u8>, IndexError> {
    let rank = projection.rank();
    let mut codes = vec![0u8; rows.len() * rank];
    for (rows, codes) in rows.chunks(CHUNK).zip(codes.chunks_mut(CHUNK * rank)) {
        if progress.is_cancelled() {
            return Err(IndexError::Cancelled);
        }
        rows.par_iter().zip(codes.par_chunks_exact_mut(rank)).try_for_each_init(
            || (Vec::new(), Sparse::default()),
            |(buffer, sparse), (&row, code)| {
                sparse.set(stored.row(row, buffer)?);
                projection.encode(sparse, code);
                Ok::<_, IndexError>(())
            },
        )?;
    }
    Ok(codes)
}

/// Runs `act` on a pool of `threads`; 0 takes the pool at hand.
fn on_threads<T: Send>(
    threads: usize,
    act: impl FnOnce() -> Result<T, IndexError> + Send,
) -> Result<T, IndexError> {
    if threads == 0 || threads == rayon::current_num_threads() {
        return act();
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|err| IndexError::Threads { source: Box::new(err) })?.install(act)
}
