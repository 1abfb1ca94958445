//! TIFF: the first picture of the file, in the kinds that Pillow reads as well.

use super::convert::{Samples, cmyk_to_rgb, picture, rgb_from_8, rgb_from_palette};
use super::{Raw, Reject, be_u16, be_u32, corrupt, le_u32, truncated, unsupported};
use crate::limits::Limits;
use crate::reject::RejectReason;
use std::io::{self, Cursor};
use tiff::decoder::{BufferLayoutPreference, Decoder, DecodingResult};
use tiff::tags::{PhotometricInterpretation, SampleFormat, Tag};
use tiff::{ColorType, TiffError};

type Reader<'a> = Decoder<Cursor<&'a [u8]>>;

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<Raw, Reject> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(|err| reject(&err))?;
    let (width, height) = decoder.dimensions().map_err(|err| reject(&err))?;
    limits.check_size(width.into(), height.into())?;
    let mut decoder = decoder.with_limits(tiff_limits(limits));
    check_sample_format(&mut decoder)?;
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
    let orientation = orientation.filter(|value| (1..=8).contains(value)).unwrap_or(1);
    let photometric =
        decoder.find_tag_unsigned(Tag::PhotometricInterpretation).map_err(|err| reject(&err))?;

    let rgb = if photometric == Some(PhotometricInterpretation::RGBPalette.to_u16()) {
        let palette = palette(&mut decoder)?;
        let indexed = as_gray(bytes).ok_or_else(|| unsupported("this TIFF with a palette is not read"))?;
        let mut decoder = Decoder::new(Cursor::new(&*indexed)).map_err(|err| reject(&err))?;
        decoder = decoder.with_limits(tiff_limits(limits));
        let (data, _color) = samples(&mut decoder, width, height, true)?;
        rgb_from_palette(&data, &palette)
    } else {
        let (data, color) = samples(&mut decoder, width, height, false)?;
        let extra = |used| usize::from(color.num_samples()) - used;
        match color {
            ColorType::Gray(_) | ColorType::GrayA(_) | ColorType::Multiband { num_samples: 2, .. } => {
                rgb_from_8(data, Samples::Gray { extra: extra(1) })
            }
            ColorType::RGB(_) | ColorType::RGBA(_) => rgb_from_8(data, Samples::Rgb { extra: extra(3) }),
            ColorType::CMYK(_) => data.as_chunks().0.iter().flat_map(|&pixel| cmyk_to_rgb(pixel)).collect(),
            other => return Err(unsupported(format!("TIFF pixels of kind {other:?} are not read"))),
        }
    };
    Ok(Raw { image: picture(width, height, rgb)?, orientation })
}

/// Decodes all samples to a byte each.
fn samples(
    decoder: &mut Reader<'_>,
    width: u32,
    height: u32,
    indices: bool,
) -> Result<(Vec<u8>, ColorType), Reject> {
    let color = decoder.colortype().map_err(|err| reject(&err))?;
    let (per_pixel, depth) = (usize::from(color.num_samples()), color.bit_depth());
    let mut buffer = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut buffer).map_err(|err| reject(&err))?;
    let data = interleave(high_bytes(buffer)?, &layout, depth)?;
    let data = unpack(data, width, per_pixel, depth, indices)?;
    let expected = width as usize * height as usize * per_pixel;
    if data.len() != expected {
        return Err(corrupt(format!("expected {expected} samples, got {}", data.len())));
    }
    Ok((data, color))
}

/// A copy of a file whose first picture is said to be gray, so that the decoder hands out its indices.
///
/// The decoder refuses palettes, though it knows all that lies below them.
fn as_gray(bytes: &[u8]) -> Option<Vec<u8>> {
    const ENTRY_BYTES: usize = 12;
    let big = bytes.starts_with(b"MM");
    let word = |at: usize| {
        let word = be_u16(bytes, at)?;
        Some(if big { word } else { word.swap_bytes() })
    };
    if word(2)? != 42 {
        return None;
    }
    let directory = if big { be_u32(bytes, 4)? } else { le_u32(bytes, 4)? } as usize;
    let count = usize::from(word(directory)?);
    let entries = (0..count).map(|entry| directory + 2 + entry * ENTRY_BYTES);
    let photometric = Some(Tag::PhotometricInterpretation.to_u16());
    let at = entries.take_while(|&at| at < bytes.len()).find(|&at| word(at) == photometric)? + 8;
    let gray = PhotometricInterpretation::BlackIsZero.to_u16();
    let mut copy = bytes.to_vec();
    copy.get_mut(at..at + 2)?.copy_from_slice(&if big { gray.to_be_bytes() } else { gray.to_le_bytes() });
    Some(copy)
}

fn tiff_limits(limits: Limits) -> tiff::decoder::Limits {
    let bytes = limits.max_pixels.saturating_mul(Limits::MAX_BYTES_PER_PIXEL);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut theirs = tiff::decoder::Limits::default();
    theirs.decoding_buffer_size = bytes;
    theirs.intermediate_buffer_size = bytes;
    theirs
}

fn check_sample_format(decoder: &mut Reader<'_>) -> Result<(), Reject> {
    let formats = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(|err| reject(&err))?;
    let uint = SampleFormat::Uint.to_u16();
    if formats.unwrap_or_default().iter().any(|&format| format != uint) {
        return Err(unsupported("TIFF samples that are signed or floating have no fixed range"));
    }
    Ok(())
}

/// The color map: all reds, all greens, all blues, 16 bits each, of which Pillow keeps the high ones.
fn palette(decoder: &mut Reader<'_>) -> Result<Vec<[u8; 3]>, Reject> {
    let map = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(|err| reject(&err))?;
    let size = map.len() / 3;
    let high = |value: u16| value.to_be_bytes()[0];
    Ok((0..size).map(|i| [high(map[i]), high(map[size + i]), high(map[2 * size + i])]).collect())
}

fn high_bytes(buffer: DecodingResult) -> Result<Vec<u8>, Reject> {
    match buffer {
        DecodingResult::U8(values) => Ok(values),
        DecodingResult::U16(values) => Ok(values.iter().map(|value| value.to_be_bytes()[0]).collect()),
        _ => Err(unsupported("TIFF samples of more than 16 bits are not read")),
    }
}

/// Weaves planes of whole bytes into pixels.
fn interleave(data: Vec<u8>, layout: &BufferLayoutPreference, depth: u8) -> Result<Vec<u8>, Reject> {
    if layout.planes <= 1 {
        return Ok(data);
    }
    if depth < 8 {
        return Err(unsupported("TIFF planes of less than 8 bits are not read"));
    }
    let stride = data.len() / layout.planes;
    let mut woven = Vec::with_capacity(data.len());
    for at in 0..stride {
        woven.extend((0..layout.planes).map(|plane| data[plane * stride + at]));
    }
    Ok(woven)
}

/// Gives samples of less than 8 bits a byte each, stretched to the full range unless they are indices.
fn unpack(data: Vec<u8>, width: u32, samples: usize, depth: u8, indices: bool) -> Result<Vec<u8>, Reject> {
    if depth == 8 || depth == 16 {
        return Ok(data);
    }
    if !matches!(depth, 1 | 2 | 4) {
        return Err(unsupported(format!("TIFF samples of {depth} bits are not read")));
    }
    let per_row = width as usize * samples;
    let per_byte = usize::from(8 / depth);
    let mask = (1u8 << depth) - 1;
    let scale = if indices { 1 } else { 255 / mask };
    let mut out = Vec::with_capacity(data.len() * per_byte);
    for row in data.chunks_exact(per_row.div_ceil(per_byte)) {
        out.extend((0..per_row).map(|at| {
            let shift = 8 - depth * (u8::try_from(at % per_byte).unwrap_or(0) + 1);
            ((row[at / per_byte] >> shift) & mask) * scale
        }));
    }
    Ok(out)
}

fn reject(err: &TiffError) -> Reject {
    match err {
        TiffError::IoError(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            truncated(format!("the file ends before the pixels: {source}"))
        }
        TiffError::UnsupportedError(_) => unsupported(err.to_string()),
        TiffError::LimitsExceeded => Reject::new(RejectReason::TooLarge, err.to_string()),
        _ => corrupt(err.to_string()),
    }
}
