//! New points on an old map: tonight's poster is recognizably last night's.
//!
//! A new point starts at the mean of its placed neighbors, weighted by how they pull; then the new points settle among
//! the old ones, which stay; then all settle, the old ones on a leash to where they were. The old map is close to a
//! minimum of the divergence, so a few new points need little of it to move.

use crate::affinity::Affinities;
use crate::tsne::descent::{Descent, Leash, Moving, Step};
use crate::{EmbedError, NeighborTable, TsneParams, tsne};
use featlas_core::{Progress, Stage};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// One part of the way: whether old points hold still, how many iterations, and how much the attraction is exaggerated.
struct Phase {
    held: bool,
    iterations: usize,
    exaggeration: f32,
}

/// New points first find their neighbors under exaggerated attraction, without which they stay where they were
/// wedged in; then all make room, at first under it, too, so that old points let new ones through.
///
/// Ten nights of two percent of fc7 vectors end 2.4 % above the divergence of a map made anew, with 2.2 % fewer
/// neighbors kept; old points on average 1.5 % of the width from where they were (`examples/bench_nights.rs`).
/// With the old points let go only under twice the attraction and springs of 0.01 it is 3.3, 4.2 and 1.0 %.
const PHASES: [Phase; 5] = [
    Phase { held: true, iterations: 100, exaggeration: 12.0 },
    Phase { held: true, iterations: 100, exaggeration: 4.0 },
    Phase { held: false, iterations: 200, exaggeration: 12.0 },
    Phase { held: false, iterations: 50, exaggeration: 3.0 },
    Phase { held: false, iterations: 200, exaggeration: 1.0 },
];
/// Strength of the springs on old points that are not held, as a share of `1 / n`, the attraction that a point feels in
/// all.
const SPRING: f32 = 0.007;
/// New points start this far apart, as a share of the map's width, where they would coincide.
const JITTER: f32 = 1e-4;

/// A map with new points on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// `(n, 2)` row-major, in the frame of the old map.
    pub map: Vec<f32>,
    /// How far the old points moved on average, as a share of the old map's width.
    pub mean_shift: f64,
    /// How many points are new.
    pub new_points: usize,
    /// The perplexity that was used.
    pub perplexity: f32,
    /// What differs from what was asked, as sentences.
    pub adjustments: Vec<String>,
}

/// Places the points that have no place in `old` among those that have one.
///
/// `old` holds a place for each point that was on the map before; points that are gone are in neither. The same
/// input gives the same bytes. Of `params`, the perplexity, the late exaggeration and the seed count.
///
/// # Errors
/// [`EmbedError::Shape`], [`EmbedError::Parameter`], [`EmbedError::Cancelled`]; [`EmbedError::Empty`] if no point has
/// an old place.
pub fn place(
    neighbors: &NeighborTable,
    old: &[Option<[f32; 2]>],
    params: &TsneParams,
    progress: &dyn Progress,
) -> Result<Placed, EmbedError> {
    let n = neighbors.len();
    if old.len() != n {
        return Err(EmbedError::Shape { n, expected: n, got: old.len() });
    }
    if let Some(row) = old.iter().position(|place| place.is_some_and(|p| !p.iter().all(|v| v.is_finite()))) {
        return Err(EmbedError::NonFinite { row });
    }
    let mut adjustments = Vec::new();
    let perplexity = tsne::usable_perplexity(neighbors, params.perplexity, &mut adjustments)?;
    let width = width(old);
    if old.iter().all(Option::is_none) {
        return Err(EmbedError::Empty);
    }
    let affinities = Affinities::new(neighbors, perplexity.into());
    let points = starts(&affinities, old, width, params.seed);
    let new_points = old.iter().filter(|place| place.is_none()).count();
    let mut placed = Placed { map: Vec::new(), mean_shift: 0.0, new_points, perplexity, adjustments };
    if new_points == 0 {
        placed.map = points.into_iter().flatten().collect();
        return Ok(placed);
    }
    let on_springs = |strength: f32| -> Vec<([f32; 2], f32)> {
        old.iter().map(|place| place.map_or(([0.0; 2], 0.0), |place| (place, strength))).collect()
    };
    progress.begin(Stage::Tsne, Some(PHASES.iter().map(|phase| phase.iterations as u64).sum()));
    let mut descent = Descent::new(&affinities, points, vec![Moving::REST; n]);
    for Phase { held, iterations, exaggeration } in PHASES {
        let exaggeration = exaggeration.max(params.late_exaggeration);
        let step = Step { exaggeration, rate: n as f32, momentum: 0.8, longest: 5.0 };
        let places = on_springs(if held { f32::INFINITY } else { SPRING / n as f32 });
        for _ in 0..iterations {
            if progress.is_cancelled() {
                progress.end(Stage::Tsne);
                return Err(EmbedError::Cancelled);
            }
            descent.step(step, Some(&Leash { places: &places }));
            progress.advance(Stage::Tsne, 1);
        }
    }
    progress.end(Stage::Tsne);
    let points = descent.into_points();
    placed.mean_shift = mean_shift(&points, old) / f64::from(width.max(f32::MIN_POSITIVE));
    placed.map = points.into_iter().flatten().collect();
    Ok(placed)
}

/// The wider side of the box around places.
fn width(places: &[Option<[f32; 2]>]) -> f32 {
    let side = |axis: usize| {
        let values = places.iter().flatten().map(|place| place[axis]);
        let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        high - low
    };
    side(0).max(side(1)).max(0.0)
}

/// Mean distance of the old points from their old places.
fn mean_shift(points: &[[f32; 2]], old: &[Option<[f32; 2]>]) -> f64 {
    let shifts = points.iter().zip(old).filter_map(|(point, old)| {
        old.map(|old| f64::from(point[0] - old[0]).hypot(f64::from(point[1] - old[1])))
    });
    let (sum, count) = shifts.fold((0.0, 0_usize), |(sum, count), shift| (sum + shift, count + 1));
    sum / count.max(1) as f64
}

/// Where every point starts: at its old place, or at the weighted mean of its neighbors that have a place, found
/// in rounds outward from the old points. Points that no chain of neighbors leads to start in the middle.
fn starts(affinities: &Affinities, old: &[Option<[f32; 2]>], width: f32, seed: u64) -> Vec<[f32; 2]> {
    let mut places = old.to_vec();
    loop {
        let found: Vec<(usize, [f32; 2])> = (0..places.len())
            .filter(|&i| places[i].is_none())
            .filter_map(|i| Some((i, mean_of_placed(affinities, &places, i)?)))
            .collect();
        if found.is_empty() {
            break;
        }
        for (i, place) in found {
            places[i] = Some(place);
        }
    }
    let middle = middle(old.iter().flatten());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let start = |(old, place): (&Option<[f32; 2]>, Option<[f32; 2]>)| {
        let place = place.unwrap_or(middle);
        let mut jitter = || rng.random_range(-1.0..1.0_f32) * width * JITTER;
        if old.is_some() { place } else { place.map(|v| v + jitter()) }
    };
    old.iter().zip(places).map(start).collect()
}

fn mean_of_placed(affinities: &Affinities, places: &[Option<[f32; 2]>], i: usize) -> Option<[f32; 2]> {
    let (columns, pulls) = affinities.pulls(i);
    let (mut sum, mut total) = ([0.0_f32; 2], 0.0_f32);
    for (&j, &p) in columns.iter().zip(pulls) {
        if let Some(place) = places[j as usize] {
            total += p;
            (0..2).for_each(|axis| sum[axis] += p * place[axis]);
        }
    }
    (total > 0.0).then(|| sum.map(|v| v / total))
}

fn middle<'a>(points: impl Iterator<Item = &'a [f32; 2]>) -> [f32; 2] {
    let (sum, count) = points.fold(([0.0_f64; 2], 0_usize), |(sum, count), point| {
        ([sum[0] + f64::from(point[0]), sum[1] + f64::from(point[1])], count + 1)
    });
    #[expect(clippy::cast_possible_truncation, reason = "coordinates of a map")]
    sum.map(|v| (v / count.max(1) as f64) as f32)
}

#[cfg(test)]
mod tests;
