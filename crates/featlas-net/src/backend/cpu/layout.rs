//! How activations lie in memory, and the ways in and out.
//!
//! - a *map*: `(n, c / 16, h, w, 16)`, channels that fill the last block up being zero;
//! - a *vector*: `(c / 16, n, 16)`, which is a map whose cells are the images of the batch, so that a fully
//!   connected layer is a 1x1 convolution that reads its weights once a batch;
//! - *planar*: `(n, c, h, w)`, for the network's input alone.

use super::kernels::BLOCK;
use crate::arch::Shape;
use rayon::prelude::*;

/// Blocks of `channels` channels.
pub(crate) fn blocks(channels: usize) -> usize {
    channels.div_ceil(BLOCK)
}

/// Values that an image's map takes.
pub(crate) fn map_len(shape: Shape) -> usize {
    blocks(shape.c) * shape.cells() * BLOCK
}

/// Cells that go between the layouts together: with a block's channels a square, which the innermost cache holds.
const CELLS: usize = 16;

/// Puts one planar image into blocks.
pub(crate) fn to_map(planar: &[f32], shape: Shape, map: &mut [f32]) {
    let cells = shape.cells();
    for (planes, out) in planar.chunks(cells * BLOCK).zip(map.chunks_exact_mut(cells * BLOCK)) {
        if planes.len() < out.len() {
            out.fill(0.0);
        }
        for (square, out) in out.chunks_mut(CELLS * BLOCK).enumerate() {
            for (channel, plane) in planes.chunks_exact(cells).enumerate() {
                for (cell, &value) in out.chunks_exact_mut(BLOCK).zip(&plane[square * CELLS..]) {
                    cell[channel] = value;
                }
            }
        }
    }
}

/// Takes one image out of blocks.
pub(crate) fn from_map(map: &[f32], shape: Shape, planar: &mut [f32]) {
    let cells = shape.cells();
    for (planes, map) in planar.chunks_mut(cells * BLOCK).zip(map.chunks_exact(cells * BLOCK)) {
        for (square, map) in map.chunks(CELLS * BLOCK).enumerate() {
            for (channel, plane) in planes.chunks_exact_mut(cells).enumerate() {
                for (value, cell) in plane[square * CELLS..].iter_mut().zip(map.chunks_exact(BLOCK)) {
                    *value = cell[channel];
                }
            }
        }
    }
}

/// The map of `n` images as a vector of all their blocks, in the order of the map.
pub(crate) fn gather(map: &[f32], n: usize, vector: &mut [f32]) {
    let len = map.len() / n.max(1);
    vector.par_chunks_exact_mut(n * BLOCK).enumerate().for_each(|(block, out)| {
        for (image, out) in out.chunks_exact_mut(BLOCK).enumerate() {
            out.copy_from_slice(&map[image * len + block * BLOCK..][..BLOCK]);
        }
    });
}

/// The opposite of [`gather`].
pub(crate) fn scatter(vector: &[f32], n: usize, map: &mut [f32]) {
    let len = map.len() / n.max(1);
    map.par_chunks_exact_mut(len).enumerate().for_each(|(image, map)| {
        for (block, out) in map.chunks_exact_mut(BLOCK).enumerate() {
            out.copy_from_slice(&vector[(block * n + image) * BLOCK..][..BLOCK]);
        }
    });
}

/// The channels of one image of a vector of `n`, in order.
pub(crate) fn from_vector(vector: &[f32], n: usize, image: usize, out: &mut [f32]) {
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        out.copy_from_slice(&vector[(block * n + image) * BLOCK..][..out.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fractions;

    #[test]
    fn every_way_there_leads_back() {
        for (c, h, w) in [(3, 4, 5), (16, 2, 3), (33, 1, 1), (20, 3, 1)] {
            let shape = Shape { c, h, w };
            let n = 3;
            let planar = fractions(n * shape.len(), 1);
            let mut map = vec![9.0; n * map_len(shape)];
            for (planar, map) in planar.chunks(shape.len()).zip(map.chunks_mut(map_len(shape))) {
                to_map(planar, shape, map);
            }
            let padding = blocks(c) * BLOCK - c;
            assert_eq!(map.iter().filter(|&&v| v > 8.0).count(), 0);
            let zeros = planar.iter().filter(|&&v| v == 0.0).count() + n * padding * shape.cells();
            assert_eq!(map.iter().filter(|&&v| v == 0.0).count(), zeros);
            let mut vector = vec![0.0; map.len()];
            gather(&map, n, &mut vector);
            let mut again = vec![0.0; map.len()];
            scatter(&vector, n, &mut again);
            assert_eq!(again, map);
            for (i, planar) in planar.chunks(shape.len()).enumerate() {
                let mut out = vec![0.0; shape.len()];
                from_map(&map[i * map_len(shape)..][..map_len(shape)], shape, &mut out);
                assert_eq!(out, planar);
                if shape.cells() == 1 {
                    from_vector(&vector, n, i, &mut out);
                    assert_eq!(out, planar);
                }
            }
        }
    }
}
