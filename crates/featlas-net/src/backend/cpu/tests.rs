mod integers;

use super::conv::{Finish, Place, Pool};
use super::kernels::TileKind;
use super::linear::Linear;
use super::plan::{Room, Source};
use super::*;
use crate::backend::ops::Window;
use crate::backend::tests::{small_batch, small_model};
use crate::testing::fractions;
use proptest::prelude::*;

/// A planar convolution in f64, by its definition.
fn convolve(image: &[f32], geometry: &Geometry, kernels: &[f32], bias: &[f32], relu: bool) -> Vec<f64> {
    let (shape, out) = (geometry.input, geometry.output());
    let Window { kernel, stride, padding } = geometry.window;
    let (group_in, group_out) = (shape.c / geometry.groups, out.c / geometry.groups);
    let mut values = Vec::with_capacity(out.len());
    for (c, y, x) in (0..out.c).flat_map(|c| (0..out.h).flat_map(move |y| (0..out.w).map(move |x| (c, y, x))))
    {
        let mut sum = f64::from(bias[c]);
        for k in 0..group_in * kernel * kernel {
            let (i, ky, kx) = (k / (kernel * kernel), k / kernel % kernel, k % kernel);
            let (row, column) = (y * stride + ky, x * stride + kx);
            if row < padding || column < padding || row - padding >= shape.h || column - padding >= shape.w {
                continue;
            }
            let plane = &image[(c / group_out * group_in + i) * shape.cells()..];
            let pixel = plane[(row - padding) * shape.w + column - padding];
            sum += f64::from(kernels[c * group_in * kernel * kernel + k]) * f64::from(pixel);
        }
        values.push(if relu { sum.max(0.0) } else { sum });
    }
    values
}

/// The methods that can compute `geometry`.
fn methods(geometry: &Geometry) -> Vec<Option<TileKind>> {
    let winograd = [TileKind::F4x3, TileKind::F6x3, TileKind::F4x5].into_iter().filter(|kind| {
        !geometry.planar && geometry.window.stride == 1 && kind.kernel() == geometry.window.kernel
    });
    std::iter::once(None).chain(winograd.map(Some)).collect()
}

/// Runs `n` images and takes them out of their blocks.
fn run(conv: &Convolution, images: &[f32], finish: Finish, out: Shape, n: usize) -> Vec<f32> {
    // Among other channels, as in a concatenation: nothing but its own may be touched.
    let place = Place { blocks: layout::blocks(out.c) + 2, first_block: 1 };
    let (own, plane) = (layout::map_len(out), out.cells() * BLOCK);
    let mut map = vec![-7.0; n * (own + 2 * plane)];
    let images = &images[..n * conv.geometry().input_len()];
    conv.run(images, finish, &mut map, place, &Scratch::default());
    let mut planar = vec![0.0; n * out.len()];
    for (image, planar) in map.chunks(own + 2 * plane).zip(planar.chunks_mut(out.len())) {
        let (before, rest) = image.split_at(plane);
        let (own, behind) = rest.split_at(own);
        assert!(before.iter().chain(behind).all(|&v| v.to_bits() == (-7.0_f32).to_bits()));
        layout::from_map(own, out, planar);
        let padding = layout::blocks(out.c) * BLOCK - out.c;
        let last = own.as_chunks::<BLOCK>().0.iter().rev().take(out.cells());
        assert!(last.flat_map(|cell| &cell[BLOCK - padding..]).all(|&v| v.to_bits() == 0));
    }
    planar
}

/// Checks every method on every instruction set, alone, in a batch, and on several threads.
fn check(geometry: Geometry, relu: bool) {
    let Geometry { input, out_channels, window, groups, planar } = geometry;
    let n = 3;
    let images = fractions(n * input.len(), 1);
    let fan_in = input.c / groups * window.kernel * window.kernel;
    let kernels = fractions(out_channels * fan_in, 2);
    let bias = fractions(out_channels, 3);
    let expected: Vec<f64> = images
        .chunks(input.len())
        .flat_map(|image| convolve(image, &geometry, &kernels, &bias, relu))
        .collect();
    let maps = if planar {
        images
    } else {
        let mut maps = vec![0.0; n * layout::map_len(input)];
        for (image, map) in images.chunks(input.len()).zip(maps.chunks_mut(layout::map_len(input))) {
            layout::to_map(image, input, map);
        }
        maps
    };
    let finish = |threads| Finish { relu, pool: None, threads };
    let out = geometry.output();
    for (isa, method) in
        Isa::all().into_iter().flat_map(|isa| methods(&geometry).into_iter().map(move |m| (isa, m)))
    {
        let conv = Convolution::with_method(isa, geometry, method, &kernels, &bias, None);
        let what = format!("{geometry:?}, {}, {}", conv.method(), isa.name());
        let got = run(&conv, &maps, finish(1), out, n);
        let typical = (fan_in as f64).sqrt();
        crate::testing::assert_close(&what, &got, &expected, 3e-5, typical);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(
                pool.install(|| run(&conv, &maps, finish(threads), out, n)),
                got,
                "{what}, {threads} threads"
            );
            let one = pool.install(|| run(&conv, &maps, finish(threads), out, 1));
            assert_eq!(one, got[..out.len()], "{what}, {threads} threads, one image");
        }
        // A pool behind it is the pool of what it gives.
        for (kernel, stride, padding) in [(2, 2, 0), (3, 2, 0), (3, 2, 1)] {
            let window = Window { kernel, stride, padding };
            let count = |len| crate::geometry::window_count(len, kernel, stride, padding, false);
            let (Some(h), Some(w)) = (count(out.h), count(out.w)) else { continue };
            let output = Shape { h, w, ..out };
            let expected = crate::backend::ops::max_pool(&got, out, window, false);
            for (threads, n) in [(1, n), (2, n), (2, 1)] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let finish = Finish { relu, pool: Some(Pool { window, output }), threads };
                let pooled = pool.install(|| run(&conv, &maps, finish, output, n));
                assert_eq!(pooled, expected[..n * output.len()], "{what}, {window:?}");
            }
        }
    }
}

/// Convolutions like those of the networks, smaller.
#[test]
fn convolutions_equal_their_definition() {
    let geometry = |c, h, w, out_channels, (kernel, stride, padding), groups, planar| Geometry {
        input: Shape { c, h, w },
        out_channels,
        window: Window { kernel, stride, padding },
        groups,
        planar,
    };
    for (geometry, relu) in [
        (geometry(3, 23, 25, 48, (11, 4, 2), 1, true), true),
        (geometry(3, 15, 17, 33, (7, 2, 0), 1, true), true),
        (geometry(3, 9, 9, 20, (3, 1, 1), 1, true), false),
        (geometry(32, 13, 13, 48, (3, 1, 1), 1, false), true),
        (geometry(16, 27, 26, 32, (5, 1, 2), 1, false), false),
        (geometry(64, 13, 14, 32, (3, 1, 1), 2, false), true),
        // Groups that do not fill blocks.
        (geometry(20, 9, 8, 24, (3, 1, 1), 2, false), true),
        (geometry(48, 14, 16, 40, (1, 1, 0), 1, false), true),
        (geometry(17, 7, 5, 40, (1, 1, 1), 1, false), false),
        (geometry(32, 11, 9, 16, (3, 2, 1), 1, false), true),
        // More tiles than a task has.
        (geometry(16, 50, 52, 16, (3, 1, 1), 1, false), true),
    ] {
        check(geometry, relu);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Any sizes.
    #[test]
    fn any_convolution_equals_its_definition(
        c in 1_usize..36, h in 1_usize..20, w in 1_usize..20, out_channels in 1_usize..36,
        kernel in 1_usize..6, stride in 1_usize..4, padding in 0_usize..3, planar: bool,
    ) {
        if h + 2 * padding < kernel || w + 2 * padding < kernel {
            return Ok(());
        }
        let input = Shape { c: if planar { c.min(4) } else { c }, h, w };
        let window = Window { kernel, stride, padding };
        check(Geometry { input, out_channels, window, groups: 1, planar }, true);
    }
}

/// Interpolating what was evaluated is the convolution, exactly, for every kind of tile: small integers, in
/// which the transforms round nothing.
#[test]
fn kernel_matrices_fit_the_transforms() {
    for (kind, kernel) in [(TileKind::F4x3, 3), (TileKind::F6x3, 3), (TileKind::F4x5, 5)] {
        assert_eq!(kind.kernel_matrix().len(), kind.points() * kernel);
        // The kernel that keeps one value gives back the shifted input.
        for place in 0..kernel * kernel {
            let geometry = Geometry {
                input: Shape { c: 1, h: 7, w: 7 },
                out_channels: 1,
                window: Window { kernel, stride: 1, padding: kernel / 2 },
                groups: 1,
                planar: false,
            };
            let mut kernels = vec![0.0; kernel * kernel];
            kernels[place] = 1.0;
            let image: Vec<f32> = (0..49_u8).map(f32::from).collect();
            let mut map = vec![0.0; layout::map_len(geometry.input)];
            layout::to_map(&image, geometry.input, &mut map);
            let expected = convolve(&image, &geometry, &kernels, &[0.0], false);
            for isa in Isa::all() {
                let conv = Convolution::with_method(isa, geometry, Some(kind), &kernels, &[0.0], None);
                let got =
                    run(&conv, &map, Finish { relu: false, pool: None, threads: 1 }, geometry.output(), 1);
                crate::testing::assert_close(&format!("{kind:?}, {place}"), &got, &expected, 1e-5, 10.0);
            }
        }
    }
}

#[test]
fn fully_connected_layers_equal_their_definition() {
    for (input, outputs) in [
        (Shape { c: 20, h: 3, w: 2 }, 37),
        (Shape { c: 600, h: 1, w: 1 }, 16),
        (Shape { c: 5, h: 1, w: 1 }, 200),
    ] {
        let weights = fractions(outputs * input.len(), 1);
        let bias = fractions(outputs, 2);
        for (isa, n) in Isa::all().into_iter().flat_map(|isa| [1, 2, 13].map(|n| (isa, n))) {
            let images = fractions(n * input.len(), 3);
            let mut map = vec![0.0; n * layout::map_len(input)];
            for (image, map) in images.chunks(input.len()).zip(map.chunks_mut(layout::map_len(input))) {
                layout::to_map(image, input, map);
            }
            let mut vector = vec![0.0; map.len()];
            layout::gather(&map, n, &mut vector);
            let linear = Linear::new(isa, input, outputs, &weights, &bias, None);
            let mut out = vec![0.0; linear.output_len(n)];
            linear.run(&vector, n, false, &mut out, &Scratch::default());
            for (i, image) in images.chunks(input.len()).enumerate() {
                let mut got = vec![0.0; outputs];
                layout::from_vector(&out, n, i, &mut got);
                let products = weights.chunks(input.len()).map(|row| {
                    row.iter().zip(image).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
                });
                let expected: Vec<f64> = products.zip(&bias).map(|(v, &b)| v + f64::from(b)).collect();
                crate::testing::assert_close(isa.name(), &got, &expected, 1e-6, 30.0);
            }
        }
    }
}

/// A row is the same to the bit, whatever batch its image came in, however the batch was cut into passes,
/// and on however many threads.
#[test]
fn batches_and_passes_change_no_bit() {
    for model in [small_model(), Model::open("alexnet-lite", None).unwrap()] {
        let px = model.preprocess().input_px();
        let (taps, n) = (model.resolve_taps(&[]).unwrap(), 5);
        let mut batch = Batch::new(n, px);
        for (slot, seed) in batch.slots().zip(20..) {
            let len = slot.len();
            slot.copy_from_slice(&fractions(len, seed));
        }
        let mut backend = CpuBackend::new(&model);
        let whole = backend.forward(&batch, &taps).unwrap();
        for (pass_bytes, threads) in [(0, 1), (0, 2), (usize::MAX, 1), (usize::MAX, 7)] {
            backend.pass_limit = (pass_bytes, pass_bytes);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let cut = pool.install(|| backend.forward(&batch, &taps).unwrap());
            assert_eq!(cut, whole, "{}", model.name());
            for i in 0..n {
                let mut alone = Batch::new(1, px);
                let len = alone.values().len();
                alone.slot(0).copy_from_slice(&batch.values()[i * len..][..len]);
                let alone = pool.install(|| backend.forward(&alone, &taps).unwrap());
                let dim = taps.feature.dim;
                assert_eq!(alone.features, whole.features[i * dim..][..dim], "{}", model.name());
                let channels = taps.convs[0].channels;
                assert_eq!(alone.convs[0].max, whole.convs[0].max[i * channels..][..channels]);
                assert_eq!(alone.convs[0].argmax, whole.convs[0].argmax[i * channels..][..channels]);
            }
        }
    }
}

/// Instruction sets with fused multiply-add and blocks of 16 channels give the same bits.
#[test]
fn instruction_sets_agree() {
    let model = small_model();
    let batch = small_batch(2);
    let taps = model.resolve_taps(&[]).unwrap();
    let mut all = Isa::all().into_iter().map(|isa| (isa, CpuBackend::with_isa(&model, isa)));
    let (_, portable) = all.next().unwrap();
    let portable = portable.forward(&batch, &taps).unwrap();
    let fused: Vec<_> = all.map(|(isa, backend)| (isa, backend.forward(&batch, &taps).unwrap())).collect();
    for (isa, outputs) in &fused {
        let expected: Vec<f64> = portable.features.iter().map(|&v| f64::from(v)).collect();
        crate::testing::assert_close(isa.name(), &outputs.features, &expected, 1e-5, 1.0);
        assert_eq!(*outputs, fused[0].1, "{}", isa.name());
    }
}

/// What is wanted decides what is computed.
#[test]
fn plans_hold_what_is_wanted_and_no_more() {
    let model = Model::open("alexnet-lite", None).unwrap();
    let backend = CpuBackend::new(&model);
    let names = |taps: &Taps| {
        let plan = backend.plan(&wants_of(taps, &backend.architecture));
        let layers = plan.steps.iter().map(|step| backend.architecture.layers[step.layer].name.clone());
        let mut layers: Vec<String> = layers.collect();
        layers.dedup();
        (layers.join(" "), plan)
    };
    let taps = model.resolve_taps(&[]).unwrap();
    // conv5 is tapped, so its pool stands apart; the ReLUs and the first two pools do not.
    let (layers, _) = names(&taps);
    assert_eq!(layers, "conv1 conv2 conv3 conv4 conv5 relu5 pool5 fc6 fc7 relu7 fc8");
    let (layers, _) = names(&taps.clone().without_logits());
    assert_eq!(layers, "conv1 conv2 conv3 conv4 conv5 relu5 pool5 fc6 fc7 relu7");
    let mean = model.resolve_taps(&["conv3_mean".to_owned(), "conv2".to_owned()]).unwrap().without_logits();
    let (layers, plan) = names(&mean);
    assert_eq!(layers, "conv1 conv2 relu2 pool2 conv3 relu3");
    assert_eq!(plan.head, plan.steps.len());
}

/// Values that live at the same time have their own places.
#[test]
fn places_do_not_overlap() {
    for name in crate::arch::architectures() {
        let architecture = crate::arch::architecture(name).unwrap();
        let px = architecture.preprocess.input_px();
        let shapes = architecture.shapes(px).unwrap();
        let input = Shape { c: 3, h: px as usize, w: px as usize };
        let memory = memory_shapes(&architecture, &shapes, input);
        let taps = architecture.resolve_taps(&[], &shapes).unwrap();
        let plan = Plan::new(&architecture, &shapes, &memory, &wants_of(&taps, &architecture));
        let live = |value: usize| {
            let touches = |step: &&Step| step.input == Source::Value(value) || step.output == Some(value);
            let steps: Vec<usize> =
                plan.steps.iter().enumerate().filter(|(_, s)| touches(s)).map(|(i, _)| i).collect();
            (*steps.first().unwrap(), *steps.last().unwrap())
        };
        for (i, a) in plan.values.iter().enumerate() {
            let room = match a.room {
                Room::Trunk => plan.trunk_len,
                Room::Handover(number) => plan.handover_lens[number],
                Room::Head => plan.head_len,
            };
            assert!(a.range.end <= room, "{name}: value {i}");
            for (j, b) in plan.values.iter().enumerate().skip(i + 1) {
                let ((a_first, a_last), (b_first, b_last)) = (live(i), live(j));
                let together = a.room == b.room && a_first <= b_last && b_first <= a_last;
                let apart = a.range.end <= b.range.start || b.range.end <= a.range.start;
                assert!(!together || apart, "{name}: values {i} and {j}");
            }
        }
        // Buffers are used again: all activations together take several times as much.
        let all: usize = plan.values.iter().map(|value| value.range.len()).sum();
        assert!(plan.trunk_len + plan.head_len < all, "{name}");
    }
}

/// The gradient by the input is a planned convolution with turned kernels: `<conv(x), y> = <x, gradient(y)>` for
/// every x and y.
#[test]
fn input_gradient_is_a_planned_convolution() {
    let sizes = ConvSizes {
        input: Shape { c: 24, h: 11, w: 9 },
        out_channels: 16,
        kernel: 3,
        stride: 1,
        padding: 1,
        groups: 1,
    };
    let (inputs, outputs) = (sizes.input.c, sizes.out_channels);
    let kernels = fractions(inputs * outputs * 9, 1);
    let mut turned = vec![0.0; kernels.len()];
    for (place, value) in turned.iter_mut().enumerate() {
        let (input, output, k) = (place / 9 / outputs, place / 9 % outputs, place % 9);
        *value = kernels[(output * inputs + input) * 9 + 8 - k];
    }
    let forward = PlannedConv::new(sizes, &kernels, &vec![0.0; outputs]);
    let input = Shape { c: outputs, ..forward.output() };
    let backward =
        PlannedConv::new(ConvSizes { input, out_channels: inputs, ..sizes }, &turned, &vec![0.0; inputs]);
    let (x, y) = (fractions(2 * sizes.input.len(), 2), fractions(2 * forward.output().len(), 3));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    for (x, y) in x.chunks(sizes.input.len()).zip(y.chunks(forward.output().len())) {
        let (there, back) = (dot(&forward.run(x, false), y), dot(x, &backward.run(y, false)));
        assert!((there - back).abs() < 1e-4 * there.abs().max(10.0), "{there} and {back}");
    }
    assert_eq!(forward.run(&x, true)[..forward.output().len()], forward.run(&x[..sizes.input.len()], true));
}
