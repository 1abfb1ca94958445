//! Nearest neighbors of every row: the table that maps are made from, and exact search for it.

use crate::EmbedError;
use crate::lanes::{self, LANES};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use featlas_core::{Progress, RowsView, Stage};
use rayon::prelude::*;

/// Rows whose neighbors one task looks for, and rows that it compares them with at a time: both panels and their
/// products stay in the cache of one core.
const QUERY_BLOCK: usize = 64;
const ROW_BLOCK: usize = 512;
/// Rows beyond `k` that a search keeps until exact distances decide: products round differently.
const SPARE: usize = 8;
/// Query blocks between two looks at the user's wish to stop.
const GROUP: usize = 32;

/// The same number of neighbors for each of `n` points, nearest first, with squared Euclidean distances.
///
/// Invariants: neighbors are other points below `n`; distances are finite and not negative.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighborTable {
    k: usize,
    rows: Vec<u32>,
    squared: Vec<f32>,
}

impl NeighborTable {
    /// A table of `k` neighbors a point: `rows` and `squared` are `(n, k)` row-major.
    ///
    /// # Errors
    /// [`EmbedError::Neighbors`] for a neighbor that is no other point or a distance that is none.
    pub fn new(n: usize, k: usize, rows: Vec<u32>, squared: Vec<f32>) -> Result<Self, EmbedError> {
        let wrong = |row, got| EmbedError::Neighbors { row, n, expected: k, got };
        if rows.len() != n * k || squared.len() != n * k {
            return Err(wrong(0, format!("{} rows and {} distances in all", rows.len(), squared.len())));
        }
        for row in 0..n {
            let at = row * k..(row + 1) * k;
            if let Some(&other) = rows[at.clone()].iter().find(|&&o| o as usize >= n || o as usize == row) {
                return Err(wrong(row, format!("neighbor {other}")));
            }
            if let Some(d) = squared[at].iter().find(|d| !(d.is_finite() && **d >= 0.0)) {
                return Err(wrong(row, format!("distance {d}")));
            }
        }
        Ok(Self { k, rows, squared })
    }

    /// A table of lists of `(row, squared distance)`, as searches give them.
    ///
    /// # Errors
    /// [`EmbedError::Neighbors`], also for lists of different lengths.
    pub fn from_lists(lists: &[Vec<(usize, f32)>]) -> Result<Self, EmbedError> {
        let (n, k) = (lists.len(), lists.first().map_or(0, Vec::len));
        let mut rows = Vec::with_capacity(n * k);
        let mut squared = Vec::with_capacity(n * k);
        for (row, list) in lists.iter().enumerate() {
            if list.len() != k {
                let got = format!("{} neighbors", list.len());
                return Err(EmbedError::Neighbors { row, n, expected: k, got });
            }
            for &(other, distance) in list {
                rows.push(u32::try_from(other).unwrap_or(u32::MAX));
                squared.push(distance);
            }
        }
        Self::new(n, k, rows, squared)
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.rows.len().checked_div(self.k).unwrap_or(0)
    }

    /// Whether there is no point with a neighbor.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Neighbors of each point.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The neighbors of point `i`.
    ///
    /// # Panics
    /// If there is no such point.
    pub fn rows(&self, i: usize) -> &[u32] {
        &self.rows[i * self.k..(i + 1) * self.k]
    }

    /// The squared distances of the neighbors of point `i`.
    ///
    /// # Panics
    /// If there is no such point.
    pub fn squared(&self, i: usize) -> &[f32] {
        &self.squared[i * self.k..(i + 1) * self.k]
    }
}

/// The `k` nearest other rows of every row by Euclidean distance, by comparing all pairs; ties by row number.
///
/// `k` is cut to the other rows there are. Cost: `2 n^2 dim` operations at the speed of a matrix product. The same
/// rows give the same table with any number of threads.
///
/// # Errors
/// [`EmbedError::NonFinite`], [`EmbedError::Cancelled`].
pub fn exact_neighbors(
    rows: RowsView<'_>,
    k: usize,
    progress: &dyn Progress,
) -> Result<NeighborTable, EmbedError> {
    let (n, dim) = (rows.len(), rows.dim());
    if let Some(row) = rows.into_iter().position(|row| row.iter().any(|v| !v.is_finite())) {
        return Err(EmbedError::NonFinite { row });
    }
    let k = k.min(n.saturating_sub(1));
    if k == 0 {
        return NeighborTable::new(n, 0, Vec::new(), Vec::new());
    }
    let centered = centered(rows);
    let norms: Vec<f32> = centered.chunks_exact(dim).map(lanes::dot_self).collect();
    let (mut table, mut squared) = (vec![0_u32; n * k], vec![0.0_f32; n * k]);
    progress.begin(Stage::Neighbors, Some(n as u64));
    let group = GROUP * QUERY_BLOCK;
    for (number, (table, squared)) in
        table.chunks_mut(group * k).zip(squared.chunks_mut(group * k)).enumerate()
    {
        if progress.is_cancelled() {
            progress.end(Stage::Neighbors);
            return Err(EmbedError::Cancelled);
        }
        let blocks =
            table.par_chunks_mut(QUERY_BLOCK * k).zip(squared.par_chunks_mut(QUERY_BLOCK * k)).enumerate();
        blocks.for_each(|(block, (table, squared))| {
            let first = number * group + block * QUERY_BLOCK;
            search_block(&centered, dim, &norms, first, k, (table, squared));
        });
        progress.advance(Stage::Neighbors, (table.len() / k) as u64);
    }
    progress.end(Stage::Neighbors);
    Ok(NeighborTable { k, rows: table, squared })
}

/// Rows less their mean: the same distances, and less rounding in `|a|^2 - 2ab + |b|^2`.
fn centered(rows: RowsView<'_>) -> Vec<f32> {
    let mut mean = vec![0.0_f64; rows.dim()];
    for row in rows {
        mean.iter_mut().zip(row).for_each(|(mean, &v)| *mean += f64::from(v));
    }
    #[expect(clippy::cast_possible_truncation, reason = "means of f32 values are f32 values")]
    let mean: Vec<f32> = mean.iter().map(|sum| (sum / rows.len() as f64) as f32).collect();
    rows.into_iter().flat_map(|row| row.iter().zip(&mean).map(|(v, m)| v - m)).collect()
}

/// The neighbors of the rows from `first` on, as many as `out` has room for.
fn search_block(
    values: &[f32],
    dim: usize,
    norms: &[f32],
    first: usize,
    k: usize,
    out: (&mut [u32], &mut [f32]),
) {
    let (table, squared) = out;
    let count = table.len() / k;
    let row = |i: usize| &values[i * dim..(i + 1) * dim];
    let queries = MatRef::from_row_major_slice(&values[first * dim..(first + count) * dim], count, dim);
    let mut products = vec![0.0_f32; count * ROW_BLOCK];
    let mut found: Vec<Candidates> = (0..count).map(|_| Candidates::new(k + SPARE)).collect();
    for (block, rows) in values.chunks(ROW_BLOCK * dim).enumerate() {
        let (width, base) = (rows.len() / dim, block * ROW_BLOCK);
        let rhs = MatRef::from_row_major_slice(rows, width, dim).transpose();
        let dst = MatMut::from_row_major_slice_mut(&mut products[..count * width], count, width);
        // One thread a product: the tasks are parallel already, and a fixed order keeps the bits.
        matmul(dst, Accum::Replace, queries, rhs, 1.0, Par::Seq);
        for (query, (found, dots)) in found.iter_mut().zip(products.chunks_exact(width)).enumerate() {
            found.offer(dots, &norms[base..base + width], base, first + query);
        }
    }
    let places = table.chunks_exact_mut(k).zip(squared.chunks_exact_mut(k));
    for (query, (found, (table, squared))) in found.into_iter().zip(places).enumerate() {
        let exact = |other: u32| lanes::squared_distance(row(first + query), row(other as usize));
        let mut best: Vec<(f32, u32)> = found.into_rows().map(|other| (exact(other), other)).collect();
        best.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for ((distance, other), (at, to)) in best.into_iter().zip(squared.iter_mut().zip(table)) {
            (*at, *to) = (distance, other);
        }
    }
}

/// The rows nearest so far: unsorted, cut back to the wanted number whenever twice as many have gathered.
struct Candidates {
    wanted: usize,
    // What a row's key must stay below to be among the wanted.
    limit: f32,
    best: Vec<(f32, u32)>,
}

impl Candidates {
    fn new(wanted: usize) -> Self {
        Self { wanted, limit: f32::INFINITY, best: Vec::with_capacity(2 * wanted + LANES) }
    }

    /// Looks at the rows `base..`, given their products with the query and their squared lengths.
    fn offer(&mut self, dots: &[f32], norms: &[f32], base: usize, query: usize) {
        for (at, (dots, norms)) in dots.chunks(LANES).zip(norms.chunks(LANES)).enumerate() {
            // The query's own length is the same for all rows and left out.
            if !lanes::any_key_below(dots, norms, self.limit) {
                continue;
            }
            for (lane, (dot, norm)) in dots.iter().zip(norms).enumerate() {
                let (key, row) = (norm - 2.0 * dot, base + at * LANES + lane);
                if key < self.limit && row != query {
                    self.best.push((key, u32::try_from(row).expect("rows are numbered with 32 bits")));
                }
            }
            if self.best.len() >= 2 * self.wanted {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if self.best.len() > self.wanted {
            let by_key = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            self.best.select_nth_unstable_by(self.wanted - 1, by_key);
            self.best.truncate(self.wanted);
            self.limit = self.best[self.wanted - 1].0;
        }
    }

    fn into_rows(mut self) -> impl Iterator<Item = u32> {
        self.cut();
        self.best.into_iter().map(|(_, row)| row)
    }
}

#[cfg(test)]
mod tests;
