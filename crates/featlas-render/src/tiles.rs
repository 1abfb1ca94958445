//! Thumbnails by row, and how one is made to fit its place.

use crate::canvas::Canvas;
use crate::color::{Color, faint_on, mix};
use featlas_core::{Rect, RgbImage};
use featlas_image::{crop, resize};
use std::sync::atomic::{AtomicBool, Ordering};

/// The pictures that a poster shows, by row of the atlas.
pub trait Tiles: Sync {
    /// How many images there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A picture of image `i`, best of about `side_px` pixels on its longer side, for a place of that size;
    /// `None` when it can no longer be read.
    ///
    /// Called from several threads, and once or twice an image.
    fn tile(&self, i: usize, side_px: u32) -> Option<RgbImage>;
}

impl Tiles for Vec<RgbImage> {
    fn len(&self) -> usize {
        self.len()
    }

    fn tile(&self, i: usize, _side_px: u32) -> Option<RgbImage> {
        self.get(i).cloned()
    }
}

/// How a picture of another shape fills a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fit {
    /// It fills the place; what stands over is cut off evenly on both sides.
    #[default]
    Crop,
    /// All of it is seen; the rest of the place stays empty.
    Letterbox,
}

/// Scales `image` for a place of `width` x `height` pixels.
///
/// [`Fit::Crop`] gives exactly that size, [`Fit::Letterbox`] at most that size. An empty place counts as
/// one pixel.
pub fn fit(image: &RgbImage, width: u32, height: u32, how: Fit) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    let (w, h) = (u64::from(image.width()), u64::from(image.height()));
    let (to_w, to_h) = (u64::from(width), u64::from(height));
    let wider = w * to_h > h * to_w;
    match how {
        Fit::Letterbox => {
            let scaled =
                |side: u64, by: u64, from: u64, most: u32| clamped((side * by + from / 2) / from, most);
            let (width, height) =
                if wider { (width, scaled(h, to_w, w, height)) } else { (scaled(w, to_h, h, width), height) };
            scale(image, width, height)
        }
        Fit::Crop => {
            let (keep_w, keep_h) = if wider {
                (clamped(h * to_w / to_h, image.width()), image.height())
            } else {
                (image.width(), clamped(w * to_h / to_w, image.height()))
            };
            if (keep_w, keep_h) == (image.width(), image.height()) {
                return scale(image, width, height);
            }
            let (x, y) = ((image.width() - keep_w) / 2, (image.height() - keep_h) / 2);
            scale(&crop(image, x, y, keep_w, keep_h), width, height)
        }
    }
}

/// At least one pixel and at most `most`.
fn clamped(px: u64, most: u32) -> u32 {
    u32::try_from(px).unwrap_or(u32::MAX).clamp(1, most)
}

/// Scales and pastes `image` into the middle of `place`.
pub(crate) fn paste_fit(canvas: &mut Canvas, image: &RgbImage, place: Rect, how: Fit) {
    let scaled = fit(image, side(place.width()), side(place.height()), how);
    paste_centered(canvas, &scaled, place);
}

/// Pastes `image`, already scaled, into the middle of `place`; returns where it lies.
pub(crate) fn paste_centered(canvas: &mut Canvas, image: &RgbImage, place: Rect) -> Rect {
    let left = place.left + (place.width() - i64::from(image.width())) / 2;
    let top = place.top + (place.height() - i64::from(image.height())) / 2;
    canvas.paste(image, left, top);
    Rect { left, top, right: left + i64::from(image.width()), bottom: top + i64::from(image.height()) }
}

/// Draws what stands for a picture that is gone: a faint field, struck through.
pub(crate) fn paste_placeholder(canvas: &mut Canvas, place: Rect, background: Color) {
    let faint = faint_on(background);
    canvas.fill(place, faint);
    let stroke = (place.width() as f32 / 40.0).max(0.8);
    let inset = place.width() as f32 * 0.36;
    canvas.line(
        (place.left as f32 + inset, place.bottom as f32 - inset),
        (place.right as f32 - inset, place.top as f32 + inset),
        stroke,
        mix(faint, crate::color::ink_on(background), 0.25),
    );
}

/// Which images could not be shown, counted once each however often they were asked for.
#[derive(Debug)]
pub(crate) struct Missing(Vec<AtomicBool>);

impl Missing {
    pub(crate) fn none_of(n: usize) -> Self {
        Self((0..n).map(|_| AtomicBool::new(false)).collect())
    }

    pub(crate) fn add(&self, i: usize) {
        self.0[i].store(true, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.iter().filter(|gone| gone.load(Ordering::Relaxed)).count()
    }
}

/// A side of a place, as the scaler wants it; an empty place counts as one pixel.
pub(crate) fn side(px: i64) -> u32 {
    u32::try_from(px.max(1)).expect("places are smaller than posters")
}

fn scale(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    if (width, height) == (image.width(), image.height()) {
        return image.clone();
    }
    resize(image, width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Left third red, middle green, right blue.
    fn flag() -> RgbImage {
        let mut image = RgbImage::filled(90, 30, [0, 200, 0]);
        image.paste(&RgbImage::filled(30, 30, [200, 0, 0]), 0, 0);
        image.paste(&RgbImage::filled(30, 30, [0, 0, 200]), 60, 0);
        image
    }

    #[test]
    fn crop_keeps_the_middle() {
        let square = fit(&flag(), 12, 12, Fit::Crop);
        assert_eq!((square.width(), square.height()), (12, 12));
        assert!(square.data().chunks(3).all(|p| p == [0, 200, 0]));
    }

    #[test]
    fn letterbox_keeps_everything() {
        let strip = fit(&flag(), 30, 30, Fit::Letterbox);
        assert_eq!((strip.width(), strip.height()), (30, 10));
        assert_eq!((strip.pixel(2, 5), strip.pixel(27, 5)), ([200, 0, 0], [0, 0, 200]));
    }

    #[test]
    fn extreme_shapes_fit() {
        for (w, h) in [(1, 5_000), (5_000, 1), (1, 1), (3, 2)] {
            let image = RgbImage::filled(w, h, [7, 8, 9]);
            for (to_w, to_h) in [(1, 1), (40, 30), (1, 64), (64, 1)] {
                let boxed = fit(&image, to_w, to_h, Fit::Letterbox);
                assert!(boxed.width() <= to_w && boxed.height() <= to_h, "{w}x{h} into {to_w}x{to_h}");
                let cropped = fit(&image, to_w, to_h, Fit::Crop);
                assert_eq!((cropped.width(), cropped.height()), (to_w, to_h), "{w}x{h} into {to_w}x{to_h}");
                assert!(cropped.data().chunks(3).all(|p| p == [7, 8, 9]));
            }
        }
    }

    #[test]
    fn an_image_that_is_gone_counts_once() {
        let missing = Missing::none_of(5);
        missing.add(3);
        missing.add(3);
        missing.add(0);
        assert_eq!(missing.count(), 2);
    }
}
