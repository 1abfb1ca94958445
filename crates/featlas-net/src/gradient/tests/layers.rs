//! Single layers against PyTorch, with ties among the inputs and exact zeros.

use crate::arch::Shape;
use crate::backend::ops::{Lrn, Window};
use crate::geometry::window_count;
use crate::gradient::buffers::{Buffers, Memory};
use crate::gradient::conv::{Convolution, Sizes};
use crate::gradient::pool::{self, Pool};
use crate::gradient::{ReluRule, lrn};
use crate::testing::{assert_close, floats, fractions, golden, sizes, weight};
use serde_json::Value;

/// Both sides compute in f64; goldens have 12 digits.
const TOLERANCE: f64 = 1e-10;

fn number(case: &Value, key: &str) -> usize {
    usize::try_from(case[key].as_u64().unwrap()).unwrap()
}

fn input_shape(case: &Value) -> Shape {
    let shape = sizes(&case["shape"]);
    assert_eq!(shape[0], 2, "two images in every case");
    Shape { c: shape[1], h: shape[2], w: shape[3] }
}

/// The formula's numbers, rounded to whole steps of `1 / levels`, halves to even as numpy does.
fn values(len: usize, seed: u32, levels: Option<f64>) -> Vec<f64> {
    let round = |value: f64| levels.map_or(value, |levels| (value * levels).round_ties_even() / levels);
    fractions(len, seed).into_iter().map(|value| round(f64::from(value))).collect()
}

fn assert_equal(what: &str, got: &[f64], expected: &Value) {
    let expected = floats(expected);
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let off = (got - expected).abs();
        assert!(
            off <= TOLERANCE * expected.abs().max(1.0),
            "{what}, value {i}: expected {expected}, got {got}"
        );
    }
}

fn cases(kind: &str, least: usize) -> Vec<Value> {
    let Value::Array(cases) = golden("gradient.json")[kind].take() else { panic!("no cases of {kind}") };
    assert!(cases.len() >= least, "{kind}");
    cases
}

#[test]
fn relu_passes_nothing_at_zero() {
    let case = &cases("relu", 1)[0];
    let shape = input_shape(case);
    let values_in = values(2 * shape.len(), 1, Some(2.0));
    assert!(values_in.iter().filter(|&&v| v == 0.0).count() > 10, "zeros among the inputs");
    let fired: Vec<bool> = values_in.iter().map(|&v| v > 0.0).collect();
    let mut gradient = values(values_in.len(), 2, None);
    ReluRule::Plain.apply(&mut gradient, &fired);
    assert_equal("relu", &gradient, &case["gradient"]);
}

#[test]
fn max_pools_give_to_the_first_of_equal_maxima() {
    for case in cases("max_pool", 6) {
        let input = input_shape(&case);
        let (kernel, stride, padding) =
            (number(&case, "kernel"), number(&case, "stride"), number(&case, "padding"));
        let side = window_count(input.h, kernel, stride, padding, case["ceil"].as_bool().unwrap()).unwrap();
        let output = Shape { h: side, w: side, ..input };
        let image: Vec<f64> =
            values(2 * input.len(), 3, Some(2.0)).into_iter().map(|value| value.max(0.0)).collect();
        let pool = Pool { kernel, stride, padding, input, output };
        let (maxima, winners) = pool.max(&image, &Memory::default());
        let what = format!("pool {kernel}/{stride}, padding {padding}, of {}", input.h);
        assert_equal(&what, &maxima, &case["output"]);
        // 32 bits take another way, to the same cells.
        #[expect(clippy::cast_possible_truncation, reason = "halves")]
        let narrow: Vec<f32> = image.iter().map(|&value| value as f32).collect();
        assert_eq!(pool.max(&narrow, &Memory::default()).1, winners, "{what}");
        let gradient = values(2 * output.len(), 4, None);
        assert_equal(
            &what,
            &pool.max_backward(&gradient, &winners, &[0, 1], &Buffers::default(), &|_, _| ()),
            &case["gradient"],
        );
    }
}

#[test]
fn a_max_pool_in_32_bits_gives_to_the_first_that_is_not_a_number() {
    let shape = |h, w| Shape { c: 1, h, w };
    let pool = Pool { kernel: 2, stride: 2, padding: 0, input: shape(2, 6), output: shape(1, 3) };
    let nan = f32::NAN;
    let (maxima, winners) =
        pool.max(&[1.0, 2.0, 3.0, nan, 5.0, 5.0, 2.0, 2.0, nan, 9.0, 4.0, 5.0], &Memory::default());
    assert!(maxima[1].is_nan());
    assert_eq!((maxima[0], maxima[2], winners), (2.0, 5.0, vec![1, 3, 4]));
}

#[test]
fn normalizations_of_odd_and_even_size() {
    for case in cases("lrn", 3) {
        let shape = input_shape(&case);
        let float = |key: &str| case[key].as_f64().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "constants with few digits")]
        let constants = Lrn {
            size: number(&case, "size"),
            alpha: float("alpha") as f32,
            beta: float("beta") as f32,
            k: float("k") as f32,
        };
        let image: Vec<f64> = values(2 * shape.len(), 5, None).into_iter().map(|v| v * 3.0).collect();
        let what = format!("LRN of {}", constants.size);
        // alpha as f32 is not alpha as f64.
        let close = |got: &[f64], expected: &Value| {
            for (got, expected) in got.iter().zip(floats(expected)) {
                assert!((got - expected).abs() < 1e-7, "{what}: expected {expected}, got {got}");
            }
        };
        close(&lrn::forward(&image, shape, constants, &Buffers::default()), &case["output"]);
        let gradient = values(2 * shape.len(), 6, None);
        close(
            &lrn::backward(&gradient, &image, &[0, 1], shape, constants, &Buffers::default()),
            &case["gradient"],
        );
    }
}

#[test]
fn means_over_overlapping_windows() {
    for case in cases("mean", 5) {
        let (input, out) = (input_shape(&case), number(&case, "out"));
        let output = Shape { h: out, w: out, ..input };
        let what = format!("mean of {} to {out}", input.h);
        let image = values(2 * input.len(), 7, None);
        assert_equal(&what, &pool::mean(&image, input, output, &Buffers::default()), &case["output"]);
        let gradient = values(2 * output.len(), 8, None);
        assert_equal(
            &what,
            &pool::mean_backward(&gradient, input, output, &Buffers::default()),
            &case["gradient"],
        );
    }
}

#[test]
fn convolutions_with_strides_paddings_and_groups() {
    for case in cases("conv", 7) {
        let input = input_shape(&case);
        let [outputs, kernel, stride, padding, groups] =
            ["outputs", "kernel", "stride", "padding", "groups"].map(|key| number(&case, key));
        let side = window_count(input.h, kernel, stride, padding, false).unwrap();
        let output = Shape { c: outputs, h: side, w: side };
        let sizes = Sizes { window: Window { kernel, stride, padding }, groups, input, output };
        let kernels = weight(&[outputs, input.c / groups, kernel, kernel], 9);
        let bias = weight(&[outputs], 10);
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
        let conv = Convolution::new(sizes, &wide(&kernels), &wide(&bias));
        let what = format!("conv {kernel}/{stride}, padding {padding}, groups {groups}");
        let (image, gradient) = (fractions(2 * input.len(), 11), fractions(2 * output.len(), 12));
        assert_equal(
            &what,
            &conv.forward(&wide(&image), 2, &Buffers::default(), &|_, _| ()),
            &case["output"],
        );
        assert_equal(
            &what,
            &conv.backward(&wide(&gradient), 2, &Buffers::default(), &|_, _| ()),
            &case["gradient"],
        );
        // In f32 the engine does the same.
        let conv = Convolution::new(sizes, &kernels, &bias);
        assert_close(
            &what,
            &conv.forward(&image, 2, &Buffers::default(), &|_, _| ()),
            &floats(&case["output"]),
            1e-5,
            1.0,
        );
        assert_close(
            &what,
            &conv.backward(&gradient, 2, &Buffers::default(), &|_, _| ()),
            &floats(&case["gradient"]),
            1e-5,
            1.0,
        );
    }
}

#[test]
fn what_rounding_tells_apart_ties_in_64_bits() {
    let input = Shape { c: 1, h: 2, w: 4 };
    let pool = Pool { kernel: 2, stride: 2, padding: 0, input, output: Shape { c: 1, h: 1, w: 2 } };
    // The last bit must not decide; a difference that is one must.
    let (bit, step) = (1.0 + f64::EPSILON, 1.0 + 1e-9);
    let (maxima, winners) = pool.max(&[1.0, bit, -bit, -step, 1.0, 1.0, -step, -1.0], &Memory::default());
    assert_eq!((maxima, winners), (vec![bit, -1.0], vec![0, 2]));
    let (maxima, winners) = pool.max(&[1.0, step, -step, -step, 1.0, 1.0, -step, -1.0], &Memory::default());
    assert_eq!((maxima, winners), (vec![step, -1.0], vec![1, 7]));
    // In 32 bits any difference is one.
    let (maxima, winners) =
        pool.max(&[1.0, 1.0 + f32::EPSILON, 0.0, 0.0, 1.0, 1.0, f32::NAN, f32::INFINITY], &Memory::default());
    assert_eq!((maxima[0], winners), (1.0 + f32::EPSILON, vec![1, 6]));
    assert!(maxima[1].is_nan());
}
