//! Convolution by its definition: one matrix product whose rows are read where they lie.

use super::conv::{Geometry, Kernels, Task};
use super::kernels::{
    Aligned, BLOCK, Band, Cut, Finishing, IntProduct, Integers, Isa, Level, Panels, Product, Start, Walk,
    bands, integers, integers_mut, multiply, multiply_integers, pack_integers, pack_panels, round_to_whole,
};
use super::layout::blocks;
use super::ranges::Range as ValueRange;
use super::scratch::Scratch;
use crate::arch::Shape;
use crate::backend::ops::Window;
use rayon::prelude::*;
use std::ops::Range;

/// Output cells of a task: their inputs should stay in the second-level cache while all panels of weights
/// go past.
const TASK_CELLS: usize = 256;

/// What the largest weight of a channel becomes as an integer: 12 bits and a sign, which leaves about as many
/// for the activations.
pub(super) const LARGEST_WEIGHT: i16 = 4095;

/// The weights of a direct convolution.
#[derive(Debug)]
pub(crate) struct Direct {
    geometry: Geometry,
    output: Shape,
    /// For each part, its panels; of 16-bit integers where there is `whole`.
    weights: Aligned,
    /// Where products are of integers: how.
    whole: Option<Whole>,
}

/// How a direct convolution multiplies integers.
#[derive(Debug)]
struct Whole {
    integers: Integers,
    level: Level,
    /// What a unit of each channel's sum is worth.
    units: Vec<f32>,
}

/// What the rows of a product are read from.
#[derive(Clone, Copy)]
enum Rows<'a> {
    Real(&'a [f32]),
    Whole(&'a [i16]),
}

impl Direct {
    /// Packs the weights; with a range of the input, as integers.
    pub(crate) fn new(
        isa: Isa,
        geometry: &Geometry,
        kernels: Kernels<'_>,
        range: Option<ValueRange>,
    ) -> Self {
        let output = geometry.output();
        let parts = geometry.parts();
        let whole = range.map(|_| Whole {
            integers: Integers::of(isa),
            level: Level::new(0.0, i16::MAX),
            units: Vec::new(),
        });
        let mut direct = Self { geometry: *geometry, output, weights: Aligned::default(), whole };
        let (depth, channels) = (direct.depth(), output.c / parts);
        let part_len = blocks(channels) * BLOCK * depth;
        let (side, run, interleaved) = (geometry.window.kernel, direct.run_len(), direct.interleaved());
        let weight = |part: usize, channel: usize, k: usize| {
            let (outer, row, place) = (k / (side * run), k / run % side, k % run);
            // A run of odd length is filled up with a weight of zero.
            let column = place / interleaved;
            let kernel = kernels.kernel(part, channel, outer * interleaved + place % interleaved);
            kernel.filter(|_| column < side).map_or(0.0, |kernel| kernel[row * side + column])
        };
        if let (Some(whole), Some(range)) = (&mut direct.whole, range) {
            let mut weights = Aligned::zeros(parts * part_len / 2);
            let panels = integers_mut::<i16>(&mut weights).chunks_exact_mut(part_len.max(1));
            for (part, panels) in panels.enumerate() {
                let sizes = (channels, depth);
                let scales = pack_integers(whole.integers, sizes, LARGEST_WEIGHT, panels, |channel, k| {
                    weight(part, channel, k)
                });
                whole.level.limit = whole.level.limit.min(scales.limit);
                whole.units.extend(scales.units);
            }
            whole.level = Level::new(range.widened().reach(), whole.level.limit);
            whole.units.iter_mut().for_each(|unit| *unit *= whole.level.unit());
            direct.weights = weights;
        } else {
            let mut weights = Aligned::zeros(parts * part_len);
            for (part, panels) in weights.chunks_exact_mut(part_len.max(1)).enumerate() {
                pack_panels(isa, channels, depth, panels, |channel, k| weight(part, channel, k));
            }
            direct.weights = weights;
        }
        direct
    }

    /// The packed weights.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Channels that lie side by side in a cell of the input.
    fn interleaved(&self) -> usize {
        if self.geometry.planar { 1 } else { BLOCK }
    }

    /// Planes of one part of the input.
    fn planes(&self) -> usize {
        let channels = self.geometry.input.c / self.geometry.parts();
        channels.div_ceil(self.interleaved())
    }

    /// Values of a row of the kernel that lie side by side, filled up to pairs where they are multiplied in
    /// pairs.
    fn run_len(&self) -> usize {
        let run = self.geometry.window.kernel * self.interleaved();
        if self.whole.is_some() { run.next_multiple_of(2) } else { run }
    }

    fn depth(&self) -> usize {
        self.planes() * self.geometry.window.kernel * self.run_len()
    }

    /// Whether cells lie in the same order in the input and the output, so that rows need not be told apart.
    fn is_pointwise(&self) -> bool {
        let Window { kernel, stride, padding } = self.geometry.window;
        !self.geometry.planar && (kernel, stride, padding) == (1, 1, 0)
    }

    /// Rows of the input that `rows` rows of the output see.
    fn seen_rows(&self, rows: usize) -> usize {
        (rows - 1) * self.geometry.window.stride + self.geometry.window.kernel
    }

    /// What [`Self::task`] needs for `rows` rows of the output.
    pub(crate) fn scratch_len(&self, rows: usize) -> usize {
        let planes = self.planes() * self.geometry.parts();
        let width = self.geometry.input.w + 2 * self.geometry.window.padding;
        let padded = planes * self.seen_rows(rows) * width * self.interleaved();
        match &self.whole {
            None if self.geometry.window.padding == 0 => 0,
            None => padded,
            Some(_) if self.is_pointwise() => planes * TASK_CELLS * BLOCK / 2,
            // The last run of odd length reads one number further.
            Some(_) => padded / 2 + 1,
        }
    }

    pub(crate) fn run(
        &self,
        images: &[f32],
        n: usize,
        task: Task<'_>,
        output: &mut [f32],
        scratch: &Scratch,
    ) {
        if n == 0 {
            return;
        }
        let input_len = self.geometry.input_len();
        let plane_len = self.output.cells() * BLOCK;
        // A pointwise convolution is cut between any cells, another between rows.
        let unit = if self.is_pointwise() { 1 } else { self.output.w };
        let all = self.output.cells() / unit;
        let per_task = (TASK_CELLS / unit).clamp(1, all);
        let even = all.div_ceil(all.div_ceil(per_task));
        let cut = Cut { planes: task.place.blocks, plane_len, images: 1, band_len: even * unit * BLOCK };
        bands(output, cut).for_each(|(part, mut band)| {
            let image = &images[part.images.start * input_len..][..input_len];
            if self.is_pointwise() {
                scratch.lend(self.scratch_len(1), |buffer| {
                    self.pointwise(image, part.band * even, task, &mut band, buffer);
                });
                return;
            }
            let rows = part.band * even..((part.band + 1) * even).min(all);
            scratch.lend(self.scratch_len(rows.len()), |buffer| {
                self.task(image, rows, task, &mut band, buffer);
            });
        });
    }

    /// Cells from `first` on, as many as the band has.
    fn pointwise(
        &self,
        image: &[f32],
        first: usize,
        task: Task<'_>,
        band: &mut Band<'_>,
        scratch: &mut [f32],
    ) {
        let plane = self.output.cells() * BLOCK;
        let count = band.len() / BLOCK;
        for start in (0..count).step_by(TASK_CELLS) {
            let rows = TASK_CELLS.min(count - start);
            let from = (first + start) * BLOCK;
            let (input, stride) = if let Some(whole) = &self.whole {
                let numbers = integers_mut::<i16>(scratch).chunks_exact_mut(rows * BLOCK);
                for (plane, numbers) in image.chunks_exact(plane).zip(numbers) {
                    round_to_whole(task.isa, &plane[from..from + rows * BLOCK], whole.level, numbers);
                }
                (Rows::Whole(integers(scratch)), rows * BLOCK)
            } else {
                (Rows::Real(&image[from..]), plane)
            };
            let walk = Walk::blocked(self.planes(), stride);
            self.multiply(input, (walk, stride), (rows, 1, 0), task, band, start * BLOCK);
        }
    }

    /// Computes rows `rows` of an image into `band`.
    pub(crate) fn task(
        &self,
        image: &[f32],
        rows: Range<usize>,
        task: Task<'_>,
        band: &mut Band<'_>,
        scratch: &mut [f32],
    ) {
        let Window { kernel, stride, padding } = self.geometry.window;
        if self.is_pointwise() {
            self.pointwise(image, rows.start * self.output.w, task, band, scratch);
            return;
        }
        let interleaved = self.interleaved();
        let (height, width) = (self.geometry.input.h, self.geometry.input.w + 2 * padding);
        let (top, seen) = (rows.start * stride, self.seen_rows(rows.len()));
        let (input, seen) = match &self.whole {
            None if padding == 0 => (Rows::Real(&image[top * width * interleaved..]), height),
            None => {
                self.pad(image, top, seen, scratch, <[f32]>::copy_from_slice);
                (Rows::Real(scratch), seen)
            }
            Some(whole) => {
                self.pad(image, top, seen, integers_mut::<i16>(scratch), |numbers, values| {
                    round_to_whole(task.isa, values, whole.level, numbers);
                });
                (Rows::Whole(integers(scratch)), seen)
            }
        };
        let row = width * interleaved;
        let walk = Walk {
            outer: self.planes(),
            outer_stride: seen * row,
            inner: kernel,
            inner_stride: row,
            len: self.run_len(),
            row_stride: stride * interleaved,
        };
        let per_pass = (TASK_CELLS / self.output.w).max(1);
        for start in (0..rows.len()).step_by(per_pass) {
            let lines = (self.output.w, per_pass.min(rows.len() - start), stride * row);
            let at = start * self.output.w * BLOCK;
            let from = start * stride * row;
            let input = match input {
                Rows::Real(values) => Rows::Real(&values[from..]),
                Rows::Whole(numbers) => Rows::Whole(&numbers[from..]),
            };
            self.multiply(input, (walk, seen * row), lines, task, band, at);
        }
    }

    /// Multiplies every part of the input with its weights.
    fn multiply(
        &self,
        input: Rows<'_>,
        (walk, plane): (Walk, usize),
        (rows, lines, line_stride): (usize, usize, usize),
        task: Task<'_>,
        band: &mut Band<'_>,
        at: usize,
    ) {
        let parts = self.geometry.parts();
        let blocks = blocks(self.output.c / parts);
        let (depth, relu) = (self.depth(), task.relu);
        let part_len = blocks * BLOCK * depth;
        for part in 0..parts {
            let (from, channel) = (part * self.planes() * plane, part * blocks * BLOCK);
            let to = (task.place.first_block + part * blocks, at);
            match (input, &self.whole) {
                (Rows::Whole(input), Some(whole)) => {
                    let finish =
                        Finishing { units: &whole.units[channel..], bias: Some(&task.bias[channel..]), relu };
                    let product = IntProduct {
                        input: &input[from..],
                        walk,
                        rows,
                        lines,
                        line_stride,
                        weights: &integers::<i16>(&self.weights)[part * part_len..][..part_len],
                        depth,
                        first: 0,
                        blocks,
                        go_on: false,
                        finish: Some(finish),
                    };
                    multiply_integers(whole.integers, &product, band, to);
                }
                (Rows::Real(input), _) => {
                    let values = &self.weights[part * part_len..][..part_len];
                    let product = Product {
                        input: &input[from..],
                        walk,
                        rows,
                        lines,
                        line_stride,
                        weights: Panels { values, depth, first: 0 },
                        blocks,
                        start: Start::Bias(&task.bias[channel..]),
                        relu,
                    };
                    multiply(task.isa, &product, band, to);
                }
                (Rows::Whole(_), None) => unreachable!("rows are rounded where weights are"),
            }
        }
    }

    /// Copies `seen` rows of the padded input from row `top` on, with the zeros around them.
    fn pad<T: Copy + Default>(
        &self,
        image: &[f32],
        top: usize,
        seen: usize,
        padded: &mut [T],
        copy: impl Fn(&mut [T], &[f32]),
    ) {
        let padding = self.geometry.window.padding;
        let (height, width) = (self.geometry.input.h, self.geometry.input.w);
        let interleaved = self.interleaved();
        let padded_row = (width + 2 * padding) * interleaved;
        let planes = image.chunks_exact(height * width * interleaved);
        for (plane, padded) in planes.zip(padded.chunks_exact_mut(seen * padded_row)) {
            for (y, row) in padded.chunks_exact_mut(padded_row).enumerate() {
                match (top + y).checked_sub(padding).filter(|&y| y < height) {
                    None => row.fill(T::default()),
                    Some(y) => {
                        let (left, rest) = row.split_at_mut(padding * interleaved);
                        let (middle, right) = rest.split_at_mut(width * interleaved);
                        left.fill(T::default());
                        right.fill(T::default());
                        copy(middle, &plane[y * width * interleaved..][..width * interleaved]);
                    }
                }
            }
        }
    }
}
