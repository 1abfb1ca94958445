//! Many small pictures of one size in one sheet: kernels, activation maps.

use super::words::Words;
use crate::RenderError;
use crate::canvas::{Canvas, floor};
use crate::color::{Color, PAPER, ink_on, mix, muted_on};
use crate::picture::check_size;
use crate::text::{Align, Text};
use featlas_core::{Rect, RgbImage};
use featlas_image::resize_nearest_up;

/// Tiles that belong together, such as the kernels of one output channel.
#[derive(Debug, Clone)]
pub struct TileGroup {
    /// A short word above them, such as the channel's number; may be empty.
    pub label: String,
    /// The tiles, in reading order.
    pub tiles: Vec<RgbImage>,
    /// Whether the label steps back: there is nothing to see.
    pub is_muted: bool,
}

/// A sheet of tiles.
#[derive(Debug, Clone)]
pub struct Mosaic {
    /// The line at the top.
    pub title: String,
    /// Quieter lines under it; they wrap.
    pub notes: Vec<String>,
    /// The groups, in reading order.
    pub groups: Vec<TileGroup>,
    /// Side of a tile's pixel in the sheet, at least 1.
    pub scale: u32,
}

/// What stands between tiles that hold values of their own.
const GROUT: Color = [206, 204, 198];

/// Draws a mosaic. Tiles are enlarged by whole factors, without smoothing.
///
/// Groups of several tiles are laid out as squares; the sheet is a little wider than high.
///
/// # Errors
/// [`RenderError::NoImages`] without tiles, [`RenderError::TooLarge`] for more of them than a picture holds.
pub fn mosaic(sheet: &Mosaic) -> Result<RgbImage, RenderError> {
    let tiles = || sheet.groups.iter().flat_map(|group| &group.tiles);
    let most = |side: fn(&RgbImage) -> u32| tiles().map(side).max().ok_or(RenderError::NoImages);
    let scale = sheet.scale.max(1);
    let (tile_w, tile_h) = (most(RgbImage::width)? * scale, most(RgbImage::height)? * scale);
    let largest = sheet.groups.iter().map(|group| group.tiles.len()).max().unwrap_or(1);
    let across = ceil_sqrt(largest);
    let down = largest.div_ceil(across);
    // One pixel of grout inside a group, so that values of neighbors are not taken for one.
    let (pitch_w, pitch_h) = (tile_w as usize + 1, tile_h as usize + 1);
    let (block_w, block_h) = (across * pitch_w - 1, down * pitch_h - 1);
    let labeled = sheet.groups.iter().any(|group| !group.label.is_empty());
    let label = Text::new((block_w as f32 * 0.16).clamp(8.5, 15.0));
    let head = if labeled { (label.line_px() + 1.0).round() } else { 0.0 };
    let gap = (block_w as f32 * 0.07).clamp(3.0, 24.0).round();
    let (pitch_x, pitch_y) = (block_w as f32 + gap, head + block_h as f32 + gap);

    let columns = columns_for(sheet.groups.len(), pitch_x, pitch_y);
    let rows = sheet.groups.len().div_ceil(columns);
    let inner = (columns as f32 * pitch_x - gap).max(340.0);
    let unit = (inner * 0.011).clamp(13.0, 30.0);
    let margin = (unit * 1.6).round();
    let words = Words::new(&sheet.title, &sheet.notes, unit, inner);
    let height = 2.0 * margin + words.height_px() + rows as f32 * pitch_y - gap;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let (width, height) = check_size((inner + 2.0 * margin).ceil() as u64, height.ceil() as u64)?;

    let mut canvas = Canvas::new(width, height, PAPER);
    words.draw(&mut canvas, margin, margin);
    let top = margin + words.height_px();
    for (i, group) in sheet.groups.iter().enumerate() {
        let (x, y) = (margin + (i % columns) as f32 * pitch_x, top + (i / columns) as f32 * pitch_y);
        let color = if group.is_muted { mix(PAPER, ink_on(PAPER), 0.35) } else { muted_on(PAPER) };
        let baseline = y + label.cap_px();
        label.draw_fit(&mut canvas, &group.label, x, baseline, pitch_x, Align::Left, color);
        draw_group(&mut canvas, group, (floor(x), floor(y + head)), (across, pitch_w, pitch_h), scale);
    }
    Ok(canvas.into_image())
}

fn draw_group(
    canvas: &mut Canvas,
    group: &TileGroup,
    (left, top): (i64, i64),
    (across, pitch_w, pitch_h): (usize, usize, usize),
    scale: u32,
) {
    let signed = |px: usize| i64::try_from(px).expect("a group is smaller than a picture");
    if group.tiles.len() > 1 {
        let (columns, rows) = (group.tiles.len().min(across), group.tiles.len().div_ceil(across));
        let (right, bottom) = (left + signed(columns * pitch_w) - 1, top + signed(rows * pitch_h) - 1);
        canvas.fill(Rect { left, top, right, bottom }, GROUT);
    }
    for (i, tile) in group.tiles.iter().enumerate() {
        let (x, y) = (left + signed(i % across * pitch_w), top + signed(i / across * pitch_h));
        canvas.paste(&resize_nearest_up(tile, scale), x, y);
    }
}

/// Columns that make the sheet a little wider than high.
fn columns_for(groups: usize, pitch_x: f32, pitch_y: f32) -> usize {
    let wanted = (groups as f32 * 1.4 * pitch_y / pitch_x).sqrt().round().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let wanted = wanted as usize;
    // A full last row looks better, where one is near.
    let near = (wanted - wanted / 5).max(1)..=wanted + wanted / 5;
    let empty = |columns: &usize| (groups.next_multiple_of(*columns) - groups, columns.abs_diff(wanted));
    near.min_by_key(empty).unwrap_or(1).min(groups.max(1))
}

fn ceil_sqrt(n: usize) -> usize {
    let root = n.isqrt();
    if root * root == n { root.max(1) } else { root + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(tiles: usize, color: Color) -> TileGroup {
        TileGroup { label: "17".into(), tiles: vec![RgbImage::filled(3, 3, color); tiles], is_muted: false }
    }

    #[test]
    fn every_tile_is_drawn_whole() {
        for (groups, tiles, scale) in [(1, 1, 1), (7, 1, 4), (12, 10, 2), (3, 16, 3)] {
            let groups = vec![group(tiles, [250, 1, 2]); groups];
            let count = groups.len();
            let sheet = Mosaic { title: "t".into(), notes: vec!["note".into()], groups, scale };
            let drawn = mosaic(&sheet).unwrap();
            let found = drawn.data().chunks(3).filter(|pixel| *pixel == [250, 1, 2]).count();
            assert_eq!(found, count * tiles * 9 * (scale * scale) as usize);
        }
    }

    #[test]
    fn a_sheet_prefers_full_rows() {
        assert_eq!([64, 128, 96, 1, 2].map(|n| columns_for(n, 70.0, 80.0)), [8, 16, 12, 1, 2]);
    }

    #[test]
    fn no_tiles_make_no_sheet() {
        let sheet = Mosaic { title: String::new(), notes: Vec::new(), groups: vec![], scale: 1 };
        assert!(matches!(mosaic(&sheet), Err(RenderError::NoImages)));
    }
}
