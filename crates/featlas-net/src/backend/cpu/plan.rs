//! From a list of layers and what is read of them to steps over one buffer.
//!
//! A plan is data: which steps, what each reads and writes, and where in the buffer every activation lies.
//! Layers that nothing wanted depends on get no step; a `ReLU` is part of the layer before it, a max-pool
//! of the convolution before it, and branches of a concatenation are written where it has them. The first
//! steps (the *trunk*) run in passes of some images; from the first fully connected layer on (the *head*)
//! the whole batch runs at once, so that those weights are read once.

mod planner;

use super::conv::{Place, Pool};
use crate::arch::{Architecture, LayerId, Op, Pooling, Shape};
use crate::backend::ops::Lrn;
use std::ops::Range;

/// Something to be read, and the layer it is read of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) layer: LayerId,
    pub(crate) read: Read,
}

/// How a layer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// As the feature.
    Feature(Pooling),
    /// Its channel maxima, as the tap of that number.
    Maxima(usize),
    /// As the logits.
    Logits,
    /// All of it.
    Activation,
}

/// Where an activation is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The network's input, which is planar.
    Input,
    /// A value of the plan.
    Value(usize),
}

/// An activation of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// Its size as it lies in memory. A flattened activation keeps the size it had: its order is that of
    /// the map, and the weights that read it are packed in that order.
    pub(crate) shape: Shape,
    /// Whether it is a vector; else a map.
    pub(crate) vector: bool,
    pub(crate) room: Room,
    /// Its place in the room's buffer, for one image: buffers grow with the images.
    pub(crate) range: Range<usize>,
}

/// Which buffer a value lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// That of a pass.
    Trunk,
    /// The buffer of that number, which every pass writes its images of and the head reads.
    Handover(usize),
    /// That of the whole batch.
    Head,
}

/// One thing to do.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The layer it belongs to.
    pub(crate) layer: usize,
    pub(crate) op: StepOp,
    pub(crate) input: Source,
    /// The value it writes; none for a step that reads a tap.
    pub(crate) output: Option<usize>,
}

/// What a step does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StepOp {
    /// The planar input as a map.
    Import,
    Conv {
        relu: bool,
        pool: Option<Pool>,
        place: Place,
    },
    MaxPool(Pool),
    AvgPool {
        side: usize,
    },
    Lrn(Lrn),
    Relu,
    /// Copies channels to channels `first..` of a concatenation of `channels`.
    Copy {
        channels: usize,
        first: usize,
    },
    /// Brings a map into the order of PyTorch's flattening.
    Flatten,
    /// A map as a vector.
    Gather,
    /// A vector as a map.
    Scatter,
    /// Multiplies with one of the layer's matrices.
    Linear {
        factor: usize,
        relu: bool,
    },
    Read(Read),
}

/// What to compute, in which order, and where.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// The first step of the head.
    pub(crate) head: usize,
    pub(crate) values: Vec<Value>,
    /// Values of an image in the trunk's buffer.
    pub(crate) trunk_len: usize,
    /// Values of an image in the head's buffer.
    pub(crate) head_len: usize,
    /// Values of an image in each of the buffers between them.
    pub(crate) handover_lens: Vec<usize>,
}

/// For every layer, the size in which its activation lies in memory.
///
/// It is the layer's own but for a flattening that fully connected layers alone read, which costs nothing.
pub(crate) fn memory_shapes(architecture: &Architecture, shapes: &[Shape], input: Shape) -> Vec<Shape> {
    let mut memory: Vec<Shape> = Vec::with_capacity(shapes.len());
    for (index, layer) in architecture.layers.iter().enumerate() {
        let source = layer.inputs[0].index().map_or(input, |i| memory[i]);
        memory.push(match layer.op {
            Op::Flatten if flatten_is_free(architecture, index, source) => source,
            Op::Relu => source,
            _ => shapes[index],
        });
    }
    memory
}

fn flatten_is_free(architecture: &Architecture, index: usize, source: Shape) -> bool {
    let id = LayerId::new(index);
    let mut readers = architecture.layers.iter().filter(|layer| layer.inputs.contains(&id));
    source.cells() == 1
        || readers.all(|layer| matches!(layer.op, Op::Linear { .. } | Op::LowRankLinear { .. }))
}
