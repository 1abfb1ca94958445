//! The rows that go into an atlas, and come out of it.

use crate::error::StoreError;
use crate::schema::{PIXELS_LEN, Schema};
use featlas_core::{Digest, ImageId};

/// All that is kept of one good image.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The image's number, larger than that of every row before it.
    pub image_id: ImageId,
    /// Path relative to the source, as the bytes the system uses.
    pub path: Vec<u8>,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Digest of the image file's bytes.
    pub content_hash: Digest,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// Place of its source in the manifest's list.
    pub source: u32,
    /// Length of the image file in bytes.
    pub size_bytes: u64,
    /// Modification time of the image file, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// The feature, `(dim)`, finite.
    pub feature: Vec<f32>,
    /// Per tapped layer, the maximum of each channel, finite.
    pub conv_max: Vec<Vec<f32>>,
    /// Per tapped layer, the cell of each channel's maximum, row-major.
    pub conv_argmax: Vec<Vec<u16>>,
    /// The most likely classes and their scores, best first; empty for a network without classes.
    pub top_classes: Vec<(u32, f32)>,
    /// A small JPEG of the picture.
    pub thumbnail: Vec<u8>,
    /// The picture as 32x32 RGB bytes, row-major: [`PIXELS_LEN`] of them.
    pub pixels: Vec<u8>,
}

impl Row {
    /// Checks it against the schema.
    pub(crate) fn validate(&self, schema: &Schema) -> Result<(), StoreError> {
        let bad = |what: String| Err(StoreError::BadRow { image_id: self.image_id, what });
        if self.feature.len() != schema.dim {
            return bad(format!("expected {} components, got {}", schema.dim, self.feature.len()));
        }
        if self.conv_max.len() != schema.convs.len() || self.conv_argmax.len() != schema.convs.len() {
            return bad(format!(
                "expected {} tapped layers, got {} of maxima and {} of cells",
                schema.convs.len(),
                self.conv_max.len(),
                self.conv_argmax.len()
            ));
        }
        for ((conv, max), argmax) in schema.convs.iter().zip(&self.conv_max).zip(&self.conv_argmax) {
            for got in [max.len(), argmax.len()] {
                if got != conv.channels {
                    return bad(format!(
                        "layer `{}`: expected {} channels, got {got}",
                        conv.name, conv.channels
                    ));
                }
            }
            if let Some(cell) = argmax.iter().find(|&&cell| usize::from(cell) >= conv.cells()) {
                return bad(format!("layer `{}`: cell {cell} of {}", conv.name, conv.cells()));
            }
            if !max.iter().all(|v| v.is_finite()) {
                return bad(format!("layer `{}` has a maximum that is not finite", conv.name));
            }
        }
        let mut finite = self.feature.iter().chain(self.top_classes.iter().map(|(_, score)| score));
        if !finite.all(|v| v.is_finite()) {
            return bad("a component or score is not finite".to_owned());
        }
        if self.pixels.len() != PIXELS_LEN {
            return bad(format!("expected {PIXELS_LEN} bytes of pixels, got {}", self.pixels.len()));
        }
        Ok(())
    }

    /// About the memory it takes.
    pub(crate) fn size(&self) -> usize {
        let convs: usize = self.conv_max.iter().map(|max| max.len() * 6).sum();
        self.feature.len() * 4 + convs + self.path.len() + self.thumbnail.len() + self.pixels.len() + 256
    }
}

/// All that is kept of one image that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectRow {
    /// The image's number, larger than that of every reject before it.
    pub image_id: ImageId,
    /// Path relative to the source, as the bytes the system uses.
    pub path: Vec<u8>,
    /// Place of its source in the manifest's list.
    pub source: u32,
    /// Length of the image file in bytes; 0 where it could not be learnt.
    pub size_bytes: u64,
    /// Modification time of the image file, in nanoseconds since 1970; 0 where it could not be learnt.
    pub mtime_ns: i64,
    /// A short code: `truncated`, `unknown-format`, …
    pub reason: String,
    /// What exactly happened.
    pub message: String,
}

/// What a later run must know of an image to tell whether it is new or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownImage {
    /// The image's number.
    pub image_id: ImageId,
    /// Path relative to the source, as the bytes the system uses.
    pub path: Vec<u8>,
    /// Place of its source in the manifest's list.
    pub source: u32,
    /// Length of the image file in bytes.
    pub size_bytes: u64,
    /// Modification time of the image file, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Digest of the image file's bytes; a reject has none.
    pub content_hash: Option<Digest>,
    /// Its label; a reject has none.
    pub label: Option<String>,
    /// Whether it was refused.
    pub rejected: bool,
}

/// A good image as later stages need it, without its features.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRecord {
    /// The image's number.
    pub image_id: ImageId,
    /// Path relative to the source, as the bytes the system uses.
    pub path: Vec<u8>,
    /// The same for people: what is not UTF-8 in it is replaced.
    pub display_path: String,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// Place of its source in the manifest's list.
    pub source: u32,
    /// Digest of the image file's bytes.
    pub content_hash: Digest,
    /// The most likely classes and their scores, best first.
    pub top_classes: Vec<(u32, f32)>,
}

/// The features of all live images, by id.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// The images, ascending.
    pub ids: Vec<ImageId>,
    /// Their features, `(n, dim)`, row-major.
    pub values: Vec<f32>,
    /// Components of a feature.
    pub dim: usize,
}
