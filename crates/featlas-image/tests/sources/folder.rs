//! Folders, links, odd names, and files that change.

use super::*;

#[test]
fn every_visible_file_is_listed_in_byte_order() {
    let root = tempdir().unwrap();
    for name in ["b.jpg", "a/2.png", "a/1.txt", "a-x/3", ".hidden", ".git/4.png", "a/deep/er/5.png", "B.gif"]
    {
        write(root.path(), name, &png(1));
    }
    let source = open(root.path());
    assert_eq!(source.kind(), "folder");
    assert_eq!(names(&source), ["B.gif", "a-x/3", "a/1.txt", "a/2.png", "a/deep/er/5.png", "b.jpg"]);
    let labels: Vec<_> = list(&source).into_iter().map(|entry| entry.label).collect();
    let label = |text: &str| Some(text.to_owned());
    assert_eq!(labels, [None, label("a-x"), label("a"), label("a"), label("er"), None]);
}

#[test]
fn exclusions_prune() {
    let root = tempdir().unwrap();
    for name in ["keep.png", "notes.txt", "raw/1.png", "x/raw/2.png", "x/thumbs.db"] {
        write(root.path(), name, &png(1));
    }
    let exclude = vec!["*.txt".into(), "raw".into(), "x/*.db".into()];
    let source = Source::open(root.path(), &SourceOptions { exclude, ..options() }).unwrap();
    assert_eq!(names(&source), ["keep.png"]);
    assert_eq!(source.find(&ImagePath::from_bytes(b"raw/1.png".to_vec())).unwrap(), None);
}

#[test]
fn what_is_no_file_is_rejected_without_blocking() {
    let root = tempdir().unwrap();
    let folder = root.path();
    write(folder, "good.png", &png(1));
    mknodat(CWD, folder.join("fifo.png"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = UnixListener::bind(folder.join("socket.png")).unwrap();
    symlink("nowhere", folder.join("dangling.png")).unwrap();
    symlink("good.png", folder.join("link.png")).unwrap();
    symlink("/dev/zero", folder.join("zero.png")).unwrap();
    symlink("ring-b.png", folder.join("ring-a.png")).unwrap();
    symlink("ring-a.png", folder.join("ring-b.png")).unwrap();
    let source = open(folder);
    let odd = ["dangling.png", "fifo.png", "link.png", "ring-a.png", "ring-b.png", "socket.png", "zero.png"];
    assert_eq!(list(&source).len(), odd.len() + 1);
    for name in odd {
        assert_eq!(reason(&source, name), RejectReason::NotRegular, "{name}");
    }

    let source = Source::open(folder, &SourceOptions { follow_links: true, ..options() }).unwrap();
    assert_eq!(list(&source).len(), odd.len() + 1);
    for name in odd.iter().filter(|name| **name != "link.png") {
        let got = reason(&source, name);
        // A ring cannot even be examined.
        let expected =
            if name.starts_with("ring") { RejectReason::Unreadable } else { RejectReason::NotRegular };
        assert_eq!(got, expected, "{name}");
    }
    let link = source.find(&ImagePath::from_bytes(b"link.png".to_vec())).unwrap().unwrap();
    assert_eq!(source.read(&link).unwrap(), png(1));
}

#[test]
fn links_lead_out_only_when_asked() {
    let outside = tempdir().unwrap();
    write(outside.path(), "secret.png", &png(9));
    let root = tempdir().unwrap();
    write(root.path(), "in/1.png", &png(1));
    symlink(outside.path(), root.path().join("out")).unwrap();
    symlink(root.path(), root.path().join("in/loop")).unwrap();

    let source = open(root.path());
    assert_eq!(names(&source), ["in/1.png", "in/loop", "out"]);
    assert_eq!(reason(&source, "out"), RejectReason::NotRegular);
    let through = ImagePath::from_bytes(b"out/secret.png".to_vec());
    assert_eq!(source.find(&through).unwrap(), None);

    let source = Source::open(root.path(), &SourceOptions { follow_links: true, ..options() }).unwrap();
    let watch = Watch::default();
    let entries = source.entries(&watch).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].path.display(), "out/secret.png");
    assert_eq!(source.find(&through).unwrap().as_ref(), Some(&entries[1]));
    let warnings = watch.warnings.into_inner().unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("in/loop"), "{warnings:?}");
}

#[test]
fn find_never_climbs_out() {
    let outside = tempdir().unwrap();
    let root = outside.path().join("root");
    write(&root, "a/1.png", &png(1));
    write(&root, ".hidden/3.png", &png(3));
    write(outside.path(), "2.png", &png(2));
    let source = open(&root);
    for path in [
        "../2.png",
        "a/../a/1.png",
        "/etc/passwd",
        "",
        "a",
        "a/1.png/",
        "./a/1.png",
        ".hidden/3.png",
        "b.png",
    ] {
        assert_eq!(source.find(&ImagePath::from_bytes(path.into())).unwrap(), None, "{path}");
    }
    let found = source.find(&ImagePath::from_bytes(b"a/1.png".to_vec())).unwrap().unwrap();
    assert_eq!(found, list(&source)[0]);
}

#[test]
fn odd_names_survive() {
    let root = tempdir().unwrap();
    let long = "n".repeat(251) + ".png";
    let odd: [&[u8]; 9] = [
        b"two words.png",
        b"\"quotes\" 'n' all.png",
        b"<script>alert(1)<",
        b"new\nline.png",
        b"\xff\xfe invalid.png",
        b"-rf.png",
        "\u{202e}gnp.rtl".as_bytes(),
        b"..%2f.png2".strip_prefix(b"..").unwrap(),
        long.as_bytes(),
    ];
    for name in odd {
        write(root.path(), OsStr::from_bytes(name), &png(1));
    }
    let source = open(root.path());
    let entries = list(&source);
    assert_eq!(entries.len(), odd.len());
    for name in odd {
        let entry = source.find(&ImagePath::from_bytes(name.to_vec())).unwrap().unwrap();
        assert!(entries.contains(&entry));
        assert_eq!(source.read(&entry).unwrap(), png(1));
    }
    assert_eq!(entries.iter().filter(|entry| !entry.path.is_utf8()).count(), 1);
}

#[test]
fn changes_after_listing_are_noticed() {
    use RejectReason::{Empty, InputChanged, NotRegular, TooLarge, Vanished};

    let root = tempdir().unwrap();
    for name in ["gone", "grown", "shrunk", "emptied", "folder"] {
        write(root.path(), name, &png(1));
    }
    write(root.path(), "empty", b"");
    let limits = Limits { max_file_bytes: 1000, ..Limits::default() };
    write(root.path(), "large", &[0; 1001]);
    let source = Source::open(root.path(), &SourceOptions { limits, ..options() }).unwrap();
    let entries = list(&source);
    fs_err::remove_file(root.path().join("gone")).unwrap();
    write(root.path(), "grown", &[png(1), png(1)].concat());
    write(root.path(), "shrunk", &png(1)[..9]);
    write(root.path(), "emptied", b"");
    fs_err::remove_file(root.path().join("folder")).unwrap();
    fs_err::create_dir(root.path().join("folder")).unwrap();
    let reasons: Vec<_> = entries.iter().map(|entry| source.read(entry).unwrap_err().reason).collect();
    // By name: emptied, empty, folder, gone, grown, large, shrunk.
    let expected = [InputChanged, Empty, NotRegular, Vanished, InputChanged, TooLarge, InputChanged];
    assert_eq!(reasons, expected);
}

#[test]
fn stamps_tell_of_a_touch() {
    let root = tempdir().unwrap();
    let path = write(root.path(), "a.png", &png(1));
    let source = open(root.path());
    let before = list(&source)[0].stamp;
    assert_eq!(before.size_bytes, png(1).len() as u64);
    assert_eq!(list(&source)[0].stamp, before);
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    fs_err::OpenOptions::new().write(true).open(path).unwrap().file().set_modified(later).unwrap();
    assert_ne!(list(&source)[0].stamp, before);
}

#[test]
fn unreadable_folders_and_files_are_told_apart() {
    let root = tempdir().unwrap();
    let file = write(root.path(), "closed.png", &png(1));
    let folder = root.path().join("closed");
    write(&folder, "x.png", &png(1));
    let close = |path: &Path, mode| fs_err::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    close(&file, 0o000);
    if fs_err::read(&file).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let source = open(root.path());
    assert_eq!(reason(&source, "closed.png"), RejectReason::Unreadable);
    close(&folder, 0o000);
    let err = source.entries(&Silent).unwrap_err();
    assert!(matches!(&err, SourceError::ReadFolder { path, .. } if *path == folder), "{err}");
    let exclude = vec!["closed".into()];
    let source = Source::open(root.path(), &SourceOptions { exclude, ..options() }).unwrap();
    assert_eq!(names(&source), ["closed.png"]);
    close(&folder, 0o700);
}

#[test]
fn listing_counts_and_can_be_stopped() {
    let root = tempdir().unwrap();
    for i in 0..600 {
        write(root.path(), format!("{i:03}"), b"");
    }
    let source = open(root.path());
    let watch = Watch::default();
    assert_eq!(source.entries(&watch).unwrap().len(), 600);
    assert_eq!(watch.advanced.load(Ordering::Relaxed), 600);
    watch.cancelled.store(true, Ordering::Relaxed);
    assert!(matches!(source.entries(&watch), Err(SourceError::Cancelled)));
}

#[test]
fn locations_that_hold_no_images_are_named() {
    let root = tempdir().unwrap();
    let kind = "expected a folder, a list (.csv, .tsv, .txt), a tar file or an idx file, got ";
    for (name, bytes, got) in [
        ("one.png", png(1), "a single image (give its folder, or name it in a list)"),
        (
            "t.tar.gz",
            gzip(b"anything"),
            "a compressed file (decompress it: members of a tar are read in place)",
        ),
        ("l.parquet", b"PAR1....".to_vec(), "a Parquet file that was not read as a list"),
        ("x.bin", b"what".to_vec(), "a file of another kind"),
    ] {
        let path = write(root.path(), name, &bytes);
        assert_eq!(refusal(&path), format!("{kind}{got}: `…/{name}`"));
    }
    assert_eq!(refusal(&root.path().join("nowhere")), "cannot read the source `…/nowhere`");
    assert_eq!(refusal(&root.path().join("no-*.tar")), "no tar file matches `…/no-*.tar`");
}
