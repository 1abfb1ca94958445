//! Flipped bits, cut files, exchanged files: all found, none believed.

use crate::support::*;
use featlas_core::Silent;
use featlas_store::{Atlas, CheckReport, Manifest, Schema, SourceRecord, StoreError, check};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

fn check_quietly(root: &Path) -> CheckReport {
    catch_unwind(AssertUnwindSafe(|| check(root, &Silent).unwrap())).expect("a check never panics")
}

/// Damages one file after another, and asserts that each damage is found and never read as data.
fn assert_found(damages: impl Fn(&[u8], &mut Stream) -> Vec<(String, Vec<u8>)>, at_least: usize) {
    let (_folder, atlas) = full_atlas();
    let root = atlas.root();
    let truth = read_everything(root).unwrap();
    assert_eq!(check_quietly(root).problems, []);
    let mut stream = Stream::new(7);
    let mut count = 0;
    for (name, bytes) in files(root) {
        for (what, damaged) in damages(&bytes, &mut stream) {
            if damaged == bytes {
                continue;
            }
            fs_err::write(root.join(&name), &damaged).unwrap();
            let report = check_quietly(root);
            assert!(report.problems.iter().any(|p| p.file == name), "{name}: {what}: {report:?}");
            assert_eq!(report.problems.len(), 1, "{name}: {what}: one damage is one problem: {report:?}");
            let read = catch_unwind(|| read_everything(root)).expect("reading never panics");
            let text = read.expect_err(&format!("{name}: {what}: was believed")).to_string();
            assert!(text.contains(name.rsplit('/').next().unwrap()), "{name}: {what}: {text}");
            count += 1;
        }
        fs_err::write(root.join(&name), &bytes).unwrap();
    }
    assert_eq!(read_everything(root).unwrap(), truth);
    assert!(count >= at_least, "{count} damages");
}

#[test]
fn every_flipped_bit_is_found() {
    assert_found(
        |bytes, stream| {
            let len = bytes.len() as u64;
            // The ends, where headers, footers and lengths are, and seeded places between.
            let mut bits: Vec<u64> = (0..8).chain((len - 4) * 8..len * 8).collect();
            bits.extend((0..40).map(|_| stream.below(len * 8)));
            bits.into_iter()
                .map(|bit| {
                    let mut damaged = bytes.to_vec();
                    damaged[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
                    (format!("bit {bit}"), damaged)
                })
                .collect()
        },
        1200,
    );
}

#[test]
fn every_cut_and_every_addition_is_found() {
    assert_found(
        |bytes, stream| {
            let len = bytes.len();
            let mut lens = vec![0, 1, len / 2, len - 1];
            lens.extend((0..4).map(|_| usize::try_from(stream.below(len as u64)).unwrap()));
            let mut damages: Vec<_> =
                lens.into_iter().map(|len| (format!("cut to {len}"), bytes[..len].to_vec())).collect();
            damages.push(("one byte more".to_owned(), [bytes, b"\n"].concat()));
            damages.push(("zeros of the same length".to_owned(), vec![0; len]));
            damages
        },
        100,
    );
}

#[test]
fn exchanged_files_are_found() {
    let (_folder, atlas) = full_atlas();
    let names: Vec<String> =
        atlas.commits().iter().flat_map(|c| c.features.iter().map(|f| f.file.clone())).collect();
    let [a, b] = [&names[0], &names[1]].map(|name| atlas.root().join(name));
    let bytes = fs_err::read(&a).unwrap();
    fs_err::copy(&b, &a).unwrap();
    fs_err::write(&b, bytes).unwrap();
    assert_eq!(check_quietly(atlas.root()).problems.len(), 2);
    assert!(read_everything(atlas.root()).is_err());
}

/// What is read of a large shard is either right or an error, whichever of its bytes was changed; what needs other parts of it is
/// still told.
#[test]
fn a_part_of_a_large_shard_is_verified_alone() {
    let folder = tempfile::tempdir().unwrap();
    let schema = Schema { dim: 4096, ..schema() };
    let source = SourceRecord::new("folder", Path::new("/photos"), serde_json::Value::Null);
    let manifest = Manifest::new(fingerprint(), schema.clone(), vec![source]);
    let mut atlas = Atlas::create(&folder.path().join("atlas"), &manifest).unwrap();
    let mut shard = writer(&atlas);
    (0..150).for_each(|id| shard.push(row_of(&schema, id)).unwrap());
    let file = shard.commit(&mut atlas, &[]).unwrap().features.unwrap();
    let path = atlas.root().join(&file.file);
    let bytes = fs_err::read(&path).unwrap();
    let open = || Atlas::open(atlas.root()).unwrap();
    let wanted = ids(&[3, 77, 149]);
    let (images, features) = (open().images_of(&wanted).unwrap(), open().features(&Silent).unwrap());
    assert_eq!(images.len(), 3);
    let mut stream = Stream::new(3);
    let (mut told, mut refused) = (0, 0);
    for _ in 0..60 {
        let bit = stream.below(bytes.len() as u64 * 8);
        let mut damaged = bytes.clone();
        damaged[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        fs_err::write(&path, damaged).unwrap();
        match open().images_of(&wanted) {
            Ok(got) => {
                assert_eq!(got, images, "bit {bit}");
                told += 1;
            }
            Err(err) => {
                assert!(matches!(err, StoreError::Digest { .. }), "bit {bit}: {err}");
                refused += 1;
            }
        }
        match open().features(&Silent) {
            Ok(got) => assert_eq!(got, features, "bit {bit}"),
            Err(err) => assert!(matches!(err, StoreError::Digest { .. }), "bit {bit}: {err}"),
        }
        assert_eq!(check_quietly(atlas.root()).problems.len(), 1, "bit {bit}");
    }
    assert!(told > 30 && refused > 3, "{told} told, {refused} refused");
}

#[test]
fn every_missing_file_is_found() {
    let (_folder, atlas) = full_atlas();
    for (name, bytes) in files(atlas.root()) {
        if name == "run.json" {
            continue; // An atlas that no run has described yet has none.
        }
        fs_err::remove_file(atlas.root().join(&name)).unwrap();
        let report = check_quietly(atlas.root());
        assert_eq!(report.problems.len(), 1, "{name}: {report:?}");
        assert_eq!(report.problems[0].file, name);
        fs_err::write(atlas.root().join(&name), bytes).unwrap();
    }
    assert_eq!(check_quietly(atlas.root()).problems, []);
}

#[test]
fn a_sound_atlas_is_counted() {
    let (_folder, atlas) = full_atlas();
    let report = check_quietly(atlas.root());
    let all = files(atlas.root());
    assert_eq!(report.files, all.len() as u64);
    assert_eq!(report.bytes, all.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    assert_eq!(report.rows, 6);
    assert_eq!((report.problems, report.orphans), (vec![], vec![]));
}

#[test]
fn a_folder_that_is_no_atlas_is_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("photo.jpg"), b"").unwrap();
    let err = check(folder.path(), &Silent).unwrap_err();
    assert!(err.to_string().starts_with("the folder is no atlas: "), "{err}");
}
