//! Damaged files of every format: always a reject or a picture, never a panic, never gray filling.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use featlas_image::{DecodeOptions, Decoded, Format, Limits, Reject, RejectReason, decode};
use std::collections::BTreeMap;
use std::path::Path;

/// Small limits, so that a flipped bit in a header cannot make the test slow.
const LIMITS: Limits = Limits { max_file_bytes: 1 << 20, max_pixels: 1 << 20, max_side_px: 4096 };

fn try_decode(bytes: &[u8]) -> Result<Decoded, Reject> {
    decode(bytes, &DecodeOptions { limits: LIMITS, apply_orientation: true })
}

/// Every file under `golden/decode`, by name.
fn seeds() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decode");
    let files = fs_err::read_dir(folder).unwrap().map(|found| found.unwrap());
    let files =
        files.map(|found| (found.file_name().into_string().unwrap(), fs_err::read(found.path()).unwrap()));
    files.filter(|(name, _)| name != "cases.json").collect()
}

/// A small generator: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

#[test]
fn cut_files_are_rejected() {
    let mut points = 0;
    let mut faults = Vec::new();
    for (name, bytes) in seeds() {
        let whole = try_decode(&bytes).unwrap();
        // What follows the end of a JPEG is no part of it.
        let garbage = b"\xff\xd8 not a part of the picture";
        let end = if bytes.ends_with(garbage) { bytes.len() - garbage.len() } else { bytes.len() };
        let step = (end / 64).max(1);
        for len in (0..end).step_by(step).chain(end.saturating_sub(16)..end) {
            points += 1;
            match try_decode(&bytes[..len]) {
                Err(reject) if reject.reason == RejectReason::DecoderPanic => {
                    faults.push(format!("{name} cut to {len} of {end}: {reject}"));
                }
                Err(_) => {}
                // A format without an end mark may lose padding, but never a pixel.
                Ok(cut) if cut == whole && matches!(whole.format, Format::Bmp | Format::Tiff) => {}
                Ok(_) => faults.push(format!("{name} cut to {len} of {end} was decoded")),
            }
        }
    }
    assert!(points > 7_000);
    assert!(faults.is_empty(), "{} of {points}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn cut_files_are_called_truncated() {
    for (name, bytes) in seeds() {
        let format = try_decode(&bytes).unwrap().format;
        if !matches!(format, Format::Jpeg | Format::Png | Format::WebP | Format::Gif) {
            continue;
        }
        let reject = try_decode(&bytes[..bytes.len() * 2 / 3]).unwrap_err();
        assert_eq!(reject.reason, RejectReason::Truncated, "{name}: {reject}");
    }
}

#[test]
fn flipped_bytes_never_escape() {
    let mut numbers = Numbers(7);
    let mut flips = 0;
    let mut reasons = BTreeMap::<&str, u32>::new();
    let mut panics = Vec::new();
    for (name, bytes) in seeds() {
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..=numbers.below(3) {
                // Headers decide more than pixels do, so every other flip goes there.
                let end = if numbers.below(2) == 0 { bytes.len() } else { bytes.len().min(64) };
                damaged[numbers.below(end)] ^= 1 << numbers.below(8);
            }
            flips += 1;
            match try_decode(&damaged) {
                Ok(decoded) => {
                    let (width, height) = (decoded.image.width(), decoded.image.height());
                    assert!(u64::from(width) * u64::from(height) <= LIMITS.max_pixels);
                    *reasons.entry("decoded").or_default() += 1;
                }
                Err(reject) => {
                    assert!(!reject.message.is_empty() && reject.message.len() <= 200);
                    if reject.reason == RejectReason::DecoderPanic {
                        panics.push(format!("{name}: {reject}"));
                    }
                    *reasons.entry(reject.reason.code()).or_default() += 1;
                }
            }
        }
    }
    println!("{flips} damaged files: {reasons:?}; panics caught: {panics:#?}");
    assert!(reasons["corrupt"] > 1_000);
}

#[test]
fn damaged_jpeg_data_is_corrupt_not_gray() {
    for name in ["jpeg-s420.jpeg", "jpeg-progressive.jpeg", "jpeg-gray.jpeg", "jpeg-cmyk-adobe.jpeg"] {
        let mut bytes = seeds().remove(name).unwrap();
        let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 20;
        // No Huffman code is made of ones alone; a zero after 0xff belongs to it.
        for pair in bytes[scan..scan + 40].as_chunks_mut().0 {
            *pair = [0xff, 0];
        }
        let reject = try_decode(&bytes).unwrap_err();
        assert_eq!(reject.reason, RejectReason::Corrupt, "{name}: {reject}");
        assert!(reject.message.starts_with("damaged data near row "), "{name}: {reject}");
    }
}

#[test]
fn padding_before_the_end_of_a_jpeg_is_tolerated_but_lost_data_is_not() {
    let bytes = seeds().remove("jpeg-restarts.jpeg").unwrap();
    let whole = try_decode(&bytes).unwrap();
    let end = bytes.len() - 2;
    let padded = |count: usize| [&bytes[..end], &vec![0x55; count], &bytes[end..]].concat();
    assert_eq!(try_decode(&padded(20)).unwrap().image, whole.image);
    let reject = try_decode(&padded(2000)).unwrap_err();
    assert_eq!(reject.reason, RejectReason::Corrupt);
    assert!(reject.message.ends_with("bytes of data are left after the last row"), "{reject}");
}

#[test]
fn libjpeg_has_a_say_in_its_rejects() {
    let mut bytes = seeds().remove("jpeg-gray.jpeg").unwrap();
    let table = bytes.windows(2).position(|pair| pair == [0xff, 0xc4]).unwrap();
    bytes[table + 5] = 0xff;
    let reject = try_decode(&bytes).unwrap_err();
    assert_eq!(reject.reason, RejectReason::Corrupt);
    assert!(reject.message.starts_with("libjpeg fatal error: "), "{reject}");
}

#[test]
fn headers_that_ask_for_too_much_are_refused_at_once() {
    let seeds = seeds();
    // Where width and height lie, and how they are written.
    let place = |name: &str, bytes: &[u8]| -> (usize, usize, bool, usize) {
        let find = |mark: &[u8]| bytes.windows(mark.len()).position(|part| part == mark).unwrap();
        match &name[..3] {
            "jpe" => (find(&[0xff, 0xc0]) + 7, find(&[0xff, 0xc0]) + 5, true, 2),
            "png" => (16, 20, true, 4),
            "gif" => (6, 8, false, 2),
            "bmp" => (18, 22, false, 4),
            _ => (find(&[0, 1, 3, 0, 1, 0, 0, 0]) + 8, find(&[1, 1, 3, 0, 1, 0, 0, 0]) + 8, false, 2),
        }
    };
    for name in ["jpeg-s420.jpeg", "png-rgb8.png", "gif-plain.gif", "bmp-rgb24.bmp", "tiff-gray4.tiff"] {
        let bytes = &seeds[name];
        let (x, y, big, size) = place(name, bytes);
        let put = |at: usize, value: u32, bytes: &mut Vec<u8>| {
            let both = if big { value.to_be_bytes() } else { value.to_le_bytes() };
            let part = if big { &both[4 - size..] } else { &both[..size] };
            bytes[at..at + size].copy_from_slice(part);
        };
        for (width, height) in [(65_500, 65_500), (1, 40_000), (40_000, 1), (30_000, 30_000)] {
            let mut huge = bytes.clone();
            put(x, width, &mut huge);
            put(y, height, &mut huge);
            if name.starts_with("tiff") {
                // One strip still, or the decoder finds too few of them before it looks at the size.
                let rows = huge.windows(8).position(|part| part == [22, 1, 3, 0, 1, 0, 0, 0]).unwrap();
                put(rows + 8, height, &mut huge);
            }
            let reject = decode(&huge, &DecodeOptions::default()).unwrap_err();
            assert_eq!(reject.reason, RejectReason::TooLarge, "{name} {width}x{height}: {reject}");
        }
        for (width, height) in [(0, 9), (9, 0)] {
            let mut empty = bytes.clone();
            put(x, width, &mut empty);
            put(y, height, &mut empty);
            let reject = decode(&empty, &DecodeOptions::default()).unwrap_err();
            assert_eq!(reject.reason, RejectReason::Corrupt, "{name} {width}x{height}: {reject}");
        }
    }
}

#[test]
fn other_kinds_of_files_are_unknown() {
    let pdf: &[u8] = b"%PDF-1.7 and so on";
    let heic: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0";
    for bytes in [pdf, heic, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x7fELF", b"\xff\xd8", b"I"] {
        assert_eq!(try_decode(bytes).unwrap_err().reason, RejectReason::UnknownFormat);
    }
}
