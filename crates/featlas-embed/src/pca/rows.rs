//! Leading components of rows in memory, without their covariance: where few are wanted, passes over the rows cost
//! less than its sums (Halko, Martinsson, Tropp 2011, algorithm 4.4).

use super::leading::{Component, OVERSAMPLING, Turning, random_basis, turned};
use crate::EmbedError;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use featlas_core::{Progress, RowsView};
use rayon::prelude::*;

/// Rows that one task multiplies at a time.
const BLOCK_ROWS: usize = 512;
/// Sums that run side by side and are added in order, so that the number of threads does not matter.
const LANES: usize = 16;
/// Rows on which the first directions are found, evenly spaced, since neighbors in a file may be alike.
const SAMPLE_ROWS: usize = 2048;
/// Products with the covariance of the sample.
const SAMPLE_PRODUCTS: usize = 3;
/// A pass over all rows that adds less than this share to the variance explained is the last.
const GAIN: f64 = 2e-4;
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
}

impl<'a> Centered<'a> {
    /// # Errors
    /// [`EmbedError::NonFinite`].
    pub(super) fn new(rows: RowsView<'a>) -> Result<Self, EmbedError> {
        let sums = in_lanes(
            rows.len(),
            || vec![0.0_f64; rows.dim()],
            |block, sum| {
                for row in block {
                    sum.iter_mut().zip(rows.row(row)).for_each(|(sum, &v)| *sum += f64::from(v));
                }
            },
        );
        let mut total = vec![0.0_f64; rows.dim()];
        for sum in sums {
            total.iter_mut().zip(sum).for_each(|(total, v)| *total += v);
        }
        // Finite values of `f32` have finite sums in `f64`.
        if !total.iter().all(|v| v.is_finite()) {
            let row = rows.into_iter().position(|row| row.iter().any(|v| !v.is_finite())).unwrap_or(0);
            return Err(EmbedError::NonFinite { row });
        }
        #[expect(clippy::cast_possible_truncation, reason = "means of f32 values are f32 values")]
        let mean = total.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect();
        Ok(Self { rows, mean })
    }

    pub(super) fn into_mean(self) -> Vec<f32> {
        self.mean
    }

    /// Sum of the variances of all columns, with divisor `n - 1`.
    pub(super) fn total_variance(&self) -> f64 {
        let sums = in_lanes(
            self.rows.len(),
            || 0.0_f64,
            |block, sum| {
                for row in block {
                    let squares = self.rows.row(row).iter().zip(&self.mean).map(|(v, m)| (v - m) * (v - m));
                    // A row's few thousand squares in f32, the rest in f64.
                    *sum += f64::from(squares.sum::<f32>());
                }
            },
        );
        sums.iter().sum::<f64>() / (self.rows.len() - 1) as f64
    }

    /// The leading `k` components and the largest residual of any.
    pub(super) fn leading(
        &self,
        k: usize,
        progress: &dyn Progress,
    ) -> Result<(Vec<Component>, f64), EmbedError> {
        let every = self.rows.len().div_ceil(SAMPLE_ROWS);
        let mut basis = random_basis(self.rows.dim(), k + OVERSAMPLING);
        for _ in 0..SAMPLE_PRODUCTS {
            basis = self.times(basis.as_ref(), every, progress).qr().compute_thin_Q();
        }
        let turning = Turning { k, powers: 0, gain: GAIN };
        turned(basis, turning, |basis| self.times(basis, 1, progress), progress)
    }

    /// `C M` with the covariance `C` of every `every`th row. Cut short if the user wants to stop.
    fn times(&self, m: MatRef<'_, f32>, every: usize, progress: &dyn Progress) -> Mat<f32> {
        let (dim, count) = (self.rows.dim(), self.rows.len().div_ceil(every));
        #[expect(clippy::cast_possible_truncation, reason = "a scale needs no more than f32")]
        let scale = (1.0 / (count - 1) as f64) as f32;
        let sums = in_lanes(
            count,
            || Mat::<f32>::zeros(dim, m.ncols()),
            |block, sum| {
                if progress.is_cancelled() {
                    return;
                }
                let len = block.len();
                let mut values = Vec::with_capacity(len * dim);
                for row in block {
                    values.extend(self.rows.row(row * every).iter().zip(&self.mean).map(|(v, m)| v - m));
                }
                let x = MatRef::from_row_major_slice(&values, len, dim);
                let mut scores = Mat::zeros(len, m.ncols());
                matmul(scores.as_mut(), Accum::Replace, x, m, 1.0, Par::Seq);
                matmul(sum.as_mut(), Accum::Add, x.transpose(), scores.as_ref(), scale, Par::Seq);
            },
        );
        sums.into_iter().reduce(|a, b| a + b).expect("there are lanes")
    }
}

/// Sums over blocks of `n` rows, each block in the lane that follows from its number.
fn in_lanes<T: Send>(
    n: usize,
    zero: impl Fn() -> T + Sync,
    add: impl Fn(std::ops::Range<usize>, &mut T) + Sync,
) -> Vec<T> {
    let lane = |lane: usize| {
        let mut sum = zero();
        for first in (lane * BLOCK_ROWS..n).step_by(LANES * BLOCK_ROWS) {
            add(first..(first + BLOCK_ROWS).min(n), &mut sum);
        }
        sum
    };
    (0..LANES).into_par_iter().with_max_len(1).map(lane).collect()
}
