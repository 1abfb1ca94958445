//! Convolution by its definition: one matrix product whose rows are read where they lie.

use super::conv::{Geometry, Kernels, Task};
use super::kernels::{
    Aligned, BLOCK, Band, Cut, Isa, Panels, Product, Start, Walk, bands, multiply, pack_panels,
};
use super::layout::blocks;
use super::scratch::Scratch;
use crate::arch::Shape;
use crate::backend::ops::Window;
use rayon::prelude::*;
use std::ops::Range;

/// Output cells of a task: their inputs should stay in the second-level cache while all panels of weights
/// go past.
const TASK_CELLS: usize = 256;

/// The weights of a direct convolution.
#[derive(Debug)]
pub(crate) struct Direct {
    geometry: Geometry,
    output: Shape,
    /// For each part, its panels.
    weights: Aligned,
}

impl Direct {
    pub(crate) fn new(isa: Isa, geometry: &Geometry, kernels: Kernels<'_>) -> Self {
        let output = geometry.output();
        let parts = geometry.parts();
        let direct = Self { geometry: *geometry, output, weights: Aligned::default() };
        let (depth, channels) = (direct.depth(), output.c / parts);
        let part_len = blocks(channels) * BLOCK * depth;
        let mut weights = Aligned::zeros(parts * part_len);
        let (side, run) = (geometry.window.kernel, direct.interleaved());
        for (part, panels) in weights.chunks_exact_mut(part_len.max(1)).enumerate() {
            pack_panels(isa, channels, depth, panels, |channel, k| {
                let (outer, k) = (k / (side * side * run), k % (side * side * run));
                let (place, lane) = (k / run, k % run);
                let kernel = kernels.kernel(part, channel, outer * run + lane);
                kernel.map_or(0.0, |kernel| kernel[place])
            });
        }
        Self { weights, ..direct }
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

    fn depth(&self) -> usize {
        self.planes() * self.geometry.window.kernel.pow(2) * self.interleaved()
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
        if self.geometry.window.padding == 0 {
            return 0;
        }
        let width = self.geometry.input.w + 2 * self.geometry.window.padding;
        self.planes() * self.geometry.parts() * self.seen_rows(rows) * width * self.interleaved()
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
                self.pointwise(image, part.band * even, task, &mut band);
                return;
            }
            let rows = part.band * even..((part.band + 1) * even).min(all);
            scratch.lend(self.scratch_len(rows.len()), |buffer| {
                self.task(image, rows, task, &mut band, buffer);
            });
        });
    }

    /// Cells from `first` on, as many as the band has.
    fn pointwise(&self, image: &[f32], first: usize, task: Task<'_>, band: &mut Band<'_>) {
        let plane = self.output.cells() * BLOCK;
        let walk = Walk::blocked(self.planes(), plane);
        let count = band.len() / BLOCK;
        for start in (0..count).step_by(TASK_CELLS) {
            let rows = TASK_CELLS.min(count - start);
            let input = &image[(first + start) * BLOCK..];
            self.multiply(input, (walk, plane), (rows, 1, 0), task, band, start * BLOCK);
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
            self.pointwise(image, rows.start * self.output.w, task, band);
            return;
        }
        let interleaved = self.interleaved();
        let (height, width) = (self.geometry.input.h, self.geometry.input.w);
        let (input, seen, width) = if padding == 0 {
            (&image[rows.start * stride * width * interleaved..], height, width)
        } else {
            let seen = self.seen_rows(rows.len());
            self.pad(image, rows.start * stride, seen, scratch);
            (&*scratch, seen, width + 2 * padding)
        };
        let row = width * interleaved;
        let walk = Walk {
            outer: self.planes(),
            outer_stride: seen * row,
            inner: kernel,
            inner_stride: row,
            len: kernel * interleaved,
            row_stride: stride * interleaved,
        };
        let per_pass = (TASK_CELLS / self.output.w).max(1);
        for start in (0..rows.len()).step_by(per_pass) {
            let lines = (self.output.w, per_pass.min(rows.len() - start), stride * row);
            let at = start * self.output.w * BLOCK;
            self.multiply(&input[start * stride * row..], (walk, seen * row), lines, task, band, at);
        }
    }

    /// Multiplies every part of the input with its weights.
    fn multiply(
        &self,
        input: &[f32],
        (walk, plane): (Walk, usize),
        (rows, lines, line_stride): (usize, usize, usize),
        task: Task<'_>,
        band: &mut Band<'_>,
        at: usize,
    ) {
        let parts = self.geometry.parts();
        let out_blocks = blocks(self.output.c / parts);
        let part_len = self.weights.len() / parts;
        for part in 0..parts {
            let product = Product {
                input: &input[part * self.planes() * plane..],
                walk,
                rows,
                lines,
                line_stride,
                weights: Panels {
                    values: &self.weights[part * part_len..][..part_len],
                    depth: self.depth(),
                    first: 0,
                },
                blocks: out_blocks,
                start: Start::Bias(&task.bias[part * out_blocks * BLOCK..]),
                relu: task.relu,
            };
            multiply(task.isa, &product, band, (task.place.first_block + part * out_blocks, at));
        }
    }

    /// Copies `seen` rows of the padded input from row `top` on, with the zeros around them.
    fn pad(&self, image: &[f32], top: usize, seen: usize, padded: &mut [f32]) {
        let padding = self.geometry.window.padding;
        let (height, width) = (self.geometry.input.h, self.geometry.input.w);
        let interleaved = self.interleaved();
        let padded_row = (width + 2 * padding) * interleaved;
        let planes = image.chunks_exact(height * width * interleaved);
        for (plane, padded) in planes.zip(padded.chunks_exact_mut(seen * padded_row)) {
            for (y, row) in padded.chunks_exact_mut(padded_row).enumerate() {
                match (top + y).checked_sub(padding).filter(|&y| y < height) {
                    None => row.fill(0.0),
                    Some(y) => {
                        let (left, rest) = row.split_at_mut(padding * interleaved);
                        let (middle, right) = rest.split_at_mut(width * interleaved);
                        left.fill(0.0);
                        right.fill(0.0);
                        middle.copy_from_slice(&plane[y * width * interleaved..][..width * interleaved]);
                    }
                }
            }
        }
    }
}
