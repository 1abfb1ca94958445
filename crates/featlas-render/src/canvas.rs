//! Drawing on a window of a picture.
//!
//! A [`Canvas`] is the part of a picture that is being drawn now: a strip of a poster, a tile of a
//! zoomable one, or all of it. Every coordinate is the whole picture's, and a pixel's color never depends
//! on the window, so that a poster drawn in strips equals the poster drawn at once.

use crate::color::{Color, byte};
use featlas_core::{Rect, RgbImage};

/// A window of a picture, to draw on in the picture's coordinates.
///
/// Pixel `(x, y)` covers `x..x + 1` and `y..y + 1`; everything outside the window is dropped.
#[derive(Debug, Clone)]
pub struct Canvas {
    pixels: RgbImage,
    left: i64,
    top: i64,
}

impl Canvas {
    /// A whole picture.
    ///
    /// # Panics
    /// If a side is zero.
    pub fn new(width: u32, height: u32, background: Color) -> Self {
        Self::window(0, 0, width, height, background)
    }

    /// The window of `width` x `height` pixels whose upper left corner is `(left, top)`.
    ///
    /// # Panics
    /// If a side is zero.
    pub fn window(left: i64, top: i64, width: u32, height: u32, background: Color) -> Self {
        Self { pixels: RgbImage::filled(width, height, background), left, top }
    }

    /// The part of the picture that is being drawn.
    pub fn bounds(&self) -> Rect {
        Rect {
            left: self.left,
            top: self.top,
            right: self.left + i64::from(self.pixels.width()),
            bottom: self.top + i64::from(self.pixels.height()),
        }
    }

    /// Whether anything inside `rect` would be seen.
    pub fn sees(&self, rect: Rect) -> bool {
        let window = self.bounds();
        rect.left < window.right
            && rect.right > window.left
            && rect.top < window.bottom
            && rect.bottom > window.top
    }

    /// The pixels drawn so far, to look at.
    pub(crate) fn image(&self) -> &RgbImage {
        &self.pixels
    }

    /// The pixels drawn so far.
    pub fn into_image(self) -> RgbImage {
        self.pixels
    }

    /// Fills whole pixels.
    pub fn fill(&mut self, rect: Rect, color: Color) {
        self.each(rect, |pixel, _, _| pixel.copy_from_slice(&color));
    }

    /// Draws the border of `rect`, `width_px` wide, inside it.
    pub fn frame(&mut self, rect: Rect, width_px: i64, color: Color) {
        let Rect { left, top, right, bottom } = rect;
        let inner_top = (top + width_px).min(bottom);
        let inner_bottom = (bottom - width_px).max(inner_top);
        self.fill(Rect { bottom: inner_top, ..rect }, color);
        self.fill(Rect { top: inner_bottom, ..rect }, color);
        self.fill(
            Rect { left, top: inner_top, right: (left + width_px).min(right), bottom: inner_bottom },
            color,
        );
        self.fill(
            Rect { left: (right - width_px).max(left), top: inner_top, right, bottom: inner_bottom },
            color,
        );
    }

    /// Draws a filled circle with smooth edges; `alpha` is its opacity in `[0, 1]`.
    pub fn disc(&mut self, x: f32, y: f32, radius: f32, color: Color, alpha: f32) {
        self.shade(around(x - radius, y - radius, x + radius, y + radius), color, |px, py| {
            alpha * (radius + 0.5 - (px - x).hypot(py - y)).clamp(0.0, 1.0)
        });
    }

    /// Draws a straight stroke with smooth edges and round ends.
    pub fn line(&mut self, from: (f32, f32), to: (f32, f32), width_px: f32, color: Color) {
        let half = width_px / 2.0;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length_squared = dx * dx + dy * dy;
        let area = around(
            from.0.min(to.0) - half,
            from.1.min(to.1) - half,
            from.0.max(to.0) + half,
            from.1.max(to.1) + half,
        );
        self.shade(area, color, |px, py| {
            let along = if length_squared > 0.0 {
                (((px - from.0) * dx + (py - from.1) * dy) / length_squared).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let away = (px - from.0 - along * dx).hypot(py - from.1 - along * dy);
            // A stroke thinner than a pixel is fainter, not thinner.
            (half + 0.5 - away).clamp(0.0, width_px.min(1.0))
        });
    }

    /// Copies `image` with its upper left corner at `(x, y)`.
    pub fn paste(&mut self, image: &RgbImage, x: i64, y: i64) {
        self.pixels.paste(image, x - self.left, y - self.top);
    }

    /// Mixes `color` into one pixel; `alpha` is its share in `[0, 1]`.
    pub fn blend(&mut self, x: i64, y: i64, color: Color, alpha: f32) {
        self.each(Rect { left: x, top: y, right: x + 1, bottom: y + 1 }, |pixel, _, _| {
            mix_in(pixel, color, alpha);
        });
    }

    /// Mixes `color` into each pixel of `area` by `coverage` at the pixel's center.
    fn shade(&mut self, area: Rect, color: Color, coverage: impl Fn(f32, f32) -> f32) {
        self.each(area, |pixel, x, y| {
            let alpha = coverage(center(x), center(y));
            if alpha > 0.0 {
                mix_in(pixel, color, alpha);
            }
        });
    }

    fn each(&mut self, rect: Rect, mut draw: impl FnMut(&mut [u8], i64, i64)) {
        let (left, top) = (self.left, self.top);
        let width = self.pixels.width();
        let inside = Rect {
            left: rect.left - left,
            top: rect.top - top,
            right: rect.right - left,
            bottom: rect.bottom - top,
        }
        .clipped(width, self.pixels.height());
        if inside.width() == 0 || inside.height() == 0 {
            return;
        }
        let stride = width as usize * 3;
        let (x0, x1) = (index(inside.left), index(inside.right));
        let rows = self.pixels.data_mut().chunks_exact_mut(stride);
        for (bytes, y) in rows.take(index(inside.bottom)).skip(index(inside.top)).zip(inside.top + top..) {
            for (pixel, x) in bytes[x0 * 3..x1 * 3].chunks_exact_mut(3).zip(inside.left + left..) {
                draw(pixel, x, y);
            }
        }
    }
}

/// The whole pixels that a smooth shape with these sides may touch.
fn around(left: f32, top: f32, right: f32, bottom: f32) -> Rect {
    Rect { left: floor(left) - 1, top: floor(top) - 1, right: floor(right) + 2, bottom: floor(bottom) + 2 }
}

fn mix_in(pixel: &mut [u8], color: Color, alpha: f32) {
    for (under, over) in pixel.iter_mut().zip(color) {
        let (below, above) = (f32::from(*under), f32::from(over));
        *under = byte(below + (above - below) * alpha.min(1.0));
    }
}

fn center(pixel: i64) -> f32 {
    pixel as f32 + 0.5
}

/// The pixel that holds a coordinate.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates far outside any picture")]
pub(crate) fn floor(value: f32) -> i64 {
    value.floor() as i64
}

fn index(inside: i64) -> usize {
    usize::try_from(inside).expect("clipped to the window")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Color = [255, 255, 255];
    const BLACK: Color = [0, 0, 0];

    fn draw_everything(canvas: &mut Canvas) {
        canvas.fill(Rect { left: 2, top: 3, right: 30, bottom: 9 }, [200, 30, 30]);
        canvas.disc(20.3, 14.7, 9.2, [10, 90, 200], 0.7);
        canvas.line((1.0, 38.0), (38.5, 2.25), 2.5, [0, 120, 40]);
        canvas.frame(Rect { left: 5, top: 5, right: 36, bottom: 37 }, 2, [90, 0, 90]);
        canvas.paste(&RgbImage::filled(6, 5, [250, 200, 0]), 33, 31);
        canvas.blend(0, 39, BLACK, 0.5);
    }

    #[test]
    fn a_window_shows_what_the_whole_picture_shows_there() {
        let mut whole = Canvas::new(40, 40, WHITE);
        draw_everything(&mut whole);
        let whole = whole.into_image();
        for (left, top, width, height) in [(0, 0, 40, 7), (0, 33, 40, 7), (11, 13, 5, 9), (39, 39, 1, 1)] {
            let mut window = Canvas::window(left, top, width, height, WHITE);
            draw_everything(&mut window);
            let window = window.into_image();
            for y in 0..height {
                for x in 0..width {
                    let (wx, wy) = (x + u32::try_from(left).unwrap(), y + u32::try_from(top).unwrap());
                    assert_eq!(window.pixel(x, y), whole.pixel(wx, wy), "({wx}, {wy})");
                }
            }
        }
    }

    #[test]
    fn a_disc_has_the_area_of_a_circle() {
        for radius in [0.4_f32, 1.0, 3.5, 12.0] {
            let mut canvas = Canvas::new(32, 32, BLACK);
            canvas.disc(16.2, 15.9, radius, WHITE, 1.0);
            let sum: f32 = canvas.into_image().data().iter().map(|&v| f32::from(v) / 255.0 / 3.0).sum();
            let area = std::f32::consts::PI * radius * radius;
            // The one-pixel ramp adds a little to the smallest ones.
            assert!((sum - area).abs() < 0.06 * area + 0.9, "radius {radius}: {sum} for {area}");
        }
    }

    #[test]
    fn a_frame_of_an_area_thinner_than_it_stays_inside() {
        let mut canvas = Canvas::new(9, 9, BLACK);
        canvas.frame(Rect { left: 3, top: 3, right: 6, bottom: 5 }, 4, WHITE);
        let lit = canvas.into_image().data().chunks(3).filter(|pixel| *pixel == WHITE).count();
        assert_eq!(lit, 3 * 2);
    }

    #[test]
    fn drawing_outside_changes_nothing() {
        let mut canvas = Canvas::window(100, 100, 8, 8, BLACK);
        let before = canvas.clone().into_image();
        canvas.disc(50.0, 104.0, 10.0, WHITE, 1.0);
        canvas.line((0.0, 0.0), (99.0, 90.0), 3.0, WHITE);
        canvas.fill(Rect { left: -9, top: -9, right: 100, bottom: 300 }, WHITE);
        canvas.paste(&RgbImage::filled(5, 5, WHITE), i64::MAX / 4, 0);
        assert_eq!(canvas.into_image(), before);
    }
}
