//! Fully connected layers: a matrix product whose rows are the images of a batch.

use super::kernels::{
    Aligned, BLOCK, Band, Finishing, IntProduct, Integers, Isa, Level, Panels, Product, Start, Walk,
    integers, integers_mut, multiply, multiply_integers, pack_integers, pack_panels, round_to_whole,
};
use super::layout::blocks;
use super::ranges::Range;
use super::scratch::Scratch;
use crate::arch::Shape;
use rayon::prelude::*;

/// Blocks of the input that a panel of weights is multiplied with at a time: 32 KiB of weights, which the
/// first-level cache holds while all images go past.
const STEP_BLOCKS: usize = 32;

/// Up to so many images a panel is read from end to end: then nothing but the weights' way from memory
/// counts, and it is fastest in one sweep.
const SWEEP_IMAGES: usize = 6;

/// Activations that a task rounds to whole numbers.
const ROUND_LEN: usize = 1 << 14;

/// The weights of a fully connected layer.
#[derive(Debug)]
pub(crate) struct Linear {
    isa: Isa,
    /// Blocks of the input vector.
    in_blocks: usize,
    out_blocks: usize,
    /// Of 8-bit integers where there is `whole`.
    weights: Aligned,
    /// Zero beyond the last output.
    bias: Aligned,
    /// Where products are of integers: how.
    whole: Option<Whole>,
}

/// How a fully connected layer multiplies integers.
#[derive(Debug)]
struct Whole {
    integers: Integers,
    level: Level,
    /// What a unit of each output's sum is worth.
    units: Vec<f32>,
}

impl Linear {
    /// Packs `(out, in)` weights for an input that lies as the map of `input` does; no bias means zero. With a
    /// range of the input, the weights are kept in 8 bits.
    pub(crate) fn new(
        isa: Isa,
        input: Shape,
        outputs: usize,
        weights: &[f32],
        bias: &[f32],
        range: Option<Range>,
    ) -> Self {
        let cells = input.cells();
        let (in_blocks, out_blocks) = (blocks(input.c) * cells, blocks(outputs));
        let depth = in_blocks * BLOCK;
        let weight = |output: usize, k: usize| {
            // The map's order: blocks of channels, then cells, then the channels of a block.
            let (block, cell, lane) = (k / BLOCK / cells, k / BLOCK % cells, k % BLOCK);
            let source = block * BLOCK + lane;
            if source < input.c { weights[output * input.len() + source * cells + cell] } else { 0.0 }
        };
        let mut padded = Aligned::zeros(out_blocks * BLOCK);
        padded[..bias.len()].copy_from_slice(bias);
        let len = out_blocks * BLOCK * depth;
        let Some(range) = range else {
            let mut panels = Aligned::zeros(len);
            let panel_blocks = isa.panel_blocks();
            let chunks = panels.par_chunks_mut(panel_blocks * BLOCK * depth).enumerate();
            chunks.for_each(|(panel, values)| {
                let first = panel * panel_blocks * BLOCK;
                let channels = (outputs - first).min(panel_blocks * BLOCK);
                pack_panels(isa, channels, depth, values, |channel, k| weight(first + channel, k));
            });
            return Self { isa, in_blocks, out_blocks, weights: panels, bias: padded, whole: None };
        };
        let integers = Integers::of(isa);
        let mut panels = Aligned::zeros(len / size_of::<f32>());
        let panel_blocks = integers.panel_blocks();
        let chunks = integers_mut::<i8>(&mut panels).par_chunks_mut(panel_blocks * BLOCK * depth).enumerate();
        let packed = chunks.map(|(panel, values)| {
            let first = panel * panel_blocks * BLOCK;
            let channels = (outputs - first).min(panel_blocks * BLOCK);
            pack_integers(integers, (channels, depth), i16::from(i8::MAX), values, |channel, k| {
                weight(first + channel, k)
            })
        });
        let scales: Vec<_> = packed.collect();
        let limit = scales.iter().map(|scales| scales.limit).min().unwrap_or(i16::MAX);
        let level = Level::new(range.widened().reach(), limit);
        let units = scales.iter().flat_map(|scales| scales.units.iter().map(|unit| unit * level.unit()));
        let whole = Some(Whole { integers, level, units: units.collect() });
        Self { isa, in_blocks, out_blocks, weights: panels, bias: padded, whole }
    }

    /// What a report calls the method.
    pub(crate) fn method(&self) -> &'static str {
        if self.whole.is_some() { "linear, 8-bit weights" } else { "linear" }
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
    pub(crate) fn run(&self, input: &[f32], n: usize, relu: bool, output: &mut [f32], scratch: &Scratch) {
        if n == 0 {
            return;
        }
        if let Some(whole) = &self.whole {
            let len = self.in_blocks * n * BLOCK;
            scratch.lend(len / 2, |buffer| {
                let numbers = integers_mut::<i16>(buffer);
                numbers
                    .par_chunks_mut(ROUND_LEN)
                    .zip(input[..len].par_chunks(ROUND_LEN))
                    .for_each(|(numbers, values)| round_to_whole(self.isa, values, whole.level, numbers));
                self.run_integers(whole, numbers, n, relu, output);
            });
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

    /// The same in integers, the sums of which stay in the output's places until they are complete.
    fn run_integers(&self, whole: &Whole, input: &[i16], n: usize, relu: bool, output: &mut [f32]) {
        let tasks = 4 * rayon::current_num_threads();
        let step = self.out_blocks.div_ceil(tasks).next_multiple_of(whole.integers.panel_blocks());
        let depth = self.in_blocks * BLOCK;
        let depth_step = if n <= SWEEP_IMAGES { self.in_blocks } else { 2 * STEP_BLOCKS };
        output.par_chunks_mut(step * n * BLOCK).enumerate().for_each(|(task, output)| {
            let channel = task * step * BLOCK;
            let mut band = Band::whole(output, n * BLOCK);
            for first in (0..self.in_blocks).step_by(depth_step) {
                let end = (first + depth_step).min(self.in_blocks);
                let finish =
                    Finishing { units: &whole.units[channel..], bias: Some(&self.bias[channel..]), relu };
                let product = IntProduct {
                    input: &input[first * n * BLOCK..],
                    walk: Walk::blocked(end - first, n * BLOCK),
                    rows: n,
                    lines: 1,
                    line_stride: 0,
                    weights: &integers::<i8>(&self.weights)[channel * depth..],
                    depth,
                    first: first * BLOCK,
                    blocks: band.planes(),
                    go_on: first > 0,
                    finish: (end == self.in_blocks).then_some(finish),
                };
                multiply_integers(whole.integers, &product, &mut band, (0, 0));
            }
        });
    }
}
