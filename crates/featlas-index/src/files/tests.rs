use super::*;
use crate::Index;
use crate::testkit::{clustered, index_of};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

fn sample() -> (TempDir, Index, Vec<u8>) {
    let mut values = clustered(300, 40, 6, 3);
    values.copy_within(0..40, 9 * 40);
    let params = IndexParams { m: 4, ..IndexParams::default() };
    let (folder, index) = index_of(&values, 40, Metric::Cosine, &params);
    let mut bytes = Vec::new();
    index.write(&mut bytes).unwrap();
    (folder, index, bytes)
}

/// Puts a fitting digest at the end again, as somebody who wants to fool us would.
fn reseal(bytes: &mut [u8]) {
    let body = bytes.len() - DIGEST_BYTES;
    let digest = Digest::of(&bytes[..body]);
    bytes[body..].copy_from_slice(&digest.0);
}

#[test]
fn what_is_read_is_what_was_written() {
    let (folder, index, bytes) = sample();
    let path = folder.path().join("index.bin");
    fs_err::write(&path, &bytes).unwrap();
    let back = Index::open(&path).unwrap();
    assert_eq!(back.head, Head { params: IndexParams { threads: 0, ..*index.params() }, ..index.head });
    assert_eq!(back.tag(), Digest([7; 32]));
    for (_, id) in index.live() {
        let row = index.vector(id).unwrap();
        assert_eq!(row, back.vector(id).unwrap());
        assert_eq!(back.search(&row, 5, 20).unwrap(), index.search(&row, 5, 20).unwrap());
    }
    let mut again = Vec::new();
    back.write(&mut again).unwrap();
    assert!(again == bytes);
}

#[test]
fn every_flipped_bit_is_an_error() {
    let (folder, _, good) = sample();
    let mut bytes = good.clone();
    // Every bit of the head and the digest, every 41st elsewhere.
    let edge = |bit: usize| bit < 8 * HEAD_BYTES || bit >= 8 * (good.len() - DIGEST_BYTES);
    let mut flips = 0;
    for bit in (0..8 * good.len()).filter(|&bit| edge(bit) || bit % 997 == 0) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let err = Index::from_bytes(&bytes, folder.path()).unwrap_err();
        assert!(matches!(err, IndexError::Damaged { .. } | IndexError::Version { .. }), "bit {bit}: {err}");
        bytes[bit / 8] ^= 1 << (bit % 8);
        flips += 1;
    }
    assert!(flips > 2500, "{flips}");
    Index::from_bytes(&good, folder.path()).unwrap();
}

#[test]
fn every_truncation_and_extension_is_an_error() {
    let (folder, _, good) = sample();
    for len in (0..good.len()).filter(|&len| len < 600 || len + 80 > good.len() || len % 509 == 0) {
        assert!(Index::from_bytes(&good[..len], folder.path()).is_err(), "{len}");
    }
    for extra in [1, 32, 64, 4096] {
        assert!(Index::from_bytes(&[&good[..], &vec![0; extra]].concat(), folder.path()).is_err());
    }
}

#[test]
fn a_damaged_row_is_an_error_whenever_it_would_be_used() {
    let (folder, index, bytes) = sample();
    let rows = folder.path().join(&index.rows_files()[0].name);
    let good = fs_err::read(&rows).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..200 {
        let bit = rng.random_range(64 * 8..good.len() * 8);
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs_err::write(&rows, &flipped).unwrap();
        let index = Index::from_bytes(&bytes, folder.path()).unwrap();
        let query = vec![1.0; 40];
        let err = index.search_exact(&query, 5).unwrap_err();
        assert!(matches!(err, IndexError::DamagedRow { .. }), "bit {bit}: {err}");
        fs_err::remove_file(&rows).unwrap();
    }
    for len in [0, 7, good.len() / 2, good.len() - 1] {
        fs_err::write(&rows, &good[..len]).unwrap();
        assert!(Index::from_bytes(&bytes, folder.path()).is_err());
    }
    let mut other = good.clone();
    other[0] ^= 1;
    fs_err::write(&rows, &other).unwrap();
    let err = Index::from_bytes(&bytes, folder.path()).unwrap_err().to_string();
    assert!(err.starts_with("damaged index file, it does not begin like one"), "{err}");
    fs_err::remove_file(&rows).unwrap();
    assert!(matches!(Index::from_bytes(&bytes, folder.path()), Err(IndexError::Read { .. })));
}

#[test]
fn lies_under_a_fitting_digest_are_caught_by_their_bounds() {
    let (folder, index, good) = sample();
    let query = index.vector(index.id_of(0)).unwrap();
    let mut refused = 0;
    for at in (12..good.len() - DIGEST_BYTES).filter(|at| *at < HEAD_BYTES || at % 53 == 0) {
        for lie in [0xff, 0x80, 0x01] {
            let mut bytes = good.clone();
            bytes[at] ^= lie;
            reseal(&mut bytes);
            match Index::from_bytes(&bytes, folder.path()) {
                // What is accepted can be searched without a panic.
                Ok(index) => drop(index.search(&query, 10.min(index.len()), 30)),
                Err(IndexError::Damaged { .. } | IndexError::Version { .. } | IndexError::Read { .. }) => {
                    refused += 1;
                }
                Err(err) => panic!("{err}"),
            }
        }
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn huge_counts_do_not_allocate() {
    let (folder, _, good) = sample();
    for field in 0..5 {
        for count in [u64::MAX, u64::MAX / 4, 1 << 62, 1 << 40, 0] {
            let mut bytes = good.clone();
            let at = MAGIC.len() + 10 * 4 + field * 8;
            bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
            reseal(&mut bytes);
            assert!(Index::from_bytes(&bytes, folder.path()).is_err(), "field {field}, {count}");
        }
    }
}

#[test]
fn errors_say_what_and_where() {
    let (folder, _, good) = sample();
    let text = |bytes: &[u8]| Index::from_bytes(bytes, folder.path()).unwrap_err().to_string();
    let mut newer = good.clone();
    newer[8] = 3;
    assert_eq!(text(&newer), "index format version 3 where 2 is known: `index`");
    assert_eq!(text(&[b'x'; 4000]), "damaged index file, it does not begin like one: `index`");
    let mut flipped = good.clone();
    flipped[500] ^= 4;
    assert_eq!(text(&flipped), "damaged index file, its contents do not match their digest: `index`");
    let missing = Index::open(Path::new("nowhere.bin")).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read `nowhere.bin`");
    let err = Index::open(folder.path()).unwrap_err().to_string();
    assert!(err.starts_with("damaged index file, not a regular file: `"), "{err}");
}

#[test]
fn names_of_rows_files_never_lead_out_of_the_folder() {
    for name in ["", "../rows", "a/b", ".hidden", "a\\b", "name with space", &"x".repeat(57)] {
        assert!(!is_plain_name(name), "{name}");
    }
    assert!(is_plain_name("rows-0123abcd.bin"));
}
