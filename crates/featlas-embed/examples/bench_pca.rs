//! Measures PCA as `peers_pca.py` measures others: fit and projection, of rows that are read block by block.
//!
//! ```text
//! cargo run --release -p featlas-embed --example bench_pca -- FEATURES.npy K
//! ```

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod npy;

use anyhow::Context as _;
use featlas_core::{RowsView, Silent};
use featlas_embed::Covariance;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows in memory at a time.
const BLOCK_ROWS: usize = 2048;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let features = args.next().context("expected FEATURES.npy")?;
    let k: usize = args.next().context("expected K")?.parse()?;
    let (n, dim) = {
        let file = npy::Npy::open(Path::new(&features), usize::MAX)?;
        (file.rows, file.dim)
    };
    // Reading is timed apart: the peers have the whole array in memory before they start.
    let mut reading = Duration::ZERO;
    let clock = Instant::now();
    let mut covariance = Covariance::new(dim);
    let pass = |reading: &mut Duration, act: &mut dyn FnMut(RowsView<'_>) -> anyhow::Result<()>| {
        let mut file = npy::Npy::open(Path::new(&features), usize::MAX)?;
        loop {
            let before = Instant::now();
            let values = file.next_block(BLOCK_ROWS)?;
            *reading += before.elapsed();
            if values.is_empty() {
                return anyhow::Ok(());
            }
            act(RowsView::new(&values, dim)?)?;
        }
    };
    pass(&mut reading, &mut |rows| Ok(covariance.add(rows)?))?;
    let summed = clock.elapsed().checked_sub(reading).unwrap_or_default().as_secs_f64();
    let pca = covariance.pca(k, &Silent)?;
    let fitted = clock.elapsed().checked_sub(reading).unwrap_or_default().as_secs_f64();
    let mut sum = 0.0;
    pass(&mut reading, &mut |rows| {
        sum += pca.project(rows).iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        Ok(())
    })?;
    let secs = clock.elapsed().checked_sub(reading).unwrap_or_default().as_secs_f64();
    let line = json!({
        "peer": "featlas",
        "n": n,
        "k": k,
        "secs": (secs * 100.0).round() / 100.0,
        "explained_variance_ratio": (pca.explained_share() * 1e5).round() / 1e5,
        "sum_secs": summed,
        "eigen_secs": fitted - summed,
        "reading_secs": reading.as_secs_f64(),
        "residual": pca.residual(),
        "projected_variance_ratio": sum / (n - 1) as f64 / pca.total_variance(),
        "peak_memory_mb": peak_memory_mb(),
        "threads": rayon::current_num_threads(),
    });
    println!("{line}");
    Ok(())
}

/// Peak resident memory, where the system tells.
fn peak_memory_mb() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1024)
}
