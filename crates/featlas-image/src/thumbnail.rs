//! Small versions of pictures.

use crate::resize::resize;
use featlas_core::RgbImage;

/// Shrinks a picture so that its longer side has at most `max_side_px` pixels; never enlarges it.
///
/// Keeps the proportions as well as whole pixels allow, and at least one pixel on each side.
///
/// # Panics
/// If `max_side_px` is zero.
pub fn thumbnail(image: &RgbImage, max_side_px: u32) -> RgbImage {
    let (width, height) = thumbnail_size(image.width(), image.height(), max_side_px);
    resize(image, width, height)
}

/// The sides of the thumbnail of a picture of `width` x `height` pixels; see [`thumbnail`].
///
/// # Panics
/// If `max_side_px` is zero.
pub fn thumbnail_size(width: u32, height: u32, max_side_px: u32) -> (u32, u32) {
    assert!(max_side_px > 0, "a picture has at least one pixel");
    let long = width.max(height);
    if long <= max_side_px {
        return (width, height);
    }
    let fit = |side: u32| {
        let rounded = (u64::from(side) * u64::from(max_side_px) + u64::from(long) / 2) / u64::from(long);
        u32::try_from(rounded).expect("no longer than `max_side_px`").max(1)
    };
    (fit(width), fit(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_inside_and_never_grows() {
        for (width, height, max, expected) in [
            (500, 375, 100, (100, 75)),
            (375, 500, 100, (75, 100)),
            (64, 64, 100, (64, 64)),
            (1000, 3, 100, (100, 1)),
            (101, 100, 100, (100, 99)),
            (7, 5, 1, (1, 1)),
        ] {
            let small = thumbnail(&RgbImage::filled(width, height, [1, 2, 3]), max);
            assert_eq!((small.width(), small.height()), expected);
            assert_eq!(small.pixel(0, 0), [1, 2, 3]);
        }
    }
}
