//! Convolution of charges on a square grid with an even kernel, by Fourier transforms in `f32`.
//!
//! The charges fill a quarter of a grid twice as wide, so nothing wraps around. Rows of zeros are not
//! transformed, and neither are rows of the result that nobody reads. The two transforms of a column and the
//! product between them happen in one go, while the column is in the cache.

use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Rows of a grid, and columns of its transform, that one task handles: a cache line of each other.
pub(crate) const BAND: usize = 16;

type Value = Complex<f32>;

/// The transforms and the kernel for a grid of one size.
pub(crate) struct Convolver {
    side: usize,
    rows_in: Arc<dyn RealToComplex<f32>>,
    rows_out: Arc<dyn ComplexToReal<f32>>,
    columns_in: Arc<dyn Fft<f32>>,
    columns_out: Arc<dyn Fft<f32>>,
    // The kernel's transform, `(side + 1, 2 side)`: column frequency by row frequency. Real, as the kernel is even.
    kernel: Vec<f32>,
    // Transforms of the rows, `(side, side + 1)`, and of the columns, `(side + 1, side)`.
    by_row: Vec<Value>,
    by_column: Vec<Value>,
}

impl Convolver {
    /// Transforms for grids of `side` nodes a side, a multiple of [`BAND`].
    pub(crate) fn new(side: usize) -> Self {
        assert!(side.is_multiple_of(BAND) && side > 0, "a grid is made of whole bands");
        let (mut real, mut complex) = (RealFftPlanner::new(), FftPlanner::new());
        let wide = 2 * side;
        Self {
            side,
            rows_in: real.plan_fft_forward(wide),
            rows_out: real.plan_fft_inverse(wide),
            columns_in: complex.plan_fft_forward(wide),
            columns_out: complex.plan_fft_inverse(wide),
            kernel: vec![0.0; (side + 1) * wide],
            by_row: vec![Complex::default(); side * (side + 1)],
            by_column: vec![Complex::default(); (side + 1) * side],
        }
    }

    /// Nodes a side.
    pub(crate) fn side(&self) -> usize {
        self.side
    }

    /// Sets the kernel: `value(dx, dy)` for steps of the grid up to `side`, and `factor(f)` by which frequency `f` of
    /// `2 side` is multiplied along each axis.
    pub(crate) fn set_kernel(
        &mut self,
        value: impl Fn(usize, usize) -> f64 + Sync,
        factor: impl Fn(usize) -> f64,
    ) {
        let (side, wide) = (self.side, 2 * self.side);
        // An even kernel in the real plane has a real transform; in `f64`, since factors enlarge its small values.
        let mut real = RealFftPlanner::<f64>::new();
        let mut complex = FftPlanner::<f64>::new();
        let (rows, columns) = (real.plan_fft_forward(wide), complex.plan_fft_forward(wide));
        let fold = |i: usize| i.min(wide - i);
        let by_row: Vec<Vec<Complex<f64>>> = (0..=side)
            .into_par_iter()
            .map(|y| {
                let mut row: Vec<f64> = (0..wide).map(|x| value(fold(x), y)).collect();
                let mut out = rows.make_output_vec();
                rows.process(&mut row, &mut out).expect("buffers of the plan's own sizes");
                out
            })
            .collect();
        let factors: Vec<f64> = (0..wide).map(factor).collect();
        let scale = 1.0 / (wide * wide) as f64;
        self.kernel.par_chunks_exact_mut(wide).enumerate().for_each(|(x, out)| {
            let mut column: Vec<Complex<f64>> = (0..wide).map(|y| by_row[fold(y)][x]).collect();
            columns.process(&mut column);
            for (y, (out, value)) in out.iter_mut().zip(&column).enumerate() {
                #[expect(clippy::cast_possible_truncation, reason = "the convolution runs in f32")]
                let narrow = (value.re * factors[x] * factors[y] * scale) as f32;
                *out = narrow;
            }
        });
    }

    /// Replaces the charges on `grid`, `(side, side)` row-major, by their convolution with the kernel. `fill` writes
    /// the charges of a band of rows, given the number of its first row.
    pub(crate) fn run(&mut self, grid: &mut [f32], fill: impl Fn(usize, &mut [f32]) + Sync) {
        let (side, wide) = (self.side, 2 * self.side);
        let spectrum = side + 1;
        let rows_in = &self.rows_in;
        let bands =
            grid.par_chunks_exact_mut(BAND * side).zip(self.by_row.par_chunks_exact_mut(BAND * spectrum));
        bands.enumerate().for_each(|(band, (charges, out))| {
            fill(band * BAND, charges);
            let (mut row, mut scratch) = (vec![0.0; wide], rows_in.make_scratch_vec());
            for (charges, out) in charges.chunks_exact(side).zip(out.chunks_exact_mut(spectrum)) {
                row[..side].copy_from_slice(charges);
                row[side..].fill(0.0);
                rows_in
                    .process_with_scratch(&mut row, out, &mut scratch)
                    .expect("buffers of the plan's own sizes");
            }
        });

        let (columns_in, columns_out, by_row) = (&self.columns_in, &self.columns_out, &self.by_row);
        let tiles = self.by_column.par_chunks_mut(BAND * side).zip(self.kernel.par_chunks(BAND * wide));
        tiles.enumerate().for_each(|(tile, (out, kernel))| {
            let (first, count) = (tile * BAND, out.len() / side);
            let mut columns = vec![Complex::default(); count * wide];
            for (y, row) in by_row.chunks_exact(spectrum).enumerate() {
                for (column, value) in row[first..first + count].iter().enumerate() {
                    columns[column * wide + y] = *value;
                }
            }
            let len = columns_in.get_inplace_scratch_len().max(columns_out.get_inplace_scratch_len());
            let mut scratch = vec![Complex::default(); len];
            columns_in.process_with_scratch(&mut columns, &mut scratch);
            columns.iter_mut().zip(kernel).for_each(|(value, factor)| *value *= *factor);
            columns_out.process_with_scratch(&mut columns, &mut scratch);
            for (out, column) in out.chunks_exact_mut(side).zip(columns.chunks_exact(wide)) {
                out.copy_from_slice(&column[..side]);
            }
        });

        let (rows_out, by_column) = (&self.rows_out, &self.by_column);
        grid.par_chunks_exact_mut(BAND * side).enumerate().for_each(|(band, out)| {
            let mut rows = vec![Complex::default(); BAND * spectrum];
            for (x, column) in by_column.chunks_exact(side).enumerate() {
                for (row, value) in column[band * BAND..(band + 1) * BAND].iter().enumerate() {
                    rows[row * spectrum + x] = *value;
                }
            }
            let (mut row, mut scratch) = (vec![0.0; wide], rows_out.make_scratch_vec());
            for (spectrum, out) in rows.chunks_exact_mut(spectrum).zip(out.chunks_exact_mut(side)) {
                // The transform of a real row: its ends are real but for rounding.
                spectrum[0].im = 0.0;
                spectrum[side].im = 0.0;
                rows_out
                    .process_with_scratch(spectrum, &mut row, &mut scratch)
                    .expect("buffers of the plan's own sizes");
                out.copy_from_slice(&row[..side]);
            }
        });
    }
}

#[cfg(test)]
mod tests;
