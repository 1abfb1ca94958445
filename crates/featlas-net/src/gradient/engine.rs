//! Convolutions and matrix products by the CPU engine, for the numbers that it knows: f32.
//!
//! The engine keeps activations in blocks of channels; here they are planar, so every image goes into
//! blocks and out of them again, which costs a fraction of what the engine saves.

use super::conv::{Correlate, Finish as FinishImage, Sizes};
use super::dense::Apply;
use crate::arch::Shape;
use crate::backend::cpu::{BLOCK, Convolution, Finish, Geometry, Isa, Linear, Place, Scratch, layout};
use rayon::prelude::*;

/// The engine's convolution, with its buffers.
#[derive(Debug)]
struct Blocked {
    conv: Convolution,
    input: Shape,
    output: Shape,
    scratch: Scratch,
}

/// The engine's convolution with `kernels`, `(outputs, inputs / groups, kernel, kernel)`.
pub(super) fn correlation(sizes: Sizes, kernels: &[f32], bias: &[f32]) -> Box<dyn Correlate<f32>> {
    let Sizes { window, groups, input, output } = sizes;
    // A picture's three planes would fill a block to a fifth.
    let planar = input.c < BLOCK / 2;
    let geometry = Geometry { input, out_channels: output.c, window, groups, planar };
    let conv = Convolution::new(Isa::best(), geometry, kernels, bias);
    Box::new(Blocked { conv, input, output, scratch: Scratch::default() })
}

/// Images that go through the engine together: enough for its tiles, few enough for the caches.
const IMAGES: usize = 16;

impl Correlate<f32> for Blocked {
    fn run(&self, images: &[f32], out: &mut [f32], finish: FinishImage<'_, f32>) {
        let (in_len, out_len) = (self.input.len(), self.output.len());
        let n = images.len() / in_len;
        let pass = n.div_ceil(n.div_ceil(IMAGES).max(1)).max(1);
        let passes = images.chunks(pass * in_len).zip(out.chunks_mut(pass * out_len));
        for (number, (images, out)) in passes.enumerate() {
            let map_len = layout::map_len(self.output);
            self.scratch.lend(images.len() / in_len * map_len, |results| {
                self.convolve(images, results);
                let pairs = out.par_chunks_exact_mut(out_len).zip(results.par_chunks_exact(map_len));
                pairs.enumerate().for_each(|(image, (out, map))| {
                    layout::from_map(map, self.output, out);
                    finish(number * pass + image, out);
                });
            });
        }
    }
}

impl Blocked {
    /// From planar images to blocks.
    fn convolve(&self, images: &[f32], results: &mut [f32]) {
        let place = Place { blocks: layout::blocks(self.output.c), first_block: 0 };
        let finish = Finish { relu: false, pool: None, threads: rayon::current_num_threads() };
        if self.conv.geometry().planar {
            self.conv.run(images, finish, results, place, &self.scratch);
            return;
        }
        let (in_len, map_len) = (self.input.len(), layout::map_len(self.input));
        self.scratch.lend(images.len() / in_len * map_len, |maps| {
            let pairs = maps.par_chunks_exact_mut(map_len).zip(images.par_chunks_exact(in_len));
            pairs.for_each(|(map, image)| layout::to_map(image, self.input, map));
            self.conv.run(maps, finish, results, place, &self.scratch);
        });
    }
}

/// The engine's matrix products. The transposed matrix is packed too: a product reads the whole matrix for a few images,
/// and only what lies in the order of the reading comes at the memory's speed.
#[derive(Debug)]
struct Packed {
    forward: Linear,
    backward: Linear,
    outputs: usize,
    inputs: usize,
    scratch: Scratch,
}

/// The engine's product with `values`, `(outputs, inputs)`.
pub(super) fn matrix(values: &[f32], outputs: usize, inputs: usize, bias: &[f32]) -> Box<dyn Apply<f32>> {
    let of = |inputs, outputs, values: &[f32], bias: &[f32]| {
        Linear::new(Isa::best(), Shape { c: inputs, h: 1, w: 1 }, outputs, values, bias, None)
    };
    let forward = of(inputs, outputs, values, bias);
    let turned = transposed(values, outputs, inputs);
    let backward = of(outputs, inputs, &turned, &[]);
    Box::new(Packed { forward, backward, outputs, inputs, scratch: Scratch::default() })
}

impl Apply<f32> for Packed {
    fn forward(&self, rows: &[f32], n: usize, out: &mut [f32]) {
        self.multiply(&self.forward, rows, n, (self.inputs, self.outputs), out);
    }

    fn backward(&self, rows: &[f32], m: usize, out: &mut [f32]) {
        self.multiply(&self.backward, rows, m, (self.outputs, self.inputs), out);
    }
}

impl Packed {
    fn multiply(&self, linear: &Linear, rows: &[f32], n: usize, (from, to): (usize, usize), out: &mut [f32]) {
        let padded = |len: usize| layout::blocks(len) * BLOCK * n;
        self.scratch.lend(padded(from) + padded(to), |buffer| {
            let (vector, results) = buffer.split_at_mut(padded(from));
            // What fills the last block up is multiplied as well.
            vector.fill(0.0);
            for (image, row) in rows.chunks_exact(from).enumerate() {
                for (block, values) in row.chunks(BLOCK).enumerate() {
                    vector[(block * n + image) * BLOCK..][..values.len()].copy_from_slice(values);
                }
            }
            linear.run(vector, n, false, results, &self.scratch);
            for (image, row) in out.chunks_exact_mut(to).enumerate() {
                layout::from_vector(results, n, image, row);
            }
        });
    }
}

/// `(rows, columns)` to `(columns, rows)`, in blocks that the cache holds.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const SIDE: usize = 32;
    let mut out = vec![0.0; values.len()];
    out.par_chunks_mut(SIDE * rows).enumerate().for_each(|(block, out)| {
        for first in (0..rows).step_by(SIDE) {
            for (column, out) in out.chunks_exact_mut(rows).enumerate() {
                for row in first..(first + SIDE).min(rows) {
                    out[row] = values[row * columns + block * SIDE + column];
                }
            }
        }
    });
    out
}
