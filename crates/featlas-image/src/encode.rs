//! Pictures as files.

use featlas_core::RgbImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};
use mozjpeg::{ColorSpace, Compress};
use std::io;
use std::panic::catch_unwind;

/// Longest side that the JPEG format can state, as libjpeg sees it.
const MAX_JPEG_SIDE_PX: u32 = 65_500;

/// A picture that could not be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// JPEG cannot hold a picture of that size; PNG can.
    #[error("expected sides of at most {MAX_JPEG_SIDE_PX} px for a JPEG, got {width}x{height}")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The JPEG encoder gave up.
    #[error("cannot encode a JPEG")]
    Jpeg(#[source] io::Error),
    /// The PNG encoder gave up.
    #[error("cannot encode a PNG")]
    Png(#[source] image::ImageError),
}

/// Encodes a baseline JPEG; `quality` is libjpeg's, 1 to 100. Equal pictures give equal bytes.
///
/// # Errors
/// [`EncodeError::TooLarge`] for pictures that JPEG cannot hold, [`EncodeError::Jpeg`] if the encoder gives up.
pub fn encode_jpeg(image: &RgbImage, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let (width, height) = (image.width(), image.height());
    if width.max(height) > MAX_JPEG_SIDE_PX {
        return Err(EncodeError::TooLarge { width, height });
    }
    let encode = || {
        let mut settings = Compress::new(ColorSpace::JCS_RGB);
        // Without these, mozjpeg spends many times the time on a few percent of the size.
        settings.set_fastest_defaults();
        settings.set_optimize_coding(true);
        settings.set_size(width as usize, height as usize);
        settings.set_quality(f32::from(quality.clamp(1, 100)));
        let mut writer = settings.start_compress(Vec::new())?;
        writer.write_scanlines(image.data())?;
        writer.finish()
    };
    let gave_up = |_payload| Err(io::Error::other("libjpeg gave up"));
    catch_unwind(encode).unwrap_or_else(gave_up).map_err(EncodeError::Jpeg)
}

/// Encodes a PNG without loss. Equal pictures give equal bytes.
///
/// # Errors
/// [`EncodeError::Png`] if the encoder gives up.
pub fn encode_png(image: &RgbImage) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(image.data(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(EncodeError::Png)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{DecodeOptions, Format, decode};

    fn gradient() -> RgbImage {
        let mut image = RgbImage::filled(37, 23, [0; 3]);
        for (x, y) in (0..37u8).flat_map(|x| (0..23u8).map(move |y| (x, y))) {
            image.set_pixel(x.into(), y.into(), [x * 6, y * 10, 128]);
        }
        image
    }

    #[test]
    fn png_comes_back_as_it_was() {
        let decoded = decode(&encode_png(&gradient()).unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!((decoded.format, decoded.image), (Format::Png, gradient()));
    }

    #[test]
    fn jpeg_comes_back_nearly() {
        let bytes = encode_jpeg(&gradient(), 95).unwrap();
        assert_eq!(bytes, encode_jpeg(&gradient(), 95).unwrap());
        let decoded = decode(&bytes, &DecodeOptions::default()).unwrap();
        assert_eq!(decoded.format, Format::Jpeg);
        let pairs = decoded.image.data().iter().zip(gradient().into_data());
        let error: u32 = pairs.map(|(&a, b)| u32::from(a.abs_diff(b))).sum();
        assert!(error < 3 * 37 * 23 * 4, "mean difference is {}", f64::from(error) / (37.0 * 23.0 * 3.0));
        assert!(encode_jpeg(&gradient(), 10).unwrap().len() < bytes.len());
    }

    #[test]
    fn jpeg_has_a_largest_size() {
        let err = encode_jpeg(&RgbImage::filled(65_501, 1, [0; 3]), 90).unwrap_err();
        assert_eq!(err.to_string(), "expected sides of at most 65500 px for a JPEG, got 65501x1");
    }
}
