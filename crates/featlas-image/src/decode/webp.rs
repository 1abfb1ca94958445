//! WebP, lossy and lossless.

use super::{Raw, Reject, image_limits, image_reject, le_u32, png, truncated};
use crate::limits::Limits;
use image::ImageDecoder as _;
use image::codecs::webp::WebPDecoder;
use std::io::Cursor;

/// `RIFF` and the size that does not count itself.
const RIFF_HEADER_BYTES: u64 = 8;

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<Raw, Reject> {
    let stated = le_u32(bytes, 4).map_or(0, |len| u64::from(len) + RIFF_HEADER_BYTES);
    if stated > bytes.len() as u64 {
        return Err(truncated(format!("the header states {stated} bytes, the file has {}", bytes.len())));
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|err| image_reject(&err))?;
    let (width, height) = decoder.dimensions();
    limits.check_size(width.into(), height.into())?;
    decoder.set_limits(image_limits(limits)).map_err(|err| image_reject(&err))?;
    png::read(decoder, limits)
}
