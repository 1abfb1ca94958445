//! Architectures as data: a list of layers, from which everything else follows.
//!
//! The forward pass, the shapes, the receptive fields and the check of a weights file all read the
//! same [`Layer`]s. To add an architecture, write a function that returns one and name it in
//! `ARCHITECTURES`; nothing else changes.

mod alexnet;
mod build;
mod caffenet;
mod lite;
mod squeezenet;
#[cfg(test)]
mod tests;
mod vgg;

use crate::error::NetError;
use crate::preprocess::Preprocess;
use serde::Serialize;

pub use build::Builder;
pub use lite::EMBEDDED_MODEL;

/// A function that lays an architecture out.
type Layout = fn() -> Architecture;

/// Every architecture's name and the function that lays it out, in the order of the listings.
const ARCHITECTURES: [(&str, Layout); 10] = [
    (EMBEDDED_MODEL, lite::alexnet_lite),
    ("alexnet", alexnet::alexnet),
    ("caffenet", caffenet::caffenet),
    ("bvlc-alexnet", caffenet::bvlc_alexnet),
    ("vgg11", vgg::vgg11),
    ("vgg13", vgg::vgg13),
    ("vgg16", vgg::vgg16),
    ("vgg19", vgg::vgg19),
    ("squeezenet1_0", squeezenet::squeezenet1_0),
    ("squeezenet1_1", squeezenet::squeezenet1_1),
];

/// The names of all architectures.
pub fn architectures() -> Vec<&'static str> {
    ARCHITECTURES.iter().map(|(name, _)| *name).collect()
}

/// The architecture called `name`.
///
/// # Errors
/// [`NetError::UnknownModel`], which lists the names there are.
pub fn architecture(name: &str) -> Result<Architecture, NetError> {
    ARCHITECTURES.iter().find(|(known, _)| *known == name).map(|(_, layout)| layout()).ok_or_else(|| {
        NetError::UnknownModel {
            name: name.to_owned(),
            known: architectures().into_iter().map(str::to_owned).collect(),
        }
    })
}

/// A layer's place in [`Architecture::layers`], or [`LayerId::INPUT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LayerId(usize);

impl LayerId {
    /// The network's input, which is no layer.
    pub const INPUT: Self = Self(usize::MAX);

    pub(crate) const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Index into [`Architecture::layers`]; `None` for the input.
    pub fn index(self) -> Option<usize> {
        (self != Self::INPUT).then_some(self.0)
    }
}

/// What a layer does to `(c, h, w)`. Windows are square; strides and paddings are equal on all sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "op")]
#[expect(missing_docs, reason = "the fields carry the papers' own names; units are pixels or channels")]
pub enum Op {
    /// Cross-correlation with zero padding and a bias per output channel.
    Conv { out_channels: usize, kernel: usize, stride: usize, padding: usize, groups: usize },
    /// `max(x, 0)`.
    Relu,
    /// Local response normalization across `size` channels (Krizhevsky et al. 2012, section 3.3, in
    /// Caffe's scaling): `x / (k + alpha / size * sum of squares) ^ beta`.
    Lrn { size: usize, alpha: f32, beta: f32, k: f32 },
    /// Largest value of a window. With `ceil` the last window may hang over the edge.
    MaxPool { kernel: usize, stride: usize, padding: usize, ceil: bool },
    /// Mean over windows chosen so that `out` x `out` cells result; 1 is the global mean.
    AvgPool { out: usize },
    /// Fully connected, with bias.
    Linear { out: usize },
    /// Fully connected through `rank` factors: `up(down(x)) + bias`.
    LowRankLinear { rank: usize, out: usize },
    /// All inputs, channels one after the other.
    Concat,
    /// `(c, h, w)` to `(c * h * w, 1, 1)`, row-major.
    Flatten,
}

impl Op {
    /// Whether the layer has weights.
    pub fn has_weights(&self) -> bool {
        matches!(self, Self::Conv { .. } | Self::Linear { .. } | Self::LowRankLinear { .. })
    }
}

/// One layer of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// The lecture's name (`conv1`, `relu1`, `fc7`), unique in its network.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Where its inputs come from; earlier layers only.
    pub inputs: Vec<LayerId>,
    /// The name of its tensors in torchvision's checkpoints (`features.0`), where torchvision has the
    /// network. In the lecture's naming its tensors carry the layer's own name.
    pub torchvision: Option<String>,
}

/// How a weights file names its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// `conv1.weight`, `fc6.down.weight`, `fire2/squeeze1x1.bias`.
    Lecture,
    /// `features.0.weight`, `classifier.1.bias`.
    Torchvision,
}

impl Layer {
    /// The prefix of its tensors' names, where the naming has one for it.
    pub fn key(&self, naming: Naming) -> Option<&str> {
        match naming {
            Naming::Lecture => Some(&self.name),
            Naming::Torchvision => self.torchvision.as_deref(),
        }
    }
}

/// How an activation becomes a feature vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// All values, row-major.
    None,
    /// The mean over the cells of each channel.
    Mean,
}

/// The size of an activation of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[expect(missing_docs, reason = "the field's own letters: channels, height, width")]
pub struct Shape {
    pub c: usize,
    pub h: usize,
    pub w: usize,
}

impl Shape {
    /// Values of one channel.
    pub fn cells(&self) -> usize {
        self.h * self.w
    }

    /// Values in all.
    pub fn len(&self) -> usize {
        self.c * self.cells()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A network: layers in an order in which they can be computed, and what its input must look like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Architecture {
    /// Its name on the command line.
    pub name: String,
    /// The layers; the last one gives the logits.
    pub layers: Vec<Layer>,
    /// The preprocessing its published weights were trained with.
    pub preprocess: Preprocess,
    /// Length of the logits.
    pub num_classes: usize,
    /// Other names for layers: `conv5` for VGG's last convolution of the fifth block.
    pub aliases: Vec<(String, String)>,
    /// The layer that is the feature unless another is tapped, and how it is pooled.
    pub feature: (String, Pooling),
    /// The convolution that is tapped unless others are named.
    pub default_conv: String,
}

impl Architecture {
    /// The layer called `name`, or by an alias of it.
    pub fn find(&self, name: &str) -> Option<LayerId> {
        let name =
            self.aliases.iter().find(|(alias, _)| alias == name).map_or(name, |(_, layer)| layer.as_str());
        self.layers.iter().position(|layer| layer.name == name).map(LayerId::new)
    }

    /// The layer behind `id`; `None` for the input.
    pub fn layer(&self, id: LayerId) -> Option<&Layer> {
        self.layers.get(id.index()?)
    }

    /// The names of all layers, in order.
    pub fn layer_names(&self) -> Vec<&str> {
        self.layers.iter().map(|layer| layer.name.as_str()).collect()
    }

    /// The convolutions, and the concatenations of convolutions: what is usually tapped.
    pub fn conv_layers(&self) -> Vec<&str> {
        let conv = |op: &Op| matches!(op, Op::Conv { .. } | Op::Concat);
        self.layers.iter().filter(|layer| conv(&layer.op)).map(|layer| layer.name.as_str()).collect()
    }

    /// The taps of an atlas for which none are named: the last convolution and the feature.
    pub fn default_taps(&self) -> Vec<String> {
        let (layer, pooling) = &self.feature;
        vec![self.default_conv.clone(), feature_column(layer, *pooling)]
    }

    /// Where the activation of `id` is read: after the `ReLU` that alone follows it, if there is one.
    ///
    /// The lecture's `conv5` means what conv5's units fire, which is after the `ReLU`.
    pub fn read_at(&self, id: LayerId) -> LayerId {
        let mut consumers = (0..self.layers.len()).filter(|&i| self.layers[i].inputs.contains(&id));
        match (consumers.next(), consumers.next()) {
            (Some(only), None) if self.layers[only].op == Op::Relu => LayerId::new(only),
            _ => id,
        }
    }
}

/// The name of a feature column: the layer's, with `_mean` where it is pooled.
pub(crate) fn feature_column(layer: &str, pooling: Pooling) -> String {
    match pooling {
        Pooling::None => layer.to_owned(),
        Pooling::Mean => format!("{layer}_mean"),
    }
}
