//! How fast explanations are, against the network's own forward rate on the same machine:
//! `cargo run --release -p featlas-explain --example speed [-- MODEL [IMAGES]]`.
//!
//! Prints, in images a second and as medians of several rounds: the batched forward pass, occlusion with a
//! window of 32 px and a stride of 8, guided backpropagation from a class and from a channel of the last
//! convolution in 32 and 64 bits, and the largest memory of the process. Weights are made by formula.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring program, run by hand")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{batch_of, formula_model, picture};
use featlas_core::Silent;
use featlas_explain::guided::{Unit, guided_classes, guided_units};
use featlas_explain::occlusion::{OcclusionParams, Watch, occlusion};
use featlas_explain::{ClassChoice, Network, ReadLayer, ReluRule};
use featlas_net::gradient::Real;
use featlas_net::{Backend as _, Batch, CpuBackend};
use std::time::Instant;

/// Rounds; each runs everything once, so that what else the machine does falls on all alike. Medians count.
const ROUNDS: usize = 7;

/// Images a second of one run over `count` images.
fn rate(count: usize, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    count as f64 / start.elapsed().as_secs_f64()
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn peak_memory_mb() -> f64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1024.0
}

/// Guided backpropagation of a class and of a channel, in images a second.
fn guided<T: Real>(network: &Network<T>, batch: &Batch, layer: &ReadLayer) -> [f64; 2] {
    let rules = [ReluRule::Guided];
    let units: Vec<Unit> = (0..batch.len()).map(|image| Unit { image, channel: 17, cell: None }).collect();
    [
        rate(batch.len(), || {
            guided_classes(network, batch, ClassChoice::Top, &rules, &Silent).unwrap();
        }),
        rate(batch.len(), || drop(guided_units(network, batch, layer, &units, &rules, &Silent).unwrap())),
    ]
}

fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "alexnet".to_owned());
    let count: usize = args.next().map_or(64, |count| count.parse().unwrap());
    let model = formula_model(&name);
    let images: Vec<_> = (0..u32::try_from(count).unwrap()).map(|seed| picture(256, 256, seed)).collect();
    let batch = batch_of(&model, &images);
    let layer = ReadLayer::default_of(&model).unwrap();
    println!("{name}, {count} images, {} threads, medians of {ROUNDS} rounds", rayon::current_num_threads());

    let network = Network::<f32>::new(&model);
    let before = peak_memory_mb();
    guided(&network, &batch, &layer);
    println!("memory of guided   at most {:.0} MB, {before:.0} MB before the gradients", peak_memory_mb());

    let (backend, wide) = (CpuBackend::new(&model), Network::<f64>::new(&model));
    let taps = model.resolve_taps(&[]).unwrap();
    let one = batch_of(&model, &images[..1]);
    let watch = Watch::Class(ClassChoice::Top);
    let params = OcclusionParams::default();
    let occlude = || occlusion(&model, &backend, &one, &watch, &params, &Silent).unwrap();
    let places = occlude()[0].values.len();
    // 64 bits are slow, and a few images show how slow.
    let few = batch_of(&model, &images[..count.min(8)]);
    let titles =
        ["forward", "occlusion", "guided, class", "guided, channel", "class, 64 bits", "channel, 64 bits"];
    let rounds: Vec<[f64; 6]> = (0..ROUNDS)
        .map(|_| {
            let forward = rate(count, || drop(backend.forward(&batch, &taps).unwrap()));
            let occluded = rate(places, || drop(occlude()));
            let [class, channel] = guided(&network, &batch, &layer);
            let [wide_class, wide_channel] = guided(&wide, &few, &layer);
            [forward, occluded, class, channel, wide_class, wide_channel]
        })
        .collect();
    for (what, title) in titles.iter().enumerate() {
        let rate = median(rounds.iter().map(|round| round[what]));
        let share = median(rounds.iter().map(|round| round[what] / round[0] * 100.0));
        println!("{title:<18} {rate:8.1} images/s   {share:5.1} % of forward");
    }
}
