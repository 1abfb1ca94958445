//! Every way to ask an index.

use super::Index;
use crate::IndexError;
use crate::exact::{Best, Hit, Rows as _, nearest, nearest_batch};
use crate::graph::{NodeSet, Scratch};
use crate::record::Sparse;
use crate::vectors::{prepare_query, prepared_queries};
use featlas_core::{ImageId, Neighbor, RowsView};
use rayon::prelude::*;
use std::sync::Mutex;

impl Index {
    /// The `k` images nearest to `query`, by the graph.
    ///
    /// `query` has [`Index::dim`] components; under the cosine any length but 0. `ef` is the number of candidates kept,
    /// raised to `k`, and for many neighbors to nearly twice as many; more finds more of
    /// the true neighbors and takes longer. Should the graph not lead to `k` images, the answer is that of
    /// [`Index::search_exact`].
    ///
    /// # Errors
    /// [`IndexError::TooFewVectors`], [`IndexError::Dimension`], [`IndexError::NonFiniteQuery`], [`IndexError::ZeroNorm`],
    /// [`IndexError::DamagedRow`].
    pub fn search(&self, query: &[f32], k: usize, ef: usize) -> Result<Vec<Neighbor>, IndexError> {
        self.check_k(k)?;
        self.with_asker(|asker| self.search_row(query, 0, k, ef, asker))
    }

    /// [`Index::search`] for every row of `queries`, on all cores.
    ///
    /// # Errors
    /// As [`Index::search`]; the error names the row of the query.
    pub fn search_batch(
        &self,
        queries: RowsView<'_>,
        k: usize,
        ef: usize,
    ) -> Result<Vec<Vec<Neighbor>>, IndexError> {
        self.check_k(k)?;
        if queries.dim() != self.dim() {
            return Err(IndexError::Dimension { expected: self.dim(), got: queries.dim() });
        }
        let search =
            |(at, query): (usize, &[f32])| self.with_asker(|asker| self.search_row(query, at, k, ef, asker));
        let rows: Vec<&[f32]> = queries.into_iter().collect();
        let found: Vec<_> = rows.into_par_iter().enumerate().map(search).collect();
        // Of several errors the first is told.
        found.into_iter().collect()
    }

    /// Searches for row `at` of what was asked.
    fn search_row(
        &self,
        query: &[f32],
        at: usize,
        k: usize,
        ef: usize,
        asker: &mut Asker,
    ) -> Result<Vec<Neighbor>, IndexError> {
        let mut prepared = std::mem::take(&mut asker.query);
        prepared.clear();
        prepared.extend_from_slice(query);
        let found = prepare_query(&mut prepared, at, self.dim(), self.metric())
            .and_then(|()| self.ask(&prepared, k, ef, None, asker));
        asker.query = prepared;
        Ok(self.neighbors(&found?))
    }

    /// Lends memory to a search: what an earlier one is done with, if there is any.
    fn with_asker<T>(&self, search: impl FnOnce(&mut Asker) -> T) -> T {
        let idle = |askers: &Mutex<Vec<Asker>>| askers.lock().ok().and_then(|mut askers| askers.pop());
        let mut asker = idle(&self.askers).unwrap_or_default();
        let found = search(&mut asker);
        if let Ok(mut askers) = self.askers.lock() {
            askers.push(asker);
        }
        found
    }

    /// The `k` images nearest to `query`, by comparing it with every row.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn search_exact(&self, query: &[f32], k: usize) -> Result<Vec<Neighbor>, IndexError> {
        let mut found = self.search_exact_batch(one_row(query, self.dim())?, k)?;
        Ok(found.pop().unwrap_or_default())
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
        self.check_k(k)?;
        self.search_among(queries, k, |_id| true)
    }

    /// [`Index::search_exact_batch`] among the images that pass `keep`; if fewer than `k` pass, all of them.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn search_among(
        &self,
        queries: RowsView<'_>,
        k: usize,
        keep: impl Fn(ImageId) -> bool + Sync,
    ) -> Result<Vec<Vec<Neighbor>>, IndexError> {
        let queries = prepared_queries(queries, self.dim(), self.metric())?;
        let keep = |row: usize| !self.is_removed(row) && keep(self.id_of(row));
        let found = nearest_batch(&self.rows(), &queries, k, keep)?;
        Ok(found.iter().map(|hits| self.neighbors(hits)).collect())
    }

    fn check_k(&self, k: usize) -> Result<(), IndexError> {
        if k > self.len() { Err(IndexError::TooFewVectors { k, len: self.len() }) } else { Ok(()) }
    }

    /// Searches the graph for a prepared row, as if the nodes of `absent` were not there.
    pub(crate) fn ask(
        &self,
        query: &[f32],
        k: usize,
        ef: usize,
        absent: Option<&NodeSet>,
        asker: &mut Asker,
    ) -> Result<Vec<Hit>, IndexError> {
        let Asker { sparse, code, .. } = asker;
        sparse.set(query);
        code.resize(self.rank(), 0);
        self.parts.projection.encode(sparse, code);
        let code = std::mem::take(code);
        let found = self.ask_coded(&code, query, k, ef, absent, asker);
        asker.code = code;
        found
    }

    /// The same for a row whose code is known.
    pub(crate) fn ask_coded(
        &self,
        code: &[u8],
        query: &[f32],
        k: usize,
        ef: usize,
        absent: Option<&NodeSet>,
        asker: &mut Asker,
    ) -> Result<Vec<Hit>, IndexError> {
        let Asker { scratch, buffer, shortlist, .. } = asker;
        // Removed rows take up candidates, so there must be more of them.
        let share = self.num_rows().div_ceil(self.len().max(1));
        let wanted = self.rerank_of(k);
        self.view().search(
            code,
            ef.max(k) * if self.num_removed > 0 { share.max(2) } else { 1 },
            absent,
            scratch,
        );
        shortlist.clear();
        for candidate in scratch.pool.found() {
            if shortlist.len() >= wanted {
                break;
            }
            let live =
                self.parts.members.rows_of(candidate.node).filter(|&row| !self.is_removed(row as usize));
            shortlist.extend(live);
        }
        let rows = self.rows();
        let mut best = Best::new(k);
        let compared = shortlist.len();
        rows.squared_to(shortlist, query, buffer, |row, squared| best.push(rows.id(row), row, squared))?;
        if compared < k {
            let keep = |row: usize| {
                let gone = absent.is_some_and(|absent| absent.contains(self.parts.node_of_row[row]));
                !gone && !self.is_removed(row)
            };
            return nearest(&rows, query, k, keep);
        }
        Ok(best.into_hits())
    }

    /// Candidates that are compared exactly for `k` neighbors.
    pub(crate) fn rerank_of(&self, k: usize) -> usize {
        k.saturating_mul(self.head.rerank)
    }

    /// The `k` nearest images to `query`, a prepared row, by comparing all.
    pub(crate) fn neighbors(&self, hits: &[Hit]) -> Vec<Neighbor> {
        let neighbor = |hit: &Hit| Neighbor {
            id: self.id_of(hit.row as usize),
            distance: self.metric().distance(hit.squared),
        };
        hits.iter().map(neighbor).collect()
    }
}

/// The memory of one searching thread.
#[derive(Debug, Default)]
pub(crate) struct Asker {
    scratch: Scratch,
    buffer: Vec<f32>,
    query: Vec<f32>,
    shortlist: Vec<u32>,
    sparse: Sparse,
    code: Vec<u8>,
}

pub(super) fn one_row(query: &[f32], dim: usize) -> Result<RowsView<'_>, IndexError> {
    RowsView::new(query, query.len())
        .map_err(|_empty| IndexError::Dimension { expected: dim, got: query.len() })
}
