//! GIF: the first frame on its canvas.

use super::convert::{picture, rgb_from_palette};
use super::{Raw, Reject, corrupt, truncated};
use crate::limits::Limits;
use crate::reject::RejectReason;
use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};
use std::io;
use std::num::NonZeroU64;

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<Raw, Reject> {
    check_blocks(bytes)?;
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options
        .set_memory_limit(MemoryLimit::Bytes(NonZeroU64::new(limits.max_pixels).unwrap_or(NonZeroU64::MIN)));
    let mut decoder = options.read_info(bytes).map_err(|err| reject(&err))?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    limits.check_size(width as u64, height as u64)?;
    let frame = decoder.next_frame_info().map_err(|err| reject(&err))?;
    let frame = frame.ok_or_else(|| corrupt("no frame in the file"))?;
    limits.check_size(frame.width.into(), frame.height.into())?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let frame_width = usize::from(frame.width);
    let transparent = frame.transparent.unwrap_or(0);

    let mut indices = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut indices).map_err(|err| reject(&err))?;
    let palette = decoder.palette().map_err(|err| reject(&err))?;
    let (palette, _rest) = palette.as_chunks::<3>();

    // The canvas around a small frame has the color behind transparency, or the first one.
    let mut canvas = vec![transparent; width * height];
    for (row, y) in indices.chunks_exact(frame_width).zip(top..height) {
        let visible = frame_width.min(width.saturating_sub(left));
        let start = y * width + left.min(width);
        canvas[start..start + visible].copy_from_slice(&row[..visible]);
    }
    drop(indices);
    let image = picture(decoder.width().into(), decoder.height().into(), rgb_from_palette(&canvas, palette))?;
    Ok(Raw { image, orientation: 1 })
}

/// Walks the blocks to the trailer. The decoder would stop after the first frame and never miss the rest.
fn check_blocks(bytes: &[u8]) -> Result<(), Reject> {
    let cut = || truncated("the file ends before the trailer");
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + table(*bytes.get(10).ok_or_else(cut)?);
    loop {
        match *bytes.get(at).ok_or_else(cut)? {
            0x3b => return Ok(()),
            0x21 => at += 2,
            0x2c => at += 11 + table(*bytes.get(at + 9).ok_or_else(cut)?),
            // Some writers pad with zeros between blocks.
            0 => {
                at += 1;
                continue;
            }
            other => return Err(corrupt(format!("expected a block at byte {at}, got {other:#04x}"))),
        }
        loop {
            let len = usize::from(*bytes.get(at).ok_or_else(cut)?);
            at += 1 + len;
            if len == 0 {
                break;
            }
        }
    }
}

fn reject(err: &DecodingError) -> Reject {
    match err {
        DecodingError::UnexpectedEof => truncated(err.to_string()),
        DecodingError::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            truncated(err.to_string())
        }
        DecodingError::MemoryLimit | DecodingError::OutOfMemory => {
            Reject::new(RejectReason::TooLarge, err.to_string())
        }
        _ => corrupt(err.to_string()),
    }
}
