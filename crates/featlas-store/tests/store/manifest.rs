//! Making, opening and changing an atlas; its maps and other files.

use crate::support::*;
use featlas_core::ImageId;
use featlas_store::{Atlas, FileRecord, Manifest, StageRecord, StoreError, map_file, read_map, write_map};
use std::io::Write as _;
use std::path::Path;

fn stage(atlas: &Atlas, outputs: Vec<FileRecord>) -> StageRecord {
    StageRecord { inputs: atlas.features_digest(), params: serde_json::json!({}), outputs, secs: 0.1 + 0.2 }
}

#[test]
fn an_atlas_is_made_once_and_in_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/atlas");
    Atlas::create(&root, &manifest()).unwrap();
    assert!(matches!(Atlas::create(&root, &manifest()), Err(StoreError::AlreadyAnAtlas { .. })));

    let photos = folder.path().join("photos");
    fs_err::create_dir(&photos).unwrap();
    fs_err::write(photos.join("cat.jpg"), b"").unwrap();
    let err = Atlas::create(&photos, &manifest()).unwrap_err();
    assert!(err.to_string().starts_with("expected a new or empty folder, found `cat.jpg` in it: "), "{err}");
}

#[test]
fn a_killed_making_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("commits")).unwrap();
    fs_err::write(folder.path().join(".tmp-abc"), b"{").unwrap();
    fs_err::write(folder.path().join(".lock"), b"").unwrap();
    Atlas::create(folder.path(), &manifest()).unwrap();
}

#[test]
fn commits_without_a_manifest_are_not_adopted() {
    let (_folder, atlas) = full_atlas();
    for folder in ["features", "thumbs", "rejects", "maps", "index", "posters", "galleries", "report"] {
        fs_err::remove_dir_all(atlas.root().join(folder)).unwrap();
    }
    fs_err::remove_file(atlas.root().join("run.json")).unwrap();
    fs_err::remove_file(atlas.root().join("atlas.json")).unwrap();
    assert!(matches!(Atlas::create(atlas.root(), &manifest()), Err(StoreError::NotEmpty { .. })));
}

#[test]
fn what_is_no_atlas_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs_err::write(&file, b"").unwrap();
    for path in [folder.path(), &folder.path().join("nothing"), &file] {
        let err = Atlas::open(path).unwrap_err();
        assert_eq!(
            err.to_string(),
            format!("the folder is no atlas: it holds no `atlas.json`: `{}`", path.display())
        );
    }
}

#[test]
fn each_one_field_change_is_refused_with_both_values() {
    let (_folder, atlas) = empty_atlas();
    atlas.require_fingerprint(&fingerprint()).unwrap();
    for (name, value) in fingerprint().fields() {
        let err = atlas.require_fingerprint(&fingerprint().with(name, "new")).unwrap_err();
        let text = format!(
            "the atlas was made in another way: `{name}` is `{value}` in the atlas and `new` here: `{}`",
            atlas.root().display()
        );
        assert_eq!(err.to_string(), text);
        assert!(err.hint().is_some());
    }
    let err = atlas.require_fingerprint(&fingerprint().with("dtype", "f16")).unwrap_err();
    assert!(err.to_string().contains("`dtype` is `(absent)` in the atlas and `f16` here"), "{err}");
}

#[test]
fn of_long_values_the_part_that_differs_is_quoted() {
    let ranges: Vec<String> = (1..=20).map(|i| format!("conv{i} -1.50e0 2.5{i}e1")).collect();
    let ranges = format!("128 images; {}", ranges.join("; "));
    let folder = tempfile::tempdir().unwrap();
    let fingerprint_of = |ranges: &str| fingerprint().with("calibration", ranges);
    let manifest = Manifest::new(fingerprint_of(&ranges), schema(), manifest().sources);
    let atlas = Atlas::create(&folder.path().join("atlas"), &manifest).unwrap();
    let other = ranges.replace("2.59e1", "2.60e1");
    for (asked, theirs, mine) in [
        (fingerprint(), "128 images; conv1 -1.50e0 2.51e1; conv2 -1.50e0 2.52e1; conv3 -1…", "(absent)"),
        (
            fingerprint_of(&other),
            "…conv9 -1.50e0 2.59e1; conv10 -1.50e0 2.510e1; conv11 -1.50e0 2.5…",
            "…conv9 -1.50e0 2.60e1; conv10 -1.50e0 2.510e1; conv11 -1.50e0 2.5…",
        ),
    ] {
        let err = atlas.require_fingerprint(&asked).unwrap_err();
        let text = format!(
            "the atlas was made in another way: `calibration` is `{theirs}` in the atlas and `{mine}` here: `{}`",
            atlas.root().display()
        );
        assert_eq!(err.to_string(), text);
    }
}

#[test]
fn a_change_of_nothing_writes_nothing() {
    let (_folder, mut atlas) = full_atlas();
    let before = (atlas.generation(), files(atlas.root()));
    let modified = || fs_err::metadata(atlas.root().join("atlas.json")).unwrap().modified().unwrap();
    let time = modified();
    let mut again = Atlas::open(atlas.root()).unwrap();
    again.update_manifest(|_| {}).unwrap();
    let same = again.manifest().stages.clone();
    again.update_manifest(|manifest| manifest.stages = same).unwrap();
    assert_eq!((again.generation(), files(again.root())), before);
    assert_eq!(modified(), time);

    commit(&mut atlas, &[10], &[], &[]);
    atlas.update_manifest(|_| {}).unwrap();
    assert_eq!((atlas.generation(), atlas.manifest().num_commits), (before.0 + 1, 4));
    assert_eq!(Atlas::open(atlas.root()).unwrap().manifest(), atlas.manifest());
}

#[test]
fn fractions_survive_to_the_last_bit() {
    // A parameter that came back another number would make its stage stale for ever.
    let (_folder, mut atlas) = empty_atlas();
    for (i, value) in
        [0.1 + 0.2, 1e-300, 5e-324, 1.797e308, 2.0 / 3.0, 123_456_789.123_456_79].iter().enumerate()
    {
        let stage =
            StageRecord { params: serde_json::json!({"p": value}), secs: *value, ..stage(&atlas, vec![]) };
        atlas.update_manifest(|m| drop(m.stages.insert(i.to_string(), stage))).unwrap();
    }
    assert_eq!(Atlas::open(atlas.root()).unwrap().manifest(), atlas.manifest());
}

#[test]
fn two_owners_do_not_overwrite_each_others_manifest() {
    let (_folder, mut first) = empty_atlas();
    let mut second = Atlas::open(first.root()).unwrap();
    let stage = stage(&first, vec![]);
    first.update_manifest(|m| drop(m.stages.insert("index".into(), stage.clone()))).unwrap();
    let err = second.update_manifest(|m| drop(m.stages.insert("embed".into(), stage))).unwrap_err();
    assert!(matches!(err, StoreError::ManifestChanged { .. }), "{err}");
    assert!(Atlas::open(first.root()).unwrap().manifest().stages.contains_key("index"));
}

#[test]
fn what_an_atlas_is_never_changes() {
    type Change = fn(&mut featlas_store::Manifest);
    let (_folder, mut atlas) = empty_atlas();
    let before = files(atlas.root());
    let changes: [(&str, Change); 3] = [
        ("fingerprint", |m| m.fingerprint.set("weights".into(), "x".into())),
        ("schema", |m| m.schema.dim = 3),
        ("format_version", |m| m.format_version = 2),
    ];
    for (field, change) in changes {
        let err = atlas.update_manifest(change).unwrap_err();
        assert!(matches!(err, StoreError::ManifestFixed { field: f, .. } if f == field), "{err}");
    }
    let record = atlas.write_file("index/a", b"a").unwrap();
    let record = FileRecord { file: "../outside".into(), ..record };
    let stage = stage(&atlas, vec![record]);
    let err = atlas.update_manifest(|m| drop(m.stages.insert("index".into(), stage))).unwrap_err();
    assert!(matches!(err, StoreError::BadName { .. }), "{err}");
    fs_err::remove_dir_all(atlas.root().join("index")).unwrap();
    assert_eq!(files(atlas.root()), before);
}

#[test]
fn a_manifest_of_a_later_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut later = manifest();
    later.format_version = 9;
    let err = Atlas::create(folder.path(), &later).unwrap_err();
    assert!(err.to_string().starts_with("expected format version 1, got 9: "), "{err}");
    assert_eq!(files(folder.path()).len(), 0);
}

#[test]
fn a_map_comes_back_with_its_parameters() {
    let (_folder, mut atlas) = empty_atlas();
    let points =
        [(ImageId(7), -0.0, f32::MIN_POSITIVE), (ImageId(2), 1.5, f32::MAX), (ImageId(u64::MAX), 0.0, 1.0)];
    let params = [("perplexity".to_owned(), "30".to_owned()), ("seed".to_owned(), String::new())];
    let record = write_map(&atlas, "tsne", &points, &params).unwrap();
    assert_eq!(record.file, map_file("tsne"));
    assert!(matches!(read_map(&atlas, "tsne"), Err(StoreError::NotRecorded { .. })));
    let stage = stage(&atlas, vec![record]);
    atlas.update_manifest(|m| drop(m.stages.insert("embed".into(), stage))).unwrap();
    let map = read_map(&atlas, "tsne").unwrap();
    assert_eq!(map.points, points);
    assert!(params.iter().all(|param| map.params.contains(param)), "{:?}", map.params);

    let err = write_map(&atlas, "pca", &[(ImageId(3), 0.0, f32::NAN)], &[]).unwrap_err();
    assert_eq!(err.to_string(), "row of image 3: its place (0, NaN) on the map `pca` is not finite");
    assert!(write_map(&atlas, "../pca", &[], &[]).is_err());
    let empty = write_map(&atlas, "empty", &[], &[]).unwrap();
    let stage = crate::manifest::stage(&atlas, vec![empty]);
    atlas.update_manifest(|m| drop(m.stages.insert("empty".into(), stage))).unwrap();
    assert_eq!(read_map(&atlas, "empty").unwrap().points, []);
}

#[test]
fn files_of_stages_are_recorded_and_verified() {
    let (_folder, mut atlas) = empty_atlas();
    let mut file = atlas.create_file("index/graph.bin").unwrap();
    file.write_all(b"gra").unwrap();
    file.write_all(b"ph").unwrap();
    let first = file.commit().unwrap();
    fs_err::write(atlas.root().join("index/vectors.bin"), b"vectors").unwrap();
    let second = atlas.record_file("index/vectors.bin").unwrap();
    assert_eq!(second, atlas.write_file("index/vectors.bin", b"vectors").unwrap());
    assert!(matches!(atlas.record_file("index/none"), Err(StoreError::Missing { .. })));
    let stage = stage(&atlas, vec![first, second]);
    atlas.update_manifest(|m| drop(m.stages.insert("index".into(), stage))).unwrap();

    assert_eq!(atlas.read_file("index/graph.bin").unwrap(), b"graph");
    assert!(atlas.open_file("index/vectors.bin").is_ok());
    fs_err::write(atlas.root().join("index/vectors.bin"), b"vector").unwrap();
    let err = atlas.open_file("index/vectors.bin").unwrap_err();
    assert!(
        matches!(err, StoreError::Length { expected: 7, got: 6, .. }),
        "also after it was verified: {err}"
    );
    fs_err::write(atlas.root().join("index/graph.bin"), b"graqh").unwrap();
    assert!(matches!(atlas.read_file("index/graph.bin"), Err(StoreError::Digest { .. })));
    assert!(matches!(atlas.open_file("index/graph.bin"), Err(StoreError::Digest { .. })));
    fs_err::write(atlas.root().join("index/graph.bin"), b"graphs").unwrap();
    assert!(matches!(
        atlas.read_file("index/graph.bin"),
        Err(StoreError::Length { expected: 5, got: 6, .. })
    ));
    assert!(matches!(atlas.read_file("index/other"), Err(StoreError::NotRecorded { .. })));
}

#[test]
fn a_run_is_read_as_it_was_written() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Run {
        zebra: u64,
        apple: Vec<f64>,
    }
    let (_folder, atlas) = empty_atlas();
    assert_eq!(atlas.read_run::<Run>().unwrap(), None);
    let run = Run { zebra: u64::MAX, apple: vec![0.1, 0.2] };
    atlas.write_run(&run).unwrap();
    assert_eq!(atlas.read_run::<Run>().unwrap(), Some(run));
    let text = fs_err::read_to_string(atlas.root().join("run.json")).unwrap();
    assert!(text.find("zebra") < text.find("apple"), "members keep their order: {text}");
    assert!(matches!(atlas.write_run(&3), Err(StoreError::Json { .. })));
    assert!(Path::new(&atlas.root().join("run.json")).exists());
}

#[test]
fn the_lock_names_its_holder() {
    let (_folder, atlas) = empty_atlas();
    let lock = atlas.lock().unwrap();
    let err = Atlas::open(atlas.root()).unwrap().lock().unwrap_err();
    let text = format!("the atlas is in use by process {} on ", std::process::id());
    assert!(err.to_string().starts_with(&text), "{err}");
    drop(lock);
    atlas.lock().unwrap();
}
