//! A small version of a picture, made while the large one is drawn.

use super::Picture;
use crate::canvas::Canvas;
use crate::color::Color;
use featlas_core::RgbImage;
use std::sync::{Mutex, PoisonError};

/// A picture that remembers how it looks from afar.
///
/// Whoever draws it in windows that cover it once, as the writers do, can ask for the [`preview`](Self::preview)
/// then; no window needs to be drawn twice for it. Memory: 12 bytes a pixel of the preview.
pub struct Previewed<'a> {
    picture: &'a dyn Picture,
    /// Pixels that become one, along each side.
    block_px: u32,
    width: u32,
    height: u32,
    /// Sums over what of each block was drawn, row-major RGB.
    sums: Mutex<Vec<u32>>,
}

impl std::fmt::Debug for Previewed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { block_px, width, height, .. } = self;
        write!(f, "Previewed({width}x{height}, {block_px} px a pixel)")
    }
}

impl<'a> Previewed<'a> {
    /// A picture whose preview has at most `max_px` pixels on its longer side.
    ///
    /// # Panics
    /// If `max_px` is zero.
    pub fn new(picture: &'a dyn Picture, max_px: u32) -> Self {
        // A block of 4,096 pixels a side fills the 32 bits of its sum.
        let block_px = picture.width().max(picture.height()).div_ceil(max_px).clamp(1, 4_096);
        let (width, height) = (picture.width().div_ceil(block_px), picture.height().div_ceil(block_px));
        let sums = Mutex::new(vec![0; width as usize * height as usize * 3]);
        Self { picture, block_px, width, height, sums }
    }

    /// The preview of what was drawn so far: the mean of each block.
    pub fn preview(&self) -> RgbImage {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let mut image = RgbImage::filled(self.width, self.height, [0; 3]);
        let side = |at: u32, whole: u32| (whole - at * self.block_px).min(self.block_px);
        for y in 0..self.height {
            for x in 0..self.width {
                let area = side(x, self.picture.width()) * side(y, self.picture.height());
                let at = (y as usize * self.width as usize + x as usize) * 3;
                let mean = |c: usize| u8::try_from((sums[at + c] + area / 2) / area).unwrap_or(u8::MAX);
                image.set_pixel(x, y, [mean(0), mean(1), mean(2)]);
            }
        }
        image
    }
}

impl Picture for Previewed<'_> {
    fn width(&self) -> u32 {
        self.picture.width()
    }

    fn height(&self) -> u32 {
        self.picture.height()
    }

    fn background(&self) -> Color {
        self.picture.background()
    }

    fn num_images(&self) -> u64 {
        self.picture.num_images()
    }

    fn num_missing(&self) -> usize {
        self.picture.num_missing()
    }

    fn good_cuts(&self) -> Vec<u32> {
        self.picture.good_cuts()
    }

    fn draw(&self, canvas: &mut Canvas) {
        self.picture.draw(canvas);
        let bounds = canvas.bounds();
        let (Ok(left), Ok(top)) = (u32::try_from(bounds.left), u32::try_from(bounds.top)) else { return };
        let pixels = canvas.image();
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        for row in 0..pixels.height().min(self.picture.height().saturating_sub(top)) {
            let line = ((top + row) / self.block_px) as usize * self.width as usize;
            for (pixel, x) in pixels.row(row).chunks_exact(3).zip(left..self.picture.width()) {
                let at = (line + (x / self.block_px) as usize) * 3;
                for (sum, &value) in sums[at..at + 3].iter_mut().zip(pixel) {
                    *sum += u32::from(value);
                }
            }
        }
    }
}
