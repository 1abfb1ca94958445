//! Questions and answers on small networks and the embedded one: geometry, names, options, wrong input.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{batch_of, fractions, picture, small_model};
use featlas_core::{RectF, Silent, Stopped};
use featlas_explain::activations::activations;
use featlas_explain::filters::filters;
use featlas_explain::gradcam::gradcam;
use featlas_explain::guided::{Unit, guided_classes, guided_units, top_channels};
use featlas_explain::integrated::{Baseline, IntegratedParams, integrated};
use featlas_explain::occlusion::{Fill, OcclusionParams, Watch, occlusion};
use featlas_explain::saliency::{SaliencyParams, Smooth, gradients, saliency, smooth_gradients};
use featlas_explain::{ClassChoice, ExplainError, Maps, Network, Placement, ReadLayer, ReluRule};
use featlas_net::{Backend as _, Batch, CpuBackend, Model, Preprocess};
use std::slice::from_ref;

const PX: usize = 20;

fn random_batch(n: usize, seed: u32) -> Batch {
    let mut batch = Batch::new(n, u32::try_from(PX).unwrap());
    for (seed, slot) in (seed..).zip(batch.slots()) {
        slot.iter_mut().zip(fractions(3 * PX * PX, seed)).for_each(|(value, random)| *value = random);
    }
    batch
}

fn message<T: std::fmt::Debug>(result: Result<T, ExplainError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn classes_are_found_by_number_and_by_name() {
    let model = Model::open("alexnet-lite", None).unwrap();
    let find = |text: &str| ClassChoice::find(&model, text);
    assert_eq!(find("7").unwrap(), ClassChoice::Index(7));
    assert_eq!(find(" Goldfish ").unwrap(), ClassChoice::Index(0));
    assert_eq!(find("carassius").unwrap(), ClassChoice::Index(0));
    assert_eq!(message(find("200")), "model `alexnet-lite` has no class 200: expected 0 to 199");
    assert_eq!(message(find("unicorn")), "no class of model `alexnet-lite` matches `unicorn`");
    assert_eq!(message(find("")), "no class of model `alexnet-lite` matches ``");
    let several = find("cat").unwrap_err();
    let ExplainError::AmbiguousClass { matches, .. } = &several else { panic!("{several:?}") };
    assert!(matches.len() > 1 && matches.iter().all(|(_, name)| name.to_lowercase().contains("cat")));
    let (index, name) = &matches[0];
    assert!(
        several
            .to_string()
            .starts_with(&format!("`cat` matches {} classes: {index} `{name}`", matches.len())),
        "{several}"
    );
    // A synonym wins over the names that merely contain it.
    let names = model.classes().unwrap();
    for (index, name) in names.iter().enumerate() {
        match find(name) {
            Ok(found) => assert_eq!(found, ClassChoice::Index(index)),
            Err(ExplainError::AmbiguousClass { matches, .. }) => {
                assert!(
                    matches.iter().all(|(_, other)| other.contains(name.as_str())),
                    "{name}: {matches:?}"
                );
            }
            Err(err) => panic!("{name}: {err}"),
        }
    }
}

#[test]
fn models_without_class_names_take_numbers_only() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    assert_eq!(ClassChoice::find(&model, "3").unwrap(), ClassChoice::Index(3));
    assert_eq!(
        message(ClassChoice::find(&model, "cat")),
        "the classes of model `small` have no names: expected a number from 0 to 4, got `cat`"
    );
    assert_eq!(message(ClassChoice::find(&model, "5")), "model `small` has no class 5: expected 0 to 4");
}

#[test]
fn layers_channels_and_cells_that_are_not_there_are_refused() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    let network = Network::<f32>::new(&model);
    let batch = random_batch(1, 1);
    let layers = "conv1, relu1, pool1, conv2, relu2, mean, flatten, fc3";
    assert_eq!(
        message(ReadLayer::find(&model, "conv9")),
        format!("model `small` has no layer `conv9`: expected one of {layers}")
    );
    let layer = ReadLayer::find(&model, "conv2").unwrap();
    let ask =
        |unit: Unit| message(guided_units(&network, &batch, &layer, &[unit], &[ReluRule::Guided], &Silent));
    assert_eq!(
        ask(Unit { image: 0, channel: 6, cell: None }),
        "layer `conv2` has no channel 6: expected 0 to 5, got 6"
    );
    assert_eq!(
        ask(Unit { image: 0, channel: 5, cell: Some((5, 0)) }),
        "layer `conv2` has no cell 5,0: expected y below 5 and x below 5"
    );
    assert_eq!(ask(Unit { image: 1, channel: 0, cell: None }), "no image 1 in a batch of 1");
    let flat = ReadLayer::find(&model, "fc3").unwrap();
    assert_eq!(
        message(gradcam(&network, &batch, &flat, ClassChoice::Top, &Silent)),
        "layer `fc3` has no map of cells: expected one of conv1, relu1, pool1, conv2, relu2"
    );
    assert_eq!(
        message(filters(&model, Some("pool1"))),
        "layer `pool1` has no kernels: expected one of conv1, conv2"
    );
    let backend = CpuBackend::new(&model);
    let params = OcclusionParams { window_px: 21, ..OcclusionParams::default() };
    let top = Watch::Class(ClassChoice::Top);
    assert_eq!(
        message(occlusion(&model, &backend, &batch, &top, &params, &Silent)),
        "occlusion window is larger than the network's input: expected at most 20 px, got 21"
    );
    let params = OcclusionParams { window_px: 5, stride_px: 0, ..params };
    assert_eq!(
        message(occlusion(&model, &backend, &batch, &top, &params, &Silent)),
        "occlusion stride: expected at least 1, got 0"
    );
    let params = OcclusionParams { stride_px: 5, ..params };
    assert_eq!(
        message(occlusion(&model, &backend, &batch, &Watch::Class(ClassChoice::Index(5)), &params, &Silent)),
        "model `small` has no class 5: expected 0 to 4"
    );
    let wrong = Batch::new(1, 21);
    assert_eq!(
        message(gradients(&network, &wrong, ClassChoice::Top, &Silent)),
        "wrong input size: expected 20 px, got 21"
    );
    let smooth = SaliencyParams { smooth: Some(Smooth::of(0)), ..SaliencyParams::default() };
    assert_eq!(
        message(saliency(&network, &batch, ClassChoice::Top, &smooth, &Silent)),
        "samples of SmoothGrad: expected at least 1, got 0"
    );
}

#[test]
fn the_window_covers_every_pixel_and_what_it_covers_counts() {
    let model =
        small_model("RGB; shorter side to 20; center crop 20; /255; mean 0.5 0.4 0.3; std 0.2 0.2 0.25");
    let backend = CpuBackend::new(&model);
    let batch = random_batch(2, 3);
    let class = 2;
    let watch = Watch::Class(ClassChoice::Index(class));
    // 20 px by windows of 6 and steps of 4: at 0, 4, 8, 12 and 16, the last one clipped to 4 px.
    for (fill, color) in [
        (Fill::Mean, Some([0.0, 0.0, 0.0])),
        (Fill::Black, Some([-2.5, -2.0, -1.2])),
        (Fill::Gray, Some([0.0, 0.5, 0.8])),
        (Fill::Blur, None),
    ] {
        let params = OcclusionParams { window_px: 6, stride_px: 4, fill, batch: 7 };
        let found = occlusion(&model, &backend, &batch, &watch, &params, &Silent).unwrap();
        assert_eq!((found.len(), found[1].rows, found[1].columns, found[1].values.len()), (2, 5, 5, 25));
        let mut covered = vec![0; PX * PX];
        for place in 0..25 {
            let window = found[1].window(place / 5, place % 5);
            assert!(window.right <= 20 && window.bottom <= 20 && window.width() >= 4);
            let mut copy = Batch::new(1, 20);
            copy.slot(0).copy_from_slice(&batch.values()[3 * PX * PX..]);
            let at = |v: i64| usize::try_from(v).unwrap();
            for y in at(window.top)..at(window.bottom) {
                for x in at(window.left)..at(window.right) {
                    covered[y * PX + x] += 1;
                    for plane in 0..3 {
                        copy.slot(0)[(plane * PX + y) * PX + x] =
                            color.map_or(0.0, |color: [f32; 3]| color[plane]);
                    }
                }
            }
            if color.is_some() {
                let outputs = backend.forward(&copy, &model.resolve_taps(&[]).unwrap()).unwrap();
                let powers: Vec<f64> = outputs.logits.iter().map(|&logit| f64::from(logit).exp()).collect();
                let expected = powers[class] / powers.iter().sum::<f64>();
                let got = f64::from(found[1].values[place]);
                assert!(
                    (got - expected).abs() < 1e-6,
                    "{fill:?}, place {place}: expected {expected}, got {got}"
                );
            }
        }
        assert!(covered.iter().all(|&count| count > 0));
        let worst = found[1].worst();
        let least = found[1].values.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!((worst.value, worst.drop), (least, found[1].intact - least));
        assert_eq!(worst.window, found[1].window(worst.row, worst.column));
        // The pixel (0, 0) lies under one window, the pixel (5, 5) under four.
        let (pixels, v) = (found[1].per_pixel(), &found[1].values);
        assert!((pixels[0] - v[0]).abs() < 1e-7);
        assert!((pixels[5 * PX + 5] - (v[0] + v[1] + v[5] + v[6]) / 4.0).abs() < 1e-7);
        assert!((found[1].drop_per_pixel()[0] - (found[1].intact - v[0])).abs() < 1e-7);
    }
}

#[test]
fn a_blur_keeps_the_color_and_drops_the_detail() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    let backend = CpuBackend::new(&model);
    let params = OcclusionParams { window_px: 20, stride_px: 20, fill: Fill::Blur, batch: 4 };
    let watch = Watch::Class(ClassChoice::Index(1));
    let run = |batch: &Batch| occlusion(&model, &backend, batch, &watch, &params, &Silent).unwrap().remove(0);
    // Nothing to blur: covering an even picture with itself changes nothing.
    let mut even = Batch::new(1, 20);
    even.slot(0).fill(0.7);
    assert!(run(&even).worst().drop.abs() < 1e-6);
    let random = run(&random_batch(1, 5));
    assert!(random.worst().drop.abs() > 1e-4, "{:?}", random.worst());
}

#[test]
fn occlusion_watches_a_channel_of_any_layer() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    let backend = CpuBackend::new(&model);
    let batch = random_batch(2, 11);
    let params = OcclusionParams { window_px: 6, stride_px: 7, fill: Fill::Mean, batch: 64 };
    for (layer, channel) in [("conv2", 4), ("fc3", 3)] {
        let answers = activations(&model, &backend, &batch, layer).unwrap();
        let watch = Watch::Channel(ReadLayer::find(&model, layer).unwrap(), channel);
        let found = occlusion(&model, &backend, &batch, &watch, &params, &Silent).unwrap();
        for (i, occlusion) in found.iter().enumerate() {
            let expected = answers.peak(i, channel).value;
            assert!((occlusion.intact - expected).abs() < 1e-5, "{layer}: {} {expected}", occlusion.intact);
            assert!(
                occlusion.class.is_none()
                    && occlusion.values.iter().any(|v| (v - occlusion.intact).abs() > 1e-6)
            );
        }
        let watch = Watch::Channel(ReadLayer::find(&model, layer).unwrap(), 6);
        assert!(
            message(occlusion(&model, &backend, &batch, &watch, &params, &Silent))
                .contains("has no channel 6")
        );
    }
}

#[test]
fn strongest_channels_come_first_and_dead_ones_never() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    let backend = CpuBackend::new(&model);
    let batch = random_batch(2, 17);
    let found = activations(&model, &backend, &batch, "conv2").unwrap();
    for image in 0..2 {
        let strongest = found.strongest(image, 100);
        assert!(strongest.windows(2).all(|pair| pair[0].value >= pair[1].value));
        assert_eq!(strongest.len() + found.dead(image).len(), 6);
        for peak in &strongest {
            let most = found.maps.channel(image, peak.channel).iter().copied().fold(f32::MIN, f32::max);
            assert!(peak.value.total_cmp(&most).is_eq());
        }
        let units = top_channels(&found, image, 2);
        assert_eq!(units[0].channel, strongest[0].channel);
        // Seeded with the true activation at the same cell.
        let network = Network::<f32>::new(&model);
        let guided = guided_units(&network, &batch, &found.layer, &units, &ReluRule::ALL, &Silent).unwrap();
        assert_eq!((guided.units.len(), guided.maps.len(), guided.maps[0].n), (2, 3, 2));
        assert!((guided.units[0].activation - strongest[0].value).abs() < 1e-5);
        assert_eq!(guided.units[0].cell, strongest[0].cell);
    }
}

#[test]
fn a_dead_channel_has_a_map_of_zeros() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    let network = Network::<f32>::new(&model);
    let layer = ReadLayer::find(&model, "conv2").unwrap();
    let mut dark = Batch::new(1, 20);
    dark.slot(0).fill(-30.0);
    let units: Vec<Unit> = (0..6).map(|channel| Unit { image: 0, channel, cell: None }).collect();
    let found = guided_units(&network, &dark, &layer, &units, &[ReluRule::Plain], &Silent).unwrap();
    let dead: Vec<usize> = (0..6).filter(|&i| found.units[i].activation == 0.0).collect();
    assert!(!dead.is_empty(), "{:?}", found.units);
    assert!(dead.iter().all(|&i| found.maps[0].image(i).iter().all(|&value| value == 0.0)));
}

#[test]
fn maps_are_red_green_blue_whatever_the_planes() {
    // The same network twice, once with its first kernels and its input turned to blue, green, red.
    let rgb = small_model("RGB; shorter side to 20; center crop 20; 0-255");
    let bgr = small_model("BGR; shorter side to 20; center crop 20; 0-255");
    let image = picture(20, 20, 3);
    let (a, b) = (Network::<f32>::new(&rgb), Network::<f32>::new(&bgr));
    let (first, second) = (batch_of(&rgb, from_ref(&image)), batch_of(&bgr, from_ref(&image)));
    let maps = |network: &Network<f32>, batch: &Batch| {
        gradients(network, batch, ClassChoice::Index(1), &Silent).unwrap().maps
    };
    let (first, second) = (maps(&a, &first), maps(&b, &second));
    for (x, y) in first.values.iter().zip(&second.values) {
        assert!((x - y).abs() < 1e-5 * (1.0 + x.abs()), "{x} and {y}");
    }
    let (first, second) = (filters(&rgb, None).unwrap(), filters(&bgr, None).unwrap());
    assert_eq!(first, second);
    assert!(first.is_first && !filters(&rgb, Some("conv2")).unwrap().is_first);
}

#[test]
fn filters_are_the_layers_kernels() {
    let model = Model::open("alexnet-lite", None).unwrap();
    let first = filters(&model, None).unwrap();
    assert_eq!((first.layer.as_str(), first.outputs, first.inputs, first.side), ("conv1", 48, 3, 11));
    let order = first.by_norm();
    assert!(order.windows(2).all(|pair| first.norms[pair[0]] >= first.norms[pair[1]]));
    assert!((first.norms[5] - featlas_core::l2_norm(first.kernel(5))).abs() < 1e-12);
    assert_eq!(first.tile(5, 2), &first.kernel(5)[242..363]);
    let (low, high) = first.range();
    let (low5, high5) = first.range_of(5);
    assert!(low <= low5 && low5 < high5 && high5 <= high);
    let deeper = filters(&model, Some("conv2")).unwrap();
    assert_eq!((deeper.outputs, deeper.inputs, deeper.side), (128, 48, 5));
}

#[test]
fn options_of_saliency_do_what_they_say() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    let network = Network::<f32>::new(&model);
    let batch = random_batch(3, 23);
    let run =
        |params: SaliencyParams| saliency(&network, &batch, ClassChoice::Top, &params, &Silent).unwrap();
    let raw = gradients(&network, &batch, ClassChoice::Top, &Silent).unwrap();
    let plain = run(SaliencyParams::default());
    let signed = run(SaliencyParams { signed: true, ..SaliencyParams::default() });
    let times = run(SaliencyParams { signed: true, times_input: true, ..SaliencyParams::default() });
    assert_eq!((plain.maps.n, plain.maps.c, plain.maps.h, plain.maps.w), (3, 1, PX, PX));
    for i in 0..3 {
        for cell in 0..PX * PX {
            let colors = [0, 1, 2].map(|c| raw.maps.channel(i, c)[cell]);
            let most = colors.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            assert!(plain.maps.channel(i, 0)[cell].total_cmp(&most).is_eq());
            assert!(signed.maps.channel(i, 0)[cell].abs().total_cmp(&most).is_eq());
            assert!(colors.contains(&signed.maps.channel(i, 0)[cell]) || most == 0.0);
            let pixel = |c: usize| batch.values()[(i * 3 + c) * PX * PX + cell];
            let product: f32 = (0..3).map(|c| colors[c] * pixel(c)).sum();
            assert!((times.maps.channel(i, 0)[cell] - product).abs() < 1e-6);
        }
    }
}

#[test]
fn smoothing_averages_noisy_copies_and_is_seeded() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    let network = Network::<f32>::new(&model);
    let batch = random_batch(2, 29);
    let choice = ClassChoice::Index(2);
    let run =
        |smooth: Smooth| smooth_gradients(&network, &batch, choice, smooth, &Silent).unwrap().maps.values;
    let distance = |a: &[f32], b: &[f32]| {
        let squares = |v: f64| v * v;
        let off: f64 = a.iter().zip(b).map(|(a, b)| squares(f64::from(a - b))).sum();
        (off / b.iter().map(|&b| squares(f64::from(b))).sum::<f64>()).sqrt()
    };
    let raw = gradients(&network, &batch, choice, &Silent).unwrap().maps.values;
    assert!(
        distance(&run(Smooth { samples: 3, noise: 0.0, seed: 0 }), &raw) < 1e-6,
        "no noise, no difference"
    );
    let some = Smooth { samples: 8, noise: 0.1, seed: 7 };
    assert_eq!(run(some), run(some));
    assert!(distance(&run(some), &run(Smooth { seed: 8, ..some })) > 1e-3);
    // Twice as many seeds apart, the averages of many samples come together.
    let many = |seed: u64| run(Smooth { samples: 256, noise: 0.1, seed });
    let few = |seed: u64| run(Smooth { samples: 4, noise: 0.1, seed });
    assert!(distance(&many(1), &many(2)) < 0.5 * distance(&few(1), &few(2)));
}

#[test]
fn integrated_gradients_add_up_to_the_score() {
    let model = Model::open("alexnet-lite", None).unwrap();
    let network = Network::<f32>::new(&model);
    let batch = batch_of(&model, &[picture(320, 240, 1), picture(200, 260, 9)]);
    for baseline in [Baseline::Mean, Baseline::Black] {
        let params = IntegratedParams { steps: 64, baseline };
        let found = integrated(&network, &batch, ClassChoice::Top, &params, &Silent).unwrap();
        for i in 0..2 {
            let difference = f64::from(found.classes[i].score - found.baseline_scores[i]).abs();
            assert!(
                found.gap(i).abs() < 0.03 * difference.max(1.0),
                "{baseline:?}: {} of {difference}",
                found.gap(i)
            );
        }
    }
}

#[test]
fn gradcam_weighs_channels_by_their_mean_gradient() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    let network = Network::<f32>::new(&model);
    let batch = random_batch(2, 31);
    let layer = ReadLayer::find(&model, "conv2").unwrap();
    let found = gradcam(&network, &batch, &layer, ClassChoice::Index(3), &Silent).unwrap();
    assert_eq!((found.cells.h, found.cells.w, found.maps.h, found.maps.w), (5, 5, PX, PX));
    assert!(found.cells.values.iter().all(|&value| value >= 0.0));
    // A mean over the cells and one linear layer follow conv2, so the weights are that layer's.
    let weights = &model.layer_tensors(model.find_layer("fc3").unwrap())[0].values[3 * 6..4 * 6];
    let backend = CpuBackend::new(&model);
    let answers = backend.activations(&batch, "conv2").unwrap();
    for i in 0..2 {
        for cell in 0..25 {
            let sum: f32 = (0..6).map(|c| weights[c] / 25.0 * answers.data[(i * 6 + c) * 25 + cell]).sum();
            let got = found.cells.channel(i, 0)[cell];
            assert!((got - sum.max(0.0)).abs() < 1e-5, "cell {cell}: expected {sum}, got {got}");
        }
    }
}

#[test]
fn maps_are_stretched_as_pytorch_interpolates() {
    let map = Maps::new((1, 2, 2), vec![0.0, 4.0, 8.0, 12.0]);
    // torch.nn.functional.interpolate(..., size=(4, 4), mode="bilinear", align_corners=False)
    let expected = [0.0, 1.0, 3.0, 4.0, 2.0, 3.0, 5.0, 6.0, 6.0, 7.0, 9.0, 10.0, 8.0, 9.0, 11.0, 12.0];
    assert_eq!(map.resized(4, 4).values, expected);
    assert_eq!(map.resized(2, 2), map);
}

#[test]
fn maps_lie_over_the_original_without_stretching() {
    let ramp: Vec<f32> = (0..224 * 224).map(|i| (i % 224) as f32).collect();
    // 512 x 256 becomes itself, of which the middle 224 x 224 are seen.
    let placement = Placement::new(&Preprocess::torchvision(), 512, 256);
    assert_eq!(placement.seen(), RectF { left: 144.0, top: 16.0, right: 368.0, bottom: 240.0 });
    let over = placement.over_original(&ramp, (224, 224));
    assert_eq!(over.len(), 512 * 256);
    let at = |x: usize, y: usize| over[y * 512 + x];
    assert!(at(143, 100).is_nan() && at(368, 100).is_nan() && at(200, 15).is_nan() && at(200, 240).is_nan());
    for x in 144..368 {
        assert!((at(x, 16) - (x - 144) as f32).abs() < 1e-4);
    }
    // A warp of 512 x 256 to 256 x 256 halves the width; the way back doubles it.
    let ramp: Vec<f32> = (0..227 * 227).map(|i| (i % 227) as f32).collect();
    let placement = Placement::new(&Preprocess::caffe(), 512, 256);
    let seen = placement.seen();
    assert_eq!((seen.right - seen.left, seen.bottom - seen.top), (2.0 * 227.0, 227.0));
    let over = placement.over_original(&ramp, (227, 227));
    let (x, y) = (200, 128);
    let expected = (200.5 - seen.left) / 2.0 - 0.5;
    assert!((f64::from(over[y * 512 + x]) - expected).abs() < 1e-4);
    let rect = placement.to_original(RectF { left: 0.0, top: 0.0, right: 227.0, bottom: 227.0 });
    assert_eq!(rect, seen);
}

#[test]
fn whoever_asks_to_stop_is_heard() {
    let model = small_model("RGB; shorter side to 20; center crop 20; /255");
    let network = Network::<f32>::new(&model);
    let batch = random_batch(1, 1);
    let top = ClassChoice::Top;
    assert_eq!(message(gradients(&network, &batch, top, &Stopped)), "interrupted");
    assert_eq!(
        message(integrated(&network, &batch, top, &IntegratedParams::default(), &Stopped)),
        "interrupted"
    );
    assert_eq!(message(guided_classes(&network, &batch, top, &ReluRule::ALL, &Stopped)), "interrupted");
    let smooth = SaliencyParams { smooth: Some(Smooth::of(4)), ..SaliencyParams::default() };
    assert_eq!(message(saliency(&network, &batch, top, &smooth, &Stopped)), "interrupted");
    let backend = CpuBackend::new(&model);
    let params = OcclusionParams { window_px: 5, ..OcclusionParams::default() };
    assert_eq!(
        message(occlusion(&model, &backend, &batch, &Watch::Class(top), &params, &Stopped)),
        "interrupted"
    );
}
