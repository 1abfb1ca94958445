//! From a decoded picture to the numbers a network reads, and back.
//!
//! Preprocessing belongs to the model. It is written down in one line of text, in weights files and in
//! fingerprints; [`Preprocess::parse`] has the grammar.

mod text;

use featlas_core::{RectF, RgbImage};
use featlas_image::Resizer;
use serde::Serialize;

/// How a picture is brought to a size from which the center is cropped. Both are Pillow's antialiased
/// bilinear resampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// The shorter side becomes this many pixels, the longer one follows (torchvision's `Resize`).
    ShorterSide(u32),
    /// Both sides become this many pixels; the picture is distorted (Caffe's reference models).
    Warp(u32),
}

/// The order of the color planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Planes {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// What a byte becomes before the mean is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    /// 0 to 1.
    Unit,
    /// 0 to 255.
    Bytes,
}

/// Resize, center crop, plane order, scale, mean and standard deviation.
///
/// `mean` and `std` are in the order of the planes and in units of the scaled values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preprocess {
    resize: Resize,
    crop_px: u32,
    planes: Planes,
    scale: Scale,
    mean: [f32; 3],
    std: [f32; 3],
}

/// A picture so long that its resized form would be longer than this many shorter sides is cut to its
/// middle first: of the rest the center crop shows nothing, and its memory would be unbounded.
const MAX_ASPECT: u32 = 64;

/// Where the crop lies: first a part of the original, then its resized form, then the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Placement {
    /// The part of the original that is resized: left, top, width, height.
    part: (u32, u32, u32, u32),
    /// The size it is resized to.
    resized: (u32, u32),
    /// The window's upper left corner in the resized part; negative where the picture is padded.
    offset: (i64, i64),
}

impl Preprocess {
    /// torchvision's ImageNet preset: shorter side 256, center crop 224, unit scale.
    pub fn torchvision() -> Self {
        Self {
            resize: Resize::ShorterSide(256),
            crop_px: 224,
            planes: Planes::Rgb,
            scale: Scale::Unit,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        }
    }

    /// Caffe's reference models: warp to 256, center crop 227, BGR bytes minus the mean color.
    pub fn caffe() -> Self {
        Self {
            resize: Resize::Warp(256),
            crop_px: 227,
            planes: Planes::Bgr,
            scale: Scale::Bytes,
            mean: [104.0, 117.0, 123.0],
            std: [1.0; 3],
        }
    }

    /// The side of the network's input, in pixels.
    pub fn input_px(&self) -> u32 {
        self.crop_px
    }

    /// How the picture is resized.
    pub fn resize(&self) -> Resize {
        self.resize
    }

    /// The pixels that the network sees: RGB, `input_px` x `input_px`.
    ///
    /// Equal to torchvision's `Resize` and `CenterCrop` on a Pillow picture, black where the crop is
    /// larger than the picture. Pictures more than 64 times as long as wide are cut to their middle
    /// before resizing, which may move them by a fraction of a pixel.
    pub fn crop(&self, image: &RgbImage) -> RgbImage {
        let resized = self.resized(image, &mut Resizer::default(), Vec::new());
        window(&resized, self.offset(&resized), (self.crop_px, self.crop_px))
    }

    /// The resized picture of which [`Preprocess::crop`] shows the center, with the pixels in the memory of
    /// `buffer`.
    pub fn resized(&self, image: &RgbImage, resizer: &mut Resizer, buffer: Vec<u8>) -> RgbImage {
        let Placement { part, resized, .. } = self.placement(image.width(), image.height());
        let (left, top, width, height) = part;
        if (width, height) == (image.width(), image.height()) {
            return resizer.resize(image, resized.0, resized.1, buffer);
        }
        let part = window(image, (i64::from(left), i64::from(top)), (width, height));
        resizer.resize(&part, resized.0, resized.1, buffer)
    }

    /// Whether [`Preprocess::resized`] shows all of a picture of that size.
    pub fn shows_all(&self, width: u32, height: u32) -> bool {
        self.placement(width, height).part == (0, 0, width, height)
    }

    /// Crops and normalizes what [`Preprocess::resized`] gave into `(3, input_px, input_px)`, row-major.
    ///
    /// The arithmetic is torchvision's, in f32: divide by 255 (unit scale), take the mean off, divide by
    /// the standard deviation.
    ///
    /// # Panics
    /// If `out` is not one image of a batch.
    pub fn normalize(&self, resized: &RgbImage, out: &mut [f32]) {
        let px = self.crop_px as usize;
        assert_eq!(out.len(), 3 * px * px, "one image of a batch");
        let offset = self.offset(resized);
        // A picture that is smaller than the crop gets a black frame first, once.
        let framed = (resized.width().min(resized.height()) < self.crop_px)
            .then(|| window(resized, offset, (self.crop_px, self.crop_px)));
        let (picture, (left, top)) = match &framed {
            Some(framed) => (framed, (0, 0)),
            None => (resized, offset),
        };
        let [left, top] = [left, top].map(|start| usize::try_from(start).expect("it was framed"));
        for (plane, values) in out.chunks_exact_mut(px * px).enumerate() {
            let table = self.byte_values(plane);
            let byte = match self.planes {
                Planes::Rgb => plane,
                Planes::Bgr => 2 - plane,
            };
            let rows = picture.data().chunks_exact(picture.width() as usize * 3).skip(top);
            for (values, row) in values.chunks_exact_mut(px).zip(rows) {
                for (value, pixel) in values.iter_mut().zip(&row.as_chunks::<3>().0[left..]) {
                    *value = table[usize::from(pixel[byte])];
                }
            }
        }
    }

    /// Resizes, crops and normalizes one image into its slot of a batch: `(3, input_px, input_px)`,
    /// row-major.
    ///
    /// # Panics
    /// If `out` is not `3 * input_px * input_px` long.
    pub fn write_input(&self, image: &RgbImage, out: &mut [f32]) {
        self.normalize(&self.resized(image, &mut Resizer::default(), Vec::new()), out);
    }

    /// Where the crop lies in the resized picture.
    fn offset(&self, resized: &RgbImage) -> (i64, i64) {
        (crop_offset(resized.width(), self.crop_px), crop_offset(resized.height(), self.crop_px))
    }

    /// What a color becomes in the network's input: its red, green and blue, each in `[0, 255]`, scaled and
    /// normalized, in the order of the planes.
    pub fn normalized(&self, rgb: [f32; 3]) -> [f32; 3] {
        let scale = match self.scale {
            Scale::Unit => 255.0,
            Scale::Bytes => 1.0,
        };
        let value = |plane: usize| {
            let color = match self.planes {
                Planes::Rgb => plane,
                Planes::Bgr => 2 - plane,
            };
            (rgb[color] / scale - self.mean[plane]) / self.std[plane]
        };
        [value(0), value(1), value(2)]
    }

    /// The order of the input's color planes.
    pub fn planes(&self) -> Planes {
        self.planes
    }

    /// Takes a rectangle of the network's input back to the original picture.
    ///
    /// Not clipped: what reached outside the crop may lie in the original all the same.
    pub fn to_original(&self, input: RectF, original_width: u32, original_height: u32) -> RectF {
        let Placement { part, resized, offset } = self.placement(original_width, original_height);
        let (left, top, width, height) = part;
        let axis = |start: u32, len: u32, resized: u32, offset: i64| {
            #[expect(clippy::cast_precision_loss, reason = "offsets are sides of pictures")]
            let offset = offset as f64;
            move |v: f64| f64::from(start) + (v + offset) * f64::from(len) / f64::from(resized)
        };
        let x = axis(left, width, resized.0, offset.0);
        let y = axis(top, height, resized.1, offset.1);
        RectF { left: x(input.left), top: y(input.top), right: x(input.right), bottom: y(input.bottom) }
    }

    /// The 256 values a byte of `plane` can become.
    fn byte_values(&self, plane: usize) -> [f32; 256] {
        let mut table = [0.0; 256];
        for (value, byte) in table.iter_mut().zip(0_u8..=255) {
            let scaled = match self.scale {
                Scale::Unit => f32::from(byte) / 255.0,
                Scale::Bytes => f32::from(byte),
            };
            *value = (scaled - self.mean[plane]) / self.std[plane];
        }
        table
    }

    fn placement(&self, width: u32, height: u32) -> Placement {
        let (part, resized) = match self.resize {
            Resize::Warp(side) => ((0, 0, width, height), (side, side)),
            Resize::ShorterSide(side) => {
                let short = width.min(height);
                let most = short.saturating_mul(MAX_ASPECT);
                let (part_w, part_h) = (width.min(most), height.min(most));
                let part = ((width - part_w) / 2, (height - part_h) / 2, part_w, part_h);
                let long = longer_side(side, part_w.max(part_h), short);
                (part, if part_w <= part_h { (side, long) } else { (long, side) })
            }
        };
        let offset = (crop_offset(resized.0, self.crop_px), crop_offset(resized.1, self.crop_px));
        Placement { part, resized, offset }
    }
}

/// torchvision's `int(side * long / short)`: Python's true division, then truncation.
fn longer_side(side: u32, long: u32, short: u32) -> u32 {
    let exact = f64::from(side) * f64::from(long) / f64::from(short);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 64 sides")]
    let whole = exact as u32;
    whole
}

/// torchvision's `CenterCrop` along one axis: `int(round((len - crop) / 2.0))` with Python's rounding
/// of halves to even; a picture that is too small is padded first, the odd pixel behind.
fn crop_offset(len: u32, crop: u32) -> i64 {
    if crop > len {
        return -i64::from((crop - len) / 2);
    }
    let room = i64::from(len - crop);
    let half = room / 2;
    half + i64::from(room % 2 == 1 && half % 2 == 1)
}

/// The `size` pixels of `image` from `offset` on; black outside.
fn window(image: &RgbImage, offset: (i64, i64), size: (u32, u32)) -> RgbImage {
    let mut out = RgbImage::filled(size.0, size.1, [0; 3]);
    out.paste(image, -offset.0, -offset.1);
    out
}

#[cfg(test)]
mod tests;
