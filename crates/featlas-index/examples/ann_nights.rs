//! Recall after nights of change: `scripts/bench/ann_nights FEATURES.npy [NIGHTS]`.
//!
//! Each night two percent of the images are new and as many old ones are gone, in random order and in the order of the file,
//! where what is new at the end is of another kind. The index is brought up to date as by `featlas index`, and a second
//! one is never built anew, whatever it says.

#![expect(clippy::print_stdout, reason = "a program of the benchmark")]

#[path = "support/npy.rs"]
mod npy;
mod support;

use featlas_core::{Digest, ImageId, RowsView, Silent};
use featlas_index::{DEFAULT_EF_CURVE, Index, IndexParams, Metric, RowsWriter, build};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

const K: usize = 10;
const QUERIES: usize = 500;
/// Share of the first night's images that come, and go, each night: one in so many.
const SHARE: usize = 50;

struct Rows {
    values: Vec<f32>,
    dim: usize,
    // The row of each image.
    order: Vec<usize>,
}

impl Rows {
    fn of(&self, id: usize) -> &[f32] {
        &self.values[self.order[id] * self.dim..][..self.dim]
    }

    fn store(
        &self,
        folder: &Path,
        name: &str,
        ids: impl Iterator<Item = usize>,
    ) -> Result<RowsWriter, Box<dyn Error>> {
        let mut rows = RowsWriter::create(folder, name, self.dim, Metric::Cosine)?;
        for id in ids {
            rows.push(ImageId(id as u64), self.of(id))?;
        }
        Ok(rows)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (values, dim) = npy::read(&args.next().ok_or("expected a .npy file of features, float32 (n, dim)")?)?;
    let nights: usize = args.next().map_or(Ok(20), |nights| nights.parse())?;
    let n = values.len() / dim;
    let mut rows = Rows { values, dim, order: (0..n).collect() };
    for order in ["file", "random"] {
        if order == "random" {
            rows.order.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
        }
        for rebuilds in [false, true] {
            println!("{}", live_through(&rows, nights, order, rebuilds)?);
        }
    }
    Ok(())
}

/// Builds an index, changes it every night, and asks it in the end.
fn live_through(
    rows: &Rows,
    nights: usize,
    order: &str,
    rebuilds: bool,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    // As many images on every night; the last of the file come on the last.
    let first = rows.order.len() * SHARE / (SHARE + nights);
    let step = first / SHARE;
    let mut live: Vec<usize> = (0..first).collect();
    let mut gone: Vec<usize> = Vec::new();
    let mut index = made(rows, folder.path(), "rows-0.bin", &live)?;
    let ef_first = tuned(&mut index)?;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut builds, mut secs) = (0, 0.0);
    for night in 1..=nights {
        let start = Instant::now();
        let added = first + (night - 1) * step..first + night * step;
        live.shuffle(&mut rng);
        let leaving = live.split_off(live.len() - step);
        live.extend(added.clone());
        live.sort_unstable();
        let removed: Vec<ImageId> = leaving.iter().map(|&id| ImageId(id as u64)).collect();
        gone.extend(leaving);
        let name = format!("rows-{night}.bin");
        let new = rows.store(folder.path(), &name, added)?;
        index = index.updated(folder.path(), Some(new), &removed, 0, Digest([0; 32]), &Silent)?;
        if rebuilds && index.wants_rebuild() {
            index = made(rows, folder.path(), &format!("all-{night}.bin"), &live)?;
            builds += 1;
        }
        secs += start.elapsed().as_secs_f64();
    }
    // Held-out images of the index, and images that it no longer has.
    let held_out = index.measure_recall(&DEFAULT_EF_CURVE, QUERIES, 0, 0.99, &Silent)?;
    let at = |ef: usize| held_out.curve.iter().find(|point| point.ef_search == ef).map(|p| p.recall_at_10);
    gone.shuffle(&mut rng);
    let queries: Vec<f32> = gone.iter().take(QUERIES).flat_map(|&id| rows.of(id)).copied().collect();
    let queries = RowsView::new(&queries, rows.dim)?;
    let truth = index.search_exact_batch(queries, K)?;
    let recall = |ef: usize| -> Result<f64, Box<dyn Error>> {
        let found = index.search_batch(queries, K, ef)?;
        let pairs = found.iter().zip(&truth);
        let hits = pairs.map(|(f, t)| t.iter().filter(|t| f.iter().any(|f| f.id == t.id)).count());
        Ok(hits.sum::<usize>() as f64 / (K * found.len()) as f64)
    };
    Ok(serde_json::json!({
        "order": order, "nights": nights, "images": index.len(), "changed_a_night": step, "may_rebuild": rebuilds,
        "rebuilds": builds, "removed_rows": index.num_removed(), "secs_a_night": secs / nights as f64,
        "ef_of_first_night": ef_first, "held_out_at_first_ef": at(ef_first), "gone_at_first_ef": recall(ef_first)?,
        "ef_chosen": held_out.ef_search, "held_out_at_chosen": at(held_out.ef_search),
        "gone_at_chosen": recall(held_out.ef_search)?,
    }))
}

fn made(rows: &Rows, folder: &Path, name: &str, live: &[usize]) -> Result<Index, Box<dyn Error>> {
    let rows = rows.store(folder, name, live.iter().copied())?;
    let basis = support::fit_basis(&rows)?;
    Ok(build(folder, rows, &basis, &IndexParams::default(), Digest([0; 32]), &Silent)?)
}

/// Chooses `ef_search` as `featlas index` does.
fn tuned(index: &mut Index) -> Result<usize, Box<dyn Error>> {
    let report = index.measure_recall(&DEFAULT_EF_CURVE, QUERIES, 0, 0.99, &Silent)?;
    index.set_ef_search(report.ef_search);
    Ok(report.ef_search)
}
