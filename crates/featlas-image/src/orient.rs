//! Turning pictures upright.

use featlas_core::RgbImage;

/// Turns a picture the way its EXIF orientation says, so that it stands upright.
///
/// 1 is upright, 2 mirrored, 3 upside down, 4 mirrored and upside down; 5 to 8 lie on their side: 5 is transposed, 6 needs
/// a quarter turn clockwise, 7 is transposed along the other diagonal, 8 needs a quarter turn counterclockwise. Any
/// other number leaves the picture as it is.
pub fn orient(image: RgbImage, orientation: u8) -> RgbImage {
    let (w, h) = (image.width() as usize, image.height() as usize);
    // For each kind: the source pixel of (x, y) in the result.
    match orientation {
        2 => gather(&image, w, h, |x, y| (w - 1 - x, y)),
        3 => gather(&image, w, h, |x, y| (w - 1 - x, h - 1 - y)),
        4 => gather(&image, w, h, |x, y| (x, h - 1 - y)),
        5 => gather(&image, h, w, |x, y| (y, x)),
        6 => gather(&image, h, w, |x, y| (y, h - 1 - x)),
        7 => gather(&image, h, w, |x, y| (w - 1 - y, h - 1 - x)),
        8 => gather(&image, h, w, |x, y| (w - 1 - y, x)),
        _ => image,
    }
}

fn gather(
    image: &RgbImage,
    width: usize,
    height: usize,
    from: impl Fn(usize, usize) -> (usize, usize),
) -> RgbImage {
    let stride = image.width() as usize;
    let (pixels, _rest) = image.data().as_chunks::<3>();
    let mut data = Vec::with_capacity(image.data().len());
    for y in 0..height {
        for x in 0..width {
            let (sx, sy) = from(x, y);
            data.extend_from_slice(&pixels[sy * stride + sx]);
        }
    }
    let side = |px: usize| u32::try_from(px).expect("a side of the picture that came in");
    RgbImage::new(side(width), side(height), data).expect("as many pixels as before")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 x 3 pixels, numbered row by row.
    fn numbered() -> RgbImage {
        RgbImage::new(2, 3, (0..6).flat_map(|i| [i; 3]).collect()).unwrap()
    }

    #[test]
    fn each_orientation_moves_pixels_to_their_place() {
        let cases: [(u8, u32, [u8; 6]); 9] = [
            (1, 2, [0, 1, 2, 3, 4, 5]),
            (2, 2, [1, 0, 3, 2, 5, 4]),
            (3, 2, [5, 4, 3, 2, 1, 0]),
            (4, 2, [4, 5, 2, 3, 0, 1]),
            (5, 3, [0, 2, 4, 1, 3, 5]),
            (6, 3, [4, 2, 0, 5, 3, 1]),
            (7, 3, [5, 3, 1, 4, 2, 0]),
            (8, 3, [1, 3, 5, 0, 2, 4]),
            (9, 2, [0, 1, 2, 3, 4, 5]),
        ];
        for (orientation, width, expected) in cases {
            let turned = orient(numbered(), orientation);
            assert_eq!(turned.width(), width, "orientation {orientation}");
            let got: Vec<u8> = turned.data().iter().step_by(3).copied().collect();
            assert_eq!(got, expected, "orientation {orientation}");
        }
    }
}
