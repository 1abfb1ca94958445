//! Forward passes through candle's matrix products.
//!
//! candle's own layers are not used around them: its convolution rearranges the whole batch on one
//! thread, its pools know neither padding nor ceil mode, and its element-wise operations go through a
//! process-wide pool of spinning threads. Here candle multiplies matrices, cut into pieces that rayon's
//! current pool shares out; everything else is in [`ops`]. So the caller's rayon pool decides the number
//! of threads, and no environment variable has to be set.

mod products;
mod tensors;

use super::ops::{self, Window};
use super::{Activation, Backend, Batch, ConvMaxima, Outputs};
use crate::arch::{Architecture, LayerId, Op, Pooling, Shape};
use crate::error::NetError;
use crate::model::Model;
use crate::taps::Taps;
use candle_core::{Device, DeviceLocation, Tensor};
use products::{Weights, convolve, layer_weights};
use rayon::prelude::*;
use tensors::Tensors;

/// Bytes that the largest activations of one pass may take; longer batches run in several passes.
const PASS_BYTES: usize = 256 << 20;

/// Runs a model with candle.
#[derive(Debug)]
pub struct CandleBackend {
    architecture: Architecture,
    input: Shape,
    shapes: Vec<Shape>,
    weights: Vec<Weights>,
    /// For each layer, the last one that reads it.
    last_use: Vec<usize>,
    images_per_pass: usize,
    /// The weights on another device; then the ones above are empty.
    tensors: Option<Tensors>,
}

impl CandleBackend {
    /// Copies the weights of `model` for the CPU.
    ///
    /// # Errors
    /// [`NetError::Compute`] if candle cannot make them.
    pub fn new(model: &Model) -> Result<Self, NetError> {
        Self::with(model, None)
    }

    /// Copies the weights of `model` to `device`, on which candle's own layers then run.
    ///
    /// Results agree with those of the CPU to about 1e-5; the order of a GPU's sums is its own.
    ///
    /// # Errors
    /// [`NetError::Compute`] if candle cannot make them there.
    pub fn on_device(model: &Model, device: &Device) -> Result<Self, NetError> {
        let tensors = Tensors::new(model, device)
            .map_err(|(index, err)| compute_error(model.architecture(), index)(err))?;
        Self::with(model, Some(tensors))
    }

    fn with(model: &Model, tensors: Option<Tensors>) -> Result<Self, NetError> {
        let architecture = model.architecture().clone();
        let shapes = model.shapes().to_vec();
        let px = model.preprocess().input_px() as usize;
        let weights = (0..architecture.layers.len())
            .map(|index| match tensors {
                Some(_) => Ok(Weights::None),
                None => layer_weights(model, index).map_err(compute_error(&architecture, index)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut last_use: Vec<usize> = (0..shapes.len()).collect();
        for (index, layer) in architecture.layers.iter().enumerate() {
            for source in layer.inputs.iter().filter_map(|id| id.index()) {
                last_use[source] = index;
            }
        }
        let largest = shapes.iter().map(Shape::len).max().unwrap_or(1);
        let images_per_pass = (PASS_BYTES / (2 * largest * size_of::<f32>())).max(1);
        let input = Shape { c: 3, h: px, w: px };
        Ok(Self { architecture, input, shapes, weights, last_use, images_per_pass, tensors })
    }

    /// Runs images up to layer `last` on the device of `tensors`, showing `wanted` activations to `visit`.
    fn run_tensors(
        &self,
        tensors: &Tensors,
        images: &[f32],
        last: usize,
        wanted: &[LayerId],
        mut visit: impl FnMut(LayerId, &[f32], Shape),
    ) -> Result<(), NetError> {
        let Shape { c, h, w } = self.input;
        let input = Tensor::from_slice(images, (images.len() / self.input.len(), c, h, w), &tensors.device)
            .map_err(compute_error(&self.architecture, 0))?;
        let mut slots: Vec<Option<Tensor>> = vec![None; self.shapes.len()];
        for (index, layer) in self.architecture.layers.iter().enumerate().take(last + 1) {
            let inputs = layer.inputs.iter().map(|id| match id.index() {
                None => input.clone(),
                Some(i) => slots[i].clone().expect("kept until its last use"),
            });
            let inputs: Vec<Tensor> = inputs.collect();
            let err = || compute_error(&self.architecture, index);
            let out = tensors.compute(index, layer.op, &inputs, self.shapes[index]).map_err(err())?;
            if wanted.contains(&LayerId::new(index)) {
                let values = out.flatten_all().and_then(|out| out.to_vec1::<f32>()).map_err(err())?;
                visit(LayerId::new(index), &values, self.shapes[index]);
            }
            slots[index] = Some(out);
            for source in layer.inputs.iter().filter_map(|id| id.index()) {
                if self.last_use[source] == index {
                    slots[source] = None;
                }
            }
        }
        Ok(())
    }

    /// Runs `n` images up to layer `last`, showing at least the `wanted` activations to `visit`.
    fn run(
        &self,
        images: &[f32],
        last: LayerId,
        wanted: &[LayerId],
        mut visit: impl FnMut(LayerId, &[f32], Shape),
    ) -> Result<(), NetError> {
        if let Some(tensors) = &self.tensors {
            let last = last.index().expect("a layer, not the input");
            return self.run_tensors(tensors, images, last, wanted, visit);
        }
        let n = images.len() / self.input.len();
        let last = last.index().expect("a layer, not the input");
        let mut slots: Vec<Option<Vec<f32>>> = vec![None; self.shapes.len()];
        for index in 0..=last {
            let layer = &self.architecture.layers[index];
            // ReLU and Flatten change nothing that cannot be changed in place.
            let reusable = match (&layer.op, layer.inputs[0].index()) {
                (Op::Relu | Op::Flatten, Some(source)) if self.last_use[source] == index => {
                    slots[source].take()
                }
                _ => None,
            };
            let out = match (reusable, &layer.op) {
                (Some(mut values), Op::Relu) => {
                    if !self.relu_is_fused(layer.inputs[0]) {
                        ops::relu(&mut values);
                    }
                    values
                }
                (Some(values), _) => values,
                (None, _) => {
                    let inputs: Vec<(&[f32], Shape)> = layer
                        .inputs
                        .iter()
                        .map(|id| match id.index() {
                            None => (images, self.input),
                            Some(i) => {
                                (slots[i].as_deref().expect("kept until its last use"), self.shapes[i])
                            }
                        })
                        .collect();
                    self.compute(index, &inputs, n).map_err(compute_error(&self.architecture, index))?
                }
            };
            visit(LayerId::new(index), &out, self.shapes[index]);
            slots[index] = Some(out);
            for source in layer.inputs.iter().filter_map(|id| id.index()) {
                if self.last_use[source] == index {
                    slots[source] = None;
                }
            }
        }
        Ok(())
    }

    /// Whether the layer with weights `id` has its `ReLU` built in: when nothing else reads it.
    fn relu_is_fused(&self, id: LayerId) -> bool {
        let weights = id.index().map(|i| &self.weights[i]);
        weights.is_some_and(|w| !matches!(w, Weights::None)) && self.architecture.read_at(id) != id
    }

    fn compute(&self, index: usize, inputs: &[(&[f32], Shape)], n: usize) -> candle_core::Result<Vec<f32>> {
        let (values, shape) = inputs[0];
        let relu = self.relu_is_fused(LayerId::new(index));
        Ok(match (self.architecture.layers[index].op, &self.weights[index]) {
            (Op::Conv { kernel, stride, padding, .. }, Weights::Conv { groups, bias }) => {
                let window = Window { kernel, stride, padding };
                let out = self.shapes[index];
                let mut result = vec![0.0; n * out.len()];
                let images = result.par_chunks_exact_mut(out.len()).zip(values.par_chunks_exact(shape.len()));
                images.try_for_each(|(result, image)| {
                    convolve(image, shape, window, groups, (bias, relu), result, out)
                })?;
                result
            }
            (_, Weights::Linear { factors, bias }) => {
                let (last, first) = factors.split_last().expect("at least one matrix");
                let mut between = None;
                for matrix in first {
                    let input = between.as_deref().unwrap_or(values);
                    between = Some(matrix.apply(input, n, None)?);
                }
                last.apply(between.as_deref().unwrap_or(values), n, Some((bias, relu)))?
            }
            (Op::MaxPool { kernel, stride, padding, ceil }, _) => {
                ops::max_pool(values, shape, Window { kernel, stride, padding }, ceil)
            }
            (Op::AvgPool { out }, _) => ops::adaptive_avg_pool(values, shape, out),
            (Op::Lrn { size, alpha, beta, k }, _) => {
                ops::lrn(values, shape, ops::Lrn { size, alpha, beta, k })
            }
            (Op::Concat, _) => ops::concat(inputs, n),
            (Op::Relu, _) => {
                let mut values = values.to_vec();
                ops::relu(&mut values);
                values
            }
            (Op::Flatten, _) => values.to_vec(),
            (Op::Conv { .. } | Op::Linear { .. } | Op::LowRankLinear { .. }, _) => {
                unreachable!("new() gave every such layer its weights")
            }
        })
    }
}

/// The first GPU that candle was built for and can open, else the CPU: an atlas made on a GPU can then be asked on a
/// machine without one.
fn best_device() -> Device {
    #[cfg(feature = "cuda")]
    return Device::new_cuda(0).unwrap_or(Device::Cpu);
    #[cfg(all(feature = "metal", not(feature = "cuda")))]
    return Device::new_metal(0).unwrap_or(Device::Cpu);
    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    Device::Cpu
}

/// The model on [`best_device`].
pub(super) fn open_best(model: &Model) -> Result<Box<dyn Backend>, NetError> {
    Ok(Box::new(match best_device() {
        Device::Cpu => CandleBackend::new(model)?,
        device => CandleBackend::on_device(model, &device)?,
    }))
}

impl Backend for CandleBackend {
    fn forward(&self, batch: &Batch, taps: &Taps) -> Result<Outputs, NetError> {
        self.check_size(batch)?;
        let last = LayerId::new(self.shapes.len() - 1);
        let mut outputs = Outputs {
            features: Vec::with_capacity(batch.len() * taps.feature.dim),
            convs: vec![ConvMaxima { max: Vec::new(), argmax: Vec::new() }; taps.convs.len()],
            logits: Vec::with_capacity(batch.len() * self.architecture.num_classes),
        };
        let convs = taps.convs.iter().map(|tap| tap.layer);
        let wanted: Vec<LayerId> = convs.chain([taps.feature.layer, last]).collect();
        for images in batch.values().chunks(self.images_per_pass * self.input.len()) {
            self.run(images, last, &wanted, |id, values, shape| {
                if id == taps.feature.layer {
                    match taps.feature.pooling {
                        Pooling::None => outputs.features.extend_from_slice(values),
                        Pooling::Mean => outputs.features.extend(ops::plane_means(values, shape)),
                    }
                }
                for (maxima, _) in
                    outputs.convs.iter_mut().zip(&taps.convs).filter(|(_, tap)| tap.layer == id)
                {
                    let found = ops::channel_maxima(values, shape);
                    maxima.max.extend(found.max);
                    maxima.argmax.extend(found.argmax);
                }
                if taps.logits && id == last {
                    outputs.logits.extend_from_slice(values);
                }
            })?;
        }
        Ok(outputs)
    }

    fn activations(&self, batch: &Batch, layer: &str) -> Result<Activation, NetError> {
        self.check_size(batch)?;
        let id = self.architecture.find(layer).ok_or_else(|| self.architecture.unknown_layer(layer))?;
        let id = self.architecture.read_at(id);
        let shape = self.shapes[id.index().expect("a layer, not the input")];
        let mut data = Vec::with_capacity(batch.len() * shape.len());
        for images in batch.values().chunks(self.images_per_pass * self.input.len()) {
            self.run(images, id, &[id], |at, values, _| {
                if at == id {
                    data.extend_from_slice(values);
                }
            })?;
        }
        Ok(Activation { n: batch.len(), c: shape.c, h: shape.h, w: shape.w, data })
    }

    fn name(&self) -> String {
        let device = self.tensors.as_ref().map_or(DeviceLocation::Cpu, |tensors| tensors.device.location());
        match device {
            DeviceLocation::Cpu => "candle on cpu".to_owned(),
            DeviceLocation::Cuda { gpu_id } => format!("candle on cuda {gpu_id}"),
            DeviceLocation::Metal { gpu_id } => format!("candle on metal {gpu_id}"),
        }
    }
}

impl CandleBackend {
    fn check_size(&self, batch: &Batch) -> Result<(), NetError> {
        if batch.px() == self.input.h {
            return Ok(());
        }
        Err(NetError::InputSize { expected: self.input.h, got: batch.px() })
    }
}

fn compute_error(architecture: &Architecture, index: usize) -> impl FnOnce(candle_core::Error) -> NetError {
    let layer = architecture.layers[index].name.clone();
    move |source| NetError::Compute { layer, source: Box::new(source) }
}

#[cfg(test)]
mod tests;
