//! The matrix product that convolutions and fully connected layers come down to.
//!
//! Rows are output cells (pixels, Winograd tiles, images), columns are output channels. Values of a row
//! are read where they lie ([`Walk`]); the weights are packed in panels as wide as a register tile.
//! Every sum adds its products one after the other, in the order of the walk, whatever the number of
//! rows and wherever they are cut: so neither batch size nor threads change a bit.

use super::band::Band;
use super::simd::Simd;
use super::{BLOCK, Isa};

/// Where the values lie that a row of a product reads: `outer` times `inner` runs of `len` values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) outer: usize,
    pub(crate) outer_stride: usize,
    pub(crate) inner: usize,
    pub(crate) inner_stride: usize,
    pub(crate) len: usize,
    /// From a row to the next.
    pub(crate) row_stride: usize,
}

impl Walk {
    /// Rows that lie side by side in `blocks` blocks of channels, `block_stride` apart.
    pub(crate) fn blocked(blocks: usize, block_stride: usize) -> Self {
        Self {
            outer: blocks,
            outer_stride: block_stride,
            inner: 1,
            inner_stride: 0,
            len: BLOCK,
            row_stride: BLOCK,
        }
    }

    /// Products in a sum.
    pub(crate) fn depth(self) -> usize {
        self.outer * self.inner * self.len
    }

    /// Values from the first to the last that `rows` rows read.
    pub(super) fn reach(self, rows: usize) -> usize {
        if rows == 0 || self.depth() == 0 {
            return 0;
        }
        (rows - 1) * self.row_stride
            + (self.outer - 1) * self.outer_stride
            + (self.inner - 1) * self.inner_stride
            + self.len
    }
}

/// What a sum begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start<'a> {
    /// Nothing.
    Zero,
    /// The bias of its channel; `blocks * 16` values.
    Bias(&'a [f32]),
    /// What stands in its place already.
    Sum,
}

/// Weights as [`multiply`] reads them, for one instruction set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panels<'a> {
    /// One panel behind the other, each `depth` lines as wide as the panel.
    pub(crate) values: &'a [f32],
    /// Lines of a panel.
    pub(crate) depth: usize,
    /// The line at which the product begins.
    pub(crate) first: usize,
}

/// A product to compute: `lines` times `rows` rows of `blocks` blocks of 16 channels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) input: &'a [f32],
    pub(crate) walk: Walk,
    pub(crate) rows: usize,
    pub(crate) lines: usize,
    /// From a line of rows to the next, in the input.
    pub(crate) line_stride: usize,
    pub(crate) weights: Panels<'a>,
    pub(crate) blocks: usize,
    pub(crate) start: Start<'a>,
    pub(crate) relu: bool,
}

/// Computes `product` into the planes of `output` from `first_plane` on, one for each block of channels,
/// from `at` on; there all rows of all lines lie side by side.
///
/// # Panics
/// If a slice is shorter than the product's sizes demand.
pub(crate) fn multiply(
    isa: Isa,
    product: &Product<'_>,
    output: &mut Band<'_>,
    (first_plane, at): (usize, usize),
) {
    let Product { rows, lines, blocks, walk, weights, .. } = *product;
    if rows == 0 || lines == 0 || blocks == 0 {
        return;
    }
    let reach = (lines - 1) * product.line_stride + walk.reach(rows);
    assert!(product.input.len() >= reach, "the rows lie inside the input");
    assert!(output.planes() >= first_plane + blocks, "every block has its plane");
    assert!(output.len() >= at + lines * rows * BLOCK, "the rows lie inside the planes");
    assert!(weights.values.len() >= weights.depth * blocks * BLOCK, "every block has its weights");
    assert!(weights.first + walk.depth() <= weights.depth, "every product has its weight");
    if let Start::Bias(bias) = product.start {
        assert!(bias.len() >= blocks * BLOCK, "every channel has its bias");
    }
    let target = Target {
        // SAFETY: `at` lies inside the plane.
        start: unsafe { output.as_mut_ptr(first_plane).add(at) },
        block_stride: output.stride(),
    };
    // SAFETY: the asserts above are what `drive` demands.
    unsafe { run(isa, product, target) }
}

on_every_set!(unsafe fn run = drive(product: &Product<'_>, target: Target));

/// Where the first block's first row goes, and how far the next block is.
#[derive(Clone, Copy)]
struct Target {
    start: *mut f32,
    block_stride: usize,
}

/// What one register tile needs.
pub(super) struct Tile {
    input: *const f32,
    weights: *const f32,
    output: *mut f32,
    block_stride: usize,
    walk: Walk,
    /// Null where sums begin with nothing, or with what stands in their places.
    bias: *const f32,
    /// Whether sums begin with what stands in their places.
    add: bool,
    relu: bool,
}

/// Cuts a product into register tiles: a panel of weights stays in the first-level cache while the rows
/// go past it.
///
/// # Safety
/// The processor has `S`; the slices are as long as [`multiply`] checks.
#[inline(always)]
unsafe fn drive<S: Tiles>(product: &Product<'_>, target: Target) {
    let panel_blocks = (S::COLUMNS * S::LANES / BLOCK).max(1);
    let tiles = product.rows.div_ceil(S::ROWS);
    let (bias, add) = match product.start {
        Start::Zero => (None, false),
        Start::Bias(bias) => (Some(bias.as_ptr()), false),
        Start::Sum => (None, true),
    };
    let mut block = 0;
    while block < product.blocks {
        let width = panel_blocks.min(product.blocks - block);
        // SAFETY: the panel of `block` begins inside the weights, which hold `depth` lines of every block
        // before it, and `first` lies in it; the bias has 16 values of every block; the block's plane is in
        // the output.
        let (weights, bias, output) = unsafe {
            let line = product.weights.first * width;
            (
                product.weights.values.as_ptr().add((product.weights.depth * block + line) * BLOCK),
                bias.map_or(std::ptr::null(), |bias| bias.add(block * BLOCK)),
                target.start.add(block * target.block_stride),
            )
        };
        for line in 0..product.lines {
            for number in 0..tiles {
                // Tiles of nearly equal height: a last tile of one row would take as long as a high one.
                let first = number * product.rows / tiles;
                let rows = (number + 1) * product.rows / tiles - first;
                // SAFETY: the tile's rows are rows of the product.
                unsafe {
                    let tile = Tile {
                        input: product
                            .input
                            .as_ptr()
                            .add(line * product.line_stride + first * product.walk.row_stride),
                        weights,
                        output: output.add((line * product.rows + first) * BLOCK),
                        block_stride: target.block_stride,
                        walk: product.walk,
                        bias,
                        add,
                        relu: product.relu,
                    };
                    S::tile(rows, width, &tile);
                }
            }
        }
        block += width;
    }
}

/// The register tiles of an instruction set.
pub(super) trait Tiles: Simd {
    /// Computes `rows` rows, at most [`Simd::ROWS`], of a panel of `width` blocks.
    ///
    /// # Safety
    /// The processor has the instruction set, and everything `tile` points to is there.
    unsafe fn tile(rows: usize, width: usize, tile: &Tile);
}

/// One register tile: `MR` rows of `NV` vectors. Rows lie `RS` values apart, or as far as the walk says
/// where `RS` is 0; a distance known at compile time needs one pointer for all rows.
///
/// # Safety
/// As [`Tiles::tile`].
#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NV: usize, const RS: usize>(tile: &Tile) {
    let walk = &tile.walk;
    let row_stride = if RS == 0 { walk.row_stride } else { RS };
    // Rows that lie close read one value at several steps: a compiler that sees these steps at once keeps it in
    // a register, and moves the sums to memory for it.
    let steps = if matches!(RS, 1..4) { RS } else { 4 };
    let place = |row: usize, v: usize| {
        let at = v * S::LANES;
        at / BLOCK * tile.block_stride + row * BLOCK + at % BLOCK
    };
    // SAFETY: reads follow the walk of `MR` rows and the panel's lines; reads and writes of the output stay
    // in `MR` rows of the panel's blocks.
    unsafe {
        let mut sums = [[S::splat(0.0); NV]; MR];
        if tile.add {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(tile.output.add(place(row, v)));
                }
            }
        } else if !tile.bias.is_null() {
            for sums in &mut sums {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(tile.bias.add(v * S::LANES));
                }
            }
        }
        let mut weights = tile.weights;
        for outer in 0..walk.outer {
            for inner in 0..walk.inner {
                let run = tile.input.add(outer * walk.outer_stride + inner * walk.inner_stride);
                let mut k = 0;
                while k + steps <= walk.len {
                    for step in 0..steps {
                        add_products::<S, MR, NV>(&mut sums, run.add(k + step), row_stride, weights);
                        weights = weights.add(NV * S::LANES);
                    }
                    k += steps;
                }
                while k < walk.len {
                    add_products::<S, MR, NV>(&mut sums, run.add(k), row_stride, weights);
                    weights = weights.add(NV * S::LANES);
                    k += 1;
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                let sum = if tile.relu { S::max(S::splat(0.0), sum) } else { sum };
                S::store(tile.output.add(place(row, v)), sum);
            }
        }
    }
}

/// Adds one product to every sum.
///
/// # Safety
/// `input` has a value every `row_stride`, `weights` a line.
#[inline(always)]
unsafe fn add_products<S: Simd, const MR: usize, const NV: usize>(
    sums: &mut [[S::V; NV]; MR],
    input: *const f32,
    row_stride: usize,
    weights: *const f32,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut line = [S::splat(0.0); NV];
        for (v, line) in line.iter_mut().enumerate() {
            *line = S::load(weights.add(v * S::LANES));
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let value = S::splat(*input.add(row * row_stride));
            for (sum, &weight) in sums.iter_mut().zip(&line) {
                *sum = S::fma(value, weight, *sum);
            }
        }
    }
}

/// The tiles of one instruction set: an entry with its instructions switched on, and a copy of the tile
/// for every width, height and distance that occurs.
macro_rules! tiles {
    ($set:ty, $(#[$feature:meta])? widths $widths:tt, rows $($rows:literal)+) => {
        impl Tiles for $set {
            unsafe fn tile(rows: usize, width: usize, args: &Tile) {
                $(#[$feature])?
                unsafe fn run<const NV: usize, const RS: usize>(rows: usize, args: &Tile) {
                    match rows {
                        // SAFETY: as the caller promises.
                        $($rows => unsafe { tile::<$set, $rows, NV, RS>(args) },)+
                        _ => unreachable!("drive() cuts tiles of at most ROWS rows"),
                    }
                }
                tiles!(@widths $widths, rows, width, args)
            }
        }
    };
    (@widths [$($width:literal is $nv:literal),+], $rows:ident, $blocks:ident, $args:ident) => {
        // SAFETY: as the caller promises.
        unsafe {
            match ($blocks, $args.walk.row_stride) {
                $(
                    ($width, 16) => run::<$nv, 16>($rows, $args),
                    ($width, 4) => run::<$nv, 4>($rows, $args),
                    ($width, 2) => run::<$nv, 2>($rows, $args),
                    ($width, 1) => run::<$nv, 1>($rows, $args),
                    ($width, _) => run::<$nv, 0>($rows, $args),
                )+
                _ => unreachable!("drive() cuts panels of these widths"),
            }
        }
    };
}

tiles!(super::simd::Portable, widths [1 is 2], rows 1 2 3);
#[cfg(target_arch = "x86_64")]
tiles!(super::simd::Avx2, #[target_feature(enable = "avx2,fma")] widths [1 is 2], rows 1 2 3 4 5 6);
#[cfg(target_arch = "x86_64")]
tiles!(
    super::simd::Avx512,
    #[target_feature(enable = "avx512f")] widths [2 is 2, 1 is 1],
    rows 1 2 3 4 5 6 7 8 9 10 11 12
);
#[cfg(target_arch = "aarch64")]
tiles!(super::simd::Neon, #[target_feature(enable = "neon")] widths [1 is 4], rows 1 2 3 4 5 6);

/// Packs weights for [`multiply`]: `weight(channel, k)` is asked once for every channel below `channels`
/// and every `k` below `depth`; channels that fill the last block up get zeros.
pub(crate) fn pack_panels(
    isa: Isa,
    channels: usize,
    depth: usize,
    panels: &mut [f32],
    mut weight: impl FnMut(usize, usize) -> f32,
) {
    let blocks = channels.div_ceil(BLOCK);
    assert_eq!(panels.len(), blocks * BLOCK * depth, "a value for every channel and product");
    let panel_blocks = isa.panel_blocks();
    let mut rest = panels;
    let mut block = 0;
    while block < blocks {
        let width = panel_blocks.min(blocks - block) * BLOCK;
        let (panel, behind) = rest.split_at_mut(width * depth);
        for (k, line) in panel.chunks_exact_mut(width).enumerate() {
            for (channel, value) in (block * BLOCK..).zip(line) {
                *value = if channel < channels { weight(channel, k) } else { 0.0 };
            }
        }
        block += width / BLOCK;
        rest = behind;
    }
}
