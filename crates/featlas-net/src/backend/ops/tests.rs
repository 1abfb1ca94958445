use super::*;
use crate::testing::{assert_close, floats, fractions, golden, sizes};
use proptest::prelude::*;

/// Single operations do a handful of roundings.
const TOLERANCE: f64 = 2e-6;

fn shape(dims: &[usize]) -> (usize, Shape) {
    let &[n, c, h, w] = dims else { panic!("four sides") };
    (n, Shape { c, h, w })
}

#[test]
fn operations_equal_pytorchs() {
    let golden = golden("ops.json");
    let cases = golden["cases"].as_array().unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for (i, case) in cases.iter().enumerate() {
        let op = case["op"].as_str().unwrap();
        let (n, shape) = shape(&sizes(&case["shape"]));
        let params = &case["params"];
        let count = |key: &str| usize::try_from(params[key].as_u64().unwrap()).unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "the generator wrote f32")]
        let float = |key: &str| params[key].as_f64().unwrap() as f32;
        let window =
            || Window { kernel: count("kernel"), stride: count("stride"), padding: count("padding") };
        let input = |seed| fractions(n * shape.len(), seed);
        let out = match op {
            "max_pool" => max_pool(&input(1), shape, window(), params["ceil"].as_bool().unwrap()),
            "avg_pool" => adaptive_avg_pool(&input(2), shape, count("out")),
            "lrn" => {
                let constants =
                    Lrn { size: count("size"), alpha: float("alpha"), beta: float("beta"), k: float("k") };
                lrn(&input(3), shape, constants)
            }
            "conv" => reference_conv(&input(4), n, shape, window(), count("out_channels"), count("groups")),
            other => panic!("unknown operation {other}"),
        };
        assert_close(&format!("case {i}, {op}"), &out, &floats(&case["out"]), TOLERANCE, 1.0);
        *seen.entry(op.to_owned()).or_insert(0) += 1;
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>().len(), 4, "all operations have cases");
}

/// A convolution from [`patches`] alone, in tiles of five cells and f64, so that the patch matrix is what is
/// tested.
fn reference_conv(
    input: &[f32],
    n: usize,
    shape: Shape,
    window: Window,
    out_channels: usize,
    groups: usize,
) -> Vec<f32> {
    let group = Shape { c: shape.c / groups, ..shape };
    let patch = group.c * window.kernel * window.kernel;
    let weights = fractions(out_channels * patch, 5);
    let bias = fractions(out_channels, 6);
    let count = |len| window_count(len, window.kernel, window.stride, window.padding, false).unwrap();
    let (out_h, out_w) = (count(shape.h), count(shape.w));
    let mut out = vec![0.0; n * out_channels * out_h * out_w];
    for i in 0..n {
        for channel in 0..out_channels {
            let first = channel / (out_channels / groups) * group.c;
            let image = &input[(i * shape.c + first) * shape.cells()..][..group.len()];
            for start in (0..out_h * out_w).step_by(5) {
                let cells = start..(start + 5).min(out_h * out_w);
                let columns = cells.len();
                let matrix = patches(image, group, window, out_w, cells);
                for column in 0..columns {
                    let products = (0..patch).map(|k| {
                        f64::from(weights[channel * patch + k]) * f64::from(matrix[k * columns + column])
                    });
                    let value = f64::from(bias[channel]) + products.sum::<f64>();
                    #[expect(clippy::cast_possible_truncation, reason = "compared with f32")]
                    let value = value as f32;
                    out[(i * out_channels + channel) * out_h * out_w + start + column] = value;
                }
            }
        }
    }
    out
}

#[test]
fn relu_keeps_nan_and_cuts_negatives() {
    let mut values = [-1.0, -0.0, 0.0, 2.0, f32::NAN, f32::NEG_INFINITY];
    relu(&mut values);
    assert_eq!(values[..4], [0.0, 0.0, 0.0, 2.0]);
    assert!(values[4].is_nan());
    assert!(values[5] == 0.0);
}

#[test]
fn pooling_passes_nan_on() {
    let shape = Shape { c: 1, h: 2, w: 2 };
    let window = Window { kernel: 2, stride: 2, padding: 0 };
    assert!(max_pool(&[1.0, f32::NAN, 3.0, 2.0], shape, window, false)[0].is_nan());
}

#[test]
fn first_of_equal_maxima_wins() {
    let shape = Shape { c: 2, h: 2, w: 2 };
    let found = channel_maxima(&[0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 3.0, -1.0], shape);
    assert_eq!(found, ConvMaxima { max: vec![0.0, 3.0], argmax: vec![0, 1] });
    let found = channel_maxima(&[1.0, f32::NAN, 3.0, f32::NAN], Shape { c: 1, h: 2, w: 2 });
    assert!(found.max[0].is_nan() && found.argmax == [1]);
}

#[test]
fn concatenation_keeps_images_apart() {
    let (one, two) = (Shape { c: 1, h: 1, w: 2 }, Shape { c: 2, h: 1, w: 2 });
    let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0]);
    let out = concat(&[(&a, one), (&b, two)], 2);
    assert_eq!(out, [1.0, 2.0, 5.0, 6.0, 7.0, 8.0, 3.0, 4.0, 9.0, 10.0, 11.0, 12.0]);
}

proptest! {
    /// Tiles put together are the whole patch matrix, wherever they are cut.
    #[test]
    fn tiles_are_parts_of_the_whole(
        h in 1_usize..9, w in 1_usize..9, kernel in 1_usize..5, stride in 1_usize..4, padding in 0_usize..4, cut in 0_usize..50,
    ) {
        let window = Window { kernel, stride, padding };
        let shape = Shape { c: 2, h, w };
        let count = |len| window_count(len, kernel, stride, padding, false);
        let (Some(out_h), Some(out_w)) = (count(h), count(w)) else { return Ok(()) };
        let input = fractions(shape.len(), 9);
        let cells = out_h * out_w;
        let cut = cut.min(cells);
        let whole = patches(&input, shape, window, out_w, 0..cells);
        for part in [0..cut, cut..cells] {
            if part.is_empty() {
                continue;
            }
            let lines = patches(&input, shape, window, out_w, part.clone());
            for (line, whole) in lines.chunks_exact(part.len()).zip(whole.chunks_exact(cells)) {
                prop_assert_eq!(line, &whole[part.clone()]);
            }
        }
    }
}
