//! The weights of a network's layers, packed.

use super::conv::{Convolution, Geometry};
use super::kernels::Isa;
use super::linear::Linear;
use super::ranges::Ranges;
use super::unpacked::Unpacked;
use crate::arch::{LayerId, Op, Shape};
use crate::backend::ops::Window;
use crate::model::Model;

/// The weights of a layer, as they are multiplied.
#[derive(Debug)]
pub(super) enum Weights {
    None,
    Conv(Box<Convolution>),
    /// Matrices applied one after the other.
    Linear(Vec<Linear>),
    /// The same, where the model has them.
    Unpacked(Vec<Unpacked>),
}

/// How weights are to be multiplied.
#[derive(Debug, Clone, Copy)]
pub(super) enum Packing<'a> {
    /// In f32.
    Real,
    /// In f32, by methods that lose little to rounding.
    Precise,
    /// As integers, scaled for these ranges.
    Integers(&'a Ranges),
    /// In f32, without copying those of fully connected layers.
    ConvolutionsAlone,
}

/// What [`Ranges`] call what a factor of a fully connected layer reads, as its weights are called.
pub(super) fn factor_name(layer: &str, factor: usize, count: usize) -> String {
    match (factor, count) {
        (_, 1) => layer.to_owned(),
        (0, _) => format!("{layer}.down"),
        _ => format!("{layer}.up"),
    }
}

/// Packs the weights of layer `index`; `memory` are the sizes in which activations lie.
pub(super) fn pack_layer(
    model: &Model,
    (isa, packing): (Isa, Packing<'_>),
    index: usize,
    memory: &[Shape],
) -> Weights {
    let layer = &model.architecture().layers[index];
    if !layer.op.has_weights() {
        return Weights::None;
    }
    let px = model.preprocess().input_px() as usize;
    let source = layer.inputs[0].index();
    let input = source.map_or(Shape { c: 3, h: px, w: px }, |i| memory[i]);
    let tensors = model.layer_tensors(LayerId::new(index));
    let (bias, matrices) = tensors.split_last().expect("a layer with weights has a bias");
    let range = |name: &str| match packing {
        Packing::Integers(ranges) => ranges.get(name),
        Packing::Real | Packing::Precise | Packing::ConvolutionsAlone => None,
    };
    if let Op::Conv { out_channels, kernel, stride, padding, groups } = layer.op {
        let window = Window { kernel, stride, padding };
        let geometry = Geometry { input, out_channels, window, groups, planar: source.is_none() };
        let (kernels, bias) = (&matrices[0].values, &bias.values);
        let convolution = if matches!(packing, Packing::Precise) {
            Convolution::precise(isa, geometry, kernels, bias)
        } else {
            Convolution::with_range(isa, geometry, kernels, bias, range(&layer.name))
        };
        return Weights::Conv(Box::new(convolution));
    }
    let mut input = input;
    let count = matrices.len();
    if matches!(packing, Packing::ConvolutionsAlone) {
        let rows = model.layer_rows(LayerId::new(index)).into_iter();
        let factors = rows.zip(matrices).enumerate().map(|(factor, (rows, matrix))| {
            let bias: &[f32] = if factor + 1 == count { &bias.values } else { &[] };
            let unpacked = Unpacked::new(rows, input, matrix.parameter.shape[0], bias);
            input = unpacked.output();
            unpacked
        });
        return Weights::Unpacked(factors.collect());
    }
    let factors = matrices.iter().enumerate().map(|(factor, matrix)| {
        let outputs = matrix.parameter.shape[0];
        let bias: &[f32] = if factor + 1 == count { &bias.values } else { &[] };
        let range = range(&factor_name(&layer.name, factor, count));
        let linear = Linear::new(isa, input, outputs, &matrix.values, bias, range);
        input = Shape { c: outputs, h: 1, w: 1 };
        linear
    });
    Weights::Linear(factors.collect())
}
