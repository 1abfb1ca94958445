//! featlas's own engine for the CPU.
//!
//! Weights are packed once, when the backend is made. What a batch goes through is planned once for every
//! set of taps ([`plan`]) and then runs over kept buffers: a batch allocates nothing but its outputs.
//! Activations lie in blocks of 16 channels ([`layout`]), so that one layout serves vectors of 4, 8 and 16
//! lanes and a cell of a block is a cache line.
//!
//! Every value is computed by the same operations in the same order whatever lies beside its image: batch
//! size and number of threads change no bit. Another instruction set may (without fused multiply-add every
//! product is rounded).

mod conv;
mod direct;
mod kernels;
pub(crate) mod layout;
mod linear;
mod maps;
mod plan;
mod scratch;
#[cfg(test)]
mod tests;
mod winograd;

use super::{Activation, Backend, Batch, ConvMaxima, Outputs};
use crate::arch::{Architecture, LayerId, Op, Pooling, Shape};
use crate::error::NetError;
use crate::model::Model;
use crate::taps::Taps;
use kernels::Aligned;
use linear::Linear;
use plan::{Plan, Read, Source, Step, StepOp, Want, memory_shapes};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use conv::{Convolution, Finish, Geometry, Place};
pub(crate) use kernels::BLOCK;
pub use kernels::Isa;
pub use plan::Precision;
pub(crate) use scratch::Scratch;

/// Bytes that the activations of one pass may take; longer batches run their convolutions in several.
const PASS_BYTES: usize = 128 << 20;

/// Runs a model on the CPU.
#[derive(Debug)]
pub struct CpuBackend {
    isa: Isa,
    architecture: Architecture,
    input: Shape,
    shapes: Vec<Shape>,
    memory: Vec<Shape>,
    weights: Vec<Weights>,
    /// What was asked for before, and how it is done.
    plans: Mutex<Vec<(Vec<Want>, Arc<Plan>)>>,
    /// Buffers of activations.
    arenas: Scratch,
    /// Buffers of tasks.
    scratch: Scratch,
    pass_bytes: usize,
}

/// The packed weights of a layer.
#[derive(Debug)]
enum Weights {
    None,
    Conv(Box<Convolution>),
    /// Matrices applied one after the other.
    Linear(Vec<Linear>),
}

/// What one layer of a forward pass took.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerTime {
    /// The layer's name; what is fused with it is counted with it.
    pub layer: String,
    /// What was done, and by which method.
    pub method: String,
    /// Seconds.
    pub secs: f64,
    /// Multiply-adds that the definition of the layer takes for the batch.
    pub products: u64,
    /// Multiply-adds that the method did, without transforms.
    pub done: u64,
}

impl CpuBackend {
    /// Packs the weights of `model` for the fastest instructions of this processor.
    ///
    /// The model's own copy is needed no more afterwards; see [`Model::release_weights`].
    pub fn new(model: &Model) -> Self {
        Self::with_isa(model, Isa::best())
    }

    /// The same for a given instruction set.
    pub fn with_isa(model: &Model, isa: Isa) -> Self {
        let architecture = model.architecture().clone();
        let shapes = model.shapes().to_vec();
        let px = model.preprocess().input_px() as usize;
        let input = Shape { c: 3, h: px, w: px };
        let memory = memory_shapes(&architecture, &shapes, input);
        let weights = (0..shapes.len()).map(|index| pack_layer(model, isa, index, &memory)).collect();
        Self {
            isa,
            architecture,
            input,
            shapes,
            memory,
            weights,
            plans: Mutex::default(),
            arenas: Scratch::default(),
            scratch: Scratch::default(),
            pass_bytes: PASS_BYTES,
        }
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Runs `batch` as [`Backend::forward`] does, and says what each layer took.
    ///
    /// # Errors
    /// As [`Backend::forward`].
    pub fn time_layers(&self, batch: &Batch, taps: &Taps) -> Result<Vec<LayerTime>, NetError> {
        self.check_size(batch)?;
        let mut times: Vec<LayerTime> = Vec::new();
        let n = batch.len();
        let count = |products: usize| products as u64;
        self.run(batch, &wants_of(taps, &self.architecture), &mut Sink::of(taps, self, n), |step, took| {
            let layer = &self.architecture.layers[step.layer].name;
            let (method, products, done) = match (&step.op, &self.weights[step.layer]) {
                (StepOp::Conv { .. }, Weights::Conv(conv)) => {
                    (conv.method(), conv.geometry().products(), conv.products())
                }
                (StepOp::Linear { factor, .. }, Weights::Linear(factors)) => {
                    let products = factors[*factor].products();
                    ("linear", products, products)
                }
                (StepOp::Read(_), _) => ("tap", 0, 0),
                (StepOp::Gather | StepOp::Scatter | StepOp::Import | StepOp::Flatten, _) => ("reorder", 0, 0),
                _ => ("map", 0, 0),
            };
            let known = times.iter_mut().find(|time| time.layer == *layer && time.method == method);
            let secs = took.as_secs_f64();
            if let Some(known) = known {
                known.secs += secs;
                return;
            }
            let (layer, method) = (layer.clone(), method.to_owned());
            let (products, done) = (count(products * n), count(done * n));
            times.push(LayerTime { layer, method, secs, products, done });
        });
        Ok(times)
    }

    fn check_size(&self, batch: &Batch) -> Result<(), NetError> {
        if batch.px() == self.input.h {
            return Ok(());
        }
        Err(NetError::InputSize { expected: self.input.h, got: batch.px() })
    }

    fn plan(&self, wants: &[Want]) -> Arc<Plan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = plans.iter().find(|(known, _)| known == wants) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan::new(&self.architecture, &self.shapes, &self.memory, wants));
        plans.push((wants.to_vec(), Arc::clone(&plan)));
        plan
    }

    /// Runs `batch` through the plan for `wants` and reads into `sink`; `observe` sees every step's time.
    fn run(&self, batch: &Batch, wants: &[Want], sink: &mut Sink, mut observe: impl FnMut(&Step, Duration)) {
        let n = batch.len();
        if n == 0 {
            return;
        }
        let plan = self.plan(wants);
        let bytes = (plan.trunk_len * plan.precision.activation_bytes()).max(1);
        // At least an image for each thread; passes of nearly equal length.
        let most = (self.pass_bytes / bytes).max(rayon::current_num_threads()).max(1);
        let per_pass = n.div_ceil(n.div_ceil(most));
        let mut trunk = self.arenas.take(plan.trunk_len * per_pass);
        let mut head = self.arenas.take(plan.head_len * n);
        let mut step = |step: &Step, images: Range<usize>, trunk: &mut Aligned, head: &mut Aligned| {
            let start = Instant::now();
            let buffers = Buffers { plan: &plan, images, per_pass, n, trunk, head };
            self.step(step, batch, buffers, sink);
            observe(step, start.elapsed());
        };
        for first in (0..n).step_by(per_pass) {
            let images = first..(first + per_pass).min(n);
            for todo in &plan.steps[..plan.head] {
                step(todo, images.clone(), &mut trunk, &mut head);
            }
        }
        for todo in &plan.steps[plan.head..] {
            step(todo, 0..n, &mut trunk, &mut head);
        }
        self.arenas.give(trunk);
        self.arenas.give(head);
    }

    fn step(&self, step: &Step, batch: &Batch, mut buffers: Buffers<'_>, sink: &mut Sink) {
        let images = buffers.images.clone();
        let n = images.len();
        let (shape, vector, input, output) = buffers.split(step, batch, self.input);
        match step.op {
            StepOp::Import => {
                let pairs = output.par_chunks_exact_mut(layout::map_len(self.input));
                pairs.zip(input.par_chunks_exact(self.input.len())).for_each(|(map, planar)| {
                    layout::to_map(planar, self.input, map);
                });
            }
            StepOp::Conv { relu, pool, place } => {
                let Weights::Conv(conv) = &self.weights[step.layer] else { unreachable!("packed by new()") };
                conv.run(input, Finish { relu, pool }, output, place, &self.scratch);
            }
            StepOp::MaxPool(pool) => maps::pool(self.isa, input, shape, pool, output),
            StepOp::AvgPool { side } => maps::adaptive_avg_pool(input, shape, side, output),
            StepOp::Lrn(constants) => maps::lrn(input, shape, constants, output),
            StepOp::Relu => maps::relu(input, output),
            StepOp::Copy { channels, first } => maps::copy_channels(input, shape, output, channels, first),
            StepOp::Flatten => maps::flatten(input, shape, output),
            StepOp::Gather => layout::gather(input, n, output),
            StepOp::Scatter => layout::scatter(input, n, output),
            StepOp::Linear { factor, relu } => {
                let Weights::Linear(factors) = &self.weights[step.layer] else {
                    unreachable!("packed by new()")
                };
                factors[factor].run(input, n, relu, output);
            }
            StepOp::Read(read) => sink.read(read, input, (shape, vector), images),
        }
    }
}

impl Backend for CpuBackend {
    fn forward(&self, batch: &Batch, taps: &Taps) -> Result<Outputs, NetError> {
        self.check_size(batch)?;
        let mut sink = Sink::of(taps, self, batch.len());
        self.run(batch, &wants_of(taps, &self.architecture), &mut sink, |_, _| {});
        Ok(sink.outputs)
    }

    fn activations(&self, batch: &Batch, layer: &str) -> Result<Activation, NetError> {
        self.check_size(batch)?;
        let id = self.architecture.find(layer).ok_or_else(|| self.architecture.unknown_layer(layer))?;
        let id = self.architecture.read_at(id);
        let Shape { c, h, w } = self.shapes[id.index().expect("a layer, not the input")];
        let mut sink = Sink { activation: vec![0.0; batch.len() * c * h * w], ..Sink::default() };
        self.run(batch, &[Want { layer: id, read: Read::Activation }], &mut sink, |_, _| {});
        Ok(Activation { n: batch.len(), c, h, w, data: sink.activation })
    }

    fn name(&self) -> &'static str {
        "cpu"
    }
}

/// What `taps` want to be read.
fn wants_of(taps: &Taps, architecture: &Architecture) -> Vec<Want> {
    let feature = Want { layer: taps.feature.layer, read: Read::Feature(taps.feature.pooling) };
    let convs = taps.convs.iter().enumerate();
    let convs = convs.map(|(number, tap)| Want { layer: tap.layer, read: Read::Maxima(number) });
    let last = LayerId::new(architecture.layers.len() - 1);
    let logits = taps.logits.then_some(Want { layer: last, read: Read::Logits });
    std::iter::once(feature).chain(convs).chain(logits).collect()
}

/// Where the taps of a batch go.
#[derive(Debug, Default)]
struct Sink {
    outputs: Outputs,
    activation: Vec<f32>,
}

impl Sink {
    fn of(taps: &Taps, backend: &CpuBackend, n: usize) -> Self {
        let maxima = |channels| ConvMaxima { max: vec![0.0; n * channels], argmax: vec![0; n * channels] };
        let classes = if taps.logits { backend.architecture.num_classes } else { 0 };
        let outputs = Outputs {
            features: vec![0.0; n * taps.feature.dim],
            convs: taps.convs.iter().map(|tap| maxima(tap.channels)).collect(),
            logits: vec![0.0; n * classes],
        };
        Self { outputs, activation: Vec::new() }
    }

    /// Reads `images`, which are all that `values` holds.
    fn read(&mut self, read: Read, values: &[f32], of: (Shape, bool), images: Range<usize>) {
        let (shape, vector) = of;
        let n = images.len();
        let map_of = |i: usize| &values[i * layout::map_len(shape)..][..layout::map_len(shape)];
        let copy = |i: usize, out: &mut [f32]| {
            if vector {
                layout::from_vector(values, n, i, out);
            } else {
                layout::from_map(map_of(i), shape, out);
            }
        };
        match read {
            Read::Feature(Pooling::Mean) => {
                let rows = self.outputs.features[images.start * shape.c..].par_chunks_exact_mut(shape.c);
                rows.take(n).enumerate().for_each(|(i, row)| maps::means(map_of(i), shape, row));
            }
            Read::Maxima(number) => {
                let ConvMaxima { max, argmax } = &mut self.outputs.convs[number];
                let max = max[images.start * shape.c..].par_chunks_exact_mut(shape.c);
                let argmax = argmax[images.start * shape.c..].par_chunks_exact_mut(shape.c);
                max.zip(argmax).take(n).enumerate().for_each(|(i, (max, argmax))| {
                    maps::channel_maxima(map_of(i), shape, max, argmax);
                });
            }
            Read::Feature(Pooling::None) | Read::Logits | Read::Activation => {
                let target = match read {
                    Read::Logits => &mut self.outputs.logits,
                    Read::Activation => &mut self.activation,
                    _ => &mut self.outputs.features,
                };
                let rows = target[images.start * shape.len()..].par_chunks_exact_mut(shape.len());
                rows.take(n).enumerate().for_each(|(i, row)| copy(i, row));
            }
        }
    }
}

/// The buffers that the steps of a plan read and write.
struct Buffers<'a> {
    plan: &'a Plan,
    /// The images of this step.
    images: Range<usize>,
    per_pass: usize,
    n: usize,
    trunk: &'a mut Aligned,
    head: &'a mut Aligned,
}

impl Buffers<'_> {
    /// Where a value lies in its buffer, for all images that the buffer holds, and the part of it that the
    /// step's images take.
    fn ranges(&self, value: usize) -> (bool, Range<usize>) {
        let value = &self.plan.values[value];
        let (capacity, first) = if value.head { (self.n, self.images.start) } else { (self.per_pass, 0) };
        let start = value.range.start * capacity + value.range.len() * first;
        (value.head, start..start + value.range.len() * self.images.len())
    }

    /// What a step reads (size, whether it is a vector, values) and writes.
    fn split<'b>(
        &'b mut self,
        step: &Step,
        batch: &'b Batch,
        input: Shape,
    ) -> (Shape, bool, &'b [f32], &'b mut [f32]) {
        let output = step.output.map(|value| self.ranges(value));
        let Source::Value(source) = step.input else {
            let values = &batch.values()[self.images.start * input.len()..self.images.end * input.len()];
            let output: &mut [f32] = match output {
                None => &mut [],
                Some((true, range)) => &mut self.head[range],
                Some((false, range)) => &mut self.trunk[range],
            };
            return (input, false, values, output);
        };
        let value = &self.plan.values[source];
        let (shape, vector) = (value.shape, value.vector);
        let (in_head, from) = self.ranges(source);
        let (values, output): (&[f32], &mut [f32]) = match output {
            None => (if in_head { &self.head[from] } else { &self.trunk[from] }, &mut []),
            Some((true, to)) if !in_head => (&self.trunk[from], &mut self.head[to]),
            Some((false, to)) if in_head => (&self.head[from], &mut self.trunk[to]),
            Some((_, to)) => disjoint(if in_head { &mut *self.head } else { &mut *self.trunk }, from, to),
        };
        (shape, vector, values, output)
    }
}

/// Two parts of a buffer that do not overlap, one to be read and one to be written.
fn disjoint(values: &mut [f32], from: Range<usize>, to: Range<usize>) -> (&[f32], &mut [f32]) {
    if from.end <= to.start {
        let (before, behind) = values.split_at_mut(to.start);
        (&before[from], &mut behind[..to.end - to.start])
    } else {
        assert!(to.end <= from.start, "a plan gives values that live at the same time their own places");
        let (before, behind) = values.split_at_mut(from.start);
        (&behind[..from.end - from.start], &mut before[to])
    }
}

/// Packs the weights of layer `index`; `memory` are the sizes in which activations lie.
fn pack_layer(model: &Model, isa: Isa, index: usize, memory: &[Shape]) -> Weights {
    let layer = &model.architecture().layers[index];
    if !layer.op.has_weights() {
        return Weights::None;
    }
    let px = model.preprocess().input_px() as usize;
    let source = layer.inputs[0].index();
    let input = source.map_or(Shape { c: 3, h: px, w: px }, |i| memory[i]);
    let tensors = model.layer_tensors(LayerId::new(index));
    let (bias, matrices) = tensors.split_last().expect("a layer with weights has a bias");
    if let Op::Conv { out_channels, kernel, stride, padding, groups } = layer.op {
        let window = super::ops::Window { kernel, stride, padding };
        let geometry = Geometry { input, out_channels, window, groups, planar: source.is_none() };
        return Weights::Conv(Box::new(Convolution::new(isa, geometry, &matrices[0].values, &bias.values)));
    }
    let mut input = input;
    let count = matrices.len();
    let factors = matrices.iter().enumerate().map(|(factor, matrix)| {
        let outputs = matrix.parameter.shape[0];
        let bias: &[f32] = if factor + 1 == count { &bias.values } else { &[] };
        let linear = Linear::new(isa, input, outputs, &matrix.values, bias);
        input = Shape { c: outputs, h: 1, w: 1 };
        linear
    });
    Weights::Linear(factors.collect())
}
