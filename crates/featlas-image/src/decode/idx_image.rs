//! One gray image as a two-dimensional idx file: what an idx source hands out.

use super::convert::{Samples, picture, rgb_from_8};
use super::{Raw, Reject, be_u32, corrupt, truncated};
use crate::limits::Limits;

/// `u8` values in two dimensions: height, width.
const MAGIC: [u8; 4] = [0, 0, 8, 2];
const HEADER_BYTES: usize = 12;

/// Writes the header and then the pixels behind what `bytes` holds.
pub(crate) fn wrap(width: u32, height: u32, pixels: &[u8], bytes: &mut Vec<u8>) {
    for part in [&MAGIC[..], &height.to_be_bytes(), &width.to_be_bytes(), pixels] {
        bytes.extend_from_slice(part);
    }
}

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<Raw, Reject> {
    let (Some(height), Some(width)) = (be_u32(bytes, 4), be_u32(bytes, 8)) else {
        return Err(truncated("the idx header is cut off"));
    };
    limits.check_size(width.into(), height.into())?;
    let pixels = &bytes[HEADER_BYTES..];
    let expected = u64::from(width) * u64::from(height);
    match (pixels.len() as u64).cmp(&expected) {
        std::cmp::Ordering::Less => {
            Err(truncated(format!("expected {expected} pixels, got {}", pixels.len())))
        }
        std::cmp::Ordering::Greater => {
            Err(corrupt(format!("expected {expected} pixels, got {}", pixels.len())))
        }
        std::cmp::Ordering::Equal => {
            let data = rgb_from_8(pixels.to_vec(), Samples::Gray { extra: 0 });
            Ok(Raw { image: picture(width, height, data)?, orientation: 1 })
        }
    }
}
