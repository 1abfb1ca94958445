//! Cutting patches: a cell's receptive field, mapped back to the original image.

use featlas_core::{Digest, RectF, RgbImage};
use featlas_image::{DecodeOptions, Decoded, ImagePath, Reject, RejectReason, Source, crop, decode, resize};
use featlas_net::Model;
use featlas_store::ImageRecord;

/// Cuts patches out of the original images.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a bundle of borrows")]
pub struct PatchCutter<'a> {
    /// Where the originals are; paths are unique over all sources.
    pub sources: &'a [Source],
    /// The network whose receptive fields are cut.
    pub model: &'a Model,
    /// How the images were decoded.
    pub decode: &'a DecodeOptions,
    /// Side of the square that a field becomes.
    pub side_px: u32,
    /// Color of the part of a field that lies outside the network's input.
    pub outside: [u8; 3],
}

/// Reads and decodes the original of `record` from whichever of `sources` has it.
///
/// # Errors
/// A [`Reject`] if it is gone, cannot be decoded, or no longer is the image that was extracted.
pub fn open_original(
    sources: &[Source],
    record: &ImageRecord,
    options: &DecodeOptions,
) -> Result<RgbImage, Reject> {
    let gone = || Reject::new(RejectReason::Vanished, "the image is no longer in its source");
    let path = ImagePath::from_bytes(record.path.clone());
    let found = sources.iter().find_map(|source| Some((source, source.find(&path).ok()??)));
    let (source, entry) = found.ok_or_else(gone)?;
    let bytes = source.read(&entry)?;
    if Digest::of(&bytes) != record.content_hash {
        return Err(Reject::new(RejectReason::InputChanged, "the image changed since it was extracted"));
    }
    let Decoded { image, .. } = decode(&bytes, options)?;
    Ok(image)
}

/// A patch, scaled so that the longer side of its whole field fills the square.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutPatch {
    /// `(side_px, side_px)` pixels.
    pub image: RgbImage,
    /// Whether a part of the field lies outside the network's input.
    pub at_border: bool,
}

impl PatchCutter<'_> {
    /// Reads and decodes the original of `record`.
    ///
    /// # Errors
    /// A [`Reject`] if it is gone, cannot be decoded, or no longer is the image that was extracted.
    pub fn open(&self, record: &ImageRecord) -> Result<RgbImage, Reject> {
        open_original(self.sources, record, self.decode)
    }

    /// Cuts the field of the row-major `cell` of `layer`, whose map is `map_width` cells wide.
    ///
    /// What the network saw of the field is cut from the original at its full resolution; what lies
    /// beyond the input (padding) is filled with `outside`, so that every field keeps its shape.
    pub fn cut(&self, original: &RgbImage, layer: &str, map_width: u32, cell: u16) -> CutPatch {
        let (y, x) = (u32::from(cell) / map_width, u32::from(cell) % map_width);
        let field = self.model.receptive_field(layer, y as usize, x as usize);
        let side = self.model.preprocess().input_px();
        let seen = field.clipped(side, side);
        let preprocess = self.model.preprocess();
        let (width, height) = (original.width(), original.height());
        let whole = preprocess.to_original(field.into(), width, height);
        let inside = preprocess.to_original(seen.into(), width, height);
        CutPatch { image: self.place(original, whole, inside), at_border: seen != field }
    }

    /// Draws the part `inside` of the original where it belongs in the square that stands for `whole`.
    fn place(&self, original: &RgbImage, whole: RectF, inside: RectF) -> RgbImage {
        let side = f64::from(self.side_px);
        let scale = side / (whole.right - whole.left).max(whole.bottom - whole.top);
        let pixels = inside.rounded().clipped(original.width(), original.height());
        let mut square = RgbImage::filled(self.side_px, self.side_px, self.outside);
        let (Ok(left), Ok(top)) = (u32::try_from(pixels.left), u32::try_from(pixels.top)) else {
            return square;
        };
        let (Ok(width), Ok(height)) = (u32::try_from(pixels.width()), u32::try_from(pixels.height())) else {
            return square;
        };
        if width == 0 || height == 0 {
            return square;
        }
        // A field that is not square (a warped input) is centered.
        let center_x = (side - (whole.right - whole.left) * scale) / 2.0;
        let center_y = (side - (whole.bottom - whole.top) * scale) / 2.0;
        let x = center_x + (inside.left - whole.left) * scale;
        let y = center_y + (inside.top - whole.top) * scale;
        let target = RectF {
            left: x,
            top: y,
            right: x + (inside.right - inside.left) * scale,
            bottom: y + (inside.bottom - inside.top) * scale,
        }
        .rounded();
        let (Ok(to_width), Ok(to_height)) = (u32::try_from(target.width()), u32::try_from(target.height()))
        else {
            return square;
        };
        let patch = resize(&crop(original, left, top, width, height), to_width, to_height);
        square.paste(&patch, target.left, target.top);
        square
    }
}
