//! Pictures that are drawn window by window, so that their size does not decide the memory they take.
//!
//! A poster is a [`Picture`]. Writers ask it for strips, and need nothing else from it.

mod preview;
mod write;

use crate::RenderError;
use crate::canvas::Canvas;
use crate::color::Color;
use featlas_core::RgbImage;

pub use preview::Previewed;
pub(crate) use write::each_strip;
pub use write::{write_jpeg, write_png};

/// The longest side that a poster may have: what JPEG can state, and more than most viewers open.
pub const MAX_SIDE_PX: u32 = 65_535;

/// Pixels that a strip should have: large enough for long runs, small enough to keep two in memory.
const STRIP_PIXELS: u32 = 1 << 23;

/// Beyond this many pixels a strip is cut in pieces, even where that cuts tiles in two.
const MOST_STRIP_PIXELS: u32 = 1 << 25;

/// Something that can draw any window of itself.
pub trait Picture: Sync {
    /// Width in pixels, from 1 to [`MAX_SIDE_PX`].
    fn width(&self) -> u32;

    /// Height in pixels, from 1 to [`MAX_SIDE_PX`].
    fn height(&self) -> u32;

    /// The color under everything.
    fn background(&self) -> Color;

    /// How many images it shows; progress counts them.
    fn num_images(&self) -> u64;

    /// How many of them could not be read when they were drawn; a placeholder stands in their place.
    fn num_missing(&self) -> usize {
        0
    }

    /// Rows, ascending, at which a strip may end without cutting anything in two. Empty: anywhere.
    fn good_cuts(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Draws what lies inside `canvas.bounds()`.
    ///
    /// The color of a pixel must not depend on the window that it is drawn in.
    fn draw(&self, canvas: &mut Canvas);
}

/// Draws a whole picture in memory.
pub fn render(picture: &dyn Picture) -> RgbImage {
    let mut canvas = Canvas::new(picture.width(), picture.height(), picture.background());
    picture.draw(&mut canvas);
    canvas.into_image()
}

/// Refuses sizes that [`write_png`] would not write.
pub(crate) fn check_size(width: u64, height: u64) -> Result<(u32, u32), RenderError> {
    let fits = |side: u64| u32::try_from(side).ok().filter(|side| (1..=MAX_SIDE_PX).contains(side));
    fits(width).zip(fits(height)).ok_or(RenderError::TooLarge { width, height })
}

/// How many tiles of this size may be held scaled at once; many threads are kept busy by two or more.
pub(crate) fn batch_size(tile_px: i64) -> usize {
    let tile = usize::try_from(tile_px.max(1)).unwrap_or(1);
    (MOST_STRIP_PIXELS as usize / tile.saturating_mul(tile)).clamp(2, 1_024)
}

/// Top and bottom row of each strip, in order, without gaps.
pub(crate) fn strips(picture: &dyn Picture) -> Vec<(u32, u32)> {
    let height = picture.height();
    let rows = (STRIP_PIXELS / picture.width()).clamp(16, 512);
    let most = (MOST_STRIP_PIXELS / picture.width()).max(rows);
    let mut ends = picture.good_cuts();
    ends.retain(|&end| end > 0 && end < height);
    if ends.is_empty() {
        ends.extend((1..height).filter(|y| y % rows == 0));
    }
    ends.push(height);
    let mut strips: Vec<(u32, u32)> = Vec::new();
    for end in ends {
        match strips.last_mut() {
            Some((top, bottom)) if end - *top <= rows => *bottom = end,
            last => {
                let mut top = last.map_or(0, |&mut (_, bottom)| bottom);
                while end - top > most {
                    strips.push((top, top + most));
                    top += most;
                }
                strips.push((top, end));
            }
        }
    }
    strips
}

#[cfg(test)]
mod tests;
