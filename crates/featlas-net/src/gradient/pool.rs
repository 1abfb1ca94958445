//! Pools, forward and backward.

use super::Real;
use crate::arch::Shape;
use crate::geometry::adaptive_range;
use rayon::prelude::*;
use std::ops::Range;

/// A max-pool between two sizes. The output's size already says whether it rounds up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) input: Shape,
    pub(super) output: Shape,
}

impl Pool {
    /// The maxima `(n, c, h, w)`, and for each the cell of its input plane that won: of equal ones the
    /// first in row-major order, NaN before all, as in PyTorch.
    pub(super) fn max<T: Real>(&self, values: &[T]) -> (Vec<T>, Vec<u32>) {
        let (cells, out_cells) = (self.input.cells(), self.output.cells());
        let len = values.len() / cells * out_cells;
        let (mut out, mut winners) = (vec![T::default(); len], vec![0_u32; len]);
        let columns: Vec<Range<usize>> = (0..self.output.w).map(|x| self.window(x, self.input.w)).collect();
        let planes = out.par_chunks_exact_mut(out_cells).zip(winners.par_chunks_exact_mut(out_cells));
        planes.zip(values.par_chunks_exact(cells)).for_each(|((out, winners), plane)| {
            let (mut maxima, mut rows_of) = (vec![T::default(); self.input.w], vec![0_u32; self.input.w]);
            let rows = out.chunks_exact_mut(self.output.w).zip(winners.chunks_exact_mut(self.output.w));
            for (y, (out, winners)) in rows.enumerate() {
                // The winner of a window is the winner among its columns' winners.
                let rows = self.window(y, self.input.h);
                columns_maxima(plane, self.input.w, rows, &mut maxima, &mut rows_of);
                for ((out, winner), columns) in out.iter_mut().zip(winners).zip(&columns) {
                    let mut best = columns.start;
                    for column in columns.start + 1..columns.end {
                        let (value, most) = (maxima[column], maxima[best]);
                        let is_earlier = value == most && rows_of[column] < rows_of[best];
                        if value > most || value.is_nan() || is_earlier {
                            best = column;
                        }
                    }
                    *out = maxima[best];
                    let cell = rows_of[best] as usize * self.input.w + best;
                    *winner = u32::try_from(cell).expect("activations have far fewer than 2^32 cells");
                }
            }
        });
        (out, winners)
    }

    /// The gradient at the input: every window's goes to the cell that won it.
    pub(super) fn max_backward<T: Real>(&self, gradient: &[T], winners: &[u32], images: &[usize]) -> Vec<T> {
        let (input, output) = (self.input, self.output);
        let mut below = vec![T::default(); images.len() * input.len()];
        let rows = below.par_chunks_exact_mut(input.len()).zip(gradient.par_chunks_exact(output.len()));
        rows.zip(images).for_each(|((below, gradient), &image)| {
            let winners = &winners[image * output.len()..][..output.len()];
            let planes = below.chunks_exact_mut(input.cells()).zip(gradient.chunks_exact(output.cells()));
            for ((below, gradient), winners) in planes.zip(winners.chunks_exact(output.cells())) {
                for (&value, &winner) in gradient.iter().zip(winners) {
                    below[winner as usize] += value;
                }
            }
        });
        below
    }

    /// The cells of an axis of length `len` under output cell `index`; at least one, since `shapes()` drops
    /// windows that would see nothing.
    fn window(&self, index: usize, len: usize) -> Range<usize> {
        let start = index * self.stride;
        start.saturating_sub(self.padding)..(start + self.kernel).saturating_sub(self.padding).min(len)
    }
}

/// The largest value of every column within `rows`, and the first row that has it.
fn columns_maxima<T: Real>(
    plane: &[T],
    width: usize,
    rows: Range<usize>,
    maxima: &mut [T],
    rows_of: &mut [u32],
) {
    let number = |row: usize| u32::try_from(row).expect("activations have far fewer than 2^32 rows");
    maxima.copy_from_slice(&plane[rows.start * width..][..width]);
    rows_of.fill(number(rows.start));
    for row in rows.skip(1) {
        let (values, row) = (&plane[row * width..][..width], number(row));
        for ((most, row_of), &value) in maxima.iter_mut().zip(rows_of.iter_mut()).zip(values) {
            // Chosen without branches, so that many columns go at once.
            let is_larger = value > *most || value.is_nan();
            *row_of = if is_larger { row } else { *row_of };
            *most = if is_larger { value } else { *most };
        }
    }
}

/// Means over windows that cover each plane with the output's cells (PyTorch's adaptive pooling).
pub(super) fn mean<T: Real>(values: &[T], input: Shape, output: Shape) -> Vec<T> {
    if input == output {
        return values.to_vec();
    }
    let mut out = vec![T::default(); values.len() / input.cells() * output.cells()];
    let planes = out.par_chunks_exact_mut(output.cells()).zip(values.par_chunks_exact(input.cells()));
    planes.for_each(|(out, plane)| {
        for (cell, value) in out.iter_mut().enumerate() {
            let (rows, columns) = covered(cell, input, output);
            let count = T::from_f64((rows.len() * columns.len()) as f64);
            let sum: T = rows.map(|y| plane[y * input.w..][columns.clone()].iter().copied().sum::<T>()).sum();
            *value = sum / count;
        }
    });
    out
}

/// The gradient at the input: every mean's is shared out evenly.
pub(super) fn mean_backward<T: Real>(gradient: &[T], input: Shape, output: Shape) -> Vec<T> {
    if input == output {
        return gradient.to_vec();
    }
    let mut below = vec![T::default(); gradient.len() / output.cells() * input.cells()];
    let planes = below.par_chunks_exact_mut(input.cells()).zip(gradient.par_chunks_exact(output.cells()));
    planes.for_each(|(below, gradient)| {
        for (cell, &value) in gradient.iter().enumerate() {
            let (rows, columns) = covered(cell, input, output);
            let share = value / T::from_f64((rows.len() * columns.len()) as f64);
            for y in rows {
                for below in &mut below[y * input.w..][columns.clone()] {
                    *below += share;
                }
            }
        }
    });
    below
}

/// The rows and columns that an output cell of an adaptive pool averages.
fn covered(cell: usize, input: Shape, output: Shape) -> (Range<usize>, Range<usize>) {
    (adaptive_range(cell / output.w, input.h, output.h), adaptive_range(cell % output.w, input.w, output.w))
}
