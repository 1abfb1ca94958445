//! Repulsion between all points of a map: exact where they are few, by the potential of a grid where they are many.

use super::field::Field;
use crate::lanes::{LANES, Wide, dispatch};
use rayon::prelude::*;

/// Most points that are compared pair by pair. Few points drift far apart, and the grid grows with the area.
pub(crate) const MOST_EXACT: usize = 1500;
/// Points of one task.
const CHUNK: usize = 32;

/// What pushes a point, not yet normalized: `sum_j (y_i - y_j) / (1 + |y_i - y_j|^2)^2`.
pub(crate) type Force = [f32; 2];

/// Evaluates the repulsion on every point of a map.
pub(crate) enum Repulsion {
    /// Pair by pair.
    Exact,
    /// Through a grid.
    Grid(Box<Field>),
}

impl Repulsion {
    /// The way that suits `n` points.
    pub(crate) fn of(n: usize) -> Self {
        if n <= MOST_EXACT { Self::Exact } else { Self::Grid(Box::new(Field::new())) }
    }

    /// Writes the forces and returns `sum_{i != j} 1 / (1 + |y_i - y_j|^2)`, by which they are to be divided.
    pub(crate) fn evaluate(&mut self, points: &[[f32; 2]], forces: &mut [Force]) -> f64 {
        match self {
            Self::Exact => exact(points, forces),
            Self::Grid(field) => field.evaluate(points, forces),
        }
    }
}

/// The forces and the normalizing sum, pair by pair.
pub(crate) fn exact(points: &[[f32; 2]], forces: &mut [Force]) -> f64 {
    let plane = Plane::new(points);
    let chunks = forces.par_chunks_mut(CHUNK).zip(points.par_chunks(CHUNK));
    let sums: Vec<f64> = chunks
        .map(|(forces, points)| {
            let pushed = forces.iter_mut().zip(points);
            pushed.map(|(force, &point)| dispatch(Push { plane: &plane, point, force })).sum()
        })
        .collect();
    // Every point met itself, too, at a distance of zero and without force.
    sums.iter().sum::<f64>() - points.len() as f64
}

/// The normalizing sum alone, pair by pair, over ordered pairs of different points.
pub(crate) fn normalizer(points: &[[f32; 2]]) -> f64 {
    exact(points, &mut vec![[0.0; 2]; points.len()])
}

/// The points axis by axis, filled up to whole lanes with points so far away that they push nobody.
struct Plane {
    x: Vec<f32>,
    y: Vec<f32>,
}

/// Farther than any map; its square is still finite, and the reciprocal of that is nothing beside 1.
const FAR: f32 = 1e18;

impl Plane {
    fn new(points: &[[f32; 2]]) -> Self {
        let len = points.len().next_multiple_of(LANES);
        let axis = |axis: usize| {
            let mut values: Vec<f32> = points.iter().map(|point| point[axis]).collect();
            values.resize(len, FAR);
            values
        };
        Self { x: axis(0), y: axis(1) }
    }
}

struct Push<'a> {
    plane: &'a Plane,
    point: [f32; 2],
    force: &'a mut Force,
}

impl Wide for Push<'_> {
    type Output = f64;

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
    #[inline(always)]
    fn run(self) -> f64 {
        let (mut total, mut total_x, mut total_y) = (0.0_f64, 0.0_f64, 0.0_f64);
        // Sums of a few thousand terms in f32 and the rest in f64.
        for (x, y) in self.plane.x.chunks(LANES * 128).zip(self.plane.y.chunks(LANES * 128)) {
            let (mut sum, mut along_x, mut along_y) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
            for (x, y) in x.as_chunks::<LANES>().0.iter().zip(y.as_chunks::<LANES>().0) {
                for lane in 0..LANES {
                    let (dx, dy) = (self.point[0] - x[lane], self.point[1] - y[lane]);
                    let near = 1.0 / (1.0 + dx * dx + dy * dy);
                    sum[lane] += near;
                    along_x[lane] += near * near * dx;
                    along_y[lane] += near * near * dy;
                }
            }
            total += f64::from(sum.iter().sum::<f32>());
            total_x += f64::from(along_x.iter().sum::<f32>());
            total_y += f64::from(along_y.iter().sum::<f32>());
        }
        #[expect(clippy::cast_possible_truncation, reason = "forces are f32")]
        let force = [total_x as f32, total_y as f32];
        *self.force = force;
        total
    }
}
