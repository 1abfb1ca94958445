use super::*;
use crate::testkit::{clustered, vectors_of};
use crate::{Index, build};
use featlas_core::Silent;

fn sample() -> (Index, Vec<u8>, Vec<u8>) {
    let mut values = clustered(300, 9, 6, 3);
    values.copy_within(0..9, 9 * 9);
    let params = IndexParams { m: 4, threads: 1, ..IndexParams::default() };
    let index = build(vectors_of(values, 9), &params, &Silent).unwrap();
    let (mut vectors, mut graph) = (Vec::new(), Vec::new());
    index.write_graph(&mut graph).unwrap();
    index.write_vectors(&mut vectors).unwrap();
    (index, vectors, graph)
}

/// Puts a fitting digest at the end again, as somebody who wants to fool us would.
fn reseal(bytes: &mut [u8]) {
    let body = bytes.len() - 32;
    let digest = Digest::of(&bytes[..body]);
    bytes[body..].copy_from_slice(&digest.0);
}

#[test]
fn what_is_read_is_what_was_written() {
    let (index, vectors, graph) = sample();
    let folder = tempfile::tempdir().unwrap();
    let (v, g) = (folder.path().join("vectors.bin"), folder.path().join("graph.bin"));
    fs_err::write(&v, &vectors).unwrap();
    fs_err::write(&g, &graph).unwrap();
    let back = Index::open(&v, &g).unwrap();
    assert_eq!(back.vectors().values(), index.vectors().values());
    assert_eq!((back.ids(), back.params(), back.audit()), (index.ids(), index.params(), index.audit()));
    for row in 0..index.len() {
        assert_eq!(
            back.search(index.vector(row), 5, 20).unwrap(),
            index.search(index.vector(row), 5, 20).unwrap()
        );
    }
    let mut again = Vec::new();
    back.write_graph(&mut again).unwrap();
    assert!(again == graph);
}

#[test]
fn every_flipped_bit_is_an_error() {
    let (_, vectors, graph) = sample();
    let mut flips = 0;
    // Every bit of the headers and the digests, every 97th elsewhere.
    for (good, is_graph) in [(&vectors, false), (&graph, true)] {
        let mut bytes = good.clone();
        let edge = |bit: usize| bit < 8 * 136 || bit >= 8 * (good.len() - 32);
        for bit in (0..8 * good.len()).filter(|&bit| edge(bit) || bit % 97 == 0) {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let opened = if is_graph {
                Index::from_bytes(&vectors, &bytes)
            } else {
                Index::from_bytes(&bytes, &graph)
            };
            assert!(opened.is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
            flips += 1;
        }
        assert_eq!(&bytes, good);
    }
    assert!(flips > 4000, "{flips}");
    Index::from_bytes(&vectors, &graph).unwrap();
}

#[test]
fn every_truncation_and_extension_is_an_error() {
    let (_, vectors, graph) = sample();
    let near_an_end = |len: usize, full: usize| len < 200 || len + 40 > full || len.is_multiple_of(13);
    for len in (0..vectors.len()).filter(|&len| near_an_end(len, vectors.len())) {
        assert!(Index::from_bytes(&vectors[..len], &graph).is_err(), "{len}");
    }
    for len in (0..graph.len()).filter(|&len| near_an_end(len, graph.len())) {
        assert!(Index::from_bytes(&vectors, &graph[..len]).is_err(), "{len}");
    }
    for extra in [1, 32, 100] {
        let longer = |bytes: &[u8]| [bytes, &vec![0; extra]].concat();
        assert!(Index::from_bytes(&longer(&vectors), &graph).is_err());
        assert!(Index::from_bytes(&vectors, &longer(&graph)).is_err());
    }
}

#[test]
fn lies_under_a_fitting_digest_are_caught_by_their_bounds() {
    let (_, vectors, graph) = sample();
    let mut refused = 0;
    for (good, is_graph) in [(&vectors, false), (&graph, true)] {
        for at in (12..good.len() - 32).filter(|at| *at < 300 || at % 53 == 0) {
            for lie in [0xff, 0x80, 0x01] {
                let mut bytes = good.clone();
                bytes[at] ^= lie;
                reseal(&mut bytes);
                let opened = if is_graph {
                    Index::from_bytes(&vectors, &bytes)
                } else {
                    Index::from_bytes(&bytes, &graph)
                };
                match opened {
                    // A changed vectors file is no longer the one that the graph names; it must not get this far.
                    Ok(_) => assert!(is_graph, "vectors byte {at}"),
                    Err(
                        IndexError::Damaged { .. } | IndexError::Mismatch { .. } | IndexError::Version { .. },
                    ) => refused += 1,
                    Err(err) => panic!("{err}"),
                }
                // What is accepted can be searched without a panic.
                if let Ok(index) = Index::from_bytes(&vectors, &bytes) {
                    index.search(index.vector(0), 10, 30).unwrap();
                }
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn huge_counts_do_not_allocate() {
    let (_, vectors, graph) = sample();
    for (good, offsets) in [(&vectors, vec![16, 24]), (&graph, vec![16, 24, 32, 40])] {
        for offset in offsets {
            for count in [u64::MAX, u64::MAX / 4, 1 << 62, 1 << 40] {
                let mut bytes = good.clone();
                bytes[offset..offset + 8].copy_from_slice(&count.to_le_bytes());
                reseal(&mut bytes);
                assert!(Index::from_bytes(&bytes, &graph).is_err());
                assert!(Index::from_bytes(&vectors, &bytes).is_err());
            }
        }
    }
}

#[test]
fn errors_say_what_and_where() {
    let (_, vectors, graph) = sample();
    let mut newer = vectors.clone();
    newer[8] = 2;
    let text = |vectors: &[u8], graph: &[u8]| Index::from_bytes(vectors, graph).unwrap_err().to_string();
    assert_eq!(text(&newer, &graph), "index format version 2 where 1 is known: `vectors`");
    assert_eq!(text(&graph, &graph), "damaged index file, it does not begin like one: `vectors`");
    let mut flipped = graph.clone();
    flipped[500] ^= 4;
    assert_eq!(
        text(&vectors, &flipped),
        "damaged index file, its contents do not match their digest: `graph`"
    );
    let other = vectors_of(clustered(300, 9, 6, 4), 9);
    let mut foreign = Vec::new();
    write_vectors(&other, &mut foreign).unwrap();
    assert_eq!(text(&foreign, &graph), "the graph was built for other vectors than those beside it: `graph`");
    let missing = Index::open(Path::new("nowhere.bin"), Path::new("graph.bin")).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read `nowhere.bin`");
    let folder = tempfile::tempdir().unwrap();
    let err = Index::open(folder.path(), folder.path()).unwrap_err().to_string();
    assert!(err.starts_with("damaged index file, not a regular file: `"), "{err}");
}
