//! t-SNE through the Barnes-Hut tree of `bhtsne` (van der Maaten 2014), for maps of three dimensions: a grid in
//! three would be too large.
//!
//! One thread runs the iterations, and what is left has no chance in it, so the same input gives the same bytes.

use crate::{EmbedError, NeighborTable};
use bhtsne::{Dim, Morton, Neighbor, tSNE};
use featlas_core::{Progress, Stage};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Accuracy of the tree: cells up to this share of their distance wide are taken as one point.
const THETA: f32 = 0.5;

/// How the tree's iterations run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) perplexity: f32,
    pub(super) exaggeration: f32,
    pub(super) iterations: usize,
}

/// Why the iterations ended early: a panic is the only way out that `bhtsne` leaves to a callback.
struct Stop;

/// Maps the points of `neighbors` from `start`, `(n, D)` row-major, on a pool of one thread, while this one tells of
/// progress.
pub(super) fn run<const D: usize>(
    neighbors: &NeighborTable,
    start: Vec<f32>,
    settings: Settings,
    progress: &dyn Progress,
) -> Result<Vec<f32>, EmbedError>
where
    Dim<D>: Morton<D>,
{
    let table: Vec<Vec<Neighbor<f32>>> = (0..neighbors.len()).map(|i| distances(neighbors, i)).collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .thread_name(|_| "tsne".to_owned())
        .build()
        .map_err(|err| EmbedError::Thread { source: Box::new(err) })?;
    let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let result = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            pool.install(|| {
                catch_unwind(AssertUnwindSafe(|| iterate::<D>(&table, start, settings, &done, &stop)))
            })
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

/// Distances whose affinities are those of the true ones, in a form that cannot underflow.
///
/// Affinities are `exp(-beta d^2)`, normalized over the row, so `d^2` may be shifted and scaled: the nearest
/// becomes 0 and the mean 1. Without it, in f32, a row of large and nearly equal distances has no affinity
/// above zero.
fn distances(neighbors: &NeighborTable, i: usize) -> Vec<Neighbor<f32>> {
    let squared = neighbors.squared(i);
    let nearest = squared.iter().copied().fold(f32::INFINITY, f32::min);
    let mean = squared.iter().map(|&d| f64::from(d - nearest)).sum::<f64>() / squared.len() as f64;
    let scale = if mean > 0.0 { 1.0 / mean } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, reason = "f32 is what the affinities are computed in")]
    let distance = |d: f32| (f64::from(d - nearest) * scale).sqrt() as f32;
    let pairs = neighbors.rows(i).iter().zip(squared);
    pairs.map(|(&index, &d)| Neighbor { index: index as usize, distance: distance(d) }).collect()
}

fn iterate<const D: usize>(
    table: &[Vec<Neighbor<f32>>],
    start: Vec<f32>,
    settings: Settings,
    done: &AtomicUsize,
    stop: &AtomicBool,
) -> Vec<f32>
where
    Dim<D>: Morton<D>,
{
    // With neighbors given, the data stands only for its length.
    let data = vec![(); table.len()];
    let mut tsne: tSNE<'_, f32, (), D> = tSNE::new(&data);
    tsne.perplexity(settings.perplexity)
        .epochs(settings.iterations)
        .stop_lying_epoch(3 * settings.iterations / 10)
        .momentum_switch_epoch(3 * settings.iterations / 10)
        .early_exaggeration(settings.exaggeration)
        // Three to four times its usual rule, at which it comes closest to openTSNE's divergence.
        .learning_rate((table.len() as f32 / 3.0).max(50.0))
        .initial_embedding(start)
        .epoch_callback(|epoch, _map| {
            done.store(epoch, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                // Unwinds without the panic hook, so nothing is printed.
                resume_unwind(Box::new(Stop));
            }
        });
    tsne.barnes_hut_with_neighbors(THETA, table);
    tsne.embedding()
}
