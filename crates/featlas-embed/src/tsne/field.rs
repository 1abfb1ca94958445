//! Repulsion between all points of a map, through a potential on a grid.
//!
//! The repulsion that point `i` feels, `sum_j (y_i - y_j) / (1 + |y_i - y_j|^2)^2`, is `-1/2` of the gradient of the
//! potential `sum_j 1 / (1 + |y - y_j|^2)`, and the potential itself gives the normalizing sum. So one convolution
//! does where FIt-SNE (Linderman et al. 2019) takes several: points are spread over the grid by cubic B-splines, the
//! charges are convolved with the spline-interpolated kernel, and value and gradient are read back through the
//! same splines, as smooth particle-mesh Ewald does it (Essmann et al. 1995).

use super::convolve::{BAND, Convolver};
use super::repulsion::Force;
use crate::lanes::{Wide, dispatch};
use rayon::prelude::*;

/// Grid step where the map is wide; the kernel is smooth at a scale of 1. Measured on 10,000 digits, 750 iterations:
/// steps of 0.7, 0.5 and 0.35 err by 9, 4 and 1 % in the force and end at divergences of 1.81, 1.77 and 1.74.
const STEP: f64 = 0.35;
/// Fewest steps across the map: narrow maps get a finer grid.
const FEWEST_STEPS: f64 = 48.0;
/// Narrow grids come in steps of this factor, so that the kernel is not renewed at every iteration.
const STEP_LADDER: f64 = 1.25;
/// Nodes around the map: those that the splines of the outermost points reach, and room for the tails of the
/// interpolated kernel, which fall by a factor of 3.7 a node.
const MARGIN: usize = 10;
/// Most nodes a side: a convolution of `(2 * 4096)^2` takes about a second.
const MOST_NODES: usize = 4096;
/// Points of one task.
const CHUNK: usize = 512;

/// Evaluates the repulsion; keeps the grid and its transforms between calls.
pub(crate) struct Field {
    convolver: Convolver,
    // What the kernel was last set for: step and distance at which it is zero.
    kernel: Option<(f64, f64)>,
    grid: Vec<f32>,
    nodes: Vec<Node>,
    order: Vec<u32>,
    starts: Vec<u32>,
}

/// Where a point lies: the grid cell, and the place in it.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    column: u32,
    row: u32,
    x: f32,
    y: f32,
}

/// A square grid around a map.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Layout {
    step: f64,
    side: usize,
    origin: [f64; 2],
}

impl Layout {
    /// The grid for points within `low..high`. Depends on nothing else, so a run that was resumed goes on as it was.
    fn new(low: [f32; 2], high: [f32; 2]) -> Self {
        let width = |axis: usize| f64::from(high[axis]) - f64::from(low[axis]);
        let span = width(0).max(width(1)).max(1e-12);
        let rung = (span / FEWEST_STEPS / STEP).log(STEP_LADDER).ceil();
        let narrow = STEP * STEP_LADDER.powf(rung);
        // A map too wide for the largest grid gets a coarser one.
        let step = narrow.min(STEP).max(span / (MOST_NODES - 2 * MARGIN) as f64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the step")]
        let side = smooth((span / step).ceil() as usize + 2 * MARGIN);
        let corner = |axis: usize| {
            f64::midpoint(f64::from(low[axis]), f64::from(high[axis])) - 0.5 * side as f64 * step
        };
        Self { step, side, origin: [corner(0), corner(1)] }
    }

    fn node(&self, point: [f32; 2]) -> Node {
        let place = |axis: usize| (f64::from(point[axis]) - self.origin[axis]) / self.step;
        let (x, y) = (place(0), place(1));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the grid surrounds the map by a margin"
        )]
        let node =
            Node { column: x as u32, row: y as u32, x: (x - x.floor()) as f32, y: (y - y.floor()) as f32 };
        node
    }
}

/// The least number of nodes from `least` on whose double transforms fast, in whole bands.
fn smooth(least: usize) -> usize {
    let good = |bands: usize| {
        let mut rest = bands;
        for factor in [2, 3, 5] {
            while rest.is_multiple_of(factor) {
                rest /= factor;
            }
        }
        rest == 1
    };
    let mut bands = least.div_ceil(BAND).max(1);
    while !good(bands) {
        bands += 1;
    }
    bands * BAND
}

/// Weights of the four nodes around a place `t` of a cell, and their derivatives.
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
#[inline(always)]
fn spline(t: f32) -> ([f32; 4], [f32; 4]) {
    let s = 1.0 - t;
    let value = [
        s * s * s / 6.0,
        2.0 / 3.0 - t * t * (1.0 - 0.5 * t),
        2.0 / 3.0 - s * s * (1.0 - 0.5 * s),
        t * t * t / 6.0,
    ];
    let slope = [-0.5 * s * s, t * (1.5 * t - 2.0), s * (2.0 - 1.5 * s), 0.5 * t * t];
    (value, slope)
}

impl Field {
    pub(crate) fn new() -> Self {
        Self {
            convolver: Convolver::new(BAND),
            kernel: None,
            grid: Vec::new(),
            nodes: Vec::new(),
            order: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// Writes the repulsion on every point, not yet normalized, and returns the normalizing sum over ordered
    /// pairs of different points.
    pub(crate) fn evaluate(&mut self, points: &[[f32; 2]], out: &mut [Force]) -> f64 {
        let (low, high) = bounds(points);
        let layout = Layout::new(low, high);
        let zero = self.prepare(layout);
        self.sort(points, layout);
        let (nodes, order, starts) = (&self.nodes, &self.order, &self.starts);
        self.convolver.run(&mut self.grid, |first, band| {
            let last = first + BAND;
            // A point reaches from the row before its own to the second after.
            let from = starts[first.saturating_sub(2)] as usize;
            let to = starts[(last + 1).min(starts.len() - 1)] as usize;
            dispatch(Spread { nodes, order: &order[from..to], first, side: layout.side, band });
        });
        let grid = &self.grid;
        #[expect(clippy::cast_possible_truncation, reason = "forces are f32")]
        let slope = (-0.5 / layout.step) as f32;
        let sums: Vec<f64> = out
            .par_chunks_mut(CHUNK)
            .zip(nodes.par_chunks(CHUNK))
            .map(|(out, nodes)| dispatch(Gather { nodes, grid, side: layout.side, slope, out }))
            .collect();
        let n = points.len() as f64;
        sums.iter().sum::<f64>() + n * n * zero - n
    }

    /// Makes the grid and the kernel ready; returns what the kernel was lowered by.
    fn prepare(&mut self, layout: Layout) -> f64 {
        let Layout { step, side, .. } = layout;
        if self.convolver.side() != side {
            self.convolver = Convolver::new(side);
            self.kernel = None;
            self.grid.clear();
            self.grid.resize(side * side, 0.0);
        }
        // Lowered by its value at the far side of the grid: a narrow map then has small potentials, whose
        // differences survive in f32.
        let far = side as f64 * step;
        if self.kernel != Some((step, far)) {
            let wide = 2 * side;
            let value = |dx: usize, dy: usize| {
                let squared = (dx * dx + dy * dy) as f64 * step * step;
                (far * far - squared) / ((1.0 + squared) * (1.0 + far * far))
            };
            // The spline's own transform, once for spreading and once for reading back.
            let spline = |f: usize| (2.0 + (std::f64::consts::TAU * f as f64 / wide as f64).cos()) / 3.0;
            self.convolver.set_kernel(value, |f| spline(f).powi(-2));
            self.kernel = Some((step, far));
        }
        1.0 / (1.0 + far * far)
    }

    /// Places the points on the grid and sorts them by row.
    fn sort(&mut self, points: &[[f32; 2]], layout: Layout) {
        self.nodes.resize(points.len(), Node::default());
        self.nodes.par_chunks_mut(CHUNK).zip(points.par_chunks(CHUNK)).for_each(|(nodes, points)| {
            nodes.iter_mut().zip(points).for_each(|(node, &point)| *node = layout.node(point));
        });
        self.starts.clear();
        self.starts.resize(layout.side + 1, 0);
        self.order.resize(points.len(), 0);
        self.nodes.iter().for_each(|node| self.starts[node.row as usize + 1] += 1);
        (0..layout.side).for_each(|row| self.starts[row + 1] += self.starts[row]);
        let mut next = self.starts.clone();
        for (point, node) in (0_u32..).zip(&self.nodes) {
            let at = &mut next[node.row as usize];
            self.order[*at as usize] = point;
            *at += 1;
        }
    }
}

fn bounds(points: &[[f32; 2]]) -> ([f32; 2], [f32; 2]) {
    points.iter().fold(([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]), |(low, high), point| {
        ([low[0].min(point[0]), low[1].min(point[1])], [high[0].max(point[0]), high[1].max(point[1])])
    })
}

/// Spreads charges over the rows of one band.
struct Spread<'a> {
    nodes: &'a [Node],
    order: &'a [u32],
    first: usize,
    side: usize,
    band: &'a mut [f32],
}

impl Wide for Spread<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
    #[inline(always)]
    fn run(self) {
        self.band.fill(0.0);
        for &point in self.order {
            let node = self.nodes[point as usize];
            let (x, _) = spline(node.x);
            let (y, _) = spline(node.y);
            let column = node.column as usize - 1;
            for (row, weight) in (node.row as usize - 1..).zip(y) {
                let Some(row) = row.checked_sub(self.first).filter(|&row| row < BAND) else { continue };
                let at = row * self.side + column;
                for (cell, x) in self.band[at..at + 4].iter_mut().zip(x) {
                    *cell += weight * x;
                }
            }
        }
    }
}

/// Reads potential and force back; returns the sum of the potentials.
struct Gather<'a> {
    nodes: &'a [Node],
    grid: &'a [f32],
    side: usize,
    slope: f32,
    out: &'a mut [Force],
}

impl Wide for Gather<'_> {
    type Output = f64;

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
    #[inline(always)]
    fn run(self) -> f64 {
        let mut sum = 0.0;
        for (node, out) in self.nodes.iter().zip(self.out) {
            let (x, dx) = spline(node.x);
            let (y, dy) = spline(node.y);
            let first = (node.row as usize - 1) * self.side + node.column as usize - 1;
            let (mut potential, mut along_x, mut along_y) = (0.0, 0.0, 0.0);
            for row in 0..4 {
                let at = first + row * self.side;
                let cells = &self.grid[at..at + 4];
                let mut value = 0.0;
                let mut slope = 0.0;
                for column in 0..4 {
                    value += x[column] * cells[column];
                    slope += dx[column] * cells[column];
                }
                potential += y[row] * value;
                along_x += y[row] * slope;
                along_y += dy[row] * value;
            }
            *out = [self.slope * along_x, self.slope * along_y];
            sum += f64::from(potential);
        }
        sum
    }
}

#[cfg(test)]
mod tests;
