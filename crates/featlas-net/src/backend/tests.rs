//! Every backend on every instruction set, against PyTorch, against the definitions and against each other.

mod naive;

use super::*;
use crate::arch::{Builder, LayerId, Op, Shape, architecture, architectures};
use crate::testing::{
    architecture_of, assert_close, floats, formula_model, fractions, golden, picture, sizes,
};
use serde_json::Value;

/// All backends, on everything that this processor can run.
pub(super) fn backends(model: &Model) -> Vec<(String, Box<dyn Backend>)> {
    let candle: Box<dyn Backend> = Box::new(CandleBackend::new(model).unwrap());
    let cpu = Isa::all().into_iter().map(|isa| {
        let backend: Box<dyn Backend> = Box::new(CpuBackend::with_isa(model, isa));
        (format!("cpu, {}", isa.name()), backend)
    });
    let tensors: Box<dyn Backend> =
        Box::new(CandleBackend::on_device(model, &candle_core::Device::Cpu).unwrap());
    let candle = [("candle".to_owned(), candle), ("candle, tensors".to_owned(), tensors)];
    candle.into_iter().chain(cpu).collect()
}

/// Deep networks sum thousands of products in another order than PyTorch.
const TOLERANCE: f64 = 1e-4;

/// Whole networks, from a picture's pixels on, against PyTorch.
#[test]
fn networks_equal_pytorchs() {
    let golden = golden("forward.json");
    let models = golden["models"].as_array().unwrap();
    for entry in models {
        let name = entry["model"].as_str().unwrap();
        let model = if name == "alexnet-lite" {
            Model::open(name, None).unwrap()
        } else {
            formula_model(architecture(name).unwrap())
        };
        check_model(&model, entry["images"].as_array().unwrap());
    }
    assert_eq!(models.len(), 7);
}

fn check_model(model: &Model, images: &[Value]) {
    let name = model.name();
    let tapped: Vec<String> = images[0]["taps"].as_object().unwrap().keys().cloned().collect();
    let taps = model.resolve_taps(&tapped).unwrap();
    let mut batch = Batch::new(images.len(), model.preprocess().input_px());
    for (slot, entry) in batch.slots().zip(images) {
        let number = |key: &str| u32::try_from(entry[key].as_u64().unwrap()).unwrap();
        let image = picture(number("width"), number("height"), number("seed"));
        model.preprocess().write_input(&image, slot);
    }
    // The portable kernels are for processors that are rare; the small networks show that they are right.
    for (backend_name, backend) in backends(model).into_iter().filter(|(name, _)| name != "cpu, portable") {
        let outputs = backend.forward(&batch, &taps).unwrap();
        check_outputs(&format!("{name} on {backend_name}"), model, &taps, &outputs, images);
    }
}

fn check_outputs(name: &str, model: &Model, taps: &Taps, outputs: &Outputs, images: &[Value]) {
    assert_eq!(outputs.logits.len(), images.len() * model.architecture().num_classes);
    for (i, entry) in images.iter().enumerate() {
        let feature = &outputs.features[i * taps.feature.dim..][..taps.feature.dim];
        let norm = feature.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        let expected_norm = entry["feature_norm"].as_f64().unwrap();
        assert!((norm / expected_norm - 1.0).abs() < TOLERANCE, "{name}: norm {norm}, not {expected_norm}");
        let expected = floats(&entry["feature"]);
        // Of values near zero, what counts is how near, in units of the typical value.
        let typical = expected_norm / (feature.len() as f64).sqrt();
        let what = format!("{name}, feature of image {i}");
        assert_close(&what, &feature[..expected.len()], &expected, TOLERANCE, typical);
        for (tap, maxima) in taps.convs.iter().zip(&outputs.convs) {
            let expected = &entry["taps"][&tap.name];
            assert_eq!(
                sizes(&expected["shape"]),
                [tap.channels, tap.height, tap.width],
                "{name}, {}",
                tap.name
            );
            let channels = expected["maxima"].as_array().unwrap();
            assert!(channels.len() >= 8, "{name}, {}: too few channels to compare", tap.name);
            for channel in channels {
                let at = i * tap.channels + usize::try_from(channel[0].as_u64().unwrap()).unwrap();
                let what = format!("{name}, {} of image {i}, channel {}", tap.name, channel[0]);
                assert_close(&what, &[maxima.max[at]], &[channel[1].as_f64().unwrap()], TOLERANCE, 0.0);
                assert_eq!(u64::from(maxima.argmax[at]), channel[2].as_u64().unwrap(), "{what}");
            }
        }
        let logits =
            &outputs.logits[i * model.architecture().num_classes..][..model.architecture().num_classes];
        let expected = entry["top"].as_array().unwrap();
        assert!(expected.len() >= 4);
        for (got, expected) in crate::model::top_k_classes(logits, 5).iter().zip(expected) {
            assert_eq!(u64::from(got.0), expected[0].as_u64().unwrap(), "{name}, image {i}");
            assert_close(name, &[got.1], &[expected[1].as_f64().unwrap()], TOLERANCE, 0.0);
        }
    }
}

/// A network with every kind of layer, small enough to run often.
pub(super) fn small_model() -> Model {
    let mut net = Builder::new();
    let conv = |out_channels, groups| Op::Conv { out_channels, kernel: 3, stride: 1, padding: 1, groups };
    net.op_relu("conv1", "relu1", conv(4, 1), None)
        .op("norm1", Op::Lrn { size: 3, alpha: 1.0, beta: 0.75, k: 1.0 })
        .max_pool("pool1", 3, 2, true);
    let pooled = net.last();
    net.op_relu("conv2", "relu2", conv(4, 2), None);
    let narrow = net.last();
    let wide = net.layer("conv3", conv(6, 1), vec![pooled], None);
    net.layer("both", Op::Concat, vec![narrow, wide], None);
    // Read twice: neither may be changed in place.
    let both = net.last();
    let cut = net.layer("relu3", Op::Relu, vec![both], None);
    net.layer("all", Op::Concat, vec![both, cut], None);
    net.op("avgpool", Op::AvgPool { out: 2 })
        .op("flatten", Op::Flatten)
        .op_relu("fc6", "relu6", Op::LowRankLinear { rank: 3, out: 700 }, None)
        .op("fc7", Op::Linear { out: 5 });
    formula_model(architecture_of(net, 12, 5, "fc6"))
}

pub(super) fn small_batch(n: usize) -> Batch {
    let mut batch = Batch::new(n, 12);
    for (slot, seed) in batch.slots().zip(20..) {
        let len = slot.len();
        slot.copy_from_slice(&fractions(len, seed));
    }
    batch
}

fn tap_names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn every_layer_equals_its_definition() {
    let model = small_model();
    let batch = small_batch(3);
    let expected: Vec<Vec<Vec<f64>>> =
        batch.values().chunks(3 * 144).map(|image| naive::run(&model, image)).collect();
    for (name, backend) in backends(&model) {
        for layer in &model.architecture().layers {
            let got = backend.activations(&batch, &layer.name).unwrap();
            let read = model.architecture().read_at(model.find_layer(&layer.name).unwrap());
            let index = read.index().unwrap();
            assert_eq!((got.n, got.c, got.h, got.w), {
                let Shape { c, h, w } = model.shapes()[index];
                (3, c, h, w)
            });
            let expected: Vec<f64> = expected.iter().flat_map(|image| image[index].clone()).collect();
            assert_close(&format!("{} on {name}", layer.name), &got.data, &expected, 1e-5, 1.0);
        }
    }
}

#[test]
fn taps_read_what_activations_show() {
    let model = small_model();
    let batch = small_batch(3);
    let taps = model.resolve_taps(&tap_names(&["conv3", "conv1", "pool1", "all_mean"])).unwrap();
    for (_, backend) in backends(&model) {
        let outputs = backend.forward(&batch, &taps).unwrap();
        assert_eq!(taps.feature.column, "all_mean");
        for (tap, maxima) in taps.convs.iter().zip(&outputs.convs) {
            let activation = backend.activations(&batch, &tap.name).unwrap();
            for (plane, values) in activation.data.chunks_exact(tap.height * tap.width).enumerate() {
                let cell = usize::from(maxima.argmax[plane]);
                assert_eq!(values[cell].to_bits(), maxima.max[plane].to_bits(), "{}", tap.name);
                assert!(values.iter().all(|&v| v <= maxima.max[plane]));
                assert!(values[..cell].iter().all(|&v| v < maxima.max[plane]), "an earlier cell is as large");
            }
        }
        let all = backend.activations(&batch, "all").unwrap();
        let means: Vec<f64> = all
            .data
            .chunks_exact(all.h * all.w)
            .map(|plane| plane.iter().map(|&v| f64::from(v)).sum::<f64>() / plane.len() as f64)
            .collect();
        assert_close("all_mean", &outputs.features, &means, 1e-6, 1.0);
        let logits = backend.activations(&batch, "fc7").unwrap();
        assert_eq!(outputs.logits, logits.data);
    }
}

#[test]
fn without_logits_the_rest_is_the_same() {
    let model = small_model();
    let batch = small_batch(2);
    let taps = model.resolve_taps(&[]).unwrap();
    for (name, backend) in backends(&model) {
        let whole = backend.forward(&batch, &taps).unwrap();
        let rest = backend.forward(&batch, &taps.clone().without_logits()).unwrap();
        assert_eq!(rest.logits, [0.0; 0], "{name}");
        assert_eq!(Outputs { logits: whole.logits.clone(), ..rest }, whole, "{name}");
        assert_eq!(whole.logits.len(), 2 * 5);
    }
}

/// The same batch gives the same bits, whatever the number of threads.
#[test]
fn threads_change_no_bit() {
    let model = small_model();
    let taps = model.resolve_taps(&[]).unwrap();
    let batch = small_batch(7);
    for (name, backend) in backends(&model) {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| backend.forward(&batch, &taps).unwrap())
        };
        let one = run(1);
        for threads in [1, 2, 5] {
            assert_eq!(run(threads), one, "{name}, {threads} threads");
        }
    }
}

#[test]
fn empty_and_shortened_batches_work() {
    let model = small_model();
    let taps = model.resolve_taps(&[]).unwrap();
    for (_, backend) in backends(&model) {
        let empty = backend.forward(&Batch::new(0, 12), &taps).unwrap();
        assert!(empty.features.is_empty() && empty.logits.is_empty() && empty.convs[0].max.is_empty());
        assert!(backend.activations(&Batch::new(0, 12), "conv1").unwrap().data.is_empty());
        let mut batch = small_batch(4);
        batch.truncate(2);
        assert_eq!(backend.forward(&batch, &taps).unwrap(), backend.forward(&small_batch(2), &taps).unwrap());
    }
}

#[test]
fn wrong_sizes_and_layers_are_refused() {
    let model = small_model();
    let taps = model.resolve_taps(&[]).unwrap();
    for (_, backend) in backends(&model) {
        let err = backend.forward(&Batch::new(1, 13), &taps).unwrap_err();
        assert_eq!(err.to_string(), "wrong input size: expected 12 px, got 13");
        let err = backend.activations(&small_batch(1), "conv9").unwrap_err();
        let text = err.to_string();
        assert!(text.starts_with("model `tiny` has no layer `conv9`: expected one of conv1"), "{err}");
    }
}

/// The engine against candle, with formula weights: every convolution and the feature of every network.
#[test]
fn backends_agree_on_every_architecture() {
    let mut tapped = 0;
    for name in architectures() {
        let mut arch = architecture(name).unwrap();
        if name.starts_with("vgg") {
            // Smaller inputs: the layers are the same, and the test should not take minutes.
            let text = "RGB; shorter side to 72; center crop 64; /255; mean 0.485 0.456 0.406; std 0.229 0.224 0.225";
            arch.preprocess = crate::Preprocess::parse(text).unwrap();
        }
        let model = formula_model(arch);
        let names: Vec<String> = model.architecture().conv_layers().into_iter().map(str::to_owned).collect();
        let taps = model.resolve_taps(&names[..names.len()]).unwrap();
        let mut batch = Batch::new(2, model.preprocess().input_px());
        for (slot, seed) in batch.slots().zip(0..) {
            model.preprocess().write_input(&picture(300, 280, seed), slot);
        }
        let candle = CandleBackend::new(&model).unwrap().forward(&batch, &taps).unwrap();
        let cpu = CpuBackend::new(&model).forward(&batch, &taps).unwrap();
        check_alike(name, "feature", &cpu.features, &candle.features);
        check_alike(name, "logits", &cpu.logits, &candle.logits);
        for ((cpu, candle), tap) in cpu.convs.iter().zip(&candle.convs).zip(&taps.convs) {
            check_alike(name, &tap.name, &cpu.max, &candle.max);
            tapped += 1;
        }
    }
    assert!(tapped > 100, "{tapped} convolutions compared");
}

/// Relative distance below 1e-5.
fn check_alike(model: &str, what: &str, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{model}, {what}");
    let square = |value: f32| f64::from(value) * f64::from(value);
    let off: f64 = got.iter().zip(expected).map(|(&a, &b)| square(a - b)).sum();
    let norm: f64 = expected.iter().map(|&b| square(b)).sum();
    assert!(norm > 0.0, "{model}, {what}: nothing to compare");
    let relative = (off / norm).sqrt();
    assert!(relative < 1e-5, "{model}, {what}: relative distance {relative:.1e}");
}
