//! Real photographs and real weights against PyTorch, where `../shared` stands beside the checkout.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and says what it skips")]

use featlas_core::RgbImage;
use featlas_net::{Backend as _, Batch, CpuBackend, Model, Outputs, Taps, top_k_classes};
use serde_json::Value;
use std::path::{Path, PathBuf};

const REL_TOLERANCE: f64 = 1e-3;
/// Reference values are printed with four decimals.
const ABS_TOLERANCE: f64 = 1e-4;

fn shared() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if shared.is_dir() {
        return Some(shared);
    }
    println!("skipped: ../shared not found");
    None
}

fn photo(shared: &Path, file: &str) -> RgbImage {
    let bytes = fs_err::read(shared.join("data/photos").join(file)).unwrap();
    featlas_image::decode(&bytes, &featlas_image::DecodeOptions::default()).unwrap().image
}

fn reference(shared: &Path, file: &str) -> Vec<Value> {
    let text = fs_err::read_to_string(shared.join("models").join(file)).unwrap();
    let mut reference: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(images) = reference["images"].take() else { panic!("no images in {file}") };
    assert_eq!(images.len(), 40);
    images
}

fn run(shared: &Path, model: &Model, files: &[Value]) -> (Taps, Outputs) {
    let taps = model.resolve_taps(&[]).unwrap();
    let mut batch = Batch::new(files.len(), model.preprocess().input_px());
    for (slot, entry) in batch.slots().zip(files) {
        model.preprocess().write_input(&photo(shared, entry["file"].as_str().unwrap()), slot);
    }
    let outputs = CpuBackend::new(model).forward(&batch, &taps).unwrap();
    (taps, outputs)
}

fn check_close(what: &str, got: &[f32], expected: &Value) -> f64 {
    let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let mut worst: f64 = 0.0;
    assert!(got.len() >= expected.len(), "{what}");
    for (i, (&got, &expected)) in got.iter().zip(&expected).enumerate() {
        let off = (f64::from(got) - expected).abs();
        assert!(
            off <= ABS_TOLERANCE + REL_TOLERANCE * expected.abs(),
            "{what}, value {i}: expected {expected}, got {got}"
        );
        worst = worst.max((off - ABS_TOLERANCE / 2.0).max(0.0) / expected.abs().max(0.1));
    }
    worst
}

fn check_cells(what: &str, got: &[u16], expected: &Value) {
    let expected: Vec<u64> = expected.as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
    let got: Vec<u64> = got.iter().take(expected.len()).map(|&cell| u64::from(cell)).collect();
    assert_eq!(got, expected, "{what}");
}

fn check_top5(what: &str, logits: &[f32], expected: &Value) {
    let got = top_k_classes(logits, 5);
    for (&(class, score), expected) in got.iter().zip(expected.as_array().unwrap()) {
        assert_eq!(u64::from(class), expected[0].as_u64().unwrap(), "{what}: {got:?}");
        check_close(what, &[score], &Value::Array(vec![expected[1].clone()]));
    }
    assert_eq!(got.len(), expected.as_array().unwrap().len());
}

#[test]
fn alexnet_lite_agrees_with_pytorch_on_photographs() {
    let Some(shared) = shared() else { return };
    let images = reference(&shared, "alexnet-lite-reference.json");
    let model = Model::open("alexnet-lite", None).unwrap();
    let (taps, outputs) = run(&shared, &model, &images);
    let (dim, channels) = (taps.feature.dim, taps.convs[0].channels);
    let mut worst: f64 = 0.0;
    for (i, expected) in images.iter().enumerate() {
        let file = expected["file"].as_str().unwrap();
        let fc7 = &outputs.features[i * dim..][..dim];
        worst = worst.max(check_close(&format!("fc7 of {file}"), fc7, &expected["fc7"]));
        let maxima = &outputs.convs[0].max[i * channels..][..channels];
        worst = worst.max(check_close(&format!("conv5 of {file}"), maxima, &expected["conv5_max"]));
        check_cells(file, &outputs.convs[0].argmax[i * channels..][..channels], &expected["conv5_argmax"]);
        check_top5(file, &outputs.logits[i * 200..][..200], &expected["top5"]);
    }
    println!("alexnet-lite: 40 photographs, worst relative difference {worst:.1e}");
}

#[test]
fn squeezenet_agrees_with_pytorch_on_photographs() {
    let Some(shared) = shared() else { return };
    let images = reference(&shared, "squeezenet1_0-reference.json");
    let weights = shared.join("models/squeezenet1_0-imagenet.safetensors");
    let model = Model::open("squeezenet1_0", Some(&weights)).unwrap();
    let (taps, outputs) = run(&shared, &model, &images);
    let channels = taps.convs[0].channels;
    let mut worst: f64 = 0.0;
    for (i, expected) in images.iter().enumerate() {
        let file = expected["file"].as_str().unwrap();
        let maxima = &outputs.convs[0].max[i * channels..][..channels];
        worst = worst.max(check_close(&format!("fire9 of {file}"), maxima, &expected["fire9_max"]));
        check_cells(file, &outputs.convs[0].argmax[i * channels..][..channels], &expected["fire9_argmax"]);
        check_top5(file, &outputs.logits[i * 1000..][..1000], &expected["top5"]);
        assert_eq!((taps.convs[0].height, taps.convs[0].width), (13, 13));
    }
    assert_eq!((taps.feature.column.as_str(), taps.feature.dim), ("fire9_mean", 512));
    println!("squeezenet1_0: 40 photographs, worst relative difference {worst:.1e}");
}
