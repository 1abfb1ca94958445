//! Numbers and networks for tests; the formulas are those of `scripts/golden/net_common.py`.

use crate::arch::{Architecture, Builder, Naming, Pooling};
use crate::model::Model;
use crate::preprocess::Preprocess;
use crate::weights::Weights;
use featlas_core::RgbImage;
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where the golden files lie.
pub(crate) fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

pub(crate) fn golden(file: &str) -> Value {
    serde_json::from_str(&fs_err::read_to_string(golden_dir().join(file)).unwrap()).unwrap()
}

fn mix(index: u32, seed: u32) -> u32 {
    let mut x = index.wrapping_add(seed.wrapping_mul(0x9e37_79b9));
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// Numbers in [-1, 1) with 11 bits.
pub(crate) fn fractions(count: usize, seed: u32) -> Vec<f32> {
    (0..u32::try_from(count).unwrap()).map(|i| (mix(i, seed) >> 21) as f32 / 1024.0 - 1.0).collect()
}

/// A weight tensor of about He's variance; exact in f16.
pub(crate) fn weight(shape: &[usize], seed: u32) -> Vec<f32> {
    let fan_in: usize = if shape.len() > 1 { shape[1..].iter().product() } else { 64 };
    let mut scale = 1.0_f32;
    while f64::from(scale) * f64::from(scale) * fan_in as f64 > 8.0 {
        scale /= 2.0;
    }
    fractions(shape.iter().product(), seed).into_iter().map(|value| value * scale).collect()
}

/// A picture of slanted bands and blocks.
pub(crate) fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    let mut image = RgbImage::filled(width, height, [0; 3]);
    for y in 0..i64::from(height) {
        for x in 0..i64::from(width) {
            let color = [0, 1, 2].map(|c: i64| {
                let bands = (x * (3 + c) + y * (7 - 2 * c) + i64::from(seed) * 31).rem_euclid(256);
                let blocks = ((x / 23) * 61 + (y / 17) * 97 + c * 29 + i64::from(seed) * 13).rem_euclid(256);
                u8::try_from((bands + 2 * blocks) / 3).unwrap()
            });
            image.set_pixel(u32::try_from(x).unwrap(), u32::try_from(y).unwrap(), color);
        }
    }
    image
}

/// Position-weighted sum of bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    (1_u64..).zip(bytes).fold(0, |sum, (i, &byte)| sum.wrapping_add(i.wrapping_mul(u64::from(byte))))
}

/// The bytes of a safetensors file that holds f16 tensors.
pub(crate) fn f16_file(tensors: &[(String, Vec<usize>, Vec<f32>)], metadata: &[(&str, &str)]) -> Vec<u8> {
    let encoded: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&encoded)
        .map(|((name, shape, _), bytes)| (name, TensorView::new(Dtype::F16, shape.clone(), bytes).unwrap()));
    let metadata: HashMap<String, String> =
        metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    safetensors::serialize(views, Some(metadata)).unwrap()
}

/// The tensors of `architecture` in the order of its layers, filled by [`weight`].
pub(crate) fn formula_tensors(architecture: &Architecture) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let list = |naming| architecture.tensor_list(naming).unwrap();
    let list = list(Naming::Torchvision).or_else(|| list(Naming::Lecture)).unwrap();
    let fill = |(seed, (name, shape)): (u32, (String, Vec<usize>))| {
        let values = weight(&shape, seed);
        (name, shape, values)
    };
    (0..).zip(list).map(fill).collect()
}

/// A model with formula weights; its tensors are named as torchvision does where it can.
pub(crate) fn formula_model(architecture: Architecture) -> Model {
    let bytes = f16_file(&formula_tensors(&architecture), &[]);
    let weights = Weights::from_bytes(Cow::Owned(bytes), Path::new("formula.safetensors")).unwrap();
    Model::new(architecture, weights).unwrap()
}

/// An architecture whose feature is its last layer and whose convolution is `conv1`.
pub(crate) fn architecture_of(net: Builder, px: u32, num_classes: usize, last: &str) -> Architecture {
    let text = format!("RGB; shorter side to {px}; center crop {px}; /255");
    net.build("tiny", Preprocess::parse(&text).unwrap(), num_classes, (last, Pooling::None), "conv1")
}

pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

pub(crate) fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| usize::try_from(v.as_u64().unwrap()).unwrap()).collect()
}

/// Asserts `|got - expected| <= tolerance * max(|expected|, floor)` for every value.
pub(crate) fn assert_close(what: &str, got: &[f32], expected: &[f64], tolerance: f64, floor: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: number of values");
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let off = (f64::from(got) - expected).abs();
        let allowed = tolerance * expected.abs().max(floor);
        assert!(off <= allowed, "{what}, value {i}: expected {expected}, got {got}");
    }
}
