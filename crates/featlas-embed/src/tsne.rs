//! t-SNE (van der Maaten & Hinton 2008) through `bhtsne`: by interpolation (`FIt-SNE`, Linderman et al. 2019), or
//! with a Barnes-Hut tree where points are few.
//!
//! The neighbors and the starting points are given, and one thread runs the iterations: what is left has no
//! chance in it, so the same input gives the same bytes.

use crate::EmbedError;
use bhtsne::{Neighbor, tSNE};
use featlas_core::{Progress, Stage};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// About the number of neighbors that matter to a point.
pub const DEFAULT_PERPLEXITY: f32 = 30.0;
/// Iterations; the first quarter with exaggerated attraction.
pub const DEFAULT_ITERATIONS: usize = 1000;
/// Attraction is exaggerated by this in the first quarter of the iterations.
const EXAGGERATION: f32 = 12.0;
/// Spread of the starting points along their first axis.
const START_STD: f64 = 1e-4;
/// Fewest points that t-SNE arranges; below, the starting points are the map.
const FEWEST: usize = 4;

/// Fewest points whose repulsion is interpolated. Few points drift far apart, and the grid of the
/// interpolation grows with the area: ten points took minutes. Below, the Barnes-Hut tree is used.
const FEWEST_INTERPOLATED: usize = 1000;
/// Accuracy of the Barnes-Hut tree (van der Maaten 2014): cells up to this share of their distance wide are
/// taken as one point.
const BARNES_HUT_THETA: f32 = 0.5;

/// How to run t-SNE.
#[derive(Debug, Clone, PartialEq)]
pub struct TsneParams {
    /// Perplexity, above 1; see [`DEFAULT_PERPLEXITY`].
    pub perplexity: f32,
    /// Iterations; see [`DEFAULT_ITERATIONS`].
    pub iterations: usize,
    /// Step length; none: `max(n / 3, 50)`, three to four times the usual rule, at which `FIt-SNE` of `bhtsne`
    /// comes closest to openTSNE's divergence.
    pub learning_rate: Option<f32>,
    /// Decides how coinciding starting points are told apart.
    pub seed: u64,
}

impl Default for TsneParams {
    fn default() -> Self {
        Self { perplexity: DEFAULT_PERPLEXITY, iterations: DEFAULT_ITERATIONS, learning_rate: None, seed: 0 }
    }
}

/// A map, and what was adjusted to make it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tsne {
    /// `(n, 2)` row-major, centered.
    pub map: Vec<f32>,
    /// The perplexity that was used.
    pub perplexity: f32,
    /// What differs from what was asked, as sentences.
    pub adjustments: Vec<String>,
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

/// Maps `n` points to the plane.
///
/// `neighbors` holds for every point the same number of other points with their cosine distances
/// (`|a - b|^2 / 2` of unit vectors), nearest first; `start` is `(n, 2)` row-major, such as the first two
/// principal components, and is scaled to a spread of 1e-4. A perplexity above a third of the neighbors is
/// lowered to that, and said so. Fewer than four points keep their starting places.
///
/// Cost: a few milliseconds an iteration for 10,000 points, growing about linearly. The same input gives the
/// same bytes on one machine.
///
/// # Errors
/// [`EmbedError::Shape`], [`EmbedError::Neighbors`], [`EmbedError::Parameter`], [`EmbedError::Cancelled`].
pub fn tsne(
    neighbors: &[Vec<(usize, f32)>],
    start: &[f32],
    params: &TsneParams,
    progress: &dyn Progress,
) -> Result<Tsne, EmbedError> {
    let n = neighbors.len();
    check(neighbors, start, params)?;
    let start = scaled_start(start, params.seed);
    let mut adjustments = Vec::new();
    if n < FEWEST {
        adjustments.push(format!("{n} images are too few for t-SNE; they stand where PCA puts them"));
        return Ok(Tsne { map: start, perplexity: params.perplexity, adjustments });
    }
    let most = (neighbors[0].len() as f32 / 3.0).max(1.01);
    let perplexity = params.perplexity.min(most);
    if perplexity < params.perplexity {
        let asked = params.perplexity;
        adjustments.push(format!("perplexity {asked} wants more than {n} images; used {perplexity:.1}"));
    }
    let learning_rate = params.learning_rate.unwrap_or((n as f32 / 3.0).max(50.0));
    let table: Vec<Vec<Neighbor<f32>>> = neighbors.iter().map(|row| affinity_distances(row)).collect();
    let settings = Settings { perplexity, learning_rate, iterations: params.iterations };
    progress.begin(Stage::Tsne, Some(params.iterations as u64));
    let map = run(&table, start, settings, progress);
    progress.end(Stage::Tsne);
    Ok(Tsne { map: map?, perplexity, adjustments })
}

fn check(neighbors: &[Vec<(usize, f32)>], start: &[f32], params: &TsneParams) -> Result<(), EmbedError> {
    let n = neighbors.len();
    if n == 0 {
        return Err(EmbedError::Empty);
    }
    if start.len() != 2 * n {
        return Err(EmbedError::Shape { n, expected: 2 * n, got: start.len() });
    }
    if let Some(at) = start.iter().position(|v| !v.is_finite()) {
        return Err(EmbedError::NonFinite { row: at / 2 });
    }
    if !(params.perplexity.is_finite() && params.perplexity > 1.0) {
        let got = params.perplexity.to_string();
        return Err(EmbedError::Parameter { name: "perplexity", expected: "a number above 1", got });
    }
    if params.learning_rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        let got = format!("{:?}", params.learning_rate);
        return Err(EmbedError::Parameter { name: "learning_rate", expected: "a number above 0", got });
    }
    let expected = neighbors[0].len();
    for (row, list) in neighbors.iter().enumerate() {
        let wrong = |got| EmbedError::Neighbors { row, n, expected, got };
        if list.len() != expected || (n >= FEWEST && list.is_empty()) {
            return Err(wrong(format!("{} neighbors", list.len())));
        }
        if let Some((other, _)) = list.iter().find(|&&(other, _)| other >= n || other == row) {
            return Err(wrong(format!("neighbor {other}")));
        }
        if let Some((_, distance)) =
            list.iter().find(|(_, distance)| !(distance.is_finite() && *distance >= 0.0))
        {
            return Err(wrong(format!("distance {distance}")));
        }
    }
    Ok(())
}

/// Distances whose affinities are those of the Euclidean distances, in a form that cannot underflow.
///
/// Affinities are `exp(-beta d^2)`, normalized over the row, so `d^2` may be shifted and scaled: the nearest
/// becomes 0 and the mean 1. Without it, in f32, a row of large and nearly equal distances has no affinity
/// above zero.
fn affinity_distances(row: &[(usize, f32)]) -> Vec<Neighbor<f32>> {
    // A cosine distance is half the squared Euclidean one.
    let nearest = row.iter().map(|&(_, d)| d).fold(f32::INFINITY, f32::min);
    let mean = row.iter().map(|&(_, d)| f64::from(d - nearest)).sum::<f64>() / row.len() as f64;
    let scale = if mean > 0.0 { 1.0 / mean } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, reason = "f32 is what the affinities are computed in")]
    let distance = |d: f32| (f64::from(d - nearest) * scale).sqrt() as f32;
    row.iter().map(|&(index, d)| Neighbor { index, distance: distance(d) }).collect()
}

/// The starting points, centered, with [`START_STD`] along the first axis. Points that coincide are moved
/// apart by a thousandth of that, since equal points would stay together for ever.
fn scaled_start(start: &[f32], seed: u64) -> Vec<f32> {
    let n = start.len() / 2;
    let mean =
        |axis: usize| start.iter().skip(axis).step_by(2).map(|&v| f64::from(v)).sum::<f64>() / n as f64;
    let means = [mean(0), mean(1)];
    let variance =
        start.iter().step_by(2).map(|&v| (f64::from(v) - means[0]).powi(2)).sum::<f64>() / n as f64;
    let scale = if variance > 0.0 { START_STD / variance.sqrt() } else { 0.0 };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let point = |(at, &v): (usize, &f32)| {
        let jitter = rng.random_range(-1.0..1.0) * START_STD * 1e-3;
        #[expect(clippy::cast_possible_truncation, reason = "coordinates of a map")]
        let place = ((f64::from(v) - means[at % 2]) * scale + jitter) as f32;
        place
    };
    start.iter().enumerate().map(point).collect()
}

#[derive(Clone, Copy)]
struct Settings {
    perplexity: f32,
    learning_rate: f32,
    iterations: usize,
}

/// Why the iterations ended early: a panic is the only way out that `bhtsne` leaves to a callback.
struct Stop;

/// Runs the iterations on a pool of one thread, while this one tells of progress.
fn run(
    table: &[Vec<Neighbor<f32>>],
    start: Vec<f32>,
    settings: Settings,
    progress: &dyn Progress,
) -> Result<Vec<f32>, EmbedError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .thread_name(|_| "tsne".to_owned())
        .build()
        .map_err(|err| EmbedError::Thread { source: Box::new(err) })?;
    let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let result = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            pool.install(|| catch_unwind(AssertUnwindSafe(|| iterate(table, start, settings, &done, &stop))))
        });
        let mut told = 0;
        while !worker.is_finished() {
            std::thread::park_timeout(Duration::from_millis(50));
            let now = done.load(Ordering::Relaxed);
            progress.advance(Stage::Tsne, (now - told) as u64);
            told = now;
            if progress.is_cancelled() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        worker.join()
    });
    match result {
        Ok(Ok(map)) => Ok(map),
        Ok(Err(payload)) if payload.is::<Stop>() => Err(EmbedError::Cancelled),
        Ok(Err(payload)) | Err(payload) => resume_unwind(payload),
    }
}

fn iterate(
    table: &[Vec<Neighbor<f32>>],
    start: Vec<f32>,
    settings: Settings,
    done: &AtomicUsize,
    stop: &AtomicBool,
) -> Vec<f32> {
    // With neighbors given, the data stands only for its length.
    let data = vec![(); table.len()];
    let mut tsne: tSNE<'_, f32, (), 2> = tSNE::new(&data);
    tsne.perplexity(settings.perplexity)
        .epochs(settings.iterations)
        .stop_lying_epoch(settings.iterations / 4)
        .momentum_switch_epoch(settings.iterations / 4)
        .early_exaggeration(EXAGGERATION)
        .learning_rate(settings.learning_rate)
        .initial_embedding(start)
        .epoch_callback(|epoch, _map| {
            done.store(epoch, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                // Unwinds without the panic hook, so nothing is printed.
                resume_unwind(Box::new(Stop));
            }
        });
    if table.len() < FEWEST_INTERPOLATED {
        tsne.barnes_hut_with_neighbors(BARNES_HUT_THETA, table);
    } else {
        tsne.fit_sne_with_neighbors(table);
    }
    tsne.embedding()
}

#[cfg(test)]
mod tests;
