//! A small language for writing layer lists down.

use super::{Architecture, Layer, LayerId, Op, Pooling};
use crate::preprocess::Preprocess;

/// Appends layers one behind the other; each reads the one before it unless told otherwise.
#[derive(Debug)]
pub struct Builder {
    layers: Vec<Layer>,
    last: LayerId,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// A network that has only its input.
    pub fn new() -> Self {
        Self { layers: Vec::new(), last: LayerId::INPUT }
    }

    /// The layer appended last.
    pub fn last(&self) -> LayerId {
        self.last
    }

    /// Appends a layer that reads `inputs`.
    pub fn layer(
        &mut self,
        name: &str,
        op: Op,
        inputs: Vec<LayerId>,
        torchvision: Option<String>,
    ) -> LayerId {
        self.layers.push(Layer { name: name.to_owned(), op, inputs, torchvision });
        self.last = LayerId::new(self.layers.len() - 1);
        self.last
    }

    /// Appends a layer without weights that reads the last one.
    pub fn op(&mut self, name: &str, op: Op) -> &mut Self {
        self.layer(name, op, vec![self.last], None);
        self
    }

    /// Appends a layer with weights, which torchvision calls `torchvision`, and the `ReLU` behind it.
    pub fn op_relu(&mut self, name: &str, relu: &str, op: Op, torchvision: Option<&str>) -> &mut Self {
        self.layer(name, op, vec![self.last], torchvision.map(str::to_owned));
        self.op(relu, Op::Relu)
    }

    /// Appends a max-pool without padding.
    pub fn max_pool(&mut self, name: &str, kernel: usize, stride: usize, ceil: bool) -> &mut Self {
        self.op(name, Op::MaxPool { kernel, stride, padding: 0, ceil })
    }

    /// Finishes the list.
    pub fn build(
        self,
        name: &str,
        preprocess: Preprocess,
        num_classes: usize,
        feature: (&str, Pooling),
        default_conv: &str,
    ) -> Architecture {
        Architecture {
            name: name.to_owned(),
            layers: self.layers,
            preprocess,
            num_classes,
            aliases: Vec::new(),
            feature: (feature.0.to_owned(), feature.1),
            default_conv: default_conv.to_owned(),
        }
    }
}

/// A convolution with one group.
pub(super) fn conv(out_channels: usize, kernel: usize, stride: usize, padding: usize) -> Op {
    Op::Conv { out_channels, kernel, stride, padding, groups: 1 }
}
