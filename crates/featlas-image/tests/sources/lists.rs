//! Lists of paths.

use super::*;

fn folder() -> TempDir {
    let root = tempdir().unwrap();
    for name in ["cat/1.png", "dog/2.png", "with, comma/3.png", "\"q\".png"] {
        write(root.path(), name, &png(1));
    }
    root
}

#[test]
fn csv_with_labels() {
    let root = folder();
    let text = "\u{feff}id,path,label\r\n1,dog/2.png,canine\r\n2,./cat//1.png,\r\n3,\"with, comma/3.png\",other\r\n\
                4,\"\"\"q\"\".png\",quoted\r\n";
    let source = open(&write(root.path(), "list.csv", text.as_bytes()));
    assert_eq!(source.kind(), "list");
    let entries = list(&source);
    let rows: Vec<_> = entries.iter().map(|e| (e.path.display(), e.label.clone())).collect();
    let row = |path: &str, label: Option<&str>| (path.to_owned(), label.map(ToOwned::to_owned));
    let expected = [
        row("\"q\".png", Some("quoted")),
        row("cat/1.png", None),
        row("dog/2.png", Some("canine")),
        row("with, comma/3.png", Some("other")),
    ];
    assert_eq!(rows, expected);
    for entry in &entries {
        assert_eq!(source.read(entry).unwrap(), png(1));
        assert_eq!(source.find(&entry.path).unwrap().as_ref(), Some(entry));
    }
    assert_eq!(source.find(&ImagePath::from_bytes(b"list.csv".to_vec())).unwrap(), None);
}

#[test]
fn other_columns_and_tabs() {
    let root = folder();
    let path = write(root.path(), "list.tsv", b"file\tkind\ncat/1.png\tfeline\nmissing.png\t?\n");
    let columns =
        SourceOptions { path_column: "file".into(), label_column: Some("kind".into()), ..options() };
    let source = Source::open(&path, &columns).unwrap();
    assert_eq!(list(&source)[0].label.as_deref(), Some("feline"));
    assert_eq!(reason(&source, "missing.png"), RejectReason::Vanished);
    assert_eq!(refusal(&path), "no column `path` in the list; its columns are `file`, `kind`: `…/list.tsv`");
    let columns =
        SourceOptions { path_column: "file".into(), label_column: Some("class".into()), ..options() };
    let err = Source::open(&path, &columns).unwrap_err().to_string();
    assert!(err.starts_with("no column `class` in the list; its columns are `file`, `kind`"), "{err}");
}

#[test]
fn lines_take_the_folder_as_label() {
    let root = folder();
    let absolute = root.path().join("dog/2.png");
    let text = format!("cat/1.png\r\n\n{}\n#not a comment.png", absolute.display());
    let source = open(&write(root.path(), "list.txt", text.as_bytes()));
    let entries = list(&source);
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1].label.as_deref(), Some("dog"));
    assert_eq!(entries[1].path.as_path(), absolute);
    assert_eq!(source.read(&entries[1]).unwrap(), png(1));
    assert_eq!(entries[2].label.as_deref(), Some("cat"));
}

#[test]
fn faults_name_their_lines() {
    let root = folder();
    for (name, text, message) in [
        (
            "twice.csv",
            "path\na.png\nb.png\n./a.png\n",
            "image `a.png` is listed twice, at lines 2 and 4; remove one: `…/twice.csv`",
        ),
        (
            "twice.txt",
            "a\n\nb\na\n",
            "image `a` is listed twice, at lines 1 and 4; remove one: `…/twice.txt`",
        ),
        ("empty.csv", "path,label\na,1\n,2\n", "row at line 3 has no path: `…/empty.csv`"),
        ("ragged.csv", "path,label\na\n", "cannot parse the list `…/ragged.csv`"),
        ("none.csv", "", "no column `path` in the list; its columns are none at all: `…/none.csv`"),
    ] {
        assert_eq!(refusal(&write(root.path(), name, text.as_bytes())), message);
    }
}

#[test]
fn rows_from_elsewhere() {
    let root = folder();
    let row =
        |path: &str, label: Option<&str>| ListRow { path: path.into(), label: label.map(ToOwned::to_owned) };
    let rows = vec![row("dog/2.png", None), row("cat/1.png", None)];
    let source = Source::from_list(rows, root.path(), &options()).unwrap();
    let labels: Vec<_> = list(&source).into_iter().map(|entry| entry.label.unwrap()).collect();
    assert_eq!(labels, ["cat", "dog"]);
    let rows = vec![row("dog/2.png", Some("x")), row("cat/1.png", None)];
    let source = Source::from_list(rows, root.path(), &options()).unwrap();
    assert_eq!(list(&source)[0].label, None);
    let rows = vec![row("a", None), row("a", None)];
    let err = Source::from_list(rows, root.path(), &options()).unwrap_err();
    assert!(matches!(err, SourceError::ListedTwice { first: 1, second: 2, .. }), "{err}");
}

#[test]
fn listed_links_and_folders_are_rejected() {
    let root = folder();
    symlink("cat/1.png", root.path().join("link.png")).unwrap();
    let path = write(root.path(), "list.txt", b"link.png\ncat\n");
    assert_eq!(reason(&open(&path), "link.png"), RejectReason::NotRegular);
    assert_eq!(reason(&open(&path), "cat"), RejectReason::NotRegular);
    let source = Source::open(&path, &SourceOptions { follow_links: true, ..options() }).unwrap();
    assert_eq!(source.read(&list(&source)[1]).unwrap(), png(1));
}
