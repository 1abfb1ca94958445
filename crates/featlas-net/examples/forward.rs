//! Measures forward passes with random weights and prints the JSON lines of the peers' benchmark.
//!
//! ```text
//! cargo run --release -p featlas-net --example forward -- --model alexnet --batches 1 8 64 --threads 2
//! ```
//! `--precision int8` multiplies integers, with scales from the batch itself, and prints the cosine of the
//! features to f32; `--backend candle` measures the reference instead; `--layers` prints what each layer takes, and its
//! share of the multiply-adds that the processor can do at best, measured in the same run.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

use featlas_net::arch::Naming;
use featlas_net::weights::Weights;
use featlas_net::{Backend, BackendKind, Batch, CpuBackend, Model, Precision, Ranges, Taps, architecture};
use rayon::prelude::*;
use std::borrow::Cow;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs of which the median counts, after one to warm up, unless `--repeats` says otherwise.
const REPEATS: usize = 5;

struct Options {
    model: String,
    backend: BackendKind,
    precision: Precision,
    batches: Vec<usize>,
    threads: usize,
    repeats: usize,
    layers: bool,
    logits: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = parse(std::env::args().skip(1))?;
    rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global()?;
    let model = random_model(&options.model)?;
    let taps = model.resolve_taps(&[])?;
    let taps = if options.logits { taps } else { taps.without_logits() };
    let ranges = match options.precision {
        Precision::Int8 => Some(calibrate(&model, &taps)?),
        Precision::F32 => None,
    };
    if options.layers {
        let backend = ranges
            .as_ref()
            .map_or_else(|| CpuBackend::new(&model), |ranges| CpuBackend::with_ranges(&model, ranges));
        for &batch in &options.batches {
            print_layers(&backend, &random_batch(&model, batch), &taps, &options)?;
        }
        return Ok(());
    }
    let backend = options.backend.open(&model, ranges.as_ref())?;
    for &n in &options.batches {
        let rate = measure(&*backend, &random_batch(&model, n), &taps, options.repeats)?;
        let peer = if backend.name() == "cpu" { "featlas" } else { "featlas-candle" };
        let line = serde_json::json!({
            "peer": peer, "model": options.model, "precision": options.precision.name(), "batch": n,
            "images_per_s": (rate * 10.0).round() / 10.0,
        });
        println!("{line}");
    }
    Ok(())
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        model: "alexnet".to_owned(),
        backend: BackendKind::Cpu,
        precision: Precision::F32,
        batches: vec![1, 8, 32, 64],
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        repeats: REPEATS,
        layers: false,
        logits: false,
    };
    let mut flag = args.next();
    while let Some(name) = flag {
        let mut values = Vec::new();
        flag = loop {
            match args.next() {
                Some(value) if !value.starts_with("--") => values.push(value),
                next => break next,
            }
        };
        let one = || values.first().cloned().ok_or_else(|| format!("`{name}` expects a value"));
        let number =
            |text: &String| text.parse().map_err(|_parse| format!("expected a number, got `{text}`"));
        match name.as_str() {
            "--model" => options.model = one()?,
            "--precision" => {
                options.precision = match one()?.as_str() {
                    "f32" => Precision::F32,
                    "int8" => Precision::Int8,
                    other => return Err(format!("expected `f32` or `int8`, got `{other}`")),
                }
            }
            "--backend" => {
                options.backend = match one()?.as_str() {
                    "cpu" => BackendKind::Cpu,
                    "candle" => BackendKind::Candle,
                    other => return Err(format!("expected `cpu` or `candle`, got `{other}`")),
                }
            }
            "--batches" => options.batches = values.iter().map(number).collect::<Result<_, _>>()?,
            "--threads" => options.threads = number(&one()?)?,
            "--repeats" => options.repeats = number(&one()?)?.max(1),
            "--layers" => options.layers = true,
            "--logits" => options.logits = true,
            _ => {
                let flags =
                    "--model, --precision, --backend, --batches, --threads, --repeats, --layers, --logits";
                return Err(format!("unknown flag `{name}`: expected one of {flags}"));
            }
        }
    }
    Ok(options)
}

/// Numbers in [-1, 1), the same in every run.
fn random(count: usize, mut state: u32) -> impl Iterator<Item = f32> {
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1_u32 << 23) as f32 - 1.0
    })
}

/// The architecture with weights of He's variance.
fn random_model(name: &str) -> Result<Model, Box<dyn Error>> {
    let architecture = architecture(name)?;
    let list = match architecture.tensor_list(Naming::Torchvision)? {
        Some(list) => list,
        None => architecture.tensor_list(Naming::Lecture)?.ok_or("tensors without names")?,
    };
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = list
        .into_par_iter()
        .enumerate()
        .map(|(seed, (name, shape))| {
            let fan_in: usize = shape[1..].iter().product();
            let scale = (6.0 / fan_in.max(64) as f32).sqrt();
            let seed = u32::try_from(seed).unwrap_or(0) + 1;
            let values = random(shape.iter().product(), seed * 0x9e37_79b9);
            let bytes = values.flat_map(|value| (value * scale).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
            view.map(|view| (name, view))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let bytes = safetensors::serialize(views, None)?;
    drop(tensors);
    Ok(Model::new(architecture, Weights::from_bytes(Cow::Owned(bytes), Path::new("random"))?)?)
}

fn random_batch(model: &Model, n: usize) -> Batch {
    let mut batch = Batch::new(n, model.preprocess().input_px());
    for (slot, seed) in batch.slots().zip(7_u32..) {
        let len = slot.len();
        for (value, random) in slot.iter_mut().zip(random(len, seed * 0x85eb_ca6b)) {
            *value = random;
        }
    }
    batch
}

/// The ranges of a few images' activations; says on stderr how close integers come to f32 on them.
fn calibrate(model: &Model, taps: &Taps) -> Result<Ranges, Box<dyn Error>> {
    let batch = random_batch(model, 4);
    let reference = CpuBackend::for_calibration(model);
    let mut ranges = Ranges::default();
    reference.calibrate(&batch, taps, &mut ranges)?;
    let expected = reference.forward(&batch, taps)?.features;
    let got = CpuBackend::with_ranges(model, &ranges).forward(&batch, taps)?.features;
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let cosine = dot(&got, &expected) / (dot(&got, &got) * dot(&expected, &expected)).sqrt();
    eprintln!("cosine to f32: {cosine:.7}");
    Ok(ranges)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(backend: &dyn Backend, batch: &Batch, taps: &Taps, repeats: usize) -> Result<f64, Box<dyn Error>> {
    backend.forward(batch, taps)?;
    let mut times = Vec::new();
    for _ in 0..repeats {
        let start = Instant::now();
        std::hint::black_box(backend.forward(batch, taps)?);
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(batch.len() as f64 / median(times))
}

fn print_layers(
    backend: &CpuBackend,
    batch: &Batch,
    taps: &Taps,
    &Options { threads, repeats, .. }: &Options,
) -> Result<(), Box<dyn Error>> {
    backend.forward(batch, taps)?;
    let runs = (0..repeats).map(|_| backend.time_layers(batch, taps)).collect::<Result<Vec<_>, _>>()?;
    let peaks = rayon::broadcast(|_| backend.isa().measure_peak(Duration::from_millis(500)));
    let peak: f64 = peaks.iter().sum();
    let gflops = |products: f64| (products * 2e-9 * 10.0).round() / 10.0;
    let isa = backend.isa().name();
    println!("{}", serde_json::json!({"isa": isa, "threads": threads, "peak_gflop_per_s": gflops(peak)}));
    for (i, layer) in runs[0].iter().enumerate() {
        let secs = median(runs.iter().map(|run| run[i].secs).collect());
        let rate = |products: u64| products as f64 / secs;
        let line = serde_json::json!({
            "layer": layer.layer, "method": layer.method, "batch": batch.len(),
            "ms_an_image": (secs * 1e6 / batch.len() as f64).round() / 1e3,
            "gflop_per_s": gflops(rate(layer.done)),
            "gflop_per_s_by_definition": gflops(rate(layer.products)),
            "share_of_peak": (rate(layer.done) / peak * 1000.0).round() / 1000.0,
        });
        println!("{line}");
    }
    Ok(())
}
