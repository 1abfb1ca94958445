//! Measures what happens to a map over nights in which new images arrive: how far the old points move, and how
//! the map compares with one made anew from the same rows.
//!
//! ```text
//! cargo run --release -p featlas-embed --example bench_nights -- FEATURES.npy N [NIGHTS] [SHARE] [SEED]
//! ```

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod npy;

use anyhow::Context as _;
use featlas_core::{RowsView, Silent};
use featlas_embed::{
    Checkpoints, NeighborTable, TsneParams, divergence, exact_neighbors, fit_pca, map_quality,
    neighbors_wanted, place, tsne,
};
use serde_json::json;
use std::path::Path;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let features = args.next().context("expected FEATURES.npy")?;
    let n: usize = args.next().context("expected N")?.parse()?;
    let nights: i32 = args.next().map_or(Ok(10), |text| text.parse())?;
    let share: f64 = args.next().map_or(Ok(0.02), |text| text.parse())?;
    let mut file = npy::Npy::open(Path::new(&features), n)?;
    let (n, dim) = (file.rows, file.dim);
    let values = file.next_block(n)?;
    let params =
        TsneParams { seed: args.next().map_or(Ok(0), |text| text.parse())?, ..TsneParams::default() };

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
    let rows_at = |night: i32| (n as f64 / (1.0 + share).powi(nights - night)).round() as usize;
    let view = |rows: usize| RowsView::new(&values[..rows * dim], dim);
    let table = |rows: usize| -> anyhow::Result<NeighborTable> {
        Ok(exact_neighbors(view(rows)?, neighbors_wanted(params.perplexity, rows), &Silent)?)
    };
    let anew = |table: &NeighborTable, rows: usize| -> anyhow::Result<Vec<f32>> {
        let start = fit_pca(view(rows)?, 2, &Silent)?.project(view(rows)?);
        let checkpoints = Checkpoints { resume: None, keep: &mut |_| {} };
        Ok(tsne(table, &start, &params, checkpoints, &Silent)?.map)
    };
    let quality = |table: &NeighborTable, map: &[f32], rows: usize| -> anyhow::Result<(f64, f64)> {
        let kept = map_quality(view(rows)?, RowsView::new(map, 2)?, 10, 2000)?.kept_at_k;
        Ok((divergence(table, map, params.perplexity)?, kept))
    };

    let first = rows_at(0);
    let first_map = anew(&table(first)?, first)?;
    let mut map = first_map.clone();
    for night in 1..=nights {
        let rows = rows_at(night);
        let table = table(rows)?;
        let mut old: Vec<Option<[f32; 2]>> = map.as_chunks::<2>().0.iter().copied().map(Some).collect();
        old.resize(rows, None);
        let clock = Instant::now();
        let placed = place(&table, &old, &params, &Silent)?;
        let secs = clock.elapsed().as_secs_f64();
        map = placed.map;
        let (kl, kept) = quality(&table, &map, rows)?;
        let line = json!({
            "night": night, "n": rows, "new": placed.new_points, "secs": secs,
            "mean_shift": placed.mean_shift, "shift_since_first": shift(&first_map, &map), "kl": kl, "kept_10nn": kept,
        });
        println!("{line}");
    }
    let table = table(n)?;
    let clock = Instant::now();
    let fresh = anew(&table, n)?;
    let secs = clock.elapsed().as_secs_f64();
    let (kl, kept) = quality(&table, &fresh, n)?;
    println!("{}", json!({ "fresh": true, "n": n, "secs": secs, "kl": kl, "kept_10nn": kept }));
    Ok(())
}

/// Mean distance between the points of `first` and the same points of `now`, as a share of the width of `first`.
fn shift(first: &[f32], now: &[f32]) -> f64 {
    let axis = |axis: usize| first.iter().skip(axis).step_by(2).copied();
    let side = |a: usize| axis(a).fold(f32::MIN, f32::max) - axis(a).fold(f32::MAX, f32::min);
    let pairs = first.as_chunks::<2>().0.iter().zip(now.as_chunks::<2>().0);
    let sum: f64 = pairs.map(|(a, b)| f64::from(a[0] - b[0]).hypot(f64::from(a[1] - b[1]))).sum();
    sum / (first.len() / 2) as f64 / f64::from(side(0).max(side(1)))
}
