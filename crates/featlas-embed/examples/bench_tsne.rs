//! Measures t-SNE as `peers_tsne.py` measures others: seconds with the neighbors included, then the map's quality.
//!
//! ```text
//! cargo run --release -p featlas-embed --example bench_tsne -- FEATURES.npy N [--out MAP.npy] [--seed S] [--iterations I]
//! ```

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod npy;

use anyhow::{Context as _, ensure};
use featlas_core::{RowsView, Silent};
use featlas_embed::{
    Checkpoints, TsneParams, divergence, exact_neighbors, fit_pca, map_quality, neighbors_wanted, tsne,
};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rows over which trustworthiness is measured, as in `map_quality.py`.
const SAMPLE: usize = 2000;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let features = args.next().context("expected FEATURES.npy")?;
    let n: usize = args.next().context("expected N")?.parse()?;
    let mut params = TsneParams::default();
    let mut out: Option<PathBuf> = None;
    while let Some(flag) = args.next() {
        let value = args.next().with_context(|| format!("expected a value after `{flag}`"))?;
        match flag.as_str() {
            "--out" => out = Some(value.into()),
            "--seed" => params.seed = value.parse()?,
            "--iterations" => params.iterations = value.parse()?,
            _ => anyhow::bail!("expected --out, --seed or --iterations, got `{flag}`"),
        }
    }
    let mut file = npy::Npy::open(Path::new(&features), n)?;
    let (n, dim) = (file.rows, file.dim);
    ensure!(n > 12, "expected more than 12 rows, got {n}");
    let values = file.next_block(n)?;
    let rows = RowsView::new(&values, dim)?;

    let clock = Instant::now();
    let neighbors = exact_neighbors(rows, neighbors_wanted(params.perplexity, n), &Silent)?;
    let neighbors_secs = clock.elapsed().as_secs_f64();
    let pca = fit_pca(rows, 2, &Silent)?;
    let mut start = pca.project(rows);
    start.resize(2 * n, 0.0);
    let checkpoints = Checkpoints { resume: None, keep: &mut |_| {} };
    let found = tsne(&neighbors, &start, &params, checkpoints, &Silent)?;
    let secs = clock.elapsed().as_secs_f64();

    let map = RowsView::new(&found.map, 2)?;
    let kept = map_quality(rows, map, 10, n.min(20_000))?;
    let trusted = map_quality(rows, map, 12, SAMPLE)?;
    let line = json!({
        "peer": "featlas",
        "secs": (secs * 100.0).round() / 100.0,
        "n": n,
        "kl": divergence(&neighbors, &found.map, found.perplexity)?,
        "kept_10nn": kept.kept_at_k,
        "trustworthiness_12": trusted.trustworthiness,
        "neighbors_secs": neighbors_secs,
        "threads": rayon::current_num_threads(),
    });
    println!("{line}");
    if let Some(out) = out {
        write_npy(&out, &found.map, 2)?;
    }
    Ok(())
}

/// Writes `(rows, dim)` values in `NumPy`'s format.
fn write_npy(path: &Path, values: &[f32], dim: usize) -> anyhow::Result<()> {
    let shape = format!("({}, {dim})", values.len() / dim);
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = fs_err::File::create(path)?;
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(header.len())?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    file.write_all(bytemuck::cast_slice(values))?;
    Ok(())
}
