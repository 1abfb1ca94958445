use super::*;
use crate::arch::{Builder, Op};
use crate::testing::{architecture_of, assert_close, floats, golden, golden_dir};
use crate::weights::Weights;
use std::io::Write as _;
use std::path::PathBuf;

/// The network of `scripts/golden/net_pth.py`.
fn tiny() -> Architecture {
    let mut net = Builder::new();
    let conv = Op::Conv { out_channels: 2, kernel: 3, stride: 1, padding: 0, groups: 1 };
    net.op_relu("conv1", "relu1", conv, None).op("flatten", Op::Flatten).op("fc", Op::Linear { out: 4 });
    architecture_of(net, 4, 4, "fc")
}

fn file(name: &str) -> PathBuf {
    golden_dir().join("pth").join(name)
}

fn bytes_of(name: &str) -> Vec<u8> {
    fs_err::read(file(name)).unwrap()
}

/// Imports bytes as the tiny network; the result must not exist after an error.
fn import_tiny(bytes: &[u8]) -> Result<(ImportReport, Weights), NetError> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    let result = import(Cursor::new(bytes), Path::new("in.pth"), &tiny(), &out);
    let files = fs_err::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, usize::from(result.is_ok()), "an output whole or none");
    let report = result?;
    let weights = Weights::open(&out, &tiny())?;
    assert_eq!(weights.digest(), report.digest);
    Ok((report, weights))
}

/// The error of an import with its causes.
fn refused(bytes: &[u8]) -> String {
    let err = import_tiny(bytes).unwrap_err();
    let mut text = err.to_string();
    let mut cause = std::error::Error::source(&err);
    while let Some(err) = cause {
        text = format!("{text}: {err}");
        cause = err.source();
    }
    text
}

fn check_values(what: &str, weights: &Weights, expected: &serde_json::Value) {
    weights.check(&tiny()).unwrap();
    for (name, values) in expected.as_object().unwrap() {
        assert_close(&format!("{what}, {name}"), &weights.tensor(name).unwrap(), &floats(values), 1e-9, 1.0);
    }
}

/// Both formats, and every way in which the same tensors can be stored.
#[test]
fn checkpoints_of_every_shape_give_the_same_tensors() {
    let golden = golden("pth.json");
    for format in ["zip", "legacy"] {
        for kind in ["plain", "module", "strided", "wrapped", "parameters", "double", "half"] {
            let name = format!("{kind}.{format}.pth");
            let bytes = bytes_of(&name);
            let (report, weights) = import_tiny(&bytes).unwrap_or_else(|err| panic!("{name}: {err:?}"));
            assert_eq!((report.format, report.num_tensors, report.num_parameters), (format, 4, 92), "{name}");
            assert_eq!(report.imported_from, Digest::of(&bytes));
            check_values(&name, &weights, &golden["values"]);
            let metadata = weights.metadata();
            assert_eq!(metadata["architecture"], "tiny");
            assert_eq!(metadata["format"], "pt");
            assert_eq!(metadata["keys"], "lecture");
            assert_eq!(metadata["imported_from"], format!("blake3:{}", Digest::of(&bytes)));
        }
        let (_, weights) = import_tiny(&bytes_of(&format!("bfloat16.{format}.pth"))).unwrap();
        check_values(format, &weights, &golden["bfloat16"]);
        // A bias that is one number, seen four times.
        let (_, weights) = import_tiny(&bytes_of(&format!("expanded.{format}.pth"))).unwrap();
        assert_eq!(*weights.tensor("fc.bias").unwrap(), [0.5; 4]);
    }
}

#[test]
fn importing_twice_gives_the_same_bytes() {
    let digest = |name| import_tiny(&bytes_of(name)).unwrap().0.digest;
    assert_eq!(digest("plain.zip.pth"), digest("plain.zip.pth"));
}

#[test]
fn checkpoints_that_do_not_fit_are_refused() {
    for format in ["zip", "legacy"] {
        let refused = |kind: &str| refused(&bytes_of(&format!("{kind}.{format}.pth")));
        assert_eq!(
            refused("int"),
            "cannot import the checkpoint `in.pth`: tensor `fc.bias` has the wrong type: expected float, double, \
             half or bfloat16, got int64"
        );
        assert_eq!(
            refused("scalar"),
            "cannot import the checkpoint `in.pth`: expected a dict of tensors, got a tensor"
        );
        assert_eq!(
            refused("nan"),
            "cannot import the checkpoint `in.pth`: tensor `fc.bias` holds `NaN` at index 1"
        );
        assert_eq!(
            refused("huge"),
            "cannot import the checkpoint `in.pth`: tensor `fc.bias` holds a number beyond f32: 1e300"
        );
        assert_eq!(
            refused("extra"),
            "tensor `bn.num_batches_tracked` is unknown to model `tiny` in `in.pth`"
        );
    }
    let err = import_pth(&file("plain.zip.pth"), "alexnet", Path::new("never")).unwrap_err();
    assert!(err.to_string().starts_with("tensor `conv1.weight` has the wrong shape"), "{err}");
    let err = import_pth(&file("plain.zip.pth"), "lenet", Path::new("never")).unwrap_err();
    assert!(matches!(err, NetError::UnknownModel { .. }));
    let err = import_pth(&golden_dir(), "alexnet", Path::new("never")).unwrap_err();
    assert!(matches!(err, NetError::Read { .. }));
}

#[test]
fn other_files_are_no_checkpoints() {
    let no_checkpoint = "cannot import the checkpoint `in.pth`: expected a PyTorch checkpoint (zip or legacy), got \
                         other bytes";
    assert_eq!(refused(b""), no_checkpoint);
    assert_eq!(refused(b"<html>404</html>"), no_checkpoint);
    assert_eq!(refused(&[0x80, 2, b'N', b'.']), no_checkpoint);
    assert!(refused(b"PK\x03\x04 and no more").contains("damaged zip container"));
}

/// Cut anywhere, the file is refused and nothing is written.
#[test]
fn every_truncation_is_an_error() {
    for name in ["plain.zip.pth", "plain.legacy.pth"] {
        let bytes = bytes_of(name);
        for len in 0..bytes.len() {
            assert!(import_tiny(&bytes[..len]).is_err(), "{name} cut to {len} bytes");
        }
    }
}

/// A changed bit is refused or gives finite weights of the right shape; it never panics.
#[test]
fn flipped_bits_do_no_harm() {
    for name in ["plain.zip.pth", "plain.legacy.pth"] {
        let bytes = bytes_of(name);
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            if let Ok((_, weights)) = import_tiny(&bytes) {
                weights.check(&tiny()).unwrap();
            }
        }
    }
}

/// A flipped bit in the numbers themselves: the zip format has a checksum for them.
#[test]
fn damaged_numbers_are_found_in_zip_files() {
    let mut bytes = bytes_of("plain.zip.pth");
    let numbers = bytes_of("plain.legacy.pth");
    let needle = &numbers[numbers.len() - 16..];
    let at =
        bytes.windows(16).position(|window| window == needle).expect("the last storage is in both files");
    bytes[at + 1] ^= 1;
    assert!(refused(&bytes).contains("cannot read the checkpoint"), "{}", refused(&bytes));
}

/// A zip container with members of our own making.
fn zip_with(members: &[(&str, &[u8])], deflate: bool) -> Vec<u8> {
    use ::zip::write::{SimpleFileOptions, ZipWriter};
    let method = if deflate { ::zip::CompressionMethod::Deflated } else { ::zip::CompressionMethod::Stored };
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The pickle of `plain.zip.pth`, taken out of its container.
fn plain_pickle() -> Vec<u8> {
    zip::Archive::open(Cursor::new(bytes_of("plain.zip.pth"))).unwrap().1
}

#[test]
fn compressed_containers_are_read() {
    let numbers = golden("pth.json");
    let storage = |name: &str| -> Vec<u8> {
        #[expect(clippy::cast_possible_truncation, reason = "the generator wrote f32")]
        let single = |v: f64| (v as f32).to_le_bytes();
        floats(&numbers["values"][name]).into_iter().flat_map(single).collect()
    };
    let (w, b) = (storage("conv1.weight"), storage("conv1.bias"));
    let (fw, fb) = (storage("fc.weight"), storage("fc.bias"));
    let pickle = plain_pickle();
    let members: [(&str, &[u8]); 5] =
        [("x/data.pkl", &pickle), ("x/data/0", &w), ("x/data/1", &b), ("x/data/2", &fw), ("x/data/3", &fb)];
    let (_, weights) = import_tiny(&zip_with(&members, true)).unwrap();
    check_values("deflated", &weights, &numbers["values"]);

    let mut short = members;
    short[2].1 = &b[..4];
    assert!(
        refused(&zip_with(&short, true))
            .ends_with("storage `1` has the wrong length: expected 8 bytes, got 4")
    );
    let mut missing = members.to_vec();
    missing.remove(3);
    assert!(refused(&zip_with(&missing, false)).ends_with("the container has no member `x/data/2`"));
    let mut big_endian = members.to_vec();
    big_endian.push(("x/byteorder", b"big"));
    assert!(
        refused(&zip_with(&big_endian, false)).ends_with("expected little-endian numbers, got big-endian")
    );
    assert!(
        refused(&zip_with(&[("readme.txt", b"hello")], false))
            .ends_with("the container has no member `data.pkl`")
    );
}

/// 64 MiB of zeros in 64 KiB: refused after 16 MiB as a pickle, and by its length as a storage.
#[test]
fn zip_bombs_are_refused() {
    let zeros = vec![0; 64 << 20];
    let bomb = zip_with(&[("x/data.pkl", &zeros)], true);
    assert!(bomb.len() < 1 << 20);
    assert!(refused(&bomb).ends_with("too many bytes in the pickle: expected at most 16777216"));
    let pickle = plain_pickle();
    let bomb = zip_with(&[("x/data.pkl", &pickle), ("x/data/0", &zeros)], true);
    assert!(refused(&bomb).contains("storage `0` has the wrong length: expected 216 bytes, got 67108864"));
}

/// A pickle that promises more numbers than the model could use is refused before any is read.
#[test]
fn promised_numbers_are_bounded() {
    // `K\x04` is the length of the last storage and of its tensor.
    let pickle = plain_pickle();
    let replace = |from: &[u8], to: &[u8], which: usize| -> Vec<u8> {
        let places: Vec<usize> =
            (0..pickle.len() - from.len()).filter(|&at| &pickle[at..at + from.len()] == from).collect();
        let at = places[which];
        [&pickle[..at], to, &pickle[at + from.len()..]].concat()
    };
    let enormous = replace(b"K\x04t", b"\x8a\x06\0\0\0\0\0\x10t", 0);
    assert!(
        refused(&zip_with(&[("x/data.pkl", &enormous)], false))
            .ends_with("too many elements in a storage: expected at most 368")
    );
    let shorter = replace(b"K\x04t", b"K\x03t", 0);
    assert!(
        refused(&zip_with(&[("x/data.pkl", &shorter)], false))
            .ends_with("tensor `fc.bias` reaches outside its storage of 3 elements: shape [4]")
    );
}

#[test]
fn tensors_stay_inside_their_storage() {
    let tensor = |offset, shape: &[usize], stride: &[usize], num_elements| Tensor {
        storage: Storage { element: Element::Float, key: 0..0, num_elements },
        offset,
        shape: shape.to_vec(),
        stride: stride.to_vec(),
    };
    assert_eq!(span_of(&tensor(2, &[3, 2], &[2, 1], 8)), Some(2..8));
    assert_eq!(span_of(&tensor(2, &[3, 2], &[2, 1], 7)), None);
    assert_eq!(span_of(&tensor(0, &[2, 2], &[0, 0], 1)), Some(0..1));
    assert_eq!(span_of(&tensor(0, &[0], &[1], 5)), None);
    assert_eq!(span_of(&tensor(0, &[usize::MAX, 2], &[usize::MAX, 1], usize::MAX)), None);
    assert_eq!(span_of(&tensor(usize::MAX, &[2], &[1], usize::MAX)), None);
}

#[test]
fn strided_elements_are_gathered_in_row_major_order() {
    let bytes: Vec<u8> = (0..24).collect();
    assert_eq!(gather(&bytes, 1, &[2, 3], &[3, 1]), [0, 1, 2, 3, 4, 5]);
    assert_eq!(gather(&bytes, 1, &[3, 2], &[1, 3]), [0, 3, 1, 4, 2, 5]);
    assert_eq!(gather(&bytes, 2, &[2, 2], &[4, 2]), [0, 1, 4, 5, 8, 9, 12, 13]);
    assert_eq!(gather(&bytes, 1, &[2, 2, 2], &[0, 7, 2]), [0, 2, 7, 9, 0, 2, 7, 9]);
}

#[test]
fn legacy_files_state_the_length_of_every_storage() {
    let mut bytes = bytes_of("plain.legacy.pth");
    assert!(import_tiny(&bytes).is_ok());
    // The first storage's count lies right behind the fifth pickle.
    let mut at = 0;
    for _ in 0..5 {
        at = pickle::read(&bytes, at).unwrap().end;
    }
    bytes[at] += 1;
    assert!(refused(&bytes).contains("has the wrong length"), "{}", refused(&bytes));
}

#[test]
fn big_endian_legacy_files_are_refused() {
    let mut bytes = bytes_of("plain.legacy.pth");
    let name = b"little_endian";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let flag = at + bytes[at..].iter().position(|&byte| byte == 0x88).unwrap();
    bytes[flag] = 0x89;
    assert!(refused(&bytes).ends_with("expected little-endian numbers, got big-endian"));
}
