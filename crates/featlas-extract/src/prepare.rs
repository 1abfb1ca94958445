//! One image from its bytes to what the network, the posters and pixel search need.

use featlas_core::{Digest, RgbImage};
use featlas_image::{
    DecodeBuffers, DecodeOptions, EncodeError, Entry, Reject, RejectReason, Resizer, Source, decode_with,
    encode_jpeg, thumbnail_size,
};
use featlas_net::Preprocess;

/// Longer side of the thumbnails kept in the atlas.
pub const THUMBNAIL_SIDE_PX: u32 = 128;
/// Side of the square kept for nearest neighbors of raw pixels, as CIFAR-10 has it.
pub const PIXELS_SIDE_PX: u32 = 32;
const THUMBNAIL_QUALITY: u8 = 88;
/// Buffers that one huge image has blown up beyond this are not kept.
const KEPT_BYTES: usize = 16 << 20;

/// What is kept of a decoded image besides the network's input.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) content_hash: Digest,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) thumbnail: Vec<u8>,
    pub(crate) pixels: Vec<u8>,
}

/// The buffers of one decoding thread, used again for every image.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    decoder: DecodeBuffers,
    resized: Vec<u8>,
    small: Vec<u8>,
    resizer: Resizer,
}

/// Reads, decodes and preprocesses one image, its normalized `(3, h, w)` input straight into `input`.
///
/// Peak memory: the file, its pixels, and their resized form.
pub(crate) fn prepare(
    source: &Source,
    entry: &Entry,
    preprocess: &Preprocess,
    options: &DecodeOptions,
    scratch: &mut Scratch,
    input: &mut [f32],
) -> Result<Prepared, Reject> {
    source.read_into(entry, &mut scratch.bytes)?;
    let content_hash = Digest::of(&scratch.bytes);
    let image = decode_with(&mut scratch.decoder, &scratch.bytes, options)?.image;
    let resizer = &mut scratch.resizer;
    let resized = preprocess.resized(&image, resizer, std::mem::take(&mut scratch.resized));
    preprocess.normalize(&resized, input);

    let (width, height) = (image.width(), image.height());
    let to = thumbnail_size(width, height, THUMBNAIL_SIDE_PX);
    // Of a large picture the resized one is as good a source, and a small part of the work.
    let shrunk = resized.width() < width && resized.height() < height && preprocess.shows_all(width, height);
    let from = if shrunk && resized.width() >= to.0 && resized.height() >= to.1 { &resized } else { &image };
    let small = resizer.resize(from, to.0, to.1, std::mem::take(&mut scratch.small));
    let thumbnail = encode_jpeg(&small, THUMBNAIL_QUALITY).map_err(|err| no_thumbnail(&err))?;
    let pixels = pixels_with(resizer, &image);

    scratch.decoder.give_back(image);
    scratch.resized = resized.into_data();
    scratch.small = small.into_data();
    scratch.forget_excess();
    Ok(Prepared { content_hash, width, height, thumbnail, pixels })
}

impl Scratch {
    /// Gives back what one huge image has taken, so that memory follows the images in hand.
    fn forget_excess(&mut self) {
        self.decoder.forget_above(KEPT_BYTES);
        for buffer in [&mut self.bytes, &mut self.resized, &mut self.small] {
            if buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }
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
    pixels_with(&mut Resizer::default(), image)
}

fn pixels_with(resizer: &mut Resizer, image: &RgbImage) -> Vec<u8> {
    let (width, height) = (image.width(), image.height());
    if width.max(height) > PIXELS_SIDE_PX {
        return resizer.resize(image, PIXELS_SIDE_PX, PIXELS_SIDE_PX, Vec::new()).into_data();
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
