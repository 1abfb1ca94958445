//! From samples of any kind to 8-bit RGB, with Pillow's arithmetic.

use super::{Reject, corrupt};
use featlas_core::RgbImage;

/// Meaning of the samples of one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Samples {
    /// Gray, then `extra` samples to drop.
    Gray { extra: usize },
    /// Red, green, blue, then `extra` samples to drop.
    Rgb { extra: usize },
}

/// Builds the picture from pixels in a buffer of exactly the right length.
pub(super) fn picture(width: u32, height: u32, data: Vec<u8>) -> Result<RgbImage, Reject> {
    RgbImage::new(width, height, data).map_err(|err| corrupt(err.to_string()))
}

/// Converts 8-bit samples; RGB with alpha shrinks in place.
pub(super) fn rgb_from_8(mut data: Vec<u8>, samples: Samples) -> Vec<u8> {
    match samples {
        Samples::Rgb { extra: 0 } => data,
        Samples::Rgb { extra } => {
            keep_first(&mut data, 3 + extra);
            data
        }
        Samples::Gray { extra } => data.chunks_exact(1 + extra).flat_map(|pixel| [pixel[0]; 3]).collect(),
    }
}

/// Converts 16-bit samples in native byte order, as bytes: the high byte is the value.
pub(super) fn rgb_from_16(mut data: Vec<u8>, samples: Samples) -> Vec<u8> {
    let high = usize::from(cfg!(target_endian = "little"));
    for at in 0..data.len() / 2 {
        data[at] = data[2 * at + high];
    }
    data.truncate(data.len() / 2);
    rgb_from_8(data, samples)
}

/// Moves the first three of every `stride` bytes together and gives the rest back.
fn keep_first(data: &mut Vec<u8>, stride: usize) {
    let pixels = data.len() / stride;
    for pixel in 1..pixels {
        let (to, from) = (pixel * 3, pixel * stride);
        data[to] = data[from];
        data[to + 1] = data[from + 1];
        data[to + 2] = data[from + 2];
    }
    data.truncate(pixels * 3);
    data.shrink_to_fit();
}

/// Looks every index up in a palette; indices past its end are black, as in Pillow.
pub(super) fn rgb_from_palette(indices: &[u8], palette: &[[u8; 3]]) -> Vec<u8> {
    let mut full = [[0; 3]; 256];
    for (entry, color) in full.iter_mut().zip(palette) {
        *entry = *color;
    }
    indices.iter().flat_map(|&index| full[usize::from(index)]).collect()
}

/// One pixel of CMYK where 255 is full ink.
pub(super) fn cmyk_to_rgb(cmyk: [u8; 4]) -> [u8; 3] {
    let paper = 255 - u32::from(cmyk[3]);
    [cmyk[0], cmyk[1], cmyk[2]].map(|ink| {
        // Pillow's MULDIV255, a rounded division; the difference cannot be negative.
        let product = u32::from(ink) * paper + 128;
        let value = paper - ((product + (product >> 8)) >> 8);
        u8::try_from(value).expect("at most 255, since a product with at most 255/255 is taken away")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_dropped_in_place() {
        let data = vec![1, 2, 3, 99, 4, 5, 6, 99];
        assert_eq!(rgb_from_8(data, Samples::Rgb { extra: 1 }), [1, 2, 3, 4, 5, 6]);
        assert_eq!(rgb_from_8(vec![7, 99, 8, 99], Samples::Gray { extra: 1 }), [7, 7, 7, 8, 8, 8]);
    }

    #[test]
    fn high_bytes_count() {
        let data: Vec<u8> = [0x1234u16, 0x00ff, 0xff00].into_iter().flat_map(u16::to_ne_bytes).collect();
        assert_eq!(rgb_from_16(data, Samples::Rgb { extra: 0 }), [0x12, 0, 0xff]);
    }

    #[test]
    fn ink_on_paper() {
        assert_eq!(cmyk_to_rgb([0, 0, 0, 0]), [255; 3]);
        assert_eq!(cmyk_to_rgb([255, 0, 0, 0]), [0, 255, 255]);
        assert_eq!(cmyk_to_rgb([9, 90, 200, 255]), [0; 3]);
        for ink in 0..=255 {
            for key in 0..=255 {
                assert!(cmyk_to_rgb([ink, 0, 0, key])[0] <= 255 - key);
            }
        }
    }
}
