//! From the bytes of a file to RGB pixels, equal to what Pillow's `Image.open(f).convert("RGB")` gives.
//!
//! The magic bytes decide the format. A file that is cut off or damaged is rejected, never filled up with gray.

mod bmp;
mod convert;
mod gif;
pub(crate) mod idx_image;
mod jpeg;
mod png;
mod tiff;
mod webp;

use crate::limits::Limits;
use crate::orient::orient;
use crate::reject::{Reject, RejectReason};
use featlas_core::RgbImage;
use image::ImageError;
use image::metadata::Orientation;
use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Versions of everything that decides a pixel's value. A test compares them with `Cargo.lock`.
const VERSIONS: [(&str, &str); 9] = [
    ("mozjpeg-sys", "2.2.3"),
    ("image", "0.25.10"),
    ("png", "0.18.1"),
    ("image-webp", "0.2.4"),
    ("gif", "0.14.2"),
    ("weezl", "0.1.12"),
    ("tiff", "0.11.3"),
    ("zune-jpeg", "0.5.15"),
    ("fax", "0.2.7"),
];
/// Name of the resampler and of our own conversions; change it whenever one of their values changes.
const OWN_VERSION: &str = "pillow-bilinear-8bpc/1 pillow-rgb/1";

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the formats name themselves")]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
    Tiff,
    /// One image of an idx file, as [`Source::read`](crate::Source::read) hands it out.
    Idx,
}

impl Format {
    /// Recognizes a format by the first bytes of a file; 12 bytes are enough.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [0, 0, 8, 2, ..] => Some(Self::Idx),
            _ => None,
        }
    }

    /// The format's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Idx => "idx",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How an image is decoded.
#[derive(Debug, Clone, Copy)]
pub struct DecodeOptions {
    /// How large an image may be.
    pub limits: Limits,
    /// Turn the picture the way its EXIF orientation says.
    pub apply_orientation: bool,
}

impl Default for DecodeOptions {
    /// The default limits, orientation applied.
    fn default() -> Self {
        Self { limits: Limits::default(), apply_orientation: true }
    }
}

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The pixels, turned if that was asked for.
    pub image: RgbImage,
    /// What the file was.
    pub format: Format,
    /// EXIF orientation stated by the file, 1 to 8; 1 if it states none. Applied or not.
    pub orientation: u8,
}

/// What the decoder of one format hands over: pixels as stored, and the orientation stated.
struct Raw {
    image: RgbImage,
    orientation: u8,
}

/// Decodes the bytes of one image file.
///
/// The result depends on the bytes and options alone. Memory: see [`Limits::MAX_BYTES_PER_PIXEL`]. A panic of a
/// decoder is caught; the panic hook still runs, so a line may appear on stderr.
///
/// Pixels are Pillow's: alpha is dropped, palettes are expanded, 16-bit samples keep their high byte, CMYK is
/// converted as Pillow does. They differ from Pillow's in 16-bit gray, which Pillow clips to white: here too the
/// high byte counts. Of an animation the first frame is taken.
///
/// # Errors
/// [`Reject`] with the reason; its size limits are checked against the header, before any pixel is decoded.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, Reject> {
    decode_with(&mut DecodeBuffers::default(), bytes, options)
}

/// Memory that decoding uses again, for decoding many images one after the other.
#[derive(Debug, Default)]
pub struct DecodeBuffers {
    pixels: Vec<u8>,
}

impl DecodeBuffers {
    /// Takes the memory of a picture that is no longer needed, for the next one.
    pub fn give_back(&mut self, image: RgbImage) {
        self.pixels = image.into_data();
    }

    /// Frees a buffer of more than `bytes` bytes, such as one huge image leaves.
    pub fn forget_above(&mut self, bytes: usize) {
        if self.pixels.capacity() > bytes {
            self.pixels = Vec::new();
        }
    }
}

/// As [`decode()`], in the memory of `buffers` where the format allows it.
///
/// # Errors
/// As [`decode()`].
pub fn decode_with(
    buffers: &mut DecodeBuffers,
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<Decoded, Reject> {
    options.limits.check_bytes(bytes.len() as u64)?;
    let format = Format::sniff(bytes).ok_or_else(|| unknown(bytes))?;
    let raw = catch_unwind(AssertUnwindSafe(|| decode_as(format, bytes, options.limits, buffers)))
        .unwrap_or_else(|payload| Err(panicked(&*payload)))?;
    let image = if options.apply_orientation { orient(raw.image, raw.orientation) } else { raw.image };
    Ok(Decoded { image, format, orientation: raw.orientation })
}

/// Versions of the decoders and the resampler, for the fingerprint: when it changes, pixels may.
pub fn decoder_versions() -> String {
    let crates = VERSIONS.map(|(name, version)| format!("{name} {version}"));
    format!("{} {OWN_VERSION}", crates.join(" "))
}

fn decode_as(
    format: Format,
    bytes: &[u8],
    limits: Limits,
    buffers: &mut DecodeBuffers,
) -> Result<Raw, Reject> {
    match format {
        Format::Jpeg => jpeg::decode(bytes, limits, std::mem::take(&mut buffers.pixels)),
        Format::Png => png::decode(bytes, limits),
        Format::WebP => webp::decode(bytes, limits),
        Format::Gif => gif::decode(bytes, limits),
        Format::Bmp => bmp::decode(bytes, limits),
        Format::Tiff => tiff::decode(bytes, limits),
        Format::Idx => idx_image::decode(bytes, limits),
    }
}

fn unknown(bytes: &[u8]) -> Reject {
    let start: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Reject::new(RejectReason::UnknownFormat, format!("no known image format begins with {}", start.join(" ")))
}

fn panicked(payload: &(dyn Any + Send)) -> Reject {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Reject::new(RejectReason::DecoderPanic, format!("the decoder panicked: {text}"))
}

fn truncated(message: impl Into<String>) -> Reject {
    Reject::new(RejectReason::Truncated, message)
}

fn corrupt(message: impl Into<String>) -> Reject {
    Reject::new(RejectReason::Corrupt, message)
}

fn unsupported(message: impl Into<String>) -> Reject {
    Reject::new(RejectReason::UnknownFormat, message)
}

/// Our word for an error of the `image` crate.
fn image_reject(err: &ImageError) -> Reject {
    let reason = match err {
        ImageError::Limits(_) => RejectReason::TooLarge,
        ImageError::Unsupported(_) => RejectReason::UnknownFormat,
        ImageError::IoError(err) if err.kind() == io::ErrorKind::UnexpectedEof => RejectReason::Truncated,
        _ => RejectReason::Corrupt,
    };
    Reject::new(reason, err.to_string())
}

/// Limits in the words of the `image` crate, for what the decoder allocates besides the result.
fn image_limits(limits: Limits) -> image::Limits {
    let mut theirs = image::Limits::default();
    theirs.max_image_width = Some(limits.max_side_px);
    theirs.max_image_height = Some(limits.max_side_px);
    theirs.max_alloc = Some(limits.max_pixels.saturating_mul(Limits::MAX_BYTES_PER_PIXEL));
    theirs
}

/// The orientation in an EXIF block, with or without the `Exif` introduction that JPEG puts before it.
fn exif_orientation(exif: Option<&[u8]>) -> u8 {
    let chunk = exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
    chunk.and_then(Orientation::from_exif_chunk).map_or(1, Orientation::to_exif)
}

/// Reads a big-endian `u16` at `at`.
fn be_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// Reads a big-endian `u32` at `at`.
fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Reads a little-endian `u32` at `at`.
fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    be_u32(bytes, at).map(u32::swap_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock");
        for (name, version) in VERSIONS {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            let count = lock.matches(&format!("name = \"{name}\"\n")).count();
            assert!(lock.contains(&entry) && count == 1, "`{name}` is not {version} in Cargo.lock");
        }
    }

    #[test]
    fn panics_become_rejects() {
        let payload = catch_unwind(|| std::panic::resume_unwind(Box::new("odd".to_owned()))).unwrap_err();
        let reject = panicked(&*payload);
        assert_eq!(reject.to_string(), "decoder_panic: the decoder panicked: odd");
    }

    #[test]
    fn unknown_bytes_are_shown() {
        let reject = decode(b"<html>", &DecodeOptions::default()).unwrap_err();
        assert_eq!(reject.reason, RejectReason::UnknownFormat);
        assert_eq!(reject.message, "no known image format begins with 3c 68 74 6d 6c 3e");
        assert_eq!(decode(b"", &DecodeOptions::default()).unwrap_err().reason, RejectReason::Empty);
    }
}
