//! Pictures as files.

use featlas_core::RgbImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};
use mozjpeg::compress::CompressStarted;
use mozjpeg::{ColorSpace, Compress, PixelDensity, PixelDensityUnit};
use std::cell::RefCell;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Longest side that the JPEG format can state, as libjpeg sees it.
pub const MAX_JPEG_SIDE_PX: u32 = 65_500;
const DOTS_PER_INCH: u16 = 300;

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
    let encode = || {
        let mut settings = compressor(image.width(), image.height(), quality);
        settings.set_optimize_coding(true);
        let mut writer = settings.start_compress(Vec::new())?;
        writer.write_scanlines(image.data())?;
        writer.finish()
    };
    check_jpeg_size(image.width(), image.height())?;
    guarded(encode).map_err(EncodeError::Jpeg)
}

/// Writes a baseline JPEG whose rows come one part after another; memory does not grow with the picture.
///
/// The bytes differ from [`encode_jpeg`]'s: the best code for a picture is known only when all of it was seen.
#[expect(missing_debug_implementations, reason = "the encoder of libjpeg has none")]
pub struct JpegWriter<'a> {
    // Gone once libjpeg gave up: it must not be called again then.
    writer: Option<CompressStarted<Kept<'a>>>,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl<'a> JpegWriter<'a> {
    /// Begins a JPEG of `width` x `height` pixels in `out`, at 300 dots an inch.
    ///
    /// # Errors
    /// As [`encode_jpeg`], or what `out` says.
    pub fn new(out: &'a mut dyn Write, width: u32, height: u32, quality: u8) -> Result<Self, EncodeError> {
        check_jpeg_size(width, height)?;
        let failure = Rc::new(RefCell::new(None));
        let kept = Kept { out, failure: Rc::clone(&failure) };
        let begin = || {
            let mut settings = compressor(width, height, quality);
            let unit = PixelDensityUnit::Inches;
            settings.set_pixel_density(PixelDensity { unit, x: DOTS_PER_INCH, y: DOTS_PER_INCH });
            settings.start_compress(kept)
        };
        match guarded(begin) {
            Ok(writer) => Ok(Self { writer: Some(writer), failure }),
            Err(err) => Err(EncodeError::Jpeg(failure.take().unwrap_or(err))),
        }
    }

    /// Writes the next rows, whole ones: three bytes a pixel.
    ///
    /// # Errors
    /// [`EncodeError::Jpeg`] with what `out` or libjpeg said; nothing can be written after that.
    pub fn write_rows(&mut self, rows: &[u8]) -> Result<(), EncodeError> {
        let mut writer = self.writer.take().ok_or_else(|| EncodeError::Jpeg(gave_up()))?;
        let written = guarded(|| writer.write_scanlines(rows).map(|()| writer));
        self.writer = Some(written.map_err(|err| self.cause(err))?);
        Ok(())
    }

    /// Writes the end.
    ///
    /// # Errors
    /// As [`write_rows`](Self::write_rows); also if rows are missing.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        let writer = self.writer.take().ok_or_else(|| EncodeError::Jpeg(gave_up()))?;
        guarded(|| writer.finish().map(drop)).map_err(|err| self.cause(err))
    }

    /// What went wrong: libjpeg itself knows only that writing failed.
    fn cause(&self, err: io::Error) -> EncodeError {
        EncodeError::Jpeg(self.failure.take().unwrap_or(err))
    }
}

/// A writer that keeps its error, which libjpeg drops.
struct Kept<'a> {
    out: &'a mut dyn Write,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl Kept<'_> {
    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|err| {
            let kind = err.kind();
            *self.failure.borrow_mut() = Some(err);
            kind.into()
        })
    }
}

impl Write for Kept<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.keep(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.keep(flushed)
    }
}

fn check_jpeg_size(width: u32, height: u32) -> Result<(), EncodeError> {
    if width.max(height) > MAX_JPEG_SIDE_PX { Err(EncodeError::TooLarge { width, height }) } else { Ok(()) }
}

fn compressor(width: u32, height: u32, quality: u8) -> Compress {
    let mut settings = Compress::new(ColorSpace::JCS_RGB);
    // Without these, mozjpeg spends many times the time on a few percent of the size.
    settings.set_fastest_defaults();
    settings.set_size(width as usize, height as usize);
    settings.set_quality(f32::from(quality.clamp(1, 100)));
    settings
}

/// libjpeg unwinds where it gives up.
fn guarded<T>(act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_payload| Err(gave_up()))
}

fn gave_up() -> io::Error {
    io::Error::other("libjpeg gave up")
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

/// Encodes the part of a picture that lies in a mask as a PNG; the rest is transparent.
///
/// # Errors
/// [`EncodeError::Png`] if the encoder gives up.
///
/// # Panics
/// If the mask does not have one value a pixel.
pub fn encode_cut_out(image: &RgbImage, mask: &[bool]) -> Result<Vec<u8>, EncodeError> {
    let (pixels, _) = image.data().as_chunks::<3>();
    assert_eq!(pixels.len(), mask.len(), "one value a pixel");
    let rgba = |(&[r, g, b], &inside): (&[u8; 3], &bool)| if inside { [r, g, b, u8::MAX] } else { [0; 4] };
    let data: Vec<u8> = pixels.iter().zip(mask).flat_map(rgba).collect();
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&data, image.width(), image.height(), ExtendedColorType::Rgba8)
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
    fn what_is_cut_away_is_transparent() {
        let image = gradient();
        let mask: Vec<bool> = (0..37 * 23).map(|i| i % 5 == 0).collect();
        let bytes = encode_cut_out(&image, &mask).unwrap();
        let back = image::load_from_memory(&bytes).unwrap().into_rgba8();
        for ((pixel, inside), color) in back.pixels().zip(&mask).zip(image.data().chunks(3)) {
            assert_eq!(pixel.0[3], if *inside { 255 } else { 0 });
            assert!(!inside || pixel.0[..3] == *color);
        }
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
    fn a_jpeg_written_in_parts_holds_the_same_pixels() {
        let image = gradient();
        let mut bytes = Vec::new();
        let mut writer = JpegWriter::new(&mut bytes, 37, 23, 95).unwrap();
        for part in image.data().chunks(37 * 3 * 5) {
            writer.write_rows(part).unwrap();
        }
        writer.finish().unwrap();
        let whole = decode(&encode_jpeg(&image, 95).unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!(decode(&bytes, &DecodeOptions::default()).unwrap().image, whole.image);
    }

    #[test]
    fn what_the_disk_said_is_what_the_writer_says() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for room in [0, 100, 5_000] {
            let mut out = Full(room);
            let written = JpegWriter::new(&mut out, 300, 900, 100).and_then(|mut writer| {
                let noise: Vec<u8> = (0..900_u32).map(|i| (i * i % 251) as u8).collect();
                for _ in 0..900 {
                    writer.write_rows(&noise)?;
                }
                writer.finish()
            });
            match written {
                Err(EncodeError::Jpeg(err)) => assert_eq!(err.kind(), io::ErrorKind::StorageFull, "{room}"),
                other => panic!("room for {room} bytes: {other:?}"),
            }
        }
    }

    #[test]
    fn a_jpeg_without_all_its_rows_is_refused() {
        let mut bytes = Vec::new();
        let mut writer = JpegWriter::new(&mut bytes, 10, 10, 90).unwrap();
        writer.write_rows(&[0; 30 * 9]).unwrap();
        assert!(matches!(writer.finish(), Err(EncodeError::Jpeg(_))));
        let err = JpegWriter::new(&mut bytes, 1, 65_501, 90).err().unwrap();
        assert!(matches!(err, EncodeError::TooLarge { .. }));
    }

    #[test]
    fn jpeg_has_a_largest_size() {
        let err = encode_jpeg(&RgbImage::filled(65_501, 1, [0; 3]), 90).unwrap_err();
        assert_eq!(err.to_string(), "expected sides of at most 65500 px for a JPEG, got 65501x1");
    }
}
