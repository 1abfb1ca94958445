//! Fully connected layers whose weights stay where the model has them.
//!
//! Slower than [`super::linear`], and the same up to rounding: for passes over a few images that are not worth a
//! second copy of most of a network's weights.

use super::kernels::BLOCK;
use super::layout::{from_map, map_len, scatter};
use crate::arch::Shape;
use crate::weights::Rows;
use rayon::prelude::*;

/// A matrix of a fully connected layer.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// For each output, the weights of its inputs.
    rows: Rows,
    input: Shape,
    outputs: usize,
    /// Empty or one value an output.
    bias: Vec<f32>,
}

impl Unpacked {
    /// The first `outputs` of `rows`, for an input that lies as the map of `input` does; no bias means zero.
    pub(super) fn new(rows: Rows, input: Shape, outputs: usize, bias: &[f32]) -> Self {
        Self { rows, input, outputs, bias: bias.to_vec() }
    }

    /// The size of an image's output.
    pub(super) fn output(&self) -> Shape {
        Shape { c: self.outputs, h: 1, w: 1 }
    }

    /// Multiplications for an image.
    pub(super) fn products(&self) -> usize {
        self.input.len() * self.outputs
    }

    /// Multiplies the vector of `n` images, on the current rayon pool.
    pub(super) fn run(&self, input: &[f32], n: usize, relu: bool, output: &mut [f32]) {
        let (len, map) = (self.input.len(), map_len(self.input));
        let mut maps = vec![0.0; n * map];
        scatter(&input[..n * map], n, &mut maps);
        let mut images = vec![0.0; n * len];
        let pairs = images.par_chunks_exact_mut(len).zip(maps.par_chunks_exact(map));
        pairs.for_each(|(image, map)| from_map(map, self.input, image));
        output.par_chunks_exact_mut(n * BLOCK).enumerate().for_each(|(block, output)| {
            output.fill(0.0);
            for (lane, channel) in (block * BLOCK..self.outputs).take(BLOCK).enumerate() {
                let weights = self.rows.row(channel);
                let bias = self.bias.get(channel).copied().unwrap_or(0.0);
                for (image, output) in images.chunks_exact(len).zip(output.chunks_exact_mut(BLOCK)) {
                    let sum = dot(&weights, image) + bias;
                    output[lane] = if relu && sum < 0.0 { 0.0 } else { sum };
                }
            }
        });
    }
}

/// The sum of the products, in sixteen sums so that vectors can hold them.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<BLOCK>(), b.as_chunks::<BLOCK>());
    let mut sums = [0.0_f32; BLOCK];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..BLOCK {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
