//! The picture being drawn: shading every pixel, filling soft-edged shapes, and the camera's last touch.

use crate::color::{Rgb, gray, luma, mix, saturate};
use crate::dice::Dice;
use crate::math::{V2, byte, index, lerp, segment, v2, v3};
use featlas_core::RgbImage;

/// A picture of displayed colors.
///
/// Places are in units: the origin in the middle, x to the right, y down, half the shorter side is 1.
#[derive(Debug, Clone)]
pub(crate) struct Canvas {
    width: usize,
    height: usize,
    /// How many units a pixel is wide.
    pixel: f32,
    pixels: Vec<Rgb>,
}

/// The part of the picture that a shape may touch, in units.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) low: V2,
    pub(crate) high: V2,
}

impl Bounds {
    /// The square round `center` that reaches `reach` to each side.
    pub(crate) fn around(center: V2, reach: f32) -> Self {
        Self { low: center - v2(reach, reach), high: center + v2(reach, reach) }
    }
}

/// A pixel whose neighbor differs by more than this gets more samples.
const EDGE: f32 = 0.1;

/// Where in a pixel the further samples lie, in pixels: with the middle, four different rows and columns.
const SAMPLES: [(f32, f32); 3] = [(0.25, -0.37), (-0.38, -0.12), (0.12, 0.38)];

impl Canvas {
    /// A gray canvas of a random size and shape.
    pub(crate) fn any(dice: &mut Dice) -> Self {
        let sizes = [(256, 256), (256, 256), (240, 200), (300, 225), (225, 300), (288, 216), (216, 264)];
        let (width, height) = dice.pick(&sizes);
        Self::new(width, height)
    }

    /// A gray canvas of a random size, never upright: for landscapes.
    pub(crate) fn wide(dice: &mut Dice) -> Self {
        let (width, height) = dice.pick(&[(256, 256), (256, 224), (300, 225), (288, 192), (280, 210)]);
        Self::new(width, height)
    }

    pub(crate) fn new(width: usize, height: usize) -> Self {
        let pixel = 2.0 / width.min(height) as f32;
        Self { width, height, pixel, pixels: vec![gray(0.5); width * height] }
    }

    /// Half the width and half the height in units.
    pub(crate) fn half(&self) -> V2 {
        v2(self.width as f32, self.height as f32) * (self.pixel * 0.5)
    }

    /// How many units a pixel is wide.
    pub(crate) fn pixel(&self) -> f32 {
        self.pixel
    }

    /// The middle of a pixel, in units.
    fn place(&self, column: usize, row: usize) -> V2 {
        let (x, y) = (column as f32 + 0.5, row as f32 + 0.5);
        v2(x - self.width as f32 * 0.5, y - self.height as f32 * 0.5) * self.pixel
    }

    /// The color of the pixel at `p`, or of the nearest one when `p` lies outside.
    pub(crate) fn sample(&self, p: V2) -> Rgb {
        let column = index(p.x / self.pixel + self.width as f32 * 0.5).min(self.width - 1);
        let row = index(p.y / self.pixel + self.height as f32 * 0.5).min(self.height - 1);
        self.pixels[row * self.width + column]
    }

    /// Colors every pixel by `paint`, with more samples where neighbors differ.
    pub(crate) fn shade(&mut self, paint: impl Fn(V2) -> Rgb) {
        self.wash(&paint);
        let once = self.pixels.clone();
        let differs = |a: Rgb, b: Rgb| (a - b).map(f32::abs).max_component() > EDGE;
        for row in 0..self.height {
            for column in 0..self.width {
                let at = row * self.width + column;
                let edge = (column > 0 && differs(once[at], once[at - 1]))
                    || (column + 1 < self.width && differs(once[at], once[at + 1]))
                    || (row > 0 && differs(once[at], once[at - self.width]))
                    || (row + 1 < self.height && differs(once[at], once[at + self.width]));
                if edge {
                    let place = self.place(column, row);
                    let more = SAMPLES
                        .iter()
                        .fold(once[at], |sum, &(x, y)| sum + paint(place + v2(x, y) * self.pixel));
                    self.pixels[at] = more * (1.0 / (SAMPLES.len() + 1) as f32);
                }
            }
        }
    }

    /// Colors every pixel by one sample of `paint`: for smooth things.
    pub(crate) fn wash(&mut self, paint: impl Fn(V2) -> Rgb) {
        for row in 0..self.height {
            for column in 0..self.width {
                self.pixels[row * self.width + column] = paint(self.place(column, row));
            }
        }
    }

    /// Changes every pixel by `touch`, which gets its place and color.
    pub(crate) fn touch(&mut self, touch: impl Fn(V2, Rgb) -> Rgb) {
        for row in 0..self.height {
            for column in 0..self.width {
                let at = row * self.width + column;
                self.pixels[at] = touch(self.place(column, row), self.pixels[at]);
            }
        }
    }

    /// Lays colors over the pixels within `bounds`; `paint` gives a color and its opacity in `[0, 1]`.
    pub(crate) fn glaze(&mut self, bounds: Bounds, paint: impl Fn(V2) -> (Rgb, f32)) {
        let column = |x: f32| index(x / self.pixel + self.width as f32 * 0.5).min(self.width);
        let row = |y: f32| index(y / self.pixel + self.height as f32 * 0.5).min(self.height);
        let columns = column(bounds.low.x - self.pixel)..column(bounds.high.x + 2.0 * self.pixel);
        for row in row(bounds.low.y - self.pixel)..row(bounds.high.y + 2.0 * self.pixel) {
            for column in columns.clone() {
                let (color, opacity) = paint(self.place(column, row));
                if opacity > 0.0 {
                    let pixel = &mut self.pixels[row * self.width + column];
                    *pixel = mix(*pixel, color, opacity.min(1.0));
                }
            }
        }
    }

    /// Fills a shape given by its signed distance in units (negative inside), edges smooth.
    pub(crate) fn fill(&mut self, bounds: Bounds, distance: impl Fn(V2) -> f32, paint: impl Fn(V2) -> Rgb) {
        let pixel = self.pixel;
        self.glaze(bounds, |p| {
            let cover = (0.5 - distance(p) / pixel).clamp(0.0, 1.0);
            (if cover > 0.0 { paint(p) } else { gray(0.0) }, cover)
        });
    }

    /// Fills a shape with one color, edges blurred over `soft` units.
    pub(crate) fn soft(
        &mut self,
        bounds: Bounds,
        distance: impl Fn(V2) -> f32,
        soft: f32,
        color: Rgb,
        opacity: f32,
    ) {
        let soft = soft.max(self.pixel);
        self.glaze(bounds, |p| (color, opacity * crate::math::smooth(soft * 0.5, -soft * 0.5, distance(p))));
    }

    /// A disk of one color.
    pub(crate) fn disk(&mut self, center: V2, radius: f32, color: Rgb) {
        self.fill(Bounds::around(center, radius), |p| (p - center).length() - radius, |_| color);
    }

    /// A round-ended stroke whose half width goes from `from` at `a` to `to` at `b`.
    pub(crate) fn stroke(&mut self, a: V2, b: V2, (from, to): (f32, f32), color: Rgb) {
        let reach = from.max(to);
        let bounds = Bounds {
            low: v2(a.x.min(b.x) - reach, a.y.min(b.y) - reach),
            high: v2(a.x.max(b.x) + reach, a.y.max(b.y) + reach),
        };
        let distance = |p| {
            let (away, t) = segment(p, a, b);
            away - lerp(from, to, t)
        };
        self.fill(bounds, distance, |_| color);
    }

    /// A blur of less than a pixel: each pixel takes a little of its two neighbors, in each direction.
    fn soften(&mut self, sigma: f32) {
        let side = (sigma * sigma * 0.5).min(0.25);
        for (step, count, starts, stride) in
            [(1, self.width, self.height, self.width), (self.width, self.height, self.width, 1)]
        {
            for start in 0..starts {
                let mut before = self.pixels[start * stride];
                for i in 0..count {
                    let at = start * stride + i * step;
                    let here = self.pixels[at];
                    let after = if i + 1 < count { self.pixels[at + step] } else { here };
                    self.pixels[at] = here * (1.0 - 2.0 * side) + (before + after) * side;
                    before = here;
                }
            }
        }
    }

    /// The camera's last touch: exposure, contrast, saturation, a darker border, softness, grain.
    pub(crate) fn finish(mut self, dice: &mut Dice) -> RgbImage {
        let (gain, contrast) = (dice.around(1.0, 0.06), dice.around(1.0, 0.08));
        let (saturation, vignette) = (dice.around(1.0, 0.12), dice.within(0.0, 0.16));
        if dice.chance(0.4) {
            self.soften(dice.within(0.3, 0.7));
        }
        let grain = dice.within(0.0, 0.018);
        let half = self.half();
        let corner = half.dot(half);
        self.touch(|p, color| {
            let dark = 1.0 - vignette * p.dot(p) / corner;
            let color = saturate(color * (gain * dark), saturation);
            (color - gray(0.5)) * contrast + gray(0.5)
        });
        for pixel in &mut self.pixels {
            let tint = v3(dice.unit(), dice.unit(), dice.unit()) - gray(0.5);
            *pixel = *pixel + mix(gray(luma(tint)), tint, 0.3) * (grain * 4.0);
        }
        self.into_image()
    }

    fn into_image(self) -> RgbImage {
        // A byte made of NaN is 0, so a slip in a formula would show as a black patch and nothing else.
        debug_assert!(self.pixels.iter().all(|c| c.dot(*c).is_finite()), "a pixel is not a number");
        let bytes = self.pixels.iter().flat_map(|c| [byte(c.x), byte(c.y), byte(c.z)]).collect();
        let side = |pixels: usize| u32::try_from(pixels).expect("canvases are a few hundred pixels wide");
        RgbImage::new(side(self.width), side(self.height), bytes).expect("three bytes a pixel")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(canvas: &Canvas) -> f32 {
        canvas.pixels.iter().map(|c| c.x).sum::<f32>() / canvas.pixels.len() as f32
    }

    #[test]
    fn a_disk_covers_its_area() {
        let mut canvas = Canvas::new(200, 100);
        canvas.wash(|_| gray(0.0));
        canvas.disk(v2(0.1, 0.0), 0.5, gray(1.0));
        let area = mean(&canvas) * 2.0 * 2.0 * 2.0;
        assert!((area - std::f32::consts::PI * 0.25).abs() < 0.005, "{area}");
    }

    #[test]
    fn shapes_beyond_the_border_are_clipped() {
        let mut canvas = Canvas::new(50, 60);
        canvas.disk(v2(-9.0, 3.0), 0.5, gray(1.0));
        canvas.stroke(v2(-5.0, -5.0), v2(5.0, 5.0), (0.1, 0.2), gray(1.0));
        assert!(canvas.pixels.iter().any(|c| c.x > 0.99) && canvas.pixels.iter().any(|c| c.x < 0.51));
    }

    #[test]
    fn softening_keeps_the_mean_and_flattens() {
        for sigma in [0.3, 0.5, 0.7] {
            let mut canvas = Canvas::new(64, 48);
            canvas.wash(|p| gray(if p.length() < 0.3 { 1.0 } else { 0.0 }));
            let before = mean(&canvas);
            let peak = |c: &Canvas| c.pixels.iter().map(|c| c.x).fold(0.0, f32::max);
            canvas.soften(sigma);
            assert!((mean(&canvas) - before).abs() < 2e-3, "sigma {sigma}");
            assert!(peak(&canvas) <= 1.0 + 1e-5);
            assert!(canvas.pixels.iter().any(|c| c.x > 0.05 && c.x < 0.6), "sigma {sigma} made no slope");
        }
    }

    #[test]
    fn edges_get_more_samples() {
        let mut canvas = Canvas::new(100, 100);
        canvas.shade(|p| gray(if p.x + 0.3 * p.y > 0.003 { 1.0 } else { 0.0 }));
        let between = canvas.pixels.iter().filter(|c| c.x > 0.01 && c.x < 0.99).count();
        // One sample a pixel would give none, four a gray in most of the hundred rows.
        assert!(between > 50, "{between} pixels lie between black and white");
    }
}
