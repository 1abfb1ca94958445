//! Gradients against PyTorch's (single layers), finite differences (networks) and the backend (forward).

mod differences;
mod layers;

use super::{Network, ReluRule, Seeds};
use crate::arch::{Builder, LayerId, Op};
use crate::backend::{Backend as _, Batch, CandleBackend};
use crate::model::Model;
use crate::testing::{architecture_of, formula_model, fractions};

fn conv(out_channels: usize, kernel: usize, stride: usize, padding: usize, groups: usize) -> Op {
    Op::Conv { out_channels, kernel, stride, padding, groups }
}

/// AlexNet in small: strides, groups, normalization, overlapping pools that round up, low-rank factors.
fn tower() -> Model {
    let mut net = Builder::new();
    net.op_relu("conv1", "relu1", conv(8, 5, 2, 0, 1), None)
        .op("norm1", Op::Lrn { size: 5, alpha: 0.5, beta: 0.75, k: 1.0 })
        .max_pool("pool1", 3, 2, true)
        .op_relu("conv2", "relu2", conv(6, 3, 1, 1, 2), None)
        .max_pool("pool2", 3, 2, false)
        .op("flatten", Op::Flatten)
        .op_relu("fc3", "relu3", Op::LowRankLinear { rank: 5, out: 12 }, None)
        .op("fc4", Op::Linear { out: 7 });
    formula_model(architecture_of(net, 25, 7, "fc3"))
}

/// A fire module whose output is read twice, a negative branch without `ReLU`, and means.
fn branches() -> Model {
    let mut net = Builder::new();
    net.op_relu("conv1", "relu1", conv(4, 3, 2, 1, 1), None);
    let squeezed = net.last();
    net.op_relu("conv2", "relu2", conv(4, 1, 1, 0, 1), None);
    let narrow = net.last();
    let wide = net.layer("conv3", conv(6, 3, 1, 1, 2), vec![squeezed], None);
    let both = net.layer("both", Op::Concat, vec![narrow, wide], None);
    let cut = net.layer("relu3", Op::Relu, vec![both], None);
    net.layer("all", Op::Concat, vec![both, cut, squeezed], None);
    net.op("norm", Op::Lrn { size: 4, alpha: 0.2, beta: 0.5, k: 2.0 })
        .op("pool", Op::MaxPool { kernel: 3, stride: 2, padding: 1, ceil: true })
        .op("avgpool", Op::AvgPool { out: 3 })
        .op_relu("conv4", "relu4", conv(5, 1, 1, 0, 1), None)
        .op("mean", Op::AvgPool { out: 1 })
        .op("flatten", Op::Flatten);
    formula_model(architecture_of(net, 14, 5, "flatten"))
}

fn images(network: &Network<f64>, n: usize, seed: u32) -> Vec<f64> {
    fractions(n * network.shape(LayerId::INPUT).len(), seed).into_iter().map(f64::from).collect()
}

fn random(len: usize, seed: u32) -> Vec<f64> {
    fractions(len, seed).into_iter().map(f64::from).collect()
}

#[test]
fn activations_are_the_backends() {
    for model in [tower(), branches()] {
        let network = Network::<f32>::new(&model);
        let backend = CandleBackend::new(&model).unwrap();
        let mut batch = Batch::new(3, model.preprocess().input_px());
        for (seed, slot) in (1..).zip(batch.slots()) {
            slot.copy_from_slice(&fractions(slot.len(), seed));
        }
        let mut checked = 0;
        for layer in model.architecture().layer_names() {
            let id = model.architecture().read_at(model.find_layer(layer).unwrap());
            let expected = backend.activations(&batch, layer).unwrap();
            let tape = network.forward(batch.values(), network.logits(), &[id]).unwrap();
            for (i, (got, expected)) in tape.activation(id).unwrap().iter().zip(&expected.data).enumerate() {
                assert!(
                    (got - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                    "{layer}, value {i}: expected {expected}, got {got}"
                );
                checked += 1;
            }
        }
        assert!(checked > 1000);
    }
}

#[test]
fn a_gradient_may_stop_at_any_layer_and_go_on_from_there() {
    for (model, layers) in [
        (tower(), vec!["relu1", "pool1", "conv2", "flatten", "fc3"]),
        (branches(), vec!["relu1", "all", "pool", "relu4"]),
    ] {
        let network = Network::<f64>::new(&model);
        let images = images(&network, 2, 5);
        let tape = network.forward(&images, network.logits(), &[]).unwrap();
        let logits = network.shape(network.logits()).len();
        let seeds = Seeds { images: vec![1, 0, 1], values: random(3 * logits, 9) };
        for rule in ReluRule::ALL {
            let whole = tape.backward(&seeds, rule, LayerId::INPUT);
            assert!(whole.iter().any(|&value| value != 0.0));
            for layer in &layers {
                let id = model.find_layer(layer).unwrap();
                let at_layer =
                    Seeds { images: seeds.images.clone(), values: tape.backward(&seeds, rule, id) };
                let below = network.forward(&images, id, &[]).unwrap();
                let again = below.backward(&at_layer, rule, LayerId::INPUT);
                for (a, b) in whole.iter().zip(&again) {
                    assert!((a - b).abs() < 1e-12, "{layer}, {rule:?}");
                }
            }
        }
    }
}

#[test]
fn seeds_are_independent_of_each_other_and_of_the_batch() {
    let model = branches();
    let network = Network::<f64>::new(&model);
    let all = images(&network, 3, 2);
    let (len, logits) = (network.shape(LayerId::INPUT).len(), network.shape(network.logits()));
    let tape = network.forward(&all, network.logits(), &[]).unwrap();
    let seeds = Seeds::one_hot(logits, &[(2, 0, 1.0), (0, 3, -2.0), (2, 4, 0.5)]);
    let together = tape.backward(&seeds, ReluRule::Guided, LayerId::INPUT);
    for (i, &(image, class, value)) in [(2, 0, 1.0), (0, 3, -2.0), (2, 4, 0.5)].iter().enumerate() {
        let alone = network.forward(&all[image * len..][..len], network.logits(), &[]).unwrap();
        let seed = Seeds::one_hot(logits, &[(0, class, value)]);
        let expected = alone.backward(&seed, ReluRule::Guided, LayerId::INPUT);
        for (a, b) in together[i * len..][..len].iter().zip(&expected) {
            assert!((a - b).abs() < 1e-13, "seed {i}");
        }
    }
    let none = Seeds { images: Vec::new(), values: Vec::new() };
    assert!(tape.backward(&none, ReluRule::Plain, LayerId::INPUT).is_empty());
}

#[test]
fn a_layer_beside_the_way_has_no_gradient() {
    let model = branches();
    let network = Network::<f64>::new(&model);
    let images = images(&network, 1, 3);
    let narrow = model.find_layer("relu2").unwrap();
    // conv3 is no part of what relu2 reads; relu2 itself is.
    let wide = model.find_layer("conv3").unwrap();
    let tape = network.forward(&images, wide, &[]).unwrap();
    let seeds = Seeds { images: vec![0], values: random(network.shape(wide).len(), 4) };
    assert!(tape.backward(&seeds, ReluRule::Plain, narrow).iter().all(|&value| value == 0.0));
    assert_eq!(tape.backward(&seeds, ReluRule::Plain, wide), seeds.values);
}

#[test]
fn rules_differ_where_they_should() {
    let fired = [true, true, false, false];
    let passes = |rule: ReluRule| {
        let mut gradients = [2.0, -3.0, 5.0, -7.0];
        rule.apply(&mut gradients, &fired);
        gradients.map(|gradient| gradient != 0.0)
    };
    assert_eq!(passes(ReluRule::Plain), [true, true, false, false]);
    assert_eq!(passes(ReluRule::Guided), [true, false, false, false]);
    assert_eq!(passes(ReluRule::Deconv), [true, false, true, false]);
}

#[test]
fn broken_batches_are_refused_and_empty_ones_are_not() {
    let model = tower();
    let network = Network::<f32>::new(&model);
    let err = network.forward(&[0.0; 3 * 24 * 24], network.logits(), &[]).unwrap_err();
    assert_eq!(err.to_string(), "wrong input size: expected 25 px, got 24");
    let tape = network.forward(&[], network.logits(), &[]).unwrap();
    assert!(tape.is_empty() && tape.activation(network.logits()).unwrap().is_empty());
}

#[test]
fn a_pass_takes_as_many_images_as_memory_allows() {
    let network = Network::<f32>::new(&tower());
    // So small a network takes thousands; and fewer the further it goes.
    let first = network.architecture().find("relu1").unwrap();
    assert!(network.images_per_pass(first) > network.images_per_pass(network.logits()));
    assert!(network.images_per_pass(network.logits()) > 500);
}
