//! Garbage collection takes what nothing refers to, and nothing else.

use crate::support::*;
use featlas_core::Silent;
use featlas_store::{StoreError, TEMP_PREFIX, check, gc};
use std::path::Path;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_hours(24);

fn put(root: &Path, name: &str, age: Duration) {
    let path = root.join(name);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, b"left").unwrap();
    let file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
    file.file().set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn only_old_orphans_of_our_folders_go() {
    let (_folder, atlas) = full_atlas();
    let root = atlas.root();
    let mut expected = files(root);
    let temp = |name: &str| format!("{name}{TEMP_PREFIX}x");
    let old = [
        temp(""),
        temp("commits/"),
        temp("features/"),
        "features/00000009-0123.parquet".to_owned(),
        "galleries/conv9/000.png".to_owned(),
        "thumbs/00000009-0123.parquet".to_owned(),
    ];
    for name in &old {
        put(root, name, DAY * 2);
    }
    put(root, "features/00000008-0123.parquet", DAY / 2);
    put(root, "notes.txt", DAY * 400);
    put(root, "mine/photo.jpg", DAY * 400);
    let all = files(root);

    let mut names = old.to_vec();
    names.sort();
    let report = gc(root, true, DAY).unwrap();
    let mut removed = report.removed.clone();
    removed.sort();
    assert_eq!(removed, names);
    assert_eq!(
        (report.bytes, report.kept.as_slice()),
        (24, &["features/00000008-0123.parquet".to_owned()][..])
    );
    assert_eq!(files(root), all, "a dry run only tells");

    assert_eq!(gc(root, false, DAY).unwrap(), report);
    for name in ["features/00000008-0123.parquet", "notes.txt", "mine/photo.jpg"] {
        expected.insert(name.to_owned(), b"left".to_vec());
    }
    expected.insert(".lock".to_owned(), vec![]);
    assert_eq!(files(root), expected);
    assert!(!root.join("galleries/conv9").exists(), "emptied folders go");
    assert!(root.join("galleries/conv5").exists());

    assert_eq!(gc(root, false, Duration::ZERO).unwrap().removed, ["features/00000008-0123.parquet"]);
    assert_eq!(check(root, &Silent).unwrap().problems, []);
    assert_eq!(gc(root, false, Duration::ZERO).unwrap().removed, [""; 0]);
}

#[test]
fn files_from_the_future_are_young() {
    let (_folder, atlas) = full_atlas();
    put(atlas.root(), "index/new.bin", Duration::ZERO);
    let file = fs_err::OpenOptions::new().write(true).open(atlas.root().join("index/new.bin")).unwrap();
    file.file().set_modified(SystemTime::now() + DAY * 400).unwrap();
    assert_eq!(gc(atlas.root(), false, DAY).unwrap().kept, ["index/new.bin"]);
}

#[test]
fn nothing_is_removed_while_somebody_writes_or_something_is_damaged() {
    let (_folder, atlas) = full_atlas();
    let root = atlas.root();
    put(root, "features/left.parquet", DAY * 2);
    let lock = atlas.lock().unwrap();
    assert!(matches!(gc(root, false, DAY), Err(StoreError::Locked { .. })));
    drop(lock);
    for name in ["atlas.json", "commits/00000002.json"] {
        let bytes = fs_err::read(root.join(name)).unwrap();
        fs_err::write(root.join(name), b"{}").unwrap();
        assert!(gc(root, false, DAY).is_err(), "{name}");
        fs_err::write(root.join(name), bytes).unwrap();
    }
    assert!(root.join("features/left.parquet").exists());
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(gc(folder.path(), false, DAY), Err(StoreError::NotAnAtlas { .. })));
    assert_eq!(files(folder.path()).len(), 0);
}

#[cfg(unix)]
#[test]
fn a_link_goes_but_not_what_it_points_to() {
    let (_folder, atlas) = full_atlas();
    let outside = tempfile::tempdir().unwrap();
    fs_err::write(outside.path().join("precious"), b"x").unwrap();
    fs_err::os::unix::fs::symlink(outside.path(), atlas.root().join("posters/link")).unwrap();
    assert_eq!(gc(atlas.root(), false, Duration::ZERO).unwrap().removed, ["posters/link"]);
    assert!(outside.path().join("precious").exists());
}
