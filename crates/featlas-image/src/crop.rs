//! Cutting out and blowing up.

use featlas_core::RgbImage;

/// Cuts out the `width` x `height` pixels whose upper left corner lies at `(x, y)`.
///
/// # Panics
/// If the cut is empty or reaches outside the picture.
pub fn crop(image: &RgbImage, x: u32, y: u32, width: u32, height: u32) -> RgbImage {
    let inside =
        |start: u32, len: u32, side: u32| len > 0 && start.checked_add(len).is_some_and(|end| end <= side);
    assert!(
        inside(x, width, image.width()) && inside(y, height, image.height()),
        "{width}x{height} pixels at ({x}, {y}) do not lie inside {}x{}",
        image.width(),
        image.height()
    );
    let columns = x as usize * 3..(x as usize + width as usize) * 3;
    let data = (y..y + height).flat_map(|row| &image.row(row)[columns.clone()]).copied().collect();
    RgbImage::new(width, height, data).expect("every row has that width")
}

/// Blows a picture up without smoothing: every pixel becomes a square of `factor` x `factor` pixels.
///
/// # Panics
/// If `factor` is zero, or a side would not fit `u32`.
pub fn resize_nearest_up(image: &RgbImage, factor: u32) -> RgbImage {
    assert!(factor > 0, "a picture has at least one pixel");
    let side = |px: u32| px.checked_mul(factor).expect("a side fits u32");
    let (width, height) = (side(image.width()), side(image.height()));
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..image.height() {
        let start = data.len();
        for pixel in image.row(y).as_chunks::<3>().0 {
            for _ in 0..factor {
                data.extend_from_slice(pixel);
            }
        }
        let end = data.len();
        for _ in 1..factor {
            data.extend_from_within(start..end);
        }
    }
    RgbImage::new(width, height, data).expect("every pixel became a square")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: u32, height: u32) -> RgbImage {
        let data = (0..width * height).flat_map(|i| [u8::try_from(i).unwrap(); 3]).collect();
        RgbImage::new(width, height, data).unwrap()
    }

    #[test]
    fn crop_takes_the_pixels_it_names() {
        let cut = crop(&numbered(4, 3), 1, 1, 2, 2);
        let values: Vec<u8> = cut.data().iter().step_by(3).copied().collect();
        assert_eq!(values, [5, 6, 9, 10]);
        assert_eq!(crop(&numbered(4, 3), 0, 0, 4, 3), numbered(4, 3));
    }

    #[test]
    fn pixels_become_squares() {
        let big = resize_nearest_up(&numbered(2, 2), 2);
        let values: Vec<u8> = big.data().iter().step_by(3).copied().collect();
        assert_eq!(values, [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]);
        assert_eq!(resize_nearest_up(&numbered(3, 2), 1), numbered(3, 2));
    }
}
