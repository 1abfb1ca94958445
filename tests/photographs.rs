//! Real photographs through a real network, held against PyTorch. Runs where `../shared` is.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use featlas_core::{ImageId, Rect};
use featlas_e2e::{Desk, read_json, shared};
use featlas_extract::{PatchPlace, top_patches};
use featlas_net::{Backend as _, Batch, CpuBackend, Model};
use featlas_store::{Atlas, ImageRecord, StoreError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const WEIGHTS: &str = "models/squeezenet1_0-imagenet.safetensors";

fn extract(desk: &Desk, shared: &Path) -> Atlas {
    let photos = shared.join("data/photos");
    let weights = shared.join(WEIGHTS);
    let (photos, weights) = (photos.to_str().unwrap(), weights.to_str().unwrap());
    desk.ok([
        "extract",
        "--images",
        photos,
        "--out",
        "atlas",
        "--model",
        "squeezenet1_0",
        "--weights",
        weights,
    ]);
    Atlas::open(&desk.path("atlas")).unwrap()
}

/// Rows of `layer`'s maxima and cells, by image.
fn maxima(atlas: &Atlas, layer: &str) -> BTreeMap<ImageId, (Vec<f32>, Vec<u16>)> {
    let mut rows = BTreeMap::new();
    atlas
        .for_each_conv_block(layer, |ids, max, argmax| {
            let channels = max.len() / ids.len();
            for ((id, max), argmax) in ids.iter().zip(max.chunks(channels)).zip(argmax.chunks(channels)) {
                rows.insert(*id, (max.to_vec(), argmax.to_vec()));
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    rows
}

#[test]
fn squeezenet_on_the_photographs_agrees_with_pytorch() {
    let Some(shared) = shared() else { return };
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    let atlas = extract(&desk, &shared);
    let records = atlas.images().unwrap();
    assert_eq!(records.len(), 500);
    assert_eq!(atlas.manifest().schema.feature_column, "fire9_mean");
    let by_path: BTreeMap<&str, &ImageRecord> =
        records.iter().map(|record| (record.display_path.as_str(), record)).collect();
    let fire9 = maxima(&atlas, "fire9");

    let reference = read_json(&shared.join("models/squeezenet1_0-reference.json"));
    let images = reference["images"].as_array().unwrap();
    assert_eq!(images.len(), 40);
    for image in images {
        let file = image["file"].as_str().unwrap();
        let record = by_path[file];
        let top: Vec<u64> = record.top_classes.iter().map(|&(class, _)| u64::from(class)).collect();
        let expected: Vec<u64> =
            image["top5"].as_array().unwrap().iter().map(|t| t[0].as_u64().unwrap()).collect();
        assert_eq!(top, expected, "{file}");
        let (max, argmax) = &fire9[&record.image_id];
        let floats = |key: &str| -> Vec<f64> {
            image[key].as_array().unwrap().iter().map(|v: &Value| v.as_f64().unwrap()).collect()
        };
        for (channel, (value, cell)) in floats("fire9_max").iter().zip(floats("fire9_argmax")).enumerate() {
            let got = f64::from(max[channel]);
            assert!(
                (got - value).abs() <= 1e-3 * value.abs().max(0.1),
                "{file} channel {channel}: {got} for {value}"
            );
            assert!(
                (f64::from(argmax[channel]) - cell).abs() < 0.5,
                "{file} channel {channel}: another cell"
            );
        }
    }

    let classes = fs_err::read_to_string(shared.join("models/imagenet1k-classes.txt")).unwrap();
    let wnids: Vec<&str> = classes.lines().map(|line| line.split('\t').next().unwrap()).collect();
    let right = records.iter().filter(|record| {
        let wnid = record.display_path.split('_').next().unwrap();
        wnids[record.top_classes[0].0 as usize] == wnid
    });
    let top1 = right.count() as f64 / 500.0;
    assert!(top1 >= 0.64, "top-1 on the photographs is {top1}");
}

/// Invariant 6: recomputing the channel at the recorded image and cell gives the recorded value, and the
/// patch that is cut there is all that the cell depends on.
#[test]
fn a_recorded_maximum_is_true() {
    let Some(shared) = shared() else { return };
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    let photos = shared.join("data/photos");
    let list: Vec<String> = (fs_err::read_dir(&photos).unwrap())
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.contains("/n020"))
        .collect();
    assert!(list.len() > 10);
    fs_err::write(desk.path("list.txt"), list.join("\n")).unwrap();
    desk.ok(["extract", "--images", "list.txt", "--out", "atlas", "--taps", "conv5,fc7"]);
    let atlas = Atlas::open(&desk.path("atlas")).unwrap();
    let model = Model::open("alexnet-lite", None).unwrap();
    let backend = CpuBackend::new(&model);
    let records: BTreeMap<ImageId, ImageRecord> =
        atlas.images().unwrap().into_iter().map(|record| (record.image_id, record)).collect();
    let tops = top_patches(&atlas, "conv5", 2, &featlas_core::Silent).unwrap();
    let side = model.preprocess().input_px();
    let mut checked = 0;
    for (channel, places) in tops.iter().enumerate().step_by(9) {
        for &PatchPlace { image, cell, value } in &places.places {
            let path = &records[&image].display_path;
            let bytes = fs_err::read(Path::new("/").join(path.trim_start_matches('/'))).unwrap();
            let decoded =
                featlas_image::decode(&bytes, &featlas_image::DecodeOptions::default()).unwrap().image;
            let mut batch = Batch::new(1, side);
            model.preprocess().write_input(&decoded, batch.slot(0));
            let at = |batch: &Batch| {
                let activation = backend.activations(batch, "conv5").unwrap();
                activation.data[channel * activation.h * activation.w + usize::from(cell)]
            };
            let whole = at(&batch);
            assert!((whole - value).abs() <= 1e-4 * value, "channel {channel}: {whole} for {value}");

            // Everything outside the receptive field may be anything.
            let field = model.receptive_field("conv5", usize::from(cell) / 13, usize::from(cell) % 13);
            blank_outside(&mut batch, field.clipped(side, side), side as usize);
            let inside = at(&batch);
            assert!(
                (inside - value).abs() <= 1e-4 * value,
                "channel {channel}: {inside} for {value} by its patch"
            );
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} maxima were checked");
}

fn blank_outside(batch: &mut Batch, keep: Rect, side: usize) {
    for (at, value) in batch.slot(0).iter_mut().enumerate() {
        let [x, y] = [at % side, at / side % side].map(|v| i64::try_from(v).unwrap());
        if x < keep.left || x >= keep.right || y < keep.top || y >= keep.bottom {
            *value = 3.0;
        }
    }
}

#[test]
fn tar_shards_and_idx_files_are_sources() {
    let Some(shared) = shared() else { return };
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    // The first members of the real shard, cut at a member's border and closed as tar wants it.
    let tar = fs_err::read(shared.join("data/cifar10/test.tar")).unwrap();
    let mut end = 0;
    for _ in 0..64 {
        let size = std::str::from_utf8(&tar[end + 124..end + 135]).unwrap();
        let size = usize::from_str_radix(size.trim(), 8).unwrap();
        end += 512 + size.div_ceil(512) * 512;
    }
    let mut shard = tar[..end].to_vec();
    shard.extend([0; 1024]);
    fs_err::write(desk.path("shard.tar"), shard).unwrap();
    desk.ok(["extract", "--images", "shard.tar", "--out", "cifar"]);
    let rows = Atlas::open(&desk.path("cifar")).unwrap().images().unwrap();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    assert!(
        rows.iter()
            .all(|row| (row.width, row.height) == (32, 32) && row.label.as_deref() == Some("airplane"))
    );
}
