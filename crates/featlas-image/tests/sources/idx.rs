//! The files of MNIST.

use super::*;

fn images(count: u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 3];
    bytes.extend((0..count * 6).map(|value| value * 3));
    bytes
}

fn labels(count: u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1, 0, 0, 0, count];
    bytes.extend((0..count).rev());
    bytes
}

#[test]
fn images_come_with_their_labels() {
    let root = tempdir().unwrap();
    for (name, bytes) in [
        ("t10k-images-idx3-ubyte", images(4)),
        ("t10k-labels-idx1-ubyte.gz", gzip(&labels(4))),
        ("train-images.idx3-ubyte.gz", gzip(&images(4))),
        ("train-labels.idx1-ubyte", labels(4)),
    ] {
        write(root.path(), name, &bytes);
    }
    for name in ["t10k-images-idx3-ubyte", "train-images.idx3-ubyte.gz"] {
        let source = open(&root.path().join(name));
        assert_eq!(source.kind(), "idx");
        assert_eq!(names(&source), ["00000", "00001", "00002", "00003"]);
        let entry = &list(&source)[1];
        assert_eq!(entry.label.as_deref(), Some("2"));
        assert_eq!(source.find(&entry.path).unwrap().as_ref(), Some(entry));
        let decoded = decode(&source.read(entry).unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!(decoded.format, Format::Idx);
        assert_eq!((decoded.image.width(), decoded.image.height()), (3, 2));
        let gray: Vec<u8> = decoded.image.data().iter().step_by(3).copied().collect();
        assert_eq!(gray, [18, 21, 24, 27, 30, 33]);
        for path in ["4", "1", "00004", "+0001", "000001", ""] {
            assert_eq!(source.find(&ImagePath::from_bytes(path.into())).unwrap(), None);
        }
    }
}

#[test]
fn without_labels_there_are_none() {
    let root = tempdir().unwrap();
    let source = open(&write(root.path(), "digits.idx", &images(2)));
    assert!(list(&source).iter().all(|entry| entry.label.is_none()));
}

#[test]
fn faults_say_what_was_expected() {
    let root = tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8]| refusal(&write(root.path(), name, bytes));
    assert_eq!(
        refused("cut.idx", &images(3)[..30]),
        "expected 18 bytes of values, as the header states, got 14: `…/cut.idx`"
    );
    assert_eq!(
        refused("long.idx", &[images(3), vec![0]].concat()),
        "expected 18 bytes of values, as the header states, got more: `…/long.idx`"
    );
    assert_eq!(
        refused("labels.idx", &labels(3)),
        "expected idx magic [00, 00, 08, 03], got [00, 00, 08, 01] (labels: give the file of images): `…/labels.idx`"
    );
    let huge = [0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 1, 0, 0, 0, 1, 0];
    assert!(refused("huge.idx", &huge).starts_with("expected at most 4294967296 bytes of values, got "));
    write(root.path(), "a-labels-idx1-ubyte", &labels(2));
    assert_eq!(
        refused("a-images-idx3-ubyte", &images(3)),
        "expected 3 labels, got 2: `…/a-labels-idx1-ubyte`"
    );
}
