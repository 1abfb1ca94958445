//! Local response normalization, forward and backward.
//!
//! With `s_c = k + alpha / size * sum of x² over the neighborhood of c` the output is
//! `y_c = x_c * s_c^-beta`, and so
//! `dx_c = g_c * s_c^-beta - 2 * alpha * beta / size * x_c * sum of g_d * x_d * s_d^(-beta - 1)` over all
//! channels `d` whose neighborhood has `c` in it.

use super::Real;
use super::buffers::Buffers;
use crate::arch::Shape;
use crate::backend::ops::Lrn;
use rayon::prelude::*;
use std::ops::Range;

/// `(n, c, h, w)` to the same.
pub(super) fn forward<T: Real>(values: &[T], shape: Shape, constants: Lrn, buffers: &Buffers<T>) -> Vec<T> {
    let beta = T::from_f32(constants.beta);
    let mut out = buffers.take(values.len());
    let images = out.par_chunks_exact_mut(shape.len()).zip(values.par_chunks_exact(shape.len()));
    images.for_each(|(out, image)| {
        for c in 0..shape.c {
            let sums = scales(image, shape, c, constants);
            for ((out, &value), sum) in
                plane_mut(out, shape, c).iter_mut().zip(plane(image, shape, c)).zip(sums)
            {
                *out = value * sum.powf(-beta);
            }
        }
    });
    out
}

/// The gradient at the input: of `gradient` `(m, c, h, w)`, each at image `images[m]` of `values`.
pub(super) fn backward<T: Real>(
    gradient: &[T],
    values: &[T],
    images: &[usize],
    shape: Shape,
    constants: Lrn,
    buffers: &Buffers<T>,
) -> Vec<T> {
    let beta = T::from_f32(constants.beta);
    let factor = T::from_f64(-2.0 * f64::from(constants.alpha) / constants.size as f64) * beta;
    let mut below = buffers.zeros(gradient.len());
    let rows =
        below.par_chunks_exact_mut(shape.len()).zip(gradient.par_chunks_exact(shape.len())).zip(images);
    rows.for_each(|((below, gradient), &image)| {
        let image = &values[image * shape.len()..][..shape.len()];
        for d in 0..shape.c {
            let sums = scales(image, shape, d, constants);
            let (gradient, of_d) = (plane(gradient, shape, d), plane(image, shape, d));
            let mut shared = Vec::with_capacity(shape.cells());
            for (((below, &g), &x), s) in
                plane_mut(below, shape, d).iter_mut().zip(gradient).zip(of_d).zip(sums)
            {
                let through = g * s.powf(-beta);
                *below += through;
                shared.push(factor * through * x / s);
            }
            for c in neighborhood(d, constants.size, shape.c) {
                let cells = plane_mut(below, shape, c).iter_mut().zip(plane(image, shape, c));
                for ((below, &x), &shared) in cells.zip(&shared) {
                    *below += x * shared;
                }
            }
        }
    });
    below
}

/// `k + alpha / size * sum of squares` at every cell of channel `c`.
fn scales<T: Real>(image: &[T], shape: Shape, c: usize, constants: Lrn) -> Vec<T> {
    let Lrn { size, alpha, k, .. } = constants;
    let mut sums = vec![T::default(); shape.cells()];
    for neighbor in neighborhood(c, size, shape.c) {
        for (sum, &value) in sums.iter_mut().zip(plane(image, shape, neighbor)) {
            *sum += value * value;
        }
    }
    let (k, factor) = (T::from_f32(k), T::from_f64(f64::from(alpha) / size as f64));
    for sum in &mut sums {
        *sum = k + factor * *sum;
    }
    sums
}

/// The channels that channel `c` is normalized by; of an even size the extra one lies before.
fn neighborhood(c: usize, size: usize, channels: usize) -> Range<usize> {
    c.saturating_sub(size / 2)..(c + size.div_ceil(2)).min(channels)
}

fn plane<T>(image: &[T], shape: Shape, c: usize) -> &[T] {
    &image[c * shape.cells()..][..shape.cells()]
}

fn plane_mut<T>(image: &mut [T], shape: Shape, c: usize) -> &mut [T] {
    &mut image[c * shape.cells()..][..shape.cells()]
}
