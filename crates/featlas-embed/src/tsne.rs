//! t-SNE (van der Maaten & Hinton 2008) by gradient descent over all points at once.
//!
//! Attraction runs over the neighbors and leans towards the nearest of them (`affinity`). Repulsion is exact for few
//! points and goes through a grid for many (`field`). Neighbors and starting points are given; sums run in chunks of fixed size and are added in a fixed
//! order, so the same input gives the same bytes, whatever the number of threads.

mod barnes_hut;
mod convolve;
pub(crate) mod descent;
mod field;
pub(crate) mod repulsion;
mod state;

use crate::affinity::Affinities;
use crate::{EmbedError, NeighborTable};
use descent::{Descent, Moving, Step};
use featlas_core::{Progress, Stage};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

pub use state::TsneState;

/// About the number of neighbors that matter to a point.
pub const DEFAULT_PERPLEXITY: f32 = 30.0;
/// Iterations; the first 30 % with exaggerated attraction.
pub const DEFAULT_ITERATIONS: usize = 500;
/// Attraction is exaggerated by this in the first 30 % of the iterations.
pub const DEFAULT_EXAGGERATION: f32 = 12.0;
/// Where the exaggeration has fallen to when the descent proper begins, a tenth of the iterations later.
const LAST_EXAGGERATION: f32 = 4.0;
/// Shares of the iterations with full exaggeration, and with full or falling exaggeration.
const EXAGGERATED: f64 = 0.3;
const EASED: f64 = 0.4;
/// Momentum with exaggeration, and without: more would shake the islands apart before they have formed.
const MOMENTUM: [f32; 2] = [0.8, 0.9];
/// No point moves farther at once.
const LONGEST_STEP: f32 = 5.0;
/// Spread of the starting points along their first axis.
const START_STD: f64 = 1e-4;
/// Fewest points that t-SNE arranges; below, the starting points are the map.
const FEWEST: usize = 4;
/// Iterations between two looks at the divergence and two checkpoints.
const REPORT_EVERY: usize = 50;

/// How to run t-SNE.
#[derive(Debug, Clone, PartialEq)]
pub struct TsneParams {
    /// Perplexity, above 1; see [`DEFAULT_PERPLEXITY`].
    pub perplexity: f32,
    /// Iterations; see [`DEFAULT_ITERATIONS`].
    pub iterations: usize,
    /// Exaggeration of the first 30 %, at least 1; see [`DEFAULT_EXAGGERATION`].
    pub exaggeration: f32,
    /// Exaggeration of the rest, at least 1, for maps of two axes: islands shrink and the straits between them widen
    /// (Linderman et al. 2019), for a higher divergence.
    pub late_exaggeration: f32,
    /// Axes of the map, 2 or 3.
    pub dims: usize,
    /// Decides how coinciding starting points are told apart.
    pub seed: u64,
}

impl Default for TsneParams {
    fn default() -> Self {
        Self {
            perplexity: DEFAULT_PERPLEXITY,
            iterations: DEFAULT_ITERATIONS,
            exaggeration: DEFAULT_EXAGGERATION,
            late_exaggeration: 1.0,
            dims: 2,
            seed: 0,
        }
    }
}

/// A map, and what was adjusted to make it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tsne {
    /// `(n, dims)` row-major, centered.
    pub map: Vec<f32>,
    /// The perplexity that was used.
    pub perplexity: f32,
    /// What differs from what was asked, as sentences.
    pub adjustments: Vec<String>,
}

/// Where a killed run goes on from, and whom to hand the state of this one to.
#[expect(missing_debug_implementations, reason = "holds a closure")]
pub struct Checkpoints<'a> {
    /// The state to go on from, made with the same neighbors and parameters.
    pub resume: Option<TsneState>,
    /// Gets the state every 50 iterations.
    pub keep: &'a mut dyn FnMut(TsneState),
}

/// Neighbors of each of `n` points that [`tsne`] wants at this perplexity.
pub fn neighbors_wanted(perplexity: f32, n: usize) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "perplexities are small positive numbers"
    )]
    let wanted = (3.0 * perplexity.max(1.0)).ceil() as usize;
    wanted.min(n.saturating_sub(1))
}

/// Maps `n` points to two or three dimensions.
///
/// `start` is `(n, dims)` row-major, such as the first principal components, and is scaled to a spread of 1e-4. A
/// perplexity above a third of the neighbors is lowered to that, and said so. Fewer than four points keep their
/// starting places. Three dimensions go through `bhtsne` on one thread and keep no checkpoints.
///
/// The same input gives the same bytes on one machine, with any number of threads, and whether or not the run was
/// resumed. Memory: about `2.2 KB` a point at a perplexity of 30.
///
/// # Errors
/// [`EmbedError::Empty`], [`EmbedError::Shape`], [`EmbedError::NonFinite`], [`EmbedError::Parameter`],
/// [`EmbedError::Cancelled`].
pub fn tsne(
    neighbors: &NeighborTable,
    start: &[f32],
    params: &TsneParams,
    checkpoints: Checkpoints<'_>,
    progress: &dyn Progress,
) -> Result<Tsne, EmbedError> {
    let dims = params.dims;
    let n = start.len() / dims.max(1);
    check(neighbors, start, params)?;
    let start = scaled_start(start, dims, params.seed);
    let mut adjustments = Vec::new();
    if n < FEWEST {
        adjustments.push(format!("too few images for t-SNE ({n}): the map is that of PCA"));
        return Ok(Tsne { map: start, perplexity: params.perplexity, adjustments });
    }
    let perplexity = usable_perplexity(neighbors, params.perplexity, &mut adjustments)?;
    progress.begin(Stage::Tsne, Some(params.iterations as u64));
    let map = if dims == 2 {
        descend(neighbors, &start, perplexity, params, checkpoints, progress)
    } else {
        let TsneParams { iterations, exaggeration, .. } = *params;
        barnes_hut::run::<3>(
            neighbors,
            start,
            barnes_hut::Settings { perplexity, exaggeration, iterations },
            progress,
        )
    };
    progress.end(Stage::Tsne);
    Ok(Tsne { map: map?, perplexity, adjustments })
}

fn descend(
    neighbors: &NeighborTable,
    start: &[f32],
    perplexity: f32,
    params: &TsneParams,
    checkpoints: Checkpoints<'_>,
    progress: &dyn Progress,
) -> Result<Vec<f32>, EmbedError> {
    let n = neighbors.len();
    let affinities = Affinities::new(neighbors, perplexity.into());
    let entropy = affinities.negative_entropy();
    let fresh = || TsneState {
        iteration: 0,
        points: start.as_chunks::<2>().0.to_vec(),
        moving: vec![Moving::REST; n],
    };
    let resumed =
        checkpoints.resume.filter(|state| state.points.len() == n && state.iteration <= params.iterations);
    let TsneState { iteration: first, points, moving } = resumed.unwrap_or_else(fresh);
    progress.advance(Stage::Tsne, first as u64);
    let mut descent = Descent::new(&affinities, points, moving);
    for iteration in first..params.iterations {
        if progress.is_cancelled() {
            return Err(EmbedError::Cancelled);
        }
        if iteration > first && iteration.is_multiple_of(REPORT_EVERY) {
            progress.note(Stage::Tsne, &format!("divergence {:.3}", descent.divergence(entropy)));
            let (points, moving) = (descent.points().to_vec(), descent.moving().to_vec());
            (checkpoints.keep)(TsneState { iteration, points, moving });
        }
        descent.step(schedule(iteration, n, params), None);
        progress.advance(Stage::Tsne, 1);
    }
    Ok(centered(descent.into_points()))
}

/// How iteration `iteration` moves the points.
///
/// Measured on 10,000 digits, where openTSNE (250 iterations with exaggeration and 500 without, momentum 0.8) ends at
/// a divergence of 1.753: its schedule ends at 1.738 here, a third fewer of the same iterations at 1.769, with
/// momentum 0.9 at the end at 1.748, and with the exaggeration falling in between at 1.730.
fn schedule(iteration: usize, n: usize, params: &TsneParams) -> Step {
    #[expect(clippy::cast_possible_truncation, reason = "a share in [0, 1]")]
    let eased = ((iteration as f64 / params.iterations as f64 - EXAGGERATED) / (EASED - EXAGGERATED)) as f32;
    let start = LAST_EXAGGERATION.min(params.exaggeration);
    let exaggeration = match eased {
        eased if eased < 0.0 => params.exaggeration,
        eased if eased < 1.0 => start.powf(1.0 - eased).max(params.late_exaggeration),
        _ => params.late_exaggeration,
    };
    let momentum = MOMENTUM[usize::from(eased >= 1.0)];
    Step { exaggeration, rate: n as f32 / exaggeration, momentum, longest: LONGEST_STEP }
}

/// The perplexity, or what the number of neighbors allows, said so in `adjustments`.
pub(crate) fn usable_perplexity(
    neighbors: &NeighborTable,
    asked: f32,
    adjustments: &mut Vec<String>,
) -> Result<f32, EmbedError> {
    if !(asked.is_finite() && asked > 1.0) {
        let got = asked.to_string();
        return Err(EmbedError::Parameter { name: "perplexity", expected: "a number above 1", got });
    }
    let most = (neighbors.k() as f32 / 3.0).max(1.01);
    if asked > most {
        let n = neighbors.len();
        adjustments.push(format!("perplexity {asked} wants more than {n} images; used {most:.1}"));
    }
    Ok(asked.min(most))
}

fn check(neighbors: &NeighborTable, start: &[f32], params: &TsneParams) -> Result<(), EmbedError> {
    let dims = params.dims;
    if !(2..=3).contains(&dims) {
        return Err(EmbedError::Parameter { name: "dims", expected: "2 or 3", got: dims.to_string() });
    }
    if start.is_empty() {
        return Err(EmbedError::Empty);
    }
    let n = start.len() / dims;
    // A single point has no neighbor, and an empty table does not know of it.
    let expected = if n == 1 { dims } else { dims * neighbors.len() };
    if start.len() != expected {
        return Err(EmbedError::Shape { n: expected / dims, expected, got: start.len() });
    }
    if let Some(at) = start.iter().position(|v| !v.is_finite()) {
        return Err(EmbedError::NonFinite { row: at / dims });
    }
    for (name, value) in
        [("exaggeration", params.exaggeration), ("late exaggeration", params.late_exaggeration)]
    {
        if !(value.is_finite() && value >= 1.0) {
            let got = value.to_string();
            return Err(EmbedError::Parameter { name, expected: "a number from 1 on", got });
        }
    }
    Ok(())
}

/// The starting points, centered, with [`START_STD`] along the first axis. Points that coincide are moved
/// apart by a thousandth of that, since equal points would stay together for ever.
fn scaled_start(start: &[f32], dims: usize, seed: u64) -> Vec<f32> {
    let means = axis_means(start, dims);
    let n = start.len() / dims;
    let variance =
        start.iter().step_by(dims).map(|&v| (f64::from(v) - means[0]).powi(2)).sum::<f64>() / n as f64;
    let scale = if variance > 0.0 { START_STD / variance.sqrt() } else { 0.0 };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let point = |(at, &v): (usize, &f32)| {
        let jitter = rng.random_range(-1.0..1.0) * START_STD * 1e-3;
        #[expect(clippy::cast_possible_truncation, reason = "coordinates of a map")]
        let place = ((f64::from(v) - means[at % dims]) * scale + jitter) as f32;
        place
    };
    start.iter().enumerate().map(point).collect()
}

fn axis_means(points: &[f32], dims: usize) -> Vec<f64> {
    let n = (points.len() / dims) as f64;
    let mean = |axis| points.iter().skip(axis).step_by(dims).map(|&v| f64::from(v)).sum::<f64>() / n;
    (0..dims).map(mean).collect()
}

fn centered(points: Vec<[f32; 2]>) -> Vec<f32> {
    let means = axis_means(points.as_flattened(), 2);
    #[expect(clippy::cast_possible_truncation, reason = "coordinates of a map")]
    let place = |point: [f32; 2]| [0, 1].map(|axis| (f64::from(point[axis]) - means[axis]) as f32);
    points.into_iter().flat_map(place).collect()
}

#[cfg(test)]
mod tests;
