//! What all posters have around them: a margin, and a title above.

use crate::canvas::Canvas;
use crate::color::{Color, ink_on, muted_on};
use crate::text::{Align, Text};

/// The heading of a poster, laid out for a size.
#[derive(Debug, Clone)]
pub(crate) struct Heading {
    title: Option<(String, Text)>,
    subtitle: Option<(String, Text)>,
    background: Color,
}

impl Heading {
    /// Lays out the heading of a poster whose longer side is about `size_px`.
    pub(crate) fn new(title: Option<&str>, subtitle: Option<&str>, size_px: f32, background: Color) -> Self {
        let size = |share: f32, least: f32| Text::new((size_px * share).max(least));
        Self {
            title: title.map(|text| (text.to_owned(), size(1.0 / 44.0, 13.0))),
            subtitle: subtitle.map(|text| (text.to_owned(), size(1.0 / 88.0, 9.0))),
            background,
        }
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_empty(&self) -> bool {
        self.title.is_none() && self.subtitle.is_none()
    }

    /// Height from the margin to the content, the gap below included.
    pub(crate) fn height_px(&self) -> u32 {
        if self.is_empty() {
            return 0;
        }
        let title = self.title.as_ref().map_or(0.0, |(_, text)| text.cap_px());
        let subtitle = self.subtitle.as_ref().map_or(0.0, |(_, text)| text.line_px() * 1.15);
        let below =
            self.title.as_ref().or(self.subtitle.as_ref()).map_or(0.0, |(_, text)| text.size_px * 0.85);
        whole(title + subtitle + below)
    }

    /// Draws it with its upper left corner at `(x, y)`, no wider than `max_px`.
    pub(crate) fn draw(&self, canvas: &mut Canvas, x: f32, y: f32, max_px: f32) {
        let mut baseline = y;
        if let Some((title, text)) = &self.title {
            baseline += text.cap_px();
            text.draw_fit(canvas, title, x, baseline, max_px, Align::Left, ink_on(self.background));
        }
        if let Some((subtitle, text)) = &self.subtitle {
            baseline += text.line_px() * 1.15;
            text.draw_fit(canvas, subtitle, x, baseline, max_px, Align::Left, muted_on(self.background));
        }
    }
}

/// The margin around a poster of about this size.
pub(crate) fn margin_px(size_px: f32) -> u32 {
    whole(size_px * 0.03)
}

/// Rounds a length up to whole pixels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates; lengths are positive"
)]
pub(crate) fn whole(px: f32) -> u32 {
    px.ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::PAPER;

    #[test]
    fn a_heading_stays_inside_its_height() {
        for (title, subtitle) in [(Some("Gjpqy Äß"), None), (None, Some("gjpq")), (Some("Äg"), Some("gjpq"))]
        {
            let heading = Heading::new(title, subtitle, 1_000.0, PAPER);
            let mut canvas = Canvas::new(400, 200, PAPER);
            heading.draw(&mut canvas, 10.0, 20.0, 380.0);
            let image = canvas.into_image();
            let lit: Vec<u32> =
                (0..200).filter(|&y| image.row(y).chunks(3).any(|pixel| pixel != PAPER)).collect();
            assert!(lit[0] >= 14, "umlauts may rise a little above the capitals: {}", lit[0]);
            assert!(lit[lit.len() - 1] < 20 + heading.height_px(), "{title:?} {subtitle:?}");
        }
    }
}
