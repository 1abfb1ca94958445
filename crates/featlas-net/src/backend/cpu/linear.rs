//! Fully connected layers: a matrix product whose rows are the images of a batch.

use super::kernels::{Aligned, BLOCK, Band, Isa, Panels, Product, Start, Walk, multiply, pack_panels};
use super::layout::blocks;
use crate::arch::Shape;
use rayon::prelude::*;

/// Blocks of the input that a panel of weights is multiplied with at a time: 32 KiB of weights, which the
/// first-level cache holds while all images go past.
const STEP_BLOCKS: usize = 32;

/// Up to so many images a panel is read from end to end: then nothing but the weights' way from memory
/// counts, and it is fastest in one sweep.
const SWEEP_IMAGES: usize = 6;

/// The weights of a fully connected layer.
#[derive(Debug)]
pub(crate) struct Linear {
    isa: Isa,
    /// Blocks of the input vector.
    in_blocks: usize,
    out_blocks: usize,
    weights: Aligned,
    /// Zero beyond the last output.
    bias: Aligned,
}

impl Linear {
    /// Packs `(out, in)` weights for an input that lies as the map of `input` does; no bias means zero.
    pub(crate) fn new(isa: Isa, input: Shape, outputs: usize, weights: &[f32], bias: &[f32]) -> Self {
        let cells = input.cells();
        let (in_blocks, out_blocks) = (blocks(input.c) * cells, blocks(outputs));
        let depth = in_blocks * BLOCK;
        let mut panels = Aligned::zeros(out_blocks * BLOCK * depth);
        let panel_blocks = isa.panel_blocks();
        let chunks = panels.par_chunks_mut(panel_blocks * BLOCK * depth).enumerate();
        chunks.for_each(|(panel, values)| {
            let first = panel * panel_blocks * BLOCK;
            let channels = (outputs - first).min(panel_blocks * BLOCK);
            pack_panels(isa, channels, depth, values, |channel, k| {
                // The map's order: blocks of channels, then cells, then the channels of a block.
                let (block, cell, lane) = (k / BLOCK / cells, k / BLOCK % cells, k % BLOCK);
                let source = block * BLOCK + lane;
                if source < input.c {
                    weights[(first + channel) * input.len() + source * cells + cell]
                } else {
                    0.0
                }
            });
        });
        let mut padded = Aligned::zeros(out_blocks * BLOCK);
        padded[..bias.len()].copy_from_slice(bias);
        Self { isa, in_blocks, out_blocks, weights: panels, bias: padded }
    }

    /// Multiplications for an image.
    pub(crate) fn products(&self) -> usize {
        self.in_blocks * self.out_blocks * BLOCK * BLOCK
    }

    /// Values of the output vector of `n` images.
    #[cfg(test)]
    pub(crate) fn output_len(&self, n: usize) -> usize {
        self.out_blocks * n * BLOCK
    }

    /// Multiplies the vector of `n` images, on the current rayon pool.
    pub(crate) fn run(&self, input: &[f32], n: usize, relu: bool, output: &mut [f32]) {
        if n == 0 {
            return;
        }
        // Enough tasks that a thread that comes late costs little.
        let tasks = 4 * rayon::current_num_threads();
        let step = self.out_blocks.div_ceil(tasks).next_multiple_of(self.isa.panel_blocks());
        let depth = self.in_blocks * BLOCK;
        let depth_step = if n <= SWEEP_IMAGES { self.in_blocks } else { STEP_BLOCKS };
        output.par_chunks_mut(step * n * BLOCK).enumerate().for_each(|(task, output)| {
            let first_block = task * step;
            let mut band = Band::whole(output, n * BLOCK);
            for first in (0..self.in_blocks).step_by(depth_step) {
                let end = (first + depth_step).min(self.in_blocks);
                let product = Product {
                    input: &input[first * n * BLOCK..],
                    walk: Walk::blocked(end - first, n * BLOCK),
                    rows: n,
                    lines: 1,
                    line_stride: 0,
                    weights: Panels {
                        values: &self.weights[first_block * BLOCK * depth..],
                        depth,
                        first: first * BLOCK,
                    },
                    blocks: band.planes(),
                    start: if first == 0 {
                        Start::Bias(&self.bias[first_block * BLOCK..])
                    } else {
                        Start::Sum
                    },
                    relu: relu && end == self.in_blocks,
                };
                multiply(self.isa, &product, &mut band, (0, 0));
            }
        });
    }
}
