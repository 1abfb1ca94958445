//! featlas's own engine for the CPU.
//!
//! Weights are packed once, when the backend is made. What a batch goes through is planned once for every
//! set of taps ([`plan`]) and then runs over kept buffers: a batch allocates nothing but its outputs.
//! Activations lie in blocks of 16 channels ([`layout`]), so that one layout serves vectors of 4, 8 and 16
//! lanes and a cell of a block is a cache line.
//!
//! With [`Precision::Int8`] the weights are integers, and so are the activations while they are multiplied
//! ([`kernels`]); between the layers they stay f32, and what does not multiply is the same.
//!
//! Every value is computed by the same operations in the same order whatever lies beside its image: batch
//! size and number of threads change no bit. Another instruction set may (without fused multiply-add every
//! product is rounded).

mod buffers;
mod conv;
mod direct;
mod kernels;
pub(crate) mod layout;
mod linear;
mod maps;
mod plan;
mod ranges;
mod scratch;
mod sink;
mod standalone;
#[cfg(test)]
mod tests;
mod unpacked;
mod weights;
mod winograd;

use super::{Activation, Backend, Batch, Outputs};
use crate::arch::{Architecture, Shape};
use crate::error::NetError;
use crate::model::Model;
use crate::taps::Taps;
use buffers::{Activations, Pass, head_buffers, trunk_buffers};
use kernels::Aligned;
use plan::{Plan, Read, Step, StepOp, Want, memory_shapes};
use rayon::prelude::*;
use sink::{Sink, SinkPart, wants_of};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use weights::{Packing, Weights, factor_name, pack_layer};

pub(crate) use conv::{Convolution, Finish, Geometry, Place};
pub(crate) use kernels::BLOCK;
pub use kernels::Isa;
pub(crate) use linear::Linear;
pub use ranges::{Ranges, RangesError};
pub(crate) use scratch::Scratch;
pub use standalone::{ConvSizes, PlannedConv};

/// Bytes of a pass's activations that should stay in a thread's share of the last-level cache.
const CACHED_BYTES: usize = 8 << 20;

/// Bytes that the activations of all passes at a time may take, if there are several.
const PASS_BYTES: usize = 192 << 20;

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
    /// Bytes of activations that a thread's caches hold, and that all passes at a time may take.
    pass_limit: (usize, usize),
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
        Self::pack(model, isa, Packing::Real)
    }

    /// A backend without the methods that lose a digit to rounding for the sake of speed: for small differences of what the
    /// network answers, as occlusion takes them. Slower for VGG alone.
    pub fn precise(model: &Model) -> Self {
        Self::pack(model, Isa::best(), Packing::Precise)
    }

    /// A backend that multiplies integers ([`Precision::Int8`](super::Precision::Int8)), scaled for `ranges`.
    ///
    /// A layer that `ranges` does not name stays in f32.
    pub fn with_ranges(model: &Model, ranges: &Ranges) -> Self {
        Self::pack(model, Isa::best(), Packing::Integers(ranges))
    }

    /// A backend for [`Self::calibrate`], which runs few images: of fully connected layers it reads the
    /// model's own weights instead of packing a copy of them, which is slower.
    ///
    /// What it computes is that of [`Self::new`] up to rounding. The model's weights stay in memory as long as
    /// it does.
    pub fn for_calibration(model: &Model) -> Self {
        Self::pack(model, Isa::best(), Packing::ConvolutionsAlone)
    }

    fn pack(model: &Model, isa: Isa, packing: Packing<'_>) -> Self {
        let architecture = model.architecture().clone();
        let shapes = model.shapes().to_vec();
        let px = model.preprocess().input_px() as usize;
        let input = Shape { c: 3, h: px, w: px };
        let memory = memory_shapes(&architecture, &shapes, input);
        let weights =
            (0..shapes.len()).map(|index| pack_layer(model, (isa, packing), index, &memory)).collect();
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
            pass_limit: (CACHED_BYTES, PASS_BYTES),
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
        let mut observe = |step: &Step, _source: Activations<'_>, took: Duration| {
            let layer = &self.architecture.layers[step.layer].name;
            let (method, products, done) = match (&step.op, &self.weights[step.layer]) {
                (StepOp::Conv { .. }, Weights::Conv(conv)) => {
                    (conv.method(), conv.geometry().products(), conv.products())
                }
                (StepOp::Linear { factor, .. }, Weights::Linear(factors)) => {
                    let products = factors[*factor].products();
                    (factors[*factor].method(), products, products)
                }
                (StepOp::Linear { factor, .. }, Weights::Unpacked(factors)) => {
                    let products = factors[*factor].products();
                    ("linear, unpacked", products, products)
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
        };
        let mut sink = Sink::of(taps, self.architecture.num_classes, n);
        self.run(batch, &wants_of(taps, &self.architecture), &mut sink, Some(&mut observe));
        Ok(times)
    }

    /// Widens `ranges` by what the layers that `taps` depend on read of `batch`.
    ///
    /// # Errors
    /// As [`Backend::forward`].
    pub fn calibrate(&self, batch: &Batch, taps: &Taps, ranges: &mut Ranges) -> Result<(), NetError> {
        self.check_size(batch)?;
        let mut observe = |step: &Step, source: Activations<'_>, _took: Duration| {
            let layer = &self.architecture.layers[step.layer].name;
            match (&step.op, &self.weights[step.layer]) {
                (StepOp::Conv { .. }, _) => ranges.include(layer, source.values),
                (StepOp::Linear { factor, .. }, Weights::Linear(factors)) => {
                    ranges.include(&factor_name(layer, *factor, factors.len()), source.values);
                }
                (StepOp::Linear { factor, .. }, Weights::Unpacked(factors)) => {
                    ranges.include(&factor_name(layer, *factor, factors.len()), source.values);
                }
                _ => {}
            }
        };
        let mut sink = Sink::of(taps, self.architecture.num_classes, batch.len());
        self.run(batch, &wants_of(taps, &self.architecture), &mut sink, Some(&mut observe));
        ranges.add_images(batch.len());
        Ok(())
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

    /// Images of a pass: as many as a cache holds the activations of, but so many that reading the
    /// convolutions' weights again for every pass costs less than the activations' way to memory and back.
    fn images_per_pass(&self, plan: &Plan, n: usize, threads: usize) -> usize {
        let (cached, most) = self.pass_limit;
        let bytes = size_of::<f32>();
        let trunk = (plan.trunk_len * bytes).max(1);
        let steps = &plan.steps[..plan.head];
        let weights: usize = steps
            .iter()
            .map(|step| match &self.weights[step.layer] {
                Weights::Conv(conv) if matches!(step.op, StepOp::Conv { .. }) => conv.weight_bytes(),
                _ => 0,
            })
            .sum();
        let moved: usize =
            steps.iter().filter_map(|step| step.output).map(|v| plan.values[v].range.len()).sum();
        let images = (cached / trunk).max(weights / (2 * moved * bytes).max(1)).min(most / threads / trunk);
        // Passes of nearly equal length, as many for every thread.
        let passes = n.div_ceil(images.max(1)).next_multiple_of(threads);
        n.div_ceil(passes)
    }

    /// Runs `batch` through the plan for `wants` and reads into `sink`.
    ///
    /// Passes run side by side, each on one thread; where there are fewer than threads, the steps of a pass
    /// are shared out. With `observe`, which sees every step's time, there is one pass.
    fn run(&self, batch: &Batch, wants: &[Want], sink: &mut Sink, mut observe: Option<Observer<'_>>) {
        let n = batch.len();
        if n == 0 {
            return;
        }
        let plan = &*self.plan(wants);
        let threads = rayon::current_num_threads();
        let per_pass = if observe.is_some() { n } else { self.images_per_pass(plan, n, threads) };
        let mut handover: Vec<Aligned> =
            plan.handover_lens.iter().map(|len| self.arenas.take(len * n)).collect();
        let mut passes: Vec<Pass<'_>> = sink
            .parts(n, per_pass)
            .into_iter()
            .map(|(images, sink)| Pass { images, sink, handover: Vec::new() })
            .collect();
        for (buffer, len) in handover.iter_mut().zip(&plan.handover_lens) {
            for (pass, part) in passes.iter_mut().zip(buffer[..len * n].chunks_mut(len * per_pass)) {
                pass.handover.push(part);
            }
        }
        let inner = (threads / passes.len()).max(1);
        let trunk = |mut pass: Pass<'_>, observe: &mut Option<Observer<'_>>| {
            let mut arena = self.arenas.take(plan.trunk_len * pass.images.len());
            for step in &plan.steps[..plan.head] {
                let start = Instant::now();
                let (source, output) =
                    trunk_buffers(plan, step, batch, pass.images.clone(), &mut pass.handover, &mut arena);
                self.step(step, inner, source, output, &mut pass.sink);
                if let Some(observe) = observe {
                    observe(step, source, start.elapsed());
                }
            }
            self.arenas.give(arena);
        };
        if passes.len() == 1 {
            for pass in passes {
                trunk(pass, &mut observe);
            }
        } else {
            passes.into_par_iter().for_each(|pass| trunk(pass, &mut None));
        }
        let mut arena = self.arenas.take(plan.head_len * n);
        for (_, mut sink) in sink.parts(n, n) {
            for step in &plan.steps[plan.head..] {
                let start = Instant::now();
                let (source, output) = head_buffers(plan, step, batch, &handover, &mut arena);
                self.step(step, threads, source, output, &mut sink);
                if let Some(observe) = &mut observe {
                    observe(step, source, start.elapsed());
                }
            }
        }
        handover.into_iter().chain([arena]).for_each(|buffer| self.arenas.give(buffer));
    }

    fn step(
        &self,
        step: &Step,
        threads: usize,
        source: Activations<'_>,
        output: &mut [f32],
        sink: &mut SinkPart<'_>,
    ) {
        let Activations { shape, vector, n, values: input } = source;
        match step.op {
            StepOp::Import => {
                let pairs = output.par_chunks_exact_mut(layout::map_len(self.input));
                pairs.zip(input.par_chunks_exact(self.input.len())).for_each(|(map, planar)| {
                    layout::to_map(planar, self.input, map);
                });
            }
            StepOp::Conv { relu, pool, place } => {
                let Weights::Conv(conv) = &self.weights[step.layer] else { unreachable!("packed by new()") };
                conv.run(input, Finish { relu, pool, threads }, output, place, &self.scratch);
            }
            StepOp::MaxPool(pool) => maps::pool(self.isa, input, shape, pool, output),
            StepOp::AvgPool { side } => maps::adaptive_avg_pool(input, shape, side, output),
            StepOp::Lrn(constants) => maps::lrn(input, shape, constants, output),
            StepOp::Relu => maps::relu(input, output),
            StepOp::Copy { channels, first } => maps::copy_channels(input, shape, output, channels, first),
            StepOp::Flatten => maps::flatten(input, shape, output),
            StepOp::Gather => layout::gather(input, n, output),
            StepOp::Scatter => layout::scatter(input, n, output),
            StepOp::Linear { factor, relu } => match &self.weights[step.layer] {
                Weights::Linear(factors) => factors[factor].run(input, n, relu, output, &self.scratch),
                Weights::Unpacked(factors) => factors[factor].run(input, n, relu, output),
                Weights::None | Weights::Conv(_) => unreachable!("packed by new()"),
            },
            StepOp::Read(read) => sink.read(read, Activations { shape, vector, n, values: input }),
        }
    }
}

impl Backend for CpuBackend {
    fn forward(&self, batch: &Batch, taps: &Taps) -> Result<Outputs, NetError> {
        self.check_size(batch)?;
        let mut sink = Sink::of(taps, self.architecture.num_classes, batch.len());
        let wants = wants_of(taps, &self.architecture);
        // On a thread of the pool: from outside, every step would have to be handed to one and waited for.
        rayon::scope(|_| self.run(batch, &wants, &mut sink, None));
        Ok(sink.outputs)
    }

    fn activations(&self, batch: &Batch, layer: &str) -> Result<Activation, NetError> {
        self.check_size(batch)?;
        let id = self.architecture.find(layer).ok_or_else(|| self.architecture.unknown_layer(layer))?;
        let id = self.architecture.read_at(id);
        let Shape { c, h, w } = self.shapes[id.index().expect("a layer, not the input")];
        let mut sink = Sink { activation: vec![0.0; batch.len() * c * h * w], ..Sink::default() };
        self.run(batch, &[Want { layer: id, read: Read::Activation }], &mut sink, None);
        Ok(Activation { n: batch.len(), c, h, w, data: sink.activation })
    }

    fn name(&self) -> String {
        "cpu".to_owned()
    }
}

/// Is shown every step, what it read and what it took.
type Observer<'a> = &'a mut dyn FnMut(&Step, Activations<'_>, Duration);
