//! Numbers, pictures and networks by formula (`scripts/golden/net_common.py`), and photographs of
//! `../shared` where it stands beside the checkout.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and says what it skips")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

use featlas_core::RgbImage;
use featlas_net::arch::{Builder, Naming, Pooling, architecture};
use featlas_net::weights::Weights;
use featlas_net::{Architecture, Batch, Model, Op, Planes, Preprocess};
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

fn mix(index: u32, seed: u32) -> u32 {
    let mut x = index.wrapping_add(seed.wrapping_mul(0x9e37_79b9));
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// Numbers in [-1, 1) with 11 bits.
pub(crate) fn fractions(count: usize, seed: u32) -> impl Iterator<Item = f32> {
    (0..u32::try_from(count).unwrap()).map(move |i| (mix(i, seed) >> 21) as f32 / 1024.0 - 1.0)
}

/// A weight tensor of about He's variance; exact in f16.
fn weight(shape: &[usize], seed: u32) -> Vec<u8> {
    let fan_in: usize = if shape.len() > 1 { shape[1..].iter().product() } else { 64 };
    let mut scale = 1.0_f32;
    while f64::from(scale) * f64::from(scale) * fan_in as f64 > 8.0 {
        scale /= 2.0;
    }
    let values = fractions(shape.iter().product(), seed);
    values.flat_map(|value| f16::from_f32(value * scale).to_le_bytes()).collect()
}

/// The architecture `name` with weights by formula.
pub(crate) fn formula_model(name: &str) -> Model {
    model_of(architecture(name).unwrap(), &[])
}

/// A network of a few layers and five classes without names, for inputs of 20 x 20. With planes in the
/// order of blue, green and red, the first kernels are turned likewise, so that it answers the same.
pub(crate) fn small_model(preprocess: &str) -> Model {
    let mut net = Builder::new();
    let conv = |out_channels, groups| Op::Conv { out_channels, kernel: 3, stride: 1, padding: 1, groups };
    net.op_relu("conv1", "relu1", conv(4, 1), None)
        .max_pool("pool1", 4, 4, false)
        .op_relu("conv2", "relu2", conv(6, 2), None)
        .op("mean", Op::AvgPool { out: 1 })
        .op("flatten", Op::Flatten)
        .op("fc3", Op::Linear { out: 5 });
    let preprocess = Preprocess::parse(preprocess).unwrap();
    let bgr = preprocess.planes() == Planes::Bgr;
    let architecture = net.build("small", preprocess, 5, ("flatten", Pooling::None), "conv2");
    model_of(architecture, if bgr { &[0] } else { &[] })
}

/// Weights by formula; the input channels of the tensors `turned` stand in reverse.
fn model_of(architecture: Architecture, turned: &[usize]) -> Model {
    let list = |naming| architecture.tensor_list(naming).unwrap();
    let list = list(Naming::Torchvision).or_else(|| list(Naming::Lecture)).unwrap();
    let mut encoded: Vec<Vec<u8>> = (0..).zip(&list).map(|(seed, (_, shape))| weight(shape, seed)).collect();
    for &index in turned {
        let shape = &list[index].1;
        let plane = shape[2] * shape[3] * size_of::<f16>();
        for kernel in encoded[index].chunks_exact_mut(shape[1] * plane) {
            let planes: Vec<u8> = kernel.chunks_exact(plane).rev().flatten().copied().collect();
            kernel.copy_from_slice(&planes);
        }
    }
    let views = list
        .iter()
        .zip(&encoded)
        .map(|((name, shape), bytes)| (name, TensorView::new(Dtype::F16, shape.clone(), bytes).unwrap()));
    let bytes = safetensors::serialize(views, None).unwrap();
    drop(encoded);
    let weights = Weights::from_bytes(Cow::Owned(bytes), Path::new("formula.safetensors")).unwrap();
    Model::new(architecture, weights).unwrap()
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

pub(crate) fn shared() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if shared.is_dir() {
        return Some(shared);
    }
    println!("skipped: ../shared not found");
    None
}

pub(crate) fn photograph(shared: &Path, file: &str) -> RgbImage {
    let bytes = fs_err::read(shared.join("data/photos").join(file)).unwrap();
    featlas_image::decode(&bytes, &featlas_image::DecodeOptions::default()).unwrap().image
}

pub(crate) fn squeezenet(shared: &Path) -> Model {
    let weights = shared.join("models/squeezenet1_0-imagenet.safetensors");
    Model::open("squeezenet1_0", Some(&weights)).unwrap()
}

pub(crate) fn batch_of(model: &Model, images: &[RgbImage]) -> Batch {
    let mut batch = Batch::new(images.len(), model.preprocess().input_px());
    for (slot, image) in batch.slots().zip(images) {
        model.preprocess().write_input(image, slot);
    }
    batch
}
