//! JPEG folder -> features, maxima, thumbnails -> committed shards: images/s end to end, and what each half
//! does alone. `scripts/bench/pipeline` runs it.
//!
//! Prints one JSON object a line: the whole, decoding alone (the same flow with a network that does
//! nothing), the network alone (batches that are already decoded), and the share that the whole reaches of
//! what the shared cores allow, `1 / (1 / decode + 1 / forward)`. Opening the model is not counted, as it
//! is not for the peers. With `--decode-only` there is only the second, and the peak memory of the process.

#![expect(clippy::print_stdout, reason = "a measuring program prints what it measured")]

use featlas_core::Silent;
use featlas_extract::{Engine, ExtractOptions, ExtractReport, extract, plan};
use featlas_image::{DecodeOptions, Source, SourceOptions, decode};
use featlas_net::arch::Naming;
use featlas_net::weights::Weights;
use featlas_net::{
    Activation, Backend, BackendKind, Batch, ConvMaxima, Model, NetError, Outputs, Taps, architecture,
};
use featlas_store::{Atlas, ConvColumns, Fingerprint, Manifest, Schema, SourceRecord};
use rand::{RngExt as _, SeedableRng as _};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Instant;

type Error = Box<dyn std::error::Error>;

struct Args {
    folder: PathBuf,
    model: String,
    weights: Option<PathBuf>,
    backend: BackendKind,
    batch: usize,
    threads: usize,
    repeats: usize,
    decode_only: bool,
}

fn main() -> Result<(), Error> {
    let args = args()?;
    let model = match &args.weights {
        Some(weights) => Model::open(&args.model, Some(weights))?,
        None => random_model(&args.model)?,
    };
    let taps = model.resolve_taps(&[])?;
    let backend = args.backend.open(&model, None)?;
    let source = Source::open(&args.folder, &SourceOptions::default())?;
    let bench = Bench { args: &args, source, model: &model, taps: &taps };
    let idle = Idle { dim: taps.feature.dim, channels: taps.convs.iter().map(|tap| tap.channels).collect() };

    if args.decode_only {
        let (decode, _) = bench.extract(&idle)?;
        let rate = round(decode.images_per_sec);
        println!(
            "{}",
            json!({
                "peer": "featlas", "part": "decode alone", "images": decode.rows, "images_per_s": rate,
                "decode_ms": round(decode.decode_secs * 1e4 / decode.rows as f64) / 10.0,
                "peak_memory_bytes": peak_memory_bytes(),
            })
        );
        return Ok(());
    }
    for _ in 0..args.repeats {
        let (whole, bytes) = bench.extract(&*backend)?;
        let (decode, _) = bench.extract(&idle)?;
        let forward = bench.forward(&*backend)?;
        let bound = 1.0 / (1.0 / decode.images_per_sec + 1.0 / forward);
        let line = |part: &str, rate: f64| {
            println!("{}", json!({"peer": "featlas", "part": part, "images_per_s": round(rate)}));
        };
        println!(
            "{}",
            json!({
                "peer": "featlas", "backend": backend.name(), "model": args.model, "workers": args.threads,
                "batch": args.batch, "images": whole.rows, "secs": (whole.secs * 100.0).round() / 100.0,
                "images_per_s": round(whole.images_per_sec), "bytes": bytes,
                "share_of_bound": (whole.images_per_sec / bound * 1000.0).round() / 1000.0,
                "shares": whole.shares, "cores_busy": whole.cores_busy, "limited_by": whole.limited_by,
            })
        );
        line("decode alone", decode.images_per_sec);
        line("forward alone", forward);
        line("bound", bound);
    }
    Ok(())
}

struct Bench<'a> {
    args: &'a Args,
    source: Source,
    model: &'a Model,
    taps: &'a Taps,
}

impl Bench<'_> {
    /// A whole extraction into a new atlas, and the bytes of its shards.
    fn extract(&self, backend: &dyn Backend) -> Result<(ExtractReport, u64), Error> {
        let folder = tempfile::tempdir()?;
        let convs = self.taps.convs.iter().map(|tap| ConvColumns {
            name: tap.name.clone(),
            channels: tap.channels,
            height: tap.height,
            width: tap.width,
        });
        let schema = Schema {
            feature_column: self.taps.feature.column.clone(),
            dim: self.taps.feature.dim,
            convs: convs.collect(),
        };
        let record = SourceRecord::new("folder", &self.args.folder, serde_json::Value::Null);
        let manifest = Manifest::new(Fingerprint::new().with("bench", "1"), schema.clone(), vec![record]);
        let root = folder.path().join("atlas");
        let mut atlas = Atlas::create(&root, &manifest)?;
        let sources = std::slice::from_ref(&self.source);
        let start = Instant::now();
        let plan = plan(sources, Vec::new(), atlas.next_image_id(), &Silent)?;
        let engine = Engine {
            backend,
            preprocess: self.model.preprocess(),
            taps: self.taps,
            schema: &schema,
            source_numbers: &[0],
        };
        let options = ExtractOptions {
            threads: self.args.threads,
            batch: self.args.batch,
            shard_rows: 1024,
            decode: DecodeOptions::default(),
        };
        let mut report = extract(&mut atlas, sources, &plan, engine, &options, &Silent)?;
        // The listing counts too.
        report.secs = start.elapsed().as_secs_f64();
        report.images_per_sec = (report.rows + report.rejects) as f64 / report.secs;
        let bytes =
            atlas.commits().iter().flat_map(featlas_store::Commit::files).map(|file| file.bytes).sum();
        Ok((report, bytes))
    }

    /// Images a second of the network over batches that are ready.
    fn forward(&self, backend: &dyn Backend) -> Result<f64, Error> {
        let entries = self.source.entries(&Silent)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.args.threads).build()?;
        let (mut secs, mut images) = (0.0, 0);
        for entries in entries.chunks(self.args.batch) {
            let mut batch = Batch::new(0, self.model.preprocess().input_px());
            for entry in entries {
                let Ok(bytes) = self.source.read(entry) else { continue };
                let Ok(decoded) = decode(&bytes, &DecodeOptions::default()) else { continue };
                batch.resize(batch.len() + 1);
                let slot = batch.len() - 1;
                self.model.preprocess().write_input(&decoded.image, batch.slot(slot));
            }
            let start = Instant::now();
            pool.install(|| backend.forward(&batch, self.taps))?;
            secs += start.elapsed().as_secs_f64();
            images += batch.len();
        }
        Ok(images as f64 / secs)
    }
}

/// A network that does nothing, so that only decoding and writing are left.
struct Idle {
    dim: usize,
    channels: Vec<usize>,
}

impl Backend for Idle {
    fn forward(&self, batch: &Batch, _taps: &Taps) -> Result<Outputs, NetError> {
        let n = batch.len();
        let maxima = |&c: &usize| ConvMaxima { max: vec![0.0; n * c], argmax: vec![0; n * c] };
        Ok(Outputs {
            features: vec![0.0; n * self.dim],
            convs: self.channels.iter().map(maxima).collect(),
            logits: vec![0.0; n * 5],
        })
    }

    fn activations(&self, _batch: &Batch, _layer: &str) -> Result<Activation, NetError> {
        unreachable!("nobody asks for activations here")
    }

    fn name(&self) -> String {
        "idle".to_owned()
    }
}

/// A model with drawn weights of He's variance, so that values neither vanish nor grow.
fn random_model(name: &str) -> Result<Model, Error> {
    let architecture = architecture(name)?;
    let named = |naming| architecture.tensor_list(naming);
    let list = match named(Naming::Torchvision)? {
        Some(list) => list,
        None => named(Naming::Lecture)?.ok_or("an architecture without names")?,
    };
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = list
        .into_iter()
        .map(|(name, shape)| {
            let fan_in: usize = shape.get(1..).map_or(1, |rest| rest.iter().product());
            let limit = if shape.len() > 1 { (6.0 / fan_in as f32).sqrt() } else { 0.0 };
            let values =
                (0..shape.iter().product::<usize>()).map(|_| limit * (2.0 * rng.random::<f32>() - 1.0));
            let bytes = values.flat_map(f32::to_le_bytes).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let bytes = safetensors::serialize(views, None)?;
    Ok(Model::new(architecture, Weights::from_bytes(Cow::Owned(bytes), Path::new("drawn.safetensors"))?)?)
}

/// Peak resident bytes of this process, where the system says.
fn peak_memory_bytes() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn round(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

fn args() -> Result<Args, Error> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (model, weights) = ("alexnet".to_owned(), None);
    let (batch, threads, repeats, decode_only) = (64, cores, 1, false);
    let (folder, backend) = (PathBuf::new(), BackendKind::Cpu);
    let mut args = Args { folder, model, weights, backend, batch, threads, repeats, decode_only };
    let mut given = std::env::args().skip(1);
    while let Some(arg) = given.next() {
        if arg == "--decode-only" {
            args.decode_only = true;
            continue;
        }
        let mut value = || given.next().ok_or(format!("`{arg}` needs a value"));
        match arg.as_str() {
            "--model" => args.model = value()?,
            "--weights" => args.weights = Some(value()?.into()),
            "--backend" => {
                args.backend = match value()?.as_str() {
                    "cpu" => BackendKind::Cpu,
                    "candle" => BackendKind::Candle,
                    other => return Err(format!("expected `cpu` or `candle`, got `{other}`").into()),
                }
            }
            "--batch" => args.batch = value()?.parse()?,
            "--threads" => args.threads = value()?.parse()?,
            "--repeats" => args.repeats = value()?.parse()?,
            flag if flag.starts_with("--") => return Err(format!("unknown flag `{flag}`").into()),
            folder => args.folder = folder.into(),
        }
    }
    if args.folder.as_os_str().is_empty() {
        return Err(
            "expected FOLDER [--model NAME] [--weights FILE] [--batch N] [--threads N] [--repeats N]".into(),
        );
    }
    Ok(args)
}
