//! Measures PCA as `peers_pca.py` measures others: fit and projection, of rows in memory, or with `--blocks` of rows that
//! are read block by block twice, once to fit and once to project.
//!
//! ```text
//! cargo run --release -p featlas-embed --example bench_pca -- FEATURES.npy K [--blocks]
//! ```

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod npy;

use anyhow::Context as _;
use featlas_core::{RowsView, Silent};
use featlas_embed::{Covariance, fit_project};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows in memory at a time.
const BLOCK_ROWS: usize = 2048;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let features = args.next().context("expected FEATURES.npy")?;
    let k: usize = args.next().context("expected K")?.parse()?;
    let by_blocks = match args.next().as_deref() {
        None => false,
        Some("--blocks") => true,
        Some(other) => anyhow::bail!("expected --blocks or nothing, got `{other}`"),
    };
    // Reading is timed apart: the peers have the whole array in memory before they start.
    let mut reading = Duration::ZERO;
    let clock = Instant::now();
    let whole = npy::Npy::open(Path::new(&features), usize::MAX)?.rows;
    let block_rows = if by_blocks { BLOCK_ROWS } else { whole };
    let mut fitted = None;
    let mut sum = 0.0;
    let (mut n, mut dim) = (0, 0);
    if by_blocks {
        let mut covariance: Option<Covariance> = None;
        pass(&features, block_rows, &mut reading, &mut |rows| {
            Ok(covariance.get_or_insert_with(|| Covariance::new(rows.dim())).add(rows)?)
        })?;
        fitted = Some(covariance.context("expected a row")?.pca(k, &Silent)?);
    }
    pass(&features, block_rows, &mut reading, &mut |rows| {
        let scores = if let Some(pca) = &fitted {
            pca.project(rows)
        } else {
            let (pca, scores) = fit_project(rows, k, &Silent)?;
            fitted = Some(pca);
            scores
        };
        (n, dim) = (n + rows.len(), rows.dim());
        sum += scores.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        Ok(())
    })?;
    let pca = fitted.context("expected a row")?;
    let secs = clock.elapsed().checked_sub(reading).unwrap_or_default().as_secs_f64();
    let line = json!({
        "peer": "featlas",
        "n": n,
        "dim": dim,
        "k": k,
        "by_blocks": by_blocks,
        "secs": (secs * 100.0).round() / 100.0,
        "explained_variance_ratio": (pca.explained_share() * 1e5).round() / 1e5,
        "reading_secs": reading.as_secs_f64(),
        "residual": pca.residual(),
        "projected_variance_ratio": sum / (n - 1) as f64 / pca.total_variance(),
        "peak_memory_mb": peak_memory_mb(),
        "threads": rayon::current_num_threads(),
    });
    println!("{line}");
    Ok(())
}

/// Hands all rows of a file over, `block_rows` at a time.
fn pass(
    features: &str,
    block_rows: usize,
    reading: &mut Duration,
    act: &mut dyn FnMut(RowsView<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut file = npy::Npy::open(Path::new(features), usize::MAX)?;
    loop {
        let before = Instant::now();
        let values = file.next_block(block_rows)?;
        *reading += before.elapsed();
        if values.is_empty() {
            return Ok(());
        }
        act(RowsView::new(&values, file.dim)?)?;
    }
}

/// Peak resident memory, where the system tells.
fn peak_memory_mb() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1024)
}
