//! BMP.

use super::{Raw, Reject, image_limits, image_reject, le_u32, png, truncated};
use crate::limits::Limits;
use image::ImageDecoder as _;
use image::codecs::bmp::BmpDecoder;
use std::io::Cursor;

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<Raw, Reject> {
    check_header(bytes, limits)?;
    let mut decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(|err| image_reject(&err))?;
    let (width, height) = decoder.dimensions();
    limits.check_size(width.into(), height.into())?;
    decoder.set_limits(image_limits(limits)).map_err(|err| image_reject(&err))?;
    let mut raw = png::read(decoder, limits)?;
    if let Some(bits) = narrow_channels(bytes) {
        for pixel in raw.image.data_mut().as_chunks_mut::<3>().0 {
            for (value, bits) in pixel.iter_mut().zip(bits) {
                *value = floor_scaled(*value, bits);
            }
        }
    }
    Ok(raw)
}

/// Looks at the size before the decoder does, whose errors about it say nothing of limits.
fn check_header(bytes: &[u8], limits: Limits) -> Result<(), Reject> {
    /// Older headers state sizes of 16 bits, which the decoder gets right.
    const INFO_HEADER_BYTES: u32 = 40;
    let (Some(header), Some(width), Some(height)) = (le_u32(bytes, 14), le_u32(bytes, 18), le_u32(bytes, 22))
    else {
        return Err(truncated("the header is cut off"));
    };
    if header < INFO_HEADER_BYTES {
        return Ok(());
    }
    // A negative height means that rows run downwards.
    limits.check_size(width.into(), height.cast_signed().unsigned_abs().into())
}

/// Bits of red, green and blue in a file of 16 bits a pixel.
fn narrow_channels(bytes: &[u8]) -> Option<[u32; 3]> {
    /// Masks that the header states lie behind it.
    const BITFIELDS: u32 = 3;
    if bytes.get(28..30)? != [16, 0] {
        return None;
    }
    if le_u32(bytes, 30)? != BITFIELDS {
        return Some([5; 3]);
    }
    Some([le_u32(bytes, 54)?.count_ones(), le_u32(bytes, 58)?.count_ones(), le_u32(bytes, 62)?.count_ones()])
}

/// The `image` crate stretches 5 and 6 bits to 8 and rounds, Pillow rounds down.
fn floor_scaled(value: u8, bits: u32) -> u8 {
    if !matches!(bits, 5 | 6) {
        return value;
    }
    let full = (1 << bits) - 1;
    let narrow = (u32::from(value) * full + 127) / 255;
    u8::try_from(narrow * 255 / full).unwrap_or(u8::MAX)
}
