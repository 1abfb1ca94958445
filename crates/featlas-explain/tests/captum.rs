//! Every method against PyTorch and Captum (`scripts/golden/explain.py`), by projections of the maps on
//! random directions.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and says how near it was")]

mod common;

use common::{batch_of, checksum, formula_model, fractions, photograph, picture, shared, squeezenet};
use featlas_core::{RgbImage, Silent};
use featlas_explain::gradcam::gradcam;
use featlas_explain::guided::{Unit, guided_classes, guided_units};
use featlas_explain::integrated::{Baseline, IntegratedParams, integrated};
use featlas_explain::occlusion::{Fill, Occlusion, OcclusionParams, Watch, occlusion};
use featlas_explain::saliency::{SaliencyParams, gradients, saliency};
use featlas_explain::{ClassChoice, ClassScore, Network, ReadLayer, ReluRule};
use featlas_net::gradient::Real;
use featlas_net::{Batch, CpuBackend, Model};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;

/// Relative L2 distance of a map in float64 from PyTorch's in float64. A map is handed out in float32.
const TOLERANCE: f64 = 1e-5;
/// The same for a map in float32, where the last bits decide which of two nearly equal values wins a max-pool and which
/// units near zero fire, and so where a gradient goes. PyTorch's own float32 maps lie up to 4 percent from its float64
/// ones on the photographs (`float32` in the golden files).
const ROUGH_TOLERANCE: f64 = 5e-2;
const OCCLUSION_TOLERANCE: f64 = 1e-4;

/// The methods whose maps are compared, in the words of the golden file.
const METHODS: [&str; 8] =
    ["gradient", "saliency", "guided", "deconv", "guided_unit", "gradcam", "integrated", "occlusion"];

/// The golden maps of `set` (`formula` or `photographs`).
fn case_of(set: &str, model: &str) -> Value {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = fs_err::read_to_string(folder.join(format!("{set}-{model}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// The relative L2 distance between `map` and the map that `golden` stands for, estimated from the
/// projections, whose differences have the distance as their standard deviation.
fn distance(map: &[f32], golden: &Value) -> f64 {
    let norm = golden["norm"].as_f64().unwrap();
    if norm == 0.0 {
        // A deconvolution may stop everywhere; then ours has to stop everywhere too.
        return if map.iter().all(|&v| v.abs() < f32::MIN_POSITIVE) { 0.0 } else { f64::INFINITY };
    }
    let projections = golden["projections"].as_array().unwrap();
    assert_eq!(projections.len(), 32);
    let squares = (1000..).zip(projections).map(|(seed, expected)| {
        let direction = fractions(map.len(), seed);
        let dot: f64 = map.iter().zip(direction).map(|(&v, d)| f64::from(v) * f64::from(d)).sum();
        (dot * 3.0_f64.sqrt() - expected.as_f64().unwrap()).powi(2)
    });
    let own = map.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let by_projections = (squares.sum::<f64>() / projections.len() as f64).sqrt() / norm;
    by_projections.max((own / norm - 1.0).abs())
}

struct Check {
    images: Vec<Value>,
    tolerance: f64,
    /// The distances of every method, rising.
    distances: BTreeMap<&'static str, Vec<f64>>,
}

impl Check {
    fn maps<'m>(&mut self, method: &'static str, map: impl Fn(usize) -> &'m [f32]) {
        let tolerance = if method == "occlusion" { OCCLUSION_TOLERANCE } else { self.tolerance };
        let mut distances: Vec<f64> =
            self.images.iter().enumerate().map(|(i, image)| distance(map(i), &image[method])).collect();
        for (distance, image) in distances.iter().zip(&self.images) {
            assert!(*distance <= tolerance, "{method} of {}: {distance:.1e}", image["file"]);
        }
        distances.sort_by(f64::total_cmp);
        self.distances.insert(method, distances);
    }

    /// The median and the largest distance of every method, ours and that of PyTorch's float32.
    fn report(&self, title: &str) {
        println!("{title}, {} images: median and largest relative distance", self.images.len());
        for (method, distances) in &self.distances {
            let of_peer = self.images.iter().filter_map(|image| image["float32"][*method].as_f64());
            let mut of_peer: Vec<f64> = of_peer.collect();
            of_peer.sort_by(f64::total_cmp);
            let words = |distances: &[f64]| match distances {
                [] => "not measured".to_owned(),
                some => format!("{:.1e} {:.1e}", some[some.len() / 2], some[some.len() - 1]),
            };
            println!("  {method:<11} {}   PyTorch in float32: {}", words(distances), words(&of_peer));
        }
    }

    fn classes(&self, classes: &[ClassScore]) {
        assert_eq!(classes.len(), self.images.len());
        for (class, image) in classes.iter().zip(&self.images) {
            assert_eq!(class.class, number(&image["class"]));
            let close = |got: f32, expected: &Value| {
                let expected = expected.as_f64().unwrap();
                assert!(
                    (f64::from(got) - expected).abs() < 1e-4 * expected.abs(),
                    "expected {expected}, got {got}"
                );
            };
            close(class.score, &image["score"]);
            close(class.probability, &image["probability"]);
        }
    }
}

/// Runs every method on the case's images in the numbers `T` and compares all maps.
fn check<T: Real>(model: &Model, case: &Value, images: &[RgbImage], tolerance: f64) {
    let expected = case["images"].as_array().unwrap().clone();
    for (image, expected) in images.iter().zip(&expected) {
        let pixels = checksum(model.preprocess().crop(image).data());
        assert_eq!(
            pixels,
            expected["pixels"].as_u64().unwrap(),
            "the network sees PyTorch's pixels: {}",
            expected["file"]
        );
    }
    let batch = batch_of(model, images);
    let layer = ReadLayer::find(model, case["layer"].as_str().unwrap()).unwrap();
    let mut check = Check { images: expected, tolerance, distances: BTreeMap::new() };
    by_gradients::<T>(model, &batch, &layer, case, &mut check);
    by_occlusion(model, &batch, case, &mut check);
    assert_eq!(check.distances.len(), METHODS.len());
    check.report(&format!("{} in {}", model.name(), std::any::type_name::<T>()));
}

fn by_occlusion(model: &Model, batch: &Batch, case: &Value, check: &mut Check) {
    let params = OcclusionParams {
        window_px: number(&case["window_px"]),
        stride_px: number(&case["stride_px"]),
        fill: Fill::Mean,
        batch: 16,
    };
    let backend = CpuBackend::precise(model);
    let watch = Watch::Class(ClassChoice::Top);
    let found = occlusion(model, &backend, batch, &watch, &params, &Silent).unwrap();
    let drops: Vec<Vec<f32>> = found.iter().map(Occlusion::drop_per_pixel).collect();
    check.maps("occlusion", |i| &drops[i]);
}

fn by_gradients<T: Real>(model: &Model, batch: &Batch, layer: &ReadLayer, case: &Value, check: &mut Check) {
    let network = Network::<T>::new(model);
    let top = ClassChoice::Top;
    let raw = gradients(&network, batch, top, &Silent).unwrap();
    check.classes(&raw.classes);
    check.maps("gradient", |i| raw.maps.image(i));
    let map = saliency(&network, batch, top, &SaliencyParams::default(), &Silent).unwrap();
    check.maps("saliency", |i| map.maps.image(i));
    let guided =
        guided_classes(&network, batch, top, &[ReluRule::Guided, ReluRule::Deconv], &Silent).unwrap();
    check.maps("guided", |i| guided.maps[0].image(i));
    check.maps("deconv", |i| guided.maps[1].image(i));

    // The golden names the strongest channel of the layer and its cell; the cell is found anew.
    let units: Vec<Unit> = check
        .images
        .iter()
        .enumerate()
        .map(|(image, golden)| Unit { image, channel: number(&golden["unit"][0]), cell: None })
        .collect();
    let found = guided_units(&network, batch, layer, &units, &[ReluRule::Guided], &Silent).unwrap();
    for (excited, golden) in found.units.iter().zip(&check.images) {
        let unit = &golden["unit"];
        assert_eq!(excited.cell, (number(&unit[1]), number(&unit[2])));
        let expected = unit[3].as_f64().unwrap();
        assert!((f64::from(excited.activation) / expected - 1.0).abs() < 1e-4);
    }
    check.maps("guided_unit", |i| found.maps[0].image(i));

    let cam = gradcam(&network, batch, layer, top, &Silent).unwrap();
    check.maps("gradcam", |i| cam.cells.image(i));
    let params = IntegratedParams { steps: number(&case["steps"]), baseline: Baseline::Mean };
    let integral = integrated(&network, batch, top, &params, &Silent).unwrap();
    check.maps("integrated", |i| integral.maps.image(i));
}

fn check_formula(name: &str) {
    let case = case_of("formula", name);
    let size = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let images: Vec<RgbImage> = case["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| picture(size(&image["width"]), size(&image["height"]), size(&image["seed"])))
        .collect();
    assert_eq!(images.len(), 2);
    let model = formula_model(name);
    check::<f64>(&model, &case, &images, TOLERANCE);
    check::<f32>(&model, &case, &images, ROUGH_TOLERANCE);
}

/// Shows `of` the photographs of `case` that `which` names.
fn photographs(name: &str, which: Range<usize>, of: impl Fn(&Model, &Value, &[RgbImage])) {
    let Some(shared) = shared() else { return };
    let mut case = case_of("photographs", name);
    let files = case["images"].as_array_mut().unwrap();
    assert_eq!(files.len(), 20);
    *files = files[which].to_vec();
    let images: Vec<RgbImage> =
        files.iter().map(|image| photograph(&shared, image["file"].as_str().unwrap())).collect();
    let model = if name == "squeezenet1_0" { squeezenet(&shared) } else { formula_model(name) };
    of(&model, &case, &images);
}

fn check_photographs(name: &str, which: Range<usize>) {
    photographs(name, which, |model, case, images| check::<f64>(model, case, images, TOLERANCE));
}

/// A photograph with an even background, where whole windows of a max-pool are equal but for rounding.
const EVEN: Range<usize> = 8..9;

#[test]
fn alexnet_on_pictures() {
    check_formula("alexnet");
}

#[test]
fn vgg11_on_pictures() {
    check_formula("vgg11");
}

#[test]
fn squeezenet_on_pictures() {
    check_formula("squeezenet1_0");
}

#[test]
fn alexnet_on_photographs() {
    check_photographs("alexnet", 0..2);
}

#[test]
fn vgg11_on_photographs() {
    check_photographs("vgg11", EVEN);
}

/// Probabilities of a thousandth that a window changes by a few percent: rounding counts for most here.
#[test]
fn occluded_vgg11_on_photographs() {
    for which in [5..6, 13..14] {
        photographs("vgg11", which, |model, case, images| {
            let expected = case["images"].as_array().unwrap().clone();
            let mut check = Check { images: expected, tolerance: TOLERANCE, distances: BTreeMap::new() };
            by_occlusion(model, &batch_of(model, images), case, &mut check);
        });
    }
}

#[test]
fn squeezenet_on_photographs() {
    check_photographs("squeezenet1_0", EVEN);
}

#[test]
#[ignore = "takes minutes"]
fn alexnet_on_all_photographs() {
    check_photographs("alexnet", 0..20);
}

#[test]
#[ignore = "takes minutes"]
fn vgg11_on_all_photographs() {
    check_photographs("vgg11", 0..20);
}

#[test]
#[ignore = "takes minutes"]
fn squeezenet_on_all_photographs() {
    check_photographs("squeezenet1_0", 0..20);
}

#[test]
#[ignore = "measures what rounding to 32 bits costs"]
fn photographs_in_32_bits() {
    for name in ["alexnet", "squeezenet1_0", "vgg11"] {
        photographs(name, 0..20, |model, case, images| check::<f32>(model, case, images, f64::INFINITY));
    }
}
