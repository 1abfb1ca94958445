//! Contact sheets: a query and its nearest neighbors, row by row.

use crate::RenderError;
use crate::canvas::Canvas;
use crate::color::{ACCENT, Color, PAPER, faint_on, ink_on, mix, muted_on};
use crate::picture::check_size;
use crate::text::{Align, Text};
use crate::tiles::{Fit, paste_fit};
use featlas_core::{Rect, RgbImage};

/// One row of a contact sheet: a query and what was found for it.
#[derive(Debug, Clone)]
pub struct SheetRow {
    /// The line above the row, usually the query's path.
    pub title: String,
    /// The query's picture, set apart at the left.
    pub query: Option<RgbImage>,
    /// The neighbors, nearest first.
    pub items: Vec<SheetItem>,
}

/// One picture of a contact sheet.
#[derive(Debug, Clone)]
pub struct SheetItem {
    /// The picture, of any shape.
    pub image: RgbImage,
    /// The line beneath it, usually the distance.
    pub caption: String,
    /// A quieter line beneath that, usually the path.
    pub sub: String,
}

/// How a contact sheet looks.
#[derive(Debug, Clone, PartialEq)]
pub struct SheetParams {
    /// Side of the square that each picture fits into, in pixels; text follows it.
    pub tile_px: u32,
    /// Most neighbors beside each other; more go to the next line of the row.
    pub columns: usize,
    /// The color under everything.
    pub background: Color,
    /// The line at the top.
    pub title: Option<String>,
    /// A quieter line under it.
    pub subtitle: Option<String>,
}

impl Default for SheetParams {
    fn default() -> Self {
        Self { tile_px: 168, columns: 10, background: PAPER, title: None, subtitle: None }
    }
}

/// Draws a contact sheet.
///
/// # Errors
/// [`RenderError::NoImages`] without rows, [`RenderError::TooLarge`] for more of them than a picture holds.
pub fn contact_sheet(rows: &[SheetRow], params: &SheetParams) -> Result<RgbImage, RenderError> {
    if rows.is_empty() {
        return Err(RenderError::NoImages);
    }
    let cells = Cells::new(params.tile_px, params.background);
    let columns = rows.iter().map(|row| row.items.len()).max().unwrap_or(0).clamp(1, params.columns.max(1));
    let has_query = rows.iter().any(|row| row.query.is_some());
    let margin = cells.tile_px * 0.22;
    let query_px = if has_query { cells.tile_px + 2.0 * cells.query_gap() } else { 0.0 };
    let inner = query_px + columns as f32 * cells.pitch_px() - cells.gap_px();
    let row_px = |row: &SheetRow| {
        let lines = row.items.len().div_ceil(columns).max(1);
        cells.title().line_px() * 1.15 + lines as f32 * cells.height_px() + cells.tile_px * 0.18
    };
    let heading = SheetHeading::new(params.title.as_deref(), params.subtitle.as_deref(), cells.tile_px);
    let height: f64 = rows.iter().map(|row| f64::from(row_px(row))).sum();
    let (width, height) = (
        f64::from(inner + 2.0 * margin),
        height + f64::from(2.0 * margin - cells.tile_px * 0.18 + heading.height_px()),
    );
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let (width, height) = check_size(width.ceil() as u64, height.ceil() as u64)?;

    let mut canvas = Canvas::new(width, height, params.background);
    heading.draw(&mut canvas, margin, margin, inner, params.background);
    let mut top = margin + heading.height_px();
    for row in rows {
        let baseline = top + cells.title().cap_px();
        let ink = ink_on(params.background);
        cells.title().draw_fit(&mut canvas, &row.title, margin, baseline, inner, Align::Left, ink);
        let tiles_top = top + cells.title().line_px() * 1.15;
        if let Some(query) = &row.query {
            cells.draw_query(&mut canvas, query, margin, tiles_top);
        }
        for (i, item) in row.items.iter().enumerate() {
            let x = margin + query_px + (i % columns) as f32 * cells.pitch_px();
            let y = tiles_top + (i / columns) as f32 * cells.height_px();
            cells.draw(&mut canvas, &item.image, x, y);
            cells.draw_lines(&mut canvas, &item.caption, &item.sub, x, y);
        }
        top += row_px(row);
    }
    Ok(canvas.into_image())
}

/// The title and subtitle of a sheet.
#[derive(Debug)]
pub(crate) struct SheetHeading<'a> {
    title: Option<&'a str>,
    subtitle: Option<&'a str>,
    tile_px: f32,
}

impl<'a> SheetHeading<'a> {
    pub(crate) fn new(title: Option<&'a str>, subtitle: Option<&'a str>, tile_px: f32) -> Self {
        Self { title, subtitle, tile_px }
    }

    fn texts(&self) -> (Text, Text) {
        (Text::new((self.tile_px * 0.15).max(13.0)), Text::new((self.tile_px * 0.08).max(9.0)))
    }

    pub(crate) fn height_px(&self) -> f32 {
        let (title, subtitle) = self.texts();
        let title_px = self.title.map_or(0.0, |_| title.cap_px());
        let subtitle_px = self.subtitle.map_or(0.0, |_| subtitle.line_px() * 1.2);
        if self.title.or(self.subtitle).is_some() { title_px + subtitle_px + self.tile_px * 0.2 } else { 0.0 }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas, x: f32, y: f32, max_px: f32, background: Color) {
        let (title, subtitle) = self.texts();
        let mut baseline = y;
        if let Some(words) = self.title {
            baseline += title.cap_px();
            title.draw_fit(canvas, words, x, baseline, max_px, Align::Left, ink_on(background));
        }
        if let Some(words) = self.subtitle {
            baseline += subtitle.line_px() * 1.2;
            subtitle.draw_fit(canvas, words, x, baseline, max_px, Align::Left, muted_on(background));
        }
    }
}

/// The square cells of a sheet: a picture in a faint field, and lines beneath.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells {
    pub(crate) tile_px: f32,
    background: Color,
}

impl Cells {
    pub(crate) fn new(tile_px: u32, background: Color) -> Self {
        Self { tile_px: tile_px.clamp(16, 2_048) as f32, background }
    }

    pub(crate) fn gap_px(self) -> f32 {
        (self.tile_px * 0.07).round().max(2.0)
    }

    pub(crate) fn pitch_px(self) -> f32 {
        self.tile_px + self.gap_px()
    }

    /// From the top of one cell to the top of the next below, with two lines beneath.
    pub(crate) fn height_px(self) -> f32 {
        let lines = self.caption().line_px() * 1.15 + self.sub().line_px();
        (self.tile_px + lines + self.tile_px * 0.1).round()
    }

    pub(crate) fn caption(self) -> Text {
        Text::new((self.tile_px * 0.085).max(8.5))
    }

    pub(crate) fn sub(self) -> Text {
        Text::new((self.tile_px * 0.066).max(7.5))
    }

    fn title(self) -> Text {
        Text::new((self.tile_px * 0.1).max(9.0))
    }

    fn query_gap(self) -> f32 {
        (self.tile_px * 0.16).round()
    }

    pub(crate) fn place(self, x: f32, y: f32) -> Rect {
        let (left, top) = (crate::canvas::floor(x), crate::canvas::floor(y));
        let side = crate::canvas::floor(self.tile_px);
        Rect { left, top, right: left + side, bottom: top + side }
    }

    pub(crate) fn draw(self, canvas: &mut Canvas, image: &RgbImage, x: f32, y: f32) {
        let place = self.place(x, y);
        canvas.fill(place, mix(self.background, faint_on(self.background), 0.55));
        paste_fit(canvas, image, place, Fit::Letterbox);
    }

    /// The query: framed, named, and a rule between it and its neighbors.
    fn draw_query(self, canvas: &mut Canvas, image: &RgbImage, x: f32, y: f32) {
        let place = self.place(x, y);
        let stroke = crate::canvas::floor((self.tile_px / 56.0).max(2.0));
        let inset = 2 * stroke;
        let inside = Rect {
            left: place.left + inset,
            top: place.top + inset,
            right: place.right - inset,
            bottom: place.bottom - inset,
        };
        canvas.frame(place, stroke, ACCENT);
        paste_fit(canvas, image, inside, Fit::Letterbox);
        let middle = x + self.tile_px / 2.0;
        let baseline = self.caption_baseline(y);
        self.caption().draw(canvas, "query", middle, baseline, Align::Center, ACCENT);
        let rule = x + self.tile_px + self.query_gap();
        let faint = faint_on(self.background);
        canvas.line((rule, y), (rule, y + self.tile_px), (self.tile_px / 110.0).max(1.0), faint);
    }

    pub(crate) fn draw_lines(self, canvas: &mut Canvas, caption: &str, sub: &str, x: f32, y: f32) {
        let middle = x + self.tile_px / 2.0;
        let mut baseline = self.caption_baseline(y);
        let ink = ink_on(self.background);
        self.caption().draw_fit(canvas, caption, middle, baseline, self.tile_px, Align::Center, ink);
        baseline += self.sub().line_px() * 1.05;
        let muted = muted_on(self.background);
        self.sub().draw_fit(canvas, sub, middle, baseline, self.tile_px, Align::Center, muted);
    }

    fn caption_baseline(self, y: f32) -> f32 {
        y + self.tile_px + self.caption().line_px()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(items: usize, name: &str) -> SheetRow {
        let image = RgbImage::filled(40, 30, [40, 90, 160]);
        let item = SheetItem { image: image.clone(), caption: "0.1234".into(), sub: name.into() };
        SheetRow { title: name.into(), query: Some(image), items: vec![item; items] }
    }

    #[test]
    fn long_rows_wrap() {
        let params = SheetParams { tile_px: 64, columns: 4, ..SheetParams::default() };
        let one = contact_sheet(&[row(4, "a")], &params).unwrap();
        let two = contact_sheet(&[row(5, "a")], &params).unwrap();
        assert_eq!(one.width(), two.width());
        assert!(two.height() > one.height() + 64);
    }

    #[test]
    fn names_of_all_kinds_stay_in_their_cell() {
        let params = SheetParams { tile_px: 64, columns: 3, ..SheetParams::default() };
        let plain = contact_sheet(&[row(3, "")], &params).unwrap();
        for name in ["<script>\n".repeat(30), "\u{202e}".repeat(255), "שלום.png".into(), "�\0".repeat(90)]
        {
            let sheet = contact_sheet(&[row(3, &name)], &params).unwrap();
            assert_eq!((sheet.width(), sheet.height()), (plain.width(), plain.height()));
            // The gaps between the cells stay free of ink.
            let cells = Cells::new(64, PAPER);
            let gap = 64.0 * 0.22 + 64.0 + 2.0 * cells.query_gap() + 64.0 + cells.gap_px() / 2.0;
            let x = u32::try_from(crate::canvas::floor(gap)).unwrap();
            let below_title =
                u32::try_from(crate::canvas::floor(64.0 * 0.22 + cells.title().line_px() * 1.15)).unwrap();
            for y in below_title..sheet.height() {
                assert_eq!(sheet.pixel(x, y), PAPER, "{name:?} at row {y}");
            }
        }
    }

    #[test]
    fn sheets_without_rows_or_beyond_all_size_are_refused() {
        assert!(matches!(contact_sheet(&[], &SheetParams::default()), Err(RenderError::NoImages)));
        let rows = vec![row(1, "a"); 400];
        let err = contact_sheet(&rows, &SheetParams::default()).unwrap_err();
        assert!(matches!(err, RenderError::TooLarge { .. }), "{err}");
    }
}
