//! Build seconds, recall@10 against exact search, one-thread queries/s of the index, as `shared/bench/peers_ann.py`
//! prints them of others: `scripts/bench/ann FEATURES.npy [--m 16] [--ef-construction 200] [--queries 500] [--threads N]`.
//!
//! The build takes in everything from the features in memory to an index that can be asked: storing the rows, fitting the
//! directions, linking, the audit. `--batch` prints batch queries/s on one thread and on all instead.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of the benchmark")]

#[path = "support/npy.rs"]
mod npy;
mod support;

use featlas_core::{Digest, ImageId, RowsView, Silent};
use featlas_index::{Index, IndexParams, Metric, RowsWriter, build};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

const EFS: [usize; 7] = [12, 14, 16, 32, 64, 128, 256];
/// Times all queries are asked; the median counts.
const ROUNDS: usize = 5;
const K: usize = 10;

struct Args {
    features: String,
    m: usize,
    ef_construction: usize,
    queries: usize,
    threads: usize,
    rank: Option<usize>,
    batch: bool,
}

fn args() -> Result<Args, Box<dyn Error>> {
    let mut args = Args {
        features: String::new(),
        m: 16,
        ef_construction: 200,
        queries: 500,
        threads: 0,
        rank: None,
        batch: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--batch" {
            args.batch = true;
            continue;
        }
        if !word.starts_with("--") {
            args.features = word;
            continue;
        }
        let value: usize = words.next().ok_or("a flag without its value")?.parse()?;
        match word.as_str() {
            "--m" => args.m = value,
            "--ef-construction" => args.ef_construction = value,
            "--queries" => args.queries = value,
            "--threads" => args.threads = value,
            "--rank" => args.rank = Some(value),
            other => return Err(format!("unknown flag `{other}`").into()),
        }
    }
    if args.features.is_empty() {
        return Err("expected a .npy file of features, float32 (n, dim)".into());
    }
    Ok(args)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = args()?;
    let (values, dim) = npy::read(&args.features)?;
    let n = values.len() / dim;
    let folder = tempfile::tempdir()?;

    let start = Instant::now();
    let index = index_of(&values, dim, folder.path(), &args)?;
    let build_secs = start.elapsed().as_secs_f64();
    eprintln!("rank {}, {} bytes an image", index.rank(), index.memory_bytes() / n);

    let step = (n / args.queries).max(1);
    let queries: Vec<f32> =
        values.chunks_exact(dim).step_by(step).take(args.queries).flatten().copied().collect();
    let rows = RowsView::new(&queries, dim)?;
    let truth = index.search_exact_batch(rows, K)?;
    for ef in EFS {
        if args.batch {
            println!("{}", serde_json::to_string(&batch_line(&index, &values, dim, ef)?)?);
            continue;
        }
        let mut secs = [0.0; ROUNDS];
        let mut found = Vec::new();
        for secs in &mut secs {
            let start = Instant::now();
            found =
                rows.into_iter().map(|query| index.search(query, K, ef)).collect::<Result<Vec<_>, _>>()?;
            *secs = start.elapsed().as_secs_f64();
        }
        secs.sort_by(f64::total_cmp);
        let secs = secs[ROUNDS / 2];
        let hits: usize = found
            .iter()
            .zip(&truth)
            .map(|(found, truth)| truth.iter().filter(|t| found.iter().any(|f| f.id == t.id)).count())
            .sum();
        let line = serde_json::json!({
            "peer": "featlas", "n": n, "dim": dim, "build_secs": round(build_secs, 2), "ef_search": ef,
            "recall_at_10": round(hits as f64 / (K * found.len()) as f64, 4),
            "queries_per_s": round(found.len() as f64 / secs, 1),
        });
        println!("{line}");
    }
    Ok(())
}

/// Queries a second of one large batch, on one thread and on all.
fn batch_line(
    index: &Index,
    values: &[f32],
    dim: usize,
    ef: usize,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let rows = RowsView::new(&values[..values.len().min(8000 * dim)], dim)?;
    let all = std::thread::available_parallelism()?.get();
    let pools = [1, all].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build());
    let mut rates = [Vec::new(), Vec::new()];
    // Alternating, so that what else the machine does weighs on both alike; the first round warms up.
    for round in 0..=ROUNDS {
        for (pool, rates) in pools.iter().zip(&mut rates) {
            let pool = pool.as_ref().map_err(ToString::to_string)?;
            let start = Instant::now();
            pool.install(|| index.search_batch(rows, K, ef))?;
            if round > 0 {
                rates.push(rows.len() as f64 / start.elapsed().as_secs_f64());
            }
        }
    }
    let rates = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    });
    Ok(serde_json::json!({
        "peer": "featlas", "ef_search": ef, "batch": rows.len(), "threads": all,
        "one_thread_per_s": round(rates[0], 1), "all_threads_per_s": round(rates[1], 1),
        "speedup": round(rates[1] / rates[0], 2),
    }))
}

fn index_of(values: &[f32], dim: usize, folder: &Path, args: &Args) -> Result<Index, Box<dyn Error>> {
    let clock = Instant::now();
    let mut rows = RowsWriter::create(folder, "rows.bin", dim, Metric::Cosine)?;
    for (row, id) in values.chunks_exact(dim).zip(0..) {
        rows.push(ImageId(id), row)?;
    }
    eprintln!("rows stored after {:.2} s", clock.elapsed().as_secs_f64());
    let basis = support::fit_basis(&rows)?;
    eprintln!("directions fitted after {:.2} s", clock.elapsed().as_secs_f64());
    let params = IndexParams {
        m: args.m,
        ef_construction: args.ef_construction,
        threads: args.threads,
        rank: args.rank,
        ..IndexParams::default()
    };
    Ok(build(folder, rows, &basis, &params, Digest([0; 32]), &Silent)?)
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}
