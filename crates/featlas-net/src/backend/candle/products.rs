//! Convolutions and fully connected layers as candle's matrix products on the CPU.

use crate::arch::{LayerId, Op, Shape};
use crate::backend::ops::{self, Window};
use crate::model::Model;
use candle_core::{CpuStorage, Device, Storage, Tensor};
use candle_nn::{Linear, Module as _};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers in the patch matrix of one convolution tile: it should stay in the second-level cache.
const TILE_VALUES: usize = 1 << 16;

/// Output cells of a tile are a multiple of this: the height of the matrix product's AVX-512 kernel.
const TILE_CELLS: usize = 64;

/// Outputs of a fully connected layer that are computed as one matrix product.
const LINEAR_CHUNK: usize = 512;

/// What a layer multiplies with.
#[derive(Debug)]
pub(super) enum Weights {
    None,
    /// `(out / groups, c / groups * kernel * kernel)` for each group.
    Conv {
        groups: Vec<Tensor>,
        bias: Vec<f32>,
    },
    /// Matrices applied one after the other; the last one has the bias.
    Linear {
        factors: Vec<Matrix>,
        bias: Vec<f32>,
    },
}

/// `(out, in)`, cut into rows of at most [`LINEAR_CHUNK`].
#[derive(Debug)]
pub(super) struct Matrix {
    inputs: usize,
    outputs: usize,
    chunks: Vec<Linear>,
}

impl Matrix {
    fn new(values: &[f32], outputs: usize, inputs: usize) -> candle_core::Result<Self> {
        let chunks = values
            .chunks(LINEAR_CHUNK * inputs)
            .map(|rows| {
                let rows = Tensor::from_slice(rows, (rows.len() / inputs, inputs), &Device::Cpu)?;
                // Without bias: adding it would go through candle's element-wise operations.
                Ok(Linear::new(rows, None))
            })
            .collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Self { inputs, outputs, chunks })
    }

    /// `(n, in)` to `(n, out)`; with a bias, and whether `ReLU` follows it.
    pub(super) fn apply(
        &self,
        input: &[f32],
        n: usize,
        bias: Option<(&[f32], bool)>,
    ) -> candle_core::Result<Vec<f32>> {
        let input = Tensor::from_slice(input, (n, self.inputs), &Device::Cpu)?;
        let products = self
            .chunks
            .par_iter()
            .map(|rows| rows.forward(&input))
            .collect::<candle_core::Result<Vec<_>>>()?;
        let mut out = vec![0.0; n * self.outputs];
        for (chunk, product) in products.iter().enumerate() {
            with_values(product, |values| {
                let start = chunk * LINEAR_CHUNK;
                let width = values.len() / n.max(1);
                for (out, row) in out.chunks_exact_mut(self.outputs).zip(values.chunks_exact(width)) {
                    out[start..start + width].copy_from_slice(row);
                }
            })?;
        }
        if let Some((bias, relu)) = bias {
            for row in out.chunks_exact_mut(self.outputs) {
                row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
                if relu {
                    ops::relu_chunk(row);
                }
            }
        }
        Ok(out)
    }
}

/// One image's convolution: for each group and tile of output cells, kernels times patches.
pub(super) fn convolve(
    image: &[f32],
    shape: Shape,
    window: Window,
    groups: &[Tensor],
    (bias, relu): (&[f32], bool),
    result: &mut [f32],
    out: Shape,
) -> candle_core::Result<()> {
    let group = Shape { c: shape.c / groups.len(), ..shape };
    let group_out = Shape { c: out.c / groups.len(), ..out };
    let patch = group.c * window.kernel * window.kernel;
    let tile = (TILE_VALUES / patch).max(1).next_multiple_of(TILE_CELLS);
    let tiles: Vec<Range<usize>> =
        (0..out.cells()).step_by(tile).map(|start| start..(start + tile).min(out.cells())).collect();
    let pieces = groups.iter().zip(image.chunks_exact(group.len())).zip(bias.chunks_exact(group_out.c));
    for (((kernels, image), bias), result) in pieces.zip(result.chunks_exact_mut(group_out.len())) {
        // Every tile has its own matrix: a buffer kept by thread would be in use again when rayon lets
        // the thread steal another tile from inside the product.
        let products = tiles
            .par_iter()
            .map(|cells| {
                let patches = ops::patches(image, group, window, out.w, cells.clone());
                kernels.matmul(&Tensor::from_vec(patches, (patch, cells.len()), &Device::Cpu)?)
            })
            .collect::<candle_core::Result<Vec<_>>>()?;
        for (cells, product) in tiles.iter().zip(&products) {
            with_values(product, |values| {
                let planes = result.chunks_exact_mut(out.cells()).zip(bias);
                for ((plane, &bias), row) in planes.zip(values.chunks_exact(cells.len())) {
                    let plane = &mut plane[cells.clone()];
                    plane.copy_from_slice(row);
                    ops::add_bias(plane, bias, relu);
                }
            })?;
        }
    }
    Ok(())
}

/// Lends the values of a contiguous f32 tensor on the CPU.
fn with_values(tensor: &Tensor, read: impl FnOnce(&[f32])) -> candle_core::Result<()> {
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => {
            read(&values[start..end]);
            Ok(())
        }
        _ => Err(candle_core::Error::Msg("expected a contiguous f32 tensor on the CPU".to_owned())),
    }
}

/// Copies the weights of layer `index`.
pub(super) fn layer_weights(model: &Model, index: usize) -> candle_core::Result<Weights> {
    let mut tensors = model.layer_tensors(LayerId::new(index));
    let Some(bias) = tensors.pop().map(|tensor| tensor.values.into_owned()) else {
        return Ok(Weights::None);
    };
    if let Op::Conv { groups, .. } = model.architecture().layers[index].op {
        let kernels = &tensors[0];
        let out = kernels.parameter.shape[0] / groups;
        let patch: usize = kernels.parameter.shape[1..].iter().product();
        let groups = kernels
            .values
            .chunks_exact(out * patch)
            .map(|values| Tensor::from_slice(values, (out, patch), &Device::Cpu))
            .collect::<candle_core::Result<Vec<_>>>()?;
        return Ok(Weights::Conv { groups, bias });
    }
    let factors = tensors
        .iter()
        .map(|tensor| Matrix::new(&tensor.values, tensor.parameter.shape[0], tensor.parameter.shape[1]))
        .collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Weights::Linear { factors, bias })
}
