//! The transforms of Winograd's convolution (Lavin and Gray 2016), one per kind of tile.
//!
//! `F(m x m, r x r)` computes an `m x m` tile of a stride-1 convolution with an `r x r` kernel from
//! `(m + r - 1)^2` products per channel: the tile of the input and the kernel are evaluated at
//! `m + r - 1` points, multiplied, and interpolated. The points are 0, ±1, ±2, (±1/2,) infinity.

mod tiles;

use super::band::Band;
use super::simd::{Portable, Simd};
use super::tile::TileKind;
use super::whole::Level;
use super::{BLOCK, Isa};
use std::ops::Range;
use tiles::{F4x3, F4x5, F6x3, Winograd};

impl TileKind {
    /// The row-major `(points, points)` matrix that evaluates the input's values at the points.
    pub(crate) fn input_matrix(self) -> Vec<f64> {
        let n = self.points();
        let mut matrix = vec![0.0; n * n];
        for column in 0..n {
            for (row, value) in self.evaluate_unit(column).into_iter().enumerate().take(n) {
                matrix[row * n + column] = f64::from(value);
            }
        }
        matrix
    }

    /// The points' values of the input that is 1 at place `column` and 0 elsewhere.
    fn evaluate_unit(self, column: usize) -> Vec<f32> {
        let unit = |place: usize| if place == column { [1.0; 8] } else { [0.0; 8] };
        // SAFETY: plain Rust asks for no instruction set.
        unsafe {
            match self {
                Self::F4x3 => F4x3::input::<Portable>(std::array::from_fn(unit)).map(|v| v[0]).to_vec(),
                Self::F6x3 => F6x3::input::<Portable>(std::array::from_fn(unit)).map(|v| v[0]).to_vec(),
                Self::F4x5 => F4x5::input::<Portable>(std::array::from_fn(unit)).map(|v| v[0]).to_vec(),
            }
        }
    }
}

/// Tiles of one image: all columns of some rows of tiles.
#[derive(Debug, Clone)]
pub(crate) struct TileRows {
    /// Cells of a column and a row of the input.
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Zeros around the input.
    pub(crate) padding: usize,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: usize,
}

impl TileRows {
    pub(crate) fn count(&self) -> usize {
        self.rows.len() * self.columns
    }
}

/// Evaluates one block of channels of one image at the points: `plane` is `(h, w, 16)`; point `p` of tile
/// `t` goes to plane `p` of `points`, at `at + 16 * t`.
///
/// With `levels`, one for each point, the values are rounded to whole numbers of 16 bits: each place of
/// `points` then holds two of them, and `at` counts them.
///
/// # Panics
/// If a slice is shorter than the tiles demand.
pub(crate) fn input_transform(
    isa: Isa,
    kind: TileKind,
    plane: &[f32],
    tiles: &TileRows,
    levels: Option<&[Level]>,
    points: &mut Band<'_>,
    at: usize,
) {
    let width = if levels.is_some() { 2 } else { 1 };
    let num_points = kind.points() * kind.points();
    assert!(plane.len() >= tiles.height * tiles.width * BLOCK, "a whole plane");
    assert!(points.planes() >= num_points, "a plane for every point");
    assert!(points.len() * width >= at + tiles.count() * BLOCK, "room for every tile");
    assert!(levels.is_none_or(|levels| levels.len() >= num_points), "a level for every point");
    let args = Input {
        plane: plane.as_ptr(),
        tiles,
        levels,
        out: points.as_mut_ptr(0),
        stride: points.stride(),
        at,
    };
    // SAFETY: an `Isa` exists only where the processor has its instructions; the asserts above are what the
    // transforms demand.
    unsafe { run_input(isa, kind, &args) }
}

/// Where the tiles of an output go, and what is done to them on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TileOutput<'a> {
    /// Of the output before pooling: its side lengths.
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// The bias of the block's channels.
    pub(crate) bias: &'a [f32; BLOCK],
    pub(crate) relu: bool,
    /// Whether windows of 2 x 2 cells are replaced by their largest value.
    pub(crate) pool: bool,
}

/// Interpolates one block of channels of one image: point `p` of tile `t` is read at
/// `p * stride + at + 16 * t` of `products`; `plane` receives the cells of the rows of tiles, from the
/// first of these rows on.
///
/// # Panics
/// If a slice is shorter than the tiles demand.
pub(crate) fn output_transform(
    isa: Isa,
    kind: TileKind,
    products: &[f32],
    (stride, at): (usize, usize),
    tiles: &TileRows,
    target: &TileOutput<'_>,
    plane: &mut [f32],
) {
    let points = kind.points() * kind.points();
    assert!(products.len() >= (points - 1) * stride + at + tiles.count() * BLOCK, "every product");
    let pool = if target.pool { 2 } else { 1 };
    let first = tiles.rows.start * kind.side() / pool;
    let end = (tiles.rows.end * kind.side()).min(target.height) / pool;
    let (rows, width) = (end.saturating_sub(first), target.width / pool);
    assert!(plane.len() >= rows * width * BLOCK, "room for the rows");
    let args = Output {
        products: products.as_ptr(),
        stride,
        at,
        tiles,
        target,
        rows,
        width,
        plane: plane.as_mut_ptr(),
    };
    // SAFETY: an `Isa` exists only where the processor has its instructions; the asserts above are what the
    // transforms demand.
    unsafe { run_output(isa, kind, &args) }
}

struct Input<'a> {
    plane: *const f32,
    tiles: &'a TileRows,
    levels: Option<&'a [Level]>,
    out: *mut f32,
    stride: usize,
    at: usize,
}

struct Output<'a> {
    products: *const f32,
    stride: usize,
    at: usize,
    tiles: &'a TileRows,
    target: &'a TileOutput<'a>,
    /// Rows and columns that are written.
    rows: usize,
    width: usize,
    plane: *mut f32,
}

on_every_set!(unsafe fn run_input = transform_input(kind: TileKind, args: &Input<'_>));
on_every_set!(unsafe fn run_output = transform_output(kind: TileKind, args: &Output<'_>));

#[inline(always)]
unsafe fn transform_input<S: Simd>(kind: TileKind, args: &Input<'_>) {
    // SAFETY: as the caller promises.
    unsafe {
        match kind {
            TileKind::F4x3 => input_tiles::<S, F4x3, 6, 4>(args),
            TileKind::F6x3 => input_tiles::<S, F6x3, 8, 6>(args),
            TileKind::F4x5 => input_tiles::<S, F4x5, 8, 4>(args),
        }
    }
}

#[inline(always)]
unsafe fn transform_output<S: Simd>(kind: TileKind, args: &Output<'_>) {
    // SAFETY: as the caller promises.
    unsafe {
        match kind {
            TileKind::F4x3 => output_tiles::<S, F4x3, 6, 4>(args),
            TileKind::F6x3 => output_tiles::<S, F6x3, 8, 6>(args),
            TileKind::F4x5 => output_tiles::<S, F4x5, 8, 4>(args),
        }
    }
}

/// # Safety
/// The processor has `S`; `args` are as [`input_transform`] checks them.
#[inline(always)]
unsafe fn input_tiles<S: Simd, W: Winograd<N, M>, const N: usize, const M: usize>(args: &Input<'_>) {
    let TileRows { height, width, padding, ref rows, columns } = *args.tiles;
    // The tile with zeros around it, where it hangs over the edge.
    let mut edge: [[[f32; BLOCK]; N]; N];
    let mut tile = 0;
    for row in rows.clone() {
        // Rows of the tile that lie inside the input.
        let top = row * M;
        let inside_y = padding.saturating_sub(top).min(N)..(height + padding).saturating_sub(top).min(N);
        for column in 0..columns {
            let left = column * M;
            let inside_x = padding.saturating_sub(left).min(N)..(width + padding).saturating_sub(left).min(N);
            // SAFETY: a tile that lies inside is read from the plane, any other from `edge`, into which its
            // inside rows are copied; every point of the tile has its place in the planes.
            unsafe {
                let (source, stride) = if inside_y.len() == N && inside_x.len() == N {
                    (args.plane.add(((top - padding) * width + left - padding) * BLOCK), width * BLOCK)
                } else {
                    edge = [[[0.0; BLOCK]; N]; N];
                    if !inside_x.is_empty() {
                        let count = inside_x.len() * BLOCK;
                        for y in inside_y.clone() {
                            let cell = (top + y - padding) * width + left + inside_x.start - padding;
                            let to = edge[y][inside_x.start].as_mut_ptr();
                            std::ptr::copy_nonoverlapping(args.plane.add(cell * BLOCK), to, count);
                        }
                    }
                    (edge.as_ptr().cast::<f32>(), N * BLOCK)
                };
                let mut lane = 0;
                while lane < BLOCK {
                    let mut between = [[S::splat(0.0); N]; N];
                    for x in 0..N {
                        let mut line = [S::splat(0.0); N];
                        for (y, value) in line.iter_mut().enumerate() {
                            *value = S::load(source.add(y * stride + x * BLOCK + lane));
                        }
                        let line = W::input::<S>(line);
                        for (between, value) in between.iter_mut().zip(line) {
                            between[x] = value;
                        }
                    }
                    let at = args.at + tile * BLOCK + lane;
                    for (y, line) in between.into_iter().enumerate() {
                        let line = W::input::<S>(line);
                        for (x, value) in line.into_iter().enumerate() {
                            let point = args.out.add((y * N + x) * args.stride);
                            let Some(levels) = args.levels else {
                                S::store(point.add(at), value);
                                continue;
                            };
                            let Level { scale, limit } = *levels.get_unchecked(y * N + x);
                            let (scale, limit) = (S::splat(scale), S::splat(f32::from(limit)));
                            S::store_whole(point.cast::<i16>().add(at), S::mul(value, scale), limit);
                        }
                    }
                    lane += S::LANES;
                }
            }
            tile += 1;
        }
    }
}

/// # Safety
/// The processor has `S`; `args` are as [`output_transform`] checks them.
#[inline(always)]
unsafe fn output_tiles<S: Simd, W: Winograd<N, M>, const N: usize, const M: usize>(args: &Output<'_>) {
    let pool = args.target.pool;
    let step = if pool { M / 2 } else { M };
    let mut tile = 0;
    for row in 0..args.tiles.rows.len() {
        let rows = step.min(args.rows.saturating_sub(row * step));
        for column in 0..args.tiles.columns {
            let columns = step.min(args.width.saturating_sub(column * step));
            let mut lane = 0;
            while lane < BLOCK {
                // SAFETY: every point of the tile is read inside the products, and only the cells that lie
                // inside the output are written.
                unsafe {
                    let from = args.products.add(args.at + tile * BLOCK + lane);
                    let mut between = [[S::splat(0.0); N]; M];
                    for x in 0..N {
                        let mut line = [S::splat(0.0); N];
                        for (y, value) in line.iter_mut().enumerate() {
                            *value = S::load(from.add((y * N + x) * args.stride));
                        }
                        let line = W::output::<S>(line);
                        for (between, value) in between.iter_mut().zip(line) {
                            between[x] = value;
                        }
                    }
                    let bias = S::load(args.target.bias.as_ptr().add(lane));
                    let mut cells = [[S::splat(0.0); M]; M];
                    for (cells, line) in cells.iter_mut().zip(between) {
                        let line = W::output::<S>(line);
                        for (cell, value) in cells.iter_mut().zip(line) {
                            let value = S::add(value, bias);
                            *cell = if args.target.relu { S::max(S::splat(0.0), value) } else { value };
                        }
                    }
                    let corner = (row * step * args.width + column * step) * BLOCK + lane;
                    let to = args.plane.add(corner);
                    for y in 0..rows {
                        for x in 0..columns {
                            let value = if pool {
                                let (top, bottom) = (&cells[2 * y], &cells[2 * y + 1]);
                                S::max_or_nan(
                                    S::max_or_nan(top[2 * x], top[2 * x + 1]),
                                    S::max_or_nan(bottom[2 * x], bottom[2 * x + 1]),
                                )
                            } else {
                                cells[y][x]
                            };
                            S::store(to.add((y * args.width + x) * BLOCK), value);
                        }
                    }
                    lane += S::LANES;
                }
            }
            tile += 1;
        }
    }
}
