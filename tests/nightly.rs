//! Somebody's nightly job: new images arrive, the atlas catches up, nobody watches.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use featlas_core::{ImageId, Silent};
use featlas_e2e::{Desk, read_json, snapshot, write_scene};
use featlas_store::{Atlas, ImageRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

fn desk() -> Desk {
    Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"))
}

fn config(desk: &Desk) {
    let text = "images = [\"images\"]\nout = \"atlas\"\nbatch = 4\nshard-rows = 8\n\
                [[poster]]\nkind = \"grid\"\nsize-px = 400\n[gallery]\ntop = 3\n";
    fs_err::write(desk.path("nightly.toml"), text).unwrap();
}

fn records(atlas: &Path) -> Vec<ImageRecord> {
    Atlas::open(atlas).unwrap().images().unwrap()
}

/// Feature values by path.
fn features(atlas: &Path) -> BTreeMap<String, Vec<f32>> {
    let atlas = Atlas::open(atlas).unwrap();
    let paths: BTreeMap<ImageId, String> =
        atlas.images().unwrap().into_iter().map(|record| (record.image_id, record.display_path)).collect();
    let table = atlas.features(&Silent).unwrap();
    assert_eq!(table.ids.len(), paths.len(), "one feature a live image");
    table
        .ids
        .iter()
        .zip(table.values.chunks(table.dim))
        .map(|(id, row)| (paths[id].clone(), row.to_vec()))
        .collect()
}

#[test]
fn a_second_run_does_no_work_and_changes_no_byte() {
    let desk = desk();
    desk.draw_images(3, 6);
    config(&desk);
    desk.ok(["run", "nightly.toml"]);
    let before = snapshot(&desk.path("atlas"));
    let said = desk.ok(["run", "nightly.toml"]);
    assert_eq!(snapshot(&desk.path("atlas")), before);
    assert!(said.stderr.contains("up to date"), "{}", said.stderr);
    desk.ok(["check", "atlas"]);
}

#[test]
fn only_new_and_changed_images_are_computed() {
    let desk = desk();
    let images = desk.draw_images(2, 5);
    config(&desk);
    desk.ok(["run", "nightly.toml"]);
    let before = records(&desk.path("atlas"));
    let values_before = features(&desk.path("atlas"));

    let class = images.join(featlas_scenes::classes()[0]);
    let class_name = featlas_scenes::classes()[0];
    write_scene(&class.join("new.jpg"), 0, 77);
    write_scene(&class.join("001.jpg"), 0, 78);
    fs_err::remove_file(class.join("002.jpg")).unwrap();
    // Touched, but of the same content.
    let bytes = fs_err::read(class.join("003.jpg")).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    fs_err::write(class.join("003.jpg"), bytes).unwrap();
    desk.ok(["run", "nightly.toml"]);

    let run = read_json(&desk.path("atlas/run.json"));
    let extract = &run["extract"];
    assert_eq!(extract["new"], 1, "{extract}");
    assert_eq!(extract["changed"], 1, "{extract}");
    assert_eq!(extract["removed"], 1, "{extract}");
    assert_eq!(extract["rows"], 2, "{extract}");

    let after = records(&desk.path("atlas"));
    let id = |records: &[ImageRecord], name: &str| {
        let path = format!("{class_name}/{name}");
        records.iter().find(|record| record.display_path == path).map(|record| record.image_id)
    };
    assert_eq!(after.len(), 10);
    assert_eq!(id(&after, "000.jpg"), id(&before, "000.jpg"), "an unchanged image keeps its id");
    assert_eq!(id(&after, "003.jpg"), id(&before, "003.jpg"), "a touched image keeps its id");
    assert_eq!(id(&after, "002.jpg"), None, "a removed image is gone");
    let used: BTreeSet<ImageId> = before.iter().map(|record| record.image_id).collect();
    for name in ["new.jpg", "001.jpg"] {
        assert!(!used.contains(&id(&after, name).unwrap()), "an id is never given twice");
    }
    let values = features(&desk.path("atlas"));
    let path = |name: &str| format!("{class_name}/{name}");
    assert_eq!(values[&path("000.jpg")], values_before[&path("000.jpg")]);
    assert_ne!(values[&path("001.jpg")], values_before[&path("001.jpg")]);
    desk.ok(["check", "atlas"]);
}

/// Tonight's poster is recognizably last night's: old images keep their places on the map, new ones stand among
/// their like, and `run.json` says how far the old ones moved.
#[test]
fn a_map_keeps_its_places_over_the_night() {
    let desk = desk();
    let (classes, per_class) = (5, 20);
    let images = desk.draw_images(classes, per_class);
    config(&desk);
    desk.ok(["run", "nightly.toml"]);
    let places = || -> BTreeMap<ImageId, [f32; 2]> {
        let atlas = Atlas::open(&desk.path("atlas")).unwrap();
        let map = featlas_store::read_map(&atlas, "tsne").unwrap();
        map.points.into_iter().map(|(id, x, y)| (id, [x, y])).collect()
    };
    let embedded = || {
        let run = read_json(&desk.path("atlas/run.json"));
        let stages = run["stages"].as_array().unwrap();
        stages.iter().find(|stage| stage["name"] == "embed").unwrap()["figures"].clone()
    };
    assert!(embedded()["placed"].is_null());
    let before = places();

    for (class, name) in featlas_scenes::classes().iter().enumerate().take(classes) {
        write_scene(&images.join(name).join("tonight.jpg"), class, 500);
    }
    desk.ok(["run", "nightly.toml"]);
    let after = places();
    assert_eq!((before.len(), after.len()), (100, 105));
    let figures = embedded();
    assert_eq!(figures["placed"], 5, "{figures}");

    let distance = |a: [f32; 2], b: [f32; 2]| f64::from(a[0] - b[0]).hypot(f64::from(a[1] - b[1]));
    let side = |axis: usize| {
        let (low, high) = before
            .values()
            .fold((f32::MAX, f32::MIN), |(low, high), place| (low.min(place[axis]), high.max(place[axis])));
        f64::from(high - low)
    };
    let width = side(0).max(side(1));
    let mean = before.iter().map(|(id, &place)| distance(place, after[id])).sum::<f64>() / 100.0 / width;
    let said = figures["mean_shift_of_width"].as_f64().unwrap();
    assert!((mean - said).abs() < 1e-4, "moved by {mean}, said {said}");
    assert!(said > 0.0 && said < 0.05, "{said}");

    // A new image lies nearer to most images of its class than to most of all.
    let records = records(&desk.path("atlas"));
    let class_of = |record: &ImageRecord| record.display_path.split('/').next().unwrap().to_owned();
    let new: Vec<&ImageRecord> = records.iter().filter(|r| !before.contains_key(&r.image_id)).collect();
    let median = |mut distances: Vec<f64>| {
        distances.sort_by(f64::total_cmp);
        distances[distances.len() / 2]
    };
    let among_its_like = new.iter().filter(|new| {
        let to = |of_class: bool| {
            let others = records.iter().filter(|r| before.contains_key(&r.image_id));
            let others = others.filter(|r| !of_class || class_of(r) == class_of(new));
            median(others.map(|r| distance(after[&r.image_id], after[&new.image_id])).collect())
        };
        to(true) < to(false)
    });
    let among_its_like = among_its_like.count();
    assert!(among_its_like >= 4, "{among_its_like} of 5 new images stand among their like");

    // Asked for, the map is made anew.
    desk.ok(["embed", "atlas", "--fresh"]);
    assert_ne!(places(), after);
    desk.ok(["check", "atlas"]);
}

#[test]
fn a_killed_run_is_taken_up_where_it_stood() {
    let desk = desk();
    desk.draw_images(6, 16);
    let extract = |out: &str| {
        ["extract", "--images", "images", "--out", out, "--shard-rows", "8", "--batch", "4"]
            .map(str::to_owned)
    };
    let start = Instant::now();
    desk.ok(extract("whole"));
    let whole_time = start.elapsed();

    let mut kills = 0;
    for moment in 1..=6 {
        let mut child = desk.start(extract("killed"));
        std::thread::sleep(whole_time.mul_f64(f64::from(moment) / 9.0));
        if child.try_wait().unwrap().is_none() {
            kills += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 0, "no run was killed while it worked");
    desk.ok(extract("killed"));
    let paths: BTreeSet<String> =
        records(&desk.path("killed")).into_iter().map(|record| record.display_path).collect();
    assert_eq!(paths.len(), 96, "no image twice, none lost");
    assert_eq!(features(&desk.path("killed")), features(&desk.path("whole")));
    desk.ok(["gc", "killed"]);
    desk.ok(["check", "killed"]);
}

#[test]
fn values_do_not_depend_on_batch_or_threads() {
    let desk = desk();
    desk.draw_images(2, 8);
    let base = ["extract", "--images", "images", "--out"];
    desk.ok(base.iter().chain(&["a", "--batch", "1", "--threads", "1"]));
    desk.ok(base.iter().chain(&["b", "--batch", "7", "--threads", "3"]));
    let (a, b) = (features(&desk.path("a")), features(&desk.path("b")));
    assert_eq!(a.len(), 16);
    for (path, row) in &a {
        let norm = featlas_core::l2_norm(row);
        let difference: Vec<f32> = row.iter().zip(&b[path]).map(|(x, y)| x - y).collect();
        let relative = featlas_core::l2_norm(&difference) / norm;
        assert!(relative < 1e-5, "{path}: {relative}");
    }
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let desk = desk();
    desk.draw_images(3, 8);
    let args = ["extract", "--images", "images", "--out", "atlas", "--shard-rows", "4", "--batch", "4"];
    let (first, second) = (desk.start(args), desk.start(args));
    let codes = [first, second].map(|child| child.wait_with_output().unwrap());
    assert!(codes.iter().any(|output| output.status.success()));
    for output in codes.iter().filter(|output| !output.status.success()) {
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("in use") || text.contains("lock"), "{text}");
    }
    desk.ok(args);
    assert_eq!(records(&desk.path("atlas")).len(), 24);
    desk.ok(["check", "atlas"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_cleanly_and_says_how_to_go_on() {
    let desk = desk();
    desk.draw_images(8, 16);
    let args = ["extract", "--images", "images", "--out", "atlas", "--shard-rows", "8", "--batch", "4"];
    let child = desk.start(args);
    let commits = desk.path("atlas/commits");
    let deadline = Instant::now() + Duration::from_mins(1);
    while fs_err::read_dir(&commits).map_or(0, Iterator::count) < 2 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("goes on from there"), "{text}");
    let kept = records(&desk.path("atlas")).len();
    assert!((8..128).contains(&kept), "{kept} rows were kept");
    desk.ok(["check", "atlas"]);
    desk.ok(args);
    assert_eq!(records(&desk.path("atlas")).len(), 128);
}

#[test]
fn an_atlas_of_other_taps_is_refused_before_any_work() {
    let desk = desk();
    desk.draw_images(1, 2);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    let before = snapshot(&desk.path("atlas"));
    let said = desk.run(["extract", "--images", "images", "--out", "atlas", "--taps", "conv3,fc7"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("conv taps") && said.stderr.contains("conv3"), "{}", said.stderr);
    assert_eq!(snapshot(&desk.path("atlas")), before);
}

/// `--precision int8`: the first night measures the scales, later nights and queries use the same.
#[test]
fn an_atlas_of_integers_keeps_its_scales() {
    let desk = desk();
    let images = desk.draw_images(3, 5);
    let extract = |precision: &'static str, out: &'static str| {
        ["extract", "--images", "images", "--out", out, "--precision", precision, "--batch", "4"]
    };
    desk.ok(extract("f32", "real"));
    desk.ok(extract("int8", "atlas"));
    let fingerprint = || {
        read_json(&desk.path("atlas/atlas.json"))["fingerprint"]["calibration"].as_str().unwrap().to_owned()
    };
    let scales = fingerprint();
    assert!(scales.starts_with("10 images; conv1 -"), "{scales}");
    let figures = |figure: &str| {
        let run = read_json(&desk.path("atlas/run.json"));
        run["stages"][0]["figures"][figure].as_f64().unwrap_or_else(|| panic!("no {figure} in {run}"))
    };
    let images_of = || {
        let run = read_json(&desk.path("atlas/run.json"));
        ["calibration_images", "compared_images"].map(|figure| run["stages"][0]["figures"][figure].as_u64())
    };
    assert_eq!(images_of(), [Some(10), Some(5)]);
    assert!(figures("cosine_to_f32_worst") > 0.999 && figures("cosine_to_f32_mean") < 1.0);
    let (real, whole) = (features(&desk.path("real")), features(&desk.path("atlas")));
    assert_ne!(real, whole);
    for (path, real) in &real {
        let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum() };
        let whole = &whole[path];
        assert!(dot(real, whole) / (dot(real, real) * dot(whole, whole)).sqrt() > 0.999, "{path}");
    }

    // The same again is no work; a new image does not move the scales of the old ones.
    let before = snapshot(&desk.path("atlas"));
    desk.ok(extract("int8", "atlas"));
    assert_eq!(snapshot(&desk.path("atlas")), before);
    write_scene(&images.join("later.jpg"), 1, 77);
    desk.ok(extract("int8", "atlas"));
    assert_eq!(fingerprint(), scales);
    assert_eq!(images_of(), [Some(10), Some(1)]);
    let later = features(&desk.path("atlas"));
    assert!(whole.iter().all(|(path, row)| later[path] == *row));

    // Another precision is another atlas.
    let said = desk.run(extract("f32", "atlas"));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("precision"), "{}", said.stderr);
    let said = desk.run(extract("int8", "real"));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let said = desk.run([
        "extract",
        "--images",
        "images",
        "--out",
        "x",
        "--precision",
        "int8",
        "--backend",
        "candle",
    ]);
    assert!(said.code == Some(1) && said.stderr.contains("precision"), "{}", said.stderr);

    // A query is computed as the rows were: a copy of an image lies at distance 0 from it.
    desk.ok(["index", "atlas"]);
    fs_err::copy(images.join("later.jpg"), desk.path("copy.jpg")).unwrap();
    let said = desk.ok(["query", "atlas", "copy.jpg", "--k", "3", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(said.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(answer["neighbors"][0]["path"], "later.jpg", "{answer}");
    assert!(answer["neighbors"][0]["distance"].as_f64().unwrap() < 1e-6, "{answer}");
}

#[test]
fn what_ran_the_network_is_told() {
    let desk = desk();
    desk.draw_images(2, 2);
    let said = desk.ok(["extract", "--images", "images", "--out", "ours"]);
    assert!(!said.stderr.contains("candle"), "{}", said.stderr);
    assert_eq!(read_json(&desk.path("ours/run.json"))["extract"]["backend"], "cpu");
    // Whoever built it for a GPU sees whether one was found.
    let said = desk.ok(["extract", "--images", "images", "--out", "theirs", "--backend", "candle"]);
    assert!(said.stderr.contains(", candle on cpu"), "{}", said.stderr);
    assert_eq!(read_json(&desk.path("theirs/run.json"))["extract"]["backend"], "candle on cpu");
}

#[test]
fn several_conv_layers_can_be_tapped_at_once() {
    let desk = desk();
    desk.draw_images(2, 3);
    fs_err::write(
        desk.path("taps.toml"),
        "images = [\"images\"]\nout = \"atlas\"\ntaps = [\"conv1\", \"conv5\", \"fc6\"]\n",
    )
    .unwrap();
    desk.ok(["run", "taps.toml"]);
    let atlas = Atlas::open(&desk.path("atlas")).unwrap();
    assert_eq!(atlas.manifest().schema.feature_column, "fc6");
    let channels: Vec<usize> = atlas.manifest().schema.convs.iter().map(|conv| conv.channels).collect();
    assert_eq!(channels, [48, 128]);
    assert!(desk.path("atlas/galleries/conv1/channel-047.png").is_file());
    assert!(desk.path("atlas/galleries/conv5/channel-127.png").is_file());
}
