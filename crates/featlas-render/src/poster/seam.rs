//! Seams: lines between the neighbors of a grid, colored by how far apart they really are.
//!
//! A grid shows everything at the same distance. Its seams say where that is true: dark within a group of alike
//! images, bright where the map was torn.

use crate::RenderError;
use crate::canvas::Canvas;
use crate::color::{Color, muted_on};
use crate::colormap::Colormap;
use crate::text::{Align, Text};
use featlas_core::Rect;

use super::frame::whole;

/// One line of a grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seam {
    /// The row-major cell at its left, or above it.
    pub cell: usize,
    /// Whether the other cell lies below; otherwise it lies to the right.
    pub below: bool,
    /// How far apart the images in the two cells are.
    pub distance: f32,
}

/// The lines of a grid, and what they mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Seams {
    /// The lines; cells without an image have none.
    pub lines: Vec<Seam>,
    /// What the distances are, for the scale below the grid.
    pub caption: String,
}

/// Seams ready to draw.
#[derive(Debug)]
pub(crate) struct SeamLayer<'a> {
    seams: &'a Seams,
    /// Distances that take the ends of the color map: all but a hundredth at each side lies between.
    range: (f32, f32),
    text: Text,
    background: Color,
}

/// The map of the lines' colors: dark is near.
const COLORS: Colormap = Colormap::Inferno;

impl<'a> SeamLayer<'a> {
    pub(crate) fn new(
        seams: &'a Seams,
        cells: u64,
        size_px: f32,
        background: Color,
    ) -> Result<Self, RenderError> {
        if let Some(seam) = seams.lines.iter().find(|seam| seam.cell as u64 >= cells) {
            let cells = usize::try_from(cells).unwrap_or(usize::MAX);
            return Err(RenderError::CellOutside { image: seam.cell, cell: seam.cell, cells });
        }
        let mut distances: Vec<f32> = seams.lines.iter().map(|seam| seam.distance).collect();
        distances.sort_by(f32::total_cmp);
        let at = |index: usize| distances.get(index).copied().unwrap_or(0.0);
        let edge = distances.len() / 100;
        let range = (at(edge), at(distances.len().saturating_sub(1 + edge)));
        Ok(Self { seams, range, text: Text::new((size_px / 88.0).max(9.0)), background })
    }

    /// The lines.
    pub(crate) fn lines(&self) -> &[Seam] {
        &self.seams.lines
    }

    /// Width of a line between tiles of `tile_px`, `gap_px` apart.
    pub(crate) fn line_px(tile_px: i64, gap_px: i64) -> i64 {
        gap_px.max(tile_px / 12).max(1)
    }

    pub(crate) fn color(&self, distance: f32) -> Color {
        let (low, high) = self.range;
        // One distance everywhere is neither near nor far.
        COLORS.color(if high > low { (distance - low) / (high - low) } else { 0.5 })
    }

    /// Height of the scale, the space above it included.
    pub(crate) fn height_px(&self) -> u32 {
        whole(self.text.size_px * 2.6)
    }

    /// Draws the scale with its upper left corner at `(x, y)`.
    pub(crate) fn draw_scale(&self, canvas: &mut Canvas, x: f32, y: f32) {
        let size = self.text.size_px;
        let ink = muted_on(self.background);
        let baseline = y + size * 2.1;
        let mut at = x;
        let say = |canvas: &mut Canvas, words: &str, at: &mut f32| {
            self.text.draw(canvas, words, *at, baseline, Align::Left, ink);
            *at += self.text.width(words) + size * 0.6;
        };
        say(canvas, &self.seams.caption, &mut at);
        say(canvas, &format!("{:.2}", self.range.0), &mut at);
        let bar_px = size * 12.0;
        let px = |v: f32| crate::canvas::floor(v);
        let (top, bottom) = (px(baseline - self.text.cap_px()), px(baseline));
        let (left, right) = (px(at), px(at + bar_px));
        for column in left..right {
            let t = (column - left) as f32 / (right - left).max(1) as f32;
            canvas.fill(Rect { left: column, top, right: column + 1, bottom }, COLORS.color(t));
        }
        at += bar_px + size * 0.6;
        say(canvas, &format!("{:.2}", self.range.1), &mut at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::PAPER;

    fn seams(distances: &[f32]) -> Seams {
        let lines = distances.iter().enumerate();
        let lines = lines.map(|(cell, &distance)| Seam { cell, below: false, distance }).collect();
        Seams { lines, caption: "distance".to_owned() }
    }

    #[test]
    fn a_stray_takes_no_part_of_the_color_map() {
        let mut distances: Vec<f32> = (0..1000_u16).map(|i| f32::from(i) / 1000.0).collect();
        distances[3] = 90.0;
        let seams = seams(&distances);
        let layer = SeamLayer::new(&seams, 1000, 500.0, PAPER).unwrap();
        assert!(layer.range.0 > 0.005 && layer.range.1 < 1.0, "{:?}", layer.range);
        assert_eq!(layer.color(90.0), COLORS.color(1.0));
        assert_eq!(layer.color(-1.0), COLORS.color(0.0));
    }

    #[test]
    fn none_and_equal_distances_have_a_color() {
        for distances in [&[][..], &[0.3, 0.3]] {
            let seams = seams(distances);
            assert_eq!(SeamLayer::new(&seams, 9, 500.0, PAPER).unwrap().color(0.3), COLORS.color(0.5));
        }
    }

    #[test]
    fn a_seam_of_no_cell_is_refused() {
        assert!(matches!(
            SeamLayer::new(&seams(&[0.1, 0.2]), 1, 500.0, PAPER),
            Err(RenderError::CellOutside { cell: 1, .. })
        ));
    }
}
