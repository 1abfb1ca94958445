//! Figures of single images: pictures side by side, and mosaics of many small ones, with the words to read them.
//!
//! Pictures keep their pixels: nothing is stretched, and what is too small to see is enlarged by whole
//! factors without smoothing.

mod mosaic;
mod panels;
mod words;

pub use mosaic::{Mosaic, TileGroup, mosaic};
pub use panels::{Bar, Panel, panels};

use crate::color::{Color, byte};
use crate::colormap::Colormap;
use featlas_core::RgbImage;

/// The whole factor that brings the longer of two sides near `wanted_px` without passing it; at least one.
pub fn whole_factor(width: usize, height: usize, wanted_px: usize) -> u32 {
    u32::try_from((wanted_px / width.max(height).max(1)).max(1)).unwrap_or(1)
}

/// A `(height, width)` block of values in shades of gray: `range.0` is black, `range.1` white.
///
/// # Panics
/// If the values do not fill the block, or there are none.
pub fn gray_picture(values: &[f32], width: usize, height: usize, range: (f32, f32)) -> RgbImage {
    let table = Colormap::Gray.table();
    picture(width, height, |i| table[usize::from(byte(place(values[i], range) * 255.0))])
}

/// Three planes `(3, height, width)` of values as red, green and blue: `range.0` is 0, `range.1` is 255.
///
/// # Panics
/// If the values do not fill the planes, or there are none.
pub fn rgb_picture(values: &[f32], width: usize, height: usize, range: (f32, f32)) -> RgbImage {
    let cells = width * height;
    picture(width, height, |i| std::array::from_fn(|c| byte(place(values[c * cells + i], range) * 255.0)))
}

/// Cuts a mask out of a picture: what is not in the mask becomes `ground`.
///
/// # Panics
/// If the mask does not have one value a pixel.
pub fn cut_out(image: &RgbImage, mask: &[bool], ground: Color) -> RgbImage {
    assert_eq!(image.data().len(), 3 * mask.len(), "one value a pixel");
    let mut out = image.clone();
    for (pixel, _) in out.data_mut().chunks_exact_mut(3).zip(mask).filter(|(_, inside)| !**inside) {
        pixel.copy_from_slice(&ground);
    }
    out
}

/// Draws a mask's outline over a picture, and pales what lies outside.
///
/// The line is twice `reach_px` wide, with a dark edge, so that it shows on every ground.
///
/// # Panics
/// If the mask does not have one value a pixel.
pub fn outline(image: &RgbImage, mask: &[bool], reach_px: u32, color: Color) -> RgbImage {
    assert_eq!(image.data().len(), 3 * mask.len(), "one value a pixel");
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let inside = |x: i64, y: i64| {
        let column = usize::try_from(x.clamp(0, width - 1)).unwrap_or(0);
        let row = usize::try_from(y.clamp(0, height - 1)).unwrap_or(0);
        mask[row * image.width() as usize + column]
    };
    let mut out = image.clone();
    let border: Vec<(i64, i64)> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .filter(|&(x, y)| {
            inside(x, y) && [(1, 0), (0, 1), (-1, 0), (0, -1)].iter().any(|(dx, dy)| !inside(x + dx, y + dy))
        })
        .collect();
    for (pixel, _) in out.data_mut().chunks_exact_mut(3).zip(mask).filter(|(_, inside)| !**inside) {
        for value in pixel {
            *value = byte(f32::from(*value) * 0.45 + 140.0 * 0.55);
        }
    }
    let reach = i64::from(reach_px.max(1));
    for (spread, color) in [(reach + 1, [20, 20, 20]), (reach - 1, color)] {
        for &(x, y) in &border {
            for dy in -spread..=spread {
                for dx in -spread..=spread {
                    let (Ok(px), Ok(py)) = (u32::try_from(x + dx), u32::try_from(y + dy)) else { continue };
                    if px < image.width() && py < image.height() && dx * dx + dy * dy <= spread * spread {
                        out.set_pixel(px, py, color);
                    }
                }
            }
        }
    }
    out
}

/// Where a value lies in a range, in `[0, 1]`; the middle of an empty range, and black for NaN.
fn place(value: f32, (low, high): (f32, f32)) -> f32 {
    if value.is_nan() {
        0.0
    } else if high > low {
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    } else {
        0.5
    }
}

fn picture(width: usize, height: usize, color: impl Fn(usize) -> Color) -> RgbImage {
    let data = (0..width * height).flat_map(color).collect();
    let side = |px: usize| u32::try_from(px).expect("pictures have fewer than 2^32 pixels a side");
    RgbImage::new(side(width), side(height), data).expect("a color for every pixel, and at least one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_whole_and_never_shrink() {
        let factors = [(13, 13, 72), (100, 3, 72), (11, 11, 77)].map(|(w, h, px)| whole_factor(w, h, px));
        assert_eq!(factors, [5, 1, 7]);
    }

    #[test]
    fn ends_of_the_range_are_black_and_white() {
        let gray = gray_picture(&[-1.0, 3.0, f32::NAN, 9.0], 2, 2, (-1.0, 3.0));
        assert_eq!(gray.data(), [0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255]);
        let rgb = rgb_picture(&[0.0, 1.0, 0.5, 0.0, 1.0, 1.0], 2, 1, (0.0, 1.0));
        assert_eq!(rgb.data(), [0, 128, 255, 255, 0, 255]);
    }

    #[test]
    fn an_outline_runs_along_the_mask_and_pales_the_rest() {
        let image = RgbImage::filled(30, 30, [200, 0, 0]);
        let mask: Vec<bool> =
            (0..900).map(|i| (8..22).contains(&(i % 30)) && (8..22).contains(&(i / 30))).collect();
        let drawn = outline(&image, &mask, 1, [255, 255, 0]);
        assert_eq!(drawn.pixel(8, 12), [255, 255, 0]);
        assert_eq!(drawn.pixel(15, 15), [200, 0, 0]);
        assert_eq!(drawn.pixel(1, 1), [167, 77, 77]);
        let cut = cut_out(&image, &mask, [1, 2, 3]);
        assert_eq!((cut.pixel(15, 15), cut.pixel(1, 1)), ([200, 0, 0], [1, 2, 3]));
    }
}
