//! The words around a figure: a title, and notes that wrap.

use crate::canvas::Canvas;
use crate::color::{PAPER, ink_on, muted_on};
use crate::text::{Align, Text};

/// A title and notes, laid out for a width.
#[derive(Debug)]
pub(super) struct Words {
    title: String,
    notes: Vec<String>,
    title_text: Text,
    note_text: Text,
    width_px: f32,
}

impl Words {
    /// Sizes follow `unit_px`, the size of a caption.
    pub(super) fn new(title: &str, notes: &[String], unit_px: f32, width_px: f32) -> Self {
        let (title_text, note_text) = (Text::new(unit_px * 1.45), Text::new(unit_px));
        let notes = notes.iter().flat_map(|note| wrap(note_text, note, width_px)).collect();
        Self { title: title.to_owned(), notes, title_text, note_text, width_px }
    }

    /// From the top of the title to where the pictures begin.
    pub(super) fn height_px(&self) -> f32 {
        let notes = self.notes.len() as f32 * self.note_text.line_px();
        (self.title_text.cap_px() + self.note_text.size_px * 0.5 + notes + self.note_text.size_px * 0.8)
            .ceil()
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, x: f32, y: f32) {
        let mut baseline = y + self.title_text.cap_px();
        self.title_text.draw_fit(canvas, &self.title, x, baseline, self.width_px, Align::Left, ink_on(PAPER));
        baseline += self.note_text.size_px * 0.5;
        for note in &self.notes {
            baseline += self.note_text.line_px();
            self.note_text.draw_fit(canvas, note, x, baseline, self.width_px, Align::Left, muted_on(PAPER));
        }
    }
}

/// Breaks `text` into lines of at most `max_px`, between words; a longer word stands alone.
pub(super) fn wrap(style: Text, text: &str, max_px: f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if style.width(&format!("{line} {word}")) <= max_px => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_all_words_and_no_more_than_fits() {
        let style = Text::new(12.0);
        let text = "the kernels of a deeper layer read channels that nobody can see and so say little";
        for max in [60.0, 120.0, 400.0] {
            let lines = wrap(style, text, max);
            assert_eq!(lines.join(" "), text);
            assert!(lines.iter().all(|line| style.width(line) <= max || !line.contains(' ')), "{lines:?}");
        }
        assert!(wrap(style, "  ", 50.0).is_empty());
    }
}
