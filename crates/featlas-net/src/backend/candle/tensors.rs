//! Forward passes through candle's own tensors, on whichever device holds them.
//!
//! This is the way to a GPU. On the CPU the passes of the module above are faster; the tests run this one
//! there too, since it is the same code.

use crate::arch::{LayerId, Op, Shape};
use crate::model::Model;
use candle_core::{Device, Result, Tensor};

/// The weights of a network on a device.
#[derive(Debug)]
pub(super) struct Tensors {
    pub(super) device: Device,
    /// Of each layer, in the order of [`Model::layer_tensors`].
    layers: Vec<Vec<Tensor>>,
}

impl Tensors {
    /// Copies the weights of layer after layer.
    pub(super) fn new(
        model: &Model,
        device: &Device,
    ) -> std::result::Result<Self, (usize, candle_core::Error)> {
        let layers = (0..model.shapes().len()).map(|index| {
            let tensors = model.layer_tensors(LayerId::new(index)).into_iter();
            let tensors = tensors.map(|t| Tensor::from_slice(&t.values, t.parameter.shape, device));
            tensors.collect::<Result<Vec<_>>>().map_err(|err| (index, err))
        });
        Ok(Self { device: device.clone(), layers: layers.collect::<std::result::Result<_, _>>()? })
    }

    /// What layer `index` makes of its inputs, all `(n, c, h, w)`; `shape` is the size of one image of it.
    pub(super) fn compute(&self, index: usize, op: Op, inputs: &[Tensor], shape: Shape) -> Result<Tensor> {
        let x = &inputs[0];
        let n = x.dim(0)?;
        match (op, self.layers[index].as_slice()) {
            (Op::Conv { stride, padding, groups, .. }, [kernels, bias]) => {
                let sums = x.conv2d(kernels, padding, stride, 1, groups)?;
                sums.broadcast_add(&bias.reshape((1, shape.c, 1, 1))?)
            }
            (Op::Linear { .. } | Op::LowRankLinear { .. }, [factors @ .., bias]) => {
                let mut x = x.flatten_from(1)?;
                for factor in factors {
                    x = x.matmul(&factor.t()?)?;
                }
                x.broadcast_add(bias)?.reshape((n, shape.c, 1, 1))
            }
            (Op::Relu, _) => x.relu(),
            (Op::Lrn { size, alpha, beta, k }, _) => {
                // Of an even size the extra channel lies before, as PyTorch pads.
                let squares = x.sqr()?.pad_with_zeros(1, size / 2, size.div_ceil(2) - 1)?;
                let mut sum = squares.narrow(1, 0, shape.c)?;
                for channel in 1..size {
                    sum = (sum + squares.narrow(1, channel, shape.c)?)?;
                }
                let base = sum.affine(f64::from(alpha) / size as f64, f64::from(k))?;
                x.div(&base.powf(f64::from(beta))?)
            }
            (Op::MaxPool { kernel, stride, padding, .. }, _) => {
                let x = frame(x, 2, padding, (shape.h - 1) * stride + kernel)?;
                let x = frame(&x, 3, padding, (shape.w - 1) * stride + kernel)?;
                x.max_pool2d_with_stride(kernel, stride)
            }
            (Op::AvgPool { out }, _) => {
                let x = adaptive_mean(x, 2, out)?;
                adaptive_mean(&x, 3, out)
            }
            (Op::Concat, _) => Tensor::cat(inputs, 1),
            (Op::Flatten, _) => x.reshape((n, shape.c, 1, 1)),
            (Op::Conv { .. } | Op::Linear { .. } | Op::LowRankLinear { .. }, _) => {
                unreachable!("new() gave every such layer its weights")
            }
        }
    }
}

/// Puts `before` cells that no maximum takes before axis `axis`, and behind it as many as make it `len` long.
fn frame(x: &Tensor, axis: usize, before: usize, len: usize) -> Result<Tensor> {
    let of = |cells: usize| {
        let mut dims = x.dims().to_vec();
        dims[axis] = cells;
        Tensor::full(f32::NEG_INFINITY, dims, x.device())
    };
    let behind = len.saturating_sub(before + x.dim(axis)?);
    let mut parts = Vec::new();
    if before > 0 {
        parts.push(of(before)?);
    }
    parts.push(x.clone());
    if behind > 0 {
        parts.push(of(behind)?);
    }
    Tensor::cat(&parts, axis)?.contiguous()
}

/// Means along `axis` over windows that cover it with `out` cells. Windows are rectangles, so the mean of one
/// axis after the other is the mean of the window.
fn adaptive_mean(x: &Tensor, axis: usize, out: usize) -> Result<Tensor> {
    let len = x.dim(axis)?;
    if len == out {
        return Ok(x.clone());
    }
    let cells = (0..out).map(|cell| {
        let window = crate::geometry::adaptive_range(cell, len, out);
        x.narrow(axis, window.start, window.len())?.mean_keepdim(axis)
    });
    Tensor::cat(&cells.collect::<Result<Vec<_>>>()?, axis)
}
