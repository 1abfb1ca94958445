//! How an image's label shows on the image itself.

use super::legend::Legend;
use crate::canvas::Canvas;
use crate::color::{Color, Oklab, mix};
use featlas_core::{Rect, RgbImage};

/// How a label shows on its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LabelMark {
    /// Not at all.
    #[default]
    None,
    /// A border of the label's color.
    Border,
    /// The image's shades between the background and the label's color: dark is background, as suits digits.
    Tint,
}

/// The marks of all images of a poster.
#[derive(Debug)]
pub(crate) struct Marks {
    mark: LabelMark,
    colors: Vec<Option<Color>>,
    background: Color,
}

impl Marks {
    /// Without any label nothing is marked.
    pub(crate) fn new(mark: LabelMark, names: &Legend, background: Color) -> Self {
        Self { mark, colors: names.colors(), background }
    }

    /// Whether any image is marked.
    pub(crate) fn any(&self) -> bool {
        self.mark != LabelMark::None && self.colors.iter().any(Option::is_some)
    }

    /// The color that an image's border has, if it has one.
    pub(crate) fn border_color(&self, image: usize) -> Option<Color> {
        if self.mark == LabelMark::Border { *self.colors.get(image)? } else { None }
    }

    /// Draws the border of an image that lies at `at`.
    pub(crate) fn border(&self, canvas: &mut Canvas, image: usize, at: Rect) {
        if let Some(color) = self.border_color(image) {
            let width_px = (at.width().min(at.height()) / 20).max(1);
            canvas.frame(at, width_px, color);
        }
    }

    /// Colors an image by its label.
    pub(crate) fn tint(&self, image: usize, pixels: &mut RgbImage) {
        let (LabelMark::Tint, Some(Some(color))) = (self.mark, self.colors.get(image)) else { return };
        let ramp: [Color; 256] = std::array::from_fn(|i| mix(self.background, *color, i as f32 / 255.0));
        for pixel in pixels.data_mut().chunks_exact_mut(3) {
            let lightness = Oklab::from_srgb([pixel[0], pixel[1], pixel[2]]).l;
            pixel.copy_from_slice(&ramp[usize::from(crate::color::byte(lightness * 255.0))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::{NIGHT, PAPER};
    use crate::palette;

    fn legend() -> Legend {
        Legend::of(&[Some("a".to_owned()), Some("a".to_owned()), Some("b".to_owned()), None])
    }

    #[test]
    fn black_becomes_the_background_and_white_the_color() {
        for background in [PAPER, NIGHT] {
            let marks = Marks::new(LabelMark::Tint, &legend(), background);
            let mut pixels = RgbImage::filled(2, 1, [0, 0, 0]);
            pixels.set_pixel(1, 0, [255, 255, 255]);
            let before = pixels.clone();
            marks.tint(2, &mut pixels);
            let near = |a: Color, b: Color| a.iter().zip(b).all(|(&a, b)| a.abs_diff(b) <= 1);
            assert!(near(pixels.pixel(0, 0), background), "{:?}", pixels.pixel(0, 0));
            assert!(near(pixels.pixel(1, 0), palette::color(1)), "{:?}", pixels.pixel(1, 0));
            let mut unlabeled = before.clone();
            marks.tint(3, &mut unlabeled);
            assert_eq!(unlabeled, before, "an image without label stays as it is");
        }
    }

    #[test]
    fn only_the_chosen_mark_is_drawn() {
        let marks = Marks::new(LabelMark::None, &legend(), PAPER);
        assert!(!marks.any() && marks.border_color(0).is_none());
        let marks = Marks::new(LabelMark::Border, &legend(), PAPER);
        assert!(marks.any());
        assert_eq!(marks.border_color(0), Some(palette::color(0)));
        assert_eq!(marks.border_color(3), None);
        assert!(!Marks::new(LabelMark::Border, &Legend::of(&[None, None]), PAPER).any());
    }
}
