//! Exact search: the truth that recall is measured against.
//!
//! One query is compared with every row by the kernel. Many queries go through blocked matrix products first:
//! those are several times faster but round differently, so they only name a short list, with a margin that covers
//! the difference, and the kernel decides. Both ways give the same answer to the bit.

use crate::Vectors;
use crate::distance::{cosine, dot_slack};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use featlas_core::{ImageId, TopK};
use rayon::prelude::*;

/// Rows that one task compares with a single query.
const ROWS_PER_TASK: usize = 1024;
/// Queries and rows of one matrix product: both panels and the product stay in the cache of one core.
const QUERY_BLOCK: usize = 64;
const ROW_BLOCK: usize = 512;
/// Below this many queries the products are too narrow to pay for themselves.
const MIN_BLOCKED: usize = 16;

/// A row and its distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hit {
    pub(crate) distance: f32,
    pub(crate) row: u32,
}

/// The filter that lets every row pass.
pub(crate) fn all_rows(_row: usize) -> bool {
    true
}

/// The `k` rows nearest to `query`, a unit row, among those that pass `keep`; nearest first, ties by image id.
pub(crate) fn nearest(
    vectors: &Vectors,
    query: &[f32],
    k: usize,
    keep: impl Fn(usize) -> bool + Sync,
) -> Vec<Hit> {
    let partial: Vec<Best> = (0..vectors.len().div_ceil(ROWS_PER_TASK))
        .into_par_iter()
        .map(|task| {
            let first = task * ROWS_PER_TASK;
            let mut best = Best::new(k);
            for row in (first..(first + ROWS_PER_TASK).min(vectors.len())).filter(|&row| keep(row)) {
                best.push(vectors, row, query);
            }
            best
        })
        .collect();
    let mut all = Best::new(k);
    for part in partial {
        all.0.merge(part.0);
    }
    all.into_hits()
}

/// The `k` rows nearest to each of `queries`, unit rows in one block of a multiple of `dim` values.
pub(crate) fn nearest_batch(
    vectors: &Vectors,
    queries: &[f32],
    k: usize,
    keep: impl Fn(usize) -> bool + Sync,
) -> Vec<Vec<Hit>> {
    let dim = vectors.dim();
    if queries.len() / dim < MIN_BLOCKED {
        return queries.chunks_exact(dim).map(|query| nearest(vectors, query, k, &keep)).collect();
    }
    queries
        .par_chunks(QUERY_BLOCK * dim)
        .flat_map_iter(|block| nearest_block(vectors, block, k, &keep))
        .collect()
}

fn nearest_block(
    vectors: &Vectors,
    queries: &[f32],
    k: usize,
    keep: impl Fn(usize) -> bool,
) -> Vec<Vec<Hit>> {
    let dim = vectors.dim();
    let count = queries.len() / dim;
    let lhs = MatRef::from_row_major_slice(queries, count, dim);
    let mut shortlists = vec![Shortlist::new(k, dot_slack(dim)); count];
    let mut products = vec![0.0f32; count * ROW_BLOCK];
    for (block, rows) in vectors.values().chunks(ROW_BLOCK * dim).enumerate() {
        let width = rows.len() / dim;
        let rhs = MatRef::from_row_major_slice(rows, width, dim).transpose();
        let dst = MatMut::from_row_major_slice_mut(&mut products[..count * width], count, width);
        // One thread per product: the tasks are parallel already, and a fixed order keeps the bits.
        matmul(dst, Accum::Replace, lhs, rhs, 1.0, Par::Seq);
        for (shortlist, dots) in shortlists.iter_mut().zip(products.chunks_exact(width)) {
            for (offset, dot) in dots.iter().enumerate() {
                let row = block * ROW_BLOCK + offset;
                if keep(row) {
                    shortlist.push(1.0 - dot, row);
                }
            }
        }
    }
    let refine = |(shortlist, query): (Shortlist, &[f32])| {
        let mut best = Best::new(k);
        shortlist.rows().for_each(|row| best.push(vectors, row, query));
        best.into_hits()
    };
    shortlists.into_iter().zip(queries.chunks_exact(dim)).map(refine).collect()
}

/// The `k` best by the kernel's distance.
struct Best(TopK<(ImageId, u32)>);

impl Best {
    fn new(k: usize) -> Self {
        Self(TopK::new(k))
    }

    fn push(&mut self, vectors: &Vectors, row: usize, query: &[f32]) {
        let distance = cosine(vectors.row(row), query);
        let number = u32::try_from(row).expect("Vectors holds fewer than 2^32 rows");
        self.0.push(-distance, (vectors.ids()[row], number));
    }

    fn into_hits(self) -> Vec<Hit> {
        // The kernel never gives -0, so `0 - x` and not `-x` gives back what went in.
        let hit = |(value, (_, row))| Hit { distance: 0.0 - value, row };
        self.0.into_items().into_iter().map(hit).collect()
    }
}

/// Rows that may be among the `k` nearest, judged by distances that are off by less than `slack / 2`.
#[derive(Debug, Clone)]
struct Shortlist {
    nearest: TopK<usize>,
    k: usize,
    slack: f32,
    rows: Vec<(f32, usize)>,
    // Length at which `rows` is next cleared of what has fallen behind.
    prune_at: usize,
}

impl Shortlist {
    fn new(k: usize, slack: f32) -> Self {
        Self { nearest: TopK::new(k), k, slack, rows: Vec::new(), prune_at: 4 * k + 64 }
    }

    /// Distance up to which a row may still belong to the `k` nearest.
    fn limit(&self) -> f32 {
        let items = self.nearest.items();
        if items.len() < self.k {
            return f32::INFINITY;
        }
        items.last().map_or(f32::NEG_INFINITY, |worst| self.slack - worst.0)
    }

    fn push(&mut self, distance: f32, row: usize) {
        if distance > self.limit() {
            return;
        }
        self.nearest.push(-distance, row);
        self.rows.push((distance, row));
        if self.rows.len() >= self.prune_at {
            let limit = self.limit();
            self.rows.retain(|candidate| candidate.0 <= limit);
            self.prune_at = 2 * self.rows.len() + 64;
        }
    }

    fn rows(&self) -> impl Iterator<Item = usize> {
        let limit = self.limit();
        self.rows.iter().filter(move |candidate| candidate.0 <= limit).map(|candidate| candidate.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{clustered, vectors_of};

    /// Distances in `f64`, the whole list sorted.
    fn brute_force(vectors: &Vectors, query: &[f32], k: usize) -> Vec<(f64, ImageId)> {
        let distance = |row: &[f32]| {
            row.iter().zip(query).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>() / 2.0
        };
        let mut all: Vec<_> =
            (0..vectors.len()).map(|r| (distance(vectors.row(r)), vectors.ids()[r])).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.truncate(k);
        all
    }

    #[test]
    fn equals_brute_force_in_f64() {
        for (n, dim, seed) in [(1, 3, 1), (2, 1, 2), (700, 17, 3), (1500, 64, 4)] {
            let vectors = vectors_of(clustered(n, dim, 5, seed), dim);
            for row in (0..n).step_by(97) {
                let query = vectors.row(row).to_vec();
                let k = n.min(12);
                let got = nearest(&vectors, &query, k, all_rows);
                for (hit, (distance, id)) in got.iter().zip(brute_force(&vectors, &query, k)) {
                    assert!((f64::from(hit.distance) - distance).abs() < 1e-6);
                    let same = vectors.ids()[hit.row as usize] == id;
                    // Rows closer to each other than f32 can tell may change places.
                    assert!(
                        same || (f64::from(cosine(vectors.row(hit.row as usize), &query)) - distance).abs()
                            < 1e-6
                    );
                }
                assert_eq!(got.len(), k);
            }
        }
    }

    #[test]
    fn batch_and_single_search_agree_to_the_bit() {
        for (n, dim, seed) in [(20, 5, 1), (777, 33, 2), (1300, 100, 3)] {
            let vectors = vectors_of(clustered(n, dim, 4, seed), dim);
            for k in [1, 7, n] {
                let batch = nearest_batch(&vectors, vectors.values(), k, all_rows);
                assert_eq!(batch.len(), n);
                for row in (0..n).step_by(41) {
                    assert_eq!(
                        batch[row],
                        nearest(&vectors, vectors.row(row), k, all_rows),
                        "row {row}, k {k}"
                    );
                }
            }
        }
    }

    #[test]
    fn rows_that_do_not_pass_are_not_found() {
        let vectors = vectors_of(clustered(200, 8, 3, 5), 8);
        let odd = |row: usize| row % 2 == 1;
        for (row, hits) in nearest_batch(&vectors, vectors.values(), 9, odd).into_iter().enumerate() {
            let mut all = nearest(&vectors, vectors.row(row), 200, all_rows);
            all.retain(|hit| odd(hit.row as usize));
            assert_eq!(hits, all[..9]);
            assert_eq!(nearest(&vectors, vectors.row(row), 9, odd), hits);
        }
    }

    #[test]
    fn equal_rows_come_in_the_order_of_their_ids() {
        let ids: Vec<ImageId> = (0..600).rev().map(ImageId).collect();
        let (vectors, _) = Vectors::new(ids, [1.0, 2.0].repeat(600), 2).unwrap();
        for hits in nearest_batch(&vectors, &vectors.values()[..40], 5, all_rows) {
            let found: Vec<u64> = hits.iter().map(|hit| vectors.ids()[hit.row as usize].0).collect();
            assert_eq!(found, [0, 1, 2, 3, 4]);
            assert!(hits.iter().all(|hit| hit.distance == 0.0));
        }
    }
}
