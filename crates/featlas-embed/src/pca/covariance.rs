//! The covariance of rows that come block by block.

use super::Pca;
use super::leading::{Component, is_turned, leading, of_few_rows};
use crate::EmbedError;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use featlas_core::{Progress, RowsView};
use rayon::prelude::*;

/// Rows whose products are summed in `f32` before they go into the sums in `f64`. No more rows than this are
/// decomposed directly.
const BLOCK_ROWS: usize = 2048;
/// Side of the tiles that the lower half of the covariance is summed in.
const TILE: usize = 512;

/// Sums over rows from which their principal components follow.
///
/// Rows are shifted by the mean of the first block, since products of numbers far from zero cancel. However the
/// rows are cut into blocks, and with whatever number of threads, the sums are the same. Memory: `4 dim^2` bytes and
/// `12 * 1024 dim`, whatever the number of rows; [`Self::pca`] takes `8 dim^2` for a while.
#[derive(Debug, Clone)]
pub struct Covariance {
    dim: usize,
    rows: usize,
    // The shift, once the first block is full, and the shifted rows not yet summed.
    pilot: Option<Vec<f32>>,
    block: Vec<f32>,
    sum: Vec<f64>,
    // Tiles of the lower half, row by row of tiles; each row-major.
    tiles: Vec<Vec<f64>>,
}

impl Covariance {
    /// Sums over no rows.
    ///
    /// # Panics
    /// If `dim` is zero.
    pub fn new(dim: usize) -> Self {
        assert!(dim > 0, "rows have at least one value");
        Self { dim, rows: 0, pilot: None, block: Vec::new(), sum: vec![0.0; dim], tiles: Vec::new() }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there was no row yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds rows.
    ///
    /// # Errors
    /// [`EmbedError::NonFinite`], with the number of the row among all so far.
    ///
    /// # Panics
    /// If `rows` has another `dim`.
    pub fn add(&mut self, rows: RowsView<'_>) -> Result<(), EmbedError> {
        assert_eq!(rows.dim(), self.dim, "rows of one dim");
        rows.into_iter().try_for_each(|row| self.add_row(row))
    }

    /// Adds a row of `dim` values.
    pub(super) fn add_row(&mut self, row: &[f32]) -> Result<(), EmbedError> {
        if row.iter().any(|v| !v.is_finite()) {
            return Err(EmbedError::NonFinite { row: self.rows });
        }
        match &self.pilot {
            None => self.block.extend_from_slice(row),
            Some(pilot) => self.block.extend(row.iter().zip(pilot).map(|(v, p)| v - p)),
        }
        self.rows += 1;
        if self.block.len() == BLOCK_ROWS * self.dim {
            self.sum_block();
        }
        Ok(())
    }

    /// The leading `k` principal components of the rows so far.
    ///
    /// `k` is lowered as in [`fit_pca`](super::fit_pca).
    ///
    /// # Errors
    /// [`EmbedError::Empty`], [`EmbedError::Diverged`], [`EmbedError::Cancelled`].
    pub fn pca(mut self, k: usize, progress: &dyn Progress) -> Result<Pca, EmbedError> {
        if self.rows == 0 {
            return Err(EmbedError::Empty);
        }
        let (n, dim) = (self.rows, self.dim);
        let k = k.min(n - 1).min(dim);
        if self.pilot.is_none() {
            // All rows are still at hand.
            let pilot = self.shift_block();
            let mean = pilot.iter().zip(column_means(&self.block, dim)).map(|(p, m)| p + narrow(m)).collect();
            let total = self.block.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / (n - 1).max(1) as f64;
            let found =
                if k == 0 || is_constant(total) { Vec::new() } else { of_few_rows(&self.block, dim, k)? };
            return Ok(finish(mean, found, total, 0.0));
        }
        if !self.block.is_empty() {
            self.sum_block();
        }
        let pilot = self.pilot.take().unwrap_or_default();
        let offset: Vec<f64> = self.sum.iter().map(|sum| sum / n as f64).collect();
        let mean: Vec<f32> = pilot.iter().zip(&offset).map(|(&p, o)| narrow(f64::from(p) + o)).collect();
        let covariance = self.into_matrix(&offset);
        let total: f64 = (0..dim).map(|i| f64::from(covariance[i * dim + i])).sum();
        if k == 0 || is_constant(total) {
            return Ok(finish(mean, Vec::new(), total, 0.0));
        }
        let (found, residual) = leading(&covariance, dim, k, progress)?;
        Ok(finish(mean, found, total, residual))
    }

    /// Shifts the first block by its mean, which becomes the pilot.
    fn shift_block(&mut self) -> Vec<f32> {
        let pilot: Vec<f32> = column_means(&self.block, self.dim).into_iter().map(narrow).collect();
        for row in self.block.chunks_exact_mut(self.dim) {
            row.iter_mut().zip(&pilot).for_each(|(v, p)| *v -= p);
        }
        pilot
    }

    /// Moves the block into the sums.
    fn sum_block(&mut self) {
        if self.pilot.is_none() {
            self.pilot = Some(self.shift_block());
            let tiles = tile_corners(self.dim);
            self.tiles = tiles.map(|(i, j)| vec![0.0; side(i, self.dim) * side(j, self.dim)]).collect();
        }
        let (dim, n) = (self.dim, self.block.len() / self.dim);
        let rows = MatRef::from_row_major_slice(&self.block, n, dim);
        let corners: Vec<(usize, usize)> = tile_corners(dim).collect();
        self.tiles.par_iter_mut().zip(corners).for_each(|(tile, (i, j))| {
            let (height, width) = (side(i, dim), side(j, dim));
            let mut products = vec![0.0_f32; height * width];
            let out = MatMut::from_row_major_slice_mut(&mut products, height, width);
            let (left, right) = (rows.subcols(i, height), rows.subcols(j, width));
            matmul(out, Accum::Replace, left.transpose(), right, 1.0, Par::Seq);
            tile.iter_mut().zip(&products).for_each(|(sum, &product)| *sum += f64::from(product));
        });
        for row in self.block.chunks_exact(dim) {
            self.sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
        }
        self.block.clear();
    }

    /// The covariance, `(dim, dim)`, of rows whose mean lies `offset` from the pilot.
    fn into_matrix(self, offset: &[f64]) -> Vec<f32> {
        let (dim, n) = (self.dim, self.rows as f64);
        let mut matrix = vec![0.0_f32; dim * dim];
        for (tile, (top, left)) in self.tiles.into_iter().zip(tile_corners(dim)) {
            let width = side(left, dim);
            for (i, row) in tile.chunks_exact(width).enumerate() {
                for (j, sum) in row.iter().enumerate() {
                    let (i, j) = (top + i, left + j);
                    let value = narrow((sum - n * offset[i] * offset[j]) / (n - 1.0));
                    matrix[i * dim + j] = value;
                    matrix[j * dim + i] = value;
                }
            }
        }
        matrix
    }
}

/// Corners of the tiles of the lower half.
fn tile_corners(dim: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..dim).step_by(TILE).flat_map(|i| (0..=i).step_by(TILE).map(move |j| (i, j)))
}

fn side(corner: usize, dim: usize) -> usize {
    TILE.min(dim - corner)
}

fn column_means(values: &[f32], dim: usize) -> Vec<f64> {
    let mut sums = vec![0.0_f64; dim];
    for row in values.chunks_exact(dim) {
        sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
    }
    let n = (values.len() / dim).max(1) as f64;
    sums.into_iter().map(|sum| sum / n).collect()
}

pub(super) fn is_constant(total_variance: f64) -> bool {
    total_variance <= f64::MIN_POSITIVE
}

#[expect(clippy::cast_possible_truncation, reason = "rounded once, when the sum is done")]
fn narrow(value: f64) -> f32 {
    value as f32
}

pub(super) fn finish(mean: Vec<f32>, found: Vec<Component>, total_variance: f64, residual: f64) -> Pca {
    let mut pca =
        Pca { mean, components: Vec::new(), explained_variance: Vec::new(), total_variance, residual };
    for (variance, mut component) in found {
        // What is below the rounding of the rows themselves is no direction of theirs.
        if variance <= total_variance * 1e-12 {
            break;
        }
        if is_turned(component.iter()) {
            for v in &mut component {
                *v = -*v;
            }
        }
        pca.components.extend(component);
        pca.explained_variance.push(variance);
    }
    pca
}
