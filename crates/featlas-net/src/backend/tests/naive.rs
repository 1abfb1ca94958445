//! Every layer of a network in f64, by the definitions, one value at a time.

use super::*;
use crate::arch::Op;

pub(in crate::backend) fn run(model: &Model, image: &[f32]) -> Vec<Vec<f64>> {
    let arch = model.architecture();
    let px = model.preprocess().input_px() as usize;
    let input = (image.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(), Shape { c: 3, h: px, w: px });
    let mut done: Vec<(Vec<f64>, Shape)> = Vec::new();
    for (index, layer) in arch.layers.iter().enumerate() {
        let sources: Vec<&(Vec<f64>, Shape)> =
            layer.inputs.iter().map(|id| id.index().map_or(&input, |i| &done[i])).collect();
        let out = model.shapes()[index];
        let tensors: Vec<Vec<f64>> = model
            .layer_tensors(LayerId::new(index))
            .into_iter()
            .map(|tensor| tensor.values.iter().copied().map(f64::from).collect())
            .collect();
        let values = layer_values(layer.op, &sources, &tensors, out);
        done.push((values, out));
    }
    done.into_iter().map(|(values, _)| values).collect()
}

fn layer_values(op: Op, sources: &[&(Vec<f64>, Shape)], tensors: &[Vec<f64>], out: Shape) -> Vec<f64> {
    let (values, shape) = sources[0];
    let at = |c: usize, y: isize, x: isize| {
        let (y, x) = (usize::try_from(y).ok()?, usize::try_from(x).ok()?);
        (y < shape.h && x < shape.w).then(|| values[(c * shape.h + y) * shape.w + x])
    };
    let every = |f: &dyn Fn(usize, usize, usize) -> f64| {
        let cells = (0..out.c).flat_map(|c| (0..out.h).flat_map(move |y| (0..out.w).map(move |x| (c, y, x))));
        cells.map(|(c, y, x)| f(c, y, x)).collect::<Vec<f64>>()
    };
    let place = |cell: usize, k: usize, stride: usize, padding: usize| {
        isize::try_from(cell * stride + k).unwrap() - isize::try_from(padding).unwrap()
    };
    let multiply = |matrix: &[f64], vector: &[f64]| -> Vec<f64> {
        matrix
            .chunks_exact(vector.len())
            .map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
            .collect()
    };
    match op {
        Op::Conv { out_channels, kernel, stride, padding, groups } => {
            let (group_in, group_out) = (shape.c / groups, out_channels / groups);
            every(&|c, y, x| {
                let mut sum = tensors[1][c];
                for k in 0..group_in * kernel * kernel {
                    let (i, ky, kx) = (k / (kernel * kernel), k / kernel % kernel, k % kernel);
                    let source = c / group_out * group_in + i;
                    let pixel = at(source, place(y, ky, stride, padding), place(x, kx, stride, padding));
                    sum += tensors[0][c * group_in * kernel * kernel + k] * pixel.unwrap_or(0.0);
                }
                sum
            })
        }
        Op::Relu => values.iter().map(|v| v.max(0.0)).collect(),
        Op::Lrn { size, alpha, beta, k } => every(&|c, y, x| {
            let near = (0..shape.c).filter(|&other| other.abs_diff(c) <= size / 2);
            let at = |c| values[(c * shape.h + y) * shape.w + x];
            let squares: f64 = near.map(|other| at(other) * at(other)).sum();
            at(c) / (f64::from(k) + f64::from(alpha) / size as f64 * squares).powf(f64::from(beta))
        }),
        Op::MaxPool { kernel, stride, padding, .. } => every(&|c, y, x| {
            let cells = (0..kernel * kernel).map(|k| (k / kernel, k % kernel));
            let cells = cells
                .filter_map(|(ky, kx)| at(c, place(y, ky, stride, padding), place(x, kx, stride, padding)));
            cells.fold(f64::NEG_INFINITY, f64::max)
        }),
        Op::AvgPool { out: cells } => every(&|c, y, x| {
            let start = |i: usize, len: usize| (i * len) / cells;
            let end = |i: usize, len: usize| ((i + 1) * len).div_ceil(cells);
            let rows = start(y, shape.h)..end(y, shape.h);
            let columns = start(x, shape.w)..end(x, shape.w);
            let count = rows.len() * columns.len();
            let sum: f64 = rows
                .flat_map(|y| columns.clone().map(move |x| (y, x)))
                .map(|(y, x)| values[(c * shape.h + y) * shape.w + x])
                .sum();
            sum / count as f64
        }),
        Op::Linear { .. } => {
            multiply(&tensors[0], values).iter().zip(&tensors[1]).map(|(v, bias)| v + bias).collect()
        }
        Op::LowRankLinear { .. } => {
            let between = multiply(&tensors[0], values);
            multiply(&tensors[1], &between).iter().zip(&tensors[2]).map(|(v, bias)| v + bias).collect()
        }
        Op::Concat => sources.iter().flat_map(|(values, _)| values.clone()).collect(),
        Op::Flatten => values.clone(),
    }
}
