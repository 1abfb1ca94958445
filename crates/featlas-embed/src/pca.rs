//! Principal components (Pearson 1901; Hotelling 1933).
//!
//! One pass over rows of any number sums their covariance ([`Covariance`]), in memory that does not grow with it;
//! the leading components are then those of a matrix. Rows in memory of which few components are wanted are not
//! summed: some passes over them turn a subspace towards the leading ones ([`fit_pca`]). Sums run in blocks of fixed
//! size and are added in a fixed order, so the result does not depend on the number of threads.

mod covariance;
mod leading;
mod rows;

use crate::EmbedError;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use featlas_core::{Progress, RowsView, Stage};
use rayon::prelude::*;

pub use covariance::Covariance;

/// Rows that are projected at a time.
const BLOCK_ROWS: usize = 256;
/// Rows between two looks at the user's wish to stop.
const ROWS_AT_A_TIME: usize = 4096;

/// A fitted PCA.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    mean: Vec<f32>,
    components: Vec<f32>,
    explained_variance: Vec<f64>,
    total_variance: f64,
    residual: f64,
}

impl Pca {
    /// A PCA from its parts, as they were saved; `components` is `(k, dim)` row-major.
    ///
    /// # Errors
    /// [`EmbedError::Shape`] if the parts do not fit each other, [`EmbedError::NonFinite`].
    pub fn from_parts(
        mean: Vec<f32>,
        components: Vec<f32>,
        explained_variance: Vec<f64>,
        total_variance: f64,
    ) -> Result<Self, EmbedError> {
        let (k, dim) = (explained_variance.len(), mean.len());
        if components.len() != k * dim {
            return Err(EmbedError::Shape { n: k, expected: k * dim, got: components.len() });
        }
        if let Some(at) = components.iter().position(|v| !v.is_finite()) {
            return Err(EmbedError::NonFinite { row: at / dim });
        }
        if !mean.iter().all(|v| v.is_finite()) {
            return Err(EmbedError::NonFinite { row: 0 });
        }
        Ok(Self { mean, components, explained_variance, total_variance, residual: 0.0 })
    }

    /// Components kept; fewer than asked for where the rows span no more.
    pub fn num_components(&self) -> usize {
        self.explained_variance.len()
    }

    /// Mean row, `(dim)`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Unit components, `(k, dim)` row-major, by falling variance; the entry of largest magnitude of each is
    /// positive.
    pub fn components(&self) -> &[f32] {
        &self.components
    }

    /// Variance along each component, with divisor `n - 1`.
    pub fn explained_variance(&self) -> &[f64] {
        &self.explained_variance
    }

    /// Sum of the variances of all columns.
    pub fn total_variance(&self) -> f64 {
        self.total_variance
    }

    /// The largest `|Cv - lv|` of a component, as a share of the largest variance; zero where it was not measured.
    pub fn residual(&self) -> f64 {
        self.residual
    }

    /// Share of the total variance that the components explain, in `[0, 1]`; 1 for constant rows.
    pub fn explained_share(&self) -> f64 {
        self.explained_curve().last().copied().unwrap_or(if self.total_variance > 0.0 { 0.0 } else { 1.0 })
    }

    /// Share of the total variance that the first one, two, … components explain together.
    pub fn explained_curve(&self) -> Vec<f64> {
        let running = |sum: &mut f64, variance: &f64| {
            *sum += variance;
            Some((*sum / self.total_variance).min(1.0))
        };
        self.explained_variance.iter().scan(0.0, running).collect()
    }

    /// Scores of `rows`, `(n, k)` row-major.
    ///
    /// # Panics
    /// If `rows` has another `dim`.
    pub fn project(&self, rows: RowsView<'_>) -> Vec<f32> {
        let (k, dim) = (self.num_components(), rows.dim());
        assert_eq!(dim, self.mean.len(), "rows of the fitted dim");
        if k == 0 {
            return Vec::new();
        }
        let components = row_major(MatRef::from_row_major_slice(&self.components, k, dim).transpose());
        let components = MatRef::from_row_major_slice(&components, dim, k);
        let mut scores = vec![0.0; rows.len() * k];
        let blocks = scores.par_chunks_mut(BLOCK_ROWS * k).zip(rows.values().par_chunks(BLOCK_ROWS * dim));
        blocks.for_each(|(scores, values)| {
            let n = values.len() / dim;
            let centered: Vec<f32> = values
                .chunks_exact(dim)
                .flat_map(|row| row.iter().zip(&self.mean).map(|(v, m)| v - m))
                .collect();
            let x = MatRef::from_row_major_slice(&centered, n, dim);
            let out = MatMut::from_row_major_slice_mut(scores, n, k);
            matmul(out, Accum::Replace, x, components, 1.0, Par::Seq);
        });
        scores
    }
}

/// Fits the leading `k` principal components of `rows`.
///
/// `k` is lowered to `min(n - 1, dim)`, and to the number of directions in which the rows vary at all. Rows that do
/// not fit into memory go through [`Covariance`]. Where `12 (k + 24)` is less than `dim`, passes over the rows take the
/// place of their covariance; they end when one adds less than 0.5 % to the variance explained, and what is missing
/// then is about a tenth of that. Memory for them: `8 n (k + 24)` bytes.
///
/// # Errors
/// [`EmbedError::Empty`], [`EmbedError::NonFinite`], [`EmbedError::Diverged`], [`EmbedError::Cancelled`].
pub fn fit_pca(rows: RowsView<'_>, k: usize, progress: &dyn Progress) -> Result<Pca, EmbedError> {
    Ok(fit(rows, k, progress)?.0)
}

/// Fits as [`fit_pca`] does; also the scores of `rows`, `(n, k)` row-major, as [`Pca::project`] gives them but for
/// rounding, which passes over the rows have computed already.
///
/// # Errors
/// As [`fit_pca`].
pub fn fit_project(
    rows: RowsView<'_>,
    k: usize,
    progress: &dyn Progress,
) -> Result<(Pca, Vec<f32>), EmbedError> {
    let (pca, scores) = fit(rows, k, progress)?;
    let scores = scores.unwrap_or_else(|| pca.project(rows));
    Ok((pca, scores))
}

/// The PCA, and the scores if they came along.
fn fit(rows: RowsView<'_>, k: usize, progress: &dyn Progress) -> Result<(Pca, Option<Vec<f32>>), EmbedError> {
    progress.begin(Stage::Pca, Some(rows.len() as u64));
    let found = if rows::are_worth_it(rows.len(), rows.dim(), k) {
        by_passes(rows, k, progress)
    } else {
        by_covariance(rows, k, progress).map(|pca| (pca, None))
    };
    progress.end(Stage::Pca);
    found
}

fn by_passes(
    rows: RowsView<'_>,
    k: usize,
    progress: &dyn Progress,
) -> Result<(Pca, Option<Vec<f32>>), EmbedError> {
    let centered = rows::Centered::new(rows)?;
    let total = centered.total_variance();
    if k == 0 || covariance::is_constant(total) {
        return Ok((covariance::finish(centered.into_mean(), Vec::new(), total, 0.0), None));
    }
    let rows::Leading { components, scores, residual } = centered.leading(k, progress)?;
    progress.advance(Stage::Pca, rows.len() as u64);
    let pca = covariance::finish(centered.into_mean(), components, total, residual);
    // Components that turned out to be none have no scores.
    let scores = (pca.num_components() == k).then_some(scores);
    Ok((pca, scores))
}

fn by_covariance(rows: RowsView<'_>, k: usize, progress: &dyn Progress) -> Result<Pca, EmbedError> {
    let mut covariance = Covariance::new(rows.dim());
    for first in (0..rows.len()).step_by(ROWS_AT_A_TIME) {
        if progress.is_cancelled() {
            return Err(EmbedError::Cancelled);
        }
        let last = (first + ROWS_AT_A_TIME).min(rows.len());
        (first..last).try_for_each(|row| covariance.add_row(rows.row(row)))?;
        progress.advance(Stage::Pca, (last - first) as u64);
    }
    covariance.pca(k, progress)
}

/// The entries of a matrix, row by row: rows times such a matrix take 60 % of the time that a column-major one takes.
fn row_major(m: MatRef<'_, f32>) -> Vec<f32> {
    (0..m.nrows()).flat_map(|i| m.row(i).iter().copied()).collect()
}

#[cfg(test)]
mod tests;
