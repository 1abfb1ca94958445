//! Pictures side by side, each with a caption and, where colors mean values, a bar.

use super::words::{Words, wrap};
use crate::RenderError;
use crate::canvas::{Canvas, floor};
use crate::color::{PAPER, ink_on, muted_on};
use crate::colormap::Colormap;
use crate::gallery::short_number;
use crate::picture::check_size;
use crate::text::{Align, Text};
use featlas_core::{Rect, RgbImage};

/// What the colors of a panel mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// The colors.
    pub colormap: Colormap,
    /// The values of the first and the last color.
    pub range: (f32, f32),
}

/// One picture of a figure.
#[derive(Debug, Clone)]
pub struct Panel {
    /// The picture, drawn pixel by pixel.
    pub image: RgbImage,
    /// What one sees; wraps.
    pub caption: String,
    /// The bar at its right side.
    pub bar: Option<Bar>,
}

/// A row holds about this many of the widest panels.
const WIDEST_IN_A_ROW: f32 = 4.4;

/// A panel with its place in a row.
struct Slot<'a> {
    panel: &'a Panel,
    /// Its lines of caption.
    caption: Vec<String>,
    /// Room for picture, bar and caption.
    width_px: f32,
}

/// Draws panels beside each other, under a title and notes. Groups stay together where a row is full.
///
/// # Errors
/// [`RenderError::NoImages`] without panels, [`RenderError::TooLarge`] for more of them than a picture holds.
pub fn panels(title: &str, notes: &[String], groups: &[Vec<Panel>]) -> Result<RgbImage, RenderError> {
    let all = || groups.iter().flatten();
    let most =
        |side: fn(&RgbImage) -> u32| all().map(|panel| side(&panel.image)).max().ok_or(RenderError::NoImages);
    let unit = (most(RgbImage::width)?.min(most(RgbImage::height)?) as f32 * 0.034).clamp(12.0, 44.0);
    let text = Text::new(unit);
    let (margin, gap) = ((unit * 1.6).round(), (unit * 1.4).round());
    let slots: Vec<Vec<Slot<'_>>> =
        groups.iter().map(|group| group.iter().map(|panel| slot(panel, text)).collect()).collect();
    let widest = slots.iter().flatten().map(|slot| slot.width_px).fold(0.0, f32::max);
    let rows = rows(&slots, widest * WIDEST_IN_A_ROW, gap);
    let width_of = |row: &[&Slot<'_>]| row.iter().map(|slot| slot.width_px + gap).sum::<f32>() - gap;
    // A narrow picture still leaves room for a line of words.
    let inner = rows.iter().map(|row| width_of(row)).fold(unit * 26.0, f32::max);
    let words = Words::new(title, notes, unit, inner);
    let height_of = |row: &[&Slot<'_>]| {
        let under = |slot: &&Slot<'_>| {
            slot.panel.image.height() as f32 + unit * 0.5 + slot.caption.len() as f32 * text.line_px()
        };
        row.iter().map(under).fold(0.0, f32::max) + gap
    };
    let height = 2.0 * margin + words.height_px() + rows.iter().map(|row| height_of(row)).sum::<f32>() - gap;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let (width, height) = check_size((inner + 2.0 * margin).ceil() as u64, height.ceil() as u64)?;

    let mut canvas = Canvas::new(width, height, PAPER);
    words.draw(&mut canvas, margin, margin);
    let mut top = (margin + words.height_px()).round();
    for row in &rows {
        let mut left = margin;
        for slot in row {
            let image = &slot.panel.image;
            canvas.paste(image, floor(left), floor(top));
            if let Some(bar) = &slot.panel.bar {
                let right = floor(left) + i64::from(image.width());
                draw_bar(&mut canvas, bar, text, (right, floor(top)), image.height());
            }
            let mut baseline = top + image.height() as f32 + unit * 0.3;
            for line in &slot.caption {
                baseline += text.line_px();
                text.draw_fit(&mut canvas, line, left, baseline, slot.width_px, Align::Left, ink_on(PAPER));
            }
            left += slot.width_px + gap;
        }
        top += height_of(row).round();
    }
    Ok(canvas.into_image())
}

fn slot(panel: &Panel, text: Text) -> Slot<'_> {
    let picture = panel.image.width() as f32 + panel.bar.as_ref().map_or(0.0, |bar| bar_width(bar, text));
    // Captions of small pictures may be wider than those.
    let width_px = picture.max(text.width(&panel.caption).min(text.size_px * 9.0)).round();
    Slot { panel, caption: wrap(text, &panel.caption, width_px), width_px }
}

/// Fills rows of at most `most_px`, group by group; a wider group has a row of its own.
fn rows<'a, 'b>(groups: &'b [Vec<Slot<'a>>], most_px: f32, gap: f32) -> Vec<Vec<&'b Slot<'a>>> {
    let mut rows: Vec<Vec<&Slot<'_>>> = Vec::new();
    let mut used = f32::INFINITY;
    for group in groups {
        let wanted: f32 = group.iter().map(|slot| slot.width_px + gap).sum();
        if used + wanted > most_px + gap {
            rows.push(Vec::new());
            used = 0.0;
        }
        used += wanted;
        if let Some(row) = rows.last_mut() {
            row.extend(group);
        }
    }
    rows
}

/// The labels of a bar from its low end to its high end.
fn labels(range: (f32, f32)) -> [String; 3] {
    let span = (range.1 - range.0).abs();
    // Beside the others, a value a thousand times smaller than the span is zero.
    [range.0, f32::midpoint(range.0, range.1), range.1].map(|v| match v.abs() {
        size if size < span / 1_000.0 => "0".to_owned(),
        size if size < 0.01 => format!("{v:.1e}"),
        _ => short_number(v),
    })
}

/// Room at the right side of a panel for its bar.
fn bar_width(bar: &Bar, text: Text) -> f32 {
    let widest = labels(bar.range).iter().map(|label| text.width(label)).fold(0.0, f32::max);
    (text.size_px * 2.3 + widest).ceil()
}

/// Draws the bar of a picture `height` high that ends at `right` and begins at `top`.
fn draw_bar(canvas: &mut Canvas, bar: &Bar, text: Text, (right, top): (i64, i64), height: u32) {
    let left = right + floor(text.size_px * 0.8);
    let thick = floor(text.size_px);
    let last = (height as f32 - 1.0).max(1.0);
    for (y, row) in (top..).zip(0..height) {
        let color = bar.colormap.color(1.0 - row as f32 / last);
        canvas.fill(Rect { left, top: y, right: left + thick, bottom: y + 1 }, color);
    }
    let (top, height) = (top as f32, height as f32);
    let x = (left + thick) as f32 + text.size_px * 0.4;
    let baselines = [top + height, top + height / 2.0 + text.cap_px() / 2.0, top + text.cap_px()];
    for (label, baseline) in labels(bar.range).iter().zip(baselines) {
        text.draw(canvas, label, x, baseline, Align::Left, muted_on(PAPER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(width: u32, height: u32, color: [u8; 3]) -> Panel {
        let bar = Bar { colormap: Colormap::Inferno, range: (0.0, 0.25) };
        Panel {
            image: RgbImage::filled(width, height, color),
            caption: "what one sees here, in a few words".into(),
            bar: Some(bar),
        }
    }

    #[test]
    fn pictures_keep_all_their_pixels() {
        let sizes = [(120, 80), (33, 200), (7, 3), (250, 90), (64, 64)];
        let all: Vec<Vec<Panel>> =
            sizes.iter().zip(0_u8..).map(|(&(w, h), i)| vec![panel(w, h, [250, i, 1])]).collect();
        let figure = panels("title", &["a note".to_owned()], &all).unwrap();
        for ((w, h), i) in sizes.into_iter().zip(0_u8..) {
            let count = figure.data().chunks(3).filter(|pixel| *pixel == [250, i, 1]).count();
            assert_eq!(count, (w * h) as usize, "panel {i}");
        }
    }

    #[test]
    fn a_bar_runs_from_the_high_end_above_to_the_low_end_below() {
        let figure = panels("t", &[], &[vec![panel(200, 150, [9, 200, 9])]]).unwrap();
        let rows_of = |color: [u8; 3]| -> Vec<u32> {
            let shows = |&y: &u32| (0..figure.width()).any(|x| figure.pixel(x, y) == color);
            (0..figure.height()).filter(shows).collect()
        };
        let high = rows_of(Colormap::Inferno.color(1.0))[0];
        let low = *rows_of(Colormap::Inferno.color(0.0)).last().unwrap();
        assert_eq!(low - high, 149);
        assert_eq!(labels((0.0, 0.25)), ["0", "0.125", "0.250"]);
        assert_eq!(labels((0.0, 0.0023)), ["0", "1.2e-3", "2.3e-3"]);
    }

    #[test]
    fn groups_stay_together() {
        let slots =
            |sizes: &[f32]| -> Vec<Panel> { sizes.iter().map(|_| panel(100, 50, [1, 2, 3])).collect() };
        let groups = [slots(&[1.0]), slots(&[1.0; 2]), slots(&[1.0; 2]), slots(&[1.0; 9])];
        let text = Text::new(12.0);
        let slots: Vec<Vec<Slot<'_>>> =
            groups.iter().map(|group| group.iter().map(|panel| slot(panel, text)).collect()).collect();
        let wide = slots[0][0].width_px;
        let counts: Vec<usize> = rows(&slots, wide * 4.4, 0.0).iter().map(Vec::len).collect();
        assert_eq!(counts, [3, 2, 9]);
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert!(matches!(panels("t", &[], &[]), Err(RenderError::NoImages)));
        let tall = Panel { image: RgbImage::filled(1, 65_500, [0; 3]), caption: String::new(), bar: None };
        assert!(matches!(panels("t", &[], &[vec![tall]]), Err(RenderError::TooLarge { .. })));
    }
}
