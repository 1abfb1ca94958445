//! From kernels to their values at the points of the tiles, in panels.

use super::super::conv::Kernels;
use super::super::direct::LARGEST_WEIGHT;
use super::super::kernels::{
    Aligned, BLOCK, Cut, Integers, Isa, Level, TileKind, bands, integers_mut, pack_integers, pack_panels,
};
use super::super::layout::blocks;
use super::super::ranges::Range as ValueRange;
use super::Whole;
use rayon::prelude::*;

/// Packs the panels of each point and part; with a range of the input, as integers, and says how.
pub(super) fn pack(
    isa: Isa,
    kind: TileKind,
    kernels: Kernels<'_>,
    range: Option<ValueRange>,
) -> (Aligned, Option<Whole>) {
    let geometry = kernels.geometry;
    let points = kind.points() * kind.points();
    let parts = geometry.parts();
    let (depth, channels) = (blocks(geometry.input.c / parts) * BLOCK, geometry.out_channels / parts);
    let part_len = blocks(channels) * BLOCK * depth;
    let matrix = kind.kernel_matrix();
    let width = if range.is_some() { 2 } else { 1 };
    let mut weights = Aligned::zeros(points * parts * part_len / width);
    let integers = Integers::of(isa);
    let mut scales = vec![None; points * parts];
    // Evaluated channel by channel into one line per point, then packed point by point.
    for part in 0..parts {
        let mut evaluated = vec![0.0_f32; points * channels * depth];
        let lines = Cut { planes: points, plane_len: channels * depth, images: 1, band_len: depth };
        bands(&mut evaluated, lines).for_each(|(place, mut band)| {
            for input in 0..depth {
                let Some(kernel) = kernels.kernel(part, place.band, input) else { continue };
                evaluate(&matrix, kind, kernel, |point, value| band.plane(point)[input] = value);
            }
        });
        let panels = weights.par_chunks_exact_mut(part_len / width).zip(&mut scales).enumerate();
        panels.filter(|(index, _)| index % parts == part).for_each(|(index, (panels, scales))| {
            let values = &evaluated[index / parts * channels * depth..];
            let weight = |channel: usize, k: usize| values[channel * depth + k];
            if range.is_some() {
                let panels = integers_mut::<i16>(panels);
                *scales = Some(pack_integers(integers, (channels, depth), LARGEST_WEIGHT, panels, weight));
            } else {
                pack_panels(isa, channels, depth, panels, weight);
            }
        });
    }
    let whole = range.map(|range| {
        let scales: Vec<_> = scales.into_iter().flatten().collect();
        let levels =
            scales.chunks_exact(parts).zip(reach_at_points(kind, range.widened())).map(|(scales, reach)| {
                let limit = scales.iter().map(|scales| scales.limit).min().unwrap_or(i16::MAX);
                Level::new(reach, limit)
            });
        let levels: Vec<Level> = levels.collect();
        let units = scales.iter().enumerate().flat_map(|(index, scales)| {
            let of_level = levels[index / parts].unit();
            scales.units.iter().map(move |unit| unit * of_level)
        });
        Whole { integers, units: units.collect(), levels }
    });
    (weights, whole)
}

/// How far from 0 values get at each point, if those of the input lie in `range`.
fn reach_at_points(kind: TileKind, range: ValueRange) -> impl Iterator<Item = f32> {
    let (matrix, n) = (kind.input_matrix(), kind.points());
    let extreme = move |row: usize, column: usize, sign: f64| -> f64 {
        let pairs = (0..n).flat_map(|y| (0..n).map(move |x| (y, x)));
        pairs
            .map(|(y, x)| sign * matrix[row * n + y] * matrix[column * n + x])
            .map(|factor| (factor * f64::from(range.low)).max(factor * f64::from(range.high)))
            .sum()
    };
    (0..n * n).map(move |point| {
        let (row, column) = (point / n, point % n);
        #[expect(clippy::cast_possible_truncation, reason = "a scale needs no more digits")]
        let reach = extreme(row, column, 1.0).max(extreme(row, column, -1.0)) as f32;
        reach
    })
}

/// `G g G^T` in f64: the kernel at every point.
fn evaluate(matrix: &[f64], kind: TileKind, kernel: &[f32], mut keep: impl FnMut(usize, f32)) {
    let (n, r) = (kind.points(), kind.kernel());
    // Five columns at most.
    let mut half = [[0.0_f64; 5]; 8];
    for (half, row) in half.iter_mut().zip(matrix.chunks_exact(r)) {
        for (x, value) in half.iter_mut().enumerate().take(r) {
            *value = row.iter().enumerate().map(|(y, g)| g * f64::from(kernel[y * r + x])).sum();
        }
    }
    for (y, half) in half.iter().enumerate().take(n) {
        for (x, row) in matrix.chunks_exact(r).enumerate() {
            let value: f64 = row.iter().zip(half).map(|(g, h)| g * h).sum();
            #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
            keep(y * n + x, value as f32);
        }
    }
}
