//! Pools, forward and backward.

use super::Real;
use super::buffers::{Buffers, Memory};
use super::conv::Finish;
use crate::arch::Shape;
use crate::geometry::adaptive_range;
use rayon::prelude::*;
use std::borrow::Cow;
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
    /// The maxima `(n, c, h, w)`, and for each the cell of its input plane that won: of those equal to it, give or take
    /// [`Real::TIE`] of it, the first in row-major order; NaN before all.
    ///
    /// PyTorch compares exactly. In an evenly colored part of a photograph all cells of a window are equal but for the
    /// order in which their sums were taken, and whose last bit is larger is nobody's choice.
    pub(super) fn max<T: Real>(&self, values: &[T], memory: &Memory<T>) -> (Vec<T>, Vec<u32>) {
        let (cells, out_cells) = (self.input.cells(), self.output.cells());
        let len = values.len() / cells * out_cells;
        let (mut out, mut winners) = (memory.values.take(len), memory.winners.zeros(len));
        let places: Vec<Vec<Place>> = (0..self.output.h).map(|y| self.places(y).collect()).collect();
        let planes = out.par_chunks_exact_mut(out_cells).zip(winners.par_chunks_exact_mut(out_cells));
        let steps: Vec<u32> = (0..self.output.w).map(|x| number(x * self.stride)).collect();
        planes.zip(values.par_chunks_exact(cells)).for_each(|((out, winners), plane)| {
            let plane = self.split(plane);
            let mut least = vec![T::default(); self.output.w];
            let rows = out.chunks_exact_mut(self.output.w).zip(winners.chunks_exact_mut(self.output.w));
            for (y, (out, winners)) in rows.enumerate() {
                out.fill(T::from_f64(f64::NEG_INFINITY));
                if T::TIE == 0.0 {
                    first_maxima(&places[y], plane.as_ref(), &steps, out, winners);
                    continue;
                }
                for place in &places[y] {
                    let values = &plane[place.values..];
                    for (most, &value) in out[place.columns.clone()].iter_mut().zip(values) {
                        // Chosen without branches, here and below, so that many windows go at once.
                        *most = if (value > *most) | value.is_nan() { value } else { *most };
                    }
                }
                for (least, &most) in least.iter_mut().zip(&*out) {
                    let size = if most < T::default() { -most } else { most };
                    *least = most - T::from_f64(T::TIE) * size;
                }
                // The first place that ties is the last one here.
                for place in places[y].iter().rev() {
                    let windows =
                        winners[place.columns.clone()].iter_mut().zip(&least[place.columns.clone()]);
                    let values = plane[place.values..].iter().zip(&steps);
                    for ((winner, &least), (&value, &step)) in windows.zip(values) {
                        let (ties, cell) = ((value >= least) | value.is_nan(), place.cell + step);
                        *winner = if ties { cell } else { *winner };
                    }
                }
            }
        });
        (out, winners)
    }

    /// Every row as the pixels at 0, `stride`, 2 `stride`, …, then those at 1, `stride` + 1, …: what the windows of a row
    /// meet at one place of the kernel then lies side by side. The last of some phases is zero, and no window's.
    fn split<'p, T: Real>(&self, plane: &'p [T]) -> Cow<'p, [T]> {
        if self.stride == 1 {
            return Cow::Borrowed(plane);
        }
        let width = self.input.w.div_ceil(self.stride);
        let mut split = vec![T::default(); self.input.h * self.stride * width];
        let rows = split.chunks_exact_mut(self.stride * width).zip(plane.chunks_exact(self.input.w));
        for (phases, row) in rows {
            for (phase, values) in phases.chunks_exact_mut(width).enumerate() {
                for (value, &pixel) in
                    values.iter_mut().zip(row[phase.min(row.len())..].iter().step_by(self.stride))
                {
                    *value = pixel;
                }
            }
        }
        Cow::Owned(split)
    }

    /// The gradient at the input: every window's goes to the cell that won it.
    pub(super) fn max_backward<T: Real>(
        &self,
        gradient: &[T],
        winners: &[u32],
        images: &[usize],
        buffers: &Buffers<T>,
        finish: Finish<'_, T>,
    ) -> Vec<T> {
        let (input, output) = (self.input, self.output);
        let mut below = buffers.zeros(images.len() * input.len());
        let rows = below.par_chunks_exact_mut(input.len()).zip(gradient.par_chunks_exact(output.len()));
        rows.zip(images).enumerate().for_each(|(row, ((below, gradient), &image))| {
            let winners = &winners[image * output.len()..][..output.len()];
            let planes = below.chunks_exact_mut(input.cells()).zip(gradient.chunks_exact(output.cells()));
            for ((below, gradient), winners) in planes.zip(winners.chunks_exact(output.cells())) {
                for (&value, &winner) in gradient.iter().zip(winners) {
                    below[winner as usize] += value;
                }
            }
            finish(row, below);
        });
        below
    }

    /// The places of the kernel that meet the input in output row `y`, in row-major order.
    fn places(&self, y: usize) -> impl Iterator<Item = Place> {
        let Self { kernel, stride, padding, input, output } = *self;
        let row_of = move |ky: usize| (y * stride + ky).checked_sub(padding).filter(|&y| y < input.h);
        (0..kernel).filter_map(row_of).flat_map(move |y| {
            (0..kernel).filter_map(move |kx| {
                let first = padding.saturating_sub(kx).div_ceil(stride);
                let end = (input.w + padding).saturating_sub(kx).div_ceil(stride).min(output.w);
                let column = first * stride + kx - padding;
                let values = (y * stride + column % stride) * input.w.div_ceil(stride) + column / stride;
                let place = || Place { columns: first..end, values, cell: number(y * input.w + column) };
                (first < end).then(place)
            })
        })
    }
}

/// The maxima of one output row and the cells that won them, where only equals tie: in one go, then.
fn first_maxima<T: Real>(places: &[Place], plane: &[T], steps: &[u32], out: &mut [T], winners: &mut [u32]) {
    for place in places {
        let (windows, first) = (place.columns.clone(), place.cell);
        let values = plane[place.values..].iter().zip(steps);
        let windows = out[windows.clone()].iter_mut().zip(&mut winners[windows]);
        for ((most, winner), (&value, &step)) in windows.zip(values) {
            let wins = (value > *most) | (value.is_nan() & !most.is_nan());
            // By a mask: a branch for every window would keep them from going many at once.
            let mask = u32::from(wins).wrapping_neg();
            *winner = ((first + step) & mask) | (*winner & !mask);
            *most = if wins { value } else { *most };
        }
    }
}

/// Where one place of the kernel meets the input, in a row of the output.
struct Place {
    /// Columns of the output.
    columns: Range<usize>,
    /// Where the values that they meet begin in a plane as [`Pool::split`] leaves it.
    values: usize,
    /// The input's cell for the first of them; the others follow by the stride.
    cell: u32,
}

fn number(cell: usize) -> u32 {
    u32::try_from(cell).expect("activations have far fewer than 2^32 cells")
}

/// Means over windows that cover each plane with the output's cells (PyTorch's adaptive pooling).
pub(super) fn mean<T: Real>(values: &[T], input: Shape, output: Shape, buffers: &Buffers<T>) -> Vec<T> {
    if input == output {
        return buffers.copy(values);
    }
    let mut out = buffers.take(values.len() / input.cells() * output.cells());
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
pub(super) fn mean_backward<T: Real>(
    gradient: &[T],
    input: Shape,
    output: Shape,
    buffers: &Buffers<T>,
) -> Vec<T> {
    if input == output {
        return buffers.copy(gradient);
    }
    let mut below = buffers.zeros(gradient.len() / output.cells() * input.cells());
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
