//! A model's layers with weights in the form that both passes need, and the forward pass.

use super::buffers::{Buffers, Memory};
use super::conv::{Convolution, Sizes};
use super::dense::Dense;
use super::pool::{self, Pool};
use super::tape::{Kept, Tape};
use super::{Real, lrn};
use crate::arch::{Architecture, LayerId, Op, Shape};
use crate::backend::ops::{Lrn, Window};
use crate::error::NetError;
use crate::model::Model;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Bytes that a tape and the activations of its forward pass may take; callers cut longer batches into
/// passes by [`Network::images_per_pass`].
const PASS_BYTES: usize = 96 << 20;

/// A model, ready for gradients. Holds its weights in `T` twice, once for each direction, but
/// those of fully connected layers in `f64` once.
#[derive(Debug)]
pub struct Network<T> {
    pub(super) architecture: Architecture,
    pub(super) input: Shape,
    pub(super) shapes: Vec<Shape>,
    pub(super) weights: Vec<Weights<T>>,
    /// For each layer, the last one that reads it.
    last_use: Vec<usize>,
    pub(super) memory: Memory<T>,
}

/// What a layer multiplies with.
#[derive(Debug)]
pub(super) enum Weights<T> {
    None,
    Conv(Convolution<T>),
    Dense(Dense<T>),
}

impl<T: Real> Network<T> {
    /// Copies the weights of `model`.
    pub fn new(model: &Model) -> Self {
        let architecture = model.architecture().clone();
        let px = model.preprocess().input_px() as usize;
        let input = Shape { c: 3, h: px, w: px };
        let shapes = model.shapes().to_vec();
        let weights = (0..shapes.len())
            .map(|index| {
                let layer = &architecture.layers[index];
                let source = layer.inputs[0].index().map_or(input, |i| shapes[i]);
                layer_weights(model, index, source, shapes[index])
            })
            .collect();
        let mut last_use: Vec<usize> = (0..shapes.len()).collect();
        for (index, layer) in architecture.layers.iter().enumerate() {
            for source in layer.inputs.iter().filter_map(|id| id.index()) {
                last_use[source] = index;
            }
        }
        Self { architecture, input, shapes, weights, last_use, memory: Memory::default() }
    }

    /// The layers.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The last layer, whose activation is the unnormalized class scores.
    pub fn logits(&self) -> LayerId {
        LayerId::new(self.shapes.len() - 1)
    }

    /// The size of an activation of `layer`; of [`LayerId::INPUT`] that of the input.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn shape(&self, layer: LayerId) -> Shape {
        layer.index().map_or(self.input, |index| self.shapes[index])
    }

    /// Images for which a forward pass as far as `to`, its tape and a backward pass fit into a fixed
    /// amount of memory; at least one.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn images_per_pass(&self, to: LayerId) -> usize {
        let layers = to.index().map_or(0, |index| index + 1);
        let kept: usize = (0..layers).map(|index| self.kept_bytes(index)).sum();
        // In both directions two neighboring activations are alive at a time, and the input.
        let largest = self.shapes[..layers].iter().map(Shape::len).max().unwrap_or(0);
        let alive = (2 * largest + self.input.len()) * size_of::<T>();
        (PASS_BYTES / (kept + alive).max(1)).max(1)
    }

    fn kept_bytes(&self, index: usize) -> usize {
        let len = self.shapes[index].len();
        match self.architecture.layers[index].op {
            Op::Relu => len,
            Op::MaxPool { .. } => len * size_of::<u32>(),
            Op::Lrn { .. } => len * size_of::<T>(),
            _ => 0,
        }
    }

    /// Runs `images`, `(n, 3, px, px)` row-major, as far as `to`, and keeps what gradients need.
    ///
    /// The tape also keeps the activations of the layers in `keep`, and always that of `to`.
    ///
    /// # Errors
    /// [`NetError::InputSize`] if the values are not whole images of the model's size.
    ///
    /// # Panics
    /// If there is no layer `to`.
    pub fn forward(&self, images: &[T], to: LayerId, keep: &[LayerId]) -> Result<Tape<'_, T>, NetError> {
        if !images.len().is_multiple_of(self.input.len()) {
            let got = (images.len() as f64 / 3.0).sqrt();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a side in pixels")]
            return Err(NetError::InputSize { expected: self.input.h, got: got as usize });
        }
        let n = images.len() / self.input.len();
        let last = to.index().expect("a layer, not the input");
        let mut slots: Vec<Option<Vec<T>>> = vec![None; last + 1];
        let mut kept: Vec<Kept<T>> = Vec::with_capacity(last + 1);
        let mut activations = Vec::new();
        for index in 0..=last {
            if kept.len() > index {
                continue;
            }
            let layer = &self.architecture.layers[index];
            let is_asked = keep.contains(&LayerId::new(index));
            let relu = self.relu_behind(index).filter(|&relu| relu <= last && !is_asked);
            let done = relu.unwrap_or(index);
            let values = if let (Some(_), Weights::Conv(conv)) = (relu, &self.weights[index]) {
                let source = layer.inputs[0].index().map_or(images, |source| present(&slots, source));
                let (values, fired) = self.rectified(conv, source, n, self.shapes[index].len());
                kept.extend([Kept::Nothing, Kept::Fired(fired)]);
                values
            } else {
                let (values, remembered) = self.compute(index, images, &mut slots, n);
                kept.push(remembered);
                values
            };
            slots[done] = Some(values);
            for source in layer.inputs.iter().filter_map(|id| id.index()) {
                if self.last_use[source] == index {
                    slots[source].take().into_iter().for_each(|values| self.memory.values.give(values));
                }
            }
            let id = LayerId::new(done);
            if id != to && keep.contains(&id) {
                activations.push((id, self.memory.values.copy(present(&slots, done))));
            }
        }
        activations.push((to, slots[last].take().unwrap_or_default()));
        Ok(Tape { network: self, n, kept, activations, top: to })
    }

    /// The `ReLU` right behind convolution `index`, if nothing else reads that: both are computed together.
    fn relu_behind(&self, index: usize) -> Option<usize> {
        let next = self.architecture.layers.get(index + 1)?;
        let is_alone = next.inputs[0].index() == Some(index) && self.last_use[index] == index + 1;
        let is_conv = matches!(self.weights[index], Weights::Conv(_));
        (is_conv && is_alone && next.op == Op::Relu).then_some(index + 1)
    }

    /// A convolution and the `ReLU` behind it: its activation of `len` values an image, and where that is positive.
    fn rectified(&self, conv: &Convolution<T>, source: &[T], n: usize, len: usize) -> (Vec<T>, Vec<bool>) {
        let mut fired = self.memory.fired.take(n * len);
        let images: Vec<_> = fired.chunks_exact_mut(len).map(Mutex::new).collect();
        let values = conv.forward(source, n, &self.memory.values, &|image, values| {
            relu(values, &mut images[image].lock().unwrap_or_else(PoisonError::into_inner));
        });
        drop(images);
        (values, fired)
    }

    /// One layer: its activation, and what its gradient needs.
    fn compute(
        &self,
        index: usize,
        images: &[T],
        slots: &mut [Option<Vec<T>>],
        n: usize,
    ) -> (Vec<T>, Kept<T>) {
        let (layer, buffers) = (&self.architecture.layers[index], &self.memory.values);
        let source = layer.inputs[0].index();
        let last_reader = source.is_some_and(|source| self.last_use[source] == index);
        // These change nothing that cannot be changed in place, or give their input away.
        if matches!(layer.op, Op::Relu | Op::Flatten | Op::Lrn { .. }) {
            let owned = source.filter(|_| last_reader).and_then(|source| slots[source].take());
            let copied = || buffers.copy(source.map_or(images, |source| present(slots, source)));
            let mut values = owned.unwrap_or_else(copied);
            return match layer.op {
                Op::Relu => {
                    const CHUNK: usize = 1 << 16;
                    let mut fired = self.memory.fired.take(values.len());
                    let chunks = values.par_chunks_mut(CHUNK).zip(fired.par_chunks_mut(CHUNK));
                    chunks.for_each(|(values, fired)| relu(values, fired));
                    (values, Kept::Fired(fired))
                }
                Op::Lrn { size, alpha, beta, k } => {
                    let constants = Lrn { size, alpha, beta, k };
                    let out = lrn::forward(&values, self.shapes[index], constants, buffers);
                    (out, Kept::Input(values))
                }
                _ => (values, Kept::Nothing),
            };
        }
        let input = |id: LayerId| match id.index() {
            None => (images, self.input),
            Some(i) => (present(slots, i), self.shapes[i]),
        };
        let (values, shape) = input(layer.inputs[0]);
        match (layer.op, &self.weights[index]) {
            (_, Weights::Conv(conv)) => (conv.forward(values, n, buffers, &|_, _| ()), Kept::Nothing),
            (_, Weights::Dense(dense)) => (dense.forward(values, n, buffers), Kept::Nothing),
            (Op::MaxPool { kernel, stride, padding, .. }, _) => {
                let pool = Pool { kernel, stride, padding, input: shape, output: self.shapes[index] };
                let (values, winners) = pool.max(values, &self.memory);
                (values, Kept::Winners(winners))
            }
            (Op::AvgPool { .. }, _) => {
                (pool::mean(values, shape, self.shapes[index], buffers), Kept::Nothing)
            }
            _ => {
                let inputs: Vec<(&[T], Shape)> = layer.inputs.iter().map(|&id| input(id)).collect();
                (concat(&inputs, n, buffers), Kept::Nothing)
            }
        }
    }
}

/// The activation of a layer that somebody still reads.
fn present<T>(slots: &[Option<Vec<T>>], index: usize) -> &[T] {
    slots[index].as_deref().expect("kept until its last use")
}

/// `max(x, 0)` in place; whether each result is positive. NaN stays NaN, as in PyTorch.
fn relu<T: Real>(values: &mut [T], fired: &mut [bool]) {
    let zero = T::default();
    for (value, fired) in values.iter_mut().zip(fired) {
        // Chosen without branches, so that many values go at once.
        *fired = *value > zero;
        *value = if *value < zero { zero } else { *value };
    }
}

/// Channels of several activations of `n` images, one behind the other.
fn concat<T: Real>(inputs: &[(&[T], Shape)], n: usize, buffers: &Buffers<T>) -> Vec<T> {
    let len: usize = inputs.iter().map(|(_, shape)| shape.len()).sum();
    let mut out = buffers.take(n * len);
    for (image, mut row) in out.chunks_exact_mut(len).enumerate() {
        for (values, shape) in inputs {
            let (part, rest) = row.split_at_mut(shape.len());
            part.copy_from_slice(&values[image * shape.len()..][..shape.len()]);
            row = rest;
        }
    }
    out
}

fn layer_weights<T: Real>(model: &Model, index: usize, input: Shape, output: Shape) -> Weights<T> {
    let mut tensors = model.layer_tensors(LayerId::new(index));
    let widen = |values: &[f32]| values.iter().map(|&value| T::from_f32(value)).collect::<Vec<T>>();
    let Some(bias) = tensors.pop().map(|tensor| widen(&tensor.values)) else { return Weights::None };
    if let Op::Conv { kernel, stride, padding, groups, .. } = model.architecture().layers[index].op {
        let sizes = Sizes { window: Window { kernel, stride, padding }, groups, input, output };
        return Weights::Conv(Convolution::new(sizes, &widen(&tensors[0].values), &bias));
    }
    let factors = tensors.iter().map(|tensor| {
        let [outputs, inputs] = [tensor.parameter.shape[0], tensor.parameter.shape[1]];
        (widen(&tensor.values), outputs, inputs)
    });
    Weights::Dense(Dense::new(&factors.collect::<Vec<_>>(), &bias))
}
