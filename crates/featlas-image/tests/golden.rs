//! Pixels equal Pillow's, digest by digest. The digests are made by `scripts/golden/{resize,decode}.py`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use featlas_core::RgbImage;
use featlas_image::{DecodeOptions, decode, resize};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct ResizeGolden {
    cases: Vec<ResizeCase>,
}

#[derive(Debug, Deserialize)]
struct ResizeCase {
    kind: String,
    size: (u32, u32),
    to: (u32, u32),
    sha256: String,
}

#[derive(Deserialize)]
struct DecodeGolden {
    cases: Vec<DecodeCase>,
}

#[derive(Debug, Deserialize)]
struct DecodeCase {
    file: String,
    width: u32,
    height: u32,
    sha256: String,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn parse<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    serde_json::from_slice(&fs_err::read(golden(name)).unwrap()).unwrap()
}

fn sha256(image: &RgbImage) -> String {
    let digest = Sha256::digest(image.data());
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| char::from_digit(half.into(), 16).unwrap())
        .collect()
}

/// The picture that `resize.py` draws.
fn picture(kind: &str, width: u32, height: u32) -> RgbImage {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            data.extend((0..3).map(|c| {
                let value = if kind == "noise" {
                    let h = x
                        .wrapping_mul(374_761_393)
                        .wrapping_add(y.wrapping_mul(668_265_263))
                        .wrapping_add(2_246_822_519u32.wrapping_mul(c));
                    let h = (h ^ (h >> 13)).wrapping_mul(1_274_126_177);
                    h ^ (h >> 16)
                } else {
                    x * 5 + y * 3 + c * 85 + (x / 8 + y / 8) % 2 * 97
                };
                u8::try_from(value & 255).unwrap()
            }));
        }
    }
    RgbImage::new(width, height, data).unwrap()
}

#[test]
fn resize_equals_pillow() {
    let golden: ResizeGolden = parse("resize.json");
    assert!(golden.cases.len() >= 60);
    for case in golden.cases {
        let resized = resize(&picture(&case.kind, case.size.0, case.size.1), case.to.0, case.to.1);
        assert_eq!((resized.width(), resized.height()), case.to);
        assert_eq!(sha256(&resized), case.sha256, "{case:?}");
    }
}

#[test]
fn every_format_decodes_as_pillow_does() {
    let golden: DecodeGolden = parse("decode/cases.json");
    assert!(golden.cases.len() >= 130);
    let faults: Vec<String> =
        golden.cases.iter().filter_map(|case| fault(case, "tests/golden/decode")).collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), golden.cases.len(), faults.join("\n"));
}

#[test]
fn photographs_decode_as_pillow_does() {
    let photos = "../../../shared/data/photos";
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join(photos).is_dir() {
        println!("skipped: ../shared not found");
        return;
    }
    let golden: DecodeGolden = parse("photos.json");
    assert_eq!(golden.cases.len(), 25);
    let faults: Vec<String> = golden.cases.iter().filter_map(|case| fault(case, photos)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is wrong with one case, if anything.
fn fault(case: &DecodeCase, folder: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(&case.file);
    let decoded = match decode(&fs_err::read(path).unwrap(), &DecodeOptions::default()) {
        Ok(decoded) => decoded,
        Err(reject) => return Some(format!("{}: {reject}", case.file)),
    };
    let stated = case.file.rsplit_once("orientation-").map_or("1", |(_, rest)| &rest[..1]);
    let oriented = decoded.orientation.to_string() == stated;
    let named = case.file.to_lowercase().starts_with(decoded.format.name()) || folder.ends_with("photos");
    let size = (decoded.image.width(), decoded.image.height());
    let same = size == (case.width, case.height) && sha256(&decoded.image) == case.sha256;
    (!oriented || !named || !same).then(|| {
        format!(
            "{}: {size:?}, orientation {}, pixels {}",
            case.file,
            decoded.orientation,
            if same { "equal" } else { "differ" }
        )
    })
}
