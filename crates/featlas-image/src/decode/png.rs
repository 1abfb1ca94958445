//! PNG.

use super::convert::{Samples, picture, rgb_from_8, rgb_from_16};
use super::{
    Raw, Reject, be_u32, corrupt, exif_orientation, image_limits, image_reject, truncated, unsupported,
};
use crate::limits::Limits;
use image::codecs::png::PngDecoder;
use image::{ColorType, ImageDecoder};
use std::io::Cursor;

const SIGNATURE_BYTES: usize = 8;
/// Length, name and checksum of a chunk.
const CHUNK_FRAME_BYTES: usize = 12;

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<Raw, Reject> {
    check_chunks(bytes)?;
    let (Some(width), Some(height)) = (be_u32(bytes, 16), be_u32(bytes, 20)) else {
        return Err(truncated("the header chunk is cut off"));
    };
    limits.check_size(width.into(), height.into())?;
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), image_limits(limits));
    read(decoder.map_err(|err| image_reject(&err))?, limits)
}

/// Decodes with any decoder of the `image` crate that knows PNG's kinds of samples.
pub(super) fn read(mut decoder: impl ImageDecoder, limits: Limits) -> Result<Raw, Reject> {
    let (width, height) = decoder.dimensions();
    limits.check_size(width.into(), height.into())?;
    let exif = decoder.exif_metadata().map_err(|err| image_reject(&err))?;
    let color = decoder.color_type();
    let len = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    let mut data = vec![0; len];
    decoder.read_image(&mut data).map_err(|err| image_reject(&err))?;
    let data = match color {
        ColorType::L8 => rgb_from_8(data, Samples::Gray { extra: 0 }),
        ColorType::La8 => rgb_from_8(data, Samples::Gray { extra: 1 }),
        ColorType::Rgb8 => data,
        ColorType::Rgba8 => rgb_from_8(data, Samples::Rgb { extra: 1 }),
        ColorType::L16 => rgb_from_16(data, Samples::Gray { extra: 0 }),
        ColorType::La16 => rgb_from_16(data, Samples::Gray { extra: 1 }),
        ColorType::Rgb16 => rgb_from_16(data, Samples::Rgb { extra: 0 }),
        ColorType::Rgba16 => rgb_from_16(data, Samples::Rgb { extra: 1 }),
        other => return Err(unsupported(format!("samples of kind {other:?} have no fixed range"))),
    };
    Ok(Raw { image: picture(width, height, data)?, orientation: exif_orientation(exif.as_deref()) })
}

/// Walks the chunks to the end mark. The decoder would stop after the pixels and never miss it.
fn check_chunks(bytes: &[u8]) -> Result<(), Reject> {
    let mut at = SIGNATURE_BYTES;
    if bytes.get(at + 4..at + 8).is_some_and(|name| name != b"IHDR") {
        return Err(corrupt("the first chunk is no header"));
    }
    loop {
        let (Some(len), Some(name)) = (be_u32(bytes, at), bytes.get(at + 4..at + 8)) else {
            return Err(truncated("the file ends before the end mark"));
        };
        let end = (at + CHUNK_FRAME_BYTES).saturating_add(len as usize);
        if end > bytes.len() {
            let name = String::from_utf8_lossy(name);
            return Err(truncated(format!("chunk `{name}` needs {end} bytes, the file has {}", bytes.len())));
        }
        if name == b"IEND" {
            return Ok(());
        }
        at = end;
    }
}
