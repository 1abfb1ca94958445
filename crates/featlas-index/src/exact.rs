//! Exact search: the truth that recall is measured against.
//!
//! A few queries are compared with every row by the kernel. Many queries go through blocked matrix products first:
//! those are several times faster but round differently, so they only name a short list, with a margin that covers
//! the difference, and the kernel decides. Both ways give the same answer to the bit.

use crate::IndexError;
use crate::distance::{squared, squared_slack};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use featlas_core::{ImageId, TopK, l2_norm};
use rayon::prelude::*;

/// Rows that one task compares with the queries.
const ROWS_PER_TASK: usize = 1024;
/// Rows of one matrix product: they stay in the cache of one core.
const ROW_BLOCK: usize = 256;
/// Queries of one matrix product.
const QUERY_BLOCK: usize = 64;
/// Below this many queries the products are too narrow to pay for themselves.
const MIN_BLOCKED: usize = 16;

/// Rows that can be had one by one, as they are compared.
pub(crate) trait Rows: Sync {
    /// Number of rows.
    fn len(&self) -> usize;
    /// Components of a row.
    fn dim(&self) -> usize;
    /// Its image; ids ascend with the rows, or at least differ.
    fn id(&self, row: usize) -> ImageId;
    /// Row `row`, unpacked into `buffer` if it does not lie in memory as it is.
    fn row<'a>(&'a self, row: usize, buffer: &'a mut Vec<f32>) -> Result<&'a [f32], IndexError>;
}

/// A row and its squared difference to the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hit {
    pub(crate) squared: f32,
    pub(crate) row: u32,
}

/// The filter that lets every row pass.
pub(crate) fn all_rows(_row: usize) -> bool {
    true
}

/// The `k` rows nearest to `query` among those that pass `keep`; nearest first, ties by image id.
pub(crate) fn nearest(
    rows: &impl Rows,
    query: &[f32],
    k: usize,
    keep: impl Fn(usize) -> bool + Sync,
) -> Result<Vec<Hit>, IndexError> {
    let task = |task: usize| {
        let mut best = Best::new(k);
        let mut buffer = Vec::new();
        let first = task * ROWS_PER_TASK;
        for row in (first..(first + ROWS_PER_TASK).min(rows.len())).filter(|&row| keep(row)) {
            best.push(rows.id(row), row, squared(rows.row(row, &mut buffer)?, query));
        }
        Ok(best)
    };
    let merged = (0..rows.len().div_ceil(ROWS_PER_TASK))
        .into_par_iter()
        .map(task)
        .try_reduce(|| Best::new(k), |a, b| Ok(a.merged(b)))?;
    Ok(merged.into_hits())
}

/// The `k` rows nearest to each of `queries`, prepared rows in one block of a multiple of `dim` values.
pub(crate) fn nearest_batch(
    rows: &impl Rows,
    queries: &[f32],
    k: usize,
    keep: impl Fn(usize) -> bool + Sync,
) -> Result<Vec<Vec<Hit>>, IndexError> {
    let dim = rows.dim();
    if queries.len() / dim < MIN_BLOCKED {
        return queries.chunks_exact(dim).map(|query| nearest(rows, query, k, &keep)).collect();
    }
    let norms: Vec<f32> = queries.chunks_exact(dim).map(square_of).collect();
    let empty = || vec![Shortlist::new(k); norms.len()];
    let lists = (0..rows.len().div_ceil(ROW_BLOCK))
        .into_par_iter()
        .try_fold(empty, |mut lists, block| {
            compare_block(rows, block, queries, &norms, &keep, &mut lists)?;
            Ok(lists)
        })
        .try_reduce(empty, |mut left, right| {
            left.iter_mut().zip(right).for_each(|(left, right)| left.merge(right));
            Ok::<_, IndexError>(left)
        })?;
    let refine = |(list, query): (&Shortlist, &[f32])| {
        let mut best = Best::new(k);
        let mut buffer = Vec::new();
        for row in list.rows() {
            best.push(rows.id(row), row, squared(rows.row(row, &mut buffer)?, query));
        }
        Ok(best.into_hits())
    };
    lists.par_iter().zip(queries.par_chunks_exact(dim)).map(refine).collect()
}

/// Offers the rows of one block to the short lists of all queries.
fn compare_block(
    rows: &impl Rows,
    block: usize,
    queries: &[f32],
    query_squares: &[f32],
    keep: impl Fn(usize) -> bool,
    lists: &mut [Shortlist],
) -> Result<(), IndexError> {
    let dim = rows.dim();
    let numbers: Vec<usize> =
        (block * ROW_BLOCK..((block + 1) * ROW_BLOCK).min(rows.len())).filter(|&row| keep(row)).collect();
    let width = numbers.len();
    if width == 0 {
        return Ok(());
    }
    let mut values = Vec::with_capacity(width * dim);
    let mut buffer = Vec::new();
    for &row in &numbers {
        values.extend_from_slice(rows.row(row, &mut buffer)?);
    }
    let squares: Vec<f32> = values.chunks_exact(dim).map(square_of).collect();
    let rhs = MatRef::from_row_major_slice(&values, width, dim).transpose();
    let mut products = vec![0.0f32; QUERY_BLOCK * width];
    let slack = squared_slack(dim);
    for (queries, (query_squares, lists)) in queries
        .chunks(QUERY_BLOCK * dim)
        .zip(query_squares.chunks(QUERY_BLOCK).zip(lists.chunks_mut(QUERY_BLOCK)))
    {
        let count = queries.len() / dim;
        let lhs = MatRef::from_row_major_slice(queries, count, dim);
        let dst = MatMut::from_row_major_slice_mut(&mut products[..count * width], count, width);
        // One thread per product: the tasks are parallel already, and a fixed order keeps the bits.
        matmul(dst, Accum::Replace, lhs, rhs, 1.0, Par::Seq);
        for ((list, &query_square), dots) in
            lists.iter_mut().zip(query_squares).zip(products.chunks_exact(width))
        {
            for ((&dot, &square), &row) in dots.iter().zip(&squares).zip(&numbers) {
                let sum = square + query_square;
                let (middle, error) = (sum - 2.0 * dot, slack * sum);
                list.push(middle - error, middle + error, row);
            }
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "rounded to f32; the slack covers it")]
fn square_of(row: &[f32]) -> f32 {
    l2_norm(row).powi(2) as f32
}

/// The `k` best by the kernel's distance.
pub(crate) struct Best(TopK<(ImageId, u32)>);

impl Best {
    pub(crate) fn new(k: usize) -> Self {
        Self(TopK::new(k))
    }

    pub(crate) fn push(&mut self, id: ImageId, row: usize, squared: f32) {
        let number = u32::try_from(row).expect("rows are fewer than 2^31");
        self.0.push(-squared, (id, number));
    }

    fn merged(mut self, other: Self) -> Self {
        self.0.merge(other.0);
        self
    }

    pub(crate) fn into_hits(self) -> Vec<Hit> {
        // The kernel never gives -0, so `0 - x` and not `-x` gives back what went in.
        let hit = |(value, (_, row))| Hit { squared: 0.0 - value, row };
        self.0.into_items().into_iter().map(hit).collect()
    }
}

/// Rows that may be among the `k` nearest, each with the bounds between which its distance lies.
#[derive(Debug, Clone)]
struct Shortlist {
    // The `k` smallest upper bounds: what lies wholly beyond the greatest of them is out.
    nearest: TopK<usize>,
    k: usize,
    rows: Vec<(f32, usize)>,
    // Length at which `rows` is next cleared of what has fallen behind.
    prune_at: usize,
}

impl Shortlist {
    fn new(k: usize) -> Self {
        Self { nearest: TopK::new(k), k, rows: Vec::new(), prune_at: 4 * k + 64 }
    }

    /// Lower bound up to which a row may still belong to the `k` nearest.
    fn limit(&self) -> f32 {
        let items = self.nearest.items();
        if items.len() < self.k {
            return f32::INFINITY;
        }
        items.last().map_or(f32::NEG_INFINITY, |worst| -worst.0)
    }

    fn push(&mut self, lower: f32, upper: f32, row: usize) {
        if lower > self.limit() {
            return;
        }
        self.nearest.push(-upper, row);
        self.rows.push((lower, row));
        if self.rows.len() >= self.prune_at {
            let limit = self.limit();
            self.rows.retain(|candidate| candidate.0 <= limit);
            self.prune_at = 2 * self.rows.len() + 64;
        }
    }

    fn merge(&mut self, other: Self) {
        self.nearest.merge(other.nearest);
        let limit = self.limit();
        self.rows.extend(other.rows);
        self.rows.retain(|candidate| candidate.0 <= limit);
    }

    fn rows(&self) -> impl Iterator<Item = usize> {
        let limit = self.limit();
        self.rows.iter().filter(move |candidate| candidate.0 <= limit).map(|candidate| candidate.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vectors;
    use crate::testkit::{clustered, vectors_of};

    /// Distances in `f64`, the whole list sorted.
    fn brute_force(vectors: &Vectors, query: &[f32], k: usize) -> Vec<(f64, ImageId)> {
        let distance = |row: &[f32]| {
            row.iter().zip(query).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>()
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
                let got = nearest(&vectors, &query, k, all_rows).unwrap();
                for (hit, (distance, id)) in got.iter().zip(brute_force(&vectors, &query, k)) {
                    assert!((f64::from(hit.squared) - distance).abs() < 1e-6);
                    let same = vectors.ids()[hit.row as usize] == id;
                    let by_kernel = f64::from(squared(vectors.row(hit.row as usize), &query));
                    // Rows closer to each other than f32 can tell may change places.
                    assert!(same || (by_kernel - distance).abs() < 1e-6);
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
                let batch = nearest_batch(&vectors, vectors.values(), k, all_rows).unwrap();
                assert_eq!(batch.len(), n);
                for row in (0..n).step_by(41) {
                    let single = nearest(&vectors, vectors.row(row), k, all_rows).unwrap();
                    assert_eq!(batch[row], single, "row {row}, k {k}");
                }
            }
        }
    }

    #[test]
    fn rows_that_do_not_pass_are_not_found() {
        let vectors = vectors_of(clustered(200, 8, 3, 5), 8);
        let odd = |row: usize| row % 2 == 1;
        let batch = nearest_batch(&vectors, vectors.values(), 9, odd).unwrap();
        for (row, hits) in batch.into_iter().enumerate() {
            let mut all = nearest(&vectors, vectors.row(row), 200, all_rows).unwrap();
            all.retain(|hit| odd(hit.row as usize));
            assert_eq!(hits, all[..9]);
            assert_eq!(nearest(&vectors, vectors.row(row), 9, odd).unwrap(), hits);
        }
    }

    #[test]
    fn equal_rows_come_in_the_order_of_their_ids() {
        let ids: Vec<ImageId> = (0..600).rev().map(ImageId).collect();
        let (vectors, _) = Vectors::new(ids, [1.0, 2.0].repeat(600), 2).unwrap();
        for hits in nearest_batch(&vectors, &vectors.values()[..40], 5, all_rows).unwrap() {
            let found: Vec<u64> = hits.iter().map(|hit| vectors.ids()[hit.row as usize].0).collect();
            assert_eq!(found, [0, 1, 2, 3, 4]);
            assert!(hits.iter().all(|hit| hit.squared == 0.0));
        }
    }
}
