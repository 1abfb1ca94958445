//! A planned convolution: its method, its packed weights, and how its work is cut into tasks.

use super::direct::Direct;
use super::kernels::{Aligned, BLOCK, Band, Cut, Isa, TileKind, bands, max_pool};
use super::layout::{blocks, map_len};
use super::ranges::Range;
use super::scratch::Scratch;
use super::winograd::Winograd;
use crate::arch::Shape;
use crate::backend::ops::Window;
use crate::geometry::window_count;
use rayon::prelude::*;

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) input: Shape,
    pub(crate) out_channels: usize,
    pub(crate) window: Window,
    pub(crate) groups: usize,
    /// Whether the input is planar; else it is a map.
    pub(crate) planar: bool,
}

impl Geometry {
    /// The size of the output.
    ///
    /// # Panics
    /// If the window finds no room; [`Architecture::shapes`](crate::Architecture::shapes) refuses that.
    pub(crate) fn output(&self) -> Shape {
        let Window { kernel, stride, padding } = self.window;
        let count = |len| window_count(len, kernel, stride, padding, false).expect("the window has room");
        Shape { c: self.out_channels, h: count(self.input.h), w: count(self.input.w) }
    }

    /// Values of one image of the input.
    pub(crate) fn input_len(&self) -> usize {
        if self.planar { self.input.len() } else { map_len(self.input) }
    }

    /// Multiplications of the definition.
    pub(crate) fn products(&self) -> usize {
        self.output().len() * self.input.c / self.groups * self.window.kernel.pow(2)
    }

    /// The groups that are computed apart. Groups that do not fill blocks are computed as one convolution
    /// whose kernels are zero across groups.
    pub(crate) fn parts(&self) -> usize {
        let whole = |channels: usize| (channels / self.groups).is_multiple_of(BLOCK);
        if !self.planar && whole(self.input.c) && whole(self.out_channels) { self.groups } else { 1 }
    }
}

/// The kernels of a convolution, as PyTorch has them: `(out, in / groups, k, k)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) geometry: &'a Geometry,
}

impl<'a> Kernels<'a> {
    /// The `k x k` kernel from channel `input` of part `part` to channel `output` of that part; none where
    /// no such kernel is.
    pub(crate) fn kernel(&self, part: usize, output: usize, input: usize) -> Option<&'a [f32]> {
        let Geometry { input: shape, out_channels, groups, window, .. } = *self.geometry;
        let parts = self.geometry.parts();
        let (output, input) = (part * (out_channels / parts) + output, part * (shape.c / parts) + input);
        if input >= shape.c || output >= out_channels {
            return None;
        }
        let (group_in, group_out) = (shape.c / groups, out_channels / groups);
        let len = window.kernel * window.kernel;
        (input / group_in == output / group_out)
            .then(|| &self.values[(output * group_in + input % group_in) * len..][..len])
    }
}

/// Where an output's map goes: into blocks `first_block..` of images of `blocks` blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) blocks: usize,
    pub(crate) first_block: usize,
}

/// What is done to the output before it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish {
    pub(crate) relu: bool,
    pub(crate) pool: Option<Pool>,
    /// Threads that the work should be cut for; whichever it is, the values are the same.
    pub(crate) threads: usize,
}

/// A max-pool and the size of what it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) window: Window,
    pub(crate) output: Shape,
}

/// A convolution that can be run.
#[derive(Debug)]
pub(crate) struct Convolution {
    isa: Isa,
    geometry: Geometry,
    output: Shape,
    method: Method,
    bias: Aligned,
    /// Whether products are of integers.
    whole: bool,
}

#[derive(Debug)]
enum Method {
    Direct(Direct),
    Winograd(Winograd),
}

impl Convolution {
    /// Chooses the method and packs the weights.
    pub(crate) fn new(isa: Isa, geometry: Geometry, kernels: &[f32], bias: &[f32]) -> Self {
        Self::with_range(isa, geometry, kernels, bias, None)
    }

    /// The same; with a range of the input, products are of integers.
    pub(crate) fn with_range(
        isa: Isa,
        geometry: Geometry,
        kernels: &[f32],
        bias: &[f32],
        range: Option<Range>,
    ) -> Self {
        let tiles = choose(&geometry, range.is_some(), range.is_some());
        Self::with_method(isa, geometry, tiles, kernels, bias, range)
    }

    /// In f32, by a method that loses little to rounding.
    pub(crate) fn precise(isa: Isa, geometry: Geometry, kernels: &[f32], bias: &[f32]) -> Self {
        Self::with_method(isa, geometry, choose(&geometry, false, true), kernels, bias, None)
    }

    /// The same by Winograd's method with tiles of that kind, or directly.
    pub(crate) fn with_method(
        isa: Isa,
        geometry: Geometry,
        tiles: Option<TileKind>,
        kernels: &[f32],
        bias: &[f32],
        range: Option<Range>,
    ) -> Self {
        let output = geometry.output();
        let mut padded = Aligned::zeros(blocks(output.c) * BLOCK);
        padded[..output.c].copy_from_slice(bias);
        let kernels = Kernels { values: kernels, geometry: &geometry };
        let method = match tiles {
            Some(kind) => Method::Winograd(Winograd::new(isa, kind, &geometry, kernels, range)),
            None => Method::Direct(Direct::new(isa, &geometry, kernels, range)),
        };
        Self { isa, geometry, output, method, bias: padded, whole: range.is_some() }
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What a report calls the method.
    pub(crate) fn method(&self) -> &'static str {
        match (&self.method, self.whole) {
            (Method::Direct(_), false) => "direct",
            (Method::Direct(_), true) => "direct, integers",
            (Method::Winograd(winograd), false) => match winograd.kind() {
                TileKind::F4x3 => "winograd 4x4, 3x3",
                TileKind::F6x3 => "winograd 6x6, 3x3",
                TileKind::F4x5 => "winograd 4x4, 5x5",
            },
            (Method::Winograd(winograd), true) => match winograd.kind() {
                TileKind::F4x3 => "winograd 4x4, 3x3, integers",
                TileKind::F6x3 => "winograd 6x6, 3x3, integers",
                TileKind::F4x5 => "winograd 4x4, 5x5, integers",
            },
        }
    }

    /// Bytes of the packed weights.
    pub(crate) fn weight_bytes(&self) -> usize {
        let values = match &self.method {
            Method::Direct(direct) => direct.weights(),
            Method::Winograd(winograd) => winograd.weights(),
        };
        size_of_val(values)
    }

    /// Multiplications that the method does for an image.
    pub(crate) fn products(&self) -> usize {
        match &self.method {
            Method::Direct(_) => self.geometry.products(),
            Method::Winograd(winograd) => winograd.products(),
        }
    }

    /// Convolves `images` (whole images of the input) into `output`, on the current rayon pool.
    ///
    /// The same image gives the same bits, whatever lies beside it and however many threads there are.
    pub(crate) fn run(
        &self,
        images: &[f32],
        finish: Finish,
        output: &mut [f32],
        place: Place,
        scratch: &Scratch,
    ) {
        let n = images.len() / self.geometry.input_len();
        let Finish { relu, pool, .. } = finish;
        let in_tiles = match &self.method {
            Method::Winograd(winograd) => pool.is_some_and(|pool| winograd.pools(pool)),
            Method::Direct(_) => false,
        };
        match pool {
            Some(pool) if !in_tiles => self.run_pooled(images, n, (finish, pool), output, place, scratch),
            _ => {
                let threads = finish.threads;
                let task = Task { isa: self.isa, bias: &self.bias, relu, pool: in_tiles, place, threads };
                match &self.method {
                    Method::Direct(direct) => direct.run(images, n, task, output, scratch),
                    Method::Winograd(winograd) => winograd.run(images, n, task, output, scratch),
                }
            }
        }
    }

    /// Convolves into scratch and pools from there, so that the output before pooling stays in a cache.
    fn run_pooled(
        &self,
        images: &[f32],
        n: usize,
        (finish, pool): (Finish, Pool),
        output: &mut [f32],
        place: Place,
        scratch: &Scratch,
    ) {
        let (before, plane) = (map_len(self.output), self.output.cells() * BLOCK);
        let out_blocks = blocks(self.output.c);
        let pool_plane = |from: &[f32], to: &mut [f32]| {
            let sides = (self.output.h, self.output.w);
            max_pool(self.isa, from, sides, pool.window, to, (pool.output.h, pool.output.w));
        };
        let own = Place { blocks: out_blocks, first_block: 0 };
        let plane_len = pool.output.cells() * BLOCK;
        if n < finish.threads {
            scratch.lend(n * before, |whole| {
                self.run(images, Finish { pool: None, ..finish }, whole, own, scratch);
                let planes = output.par_chunks_exact_mut(plane_len).enumerate();
                planes.for_each(|(index, to)| {
                    let (image, block) = (index / place.blocks, index % place.blocks);
                    if let Some(block) = block.checked_sub(place.first_block).filter(|&b| b < out_blocks) {
                        pool_plane(&whole[(image * out_blocks + block) * plane..][..plane], to);
                    }
                });
            });
            return;
        }
        let Finish { relu, threads, .. } = finish;
        let task = Task { isa: self.isa, bias: &self.bias, relu, pool: false, place: own, threads };
        let group = match &self.method {
            Method::Direct(_) => 1,
            Method::Winograd(winograd) => winograd.images_per_task(n, threads),
        };
        let cut = Cut { planes: place.blocks, plane_len, images: group, band_len: plane_len };
        bands(output, cut).for_each(|(part, mut band)| {
            let input_len = self.geometry.input_len();
            let images = &images[part.images.start * input_len..part.images.end * input_len];
            let own_scratch = match &self.method {
                Method::Direct(direct) => direct.scratch_len(self.output.h),
                Method::Winograd(winograd) => winograd.scratch_len(part.images.len(), None),
            };
            scratch.lend(part.images.len() * before + own_scratch.next_multiple_of(BLOCK), |buffer| {
                let (whole, rest) = buffer.split_at_mut(part.images.len() * before);
                let mut target = Band::whole(whole, plane);
                match &self.method {
                    Method::Direct(direct) => {
                        direct.task(images, 0..self.output.h, task, &mut target, rest);
                    }
                    Method::Winograd(winograd) => winograd.task(images, None, task, &mut target, rest),
                }
                for (index, from) in whole.chunks_exact(plane).enumerate() {
                    let (image, block) = (index / out_blocks, index % out_blocks);
                    pool_plane(from, band.plane(image * place.blocks + place.first_block + block));
                }
            });
        });
    }
}

/// What the tasks of one run share.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) isa: Isa,
    /// Zero beyond the last channel.
    pub(crate) bias: &'a [f32],
    pub(crate) relu: bool,
    /// Whether windows of 2 x 2 are pooled; Winograd's method alone does so.
    pub(crate) pool: bool,
    pub(crate) place: Place,
    pub(crate) threads: usize,
}

/// A transform's additions and loads count as this many products per value and point: measured on a core
/// with AVX2.
const TRANSFORM_COST: f64 = 6.0;

/// The kind of Winograd tile that needs the least work, or none if the direct method needs less; if `precise`, of those that
/// lose little to rounding.
fn choose(geometry: &Geometry, integers: bool, precise: bool) -> Option<TileKind> {
    let output = geometry.output();
    if geometry.planar || geometry.window.stride != 1 {
        return None;
    }
    let parts = geometry.parts();
    let (inputs, outputs) = (blocks(geometry.input.c) * BLOCK, blocks(output.c) * BLOCK);
    // Products of integers take half as long.
    let transform_cost = if integers { 2.0 * TRANSFORM_COST } else { TRANSFORM_COST };
    let per_cell = (inputs * outputs / parts) as f64;
    let direct = output.cells() as f64 * geometry.window.kernel.pow(2) as f64 * per_cell;
    [TileKind::F4x3, TileKind::F6x3, TileKind::F4x5]
        .into_iter()
        .filter(|kind| kind.kernel() == geometry.window.kernel)
        // Its interpolation amplifies what rounding leaves: with integers too much for thirteen layers in a row, and in f32
        // by a digit.
        .filter(|&kind| !precise || kind != TileKind::F6x3)
        .map(|kind| {
            let tiles = output.h.div_ceil(kind.side()) * output.w.div_ceil(kind.side());
            let points = (tiles * kind.points().pow(2)) as f64;
            (kind, points * (per_cell + transform_cost * (inputs + outputs) as f64))
        })
        .filter(|&(_, cost)| cost < direct)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(kind, _)| kind)
}
