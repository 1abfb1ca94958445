//! How large an image may be before it is refused.

use crate::reject::{Reject, RejectReason};

/// Largest file that is read, in bytes.
pub const DEFAULT_MAX_FILE_BYTES: u64 = 256 << 20;
/// Largest picture that is decoded, in pixels.
pub const DEFAULT_MAX_PIXELS: u64 = 100_000_000;
/// Longest side of a picture that is decoded, in pixels.
pub const DEFAULT_MAX_SIDE_PX: u32 = 32_768;

/// Bounds that keep the memory of one image bounded, whatever its header claims.
///
/// Sizes come from the header, before any pixel is decoded. The file's bytes apart, decoding takes at most
/// [`Limits::MAX_BYTES_PER_PIXEL`] bytes a pixel, so one image never takes more than
/// `max_file_bytes + MAX_BYTES_PER_PIXEL * max_pixels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest file that is read, in bytes.
    pub max_file_bytes: u64,
    /// Largest picture that is decoded, in pixels.
    pub max_pixels: u64,
    /// Longest side of a picture that is decoded, in pixels.
    pub max_side_px: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: DEFAULT_MAX_FILE_BYTES,
            max_pixels: DEFAULT_MAX_PIXELS,
            max_side_px: DEFAULT_MAX_SIDE_PX,
        }
    }
}

impl Limits {
    /// Bytes a pixel that decoding holds at most, result included and the file's own bytes apart.
    ///
    /// Measured on 12 megapixels: JPEG 3 (progressive 6, at full chroma 9, in CMYK 11), PNG 3 or 4 (16-bit with
    /// alpha 8), WebP 5 (lossless 7), GIF 4, BMP 3, TIFF 3 to 7 (16-bit CMYK 12). Turning a picture upright takes 6.
    pub const MAX_BYTES_PER_PIXEL: u64 = 16;

    /// Refuses a picture whose header states more than the limits allow, or nothing at all.
    pub(crate) fn check_size(&self, width: u64, height: u64) -> Result<(), Reject> {
        if width == 0 || height == 0 {
            return Err(Reject::new(RejectReason::Corrupt, format!("header states {width}x{height} pixels")));
        }
        let side = u64::from(self.max_side_px);
        if width > side || height > side {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!("{width}x{height} pixels; the longest side allowed is {side} px"),
            ));
        }
        let pixels = width.saturating_mul(height);
        if pixels > self.max_pixels {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!("{width}x{height} is {pixels} pixels; at most {} are allowed", self.max_pixels),
            ));
        }
        Ok(())
    }

    /// Refuses a file that is empty or larger than the limit.
    pub(crate) fn check_bytes(&self, len: u64) -> Result<(), Reject> {
        if len == 0 {
            return Err(Reject::new(RejectReason::Empty, "the file has no bytes"));
        }
        if len > self.max_file_bytes {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!("{len} bytes; at most {} are allowed", self.max_file_bytes),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_named_in_its_message() {
        let limits = Limits { max_file_bytes: 10, max_pixels: 20, max_side_px: 10 };
        assert!(limits.check_size(5, 4).is_ok());
        let reject = limits.check_size(5, 5).unwrap_err();
        assert_eq!(reject.to_string(), "too_large: 5x5 is 25 pixels; at most 20 are allowed");
        let reject = limits.check_size(1, 11).unwrap_err();
        assert_eq!(reject.to_string(), "too_large: 1x11 pixels; the longest side allowed is 10 px");
        assert_eq!(limits.check_size(0, 1).unwrap_err().reason, RejectReason::Corrupt);
        assert_eq!(limits.check_size(u64::MAX, u64::MAX).unwrap_err().reason, RejectReason::TooLarge);
        assert_eq!(limits.check_bytes(0).unwrap_err().reason, RejectReason::Empty);
        assert_eq!(limits.check_bytes(11).unwrap_err().reason, RejectReason::TooLarge);
        assert!(limits.check_bytes(10).is_ok());
    }
}
