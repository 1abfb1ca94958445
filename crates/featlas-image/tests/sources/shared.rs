//! Real data, where it stands beside the checkout.

#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use super::*;

fn data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if !path.exists() {
        println!("skipped: ../shared not found");
        return None;
    }
    Some(path)
}

#[test]
fn ten_thousand_members_of_a_real_tar_file() {
    let Some(path) = data("cifar10/test.tar") else { return };
    let source = open(&path);
    let entries = list(&source);
    assert_eq!(entries.len(), 10_000);
    for entry in entries.iter().step_by(97) {
        let decoded = decode(&source.read(entry).unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!((decoded.image.width(), decoded.image.height()), (32, 32));
        assert_eq!(source.find(&entry.path).unwrap().as_ref(), Some(entry));
    }
}

#[test]
fn digits() {
    let Some(path) = data("mnist/t10k-images-idx3-ubyte.gz") else { return };
    let source = open(&path);
    let entries = list(&source);
    assert_eq!(entries.len(), 10_000);
    let first: Vec<_> = entries[..6].iter().filter_map(|entry| entry.label.as_deref()).collect();
    assert_eq!(first, ["7", "2", "1", "0", "4", "1"]);
    assert!(decode(&source.read(&entries[9_999]).unwrap(), &DecodeOptions::default()).is_ok());
}

#[test]
fn shards_by_pattern() {
    let Some(folder) = data("tiny-imagenet") else { return };
    let source = open(&folder.join("val-*.tar"));
    let entries = list(&source);
    assert_eq!(entries.len(), 5_000);
    assert!(entries[0].label.as_deref().is_some_and(|label| label.starts_with('n')));
}
