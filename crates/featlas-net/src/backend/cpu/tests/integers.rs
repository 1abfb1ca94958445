//! Products of integers, from the kernels to whole networks.

use super::super::kernels::{
    Band, Finishing, IntProduct, Integers, Level, Walk, integers, integers_mut, multiply_integers,
    pack_integers, round_to_whole,
};
use super::super::ranges::Range;
use super::*;
use crate::testing::picture;

/// Whole numbers from `-limit` to `limit`, both ends among them.
fn whole_numbers(count: usize, limit: i16, seed: u32) -> Vec<i16> {
    let random = fractions(count, seed).into_iter().enumerate();
    #[expect(clippy::cast_possible_truncation, reason = "at most the limit")]
    let whole = random.map(|(i, value)| match i % 5 {
        0 => limit,
        1 => -limit,
        _ => (value * f32::from(limit)) as i16,
    });
    whole.collect()
}

/// Packs, multiplies and finishes on every way of every instruction set and compares with sums in i64.
fn check_product<W: super::super::kernels::Integer>(largest: i16) {
    let walks = [
        Walk::blocked(3, 13 * BLOCK),
        Walk { outer: 2, outer_stride: 60, inner: 3, inner_stride: 18, len: 6, row_stride: 2 },
        Walk { outer: 1, outer_stride: 0, inner: 5, inner_stride: 20, len: 2, row_stride: 4 },
    ];
    for (walk, rows, channels) in walks
        .into_iter()
        .flat_map(|walk| [1, 6, 13].map(|rows| [5, 16, 40].map(|c| (walk, rows, c))))
        .flatten()
    {
        let depth = walk.depth();
        let kernels = fractions(channels * depth, 3);
        let bias = fractions(blocks(channels) * BLOCK, 4);
        for way in Isa::all().into_iter().flat_map(Integers::all) {
            let mut panels = vec![0.0_f32; (blocks(channels) * BLOCK * depth * size_of::<W>()).div_ceil(4)];
            let len = blocks(channels) * BLOCK * depth;
            let scales = pack_integers(
                way,
                (channels, depth),
                largest,
                &mut integers_mut::<W>(&mut panels)[..len],
                |c, k| kernels[c * depth + k],
            );
            let input = whole_numbers(700, scales.limit, 5);
            let row_of = |row: usize| {
                let runs = (0..walk.outer).flat_map(|outer| (0..walk.inner).map(move |inner| (outer, inner)));
                runs.flat_map(|(outer, inner)| {
                    let at = row * walk.row_stride + outer * walk.outer_stride + inner * walk.inner_stride;
                    input[at..at + walk.len].to_vec()
                })
                .collect::<Vec<i16>>()
            };
            let mut output = vec![f32::NAN; blocks(channels) * rows * BLOCK];
            // In two steps, between which the sums wait in their places; runs are not cut.
            let cut = if walk.inner == 1 { 2 } else { walk.outer };
            for (from, until) in [(0, cut), (cut, walk.outer)] {
                if from == until {
                    continue;
                }
                let finish = Finishing { units: &scales.units, bias: Some(&bias), relu: true };
                let product = IntProduct {
                    input: &input[from * walk.outer_stride..],
                    walk: Walk { outer: until - from, ..walk },
                    rows,
                    lines: 1,
                    line_stride: 0,
                    weights: &integers::<W>(&panels)[..len],
                    depth,
                    first: from * walk.inner * walk.len,
                    blocks: blocks(channels),
                    go_on: from > 0,
                    finish: (until == walk.outer).then_some(finish),
                };
                multiply_integers(way, &product, &mut Band::whole(&mut output, rows * BLOCK), (0, 0));
            }
            for (channel, row) in (0..channels).flat_map(|channel| (0..rows).map(move |row| (channel, row))) {
                let weights = &kernels[channel * depth..][..depth];
                let range = weights.iter().fold(0.0_f32, |range, w| range.max(w.abs()));
                let whole = weights.iter().map(|w| (w * (f32::from(largest) / range)).round_ties_even());
                #[expect(clippy::cast_possible_truncation, reason = "weights are whole")]
                let sum: i64 = whole.zip(row_of(row)).map(|(w, a)| w as i64 * i64::from(a)).sum();
                let sum = i32::try_from(sum).expect("the limit keeps sums in 32 bits");
                let expected = (sum as f32 * scales.units[channel] + bias[channel]).max(0.0);
                let got = output[(channel / BLOCK * rows + row) * BLOCK + channel % BLOCK];
                assert_eq!(got.to_bits(), expected.to_bits(), "{way:?}, {walk:?}, {channel}, {row}");
            }
        }
    }
}

fn blocks(channels: usize) -> usize {
    layout::blocks(channels)
}

#[test]
fn products_of_integers_are_exact_on_every_instruction_set() {
    check_product::<i16>(4095);
    check_product::<i8>(127);
}

/// Weights that are all as large as they can be leave the activations just the room that the sums have.
#[test]
fn no_sum_leaves_its_32_bits() {
    let depth = 9216;
    let mut panels = vec![0.0_f32; BLOCK * depth / 4];
    let way = Integers::of(Isa::best());
    let scales = pack_integers(way, (1, depth), 127, integers_mut::<i8>(&mut panels), |_, _| -0.5);
    let most = 127 * 9216 * i64::from(scales.limit);
    assert!(most <= i64::from(i32::MAX) && most + 127 * 9216 > i64::from(i32::MAX));
    let input = vec![scales.limit; depth];
    let mut output = vec![0.0; BLOCK];
    let product = IntProduct {
        input: &input,
        walk: Walk::blocked(depth / BLOCK, BLOCK),
        rows: 1,
        lines: 1,
        line_stride: 0,
        weights: integers::<i8>(&panels),
        depth,
        first: 0,
        blocks: 1,
        go_on: false,
        finish: None,
    };
    multiply_integers(way, &product, &mut Band::whole(&mut output, BLOCK), (0, 0));
    let sum = i64::from(output[0].to_bits().cast_signed());
    assert_eq!(sum, -most);
}

#[test]
fn rounding_is_the_same_on_every_instruction_set() {
    let level = Level::new(2.0, 1000);
    let mut values = fractions(37, 9);
    values.extend([0.001, 0.003, 0.005, -0.001, 2.0, 2.5, -7.0, f32::INFINITY, f32::NEG_INFINITY, -0.0]);
    // Halves go to the even neighbor.
    let expected_of = |value: f32| (value * 500.0).clamp(-1000.0, 1000.0).round_ties_even();
    for isa in Isa::all() {
        let mut whole = vec![77_i16; values.len()];
        round_to_whole(isa, &values, level, &mut whole);
        let got: Vec<f32> = whole.into_iter().map(f32::from).collect();
        let expected: Vec<f32> = values.iter().map(|&value| expected_of(value)).collect();
        assert_eq!(got, expected, "{}", isa.name());
        let mut whole = [0];
        round_to_whole(isa, &[f32::NAN], level, &mut whole);
        assert_eq!(whole, [-1000], "{}", isa.name());
    }
}

/// Every method comes close to the definition, and gives the same bits alone, in a batch and on any number of
/// threads.
#[test]
fn convolutions_of_integers_come_close_to_their_definition() {
    let geometry = |c, h, w, out_channels, (kernel, stride, padding), groups, planar| Geometry {
        input: Shape { c, h, w },
        out_channels,
        window: Window { kernel, stride, padding },
        groups,
        planar,
    };
    for geometry in [
        geometry(3, 23, 25, 48, (11, 4, 2), 1, true),
        geometry(3, 15, 17, 33, (7, 2, 0), 1, true),
        geometry(32, 13, 13, 48, (3, 1, 1), 1, false),
        geometry(16, 27, 26, 32, (5, 1, 2), 1, false),
        geometry(64, 13, 14, 32, (3, 1, 1), 2, false),
        geometry(20, 9, 8, 24, (3, 1, 1), 2, false),
        geometry(48, 14, 20, 40, (1, 1, 0), 1, false),
        geometry(32, 11, 9, 16, (3, 2, 1), 1, false),
        geometry(16, 50, 52, 16, (3, 1, 1), 1, false),
    ] {
        let Geometry { input, out_channels, window, groups, planar } = geometry;
        let n = 3;
        let images = fractions(n * input.len(), 1);
        let fan_in = input.c / groups * window.kernel * window.kernel;
        let (kernels, bias) = (fractions(out_channels * fan_in, 2), fractions(out_channels, 3));
        let expected: Vec<f64> = images
            .chunks(input.len())
            .flat_map(|image| convolve(image, &geometry, &kernels, &bias, true))
            .collect();
        let mut maps = images.clone();
        if !planar {
            maps = vec![0.0; n * layout::map_len(input)];
            for (image, map) in images.chunks(input.len()).zip(maps.chunks_mut(layout::map_len(input))) {
                layout::to_map(image, input, map);
            }
        }
        let out = geometry.output();
        let finish = |threads| Finish { relu: true, pool: None, threads };
        let range = Some(Range { low: -1.0, high: 1.0 });
        // The one kind of tile that is never chosen for integers.
        let methods = methods(&geometry).into_iter().filter(|&method| method != Some(TileKind::F6x3));
        let methods: Vec<_> = methods.collect();
        for (isa, &method) in Isa::all().into_iter().flat_map(|isa| methods.iter().map(move |m| (isa, m))) {
            let conv = Convolution::with_method(isa, geometry, method, &kernels, &bias, range);
            let what = format!("{geometry:?}, {}, {}", conv.method(), isa.name());
            let got = run(&conv, &maps, finish(1), out, n);
            // Interpolation amplifies what rounding leaves.
            let tolerance = if method.is_some() { 1e-2 } else { 3e-3 };
            crate::testing::assert_close(&what, &got, &expected, tolerance, (fan_in as f64).sqrt());
            for threads in [1, 2, 5] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let all = pool.install(|| run(&conv, &maps, finish(threads), out, n));
                assert_eq!(all, got, "{what}, {threads} threads");
                let one = pool.install(|| run(&conv, &maps, finish(threads), out, 1));
                assert_eq!(one, got[..out.len()], "{what}, {threads} threads, one image");
            }
        }
    }
}

#[test]
fn fully_connected_layers_of_8_bits_come_close_and_agree_everywhere() {
    let (input, outputs) = (Shape { c: 600, h: 3, w: 1 }, 37);
    let weights = fractions(outputs * input.len(), 1);
    let bias = fractions(outputs, 2);
    let images = fractions(13 * input.len(), 3);
    let mut portable = None;
    for isa in Isa::all() {
        let range = Some(Range { low: -1.0, high: 1.0 });
        let linear = Linear::new(isa, input, outputs, &weights, &bias, range);
        let run = |images: &[f32]| {
            let n = images.len() / input.len();
            let mut map = vec![0.0; n * layout::map_len(input)];
            for (image, map) in images.chunks(input.len()).zip(map.chunks_mut(layout::map_len(input))) {
                layout::to_map(image, input, map);
            }
            let mut vector = vec![0.0; map.len()];
            layout::gather(&map, n, &mut vector);
            let mut out = vec![0.0; linear.output_len(n)];
            linear.run(&vector, n, false, &mut out, &Scratch::default());
            let mut rows = vec![vec![0.0; outputs]; n];
            for (image, row) in rows.iter_mut().enumerate() {
                layout::from_vector(&out, n, image, row);
            }
            rows
        };
        let all = run(&images);
        assert_eq!(run(&images[..input.len()]), all[..1], "{}", isa.name());
        for (row, image) in all.iter().zip(images.chunks(input.len())) {
            let of =
                |row: &[f32]| row.iter().zip(image).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            let sums = weights.chunks(input.len()).zip(&bias).map(|(row, &b)| of(row) + f64::from(b));
            crate::testing::assert_close(isa.name(), row, &sums.collect::<Vec<_>>(), 1e-2, 24.0);
        }
        assert_eq!(*portable.get_or_insert_with(|| all.clone()), all, "{}", isa.name());
    }
}

/// A network of integers: close to f32 on images that its scales do not come from, the same bits in any batch,
/// and the same bits from the text of its ranges.
#[test]
fn networks_of_integers_come_close_to_f32() {
    let model = Model::open("alexnet-lite", None).unwrap();
    let taps = model.resolve_taps(&[]).unwrap();
    let batch_of = |seeds: std::ops::Range<u32>| {
        let mut batch = Batch::new(seeds.len(), model.preprocess().input_px());
        for (slot, seed) in batch.slots().zip(seeds) {
            model.preprocess().write_input(&picture(90 + seed, 80, seed), slot);
        }
        batch
    };
    let real = CpuBackend::new(&model);
    let mut ranges = Ranges::default();
    real.calibrate(&batch_of(0..3), &taps, &mut ranges).unwrap();
    real.calibrate(&batch_of(3..5), &taps, &mut ranges).unwrap();
    assert_eq!(ranges.num_images(), 5);
    let ranges: Ranges = ranges.to_string().parse().unwrap();
    for name in ["conv1", "conv5", "fc6.down", "fc7.up", "fc8"] {
        assert!(ranges.get(name).is_some(), "{name} of {ranges}");
    }
    let whole = CpuBackend::with_ranges(&model, &ranges);
    let batch = batch_of(20..26);
    let (got, expected) = (whole.forward(&batch, &taps).unwrap(), real.forward(&batch, &taps).unwrap());
    let dim = taps.feature.dim;
    for (got, expected) in got.features.chunks(dim).zip(expected.features.chunks(dim)) {
        let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum() };
        let cosine = dot(got, expected) / (dot(got, got) * dot(expected, expected)).sqrt();
        assert!(cosine > 0.999, "{cosine}");
        assert_ne!(got, expected);
    }
    let len = batch.values().len() / batch.len();
    let mut alone = Batch::new(1, model.preprocess().input_px());
    alone.slot(0).copy_from_slice(&batch.values()[len..2 * len]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let alone = pool.install(|| whole.forward(&alone, &taps).unwrap());
    assert_eq!(alone.features, got.features[dim..2 * dim]);
    let channels = taps.convs[0].channels;
    assert_eq!(alone.convs[0].max, got.convs[0].max[channels..2 * channels]);
}

/// Layers that the ranges do not name stay as they are.
#[test]
fn layers_without_a_range_stay_in_f32() {
    let model = small_model();
    let (batch, taps) = (small_batch(2), model.resolve_taps(&[]).unwrap());
    let none: Ranges = "0 images".parse().unwrap();
    let got = CpuBackend::with_ranges(&model, &none).forward(&batch, &taps).unwrap();
    assert_eq!(got, CpuBackend::new(&model).forward(&batch, &taps).unwrap());
}

/// Fully connected layers that are read where the model has them give the same up to rounding, and so do the
/// ranges that come from there.
#[test]
fn calibrating_needs_no_packed_layers() {
    for model in [small_model(), Model::open("alexnet-lite", None).unwrap()] {
        let taps = model.resolve_taps(&[]).unwrap();
        let mut batch = Batch::new(3, model.preprocess().input_px());
        for (slot, seed) in batch.slots().zip(1..) {
            model.preprocess().write_input(&picture(70, 80, seed), slot);
        }
        let (packed, unpacked) = (CpuBackend::new(&model), CpuBackend::for_calibration(&model));
        let (expected, got) =
            (packed.forward(&batch, &taps).unwrap(), unpacked.forward(&batch, &taps).unwrap());
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        crate::testing::assert_close("features", &got.features, &wide(&expected.features), 1e-5, 1.0);
        crate::testing::assert_close("logits", &got.logits, &wide(&expected.logits), 1e-5, 1.0);
        assert_eq!(got.convs, expected.convs);
        let ranges_of = |backend: &CpuBackend| {
            let mut ranges = Ranges::default();
            backend.calibrate(&batch, &taps, &mut ranges).unwrap();
            ranges
        };
        let (expected, got) = (ranges_of(&packed), ranges_of(&unpacked));
        for layer in model.architecture().layers.iter().filter(|layer| layer.op.has_weights()) {
            let [down, up] = [0, 1].map(|factor| factor_name(&layer.name, factor, 2));
            for name in [layer.name.clone(), down, up] {
                let range = |of: &Ranges| of.get(&name).map_or([0.0; 2], |range| [range.low, range.high]);
                crate::testing::assert_close(&name, &range(&got), &wide(&range(&expected)), 1e-5, 1.0);
                assert_eq!(got.get(&name).is_some(), expected.get(&name).is_some(), "{name}");
            }
        }
        assert!(expected.get("conv1").is_some());
    }
}
