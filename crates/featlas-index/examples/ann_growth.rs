//! How time and memory of the index grow with the number of rows: `scripts/bench/ann_growth FOLDER N…`.
//!
//! Rows are drawn to look like fc7 of alexnet-lite: groups on a base of 96 dimensions, spread out to 4096 values through a
//! fixed random matrix and rectified. Share of zeros, variance of the leading components and distances to the nearest were
//! fitted to the real rows; BENCHMARKS.md shows both. Rows are streamed; no more than a block is in memory.

#![expect(clippy::print_stdout, reason = "a program of the benchmark")]

mod support;

use featlas_core::{Digest, ImageId, Silent};
use featlas_index::{DEFAULT_EF_CURVE, IndexParams, Metric, RowsWriter, build};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::error::Error;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const DIM: usize = 4096;
/// Dimensions of the base.
const BASE: usize = 96;
const GROUPS: usize = 1000;
/// Share of the variance that lies between the groups.
const BETWEEN: f32 = 0.7;
/// What is taken off before rectifying: its mean, and its spread over the rows, whose shares of zeros differ by it.
const BIAS: [f32; 2] = [0.4, 0.2];
/// Values are strong or weak by up to this share, each by itself: what no base explains.
const NOISE: f32 = 0.05;
const BLOCK: usize = 2048;

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

struct Source {
    // (BASE, DIM)
    spread: Vec<f32>,
    // Standard deviation along each dimension of the base, `(BASE)`; their squares sum to 1.
    scale: Vec<f32>,
    // (GROUPS, BASE), then the bias.
    centers: Vec<f32>,
}

impl Source {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let spread = (0..BASE * DIM).map(|_| normal(&mut rng)).collect();
        // Eight components carry half of the variance; then it falls steeply.
        let fall = |at: f32| at.powf(-0.15) / (at / 8.0).max(1.0).powf(2.3);
        let raw: Vec<f32> = (1..=BASE).map(|at| fall(at as f32)).collect();
        let length = raw.iter().map(|scale| scale * scale).sum::<f32>().sqrt();
        let centers = (0..GROUPS * (BASE + 1)).map(|_| normal(&mut rng)).collect();
        Self { spread, scale: raw.iter().map(|scale| scale / length).collect(), centers }
    }

    fn row(&self, number: u64, out: &mut [f32]) {
        let mut rng = ChaCha8Rng::seed_from_u64(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let group = rng.random_range(0..GROUPS);
        let center = &self.centers[group * (BASE + 1)..][..=BASE];
        let mut place = |at: usize| BETWEEN.sqrt() * center[at] + (1.0 - BETWEEN).sqrt() * normal(&mut rng);
        out.fill(-(BIAS[0] + BIAS[1] * place(BASE)));
        for at in 0..BASE {
            let weight = self.scale[at] * place(at);
            for (value, part) in out.iter_mut().zip(&self.spread[at * DIM..][..DIM]) {
                *value += weight * part;
            }
        }
        for value in out {
            *value =
                if *value > 0.0 { *value * (1.0 + NOISE * (2.0 * rng.random::<f32>() - 1.0)) } else { 0.0 };
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("expected a folder")?);
    let n: usize = args.next().ok_or("expected a number of rows")?.parse()?;
    let folder = tempfile::tempdir_in(folder)?;
    let source = Source::new();

    watch_memory()?;
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
    let (clock, busy) = (Instant::now(), processor_secs());
    let mut index = build(folder.path(), rows, &basis, &IndexParams::default(), Digest([0; 32]), &Silent)?;
    let (linked, busy) = (clock.elapsed().as_secs_f64(), processor_secs() - busy);
    let build_secs = stored + fitted + linked;
    let build_memory = (PEAK_ANONYMOUS.load(Relaxed), resident("VmHWM:"));
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
        "store_secs": stored, "fit_secs": fitted, "link_secs": linked, "link_processor_secs": busy,
        "build_secs": build_secs,
        "rank": index.rank(), "rerank": recall.rerank, "ef_search": recall.ef_search,
        "recall_at_10": chosen.map(|point| point.recall_at_10),
        "micros_per_query": chosen.map(|point| point.micros_per_query),
        "exact_micros_per_query": recall.exact_micros_per_query,
        "file_bytes_per_row": fs_err::metadata(&path)?.len() as f64 / n as f64,
        "memory_bytes_per_row": recall.bytes_per_image,
        "rows_file_bytes_per_row": index.rows_files()[0].bytes as f64 / n as f64,
        "build_peak_anonymous_bytes": build_memory.0, "build_peak_resident_bytes": build_memory.1,
        "peak_resident_bytes": resident("VmHWM:"),
    });
    println!("{line}");
    Ok(())
}

/// Most bytes of memory of its own that the process had, as far as it was looked at; mapped files are not in it.
static PEAK_ANONYMOUS: AtomicU64 = AtomicU64::new(0);

/// Looks at the memory now and then, until the process ends.
fn watch_memory() -> io::Result<()> {
    let watch = || loop {
        PEAK_ANONYMOUS.fetch_max(resident("RssAnon:"), Relaxed);
        std::thread::sleep(Duration::from_millis(50));
    };
    std::thread::Builder::new().name("memory".to_owned()).spawn(watch).map(drop)
}

/// Bytes of a line of the process's status; 0 where the system does not say. `VmHWM:`, the peak, counts mapped files too, of
/// which the system keeps in memory what it has room for.
fn resident(line: &str) -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|text| text.strip_prefix(line));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Seconds of all processors that the process took so far, in hundredths as Linux counts them; 0 where it does not say.
fn processor_secs() -> f64 {
    let stat = fs_err::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
