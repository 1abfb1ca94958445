//! Gradient descent with momentum and gains (Jacobs 1988), as t-SNE uses it.

use super::repulsion::{Force, Repulsion};
use crate::affinity::Affinities;
use crate::lanes::{Wide, dispatch};
use rayon::prelude::*;

/// Points of one task.
const CHUNK: usize = 128;
/// Neighbors whose pulls are computed side by side.
const PULLS: usize = 8;
/// Least gain of a coordinate.
const LEAST_GAIN: f32 = 0.01;

/// How one iteration moves the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    /// Attraction is multiplied by this.
    pub(crate) exaggeration: f32,
    /// Length of a step, a unit of gradient.
    pub(crate) rate: f32,
    /// Share of the last movement that goes on.
    pub(crate) momentum: f32,
    /// No point moves farther at once.
    pub(crate) longest: f32,
}

/// A point on the way: where it is, how it moved last, and the gains of its coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moving {
    pub(crate) velocity: [f32; 2],
    pub(crate) gains: [f32; 2],
}

impl Moving {
    /// At rest.
    pub(crate) const REST: Self = Self { velocity: [0.0; 2], gains: [1.0; 2] };
}

/// A map under way.
pub(crate) struct Descent<'a> {
    affinities: &'a Affinities,
    repulsion: Repulsion,
    points: Vec<[f32; 2]>,
    moving: Vec<Moving>,
    next: Vec<[f32; 2]>,
    forces: Vec<Force>,
    normalizer: f64,
}

impl<'a> Descent<'a> {
    /// Points where they start, with the motion they have.
    pub(crate) fn new(affinities: &'a Affinities, points: Vec<[f32; 2]>, moving: Vec<Moving>) -> Self {
        let n = points.len();
        let (next, forces) = (points.clone(), vec![[0.0; 2]; n]);
        Self { affinities, repulsion: Repulsion::of(n), points, moving, next, forces, normalizer: 1.0 }
    }

    pub(crate) fn points(&self) -> &[[f32; 2]] {
        &self.points
    }

    pub(crate) fn moving(&self) -> &[Moving] {
        &self.moving
    }

    /// One iteration. `leash` pulls points back to their places, if any.
    pub(crate) fn step(&mut self, step: Step, leash: Option<&Leash<'_>>) {
        self.normalizer = self.repulsion.evaluate(&self.points, &mut self.forces);
        #[expect(clippy::cast_possible_truncation, reason = "forces are f32")]
        let share = (1.0 / self.normalizer.max(f64::MIN_POSITIVE)) as f32;
        let (points, affinities) = (&self.points, self.affinities);
        let moved = self.next.par_chunks_mut(CHUNK).zip(self.moving.par_chunks_mut(CHUNK));
        moved.zip(self.forces.par_chunks(CHUNK)).enumerate().for_each(|(chunk, ((next, moving), forces))| {
            let first = chunk * CHUNK;
            dispatch(Move { affinities, points, first, forces, share, step, leash, next, moving });
        });
        std::mem::swap(&mut self.points, &mut self.next);
    }

    /// The divergence from the affinities, with the normalizing sum of the last iteration's start.
    pub(crate) fn divergence(&mut self, negative_entropy: f64) -> f64 {
        self.normalizer = self.repulsion.evaluate(&self.points, &mut self.forces);
        negative_entropy + cross_entropy(self.affinities, &self.points) + self.normalizer.ln()
    }

    pub(crate) fn into_points(self) -> Vec<[f32; 2]> {
        self.points
    }
}

/// `sum p ln(1 + |y_i - y_j|^2)` over ordered pairs.
pub(crate) fn cross_entropy(affinities: &Affinities, points: &[[f32; 2]]) -> f64 {
    let chunks: Vec<f64> = points
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(chunk, points_here)| {
            let mut sum = 0.0;
            for (at, point) in points_here.iter().enumerate() {
                let (columns, values) = affinities.row(chunk * CHUNK + at);
                for (&j, &p) in columns.iter().zip(values) {
                    let other = points[j as usize];
                    let (dx, dy) = (f64::from(point[0] - other[0]), f64::from(point[1] - other[1]));
                    sum += f64::from(p) * (dx * dx + dy * dy).ln_1p();
                }
            }
            sum
        })
        .collect();
    chunks.iter().sum()
}

/// Places that points are held at by springs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leash<'a> {
    /// The place of each point, and the strength of its spring, in units of the gradient a unit of length; a
    /// point on an infinitely strong one does not move.
    pub(crate) places: &'a [([f32; 2], f32)],
}

/// Moves the points of one chunk.
struct Move<'a> {
    affinities: &'a Affinities,
    points: &'a [[f32; 2]],
    first: usize,
    forces: &'a [Force],
    share: f32,
    step: Step,
    leash: Option<&'a Leash<'a>>,
    next: &'a mut [[f32; 2]],
    moving: &'a mut [Moving],
}

impl Wide for Move<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
    #[inline(always)]
    fn run(self) {
        let Self { affinities, points, first, forces, share, step, leash, next, moving } = self;
        for (at, (next, moving)) in next.iter_mut().zip(moving).enumerate() {
            let i = first + at;
            let point = points[i];
            let held = leash.map(|leash| leash.places[i]);
            if held.is_some_and(|(_, strength)| strength == f32::INFINITY) {
                *next = point;
                continue;
            }
            let (columns, pulls) = affinities.pulls(i);
            let pull = pull(point, columns, pulls, points);
            let mut gradient = [0.0; 2];
            for axis in 0..2 {
                gradient[axis] = step.exaggeration * pull[axis] - share * forces[at][axis];
            }
            if let Some((place, strength)) = held {
                for axis in 0..2 {
                    gradient[axis] += strength * (point[axis] - place[axis]);
                }
            }
            *next = moved(point, gradient, step, moving);
        }
    }
}

/// `sum_j p_ij (y_i - y_j) / (1 + |y_i - y_j|^2)`.
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
#[inline(always)]
fn pull(point: [f32; 2], columns: &[u32], values: &[f32], points: &[[f32; 2]]) -> [f32; 2] {
    let (mut sum_x, mut sum_y) = ([0.0_f32; PULLS], [0.0_f32; PULLS]);
    let (column_blocks, column_rest) = columns.as_chunks::<PULLS>();
    let (value_blocks, value_rest) = values.as_chunks::<PULLS>();
    for (columns, values) in column_blocks.iter().zip(value_blocks) {
        let (mut x, mut y) = ([0.0_f32; PULLS], [0.0_f32; PULLS]);
        for lane in 0..PULLS {
            [x[lane], y[lane]] = points[columns[lane] as usize];
        }
        for lane in 0..PULLS {
            let (dx, dy) = (point[0] - x[lane], point[1] - y[lane]);
            let weight = values[lane] / (1.0 + dx * dx + dy * dy);
            sum_x[lane] += weight * dx;
            sum_y[lane] += weight * dy;
        }
    }
    let (mut total_x, mut total_y) = (sum_x.iter().sum::<f32>(), sum_y.iter().sum::<f32>());
    for (&j, &p) in column_rest.iter().zip(value_rest) {
        let other = points[j as usize];
        let (dx, dy) = (point[0] - other[0], point[1] - other[1]);
        let weight = p / (1.0 + dx * dx + dy * dy);
        total_x += weight * dx;
        total_y += weight * dy;
    }
    [total_x, total_y]
}

/// Where a point goes.
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
#[inline(always)]
fn moved(point: [f32; 2], gradient: [f32; 2], step: Step, moving: &mut Moving) -> [f32; 2] {
    for (slope, (velocity, gain)) in
        gradient.into_iter().zip(moving.velocity.iter_mut().zip(&mut moving.gains))
    {
        // Downhill as before: faster. Past the bottom: slower.
        let onward = *velocity * slope < 0.0;
        *gain = if onward { *gain + 0.2 } else { (*gain * 0.8).max(LEAST_GAIN) };
        *velocity = step.momentum * *velocity - step.rate * *gain * slope;
    }
    let [x, y] = moving.velocity;
    let length = (x * x + y * y).sqrt();
    if length > step.longest {
        let shorten = step.longest / length;
        moving.velocity = [x * shorten, y * shorten];
    }
    [point[0] + moving.velocity[0], point[1] + moving.velocity[1]]
}
