//! Tar files, whole and broken.

use super::*;
use tar::EntryType;

/// Builds tar files, good and bad.
struct TarFile(tar::Builder<Vec<u8>>);

impl TarFile {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mtime(1_000_000);
        self.0.append_data(&mut header, name, bytes).unwrap();
        self
    }

    /// Writes a name that the builder itself would refuse.
    fn raw(mut self, name: &[u8], kind: tar::EntryType, bytes: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

#[test]
fn members_are_listed_and_read_in_place() {
    let root = tempdir().unwrap();
    let long = format!("{}/{}.png", "d".repeat(150), "n".repeat(150));
    let bytes = TarFile::new()
        .raw(b"./", EntryType::Directory, b"")
        .file("./b/2.png", &png(2))
        .file("a/1.png", &png(1))
        .file(&long, &png(3))
        .file("a/.DS_Store", b"x")
        .file("empty.png", b"")
        .finish();
    let source = open(&write(root.path(), "x.tar", &bytes));
    assert_eq!(source.kind(), "tar");
    assert_eq!(names(&source), ["a/1.png", "b/2.png", long.as_str(), "empty.png"]);
    let entries = list(&source);
    assert_eq!(entries[1].label.as_deref(), Some("b"));
    assert_eq!(entries[3].label, None);
    for (entry, value) in entries.iter().zip([1, 2, 3]) {
        assert_eq!(source.read(entry).unwrap(), png(value));
        assert_eq!(source.find(&entry.path).unwrap().as_ref(), Some(entry));
    }
    assert_eq!(reason(&source, "empty.png"), RejectReason::Empty);
    assert_eq!(source.find(&ImagePath::from_bytes(b"c".to_vec())).unwrap(), None);
}

#[test]
fn pax_names_and_sizes_are_understood() {
    let root = tempdir().unwrap();
    let name = format!("{}/ünï.png", "p".repeat(200));
    let record = |key: &str, value: &str| {
        let body = format!(" {key}={value}\n");
        let len = body.len() + (body.len() + 3).to_string().len();
        format!("{len}{body}")
    };
    let pax = record("path", &name);
    let bytes = TarFile::new()
        .raw(b"global", EntryType::XGlobalHeader, record("comment", "hello").as_bytes())
        .raw(b"pax", EntryType::XHeader, pax.as_bytes())
        .raw(b"short", EntryType::Regular, &png(5))
        .finish();
    let source = open(&write(root.path(), "x.tar", &bytes));
    assert_eq!(names(&source), [name.as_str()]);
    assert_eq!(source.read(&list(&source)[0]).unwrap(), png(5));
}

#[test]
fn members_that_are_no_files_or_climb_out_are_rejected() {
    let root = tempdir().unwrap();
    let bytes = TarFile::new()
        .raw(b"link.png", EntryType::Symlink, b"")
        .raw(b"hard.png", EntryType::Link, b"")
        .raw(b"fifo.png", EntryType::Fifo, b"")
        .raw(b"../up.png", EntryType::Regular, &png(1))
        .raw(b"/etc/abs.png", EntryType::Regular, &png(1))
        .raw(b"a/../b.png", EntryType::Regular, &png(1))
        .raw(b"old-folder/", EntryType::Regular, b"")
        .finish();
    let source = open(&write(root.path(), "x.tar", &bytes));
    assert_eq!(
        names(&source),
        ["../up.png", "/etc/abs.png", "a/../b.png", "fifo.png", "hard.png", "link.png"]
    );
    for name in ["link.png", "hard.png", "fifo.png"] {
        assert_eq!(reason(&source, name), RejectReason::NotRegular, "{name}");
    }
    for name in ["../up.png", "/etc/abs.png", "a/../b.png"] {
        assert_eq!(reason(&source, name), RejectReason::Unreadable, "{name}");
    }
}

#[test]
fn sidecars_of_webdataset_describe_images() {
    let root = tempdir().unwrap();
    let bytes = TarFile::new()
        .file("000.cls", b" 7\n")
        .file("000.json", b"{}")
        .file("000.jpg", &png(1))
        .file("x/001.png", &png(1))
        .file("x/001.txt", b"a caption")
        .file("README.txt", b"alone, so perhaps an image")
        .file("002.cls", b"")
        .file("002.seg.png", &png(1))
        .finish();
    let source = open(&write(root.path(), "x.tar", &bytes));
    let rows: Vec<_> = list(&source).into_iter().map(|e| (e.path.display(), e.label)).collect();
    let row = |path: &str, label: Option<&str>| (path.to_owned(), label.map(ToOwned::to_owned));
    let expected = [
        row("000.jpg", Some("7")),
        row("002.seg.png", None),
        row("README.txt", None),
        row("x/001.png", Some("x")),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn several_shards_make_one_source() {
    let root = tempdir().unwrap();
    for (shard, value) in [("t-00.tar", 1), ("t-01.tar", 2), ("v-00.tar", 3)] {
        let bytes = TarFile::new().file("c/0.png", &png(value)).file("1.png", &png(value)).finish();
        write(root.path(), shard, &bytes);
    }
    write(root.path(), "classes.txt", b"c");
    let shards = |name: &str| open(&root.path().join(name));
    assert_eq!(
        names(&shards("t-*.tar")),
        ["t-00.tar/1.png", "t-00.tar/c/0.png", "t-01.tar/1.png", "t-01.tar/c/0.png"]
    );
    assert_eq!(list(&shards("t-{00..01}.tar")), list(&shards("t-*.tar")));
    assert_eq!(names(&shards("{t,v}-00.tar")).len(), 4);
    let source = open(root.path());
    assert_eq!((source.kind(), list(&source).len()), ("tar", 6));
    let entries = list(&source);
    assert_eq!(entries[5].label.as_deref(), Some("c"));
    assert_eq!(entries[4].label, None);
    assert_eq!(source.read(&entries[5]).unwrap(), png(3));
    assert_eq!(refusal(&root.path().join("t-{00..02}.tar")), "cannot read the source `…/t-02.tar`");

    // Beside images, tar files are only files that are no images.
    write(root.path(), "image.png", &png(1));
    let source = open(root.path());
    assert_eq!((source.kind(), list(&source).len()), ("folder", 5));
}

#[test]
fn twice_the_same_member_is_an_error() {
    let root = tempdir().unwrap();
    let bytes = TarFile::new().file("a.png", &png(1)).file("./a.png", &png(2)).finish();
    let path = write(root.path(), "x.tar", &bytes);
    assert_eq!(
        refusal(&path),
        "member `a.png` occurs twice, so its name does not tell which is meant: `…/x.tar`"
    );
}

#[test]
fn every_cut_of_a_tar_file_is_an_error() {
    let root = tempdir().unwrap();
    let long = "n".repeat(300) + ".png";
    let bytes = TarFile::new().file("a.png", &png(1)).file(&long, &png(2)).file("z.png", &[7; 700]).finish();
    assert_eq!(bytes.len() % 512, 0);
    for len in (0..bytes.len() - 512).step_by(128) {
        let text = refusal(&write(root.path(), "cut.tar", &bytes[..len]));
        assert!(text.starts_with("tar file is truncated ("), "{len} of {}: {text}", bytes.len());
    }
    assert_eq!(names(&open(&write(root.path(), "whole.tar", &bytes))).len(), 3);
}

#[test]
fn damaged_headers_are_an_error() {
    let root = tempdir().unwrap();
    let mut bytes = TarFile::new().file("a.png", &png(1)).file("b.png", &png(2)).finish();
    bytes[1024 + 3] ^= 1;
    assert_eq!(refusal(&write(root.path(), "x.tar", &bytes)), "cannot parse the tar file `…/x.tar`");
}

#[test]
fn a_tar_file_that_changes_is_noticed() {
    let root = tempdir().unwrap();
    let path = write(root.path(), "x.tar", &TarFile::new().file("a.png", &png(1)).finish());
    let source = open(&path);
    let entries = list(&source);
    write(root.path(), "x.tar", &TarFile::new().file("a.png", &png(2)).file("b.png", &png(3)).finish());
    assert_eq!(source.read(&entries[0]).unwrap_err().reason, RejectReason::InputChanged);
    assert!(matches!(source.entries(&Silent), Err(SourceError::Changed { .. })));
    assert_ne!(list(&open(&path))[0].stamp, entries[0].stamp);
    fs_err::remove_file(&path).unwrap();
    assert_eq!(source.read(&entries[0]).unwrap_err().reason, RejectReason::Vanished);
}

#[test]
fn threads_read_at_once() {
    let root = tempdir().unwrap();
    let tar = (0..200u8).fold(TarFile::new(), |tar, i| tar.file(&format!("{i:03}.png"), &png(i)));
    let source = open(&write(root.path(), "x.tar", &tar.finish()));
    let entries = list(&source);
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (source, entries) = (&source, &entries);
            scope.spawn(move || {
                for (entry, value) in entries.iter().zip(0..).skip(start).step_by(4) {
                    assert_eq!(source.read(entry).unwrap(), png(value));
                }
            });
        }
    });
}
