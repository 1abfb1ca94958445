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
///
/// An image that fits is not enlarged: it stands in the middle, on black, so that distances are those of its own
/// pixels.
pub fn pixels_of(image: &RgbImage) -> Vec<u8> {
    let (width, height) = (image.width(), image.height());
    if width.max(height) > PIXELS_SIDE_PX {
        return resize(image, PIXELS_SIDE_PX, PIXELS_SIDE_PX).into_data();
    }
    let mut square = RgbImage::filled(PIXELS_SIDE_PX, PIXELS_SIDE_PX, [0; 3]);
    let margin = |side: u32| i64::from((PIXELS_SIDE_PX - side) / 2);
    square.paste(image, margin(width), margin(height));
    square.into_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_image_keeps_its_pixels() {
        let digit = |value: u8| RgbImage::filled(28, 28, [value; 3]);
        let (a, b) = (pixels_of(&digit(7)), pixels_of(&digit(10)));
        assert_eq!(a.len(), 32 * 32 * 3);
        let squared: u32 = a.iter().zip(&b).map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum();
        assert_eq!(squared, 3 * 28 * 28 * 9);
        assert_eq!((&a[..3], &a[(16 * 32 + 16) * 3..][..3]), (&[0; 3][..], &[7; 3][..]));
        // One that fills the square is the square.
        let image = RgbImage::filled(32, 32, [1, 2, 3]);
        assert_eq!(pixels_of(&image), image.into_data());
    }

    #[test]
    fn a_large_image_is_warped_into_the_square() {
        let pixels = pixels_of(&RgbImage::filled(40, 20, [9, 8, 7]));
        assert!(pixels.len() == 32 * 32 * 3 && pixels.chunks(3).all(|pixel| pixel == [9, 8, 7]));
    }
}
