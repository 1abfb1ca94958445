//! Convolutions, forward and backward, through one primitive: [`Correlate`].
//!
//! The gradient at the input is itself a correlation of stride 1, of the gradient at the output with the
//! kernels turned by 180 degrees and their inputs and outputs exchanged. A convolution of stride `s` has
//! `s²` of them, one for every phase of a pixel's place modulo `s`, each with the places of the kernel that
//! meet such pixels; their results are interleaved.

use super::buffers::Buffers;
use super::real::column_pieces;
use super::{Real, patches};
use crate::arch::Shape;
use crate::backend::ops::Window;
use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;
use std::fmt::Debug;

/// Values of the patch matrix of one tile, which should stay in the cache of one core.
const TILE_VALUES: usize = 1 << 17;

/// Least cells of a tile: below, the kernels are packed too often.
const TILE_CELLS: usize = 192;

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub(super) window: Window,
    pub(super) groups: usize,
    pub(super) input: Shape,
    pub(super) output: Shape,
}

/// The cross-correlation with fixed kernels, and a bias: the one primitive that both directions spend
/// their time in. [`Real`] says who computes it.
pub trait Correlate<T>: Debug + Send + Sync {
    /// Convolves whole images `(n, c, h, w)`, on the current rayon pool, and hands each result to `finish`.
    fn run(&self, images: &[T], out: &mut [T], finish: Finish<'_, T>);
}

/// What is done to an image, given its number, while its values still lie in a cache.
pub(super) type Finish<'a, T> = &'a (dyn Fn(usize, &mut [T]) + Sync);

/// A convolution with its frozen weights.
#[derive(Debug)]
pub(super) struct Convolution<T> {
    sizes: Sizes,
    forward: Box<dyn Correlate<T>>,
    backward: Backward<T>,
}

/// The way back: a correlation whose channels are `(inputs, phases)`.
#[derive(Debug)]
struct Backward<T> {
    correlation: Box<dyn Correlate<T>>,
    output: Shape,
    /// Whether the correlation gives the gradient as it is.
    is_direct: bool,
}

impl<T: Real> Convolution<T> {
    /// `kernels` are PyTorch's: `(outputs, inputs / groups, kernel, kernel)`.
    pub(super) fn new(sizes: Sizes, kernels: &[T], bias: &[T]) -> Self {
        let forward = T::correlation(sizes, kernels, bias);
        Self { sizes, forward, backward: Backward::new(sizes, kernels) }
    }

    /// `(n, c, h, w)` to the output's size.
    pub(super) fn forward(
        &self,
        values: &[T],
        n: usize,
        buffers: &Buffers<T>,
        finish: Finish<'_, T>,
    ) -> Vec<T> {
        let mut out = buffers.take(n * self.sizes.output.len());
        self.forward.run(values, &mut out, finish);
        out
    }

    /// The gradient at the input, for `m` gradients at the output.
    pub(super) fn backward(
        &self,
        gradient: &[T],
        m: usize,
        buffers: &Buffers<T>,
        finish: Finish<'_, T>,
    ) -> Vec<T> {
        let Backward { correlation, output, is_direct } = &self.backward;
        let mut found = buffers.take(m * output.len());
        if *is_direct {
            correlation.run(gradient, &mut found, finish);
            return found;
        }
        correlation.run(gradient, &mut found, &|_, _| ());
        let input = self.sizes.input;
        // `interleave` writes every pixel, but for those that no window meets.
        let Window { stride, padding, .. } = self.sizes.window;
        let whole = output.h * stride >= input.h + padding && output.w * stride >= input.w + padding;
        let len = m * input.len();
        let mut below = if whole { buffers.take(len) } else { buffers.zeros(len) };
        let images = below.par_chunks_exact_mut(input.len()).zip(found.par_chunks_exact(output.len()));
        images.enumerate().for_each(|(image, (below, found))| {
            interleave(self.sizes, found, *output, below);
            finish(image, below);
        });
        buffers.give(found);
        below
    }
}

impl<T: Real> Backward<T> {
    fn new(sizes: Sizes, kernels: &[T]) -> Self {
        let Sizes { window, groups, input, output } = sizes;
        let Window { kernel, stride, padding } = window;
        let is_direct = stride == 1 && padding < kernel;
        // Places of the kernel that a pixel of one phase meets, along an axis.
        let side = kernel.div_ceil(stride);
        let border = if is_direct { kernel - 1 - padding } else { side - 1 };
        let phases = stride * stride;
        let grown = |len: usize| len + 2 * border - (side - 1);
        let found = Shape { c: input.c * phases, h: grown(output.h), w: grown(output.w) };
        let sizes = Sizes {
            window: Window { kernel: side, stride: 1, padding: border },
            groups,
            input: output,
            output: found,
        };
        let turned = turn(kernels, (input.c / groups, output.c / groups), kernel, stride);
        let bias = vec![T::default(); found.c];
        Self { correlation: T::correlation(sizes, &turned, &bias), output: found, is_direct }
    }
}

/// Puts the phases of one image's gradient, `(inputs * stride², h, w)`, back to where their pixels lie.
fn interleave<T: Real>(sizes: Sizes, found: &[T], of: Shape, below: &mut [T]) {
    let Sizes { window: Window { stride, padding, .. }, input, .. } = sizes;
    for (index, plane) in found.chunks_exact(of.cells()).enumerate() {
        let (channel, phase) = (index / (stride * stride), index % (stride * stride));
        let below = &mut below[channel * input.cells()..][..input.cells()];
        for (y, row) in plane.chunks_exact(of.w).enumerate() {
            let y = (y * stride + phase / stride).checked_sub(padding).filter(|&y| y < input.h);
            let Some(below) = y.map(|y| &mut below[y * input.w..][..input.w]) else { continue };
            // The first value whose pixel is not in the padding, and that pixel.
            let first = padding.saturating_sub(phase % stride).div_ceil(stride);
            let pixel = (first * stride + phase % stride - padding).min(below.len());
            let pixels = below[pixel..].iter_mut().step_by(stride);
            pixels.zip(row.iter().skip(first)).for_each(|(below, &value)| *below = value);
        }
    }
}

/// The correlation by matrix products, for any numbers.
#[derive(Debug)]
pub(super) struct ByPatches<T> {
    sizes: Sizes,
    /// `(outputs, inputs / groups * kernel * kernel)`.
    kernels: Vec<T>,
    bias: Vec<T>,
}

impl<T: Real> ByPatches<T> {
    pub(super) fn new(sizes: Sizes, kernels: &[T], bias: &[T]) -> Self {
        Self { sizes, kernels: kernels.to_vec(), bias: bias.to_vec() }
    }

    fn image(&self, image: &[T], out: &mut [T]) {
        let Sizes { window, groups, input, output } = self.sizes;
        let (group_in, group_out) = (per_group(input, groups), per_group(output, groups));
        let patch = group_in.c * window.kernel * window.kernel;
        let pieces = out.chunks_exact_mut(group_out.len()).zip(image.chunks_exact(group_in.len()));
        for ((out, image), kernels) in pieces.zip(self.kernels.chunks_exact(group_out.c * patch)) {
            let kernels = MatRef::from_row_major_slice(kernels, group_out.c, patch);
            let product = MatMut::from_row_major_slice_mut(out, group_out.c, output.cells());
            column_pieces(product, tile_cells(patch)).into_par_iter().for_each(|(cells, product)| {
                let taken = patches::take(image, group_in, window, output.w, cells.clone());
                let taken = MatRef::from_row_major_slice(&taken, patch, cells.len());
                T::multiply(product, Accum::Replace, kernels, taken);
            });
        }
        for (plane, &bias) in out.chunks_exact_mut(output.cells()).zip(&self.bias) {
            for value in plane {
                *value += bias;
            }
        }
    }
}

impl<T: Real> Correlate<T> for ByPatches<T> {
    fn run(&self, images: &[T], out: &mut [T], finish: Finish<'_, T>) {
        let Sizes { input, output, .. } = self.sizes;
        let images = out.par_chunks_exact_mut(output.len()).zip(images.par_chunks_exact(input.len()));
        images.enumerate().for_each(|(number, (out, image))| {
            self.image(image, out);
            finish(number, out);
        });
    }
}

fn tile_cells(patch: usize) -> usize {
    (TILE_VALUES / patch).max(TILE_CELLS)
}

fn per_group(shape: Shape, groups: usize) -> Shape {
    Shape { c: shape.c / groups, ..shape }
}

/// Kernels for the way back: `(inputs, phases, outputs / groups, side, side)`, turned by 180 degrees, with
/// zeros where a phase meets fewer places of the kernel than others.
fn turn<T: Real>(
    kernels: &[T],
    (group_in, group_out): (usize, usize),
    kernel: usize,
    stride: usize,
) -> Vec<T> {
    let (side, area) = (kernel.div_ceil(stride), kernel * kernel);
    let mut turned = Vec::with_capacity(kernels.len() / area * side * side * stride * stride);
    for group in kernels.chunks_exact(group_out * group_in * area) {
        for (input, phase) in (0..group_in).flat_map(|i| (0..stride * stride).map(move |p| (i, p))) {
            for output in group.chunks_exact(group_in * area) {
                let of = &output[input * area..][..area];
                for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
                    let ky = (side - 1 - y) * stride + phase / stride;
                    let kx = (side - 1 - x) * stride + phase % stride;
                    let inside = ky < kernel && kx < kernel;
                    turned.push(if inside { of[ky * kernel + kx] } else { T::default() });
                }
            }
        }
    }
    turned
}
