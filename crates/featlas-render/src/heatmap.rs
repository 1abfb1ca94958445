//! Heatmaps: a block of values as colors, over a picture or alone, with a bar that says what they mean.

use crate::RenderError;
use crate::canvas::{Canvas, floor};
use crate::color::{Color, PAPER, byte, faint_on, ink_on, mix, muted_on};
use crate::colormap::Colormap;
use crate::gallery::short_number;
use crate::picture::check_size;
use crate::text::{Align, Text};
use featlas_core::{Rect, RgbImage};

/// A row-major `(height, width)` block of values.
#[derive(Debug, Clone, Copy)]
pub struct Heat<'a> {
    values: &'a [f32],
    width: usize,
    height: usize,
}

/// How much of a picture's colors goes where it has no value.
const PALE: f32 = 0.6;

/// How a heatmap looks.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatmapParams {
    /// The colors.
    pub colormap: Colormap,
    /// The values of the first and the last color, which may be the smaller one; by default the least and the
    /// greatest value, and for [`Colormap::Diverging`] the same distance on both sides of zero.
    pub range: Option<(f32, f32)>,
    /// Opacity of the hottest color over a picture, in `[0, 1]`; colder ones let more of it through.
    pub opacity: f32,
    /// Whether cells melt into each other; otherwise each is a square of one color.
    pub smooth: bool,
}

impl Default for HeatmapParams {
    fn default() -> Self {
        Self { colormap: Colormap::Inferno, range: None, opacity: 0.72, smooth: true }
    }
}

impl<'a> Heat<'a> {
    /// Views `values` as `height` rows of `width`.
    ///
    /// # Errors
    /// [`RenderError::Count`] if they do not fill the block or there are none.
    pub fn new(values: &'a [f32], width: usize, height: usize) -> Result<Self, RenderError> {
        let expected = width.saturating_mul(height);
        if expected == 0 || values.len() != expected {
            return Err(RenderError::Count { what: "heat values", expected, got: values.len() });
        }
        Ok(Self { values, width, height })
    }

    /// The range of colors that `params` gives these values. Values that are not finite do not count.
    pub fn range(&self, params: &HeatmapParams) -> (f32, f32) {
        if let Some(range) = params.range {
            return range;
        }
        let finite = self.values.iter().copied().filter(|v| v.is_finite());
        let (low, high) = finite.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            (0.0, 1.0)
        } else if params.colormap == Colormap::Diverging {
            let reach = low.abs().max(high.abs());
            (-reach, reach)
        } else {
            (low, high)
        }
    }

    /// The value at a place in `[0, 1]²`, between cell centers or of the cell itself; missing values are zero.
    fn at(&self, x: f32, y: f32, smooth: bool) -> f32 {
        let cell = |column: i64, row: i64| {
            let value = self.cell(column, row);
            if value.is_finite() { value } else { 0.0 }
        };
        let (x, y) = (x * self.width as f32, y * self.height as f32);
        if !smooth {
            return cell(floor(x), floor(y));
        }
        let (x, y) = (x - 0.5, y - 0.5);
        let (column, row) = (floor(x), floor(y));
        let (dx, dy) = (x - x.floor(), y - y.floor());
        let between = |row| cell(column, row) * (1.0 - dx) + cell(column + 1, row) * dx;
        between(row) * (1.0 - dy) + between(row + 1) * dy
    }

    /// The value of the nearest cell.
    fn cell(&self, column: i64, row: i64) -> f32 {
        let inside = |v: i64, n: usize| usize::try_from(v.max(0)).unwrap_or(0).min(n - 1);
        self.values[inside(row, self.height) * self.width + inside(column, self.width)]
    }

    /// Whether there is no value at a place in `[0, 1]²`.
    fn is_missing(&self, x: f32, y: f32) -> bool {
        self.cell(floor(x * self.width as f32), floor(y * self.height as f32)).is_nan()
    }
}

/// Colors the values alone, scaled to `width` x `height` pixels. Where a value is NaN there is none: a light gray.
///
/// # Errors
/// [`RenderError::TooLarge`] for sides that no picture has.
pub fn heatmap(
    heat: &Heat<'_>,
    width: u32,
    height: u32,
    params: &HeatmapParams,
) -> Result<RgbImage, RenderError> {
    check_size(u64::from(width), u64::from(height))?;
    let mut image = RgbImage::filled(width, height, [0, 0, 0]);
    let nothing = faint_on(PAPER);
    shade(heat, &mut image, params, |_, color, t| if t.is_nan() { nothing } else { color });
    Ok(image)
}

/// Lays the values over a picture, which shows through where they are low.
///
/// With [`Colormap::Diverging`] it shows through where they are near zero. Where a value is NaN there is none:
/// the picture is paled.
pub fn overlay(image: &RgbImage, heat: &Heat<'_>, params: &HeatmapParams) -> RgbImage {
    let mut image = image.clone();
    let signed = params.colormap == Colormap::Diverging;
    shade(heat, &mut image, params, |under, color, t| {
        if t.is_nan() {
            return mix(under, PAPER, PALE);
        }
        let strength = if signed { (t - 0.5).abs() * 2.0 } else { t };
        let alpha = params.opacity.clamp(0.0, 1.0) * strength.clamp(0.0, 1.0);
        std::array::from_fn(|c| {
            let (below, above) = (f32::from(under[c]), f32::from(color[c]));
            byte(below + (above - below) * alpha)
        })
    });
    image
}

/// Puts a picture, a bar of its colors and a title on paper.
///
/// # Errors
/// [`RenderError::TooLarge`] for a picture that leaves no room for them.
pub fn with_color_bar(
    image: &RgbImage,
    title: &str,
    range: (f32, f32),
    colormap: Colormap,
) -> Result<RgbImage, RenderError> {
    let (width, height) = (image.width() as f32, image.height() as f32);
    let text = Text::new((width.min(height) * 0.042).clamp(10.0, 40.0));
    let heading = Text::new(text.size_px * 1.35);
    let margin = (text.size_px * 1.5).round();
    let head = heading.line_px().round() + text.size_px.round() * 0.4;
    let bar_px = (text.size_px * 1.1).round();
    let ticks = [range.0, f32::midpoint(range.0, range.1), range.1];
    let span = (range.1 - range.0).abs();
    // Beside the others, a value a thousand times smaller than the span is zero.
    let labels = ticks.map(|v| if v.abs() < span / 1_000.0 { "0".to_owned() } else { short_number(v) });
    let widest = labels.iter().map(|label| text.width(label)).fold(0.0, f32::max);
    let whole_w = 2.0 * margin + width + text.size_px + bar_px + text.size_px * 0.5 + widest;
    let whole_h = 2.0 * margin + head + height;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let (whole_w, whole_h) = check_size(whole_w.ceil() as u64, whole_h.ceil() as u64)?;

    let mut canvas = Canvas::new(whole_w, whole_h, PAPER);
    let inner = whole_w as f32 - 2.0 * margin;
    heading.draw_fit(
        &mut canvas,
        title,
        margin,
        margin + heading.cap_px(),
        inner,
        Align::Left,
        ink_on(PAPER),
    );
    let top = margin + head;
    canvas.paste(image, floor(margin), floor(top));
    let left = floor(margin + width + text.size_px);
    for row in 0..image.height() {
        let t = 1.0 - row as f32 / (height - 1.0).max(1.0);
        let y = floor(top) + i64::from(row);
        canvas.fill(Rect { left, top: y, right: left + floor(bar_px), bottom: y + 1 }, colormap.color(t));
    }
    let x = left as f32 + bar_px + text.size_px * 0.5;
    for (label, baseline) in
        labels.iter().zip([top + height, top + height / 2.0 + text.cap_px() / 2.0, top + text.cap_px()])
    {
        text.draw(&mut canvas, label, x, baseline, Align::Left, muted_on(PAPER));
    }
    Ok(canvas.into_image())
}

fn shade(
    heat: &Heat<'_>,
    image: &mut RgbImage,
    params: &HeatmapParams,
    blend: impl Fn(Color, Color, f32) -> Color,
) {
    let (low, high) = heat.range(params);
    let table = params.colormap.table();
    let (width, height) = (image.width() as f32, image.height() as f32);
    let stride = image.width() as usize * 3;
    for (y, row) in image.data_mut().chunks_exact_mut(stride).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let (u, v) = ((x as f32 + 0.5) / width, (y as f32 + 0.5) / height);
            let t = if heat.is_missing(u, v) {
                f32::NAN
            } else if (high - low).abs() > 0.0 {
                ((heat.at(u, v, params.smooth) - low) / (high - low)).clamp(0.0, 1.0)
            } else {
                // One value everywhere is neither hot nor cold.
                0.5
            };
            let color = table[usize::from(byte(t * 255.0))];
            pixel.copy_from_slice(&blend([pixel[0], pixel[1], pixel[2]], color, t));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_has_the_color_of_its_value() {
        let values = [0.0, 1.0, 2.0, 4.0, 3.0, 0.5];
        let heat = Heat::new(&values, 3, 2).unwrap();
        let params = HeatmapParams { colormap: Colormap::Viridis, smooth: false, ..HeatmapParams::default() };
        let image = heatmap(&heat, 9, 6, &params).unwrap();
        for (i, value) in (0_u32..).zip(values) {
            let (got, want) =
                (image.pixel(i % 3 * 3 + 1, i / 3 * 3 + 1), Colormap::Viridis.color(value / 4.0));
            assert!((0..3).all(|c| got[c].abs_diff(want[c]) <= 1), "cell {i}: {got:?}, want {want:?}");
        }
    }

    #[test]
    fn smooth_values_pass_through_the_cell_centers() {
        let values = [0.0, 1.0, 0.25, 0.75];
        let heat = Heat::new(&values, 2, 2).unwrap();
        for (i, value) in values.iter().enumerate() {
            let (x, y) = ((i % 2) as f32 * 0.5 + 0.25, (i / 2) as f32 * 0.5 + 0.25);
            assert!((heat.at(x, y, true) - value).abs() < 1e-6);
        }
        assert!((heat.at(0.5, 0.25, true) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_picture_shows_through_where_it_is_cold() {
        let image = RgbImage::filled(8, 8, [10, 200, 30]);
        let heat = Heat::new(&[0.0, 1.0], 2, 1).unwrap();
        let shown = overlay(&image, &heat, &HeatmapParams { smooth: false, ..HeatmapParams::default() });
        assert_eq!(shown.pixel(1, 4), [10, 200, 30]);
        assert_ne!(shown.pixel(6, 4), [10, 200, 30]);
    }

    #[test]
    fn a_picture_is_paled_where_there_is_no_value() {
        let image = RgbImage::filled(8, 8, [10, 200, 30]);
        let heat = Heat::new(&[0.0, f32::NAN, 0.0, 1.0], 4, 1).unwrap();
        let shown = overlay(&image, &heat, &HeatmapParams { smooth: false, ..HeatmapParams::default() });
        assert_eq!(shown.pixel(1, 4), [10, 200, 30]);
        let pale = shown.pixel(3, 4);
        assert!(pale[0] > 100 && pale[1] > 200 && pale[2] > 100, "{pale:?}");
    }

    #[test]
    fn signed_values_get_a_range_around_zero() {
        let params = HeatmapParams { colormap: Colormap::Diverging, ..HeatmapParams::default() };
        assert_eq!(Heat::new(&[-1.0, 3.0], 2, 1).unwrap().range(&params), (-3.0, 3.0));
    }

    #[test]
    fn a_turned_range_makes_small_values_hot() {
        let heat = Heat::new(&[0.0, 1.0], 2, 1).unwrap();
        let range = Some((1.0, 0.0));
        let params = HeatmapParams { range, smooth: false, ..HeatmapParams::default() };
        let image = heatmap(&heat, 2, 1, &params).unwrap();
        assert_eq!([image.pixel(0, 0), image.pixel(1, 0)], [1.0, 0.0].map(|t| Colormap::Inferno.color(t)));
    }

    #[test]
    fn constant_and_broken_values_are_drawn() {
        for values in [[1.0; 4], [f32::NAN; 4], [f32::INFINITY, -1.0, 0.0, f32::NAN]] {
            let heat = Heat::new(&values, 2, 2).unwrap();
            heatmap(&heat, 5, 5, &HeatmapParams::default()).unwrap();
        }
        assert!(Heat::new(&[0.0; 3], 2, 2).is_err());
        assert!(Heat::new(&[], 0, 2).is_err());
    }

    #[test]
    fn the_bar_runs_from_hot_above_to_cold_below() {
        let image = RgbImage::filled(200, 150, [0, 0, 0]);
        let framed = with_color_bar(&image, "title", (0.0, 2.0), Colormap::Viridis).unwrap();
        let hot = (0..framed.height()).find_map(|y| {
            (0..framed.width()).find(|&x| framed.pixel(x, y) == Colormap::Viridis.color(1.0)).map(|_| y)
        });
        let cold = (0..framed.height()).rev().find_map(|y| {
            (0..framed.width()).find(|&x| framed.pixel(x, y) == Colormap::Viridis.color(0.0)).map(|_| y)
        });
        assert_eq!(cold.unwrap() - hot.unwrap(), 149);
    }
}
