//! How fast explanations are, against the network's own forward rate on the same machine:
//! `cargo run --release -p featlas-explain --example speed [-- MODEL [IMAGES]]`.
//!
//! Prints, in images a second and as medians of several runs: the batched forward pass, occlusion with a
//! window of 32 px and a stride of 8, guided backpropagation from a class and from a channel of the last
//! convolution, and the largest memory of the process. Weights are made by formula.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring program, run by hand")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{batch_of, formula_model, picture};
use featlas_core::Silent;
use featlas_explain::guided::{Unit, guided_classes, guided_units};
use featlas_explain::occlusion::{OcclusionParams, Watch, occlusion};
use featlas_explain::{ClassChoice, Network, ReadLayer, ReluRule};
use featlas_net::{Backend as _, Batch, CpuBackend};
use std::time::Instant;

/// Runs of each measurement; the median counts.
const RUNS: usize = 3;

/// The median rate of `count` images, in images a second.
fn rate(count: usize, mut run: impl FnMut()) -> f64 {
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            count as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[RUNS / 2]
}

fn peak_memory_mb() -> f64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1024.0
}

fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "alexnet".to_owned());
    let count: usize = args.next().map_or(64, |count| count.parse().unwrap());
    let model = formula_model(&name);
    let images: Vec<_> = (0..u32::try_from(count).unwrap()).map(|seed| picture(256, 256, seed)).collect();
    let batch = batch_of(&model, &images);
    let backend = CpuBackend::new(&model);
    let taps = model.resolve_taps(&[]).unwrap();
    backend.forward(&batch, &taps).unwrap();
    let forward = rate(count, || drop(backend.forward(&batch, &taps).unwrap()));
    println!("{name}, {count} images, {} threads, {} backend", rayon::current_num_threads(), backend.name());
    println!("forward            {forward:8.1} images/s");

    let one = batch_of(&model, &images[..1]);
    let watch = Watch::Class(ClassChoice::Top);
    let params = OcclusionParams::default();
    let occlude = |batch: &Batch| occlusion(&model, &backend, batch, &watch, &params, &Silent).unwrap();
    let places = occlude(&one)[0].values.len();
    let occluded = rate(places, || drop(occlude(&one)));
    println!(
        "occlusion          {occluded:8.1} images/s   {:5.1} % of forward, {places} places",
        occluded / forward * 100.0
    );

    drop(backend);
    let before = peak_memory_mb();
    let network = Network::<f32>::new(&model);
    let rules = [ReluRule::Guided];
    let classes =
        rate(count, || drop(guided_classes(&network, &batch, ClassChoice::Top, &rules, &Silent).unwrap()));
    println!("guided, class      {classes:8.1} images/s   {:5.1} % of forward", classes / forward * 100.0);
    let layer = ReadLayer::default_of(&model).unwrap();
    let units: Vec<Unit> = (0..count).map(|image| Unit { image, channel: 17, cell: None }).collect();
    let channel =
        rate(count, || drop(guided_units(&network, &batch, &layer, &units, &rules, &Silent).unwrap()));
    println!(
        "guided, {:<10} {channel:8.1} images/s   {:5.1} % of forward",
        layer.name,
        channel / forward * 100.0
    );
    println!("memory: at most {:.0} MB, {before:.0} MB before the gradients", peak_memory_mb());
}
