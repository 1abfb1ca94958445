//! Words on pictures: one embedded font, measured, shortened and drawn.
//!
//! The names drawn here come from strangers' files. Whatever they hold, they are drawn in logical order from
//! left to right, controls are made visible, and a character that the font lacks becomes a box. No shaping:
//! Arabic letters stand unjoined.

use crate::canvas::{Canvas, floor};
use crate::color::Color;
use ab_glyph::{Font as _, FontRef, GlyphId, PxScale, ScaleFont as _};
use featlas_core::Rect;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("../../../data/fonts/DejaVuSans.ttf"))
        .expect("the embedded font is a font")
});

/// Width of the box for a character that the font lacks, in ems.
const BOX_EMS: f32 = 0.6;

/// A size of the embedded font, `DejaVu Sans`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Text {
    /// Size of the em square, in pixels.
    pub size_px: f32,
}

/// Where the given `x` lies in a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// At its beginning.
    Left,
    /// In its middle.
    Center,
    /// At its end.
    Right,
}

impl Text {
    /// Text whose em square is `size_px` pixels high.
    pub fn new(size_px: f32) -> Self {
        Self { size_px }
    }

    /// From one baseline to the next.
    pub fn line_px(self) -> f32 {
        self.size_px * 1.35
    }

    /// From the baseline to the top of capital letters.
    pub fn cap_px(self) -> f32 {
        self.size_px * 0.73
    }

    /// How wide `text` is when drawn, in pixels.
    pub fn width(self, text: &str) -> f32 {
        self.layout(&visible(text)).1
    }

    /// `text` if it is at most `max_px` wide, otherwise its two ends around an ellipsis.
    ///
    /// File names differ at both ends, so the middle goes; the end keeps a little more than the beginning.
    /// The result is never wider than `max_px`; it is empty when not even the ellipsis fits.
    pub fn ellipsize(self, text: &str, max_px: f32) -> String {
        let text = visible(text);
        if self.layout(&text).1 <= max_px {
            return text.into_owned();
        }
        let chars: Vec<char> = text.chars().collect();
        let shortened = |keep: usize| {
            let head = keep * 2 / 5;
            let tail = keep - head;
            let mut short: String = chars[..head].iter().collect();
            short.push('…');
            short.extend(&chars[chars.len() - tail..]);
            short
        };
        let (mut fits, mut too_wide) = (0, chars.len());
        while fits + 1 < too_wide {
            let keep = usize::midpoint(fits, too_wide);
            if self.layout(&shortened(keep)).1 <= max_px { fits = keep } else { too_wide = keep }
        }
        // The width need not grow with every character (kerning), so what the search found is checked.
        (0..=fits).rev().map(shortened).find(|short| self.layout(short).1 <= max_px).unwrap_or_default()
    }

    /// Draws `text` on the baseline `y`, starting, centered or ending at `x`.
    pub fn draw(self, canvas: &mut Canvas, text: &str, x: f32, y: f32, align: Align, color: Color) {
        let (glyphs, width) = self.layout(&visible(text));
        // Marks above capitals and below the baseline reach no farther than this.
        let (above, below) = (floor(y - self.size_px * 1.4), floor(y + self.size_px * 0.6) + 1);
        if !canvas.sees(Rect { top: above, bottom: below, ..canvas.bounds() }) {
            return;
        }
        let x = match align {
            Align::Left => x,
            Align::Center => x - width / 2.0,
            Align::Right => x - width,
        };
        for (id, at) in glyphs {
            if id.0 == 0 {
                self.draw_box(canvas, x + at, y, color);
                continue;
            }
            let glyph = id.with_scale_and_position(self.scale(), ab_glyph::point(x + at, y));
            if let Some(outline) = FONT.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                let (left, top) = (floor(bounds.min.x), floor(bounds.min.y));
                outline.draw(|dx, dy, coverage| {
                    if coverage > 0.0 {
                        canvas.blend(left + i64::from(dx), top + i64::from(dy), color, coverage);
                    }
                });
            }
        }
    }

    /// The same, shortened to `max_px`.
    #[expect(
        clippy::too_many_arguments,
        reason = "a place, an anchor, a limit and a color are what drawing takes"
    )]
    pub fn draw_fit(
        self,
        canvas: &mut Canvas,
        text: &str,
        x: f32,
        y: f32,
        max_px: f32,
        align: Align,
        color: Color,
    ) {
        self.draw(canvas, &self.ellipsize(text, max_px), x, y, align, color);
    }

    fn draw_box(self, canvas: &mut Canvas, x: f32, y: f32, color: Color) {
        let (left, right) = (x + 0.08 * self.size_px, x + (BOX_EMS - 0.08) * self.size_px);
        let (top, width) = (y - self.cap_px(), (self.size_px * 0.06).max(0.7));
        for (from, to) in [
            ((left, top), (right, top)),
            ((right, top), (right, y)),
            ((right, y), (left, y)),
            ((left, y), (left, top)),
        ] {
            canvas.line(from, to, width, color);
        }
    }

    /// Each glyph with its pen position, and the width of all.
    fn layout(self, text: &str) -> (Vec<(GlyphId, f32)>, f32) {
        let font = FONT.as_scaled(self.scale());
        let mut glyphs = Vec::with_capacity(text.len());
        let mut pen = 0.0;
        let mut before = None;
        for c in text.chars() {
            let id = font.glyph_id(c);
            if let Some(before) = before {
                pen += font.kern(before, id);
            }
            glyphs.push((id, pen));
            pen += if id.0 == 0 { BOX_EMS * self.size_px } else { font.h_advance(id) };
            before = Some(id);
        }
        (glyphs, pen)
    }

    /// `ab_glyph` scales by ascent minus descent; people count in ems.
    fn scale(self) -> PxScale {
        let em = FONT.units_per_em().expect("every TrueType font states its em");
        PxScale::from(self.size_px * FONT.height_unscaled() / em)
    }
}

/// `text` with everything made visible that would break a line, hide, or turn the writing direction.
///
/// A line feed becomes `↵`, a tab `⇥`, and any other control or format character its code in `‹ ›`.
/// Works for pages as well as for pictures.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => shown.push('↵'),
            '\t' => shown.push('⇥'),
            c if is_invisible(c) => {
                write!(shown, "‹{:02X}›", u32::from(c)).expect("a String takes everything");
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// A count with a comma between thousands: `12,345`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Controls, format characters (Unicode category Cf), line separators and noncharacters.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xAD | 0x0600..=0x0605 | 0x061C | 0x06DD | 0x070F | 0x0890..=0x0891 | 0x08E2 | 0x180E
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFDD0..=0xFDEF | 0xFEFF
            | 0xFFF9..=0xFFFB | 0x1_10BD | 0x1_10CD | 0x1_BCA0..=0x1_BCA3 | 0x1_D173..=0x1_D17A
            | 0xE_0000..=0xE_0FFF)
        || u32::from(c) & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::{INK, PAPER};
    use featlas_core::RgbImage;
    use proptest::prelude::*;

    fn drawn(text: &str, size_px: f32) -> RgbImage {
        let mut canvas = Canvas::new(220, 40, PAPER);
        Text::new(size_px).draw(&mut canvas, text, 4.0, 28.0, Align::Left, INK);
        canvas.into_image()
    }

    #[test]
    fn size_is_the_em() {
        // An em dash of DejaVu Sans is one em wide.
        assert!((Text::new(50.0).width("—") - 50.0).abs() < 0.01);
    }

    #[test]
    fn thousands_are_separated() {
        let shown = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn controls_become_visible() {
        assert_eq!(visible("a\nb\tc"), "a↵b⇥c");
        assert_eq!(visible("\u{202e}gpj.exe"), "‹202E›gpj.exe");
        assert_eq!(visible("\0\u{1b}[31m"), "‹00›‹1B›[31m");
        assert!(matches!(visible("plain näme �"), Cow::Borrowed(_)));
    }

    #[test]
    fn an_unknown_character_is_drawn_as_a_box() {
        let (empty, boxed) = (drawn("", 24.0), drawn("\u{1F980}", 24.0));
        assert_ne!(empty, boxed);
        assert_eq!(boxed, drawn("\u{1F981}", 24.0), "all boxes look alike");
    }

    #[test]
    fn both_ends_of_a_long_name_stay() {
        let name = "photographs/2021/holidays/IMG_20210714_0001.jpeg";
        let short = Text::new(12.0).ellipsize(name, 160.0);
        assert!(short.starts_with("photo") && short.ends_with("0001.jpeg") && short.contains('…'), "{short}");
        assert_eq!(Text::new(12.0).ellipsize("short.png", 160.0), "short.png");
        assert_eq!(Text::new(12.0).ellipsize(name, 2.0), "");
    }

    #[test]
    fn alignment_moves_ink_to_the_side_asked_for() {
        let ink_columns = |align| {
            let mut canvas = Canvas::new(100, 30, PAPER);
            Text::new(14.0).draw(&mut canvas, "wide", 50.0, 20.0, align, INK);
            let image = canvas.into_image();
            let lit: Vec<u32> = (0..100).filter(|&x| (0..30).any(|y| image.pixel(x, y) != PAPER)).collect();
            (lit[0], lit[lit.len() - 1])
        };
        assert!(ink_columns(Align::Left).0 >= 49);
        assert!(ink_columns(Align::Right).1 <= 50);
        let (first, last) = ink_columns(Align::Center);
        assert!((i64::from(first) + i64::from(last) - 99).abs() <= 3, "{first} to {last}");
    }

    proptest! {
        #[test]
        fn an_ellipsized_text_is_never_wider_than_allowed(
            text in any::<String>(), size in 5.0_f32..60.0, max in 0.0_f32..400.0,
        ) {
            let text_style = Text::new(size);
            let short = text_style.ellipsize(&text, max);
            prop_assert!(text_style.width(&short) <= max, "{short:?}");
            prop_assert!(!short.chars().any(is_invisible));
            // Shortening again changes nothing: names stay stable however often they are passed on.
            prop_assert_eq!(text_style.ellipsize(&short, max), short);
        }

        #[test]
        fn drawing_any_text_never_panics(text in any::<String>(), x in -50.0_f32..250.0) {
            let mut canvas = Canvas::new(60, 20, PAPER);
            Text::new(11.0).draw(&mut canvas, &text, x, 14.0, Align::Center, INK);
        }
    }
}
