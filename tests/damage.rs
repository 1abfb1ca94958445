//! A disk that lies: every flipped bit is found, and no damaged file is used.

use featlas_e2e::{Desk, snapshot};

#[test]
fn check_finds_a_flipped_bit_in_any_file() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    let images = desk.draw_images(2, 4);
    fs_err::write(images.join("page.jpg"), "<html>").unwrap();
    let config = "images = [\"images\"]\nout = \"atlas\"\nmax-rejects = 1.0\n\
                  [[poster]]\nkind = \"grid\"\nsize-px = 200\n[gallery]\ntop = 1\n";
    fs_err::write(desk.path("c.toml"), config).unwrap();
    desk.ok(["run", "c.toml"]);
    desk.ok(["check", "atlas"]);
    let atlas = desk.path("atlas");
    let files = snapshot(&atlas);
    let (mut kinds, mut checked) = (std::collections::BTreeSet::new(), 0_usize);
    for (number, (file, (bytes, _))) in files.iter().enumerate() {
        if file.starts_with(".lock") {
            continue;
        }
        // The channel sheets are 128 files of one kind: every sixteenth stands for them.
        if file.starts_with("galleries") && number % 16 != 0 {
            continue;
        }
        let place = (number * 7919) % bytes.len();
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (number % 8);
        fs_err::write(atlas.join(file), &flipped).unwrap();
        let said = desk.run(["check", "atlas"]);
        assert_eq!(said.code, Some(1), "{} byte {place}: {}", file.display(), said.stderr);
        assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
        fs_err::write(atlas.join(file), bytes).unwrap();
        kinds.insert(file.components().next().unwrap().as_os_str().to_owned());
        checked += 1;
    }
    assert!(checked > 20, "{checked} files were tried");
    for kind in [
        "atlas.json",
        "commits",
        "features",
        "rejects",
        "index",
        "maps",
        "posters",
        "galleries",
        "report",
        "run.json",
    ] {
        assert!(kinds.contains(std::ffi::OsStr::new(kind)), "no file of {kind} was tried");
    }
    desk.ok(["check", "atlas"]);
}

#[test]
fn a_missing_file_and_a_foreign_one_are_told_apart() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    desk.draw_images(1, 3);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    fs_err::write(desk.path("atlas/features/stray.parquet"), "x").unwrap();
    let said = desk.ok(["check", "atlas"]);
    assert!(said.stderr.contains("stray.parquet"), "{}", said.stderr);
    let shard = fs_err::read_dir(desk.path("atlas/features"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| !path.ends_with("stray.parquet"))
        .unwrap();
    fs_err::remove_file(&shard).unwrap();
    let said = desk.run(["check", "atlas"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains(shard.file_name().unwrap().to_str().unwrap()), "{}", said.stderr);
}

#[test]
fn a_damaged_index_is_refused_by_name() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    desk.draw_images(2, 5);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    desk.ok(["index", "atlas"]);
    let image = format!("images/{}/000.jpg", featlas_scenes::classes()[0]);
    let list = || -> Vec<_> {
        let entries = fs_err::read_dir(desk.path("atlas/index")).unwrap();
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "bin"))
            .collect();
        files.sort();
        files
    };
    let files = list();
    assert_eq!(files.len(), 2, "the index and its rows: {files:?}");
    for path in &files {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = fs_err::read(path).unwrap();
        for damaged in [&bytes[..bytes.len() / 2], b"", &[&bytes[..40], &[0xFF; 8], &bytes[48..]].concat()] {
            fs_err::write(path, damaged).unwrap();
            let said = desk.run(["query", "atlas", &image, "--k", "2"]);
            assert_eq!(said.code, Some(1), "{}", said.stderr);
            assert!(said.stderr.contains(&file), "{}", said.stderr);
            assert!(said.stderr.contains("hint: run `featlas index ATLAS`"), "{}", said.stderr);
            assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
        }
        fs_err::write(path, &bytes).unwrap();
    }
    let whole = desk.ok(["query", "atlas", &image, "--k", "2"]).stdout;
    // What the hint says works for a missing file too; a new index has files of other names.
    for file in 0..files.len() {
        fs_err::remove_file(&list()[file]).unwrap();
        let said = desk.run(["query", "atlas", &image, "--k", "2"]);
        assert!(said.stderr.contains("hint: run `featlas index ATLAS`"), "{}", said.stderr);
        desk.ok(["index", "atlas"]);
        assert_eq!(desk.ok(["query", "atlas", &image, "--k", "2"]).stdout, whole);
        desk.ok(["check", "atlas"]);
    }
}

#[test]
fn a_damaged_index_is_built_anew() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    desk.draw_images(2, 5);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    desk.ok(["index", "atlas"]);
    let image = format!("images/{}/000.jpg", featlas_scenes::classes()[0]);
    let answer = || desk.ok(["query", "atlas", &image, "--k", "5", "--json"]).stdout;
    let before = answer();
    for at in 0..4 {
        let folder = fs_err::read_dir(desk.path("atlas/index")).unwrap();
        let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        files.sort_unstable();
        assert_eq!(files.len(), 4, "graph, insights, recall, rows: {files:?}");
        let path = &files[at];
        let mut bytes = fs_err::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs_err::write(path, bytes).unwrap();
        let said = desk.ok(["index", "atlas"]);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(said.stderr.contains("the index is built anew"), "{}", said.stderr);
        assert!(said.stderr.contains(&name), "{}", said.stderr);
        assert_eq!(answer(), before);
        desk.ok(["check", "atlas"]);
        let again = desk.ok(["index", "atlas"]);
        assert!(again.stderr.contains("up to date"), "{}", again.stderr);
    }
}
