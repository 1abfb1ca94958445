//! Which label has which color, and the list that says so.

use super::frame::whole;
use crate::canvas::Canvas;
use crate::color::{Color, ink_on, muted_on};
use crate::palette;
use crate::text::{Align, Text, grouped};
use std::collections::BTreeMap;

/// The most labels that a legend names.
const MAX_ENTRIES: usize = 30;
/// Below this, in pixels, a legend is shortened rather than shrunk.
const LEAST_TEXT_PX: f32 = 9.0;
/// From one line to the next, in text sizes.
const PITCH: f32 = 1.65;
/// From the left border to the names, in text sizes.
const INDENT: f32 = 1.25;

/// Labels by number of images, most first, ties by name.
#[derive(Debug, Clone)]
pub(crate) struct Legend {
    entries: Vec<(String, usize)>,
    unlabeled: usize,
    /// The place in `entries` of each image's label.
    entry_of: Vec<Option<usize>>,
}

/// A legend laid out for the room it has.
#[derive(Debug, Clone)]
pub(crate) struct LegendLayout {
    /// Dot color, name and count of each line; the last ones may say what is not named.
    lines: Vec<(Option<Color>, String, String)>,
    text: Text,
    /// Width of all, in pixels.
    pub(crate) width_px: u32,
}

impl Legend {
    pub(crate) fn of(labels: &[Option<String>]) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for label in labels.iter().flatten() {
            *counts.entry(label).or_default() += 1;
        }
        let mut entries: Vec<(&str, usize)> = counts.into_iter().collect();
        entries.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let places: BTreeMap<&str, usize> =
            entries.iter().enumerate().map(|(place, &(name, _))| (name, place)).collect();
        let entry_of = labels.iter().map(|label| places.get(label.as_deref()?).copied()).collect();
        Self {
            unlabeled: labels.iter().filter(|label| label.is_none()).count(),
            entries: entries.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            entry_of,
        }
    }

    /// The color of image `i`.
    pub(crate) fn color_of(&self, i: usize) -> Color {
        self.entry_of[i].map_or(palette::UNLABELED, palette::color)
    }

    /// The color of each image that has a label.
    pub(crate) fn colors(&self) -> Vec<Option<Color>> {
        self.entry_of.iter().map(|entry| entry.map(palette::color)).collect()
    }

    /// Lays out the list for a poster of `size_px` and a column of `height_px`; `None` if there is no label.
    pub(crate) fn layout(&self, size_px: f32, height_px: f32) -> Option<LegendLayout> {
        if self.entries.is_empty() {
            return None;
        }
        let extra = usize::from(self.unlabeled > 0);
        let named = self.entries.len().min(MAX_ENTRIES);
        let lines = named + extra + usize::from(named < self.entries.len());
        let wanted = (size_px / 72.0).max(LEAST_TEXT_PX);
        let text = Text::new((height_px / (lines as f32 * PITCH)).clamp(LEAST_TEXT_PX, wanted));
        // At the least size, fewer labels are named, and one line says how many are not.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few lines at most")]
        let room = ((height_px / (text.size_px * PITCH)) as usize).max(2);
        let named = if lines <= room { named } else { room.saturating_sub(1 + extra).max(1) };

        let mut lines: Vec<(Option<Color>, String, String)> = self.entries[..named]
            .iter()
            .enumerate()
            .map(|(i, (name, count))| (Some(palette::color(i)), name.clone(), grouped(*count as u64)))
            .collect();
        let rest = &self.entries[named..];
        if !rest.is_empty() {
            let images: usize = rest.iter().map(|(_, count)| count).sum();
            lines.push((None, format!("+{} more", grouped(rest.len() as u64)), grouped(images as u64)));
        }
        if extra == 1 {
            let count = grouped(self.unlabeled as u64);
            lines.push((Some(palette::UNLABELED), "without label".to_owned(), count));
        }
        let widest = |of: fn(&(Option<Color>, String, String)) -> &str| {
            lines.iter().map(|line| text.width(of(line))).fold(0.0, f32::max)
        };
        let (names, counts) = (widest(|line| &line.1), widest(|line| &line.2));
        let width = text.size_px * (INDENT + 1.2) + names.min(size_px * 0.2) + counts;
        Some(LegendLayout { text, width_px: whole(width), lines })
    }
}

impl LegendLayout {
    /// Draws the list with its upper left corner at `(x, y)`.
    pub(crate) fn draw(&self, canvas: &mut Canvas, x: f32, y: f32, background: Color) {
        let size = self.text.size_px;
        let right = x + self.width_px as f32;
        for ((color, name, count), i) in self.lines.iter().zip(0_u16..) {
            let baseline = y + (f32::from(i) + 0.5) * size * PITCH + self.text.cap_px() / 2.0;
            let ink = if color.is_some() { ink_on(background) } else { muted_on(background) };
            if let Some(color) = color {
                canvas.disc(x + size * 0.42, baseline - self.text.cap_px() / 2.0, size * 0.36, *color, 1.0);
            }
            let room = self.width_px as f32 - size * (INDENT + 0.8) - self.text.width(count);
            self.text.draw_fit(canvas, name, x + size * INDENT, baseline, room, Align::Left, ink);
            self.text.draw(canvas, count, right, baseline, Align::Right, muted_on(background));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(counts: &[(&str, usize)]) -> Vec<Option<String>> {
        counts.iter().flat_map(|&(name, n)| vec![Some(name.to_owned()); n]).collect()
    }

    #[test]
    fn labels_are_sorted_by_count_then_name() {
        let legend = Legend::of(&labels(&[("b", 2), ("c", 5), ("a", 2)]));
        let names: Vec<&str> = legend.entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["c", "a", "b"]);
        assert_eq!(legend.color_of(3), palette::color(0));
        assert_eq!(legend.color_of(0), palette::color(2));
    }

    #[test]
    fn what_is_not_named_is_counted() {
        let mut all: Vec<Option<String>> = (0..100).map(|i| Some(format!("label {i:03}"))).collect();
        all.extend([None, None]);
        let layout = Legend::of(&all).layout(4_000.0, 3_000.0).unwrap();
        let last: Vec<&str> = layout.lines.iter().rev().take(3).map(|line| line.1.as_str()).collect();
        assert_eq!(last, ["without label", "+70 more", "label 029"]);
        assert_eq!(layout.lines[MAX_ENTRIES].2, "70");

        let short = Legend::of(&all).layout(400.0, 120.0).unwrap();
        assert!(short.lines.len() as f32 * short.text.size_px * PITCH <= 120.0);
        assert!(short.lines.iter().any(|line| line.1.starts_with('+')));
    }

    #[test]
    fn no_label_means_no_legend() {
        let legend = Legend::of(&[None, None]);
        assert!(legend.layout(1_000.0, 1_000.0).is_none());
        assert_eq!(legend.color_of(1), palette::UNLABELED);
    }
}
