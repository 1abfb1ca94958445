//! `featlas explain`: every method on drawn images, and what wrong words get.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use featlas_e2e::{Desk, Said, write_scene};
use featlas_image::{DecodeOptions, decode};
use serde_json::Value;
use std::path::Path;

/// A desk with `one.jpg`.
fn desk() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    write_scene(&desk.path("one.jpg"), 0, 3);
    desk
}

/// Runs one method over `one.jpg`, and returns its line and the numbers that it wrote.
fn one(desk: &Desk, args: &[&str]) -> (Value, Vec<usize>, Vec<f32>) {
    let all: Vec<&str> =
        ["explain", args[0], "one.jpg", "--out", "out", "--json"].iter().chain(&args[1..]).copied().collect();
    let said = desk.ok(all);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{}", said.stdout);
    let line: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(line["method"], args[0]);
    assert_eq!(line["png"], format!("out/one.{}.png", args[0]));
    picture(&desk.path(line["png"].as_str().unwrap()));
    let (shape, values) = npy(&desk.path(line["npy"].as_str().unwrap()));
    assert_eq!(line["shape"], serde_json::json!(shape));
    assert_eq!(shape.iter().product::<usize>(), values.len());
    (line, shape, values)
}

/// A picture that can be decoded and shows more than one color.
fn picture(path: &Path) -> featlas_core::RgbImage {
    let image = decode(&fs_err::read(path).unwrap(), &DecodeOptions::default()).unwrap().image;
    let first = image.pixel(0, 0);
    assert!(image.data().chunks(3).any(|pixel| pixel != first), "{} is empty", path.display());
    image
}

/// Shape and values of an array as `NumPy` writes it.
fn npy(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let bytes = fs_err::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..end]).unwrap();
    let shape = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let shape = shape
        .split(',')
        .filter(|len| !len.trim().is_empty())
        .map(|len| len.trim().parse().unwrap())
        .collect();
    let values = if header.contains("'<f4'") {
        bytes[end..].as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
    } else {
        assert!(header.contains("'|u1'"), "{header}");
        bytes[end..].iter().map(|value| f32::from(*value)).collect()
    };
    (shape, values)
}

#[track_caller]
fn refused(said: &Said, parts: &[&str]) {
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    for part in parts {
        assert!(said.stderr.contains(part), "`{part}` is missing from:\n{}", said.stderr);
    }
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
}

#[test]
fn filters_are_drawn_without_an_image() {
    let desk = desk();
    let said = desk.ok(["explain", "filters", "--out", "out", "--json"]);
    let line: Value = serde_json::from_str(said.stdout.trim()).unwrap();
    assert_eq!(line["png"], "out/alexnet-lite.filters.png");
    assert_eq!(line["shape"], serde_json::json!([48, 3, 11, 11]));
    let own = picture(&desk.path("out/alexnet-lite.filters.png"));
    desk.ok(["explain", "filters", "--out", "shared", "--shared-scale"]);
    assert_ne!(own, picture(&desk.path("shared/alexnet-lite.filters.png")));
}

#[test]
fn deeper_filters_say_why_they_are_hard_to_read_and_can_be_sorted() {
    let desk = desk();
    let (line, shape, _) = one(&desk, &["filters", "--layer", "conv2", "--sort"]);
    assert_eq!(shape, [128, 48, 5, 5]);
    let norms: Vec<f64> =
        line["norms"].as_array().unwrap().iter().map(|norm| norm.as_f64().unwrap()).collect();
    let order: Vec<usize> = line["order"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| usize::try_from(i.as_u64().unwrap()).unwrap())
        .collect();
    assert_eq!(order.len(), 128);
    assert!(order.windows(2).all(|pair| norms[pair[0]] >= norms[pair[1]]));
}

#[test]
fn a_layer_is_drawn_whole_and_by_channel() {
    let desk = desk();
    let (line, shape, values) = one(&desk, &["activations"]);
    assert_eq!(shape, [128, 13, 13]);
    let dead = line["dead_channels"].as_array().unwrap();
    for channel in dead {
        let channel = usize::try_from(channel.as_u64().unwrap()).unwrap();
        assert!(values[channel * 169..][..169].iter().all(|value| *value <= 0.0));
    }
    let strongest = &line["strongest"][0];
    let channel = strongest["channel"].to_string();
    let (alone, shape, map) = one(&desk, &["activations", "--channel", &channel]);
    assert_eq!(shape, [13, 13]);
    assert_eq!(map, values[channel.parse::<usize>().unwrap() * 169..][..169]);
    assert_eq!(alone["max"], strongest["activation"]);
    assert_eq!(alone["cell"], strongest["cell"]);
    one(&desk, &["activations", "--layer", "fc6", "--shared-scale"]);
}

#[test]
fn occlusion_tells_where_the_drop_is_largest() {
    let desk = desk();
    let (line, shape, values) =
        one(&desk, &["occlusion", "--window", "64", "--stride", "40", "--fill", "gray"]);
    assert_eq!(shape, [5, 5]);
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let number = |key: &str| line[key].as_f64().unwrap();
    assert!((number("least") - f64::from(least)).abs() < 1e-6);
    assert!((number("intact") - number("least") - number("drop")).abs() < 1e-6);
    assert!((number("intact") - line["class"]["probability"].as_f64().unwrap()).abs() < 1e-6);
    assert_eq!(line["window"].as_array().unwrap().len(), 4);
    let channel = ["occlusion", "--channel", "5", "--window", "100", "--stride", "62", "--fill", "blur"];
    let (line, shape, _) = one(&desk, &channel);
    assert_eq!((shape, &line["channel"]), (vec![3, 3], &Value::from(5)));
}

#[test]
fn gradients_of_classes_are_maps_of_the_input() {
    let desk = desk();
    let (top, shape, saliency) = one(&desk, &["saliency"]);
    assert_eq!(shape, [224, 224]);
    assert!(saliency.iter().all(|value| *value >= 0.0) && saliency.iter().any(|value| *value > 0.0));
    let (_, _, signed) = one(&desk, &["saliency", "--signed"]);
    assert!(
        signed
            .iter()
            .zip(&saliency)
            .all(|(signed, size)| (signed.abs() - size).abs() <= 1e-6 * size.max(1e-3))
    );
    assert!(signed.iter().any(|value| *value < 0.0));
    one(&desk, &["saliency", "--smooth", "2", "--times-input"]);

    let index = top["class"]["index"].to_string();
    let (_, _, named) = one(&desk, &["saliency", "--class", &index]);
    assert_eq!(named, saliency);
    let (goldfish, _, _) = one(&desk, &["gradcam", "--class", "goldfish"]);
    assert!(goldfish["class"]["name"].as_str().unwrap().contains("goldfish"));

    let (line, shape, attributions) = one(&desk, &["integrated", "--steps", "16"]);
    assert_eq!(shape, [3, 224, 224]);
    let sum: f64 = attributions.iter().map(|value| f64::from(*value)).sum();
    let number = |value: &Value| value.as_f64().unwrap();
    let difference = number(&line["class"]["score"]) - number(&line["baseline_score"]);
    assert!((sum - difference - number(&line["gap"])).abs() < 1e-2 * difference.abs().max(1.0));
}

#[test]
fn guided_passes_begin_at_channels_and_classes() {
    let desk = desk();
    let (_, shape, _) = one(&desk, &["guided"]);
    assert_eq!(shape, [3, 224, 224]);
    let (_, shape, values) = one(&desk, &["guided", "--compare"]);
    assert_eq!(shape, [3, 3, 224, 224]);
    let rules: Vec<&[f32]> = values.chunks(3 * 224 * 224).collect();
    assert!(rules[0] != rules[1] && rules[1] != rules[2]);

    let (line, shape, maps) = one(&desk, &["guided", "--layer", "conv5", "--top-channels", "3"]);
    assert_eq!(shape, [3, 3, 224, 224]);
    let first = &line["channels"][0];
    let (channel, cell) =
        (first["channel"].to_string(), format!("{},{}", first["cell"][0], first["cell"][1]));
    let (alone, _, map) = one(&desk, &["guided", "--layer", "conv5", "--channel", &channel, "--cell", &cell]);
    assert_eq!(map, maps[..3 * 224 * 224]);
    assert_eq!(&alone["channels"][0], first);
    let strongest = one(&desk, &["activations"]).0["strongest"][0].clone();
    assert_eq!((&strongest["channel"], &strongest["cell"]), (&first["channel"], &first["cell"]));
}

#[test]
fn a_segment_is_a_mask_a_cut_out_and_an_outline() {
    let desk = desk();
    let (line, shape, mask) = one(&desk, &["segment"]);
    let photo = picture(&desk.path("one.jpg"));
    assert_eq!(shape, [photo.height() as usize, photo.width() as usize]);
    assert!(mask.iter().all(|value| *value == 0.0 || (*value - 1.0).abs() < 1e-6));
    let share = mask.iter().sum::<f32>() / mask.len() as f32;
    assert!(share > 0.0 && share < 1.0);
    assert!((line["foreground_share"].as_f64().unwrap() - f64::from(share)).abs() < 1e-4);
    for what in ["mask", "cutout", "outline"] {
        let image = picture(&desk.path(format!("out/one.segment.{what}.png")));
        assert_eq!((image.width(), image.height()), (photo.width(), photo.height()), "{what}");
    }
    let (_, _, again) = one(&desk, &["segment"]);
    assert_eq!(again, mask);
    let (_, _, wide) = one(&desk, &["segment", "--foreground", "0.6", "--background", "0.1"]);
    assert_ne!(wide, mask);
}

#[test]
fn a_folder_becomes_a_folder_tree_and_one_contact_sheet() {
    let desk = desk();
    let images = desk.draw_images(2, 2);
    fs_err::write(images.join("broken.jpg"), b"<html>").unwrap();
    let said = desk.ok(["explain", "gradcam", "images", "--out", "out", "--json", "--batch", "3"]);
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [a, b] = [0, 1].map(|class| featlas_scenes::classes()[class]);
    for stem in [format!("{a}/000"), format!("{a}/001"), format!("{b}/000"), format!("{b}/001")] {
        let png = format!("out/{stem}.gradcam.png");
        assert!(lines.iter().any(|line| line["png"] == png.as_str()), "{png} is not told of");
        picture(&desk.path(&png));
    }
    let broken = lines.iter().find(|line| line["reason"] == "unknown_format").unwrap();
    assert_eq!(broken["image"], "images/broken.jpg");
    assert!(said.stderr.contains("broken.jpg"), "{}", said.stderr);
    let sheet = lines.iter().find_map(|line| line["sheet"].as_str()).unwrap();
    assert_eq!(sheet, "out/contact-sheet.gradcam.png");
    picture(&desk.path(sheet));
}

#[test]
fn a_gallery_and_a_report_show_it_too() {
    let desk = desk();
    desk.draw_images(2, 2);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    let sheets = || -> Vec<(u32, u32)> {
        (0..128)
            .map(|channel| picture(&desk.path(format!("atlas/galleries/conv5/channel-{channel:03}.png"))))
            .map(|sheet| (sheet.width(), sheet.height()))
            .collect()
    };
    desk.ok(["gallery", "atlas", "--layer", "conv5", "--top", "1"]);
    let plain = sheets();
    desk.ok(["gallery", "atlas", "--layer", "conv5", "--top", "1", "--guided"]);
    let guided = sheets();
    let wider = plain.iter().zip(&guided).filter(|(plain, guided)| guided.0 > plain.0).count();
    let same = plain.iter().zip(&guided).filter(|(plain, guided)| guided == plain).count();
    // Channels that no image excites have nothing to go back from.
    assert!(wider > 30 && wider + same == 128, "{wider} sheets are wider, {same} are the same");
    desk.ok(["report", "atlas", "--explain", "one.jpg"]);
    let page = fs_err::read_to_string(desk.path("atlas/report/index.html")).unwrap();
    for words in
        ["Image by image", "one.jpg", "Grad-CAM", "Occlusion", "Segmentation", "Integrated gradients"]
    {
        assert!(page.contains(words), "{words} is missing");
    }
    refused(&desk.run(["report", "atlas", "--explain", "gone.jpg"]), &["gone.jpg"]);
}

#[test]
fn a_named_image_that_cannot_be_read_is_told_at_the_end() {
    let desk = desk();
    fs_err::write(desk.path("page.jpg"), b"<html>").unwrap();
    let said = desk.run(["explain", "gradcam", "page.jpg", "one.jpg", "--out", "out"]);
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    assert!(desk.path("out/one.gradcam.png").is_file());
    refused(
        &desk.run(["explain", "gradcam", "page.jpg", "--out", "out"]),
        &["no known image format", "page.jpg"],
    );
    refused(&desk.run(["explain", "gradcam", "gone.jpg", "--out", "out"]), &["gone.jpg"]);
}

#[test]
fn words_that_the_model_does_not_know_are_refused_before_any_image_is_read() {
    let desk = desk();
    let run = |args: &[&str]| {
        let all: Vec<&str> =
            ["explain"].iter().chain(args).chain(&["missing.jpg", "--out", "out"]).copied().collect();
        desk.run(all)
    };
    refused(&run(&["activations", "--layer", "conv9"]), &["no layer `conv9`", "conv1", "conv5", "fc7"]);
    refused(&run(&["activations", "--channel", "128"]), &["no channel 128", "0 to 127"]);
    refused(&run(&["guided", "--layer", "conv5", "--channel", "999"]), &["no channel 999", "0 to 127"]);
    refused(&run(&["guided", "--channel", "3", "--cell", "13,0"]), &["no cell 13,0", "13"]);
    refused(&run(&["guided", "--channel", "3", "--cell", "13"]), &["expected a row and a column"]);
    refused(&run(&["occlusion", "--channel", "128"]), &["no channel 128"]);
    refused(&run(&["occlusion", "--window", "225"]), &["at most 224", "225"]);
    refused(&run(&["occlusion", "--stride", "0"]), &["stride", "at least 1"]);
    refused(&run(&["saliency", "--class", "zebrafinch"]), &["no class", "zebrafinch"]);
    refused(&run(&["saliency", "--class", "200"]), &["no class 200", "0 to 199"]);
    let several = run(&["saliency", "--class", "retriever"]);
    refused(&several, &["`retriever` matches 2 classes", "golden retriever", "Labrador retriever"]);
    refused(&run(&["gradcam", "--layer", "fc7"]), &["fc7", "conv5"]);
    refused(&run(&["segment", "--foreground", "0.2"]), &["0.2", "background quantile"]);
    refused(&run(&["filters", "--layer", "pool1"]), &["pool1", "conv1"]);
    assert!(!desk.path("out").exists(), "nothing is written");
}
