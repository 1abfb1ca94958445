//! Galleries: the patches that excite each channel of a layer most.

mod index;

pub use index::{ChannelEntry, gallery_index_html};

use crate::RenderError;
use crate::canvas::{Canvas, floor};
use crate::color::{ACCENT, Color, PAPER, faint_on, ink_on, mix, muted_on};
use crate::picture::check_size;
use crate::sheet::{Cells, SheetHeading};
use crate::text::{Align, Text};
use crate::tiles::{Fit, paste_fit};
use featlas_core::{Rect, RgbImage};

/// The input region behind one activation.
#[derive(Debug, Clone)]
pub struct Patch {
    /// The region, cut from the original image and padded to the receptive field's shape where it reaches
    /// over the border.
    pub image: RgbImage,
    /// Its pixels that excite the channel, cut to the same region; drawn beside it on the channel's sheet.
    pub guided: Option<RgbImage>,
    /// The activation.
    pub value: f32,
    /// What to write beneath, usually the image's path.
    pub caption: String,
}

/// How the sheets of a gallery look.
#[derive(Debug, Clone, PartialEq)]
pub struct GalleryParams {
    /// Side of a patch on a channel's sheet, in pixels.
    pub tile_px: u32,
    /// Side of a patch on the overview, in pixels.
    pub overview_px: u32,
    /// Most patches of one channel on the overview.
    pub overview_top: usize,
    /// The color under everything.
    pub background: Color,
}

impl Default for GalleryParams {
    fn default() -> Self {
        Self { tile_px: 168, overview_px: 48, overview_top: 4, background: PAPER }
    }
}

/// Draws the sheet of one channel: its patches, strongest first, in a square (nine: 3 x 3).
///
/// A bar under each patch shows its activation against the strongest one. If any patch has a guided picture, all
/// patches have room for one at their right side.
/// Without patches the sheet says that nothing excites the channel.
///
/// # Errors
/// [`RenderError::TooLarge`] for more patches than a picture holds.
pub fn channel_sheet(
    layer: &str,
    channel: usize,
    patches: &[Patch],
    params: &GalleryParams,
) -> Result<RgbImage, RenderError> {
    let cells = Cells::new(params.tile_px, params.background);
    let columns = square_columns(patches.len());
    let rows = patches.len().div_ceil(columns).max(1);
    let margin = cells.tile_px * 0.2;
    let paired = patches.iter().any(|patch| patch.guided.is_some());
    // The two of a pair touch; pairs stand apart as tiles do.
    let pitch = cells.pitch_px() + if paired { cells.tile_px } else { 0.0 };
    let inner = columns as f32 * pitch - cells.gap_px();
    let title = format!("{layer} · channel {channel}");
    let subtitle = match patches {
        [] => "no image excites this channel".to_owned(),
        [only] => format!("activation {}", short_number(only.value)),
        [first, .., last] => {
            format!("top {}: {} to {}", patches.len(), short_number(first.value), short_number(last.value))
        }
    };
    let heading = SheetHeading::new(Some(&title), Some(&subtitle), cells.tile_px);
    let height = heading.height_px() + rows as f32 * cells.height_px() - cells.tile_px * 0.1;
    let (width, height) = size(inner + 2.0 * margin, height + 2.0 * margin)?;

    let mut canvas = Canvas::new(width, height, params.background);
    heading.draw(&mut canvas, margin, margin, inner, params.background);
    let strongest = patches.iter().map(|patch| patch.value).fold(f32::MIN_POSITIVE, f32::max);
    for (i, patch) in patches.iter().enumerate() {
        let x = margin + (i % columns) as f32 * pitch;
        let y = margin + heading.height_px() + (i / columns) as f32 * cells.height_px();
        cells.draw(&mut canvas, &patch.image, x, y);
        if let Some(guided) = &patch.guided {
            cells.draw(&mut canvas, guided, x + cells.tile_px, y);
        }
        draw_bar(&mut canvas, cells.place(x, y), patch.value / strongest, params.background);
        cells.draw_lines(&mut canvas, &short_number(patch.value), &patch.caption, x, y);
    }
    if patches.is_empty() {
        let place = cells.place(margin, margin + heading.height_px());
        canvas.fill(place, mix(params.background, faint_on(params.background), 0.55));
    }
    Ok(canvas.into_image())
}

/// Draws all channels of a layer at a glance: the best few patches of each, under its number.
///
/// Patches may be given small; larger than `overview_px` they only take memory.
///
/// # Errors
/// [`RenderError::NoImages`] without channels, [`RenderError::TooLarge`] for more than a picture holds.
pub fn overview_sheet(
    layer: &str,
    channels: &[(usize, Vec<Patch>)],
    params: &GalleryParams,
) -> Result<RgbImage, RenderError> {
    if channels.is_empty() {
        return Err(RenderError::NoImages);
    }
    let tile = params.overview_px.clamp(8, 512) as f32;
    let most = channels.iter().map(|(_, patches)| patches.len()).max().unwrap_or(0);
    let side = square_columns(most.min(params.overview_top.max(1)));
    let rows = most.min(params.overview_top.max(1)).div_ceil(side).max(1);
    let number = Text::new((tile * 0.24).max(8.5));
    let (block_w, block_h) = (side as f32 * (tile + 1.0), number.line_px() + rows as f32 * (tile + 1.0));
    let gap = (tile * 0.34).round();
    // A little wider than high, like a page turned.
    let wanted = (channels.len() as f32 * 1.35 * (block_h + gap) / (block_w + gap)).sqrt();
    let columns = full_columns(channels.len(), usize::try_from(floor(wanted.ceil())).unwrap_or(1));
    let lines = channels.len().div_ceil(columns);

    let margin = tile * 0.7;
    let inner = columns as f32 * (block_w + gap) - gap;
    let shown = most.min(params.overview_top.max(1));
    let title = format!("{layer} · {} channels", channels.len());
    let subtitle = format!("the {shown} strongest patches of each");
    let heading = SheetHeading::new(Some(&title), Some(&subtitle), (inner / 9.0).clamp(90.0, 320.0));
    let height = heading.height_px() + lines as f32 * (block_h + gap) - gap;
    let (width, height) = size(inner + 2.0 * margin, height + 2.0 * margin)?;

    let mut canvas = Canvas::new(width, height, params.background);
    heading.draw(&mut canvas, margin, margin, inner, params.background);
    for (i, (channel, patches)) in channels.iter().enumerate() {
        let x = (margin + (i % columns) as f32 * (block_w + gap)).round();
        let y = (margin + heading.height_px() + (i / columns) as f32 * (block_h + gap)).round();
        let (silent, ink) = (patches.is_empty(), ink_on(params.background));
        let color = if silent { mix(params.background, ink, 0.35) } else { muted_on(params.background) };
        number.draw(&mut canvas, &channel.to_string(), x, y + number.cap_px(), Align::Left, color);
        for place in 0..side * rows {
            let (left, top) = (
                floor(x + (place % side) as f32 * (tile + 1.0)),
                floor(y + number.line_px() + (place / side) as f32 * (tile + 1.0)),
            );
            let rect = Rect { left, top, right: left + floor(tile), bottom: top + floor(tile) };
            match patches.get(place).filter(|_| place < shown) {
                Some(patch) => paste_fit(&mut canvas, &patch.image, rect, Fit::Crop),
                None => canvas.fill(rect, mix(params.background, faint_on(params.background), 0.55)),
            }
        }
    }
    Ok(canvas.into_image())
}

/// A number of at most four digits that matter.
pub(crate) fn short_number(value: f32) -> String {
    match value.abs() {
        magnitude if !magnitude.is_finite() => format!("{value}"),
        magnitude if magnitude >= 1e5 => format!("{value:.2e}"),
        magnitude if magnitude >= 1_000.0 => format!("{value:.0}"),
        magnitude if magnitude >= 100.0 => format!("{value:.1}"),
        magnitude if magnitude >= 1.0 => format!("{value:.2}"),
        magnitude if magnitude >= 1e-3 || magnitude == 0.0 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

/// A thin bar along the lower side of a cell.
fn draw_bar(canvas: &mut Canvas, place: Rect, share: f32, background: Color) {
    let thick = (place.width() / 56).max(2);
    let track = Rect { top: place.bottom + 1, bottom: place.bottom + 1 + thick, ..place };
    canvas.fill(track, faint_on(background));
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let filled = floor(place.width() as f32 * share + 0.5);
    canvas.fill(Rect { right: track.left + filled, ..track }, ACCENT);
}

/// The number of columns near `wanted` that leaves the fewest empty places in the last row.
fn full_columns(n: usize, wanted: usize) -> usize {
    let (least, most) = ((wanted - wanted / 6).max(1), wanted + wanted / 6 + 1);
    let empty = |columns: &usize| (n.next_multiple_of(*columns) - n, columns.abs_diff(wanted));
    (least..=most).min_by_key(empty).map_or(1, |columns| columns.min(n))
}

fn square_columns(n: usize) -> usize {
    let root = n.isqrt();
    if root * root == n { root.max(1) } else { root + 1 }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates; sides are positive"
)]
fn size(width: f32, height: f32) -> Result<(u32, u32), RenderError> {
    check_size(width.ceil() as u64, height.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patches(n: usize) -> Vec<Patch> {
        (0..n)
            .map(|i| Patch {
                image: RgbImage::filled(31, 31, [u8::try_from(20 * i).unwrap(), 120, 60]),
                guided: None,
                value: 10.0 - i as f32,
                caption: format!("dir/{i}.jpg"),
            })
            .collect()
    }

    #[test]
    fn nine_patches_make_a_square_and_others_fit() {
        assert_eq!([0, 1, 2, 4, 5, 9, 10, 16].map(square_columns), [1, 1, 2, 2, 3, 3, 4, 4]);
        let params = GalleryParams { tile_px: 32, ..GalleryParams::default() };
        for n in 0..12 {
            let sheet = channel_sheet("conv5", 3, &patches(n), &params).unwrap();
            assert!(sheet.width() >= 32 && sheet.height() >= 32, "{n} patches");
        }
    }

    #[test]
    fn an_overview_prefers_full_rows() {
        assert_eq!(
            [(128, 15), (256, 20), (7, 3), (1, 4), (3, 9)].map(|(n, w)| full_columns(n, w)),
            [16, 20, 4, 1, 3]
        );
    }

    #[test]
    fn the_strongest_patch_comes_first() {
        let params = GalleryParams { tile_px: 32, ..GalleryParams::default() };
        let sheet = channel_sheet("conv5", 3, &patches(4), &params).unwrap();
        let first_at = |red: u8| sheet.data().chunks(3).position(|p| p == [red, 120, 60]);
        let places: Vec<usize> = (0..4).map(|i| first_at(20 * i).unwrap()).collect();
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn a_guided_picture_stands_beside_its_patch() {
        let params = GalleryParams { tile_px: 32, ..GalleryParams::default() };
        let mut patches = patches(4);
        let plain = channel_sheet("conv5", 3, &patches, &params).unwrap();
        for patch in &mut patches {
            patch.guided = Some(RgbImage::filled(32, 32, [1, 2, 250]));
        }
        let sheet = channel_sheet("conv5", 3, &patches, &params).unwrap();
        assert_eq!(sheet.width(), plain.width() + 2 * 32);
        assert_eq!(sheet.height(), plain.height());
        let count = |color: [u8; 3]| sheet.data().chunks(3).filter(|pixel| *pixel == color).count();
        assert_eq!(count([1, 2, 250]), 4 * 32 * 32);
        let row = (0..sheet.height())
            .find(|&y| (0..sheet.width()).any(|x| sheet.pixel(x, y) == [1, 2, 250]))
            .unwrap();
        let first = (0..sheet.width()).find(|&x| sheet.pixel(x, row) == [1, 2, 250]).unwrap();
        assert_eq!(sheet.pixel(first - 1, row), [0, 120, 60]);
    }

    #[test]
    fn strange_activations_are_drawn() {
        let mut patches = patches(3);
        patches[1].value = f32::NAN;
        patches[2].value = -4.0;
        channel_sheet("conv5", 0, &patches, &GalleryParams::default()).unwrap();
        assert_eq!(short_number(f32::NAN), "NaN");
        assert_eq!(
            [0.0, 0.0123, 5.678, 123.45, 4_321.0, 1.5e6, 2e-5].map(short_number),
            ["0.000", "0.012", "5.68", "123.4", "4321", "1.50e6", "2.0e-5"]
        );
    }

    #[test]
    fn an_overview_shows_every_channel() {
        let channels: Vec<(usize, Vec<Patch>)> = (0..37).map(|c| (c, patches(c % 6))).collect();
        let params = GalleryParams { overview_px: 12, ..GalleryParams::default() };
        let sheet = overview_sheet("conv5", &channels, &params).unwrap();
        assert!(sheet.width() > 100 && sheet.height() > 100);
        assert!(matches!(overview_sheet("conv5", &[], &params), Err(RenderError::NoImages)));
    }
}
