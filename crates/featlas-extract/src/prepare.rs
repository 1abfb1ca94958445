//! One image from its bytes to what the network, the posters and pixel search need.

use featlas_core::{Digest, RgbImage};
use featlas_image::{
    DecodeOptions, EncodeError, Entry, Reject, RejectReason, Source, decode, encode_jpeg, resize, thumbnail,
};
use featlas_net::Preprocess;

/// Longer side of the thumbnails kept in the atlas.
pub const THUMBNAIL_SIDE_PX: u32 = 128;
/// Side of the square kept for nearest neighbors of raw pixels, as CIFAR-10 has it.
pub const PIXELS_SIDE_PX: u32 = 32;
const THUMBNAIL_QUALITY: u8 = 88;

/// A decoded image, ready for a batch and for its row.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Normalized `(3, h, w)` input of the network.
    pub(crate) input: Vec<f32>,
    pub(crate) content_hash: Digest,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) thumbnail: Vec<u8>,
    pub(crate) pixels: Vec<u8>,
}

/// Reads, decodes and preprocesses one image. Peak memory: the file, its pixels, one network input.
pub(crate) fn prepare(
    source: &Source,
    entry: &Entry,
    preprocess: &Preprocess,
    options: &DecodeOptions,
) -> Result<Prepared, Reject> {
    let bytes = source.read(entry)?;
    let content_hash = Digest::of(&bytes);
    let image = decode(&bytes, options)?.image;
    drop(bytes);
    let side = preprocess.input_px() as usize;
    let mut input = vec![0.0; 3 * side * side];
    preprocess.write_input(&image, &mut input);
    let small = thumbnail(&image, THUMBNAIL_SIDE_PX);
    Ok(Prepared {
        input,
        content_hash,
        width: image.width(),
        height: image.height(),
        thumbnail: encode_jpeg(&small, THUMBNAIL_QUALITY).map_err(|err| no_thumbnail(&err))?,
        pixels: pixels_of(&image),
    })
}

/// A thumbnail is at most 128 px a side, so that it cannot be encoded is a fault of ours; the image is told
/// as a reject all the same, so that the run goes on.
fn no_thumbnail(err: &EncodeError) -> Reject {
    Reject::new(RejectReason::DecoderPanic, format!("no thumbnail: {err}"))
}

/// The `(32, 32, 3)` bytes by which images are compared in pixel space: the whole image, warped.
pub fn pixels_of(image: &RgbImage) -> Vec<u8> {
    resize(image, PIXELS_SIDE_PX, PIXELS_SIDE_PX).into_data()
}
