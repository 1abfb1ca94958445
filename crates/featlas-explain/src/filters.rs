//! The kernels of a convolution as plain arrays.

use crate::error::ExplainError;
use featlas_net::{Model, Op, Planes};

/// The kernels of one convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Filters {
    /// The layer's name.
    pub layer: String,
    /// Output channels: kernels.
    pub outputs: usize,
    /// Input channels of each kernel; of a grouped convolution those of its group.
    pub inputs: usize,
    /// Side of a kernel, in cells.
    pub side: usize,
    /// Whether the layer reads the picture itself, so that a kernel's three inputs are red, green and
    /// blue, in this order whatever the model's planes. Otherwise the inputs are channels of the layer
    /// before, which nobody can see: the reason why deeper kernels say little.
    pub is_first: bool,
    /// `(outputs, inputs, side, side)`, row-major.
    pub values: Vec<f32>,
    /// The Euclidean norm of each kernel.
    pub norms: Vec<f64>,
}

/// The kernels of `layer`; without a name, of the first convolution.
///
/// # Errors
/// [`featlas_net::NetError::UnknownLayer`], which lists the layers; [`ExplainError::NoKernels`] for a
/// layer that is no convolution.
pub fn filters(model: &Model, layer: Option<&str>) -> Result<Filters, ExplainError> {
    let architecture = model.architecture();
    let is_conv = |op: &Op| matches!(op, Op::Conv { .. });
    let convs =
        || architecture.layers.iter().filter(|layer| is_conv(&layer.op)).map(|layer| layer.name.clone());
    let name = match layer {
        Some(name) => name.to_owned(),
        None => convs().next().unwrap_or_default(),
    };
    let id = model.find_layer(&name)?;
    let found = architecture.layer(id).filter(|layer| is_conv(&layer.op));
    let no_kernels = || ExplainError::NoKernels { layer: name.clone(), layers: convs().collect() };
    let layer = found.ok_or_else(no_kernels)?;
    let kernels = model.layer_tensors(id).into_iter().next().ok_or_else(no_kernels)?;
    let [outputs, inputs, side] = [0, 1, 2].map(|axis| kernels.parameter.shape[axis]);
    let mut values = kernels.values.into_owned();
    let is_first = layer.inputs[0].index().is_none();
    if is_first && model.preprocess().planes() == Planes::Bgr {
        for kernel in values.chunks_exact_mut(3 * side * side) {
            let (blue, rest) = kernel.split_at_mut(side * side);
            blue.swap_with_slice(&mut rest[side * side..]);
        }
    }
    let norms = values.chunks_exact(inputs * side * side).map(featlas_core::l2_norm).collect();
    Ok(Filters { layer: layer.name.clone(), outputs, inputs, side, is_first, values, norms })
}

impl Filters {
    /// Kernel `output`: `(inputs, side, side)`.
    ///
    /// # Panics
    /// If there is no such kernel.
    pub fn kernel(&self, output: usize) -> &[f32] {
        let len = self.inputs * self.side * self.side;
        &self.values[output * len..][..len]
    }

    /// What kernel `output` does to channel `input`: `(side, side)`.
    ///
    /// # Panics
    /// If there is no such kernel or channel.
    pub fn tile(&self, output: usize, input: usize) -> &[f32] {
        let area = self.side * self.side;
        &self.kernel(output)[input * area..][..area]
    }

    /// The kernels by falling norm; of equal ones the lower first.
    pub fn by_norm(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.outputs).collect();
        order.sort_by(|&a, &b| self.norms[b].total_cmp(&self.norms[a]));
        order
    }

    /// Least and greatest value of all kernels, for one scale over the whole sheet.
    pub fn range(&self) -> (f32, f32) {
        range(&self.values)
    }

    /// Least and greatest value of one kernel.
    ///
    /// # Panics
    /// If there is no such kernel.
    pub fn range_of(&self, output: usize) -> (f32, f32) {
        range(self.kernel(output))
    }
}

fn range(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
}
