use super::*;
use crate::arch::{Builder, architecture};
use crate::testing::{
    architecture_of, assert_close, floats, formula_model, fractions, golden, picture, sizes,
};
use serde_json::Value;

/// Deep networks sum thousands of products in another order than PyTorch.
const TOLERANCE: f64 = 1e-4;

/// Whole networks, from a picture's pixels on, against PyTorch.
#[test]
fn networks_equal_pytorchs() {
    let golden = golden("forward.json");
    let models = golden["models"].as_array().unwrap();
    for entry in models {
        let name = entry["model"].as_str().unwrap();
        let model = if name == "alexnet-lite" {
            Model::open(name, None).unwrap()
        } else {
            formula_model(architecture(name).unwrap())
        };
        check_model(&model, entry["images"].as_array().unwrap());
    }
    assert_eq!(models.len(), 7);
}

fn check_model(model: &Model, images: &[Value]) {
    let name = model.name();
    let tapped: Vec<String> = images[0]["taps"].as_object().unwrap().keys().cloned().collect();
    let taps = model.resolve_taps(&tapped).unwrap();
    let mut batch = Batch::new(images.len(), model.preprocess().input_px());
    for (slot, entry) in batch.slots().zip(images) {
        let number = |key: &str| u32::try_from(entry[key].as_u64().unwrap()).unwrap();
        let image = picture(number("width"), number("height"), number("seed"));
        model.preprocess().write_input(&image, slot);
    }
    let backend = CandleBackend::new(model).unwrap();
    let outputs = backend.forward(&batch, &taps).unwrap();
    assert_eq!(outputs.logits.len(), images.len() * model.architecture().num_classes);
    for (i, entry) in images.iter().enumerate() {
        let feature = &outputs.features[i * taps.feature.dim..][..taps.feature.dim];
        let norm = feature.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        let expected_norm = entry["feature_norm"].as_f64().unwrap();
        assert!((norm / expected_norm - 1.0).abs() < TOLERANCE, "{name}: norm {norm}, not {expected_norm}");
        let expected = floats(&entry["feature"]);
        // Of values near zero, what counts is how near, in units of the typical value.
        let typical = expected_norm / (feature.len() as f64).sqrt();
        let what = format!("{name}, feature of image {i}");
        assert_close(&what, &feature[..expected.len()], &expected, TOLERANCE, typical);
        for (tap, maxima) in taps.convs.iter().zip(&outputs.convs) {
            let expected = &entry["taps"][&tap.name];
            assert_eq!(
                sizes(&expected["shape"]),
                [tap.channels, tap.height, tap.width],
                "{name}, {}",
                tap.name
            );
            let channels = expected["maxima"].as_array().unwrap();
            assert!(channels.len() >= 8, "{name}, {}: too few channels to compare", tap.name);
            for channel in channels {
                let at = i * tap.channels + usize::try_from(channel[0].as_u64().unwrap()).unwrap();
                let what = format!("{name}, {} of image {i}, channel {}", tap.name, channel[0]);
                assert_close(&what, &[maxima.max[at]], &[channel[1].as_f64().unwrap()], TOLERANCE, 0.0);
                assert_eq!(u64::from(maxima.argmax[at]), channel[2].as_u64().unwrap(), "{what}");
            }
        }
        let logits =
            &outputs.logits[i * model.architecture().num_classes..][..model.architecture().num_classes];
        let expected = entry["top"].as_array().unwrap();
        assert!(expected.len() >= 4);
        for (got, expected) in crate::model::top_k_classes(logits, 5).iter().zip(expected) {
            assert_eq!(u64::from(got.0), expected[0].as_u64().unwrap(), "{name}, image {i}");
            assert_close(name, &[got.1], &[expected[1].as_f64().unwrap()], TOLERANCE, 0.0);
        }
    }
}

/// A network with every kind of layer, small enough to run often.
fn small_model() -> Model {
    let mut net = Builder::new();
    let conv = |out_channels, groups| Op::Conv { out_channels, kernel: 3, stride: 1, padding: 1, groups };
    net.op_relu("conv1", "relu1", conv(4, 1), None)
        .op("norm1", Op::Lrn { size: 3, alpha: 1.0, beta: 0.75, k: 1.0 })
        .max_pool("pool1", 3, 2, true);
    let pooled = net.last();
    net.op_relu("conv2", "relu2", conv(4, 2), None);
    let narrow = net.last();
    let wide = net.layer("conv3", conv(6, 1), vec![pooled], None);
    net.layer("both", Op::Concat, vec![narrow, wide], None);
    // Read twice: neither may be changed in place.
    let both = net.last();
    let cut = net.layer("relu3", Op::Relu, vec![both], None);
    net.layer("all", Op::Concat, vec![both, cut], None);
    net.op("avgpool", Op::AvgPool { out: 2 })
        .op("flatten", Op::Flatten)
        .op_relu("fc6", "relu6", Op::LowRankLinear { rank: 3, out: 700 }, None)
        .op("fc7", Op::Linear { out: 5 });
    formula_model(architecture_of(net, 12, 5, "fc6"))
}

fn small_batch(n: usize) -> Batch {
    let mut batch = Batch::new(n, 12);
    for (slot, seed) in batch.slots().zip(20..) {
        let len = slot.len();
        slot.copy_from_slice(&fractions(len, seed));
    }
    batch
}

fn tap_names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Every layer of the small network in f64, by the definitions, one value at a time.
mod naive {
    use super::*;

    pub(super) fn run(model: &Model, image: &[f32]) -> Vec<Vec<f64>> {
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
                .map(|tensor| tensor.values.into_iter().map(f64::from).collect())
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
            let cells =
                (0..out.c).flat_map(|c| (0..out.h).flat_map(move |y| (0..out.w).map(move |x| (c, y, x))));
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
                let cells = cells.filter_map(|(ky, kx)| {
                    at(c, place(y, ky, stride, padding), place(x, kx, stride, padding))
                });
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
}

#[test]
fn every_layer_equals_its_definition() {
    let model = small_model();
    let backend = CandleBackend::new(&model).unwrap();
    let batch = small_batch(3);
    let expected: Vec<Vec<Vec<f64>>> =
        batch.values().chunks(3 * 144).map(|image| naive::run(&model, image)).collect();
    for layer in &model.architecture().layers {
        let got = backend.activations(&batch, &layer.name).unwrap();
        let read = model.architecture().read_at(model.find_layer(&layer.name).unwrap());
        let index = read.index().unwrap();
        assert_eq!((got.n, got.c, got.h, got.w), {
            let Shape { c, h, w } = model.shapes()[index];
            (3, c, h, w)
        });
        let expected: Vec<f64> = expected.iter().flat_map(|image| image[index].clone()).collect();
        assert_close(&layer.name, &got.data, &expected, 1e-5, 1.0);
    }
}

#[test]
fn taps_read_what_activations_show() {
    let model = small_model();
    let backend = CandleBackend::new(&model).unwrap();
    let batch = small_batch(3);
    let taps = model.resolve_taps(&tap_names(&["conv3", "conv1", "pool1", "all_mean"])).unwrap();
    let outputs = backend.forward(&batch, &taps).unwrap();
    assert_eq!(taps.feature.column, "all_mean");
    for (tap, maxima) in taps.convs.iter().zip(&outputs.convs) {
        let activation = backend.activations(&batch, &tap.name).unwrap();
        for (plane, values) in activation.data.chunks_exact(tap.height * tap.width).enumerate() {
            let cell = usize::from(maxima.argmax[plane]);
            assert_eq!(values[cell].to_bits(), maxima.max[plane].to_bits(), "{}", tap.name);
            assert!(values.iter().all(|&v| v <= maxima.max[plane]));
            assert!(values[..cell].iter().all(|&v| v < maxima.max[plane]), "an earlier cell is as large");
        }
    }
    let all = backend.activations(&batch, "all").unwrap();
    let means: Vec<f64> = all
        .data
        .chunks_exact(all.h * all.w)
        .map(|plane| plane.iter().map(|&v| f64::from(v)).sum::<f64>() / plane.len() as f64)
        .collect();
    assert_close("all_mean", &outputs.features, &means, 1e-6, 1.0);
    let logits = backend.activations(&batch, "fc7").unwrap();
    assert_eq!(outputs.logits, logits.data);
}

/// The same batch gives the same bits, whatever the number of threads.
#[test]
fn threads_change_no_bit() {
    let model = small_model();
    let backend = CandleBackend::new(&model).unwrap();
    let taps = model.resolve_taps(&[]).unwrap();
    let batch = small_batch(7);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| backend.forward(&batch, &taps).unwrap())
    };
    let one = run(1);
    for threads in [1, 2, 5] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
}

/// Neighbors in a batch change nothing beyond the last bits, and passes of any length give all rows.
#[test]
fn rows_depend_on_their_own_image() {
    let model = small_model();
    let mut backend = CandleBackend::new(&model).unwrap();
    let taps = model.resolve_taps(&[]).unwrap();
    let batch = small_batch(5);
    let whole = backend.forward(&batch, &taps).unwrap();
    for images_per_pass in [1, 2, 3] {
        backend.images_per_pass = images_per_pass;
        let cut = backend.forward(&batch, &taps).unwrap();
        let as_f64 = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        assert_close("features", &cut.features, &as_f64(&whole.features), 1e-5, 1.0);
        assert_close("maxima", &cut.convs[0].max, &as_f64(&whole.convs[0].max), 1e-5, 1.0);
        assert_eq!(cut.logits.len(), whole.logits.len());
    }
}

#[test]
fn empty_and_shortened_batches_work() {
    let model = small_model();
    let backend = CandleBackend::new(&model).unwrap();
    let taps = model.resolve_taps(&[]).unwrap();
    let empty = backend.forward(&Batch::new(0, 12), &taps).unwrap();
    assert!(empty.features.is_empty() && empty.logits.is_empty() && empty.convs[0].max.is_empty());
    let mut batch = small_batch(4);
    batch.truncate(2);
    assert_eq!(backend.forward(&batch, &taps).unwrap(), backend.forward(&small_batch(2), &taps).unwrap());
}

#[test]
fn wrong_sizes_and_layers_are_refused() {
    let model = small_model();
    let backend = CandleBackend::new(&model).unwrap();
    let taps = model.resolve_taps(&[]).unwrap();
    let err = backend.forward(&Batch::new(1, 13), &taps).unwrap_err();
    assert_eq!(err.to_string(), "wrong input size: expected 12 px, got 13");
    let err = backend.activations(&small_batch(1), "conv9").unwrap_err();
    assert!(err.to_string().starts_with("model `tiny` has no layer `conv9`: expected one of conv1"), "{err}");
}

/// Passes are as short as the largest activations demand.
#[test]
fn passes_are_bounded() {
    let images = |largest: usize| (PASS_BYTES / (2 * largest * 4)).max(1);
    assert_eq!(images(64 * 224 * 224), 10);
    let backend = CandleBackend::new(&Model::open("alexnet-lite", None).unwrap()).unwrap();
    assert_eq!(backend.images_per_pass, images(48 * 55 * 55));
}
