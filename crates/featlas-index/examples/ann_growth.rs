//! How time and memory of the index grow with the number of rows: `scripts/bench/ann_growth FOLDER N…`.
//!
//! Rows are drawn to look like fc7: a few hundred groups on a low-dimensional base, spread out to 4096 values through a fixed
//! random matrix, and rectified so that two thirds are zero, as in alexnet-lite. They are streamed; no more than a block is
//! in memory.

#![expect(clippy::print_stdout, reason = "a program of the benchmark")]

mod support;

use featlas_core::{Digest, ImageId, Silent};
use featlas_index::{DEFAULT_EF_CURVE, IndexParams, Metric, RowsWriter, build};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::error::Error;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::Instant;

const DIM: usize = 4096;
/// Dimensions of the base.
const BASE: usize = 96;
const GROUPS: usize = 1000;
/// What is taken off before rectifying, so that two thirds are zero.
const BIAS: f32 = 0.55;
const BLOCK: usize = 2048;

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

struct Source {
    // (BASE, DIM)
    spread: Vec<f32>,
    // (GROUPS, BASE)
    centers: Vec<f32>,
}

impl Source {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let scale = 1.0 / (BASE as f32).sqrt();
        let spread = (0..BASE * DIM).map(|_| normal(&mut rng) * scale).collect();
        // Later dimensions vary less, as later components do.
        let fall = |at: usize| 1.0 / (1.0 + at as f32 / 16.0);
        let centers = (0..GROUPS * BASE).map(|at| normal(&mut rng) * fall(at % BASE) * 1.2).collect();
        Self { spread, centers }
    }

    fn row(&self, number: u64, out: &mut [f32]) {
        let mut rng = ChaCha8Rng::seed_from_u64(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let group = rng.random_range(0..GROUPS);
        out.fill(-BIAS * 0.6);
        for at in 0..BASE {
            let weight = self.centers[group * BASE + at] + normal(&mut rng) / (1.0 + at as f32 / 24.0);
            for (value, part) in out.iter_mut().zip(&self.spread[at * DIM..][..DIM]) {
                *value += weight * part;
            }
        }
        for value in out {
            *value = if *value > 0.0 { *value * (0.95 + 0.1 * rng.random::<f32>()) } else { 0.0 };
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("expected a folder")?);
    let n: usize = args.next().ok_or("expected a number of rows")?.parse()?;
    let folder = tempfile::tempdir_in(folder)?;
    let source = Source::new();

    let start = Instant::now();
    let (mut drawing, mut nonzero) = (0.0, 0usize);
    let mut rows = RowsWriter::create(folder.path(), "rows.bin", DIM, Metric::Cosine)?;
    let mut block = vec![0.0f32; BLOCK * DIM];
    for first in (0..n).step_by(BLOCK) {
        let clock = Instant::now();
        let count = BLOCK.min(n - first);
        block[..count * DIM]
            .par_chunks_exact_mut(DIM)
            .enumerate()
            .for_each(|(at, row)| source.row((first + at) as u64, row));
        drawing += clock.elapsed().as_secs_f64();
        for (row, id) in block[..count * DIM].chunks_exact(DIM).zip(first as u64..) {
            nonzero += row.iter().filter(|value| **value > 0.0).count();
            rows.push(ImageId(id), row)?;
        }
    }
    let stored = start.elapsed().as_secs_f64() - drawing;
    let clock = Instant::now();
    let basis = support::fit_basis(&rows)?;
    let fitted = clock.elapsed().as_secs_f64();
    let clock = Instant::now();
    let mut index = build(folder.path(), rows, &basis, &IndexParams::default(), Digest([0; 32]), &Silent)?;
    let linked = clock.elapsed().as_secs_f64();
    let build_secs = stored + fitted + linked;
    let build_memory = memory();
    let queries = if n > 200_000 { 200 } else { 500 };
    let recall = index.measure_recall(&DEFAULT_EF_CURVE, queries, 1, 0.99, &Silent)?;
    index.set_ef_search(recall.ef_search);
    let path = folder.path().join("graph.bin");
    let mut out = BufWriter::new(fs_err::File::create(&path)?);
    index.write(&mut out)?;
    out.flush()?;
    let chosen = recall.chosen().copied();
    let line = serde_json::json!({
        "peer": "featlas", "n": n, "dim": DIM, "nonzero_share": nonzero as f64 / (n * DIM) as f64,
        "store_secs": stored, "fit_secs": fitted, "link_secs": linked, "build_secs": build_secs,
        "rank": index.rank(), "rerank": recall.rerank, "ef_search": recall.ef_search,
        "recall_at_10": chosen.map(|point| point.recall_at_10),
        "micros_per_query": chosen.map(|point| point.micros_per_query),
        "exact_micros_per_query": recall.exact_micros_per_query,
        "file_bytes_per_row": fs_err::metadata(&path)?.len() as f64 / n as f64,
        "memory_bytes_per_row": recall.bytes_per_image,
        "rows_file_bytes_per_row": index.rows_files()[0].bytes as f64 / n as f64,
        "build_peak_bytes": build_memory, "peak_bytes": memory(),
    });
    println!("{line}");
    Ok(())
}

/// Peak resident bytes of the process, mapped files included; 0 where the system does not say.
fn memory() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}
