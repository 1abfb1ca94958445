//! Whole networks by finite differences in f64.

use super::{branches, images, random, tower};
use crate::arch::LayerId;
use crate::gradient::{Network, ReluRule, Seeds};
use crate::model::Model;

/// Small enough that hardly any pixel crosses a kink, large enough that f64 keeps ten digits.
const STEP: f64 = 1e-6;

/// A random linear function of the layer's activation.
fn value(network: &Network<f64>, image: &[f64], to: LayerId, weights: &[f64]) -> f64 {
    let tape = network.forward(image, to, &[]).unwrap();
    tape.activation(to).unwrap().iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

/// The left and the right derivative with respect to value `i` of the image.
fn one_sided(network: &Network<f64>, image: &[f64], i: usize, to: LayerId, weights: &[f64]) -> (f64, f64) {
    let at = |step: f64| {
        let mut image = image.to_vec();
        image[i] += step;
        value(network, &image, to, weights)
    };
    let here = at(0.0);
    ((here - at(-STEP)) / STEP, (at(STEP) - here) / STEP)
}

fn check(model: &Model, layer: &str) {
    let network = Network::<f64>::new(model);
    let to = model.find_layer(layer).unwrap();
    let image = images(&network, 1, 8);
    let weights = random(network.shape(to).len(), 13);
    let tape = network.forward(&image, to, &[]).unwrap();
    let seeds = Seeds { images: vec![0], values: weights.clone() };
    let gradient = tape.backward(&seeds, ReluRule::Plain, LayerId::INPUT);
    let scale = gradient.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    assert!(scale > 1e-3, "{layer}: the gradient is not zero");
    for (i, &expected) in gradient.iter().enumerate() {
        let (left, right) = one_sided(&network, &image, i, to, &weights);
        let got = f64::midpoint(left, right);
        assert!(
            (got - expected).abs() < 2e-6 * scale,
            "{layer}, pixel {i}: {expected} by the pass, {got} by differences"
        );
    }
}

#[test]
fn strides_groups_normalization_overlapping_and_ceil_pools() {
    let model = tower();
    for layer in ["conv1", "norm1", "pool1", "relu2", "pool2", "fc3", "fc4"] {
        check(&model, layer);
    }
}

#[test]
fn concatenations_means_and_padded_pools() {
    let model = branches();
    for layer in ["both", "all", "norm", "pool", "avgpool", "flatten"] {
        check(&model, layer);
    }
}

/// At a tie or an exact zero there is no derivative, only one from each side; the gradient must be one of
/// them, or lie between.
#[test]
fn gradients_at_ties_and_zeros_lie_between_the_one_sided_derivatives() {
    let mut net = crate::arch::Builder::new();
    net.op("relu0", crate::arch::Op::Relu)
        .max_pool("pool1", 3, 2, true)
        .op_relu("conv1", "relu1", super::conv(4, 3, 1, 1, 1), None)
        .op("flatten", crate::arch::Op::Flatten);
    let model = crate::testing::formula_model(crate::testing::architecture_of(net, 10, 100, "flatten"));
    let network = Network::<f64>::new(&model);
    // Four values only, half of them zero or less: nearly every window has ties, many have only zeros.
    let image: Vec<f64> = images(&network, 1, 21).iter().map(|v| (v * 2.0).round() / 2.0).collect();
    let to = model.find_layer("pool1").unwrap();
    let weights: Vec<f64> = random(network.shape(to).len(), 22).iter().map(|v| v.abs() + 0.1).collect();
    let tape = network.forward(&image, to, &[]).unwrap();
    let seeds = Seeds { images: vec![0], values: weights.clone() };
    let gradient = tape.backward(&seeds, ReluRule::Plain, LayerId::INPUT);
    let mut kinks = 0;
    for (i, &got) in gradient.iter().enumerate() {
        let (left, right) = one_sided(&network, &image, i, to, &weights);
        assert!(
            left - 1e-6 <= got && got <= right + 1e-6,
            "pixel {i}: {got} is not within [{left}, {right}]"
        );
        kinks += usize::from(right - left > 1e-3);
    }
    assert!(kinks > 30, "only {kinks} pixels lie at a kink");
    // Every window gives to one pixel, and none where its maximum is a zero that the ReLU made.
    let given: f64 = gradient.iter().sum();
    let maxima = tape.activation(to).unwrap();
    let expected: f64 = maxima.iter().zip(&weights).filter(|(m, _)| **m > 0.0).map(|(_, w)| w).sum();
    assert!((given - expected).abs() < 1e-9, "{given} given, {expected} expected");
}
