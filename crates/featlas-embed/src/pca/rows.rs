//! Leading components of rows in memory, without their covariance: where few are wanted, passes over the rows cost
//! less than its sums (Halko, Martinsson, Tropp 2011, algorithms 4.4 and 5.1).

use super::leading::{Component, OVERSAMPLING, Order, eigen, is_turned, random_basis, residual};
use super::row_major;
use crate::{EmbedError, lanes};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use featlas_core::{Progress, RowsView};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that one task multiplies, and columns that it multiplies at a time.
const BLOCK_ROWS: usize = 1024;
const BLOCK_COLUMNS: usize = 512;
/// Runs of rows that are summed side by side and added in order.
const LANES: usize = 16;
/// Columns of the rows whose products with the scores one task sums.
const SLAB: usize = 256;
/// Rows on which the first directions are found, evenly spaced, since neighbors in a file may be alike.
const SAMPLE_ROWS: usize = 2048;
/// Products with the covariance of the sample.
const SAMPLE_PRODUCTS: usize = 3;
/// A pass over all rows that adds less than this share to the variance explained is the last. Of fc7 vectors the first
/// pass after the sample adds 0.44 % and leaves 0.06 % that further ones would add.
const GAIN: f64 = 5e-3;
/// Passes at most; each multiplies what is missing by a fraction, and flat spectra miss little.
const MAX_PASSES: usize = 12;
/// Components whose residual is measured.
const RESIDUALS: usize = 8;
/// With this many times the width of the subspace in columns, passes are cheaper than the sums of the covariance.
const WORTH: usize = 12;

/// Whether passes over rows of `dim` values cost less than their covariance.
pub(super) fn are_worth_it(n: usize, dim: usize, k: usize) -> bool {
    n > SAMPLE_ROWS && WORTH * (k + OVERSAMPLING) < dim
}

/// Rows less their mean.
pub(super) struct Centered<'a> {
    rows: RowsView<'a>,
    mean: Vec<f32>,
    total_variance: f64,
}

/// Leading components of rows, and the rows in their terms.
pub(super) struct Leading {
    /// By falling variance; the entry of largest magnitude of each is positive.
    pub(super) components: Vec<Component>,
    /// `(n, k)` row-major.
    pub(super) scores: Vec<f32>,
    /// The largest `|Cv - lv|` of some of them, as a share of the largest variance.
    pub(super) residual: f64,
}

impl<'a> Centered<'a> {
    /// # Errors
    /// [`EmbedError::NonFinite`].
    pub(super) fn new(rows: RowsView<'a>) -> Result<Self, EmbedError> {
        let dim = rows.dim();
        let sums = in_lanes(rows.values(), dim, |block| {
            let mut sum = vec![0.0_f64; dim];
            for row in block.chunks_exact(dim) {
                sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
            }
            sum
        });
        let mut total = vec![0.0_f64; dim];
        for sum in sums {
            total.iter_mut().zip(sum).for_each(|(total, v)| *total += v);
        }
        // Finite values of `f32` have finite sums in `f64`.
        if !total.iter().all(|v| v.is_finite()) {
            let row = rows.into_iter().position(|row| row.iter().any(|v| !v.is_finite())).unwrap_or(0);
            return Err(EmbedError::NonFinite { row });
        }
        #[expect(clippy::cast_possible_truncation, reason = "means of f32 values are f32 values")]
        let mean: Vec<f32> = total.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect();
        let squares = in_lanes(rows.values(), dim, |block| {
            // A row's few thousand squares in f32, the rest in f64.
            block.chunks_exact(dim).map(|row| f64::from(lanes::squared_distance(row, &mean))).sum::<f64>()
        });
        let total_variance = squares.iter().sum::<f64>() / (rows.len() - 1) as f64;
        Ok(Self { rows, mean, total_variance })
    }

    pub(super) fn into_mean(self) -> Vec<f32> {
        self.mean
    }

    /// Sum of the variances of all columns, with divisor `n - 1`.
    pub(super) fn total_variance(&self) -> f64 {
        self.total_variance
    }

    /// The leading `k` components, `k` at least 1 and less than the rows.
    ///
    /// # Errors
    /// [`EmbedError::Diverged`], [`EmbedError::Cancelled`].
    pub(super) fn leading(&self, k: usize, progress: &dyn Progress) -> Result<Leading, EmbedError> {
        let every = self.rows.len().div_ceil(SAMPLE_ROWS);
        let mut basis = random_basis(self.rows.dim(), k + OVERSAMPLING);
        for _ in 0..SAMPLE_PRODUCTS {
            let scores = self.scores(basis.as_ref(), every, progress);
            basis = self.back(&scores, every, progress).qr().compute_thin_Q();
        }
        let width = basis.ncols();
        let mut scores = self.scores(basis.as_ref(), 1, progress);
        let (mut order, _) = principal(&scores, width)?;
        let mut gain = 1.0;
        for _ in 0..MAX_PASSES {
            basis = self.back(&scores, 1, progress).qr().compute_thin_Q();
            scores = self.scores(basis.as_ref(), 1, progress);
            if progress.is_cancelled() {
                return Err(EmbedError::Cancelled);
            }
            let before = explained(&order, k);
            let rotation;
            (order, rotation) = principal(&scores, width)?;
            gain = 1.0 - before / explained(&order, k).max(f64::MIN_POSITIVE);
            if gain < GAIN {
                return Ok(self.rotated(&basis, &scores, &order[..k], &rotation, progress));
            }
        }
        Err(EmbedError::Diverged { what: "PCA", residual: gain, limit: GAIN })
    }

    /// `(X - mean) M` of every `every`th row, `(rows, width)` row-major. Cut short if the user wants to stop.
    fn scores(&self, m: MatRef<'_, f32>, every: usize, progress: &dyn Progress) -> Vec<f32> {
        let (dim, width) = (self.rows.dim(), m.ncols());
        let m = row_major(m);
        let m = MatRef::from_row_major_slice(&m, dim, width);
        let mut scores = vec![0.0; self.rows.len().div_ceil(every) * width];
        scores.par_chunks_mut(BLOCK_ROWS * width).enumerate().for_each(|(block, scores)| {
            let n = scores.len() / width;
            let mut centered = Vec::with_capacity(n * BLOCK_COLUMNS);
            for first in (0..dim).step_by(BLOCK_COLUMNS) {
                if progress.is_cancelled() {
                    return;
                }
                let columns = first..(first + BLOCK_COLUMNS).min(dim);
                let len = columns.len();
                self.copy(&mut centered, (0..n).map(|row| (block * BLOCK_ROWS + row) * every), columns);
                let x = MatRef::from_row_major_slice(&centered, n, len);
                let out = MatMut::from_row_major_slice_mut(scores, n, width);
                matmul(out, Accum::Add, x, m.subrows(first, len), 1.0, Par::Seq);
            }
        });
        scores
    }

    /// `(X - mean)^T S / (rows - 1)` of every `every`th row and its scores. Cut short if the user wants to stop.
    fn back(&self, scores: &[f32], every: usize, progress: &dyn Progress) -> Mat<f32> {
        let (dim, count) = (self.rows.dim(), self.rows.len().div_ceil(every));
        let width = scores.len() / count;
        #[expect(clippy::cast_possible_truncation, reason = "a scale needs no more than f32")]
        let scale = (1.0 / (count - 1) as f64) as f32;
        let mut slabs = vec![0.0; dim * width];
        slabs.par_chunks_mut(SLAB * width).enumerate().for_each(|(slab, product)| {
            let len = product.len() / width;
            let mut centered = Vec::with_capacity(BLOCK_ROWS * len);
            for (block, scores) in scores.chunks(BLOCK_ROWS * width).enumerate() {
                if progress.is_cancelled() {
                    return;
                }
                let n = scores.len() / width;
                let rows = (0..n).map(|row| (block * BLOCK_ROWS + row) * every);
                self.copy(&mut centered, rows, slab * SLAB..slab * SLAB + len);
                let x = MatRef::from_row_major_slice(&centered, n, len);
                let out = MatMut::from_column_major_slice_mut(product, len, width);
                let scores = MatRef::from_row_major_slice(scores, n, width);
                matmul(out, Accum::Add, x.transpose(), scores, scale, Par::Seq);
            }
        });
        Mat::from_fn(dim, width, |i, j| {
            let (first, len) = (i - i % SLAB, SLAB.min(dim - (i - i % SLAB)));
            slabs[first * width + j * len + i % SLAB]
        })
    }

    /// Fills `out` with some columns of some rows, less their mean.
    fn copy(&self, out: &mut Vec<f32>, rows: impl Iterator<Item = usize>, columns: Range<usize>) {
        out.clear();
        for row in rows {
            let (row, mean) = (&self.rows.row(row)[columns.clone()], &self.mean[columns.clone()]);
            out.extend(row.iter().zip(mean).map(|(v, m)| v - m));
        }
    }

    /// The components that `rotation` makes of `basis`, one for each eigenvalue of `order`.
    fn rotated(
        &self,
        basis: &Mat<f32>,
        scores: &[f32],
        order: &[(f64, usize)],
        rotation: &Mat<f64>,
        progress: &dyn Progress,
    ) -> Leading {
        let (width, k) = (basis.ncols(), order.len());
        #[expect(clippy::cast_possible_truncation, reason = "directions only need f32's precision")]
        let mut rotation = Mat::from_fn(width, k, |i, j| rotation[(i, order[j].1)] as f32);
        let mut directions = basis * &rotation;
        for at in 0..k {
            if is_turned(directions.col(at).iter()) {
                directions.col_mut(at).iter_mut().for_each(|v| *v = -*v);
                rotation.col_mut(at).iter_mut().for_each(|v| *v = -*v);
            }
        }
        let mut turned = vec![0.0; scores.len() / width * k];
        let rotation = row_major(rotation.as_ref());
        let rotation = MatRef::from_row_major_slice(&rotation, width, k);
        let blocks = turned.par_chunks_mut(BLOCK_ROWS * k).zip(scores.par_chunks(BLOCK_ROWS * width));
        blocks.for_each(|(turned, scores)| {
            let n = scores.len() / width;
            let out = MatMut::from_row_major_slice_mut(turned, n, k);
            let scores = MatRef::from_row_major_slice(scores, n, width);
            matmul(out, Accum::Replace, scores, rotation, 1.0, Par::Seq);
        });
        let components: Vec<Component> =
            (0..k).map(|at| (order[at].0, directions.col(at).iter().copied().collect())).collect();
        let residual = self.residual(&components, &turned, progress);
        Leading { components, scores: turned, residual }
    }

    /// The largest `|Cv - lv|`, as a share of the largest variance, of a few components from the first to the last.
    fn residual(&self, components: &[Component], scores: &[f32], progress: &dyn Progress) -> f64 {
        let k = components.len();
        let step = k.div_ceil(RESIDUALS);
        let measured: Vec<usize> = (0..k).rev().step_by(step).collect();
        let some: Vec<f32> =
            scores.chunks_exact(k).flat_map(|row| measured.iter().map(|&at| row[at])).collect();
        let images = self.back(&some, 1, progress);
        let of = |(column, &at): (usize, &usize)| {
            let (variance, direction) = &components[at];
            residual(images.col(column).iter(), direction.iter(), *variance)
        };
        let worst = measured.iter().enumerate().map(of).fold(0.0, f64::max);
        worst / components[0].0.max(f64::MIN_POSITIVE)
    }
}

/// Eigenvalues of the covariance of `scores`, `(rows, width)`, by falling size, and the columns of their vectors.
fn principal(scores: &[f32], width: usize) -> Result<(Order, Mat<f64>), EmbedError> {
    let sums = in_lanes(scores, width, |lane| {
        let mut sum = vec![0.0_f64; width * width];
        let mut products = vec![0.0_f32; width * width];
        for block in lane.chunks(BLOCK_ROWS * width) {
            let x = MatRef::from_row_major_slice(block, block.len() / width, width);
            let out = MatMut::from_row_major_slice_mut(&mut products, width, width);
            matmul(out, Accum::Replace, x.transpose(), x, 1.0, Par::Seq);
            sum.iter_mut().zip(&products).for_each(|(sum, &product)| *sum += f64::from(product));
        }
        sum
    });
    let scale = 1.0 / (scores.len() / width - 1) as f64;
    let entry = |i: usize, j: usize| sums.iter().map(|sum| sum[i * width + j]).sum::<f64>() * scale;
    let covariance = Mat::from_fn(width, width, |i, j| 0.5 * (entry(i, j) + entry(j, i)));
    let (order, vectors, _) = eigen(covariance.as_ref())?;
    Ok((order, vectors))
}

fn explained(order: &Order, k: usize) -> f64 {
    order[..k].iter().map(|(variance, _)| variance).sum()
}

/// What `act` makes of each of a fixed number of runs of whole rows: the number of threads does not matter.
fn in_lanes<T: Send>(values: &[f32], dim: usize, act: impl Fn(&[f32]) -> T + Sync + Send) -> Vec<T> {
    let rows = (values.len() / dim).div_ceil(LANES).max(1);
    values.par_chunks(rows * dim).with_max_len(1).map(act).collect()
}
