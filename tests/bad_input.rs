//! What bad input gets: a reject row with a reason, or an error that names the thing and what to do.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use featlas_e2e::{Desk, Said, write_scene};
use featlas_store::{Atlas, RejectRow};
use std::collections::BTreeMap;
use std::path::Path;

fn desk() -> Desk {
    Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"))
}

fn rejects(atlas: &Path) -> Vec<RejectRow> {
    Atlas::open(atlas).unwrap().rejects().unwrap()
}

#[track_caller]
fn refused(said: &Said, parts: &[&str]) {
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    for part in parts {
        assert!(said.stderr.contains(part), "`{part}` is missing from:\n{}", said.stderr);
    }
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
}

/// A PNG header that promises 60000 x 60000 pixels.
fn dimension_bomb() -> Vec<u8> {
    let image = featlas_core::RgbImage::filled(1, 1, [0, 0, 0]);
    let mut png = featlas_image::encode_png(&image).unwrap();
    // IHDR: width and height are the first eight bytes of its data; its CRC follows five bytes later.
    png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn every_bad_file_gets_one_reject_row_and_the_run_goes_on() {
    let desk = desk();
    let images = desk.draw_images(1, 4);
    let good = fs_err::read(images.join(featlas_scenes::classes()[0]).join("000.jpg")).unwrap();
    let mut broken = good.clone();
    let middle = broken.len() / 2;
    broken[10..40].fill(0xFF);
    for (name, bytes) in [
        ("truncated.jpg", &good[..middle]),
        ("broken.jpg", &broken[..]),
        ("empty.png", b""),
        ("page.jpg", b"<html>not found</html>"),
        ("bomb.png", &dimension_bomb()),
    ] {
        fs_err::write(images.join(name), bytes).unwrap();
    }
    let mut expected = BTreeMap::from([
        ("truncated.jpg", vec!["truncated"]),
        ("broken.jpg", vec!["corrupt", "truncated"]),
        ("empty.png", vec!["empty"]),
        ("page.jpg", vec!["unknown_format"]),
        ("bomb.png", vec!["too_large"]),
    ]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(images.join("nowhere"), images.join("dangling.jpg")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(images.join("pipe.jpg")).status().unwrap();
        assert!(made.success());
        std::os::unix::net::UnixListener::bind(images.join("socket.jpg")).unwrap();
        expected.insert("dangling.jpg", vec!["not_regular"]);
        expected.insert("pipe.jpg", vec!["not_regular"]);
        expected.insert("socket.jpg", vec!["not_regular"]);
    }
    let said = desk.run(["extract", "--images", "images", "--out", "atlas"]);
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    assert!(said.stderr.contains("max-rejects"), "{}", said.stderr);

    let rows = rejects(&desk.path("atlas"));
    let got: BTreeMap<String, String> = rows
        .iter()
        .map(|row| (String::from_utf8_lossy(&row.path).into_owned(), row.reason.clone()))
        .collect();
    assert_eq!(got.len(), rows.len(), "one row an image");
    assert_eq!(
        got.keys().map(String::as_str).collect::<Vec<_>>(),
        expected.keys().copied().collect::<Vec<_>>()
    );
    for (path, reasons) in &expected {
        assert!(reasons.contains(&got[*path].as_str()), "{path}: expected {reasons:?}, got {}", got[*path]);
    }
    assert_eq!(Atlas::open(&desk.path("atlas")).unwrap().images().unwrap().len(), 4);

    let said = desk.run(["extract", "--images", "images", "--out", "atlas", "--max-rejects", "0.9"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    desk.ok(["check", "atlas"]);
}

#[test]
fn names_of_every_kind_survive_into_tables_pages_and_sheets() {
    let desk = desk();
    let images = desk.path("images");
    fs_err::create_dir_all(&images).unwrap();
    let mut names: Vec<Vec<u8>> = [
        "with space.jpg",
        "it's \"quoted\".jpg",
        "<script>alert(1)<&script>.jpg",
        "line\nbreak.jpg",
        "-rf.jpg",
        "up..%2f..%2fetc.jpg",
        "\u{202e}gpj.exe.jpg",
        "雪の山 \u{1f3d4}.jpg",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push([vec![b'x'; 251], b".jpg".to_vec()].concat());
    #[cfg(target_os = "linux")]
    names.push(b"caf\xe9.jpg".to_vec());
    for (name, index) in names.iter().zip(0..) {
        #[cfg(unix)]
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name);
        #[cfg(not(unix))]
        let name = std::str::from_utf8(name).unwrap();
        write_scene(&images.join(name), usize::try_from(index).unwrap() % 5, index);
    }
    fs_err::write(desk.path("c.toml"), "images = [\"images\"]\nout = \"atlas\"\n").unwrap();
    desk.ok(["run", "c.toml"]);
    let atlas = Atlas::open(&desk.path("atlas")).unwrap();
    let mut got: Vec<Vec<u8>> = atlas.images().unwrap().into_iter().map(|record| record.path).collect();
    names.sort();
    got.sort();
    assert_eq!(got, names);

    let mut pages = 0;
    for (path, (bytes, _)) in featlas_e2e::snapshot(&desk.path("atlas")) {
        if path.extension().is_some_and(|extension| extension == "html") {
            let page = String::from_utf8(bytes).unwrap();
            assert!(!page.contains("<script>alert"), "{} carries a script", path.display());
            pages += 1;
        }
    }
    assert!(pages >= 2, "the gallery and the report are pages");
    let query = images.join("it's \"quoted\".jpg");
    let query = query.to_str().unwrap();
    let said = desk.ok(["query", "atlas", query, "--k", "10", "--json", "--sheet", "sheet.png"]);
    let answer: serde_json::Value = serde_json::from_str(said.stdout.trim_end()).unwrap();
    assert_eq!(answer["neighbors"][0]["path"], "it's \"quoted\".jpg");
    assert_eq!(answer["neighbors"].as_array().unwrap().len(), names.len());
}

#[test]
fn the_same_path_in_two_sources_names_both() {
    let desk = desk();
    for folder in ["a", "b"] {
        fs_err::create_dir_all(desk.path(folder)).unwrap();
        write_scene(&desk.path(folder).join("one.jpg"), 0, 1);
    }
    let said = desk.run(["extract", "--images", "a", "b", "--out", "atlas"]);
    refused(&said, &["one.jpg", "/a", "/b"]);
    assert!(!desk.path("atlas").exists(), "nothing is written before the sources are understood");
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let desk = desk();
    refused(&desk.run(["extract", "--images", "nowhere", "--out", "atlas"]), &["nowhere"]);
    refused(&desk.run(["extract", "--out", "atlas"]), &["images"]);
    fs_err::create_dir_all(desk.path("hollow")).unwrap();
    refused(&desk.run(["extract", "--images", "hollow", "--out", "atlas"]), &["no image", "hollow"]);
    assert!(!desk.path("atlas").exists());
}

#[test]
fn a_list_without_its_column_says_which_there_are() {
    let desk = desk();
    desk.draw_images(1, 2);
    let class = featlas_scenes::classes()[0];
    let list = format!("file,kind\nimages/{class}/000.jpg,x\nimages/{class}/001.jpg,y\n");
    fs_err::write(desk.path("list.csv"), list).unwrap();
    refused(&desk.run(["extract", "--images", "list.csv", "--out", "atlas"]), &["`path`", "file", "kind"]);
    let base = ["extract", "--images", "list.csv", "--out", "atlas", "--path-column", "file"];
    let with_label = |label: &'static str| base.iter().copied().chain(["--label-column", label]);
    refused(&desk.run(with_label("species")), &["`species`", "kind"]);
    desk.ok(with_label("kind"));
    let labels: Vec<_> =
        Atlas::open(&desk.path("atlas")).unwrap().images().unwrap().into_iter().map(|r| r.label).collect();
    assert_eq!(labels, [Some("x".to_owned()), Some("y".to_owned())]);
}

#[test]
fn weights_that_do_not_fit_are_refused_before_any_work() {
    let desk = desk();
    desk.draw_images(1, 2);
    let lite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/models/alexnet-lite.safetensors");
    let args = |model: &'static str, weights: &'static str| {
        ["extract", "--images", "images", "--out", "atlas", "--model", model, "--weights", weights]
    };
    fs_err::copy(&lite, desk.path("lite.safetensors")).unwrap();
    refused(
        &desk.run(args("alexnet", "lite.safetensors")),
        &["`alexnet`", "`alexnet-lite`", "lite.safetensors"],
    );
    fs_err::write(desk.path("text.safetensors"), "these are no weights").unwrap();
    refused(&desk.run(args("alexnet-lite", "text.safetensors")), &["text.safetensors"]);
    refused(&desk.run(args("alexnet-lite", "gone.safetensors")), &["gone.safetensors"]);
    refused(&desk.run(args("alexnit", "lite.safetensors")), &["alexnit", "alexnet-lite"]);
    let said = desk.run(["extract", "--images", "images", "--out", "atlas", "--model", "vgg16"]);
    refused(&said, &["vgg16", "models pull"]);
    let said = desk.run(["extract", "--images", "images", "--out", "atlas", "--taps", "conv9"]);
    refused(&said, &["conv9", "conv5"]);
    assert!(!desk.path("atlas").exists());
}

#[test]
fn a_folder_that_is_no_atlas_is_left_alone() {
    let desk = desk();
    desk.draw_images(1, 2);
    fs_err::create_dir_all(desk.path("papers")).unwrap();
    fs_err::write(desk.path("papers/thesis.txt"), "mine").unwrap();
    let said = desk.run(["extract", "--images", "images", "--out", "papers"]);
    refused(&said, &["papers"]);
    assert_eq!(fs_err::read_dir(desk.path("papers")).unwrap().count(), 1);
    refused(&desk.run(["check", "papers"]), &["papers"]);
}

#[test]
fn one_image_alone_makes_an_atlas() {
    let desk = desk();
    fs_err::create_dir_all(desk.path("images")).unwrap();
    write_scene(&desk.path("images/only.jpg"), 3, 1);
    fs_err::write(desk.path("c.toml"), "images = [\"images\"]\nout = \"atlas\"\n").unwrap();
    desk.ok(["run", "c.toml"]);
    desk.ok(["check", "atlas"]);
    desk.ok(["query", "atlas", "images/only.jpg", "--k", "1"]);
}
