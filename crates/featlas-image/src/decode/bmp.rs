//! BMP.

use super::{Raw, Reject, image_limits, image_reject, png};
use crate::limits::Limits;
use image::ImageDecoder as _;
use image::codecs::bmp::BmpDecoder;
use std::io::Cursor;

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<Raw, Reject> {
    let mut decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(|err| image_reject(&err))?;
    let (width, height) = decoder.dimensions();
    limits.check_size(width.into(), height.into())?;
    decoder.set_limits(image_limits(limits)).map_err(|err| image_reject(&err))?;
    png::read(decoder, limits)
}
