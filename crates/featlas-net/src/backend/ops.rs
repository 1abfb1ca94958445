//! The layers without weights, and the patches of a convolution, on plain slices.
//!
//! Everything is row-major `(n, c, h, w)` and parallel over images or planes; no result depends on the
//! number of threads, because no sum is split.

use super::ConvMaxima;
use crate::arch::Shape;
use crate::geometry::{adaptive_range, window_count};
use rayon::prelude::*;
use std::ops::Range;

/// A sliding window: its side, its step, and the zeros around the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Window {
    /// The cells of an input axis of length `len` under output cell `index`.
    pub(crate) fn cells(self, index: usize, len: usize) -> Range<usize> {
        let start = index * self.stride;
        start.saturating_sub(self.padding)..(start + self.kernel).saturating_sub(self.padding).min(len)
    }
}

/// `max(x, 0)` of every value; NaN stays NaN, as in PyTorch.
pub(crate) fn relu(values: &mut [f32]) {
    const CHUNK: usize = 1 << 16;
    values.par_chunks_mut(CHUNK).for_each(relu_chunk);
}

pub(crate) fn relu_chunk(values: &mut [f32]) {
    for value in values {
        if *value < 0.0 {
            *value = 0.0;
        }
    }
}

/// Adds `bias` to every value of one channel, and cuts negative results off if `relu`.
pub(crate) fn add_bias(values: &mut [f32], bias: f32, relu: bool) {
    for value in values.iter_mut() {
        *value += bias;
    }
    if relu {
        relu_chunk(values);
    }
}

/// The largest value under each window; padding never wins, NaN always does, as in PyTorch.
pub(crate) fn max_pool(input: &[f32], shape: Shape, window: Window, ceil: bool) -> Vec<f32> {
    let count = |len| {
        window_count(len, window.kernel, window.stride, window.padding, ceil).expect("shapes() found room")
    };
    let (out_h, out_w) = (count(shape.h), count(shape.w));
    let columns: Vec<Range<usize>> = (0..out_w).map(|x| window.cells(x, shape.w)).collect();
    let planes = input.len() / shape.cells();
    let mut out = vec![0.0; planes * out_h * out_w];
    let planes = out.par_chunks_exact_mut(out_h * out_w).zip(input.par_chunks_exact(shape.cells()));
    planes.for_each(|(out, plane)| {
        let mut column_max = vec![0.0; shape.w];
        for (y, out_row) in out.chunks_exact_mut(out_w).enumerate() {
            // The maximum of a window is the maximum of its columns' maxima.
            column_max.fill(f32::NEG_INFINITY);
            for row in plane
                .chunks_exact(shape.w)
                .take(shape.h)
                .skip(window.cells(y, shape.h).start)
                .take(window.cells(y, shape.h).len())
            {
                for (max, &value) in column_max.iter_mut().zip(row) {
                    *max = larger(*max, value);
                }
            }
            for (out, columns) in out_row.iter_mut().zip(&columns) {
                *out = column_max[columns.clone()].iter().copied().fold(f32::NEG_INFINITY, larger);
            }
        }
    });
    out
}

fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// Means over windows that cover each plane with `out` x `out` cells (PyTorch's adaptive pooling).
pub(crate) fn adaptive_avg_pool(input: &[f32], shape: Shape, out: usize) -> Vec<f32> {
    if (shape.h, shape.w) == (out, out) {
        return input.to_vec();
    }
    let planes = input.len() / shape.cells();
    let mut pooled = vec![0.0; planes * out * out];
    let pairs = pooled.par_chunks_exact_mut(out * out).zip(input.par_chunks_exact(shape.cells()));
    pairs.for_each(|(pooled, plane)| {
        for (cell, value) in pooled.iter_mut().enumerate() {
            let rows = adaptive_range(cell / out, shape.h, out);
            let columns = adaptive_range(cell % out, shape.w, out);
            let count = rows.len() * columns.len();
            let sum: f32 = rows.map(|y| plane[y * shape.w..][columns.clone()].iter().sum::<f32>()).sum();
            *value = sum / count as f32;
        }
    });
    pooled
}

/// The mean of every plane: `(n, c)`.
pub(crate) fn plane_means(input: &[f32], shape: Shape) -> Vec<f32> {
    adaptive_avg_pool(input, shape, 1)
}

/// The constants of local response normalization.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lrn {
    pub(crate) size: usize,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    pub(crate) k: f32,
}

/// `x / (k + alpha / size * sum of squares over size channels) ^ beta`, Caffe's and PyTorch's.
pub(crate) fn lrn(input: &[f32], shape: Shape, constants: Lrn) -> Vec<f32> {
    let Lrn { size, alpha, beta, k } = constants;
    let cells = shape.cells();
    let mut out = vec![0.0; input.len()];
    let images = out.par_chunks_exact_mut(shape.len()).zip(input.par_chunks_exact(shape.len()));
    images.for_each(|(out, image)| {
        let mut sums = vec![0.0_f32; cells];
        for c in 0..shape.c {
            // Of an even size the extra channel lies before, as PyTorch pads.
            let channels = c.saturating_sub(size / 2)..(c + size.div_ceil(2)).min(shape.c);
            sums.fill(0.0);
            for plane in image[channels.start * cells..channels.end * cells].chunks_exact(cells) {
                for (sum, &value) in sums.iter_mut().zip(plane) {
                    *sum += value * value;
                }
            }
            let planes = out[c * cells..][..cells].iter_mut().zip(&image[c * cells..][..cells]);
            for ((out, &value), &sum) in planes.zip(&sums) {
                *out = value / (k + alpha / size as f32 * sum).powf(beta);
            }
        }
    });
    out
}

/// Puts the channels of several activations of `n` images one behind the other.
pub(crate) fn concat(inputs: &[(&[f32], Shape)], n: usize) -> Vec<f32> {
    let len: usize = inputs.iter().map(|(_, shape)| shape.len()).sum();
    let mut out = Vec::with_capacity(n * len);
    for i in 0..n {
        for (values, shape) in inputs {
            out.extend_from_slice(&values[i * shape.len()..][..shape.len()]);
        }
    }
    out
}

/// The largest value of every plane and the first cell that has it; NaN counts as largest.
pub(crate) fn channel_maxima(input: &[f32], shape: Shape) -> ConvMaxima {
    let (max, argmax) = input
        .par_chunks_exact(shape.cells())
        .map(|plane| {
            let mut best = 0;
            for (cell, &value) in plane.iter().enumerate().skip(1) {
                if value > plane[best] || (value.is_nan() && !plane[best].is_nan()) {
                    best = cell;
                }
            }
            (plane[best], u16::try_from(best).expect("resolve_taps() bounds the cells"))
        })
        .unzip();
    ConvMaxima { max, argmax }
}

/// The patches under output cells `cells` (row-major) of a convolution, as the columns of a
/// `(c * kernel * kernel, cells)` matrix; zeros where a patch sees padding.
///
/// `input` is one image, or one group of its channels.
pub(crate) fn patches(
    input: &[f32],
    shape: Shape,
    window: Window,
    out_w: usize,
    cells: Range<usize>,
) -> Vec<f32> {
    let Window { kernel, stride, padding } = window;
    let mut out = vec![0.0; shape.c * kernel * kernel * cells.len()];
    let mut lines = out.chunks_exact_mut(cells.len().max(1));
    // The rows of the output that the cells lie in: each with its columns, and where they begin in a line.
    let rows: Vec<(usize, Range<usize>, usize)> = (cells.start / out_w..cells.end.div_ceil(out_w))
        .map(|y| {
            let row = y * out_w;
            let (start, end) = (cells.start.max(row), cells.end.min(row + out_w));
            (y, start - row..end - row, start - cells.start)
        })
        .collect();
    for plane in input.chunks_exact(shape.cells()) {
        for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
            let line = lines.next().expect("one line for every place in the kernel");
            // Columns of the output whose patch has this place inside the input.
            let inside = padding.saturating_sub(kx).div_ceil(stride)
                ..(shape.w + padding).saturating_sub(kx).div_ceil(stride);
            for (y, columns, at) in &rows {
                let Some(iy) = (y * stride + ky).checked_sub(padding).filter(|&iy| iy < shape.h) else {
                    continue;
                };
                let (first, end) = (columns.start.max(inside.start), columns.end.min(inside.end));
                if first >= end {
                    continue;
                }
                let source = &plane[iy * shape.w + first * stride + kx - padding..];
                let line = &mut line[at + first - columns.start..][..end - first];
                if stride == 1 {
                    line.copy_from_slice(&source[..line.len()]);
                } else {
                    for (value, &pixel) in line.iter_mut().zip(source.iter().step_by(stride)) {
                        *value = pixel;
                    }
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
