//! Stride-1 convolution by Winograd's method (Lavin and Gray 2016).
//!
//! Tiles of the input are evaluated at points, multiplied with the kernels' values there (one matrix
//! product per point), and interpolated. Where there are many tiles, a task takes some of them through all
//! three steps in its own buffer; where there are few, each step is shared out by itself.

mod pack;

use super::conv::{Geometry, Kernels, Pool, Task};
use super::kernels::{
    Aligned, BLOCK, Band, Cut, Finishing, IntProduct, Integers, Isa, Level, Panels, Product, Start, TileKind,
    TileOutput, TileRows, Walk, bands, input_transform, integers, multiply, multiply_integers,
    output_transform,
};
use super::layout::blocks;
use super::ranges::Range as ValueRange;
use super::scratch::Scratch;
use crate::arch::Shape;
use rayon::prelude::*;
use std::ops::Range;

/// Tiles of a task: the weights of a point are read once for all of them.
const TASK_TILES: usize = 64;

/// Bytes of products that a task keeps between the matrix products and the interpolation.
const PRODUCT_BYTES: usize = 1 << 20;

/// The weights of a convolution by Winograd's method.
#[derive(Debug)]
pub(crate) struct Winograd {
    kind: TileKind,
    geometry: Geometry,
    output: Shape,
    /// Rows and columns of tiles.
    tiles: (usize, usize),
    /// For each point and part, its panels; of 16-bit integers where there is `whole`.
    weights: Aligned,
    /// Where products are of integers: how.
    whole: Option<Whole>,
}

/// How the points multiply integers.
#[derive(Debug)]
struct Whole {
    integers: Integers,
    /// How the values of each point are rounded.
    levels: Vec<Level>,
    /// What a unit of each channel's sum is worth, for each point and part.
    units: Vec<f32>,
}

impl Winograd {
    /// Packs the weights; with a range of the input, as integers.
    pub(crate) fn new(
        isa: Isa,
        kind: TileKind,
        geometry: &Geometry,
        kernels: Kernels<'_>,
        range: Option<ValueRange>,
    ) -> Self {
        let output = geometry.output();
        let tiles = (output.h.div_ceil(kind.side()), output.w.div_ceil(kind.side()));
        let (weights, whole) = pack::pack(isa, kind, kernels, range);
        Self { kind, geometry: *geometry, output, tiles, weights, whole }
    }

    /// The packed weights.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    pub(crate) fn kind(&self) -> TileKind {
        self.kind
    }

    /// Multiplications for an image, without the transforms.
    pub(crate) fn products(&self) -> usize {
        let points = self.kind.points().pow(2) * self.tiles.0 * self.tiles.1;
        points * self.output.c * self.geometry.input.c / self.geometry.parts()
    }

    /// Whether the tiles can be pooled while they are stored: windows of 2 x 2 that lie in one tile.
    pub(crate) fn pools(&self, pool: Pool) -> bool {
        let window = (pool.window.kernel, pool.window.stride, pool.window.padding);
        window == (2, 2, 0) && (pool.output.h, pool.output.w) == (self.output.h / 2, self.output.w / 2)
    }

    /// Blocks of channels that a part reads.
    fn in_blocks(&self) -> usize {
        blocks(self.geometry.input.c / self.geometry.parts())
    }

    /// Blocks of channels that a part gives.
    fn out_blocks(&self) -> usize {
        blocks(self.output.c / self.geometry.parts())
    }

    fn points(&self) -> usize {
        self.kind.points().pow(2)
    }

    /// Images of a task where tasks are whole images.
    pub(crate) fn images_per_task(&self, n: usize, threads: usize) -> usize {
        let most = (TASK_TILES / (self.tiles.0 * self.tiles.1)).max(1);
        // No thread should stand idle because another has two images.
        most.min(n.div_ceil(threads)).max(1)
    }

    /// Blocks of the output whose products a task keeps at a time.
    fn group_blocks(&self, tiles: usize) -> usize {
        let block = self.points() * tiles * BLOCK * size_of::<f32>();
        (PRODUCT_BYTES / block).next_multiple_of(2).clamp(2, self.out_blocks().next_multiple_of(2))
    }

    /// Places of the evaluated input of one point of `tiles` tiles; each holds two integers.
    fn input_stride(&self, tiles: usize) -> usize {
        let len = point_len(tiles, self.geometry.parts() * self.in_blocks());
        if self.whole.is_some() { len / 2 } else { len }
    }

    fn levels(&self) -> Option<&[Level]> {
        self.whole.as_ref().map(|whole| &whole.levels[..])
    }

    /// What [`Self::task`] needs for rows `rows` of tiles (all of them if `None`) of `images` images.
    pub(crate) fn scratch_len(&self, images: usize, rows: Option<Range<usize>>) -> usize {
        let tiles = images * rows.map_or(self.tiles.0, |rows| rows.len()) * self.tiles.1;
        let inputs = self.input_stride(tiles);
        self.points() * (inputs + point_len(tiles, self.group_blocks(tiles)))
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
        let plane_len = output.len() / n / task.place.blocks;
        let per_image = self.tiles.0 * self.tiles.1;
        let group = self.images_per_task(n, task.threads);
        let band_rows = if group > 1 {
            self.tiles.0
        } else {
            // Bands of nearly equal height, of about as many tiles as a task should have.
            let bands = per_image.div_ceil(TASK_TILES + TASK_TILES / 2);
            self.tiles.0.div_ceil(bands)
        };
        let pool = if task.pool { 2 } else { 1 };
        let row_len = self.kind.side() / pool * (self.output.w / pool) * BLOCK;
        let cut = Cut {
            planes: task.place.blocks,
            plane_len,
            images: group,
            band_len: if band_rows == self.tiles.0 { plane_len } else { band_rows * row_len },
        };
        if cut.tasks(n) < task.threads {
            self.run_by_step(images, n, task, output, scratch);
            return;
        }
        bands(output, cut).for_each(|(part, mut band)| {
            let images = &images[part.images.start * input_len..part.images.end * input_len];
            let rows = part.band * band_rows..((part.band + 1) * band_rows).min(self.tiles.0);
            let len = self.scratch_len(part.images.len(), Some(rows.clone()));
            scratch.lend(len, |buffer| self.task(images, Some(rows), task, &mut band, buffer));
        });
    }

    fn tile_rows(&self, rows: Range<usize>) -> TileRows {
        TileRows {
            height: self.geometry.input.h,
            width: self.geometry.input.w,
            padding: self.geometry.window.padding,
            rows,
            columns: self.tiles.1,
        }
    }

    fn target<'a>(&self, task: &Task<'a>, block: usize) -> TileOutput<'a> {
        let (bias, _) = task.bias[block * BLOCK..].as_chunks::<BLOCK>();
        TileOutput {
            height: self.output.h,
            width: self.output.w,
            bias: &bias[0],
            relu: task.relu,
            pool: task.pool,
        }
    }

    /// The panels of one point and part.
    fn panels(&self, point: usize, part: usize) -> &[f32] {
        let len = self.weights.len() / (self.points() * self.geometry.parts());
        &self.weights[(point * self.geometry.parts() + part) * len..][..len]
    }

    /// Takes rows `rows` of tiles (all of them if `None`) of whole images through all steps.
    pub(crate) fn task(
        &self,
        images: &[f32],
        rows: Option<Range<usize>>,
        task: Task<'_>,
        band: &mut Band<'_>,
        scratch: &mut [f32],
    ) {
        let tiles = self.tile_rows(rows.unwrap_or(0..self.tiles.0));
        let input_len = self.geometry.input_len();
        let num_images = images.len() / input_len;
        let count = num_images * tiles.count();
        let (parts, out_blocks) = (self.geometry.parts(), self.out_blocks());
        let input_stride = self.input_stride(count);
        let (evaluated, products) = scratch.split_at_mut(self.points() * input_stride);
        let mut points = Band::whole(evaluated, input_stride);
        let in_plane = self.geometry.input.cells() * BLOCK;
        for (image, values) in images.chunks_exact(input_len).enumerate() {
            for (block, plane) in values.chunks_exact(in_plane).enumerate() {
                let at = (block * count + image * tiles.count()) * BLOCK;
                input_transform(task.isa, self.kind, plane, &tiles, self.levels(), &mut points, at);
            }
        }
        let group = self.group_blocks(count);
        let stride = point_len(count, group);
        for part in 0..parts {
            for first in (0..out_blocks).step_by(group) {
                let width = group.min(out_blocks - first);
                for point in 0..self.points() {
                    let input = &evaluated[point * input_stride..][..input_stride];
                    let sums = &mut products[point * stride..][..stride];
                    self.multiply(task.isa, (input, count), (point, part), first..first + width, sums);
                }
                for image in 0..num_images {
                    for block in 0..width {
                        let channel_block = part * out_blocks + first + block;
                        let plane = image * task.place.blocks + task.place.first_block + channel_block;
                        let at = (block * count + image * tiles.count()) * BLOCK;
                        let target = self.target(&task, channel_block);
                        let plane = band.plane(plane);
                        output_transform(task.isa, self.kind, products, (stride, at), &tiles, &target, plane);
                    }
                }
            }
        }
    }

    /// The products of one point and part for some blocks of the output: `input` is what the point was
    /// evaluated to.
    fn multiply(
        &self,
        isa: Isa,
        (input, tiles): (&[f32], usize),
        (point, part): (usize, usize),
        out: Range<usize>,
        products: &mut [f32],
    ) {
        let depth = self.in_blocks() * BLOCK;
        let (from, first_weight) = (part * depth * tiles, out.start * BLOCK * depth);
        let walk = Walk::blocked(self.in_blocks(), tiles * BLOCK);
        let (rows, lines, line_stride, blocks) = (tiles, 1, 0, out.len());
        let panels = self.panels(point, part);
        let output = &mut Band::whole(products, tiles * BLOCK);
        let Some(whole) = &self.whole else {
            let weights = Panels { values: &panels[first_weight..], depth, first: 0 };
            let (input, start) = (&input[from..], Start::Zero);
            let product =
                Product { input, walk, rows, lines, line_stride, weights, blocks, start, relu: false };
            multiply(isa, &product, output, (0, 0));
            return;
        };
        let of_part = (point * self.geometry.parts() + part) * self.out_blocks() + out.start;
        let product = IntProduct {
            input: &integers::<i16>(input)[from..],
            walk,
            rows,
            lines,
            line_stride,
            weights: &integers::<i16>(panels)[first_weight..],
            depth,
            first: 0,
            blocks,
            go_on: false,
            finish: Some(Finishing { units: &whole.units[of_part * BLOCK..], bias: None, relu: false }),
        };
        multiply_integers(whole.integers, &product, output, (0, 0));
    }

    /// Takes all tiles through one step after the other, each shared out among the threads.
    fn run_by_step(&self, images: &[f32], n: usize, task: Task<'_>, output: &mut [f32], scratch: &Scratch) {
        let tiles = self.tile_rows(0..self.tiles.0);
        let count = n * tiles.count();
        let (parts, in_blocks, out_blocks) = (self.geometry.parts(), self.in_blocks(), self.out_blocks());
        let input_stride = self.input_stride(count);
        let stride = point_len(count, parts * out_blocks);
        let in_plane = self.geometry.input.cells() * BLOCK;
        let total_in = parts * in_blocks;
        scratch.lend(self.points() * (input_stride + stride), |buffer| {
            let (evaluated, products) = buffer.split_at_mut(self.points() * input_stride);
            // Of integers each place holds two.
            let band_len = if self.whole.is_some() { count * BLOCK / 2 } else { count * BLOCK };
            let by_block = Cut { planes: self.points(), plane_len: input_stride, images: 1, band_len };
            bands(evaluated, by_block).for_each(|(part, mut points)| {
                if part.band >= total_in {
                    return; // What keeps the planes apart.
                }
                for image in 0..n {
                    let plane = &images[(image * total_in + part.band) * in_plane..][..in_plane];
                    let at = image * tiles.count() * BLOCK;
                    input_transform(task.isa, self.kind, plane, &tiles, self.levels(), &mut points, at);
                }
            });
            // Panels are not cut, and every thread should find some.
            let panel = task.isa.panel_blocks();
            let step = out_blocks.div_ceil(4).next_multiple_of(panel);
            let products_of = |point: usize, products: &mut [f32]| {
                products[..parts * out_blocks * count * BLOCK]
                    .par_chunks_mut(out_blocks * count * BLOCK)
                    .enumerate()
                    .for_each(|(part, products)| {
                        products.par_chunks_mut(step * count * BLOCK).enumerate().for_each(
                            |(i, products)| {
                                let input = &evaluated[point * input_stride..][..input_stride];
                                let out = i * step..((i + 1) * step).min(out_blocks);
                                self.multiply(task.isa, (input, count), (point, part), out, products);
                            },
                        );
                    });
            };
            products.par_chunks_exact_mut(stride).enumerate().for_each(|(point, products)| {
                products_of(point, products);
            });
            let plane_len = output.len() / n / task.place.blocks;
            output.par_chunks_exact_mut(plane_len).enumerate().for_each(|(index, plane)| {
                let (image, block) = (index / task.place.blocks, index % task.place.blocks);
                let block = block.checked_sub(task.place.first_block);
                let Some(block) = block.filter(|&block| block < parts * out_blocks) else { return };
                let at = (block * count + image * tiles.count()) * BLOCK;
                let target = self.target(&task, block);
                output_transform(task.isa, self.kind, products, (stride, at), &tiles, &target, plane);
            });
        });
    }
}

/// Values of one point of `tiles` tiles of `blocks` blocks. An odd number of cache lines, so that the points
/// of a tile do not fall into the same set of a cache.
fn point_len(tiles: usize, blocks: usize) -> usize {
    ((tiles * blocks) | 1) * BLOCK
}
