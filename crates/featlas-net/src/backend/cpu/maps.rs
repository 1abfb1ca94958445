//! The layers without weights, and the taps, on maps.
//!
//! Everything is parallel over images or planes; no result depends on the number of threads, because no
//! sum is split.

use super::conv::Pool;
use super::kernels::{BLOCK, Isa, max_pool};
use super::layout::{blocks, map_len};
use crate::arch::Shape;
use crate::backend::ops::Lrn;
use crate::geometry::adaptive_range;
use rayon::prelude::*;

/// The channels of one block.
type Lanes = [f32; BLOCK];

fn cells(plane: &[f32]) -> &[Lanes] {
    plane.as_chunks().0
}

fn cells_mut(plane: &mut [f32]) -> &mut [Lanes] {
    plane.as_chunks_mut().0
}

fn add(sum: &mut Lanes, values: &Lanes) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}

/// Pools every plane.
pub(crate) fn pool(isa: Isa, map: &[f32], shape: Shape, pool: Pool, out: &mut [f32]) {
    let planes = out.par_chunks_exact_mut(pool.output.cells() * BLOCK);
    planes.zip(map.par_chunks_exact(shape.cells() * BLOCK)).for_each(|(out, plane)| {
        max_pool(isa, plane, (shape.h, shape.w), pool.window, out, (pool.output.h, pool.output.w));
    });
}

/// Means over windows that cover each plane with `side` x `side` cells (PyTorch's adaptive pooling).
pub(crate) fn adaptive_avg_pool(map: &[f32], shape: Shape, side: usize, out: &mut [f32]) {
    let planes = out.par_chunks_exact_mut(side * side * BLOCK);
    planes.zip(map.par_chunks_exact(shape.cells() * BLOCK)).for_each(|(out, plane)| {
        let plane = cells(plane);
        for (cell, mean) in cells_mut(out).iter_mut().enumerate() {
            let rows = adaptive_range(cell / side, shape.h, side);
            let columns = adaptive_range(cell % side, shape.w, side);
            let count = (rows.len() * columns.len()) as f32;
            *mean = [0.0; BLOCK];
            for y in rows {
                let mut row = [0.0; BLOCK];
                for cell in &plane[y * shape.w..][columns.clone()] {
                    add(&mut row, cell);
                }
                add(mean, &row);
            }
            *mean = mean.map(|value| value / count);
        }
    });
}

/// The mean of every channel of one image, in order.
pub(crate) fn means(map: &[f32], shape: Shape, out: &mut [f32]) {
    for (plane, out) in map.chunks_exact(shape.cells() * BLOCK).zip(out.chunks_mut(BLOCK)) {
        let mut sum = [0.0; BLOCK];
        for row in cells(plane).chunks_exact(shape.w) {
            let mut row_sum = [0.0; BLOCK];
            for cell in row {
                add(&mut row_sum, cell);
            }
            add(&mut sum, &row_sum);
        }
        for (out, sum) in out.iter_mut().zip(sum) {
            *out = sum / shape.cells() as f32;
        }
    }
}

/// `max(x, 0)` of every value; NaN stays NaN.
pub(crate) fn relu(values: &[f32], out: &mut [f32]) {
    const CHUNK: usize = 1 << 14;
    out.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(out, values)| {
        for (out, &value) in out.iter_mut().zip(values) {
            *out = if value < 0.0 { 0.0 } else { value };
        }
    });
}

/// Local response normalization across channels, as [`crate::backend::ops::lrn`].
pub(crate) fn lrn(map: &[f32], shape: Shape, constants: Lrn, out: &mut [f32]) {
    let Lrn { size, alpha, beta, k } = constants;
    let (plane, len) = (shape.cells() * BLOCK, map_len(shape));
    // Of an even size the extra channel lies before, as PyTorch pads.
    let (before, behind) = (size / 2, size.div_ceil(2));
    let normalize = |value: f32, sum: f32| {
        let base = k + alpha / size as f32 * sum;
        // The exponent of every published network, without a call for each value.
        if beta.to_bits() == 0.75_f32.to_bits() {
            value / (base.sqrt() * base.sqrt().sqrt())
        } else {
            value / base.powf(beta)
        }
    };
    out.par_chunks_exact_mut(plane).enumerate().for_each(|(index, out)| {
        let (image, block) = (index / blocks(shape.c), index % blocks(shape.c));
        let image = &map[image * len..][..len];
        let at =
            |channel: usize, cell: usize| image[channel / BLOCK * plane + cell * BLOCK + channel % BLOCK];
        for (cell, out) in cells_mut(out).iter_mut().enumerate() {
            *out = [0.0; BLOCK];
            for (channel, out) in (block * BLOCK..shape.c).zip(out) {
                let window = channel.saturating_sub(before)..(channel + behind).min(shape.c);
                let sum: f32 = window.map(|other| at(other, cell) * at(other, cell)).sum();
                *out = normalize(at(channel, cell), sum);
            }
        }
    });
}

/// Copies the channels of every image to channels `first..` of a map of `channels` channels.
pub(crate) fn copy_channels(map: &[f32], shape: Shape, out: &mut [f32], channels: usize, first: usize) {
    let plane = shape.cells() * BLOCK;
    let (len, out_len) = (map_len(shape), blocks(channels) * plane);
    out.par_chunks_exact_mut(out_len).zip(map.par_chunks_exact(len)).for_each(|(out, map)| {
        if first.is_multiple_of(BLOCK) {
            out[first / BLOCK * plane..][..len].copy_from_slice(map);
            return;
        }
        for channel in 0..shape.c {
            let (from, to) = (channel, first + channel);
            let from = cells(&map[from / BLOCK * plane..][..plane]).iter().map(|cell| cell[from % BLOCK]);
            let cells = cells_mut(&mut out[to / BLOCK * plane..][..plane]);
            // The first channel of a block clears what fills the block up.
            let fresh = to.is_multiple_of(BLOCK);
            for (cell, value) in cells.iter_mut().zip(from) {
                if fresh {
                    *cell = [0.0; BLOCK];
                }
                cell[to % BLOCK] = value;
            }
        }
    });
}

/// The channels of an image's map, flattened as PyTorch does, as the channels of a map of one cell.
pub(crate) fn flatten(map: &[f32], shape: Shape, out: &mut [f32]) {
    let (cells, len, out_len) = (shape.cells(), map_len(shape), blocks(shape.len()) * BLOCK);
    out.par_chunks_exact_mut(out_len).zip(map.par_chunks_exact(len)).for_each(|(out, map)| {
        out.fill(0.0);
        super::layout::from_map(map, shape, &mut out[..shape.c * cells]);
    });
}

/// The largest value of every channel of one image and the first cell that has it; NaN counts as largest.
pub(crate) fn channel_maxima(map: &[f32], shape: Shape, max: &mut [f32], argmax: &mut [u16]) {
    let planes = map.par_chunks_exact(shape.cells() * BLOCK);
    planes.zip(max.par_chunks_mut(BLOCK)).zip(argmax.par_chunks_mut(BLOCK)).for_each(
        |((plane, max), argmax)| {
            let mut best = [f32::NEG_INFINITY; BLOCK];
            let mut at = [0_u32; BLOCK];
            for (number, cell) in (0_u32..).zip(cells(plane)) {
                for lane in 0..BLOCK {
                    // Choices, not branches, so that all lanes are compared at once.
                    let larger = (cell[lane] > best[lane]) | (cell[lane].is_nan() & !best[lane].is_nan());
                    best[lane] = if larger { cell[lane] } else { best[lane] };
                    at[lane] = if larger { number } else { at[lane] };
                }
            }
            max.copy_from_slice(&best[..max.len()]);
            for (argmax, at) in argmax.iter_mut().zip(at) {
                *argmax = u16::try_from(at).expect("resolve_taps() bounds the cells");
            }
        },
    );
}
