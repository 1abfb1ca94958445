//! The matrix product in integers: activations of 16 bits, weights of 16 or 8, sums of 32.
//!
//! As [`super::product`], but two products at a time: neighbors in the walk lie in one 32-bit lane. Whoever
//! packs the weights keeps activations so small that no sum leaves 32 bits ([`pack::Scales::limit`]), so sums are
//! exact, and every instruction set gives the same bits.

mod pack;
mod pairs;

use super::aligned::Integer;
use super::band::Band;
use super::product::Walk;
use super::{BLOCK, Isa, Set};
use pairs::{Pairs, Portable};

pub(crate) use pack::pack_integers;

/// How a processor multiplies integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Integers(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Integers {
    /// The fastest way with the registers of `isa`.
    pub(crate) fn of(isa: Isa) -> Self {
        Self::all(isa).pop().unwrap_or(Self(Kind::Portable))
    }

    /// Every way that `isa` and the processor have, slowest first.
    pub(crate) fn all(isa: Isa) -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "x86 alone has more ways"))]
        let mut all = vec![Self(Kind::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if matches!(isa.0, Set::Avx2 | Set::Avx512) {
                all.push(Self(Kind::Avx2));
            }
            if isa.0 == Set::Avx512 && is_x86_feature_detected!("avx512bw") {
                all.push(Self(Kind::Avx512));
                if is_x86_feature_detected!("avx512vnni") {
                    all.push(Self(Kind::Vnni));
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (isa, Set::Portable);
        all
    }

    /// Blocks of channels in a panel of weights.
    pub(crate) fn panel_blocks(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Vnni => 2,
            _ => 1,
        }
    }
}

/// How the sums of a product become numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finishing<'a> {
    /// What one unit of a channel's sum is worth; `blocks * 16` values.
    pub(crate) units: &'a [f32],
    /// Added to every channel; `blocks * 16` values.
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) relu: bool,
}

/// A product to compute, as [`super::Product`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct IntProduct<'a, W> {
    pub(crate) input: &'a [i16],
    /// In runs of even length.
    pub(crate) walk: Walk,
    pub(crate) rows: usize,
    pub(crate) lines: usize,
    pub(crate) line_stride: usize,
    /// Panels as [`pack_integers`] makes them, `depth` products deep.
    pub(crate) weights: &'a [W],
    pub(crate) depth: usize,
    /// The product at which this one begins; even.
    pub(crate) first: usize,
    pub(crate) blocks: usize,
    /// Whether sums go on from the bits that stand in their places.
    pub(crate) go_on: bool,
    /// None leaves the bits of the sums in their places.
    pub(crate) finish: Option<Finishing<'a>>,
}

/// Computes `product` as [`super::multiply`] does.
///
/// # Panics
/// If a slice is shorter than the product's sizes demand.
pub(crate) fn multiply_integers<W: Integer>(
    integers: Integers,
    product: &IntProduct<'_, W>,
    output: &mut Band<'_>,
    (first_plane, at): (usize, usize),
) {
    let IntProduct { rows, lines, blocks, walk, depth, first, .. } = *product;
    if rows == 0 || lines == 0 || blocks == 0 {
        return;
    }
    let reach = (lines - 1) * product.line_stride + walk.reach(rows);
    assert!(walk.len.is_multiple_of(2) && first.is_multiple_of(2), "products come in pairs");
    assert!(product.input.len() >= reach, "the rows lie inside the input");
    assert!(output.planes() >= first_plane + blocks, "every block has its plane");
    assert!(output.len() >= at + lines * rows * BLOCK, "the rows lie inside the planes");
    assert!(product.weights.len() >= depth * blocks * BLOCK, "every block has its weights");
    assert!(first + walk.depth() <= depth, "every product has its weight");
    if let Some(finish) = product.finish {
        assert!(finish.units.len() >= blocks * BLOCK, "every channel has its unit");
        assert!(finish.bias.is_none_or(|bias| bias.len() >= blocks * BLOCK), "every channel has its bias");
    }
    // SAFETY: `at` lies inside the plane.
    let start = unsafe { output.as_mut_ptr(first_plane).add(at) };
    let target = (start, output.stride());
    // SAFETY: the asserts above are what `drive` demands; an `Integers` exists only where the processor has
    // its instructions.
    unsafe {
        match integers.0 {
            Kind::Portable => drive::<Portable, W>(product, target),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => drive::<pairs::Avx2, W>(product, target),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => drive::<pairs::Avx512, W>(product, target),
            #[cfg(target_arch = "x86_64")]
            Kind::Vnni => drive::<pairs::Vnni, W>(product, target),
        }
    }
}

/// What one register tile needs.
struct Tile<W> {
    input: *const i16,
    weights: *const W,
    output: *mut f32,
    block_stride: usize,
    walk: Walk,
    go_on: bool,
    /// Null where the sums' bits are left.
    units: *const f32,
    /// Null where nothing is added.
    bias: *const f32,
    relu: bool,
}

/// Cuts a product into register tiles.
///
/// # Safety
/// The processor has `S`; the slices are as long as [`multiply_integers`] checks.
unsafe fn drive<S: Pairs, W: Integer>(product: &IntProduct<'_, W>, (start, block_stride): (*mut f32, usize)) {
    let panel_blocks = S::COLUMNS * S::LANES / BLOCK;
    let tiles = product.rows.div_ceil(S::ROWS);
    let null = std::ptr::null();
    let units = product.finish.map_or(null, |finish| finish.units.as_ptr());
    let bias = product.finish.and_then(|finish| finish.bias).map_or(null, <[f32]>::as_ptr);
    let mut block = 0;
    while block < product.blocks {
        let width = panel_blocks.min(product.blocks - block);
        let of_block = |of: *const f32| {
            // SAFETY: 16 values of every block are there.
            if of.is_null() { of } else { unsafe { of.add(block * BLOCK) } }
        };
        for line in 0..product.lines {
            for number in 0..tiles {
                // Tiles of nearly equal height: a last tile of one row would take as long as a high one.
                let first = number * product.rows / tiles;
                let rows = (number + 1) * product.rows / tiles - first;
                let row = line * product.line_stride + first * product.walk.row_stride;
                // SAFETY: the tile's rows are rows of the product; the panel of `block` begins inside the
                // weights, which hold `depth` products of every block before it, and `first` lies in it.
                unsafe {
                    let tile = Tile {
                        input: product.input.as_ptr().add(row),
                        weights: product
                            .weights
                            .as_ptr()
                            .add((product.depth * block + product.first * width) * BLOCK),
                        output: start.add(block * block_stride + (line * product.rows + first) * BLOCK),
                        block_stride,
                        walk: product.walk,
                        go_on: product.go_on,
                        units: of_block(units),
                        bias: of_block(bias),
                        relu: product.finish.is_some_and(|finish| finish.relu),
                    };
                    S::tile(rows, width, &tile);
                }
            }
        }
        block += width;
    }
}

/// One register tile: `MR` rows of `NV` registers. Rows lie `RS` values apart, or as far as the walk says
/// where `RS` is 0.
///
/// # Safety
/// As [`Pairs::tile`].
#[inline(always)]
unsafe fn tile<S: Pairs, W: Integer, const MR: usize, const NV: usize, const RS: usize>(tile: &Tile<W>) {
    let walk = &tile.walk;
    let row_stride = if RS == 0 { walk.row_stride } else { RS };
    let place = |row: usize, v: usize| {
        let at = v * S::LANES;
        at / BLOCK * tile.block_stride + row * BLOCK + at % BLOCK
    };
    // SAFETY: reads follow the walk of `MR` rows and the panel's lines; reads and writes of the output stay
    // in `MR` rows of the panel's blocks, whose places are as wide as a sum.
    unsafe {
        let mut sums = [[S::zero(); NV]; MR];
        if tile.go_on {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(tile.output.add(place(row, v)).cast());
                }
            }
        }
        let mut weights = tile.weights;
        for outer in 0..walk.outer {
            for inner in 0..walk.inner {
                let run = tile.input.add(outer * walk.outer_stride + inner * walk.inner_stride);
                let mut k = 0;
                while k + 4 <= walk.len {
                    for step in [0, 2] {
                        add_pairs::<S, W, MR, NV>(&mut sums, run.add(k + step), row_stride, weights);
                        weights = weights.add(2 * NV * S::LANES);
                    }
                    k += 4;
                }
                if k < walk.len {
                    add_pairs::<S, W, MR, NV>(&mut sums, run.add(k), row_stride, weights);
                    weights = weights.add(2 * NV * S::LANES);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                let to = tile.output.add(place(row, v));
                if tile.units.is_null() {
                    S::store(to.cast(), sum);
                    continue;
                }
                let bias = if tile.bias.is_null() { tile.bias } else { tile.bias.add(v * S::LANES) };
                S::finish(to, sum, tile.units.add(v * S::LANES), bias, tile.relu);
            }
        }
    }
}

/// Adds a pair of products to every sum.
///
/// # Safety
/// `input` has a pair every `row_stride`, `weights` a line of pairs.
#[inline(always)]
unsafe fn add_pairs<S: Pairs, W: Integer, const MR: usize, const NV: usize>(
    sums: &mut [[S::Sums; NV]; MR],
    input: *const i16,
    row_stride: usize,
    weights: *const W,
) {
    // SAFETY: as the caller promises; `weights` are of the width that is asked for.
    unsafe {
        let line: [S::Twos; NV] = std::array::from_fn(|v| {
            let from = weights.add(2 * v * S::LANES);
            if size_of::<W>() == 1 { S::narrow(from.cast()) } else { S::wide(from.cast()) }
        });
        for (row, sums) in sums.iter_mut().enumerate() {
            let pair = S::pair(input.add(row * row_stride));
            for (sum, &weights) in sums.iter_mut().zip(&line) {
                *sum = S::add_products(*sum, pair, weights);
            }
        }
    }
}
