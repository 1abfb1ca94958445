use super::*;
use crate::arch::{Builder, architecture, architectures};
use crate::testing::architecture_of;
use proptest::prelude::*;

fn shape_of(model: &str, layer: &str) -> (usize, usize, usize) {
    let arch = architecture(model).unwrap();
    let shapes = arch.shapes(arch.preprocess.input_px()).unwrap();
    let Shape { c, h, w } = shapes[arch.find(layer).unwrap().index().unwrap()];
    (c, h, w)
}

#[test]
fn shapes_are_the_published_ones() {
    assert_eq!(shape_of("alexnet-lite", "conv5"), (128, 13, 13));
    assert_eq!(shape_of("alexnet", "pool5"), (256, 6, 6));
    assert_eq!(shape_of("caffenet", "conv1"), (96, 55, 55));
    assert_eq!(shape_of("caffenet", "pool5"), (256, 6, 6));
    assert_eq!(shape_of("vgg16", "conv5_3"), (512, 14, 14));
    assert_eq!(shape_of("squeezenet1_0", "pool1"), (96, 54, 54));
    assert_eq!(shape_of("squeezenet1_0", "fire9"), (512, 13, 13));
    assert_eq!(shape_of("squeezenet1_1", "fire9"), (512, 13, 13));
    assert_eq!(shape_of("squeezenet1_1", "conv10"), (1000, 13, 13));
}

#[test]
fn parameter_counts_are_the_published_ones() {
    for (model, count) in [
        ("alexnet", 61_100_840),
        ("caffenet", 60_965_224),
        ("vgg11", 132_863_336),
        ("vgg16", 138_357_544),
        ("vgg19", 143_667_240),
        ("squeezenet1_0", 1_248_424),
        ("squeezenet1_1", 1_235_496),
    ] {
        assert_eq!(architecture(model).unwrap().num_parameters().unwrap(), count, "{model}");
    }
}

fn field(model: &str, layer: &str, y: usize, x: usize) -> (i64, i64, i64, i64) {
    let arch = architecture(model).unwrap();
    let px = arch.preprocess.input_px();
    let shapes = arch.shapes(px).unwrap();
    let Rect { left, top, right, bottom } =
        arch.receptive_field(arch.find(layer).unwrap(), (y, x), px, &shapes);
    (left, top, right, bottom)
}

/// Window sizes and steps after Araujo et al., "Computing receptive fields of convolutional neural
/// networks" (Distill 2019): AlexNet conv5 163 px, VGG-16 `conv5_3` 196 px.
#[test]
fn receptive_fields_are_the_published_ones() {
    assert_eq!(field("alexnet", "conv1", 5, 7), (26, 18, 37, 29));
    let (left, top, right, bottom) = field("alexnet", "conv5", 6, 6);
    assert_eq!((right - left, bottom - top), (163, 163));
    assert_eq!(field("alexnet", "conv5", 6, 7).0 - left, 16);
    let (left, _, right, _) = field("vgg16", "conv5_3", 7, 7);
    assert_eq!(right - left, 196);
    // Everything, and all the padding of five convolutions.
    assert_eq!(field("alexnet", "fc7", 0, 0), (-66, -66, 289, 289));
}

#[test]
fn relu_and_norm_see_what_they_read() {
    assert_eq!(field("caffenet", "norm1", 3, 4), field("caffenet", "pool1", 3, 4));
    assert_eq!(field("bvlc-alexnet", "relu1", 3, 4), field("bvlc-alexnet", "conv1", 3, 4));
}

#[test]
fn border_fields_reach_outside_by_the_padding() {
    assert_eq!(field("alexnet", "conv1", 0, 0), (-2, -2, 9, 9));
    assert_eq!(field("alexnet", "conv1", 54, 0), (-2, 214, 9, 225));
    for model in architectures() {
        let arch = architecture(model).unwrap();
        let px = arch.preprocess.input_px();
        let shapes = arch.shapes(px).unwrap();
        for (index, shape) in shapes.iter().enumerate() {
            for cell in [(0, 0), (shape.h - 1, shape.w - 1), (shape.h / 2, shape.w / 2)] {
                let field = arch.receptive_field(LayerId::new(index), cell, px, &shapes).clipped(px, px);
                assert!(field.width() > 0 && field.height() > 0, "{model}, layer {index}, cell {cell:?}");
            }
        }
    }
}

/// With ceil mode the first pool of SqueezeNet leaves the last pixel row unseen: 109 windows of 7 px
/// every 2 px end at pixel 223 of 224.
#[test]
fn pixels_that_no_window_reaches_are_not_seen() {
    let (_, _, right, bottom) = field("squeezenet1_0", "fire9", 12, 12);
    assert_eq!((right, bottom), (223, 223));
}

#[test]
fn windows_without_room_are_refused() {
    let err = architecture("alexnet").unwrap().shapes(40).unwrap_err();
    assert_eq!(err.to_string(), "layer `pool5` does not fit its input: expected at least 3 px, got 1");
}

fn conv(out_channels: usize, kernel: usize, groups: usize) -> Op {
    Op::Conv { out_channels, kernel, stride: 1, padding: 0, groups }
}

#[test]
fn lists_that_do_not_fit_are_refused() {
    let refused = |build: fn(&mut Builder)| {
        let mut net = Builder::new();
        build(&mut net);
        architecture_of(net, 8, 4, "a").shapes(8).unwrap_err().to_string()
    };
    assert_eq!(
        refused(|net| {
            net.op("a", conv(4, 3, 2));
        }),
        "layer `a` cannot take its inputs: its groups do not divide the channels"
    );
    assert_eq!(
        refused(|net| {
            let a = net.layer("a", conv(2, 3, 1), vec![LayerId::INPUT], None);
            net.layer("b", Op::Concat, vec![a, LayerId::INPUT], None);
        }),
        "layer `b` cannot take its inputs: their heights or widths differ"
    );
    assert_eq!(
        refused(|net| {
            net.layer("a", Op::Relu, vec![LayerId::new(3)], None);
        }),
        "layer `a` cannot take its inputs: it reads a later layer"
    );
    assert_eq!(
        refused(|net| {
            net.op("a", Op::MaxPool { kernel: 2, stride: 0, padding: 0, ceil: false });
        }),
        "layer `a` cannot take its inputs: its window or stride is zero"
    );
}

/// Kernel, stride and padding of a convolution or a max-pool, and whether the pool is in ceil mode.
type RandomWindow = (bool, usize, usize, usize, bool);

/// A random small network: windows in a row, with a fork that is concatenated again.
fn windows() -> impl Strategy<Value = Vec<RandomWindow>> {
    let window = (any::<bool>(), 1_usize..4, 1_usize..4, 0_usize..3, any::<bool>());
    prop::collection::vec(window, 1..5)
}

fn network(windows: &[RandomWindow], fork: usize) -> Builder {
    let mut net = Builder::new();
    let mut before = net.last();
    for (i, &(is_conv, kernel, stride, padding, ceil)) in windows.iter().enumerate() {
        let input = net.last();
        let op = if is_conv {
            Op::Conv { out_channels: 1, kernel, stride, padding, groups: 1 }
        } else {
            Op::MaxPool { kernel, stride, padding: padding.min(kernel / 2), ceil }
        };
        let id = net.layer(&format!("w{i}"), op, vec![input], None);
        if i == fork {
            // The same size by two ways of different reach.
            let wide = Op::Conv { out_channels: 1, kernel: 3, stride: 1, padding: 1, groups: 1 };
            let side = net.layer("side", wide, vec![id], None);
            net.layer("both", Op::Concat, vec![id, side], None);
        }
        before = id;
    }
    assert_ne!(before, LayerId::INPUT);
    net
}

/// Which input pixels reach each cell of each layer, pixel by pixel through the definition of every
/// window: one bit set for each pixel, nothing about spans.
fn brute_force(arch: &Architecture, px: usize, shapes: &[Shape]) -> Vec<Vec<u64>> {
    let input: Vec<u64> = (0..px).map(|pixel| 1 << pixel).collect();
    let mut seen: Vec<Vec<u64>> = Vec::new();
    for (layer, shape) in arch.layers.iter().zip(shapes) {
        let mut cells = vec![0_u64; shape.w];
        for source in &layer.inputs {
            let source = source.index().map_or(&input, |i| &seen[i]);
            for (cell, bits) in cells.iter_mut().enumerate() {
                match layer.op {
                    Op::Conv { kernel, stride, padding, .. }
                    | Op::MaxPool { kernel, stride, padding, .. } => {
                        for k in 0..kernel {
                            if let Some(pixels) =
                                (cell * stride + k).checked_sub(padding).and_then(|at| source.get(at))
                            {
                                *bits |= pixels;
                            }
                        }
                    }
                    _ => *bits |= source[cell],
                }
            }
        }
        seen.push(cells);
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    /// Brute force along one axis (both axes have the same windows) equals the formula, in every layer
    /// and cell, with remainders, ceil mode, padding and concatenation.
    #[test]
    fn formula_equals_brute_force(windows in windows(), fork in 0_usize..4, px in 6_u32..40) {
        let arch = architecture_of(network(&windows, fork), px, 1, "w0");
        let Ok(shapes) = arch.shapes(px) else { return Ok(()) };
        let seen = brute_force(&arch, px as usize, &shapes);
        for (index, cells) in seen.iter().enumerate() {
            for (cell, &bits) in cells.iter().enumerate() {
                let field = arch.receptive_field(LayerId::new(index), (cell, cell), px, &shapes);
                let clipped = field.clipped(px, px);
                let expected = if bits == 0 {
                    (0, 0)
                } else {
                    (i64::from(bits.trailing_zeros()), i64::from(64 - bits.leading_zeros()))
                };
                let got = if clipped.width() == 0 { (0, 0) } else { (clipped.left, clipped.right) };
                prop_assert_eq!(got, expected, "layer {}, cell {}", index, cell);
                prop_assert_eq!((field.left, field.right), (field.top, field.bottom));
            }
        }
    }
}

#[test]
fn adaptive_windows_are_pytorchs() {
    let ranges = |len, out| (0..out).map(|i| adaptive_range(i, len, out)).collect::<Vec<_>>();
    assert_eq!(ranges(13, 6), [0..3, 2..5, 4..7, 6..9, 8..11, 10..13]);
    assert_eq!(ranges(5, 7), [0..1, 0..2, 1..3, 2..3, 2..4, 3..5, 4..5]);
}
