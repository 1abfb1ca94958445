//! Decoded pictures.

/// An 8-bit RGB picture, rows top to bottom, three bytes a pixel.
///
/// Invariant: `data.len() == 3 * width * height`, and neither side is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

/// A block of bytes that does not make a picture of the size stated.
#[derive(Debug, thiserror::Error)]
#[error("expected {expected} bytes for {width}x{height} RGB pixels, got {got}")]
pub struct PixelsError {
    width: u32,
    height: u32,
    expected: usize,
    got: usize,
}

impl RgbImage {
    /// Takes `data`, row-major RGB bytes, as a picture of `width` x `height` pixels.
    ///
    /// # Errors
    /// [`PixelsError`] if a side is zero or the number of bytes does not fit.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, PixelsError> {
        let expected = (width as usize).saturating_mul(height as usize).saturating_mul(3);
        if expected == 0 || data.len() != expected {
            return Err(PixelsError { width, height, expected, got: data.len() });
        }
        Ok(Self { width, height, data })
    }

    /// A picture of one color.
    ///
    /// # Panics
    /// If a side is zero.
    pub fn filled(width: u32, height: u32, color: [u8; 3]) -> Self {
        assert!(width > 0 && height > 0, "a picture has at least one pixel");
        Self { width, height, data: color.repeat(width as usize * height as usize) }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All bytes, row-major RGB.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All bytes, writable.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Gives the bytes away.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The three bytes at `(x, y)`.
    ///
    /// # Panics
    /// If the place lies outside.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = self.offset(x, y);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// Sets the three bytes at `(x, y)`.
    ///
    /// # Panics
    /// If the place lies outside.
    pub fn set_pixel(&mut self, x: u32, y: u32, color: [u8; 3]) {
        let at = self.offset(x, y);
        self.data[at..at + 3].copy_from_slice(&color);
    }

    /// The `width` pixels of row `y`.
    ///
    /// # Panics
    /// If the row lies outside.
    pub fn row(&self, y: u32) -> &[u8] {
        let stride = self.width as usize * 3;
        &self.data[y as usize * stride..(y as usize + 1) * stride]
    }

    /// Copies `tile` so that its upper left corner lies at `(x, y)`; what falls outside is dropped.
    pub fn paste(&mut self, tile: &Self, x: i64, y: i64) {
        for (row, ty) in (0..tile.height).zip(y..) {
            for (pixel, tx) in tile.row(row).chunks_exact(3).zip(x..) {
                let (Ok(tx), Ok(ty)) = (u32::try_from(tx), u32::try_from(ty)) else { continue };
                if tx < self.width && ty < self.height {
                    let at = self.offset(tx, ty);
                    self.data[at..at + 3].copy_from_slice(pixel);
                }
            }
        }
    }

    fn offset(&self, x: u32, y: u32) -> usize {
        assert!(x < self.width && y < self.height, "({x}, {y}) lies outside {}x{}", self.width, self.height);
        (y as usize * self.width as usize + x as usize) * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_length_is_refused() {
        let err = RgbImage::new(2, 2, vec![0; 11]).unwrap_err();
        assert_eq!(err.to_string(), "expected 12 bytes for 2x2 RGB pixels, got 11");
        assert!(RgbImage::new(0, 2, vec![]).is_err());
    }

    #[test]
    fn paste_clips_at_every_border() {
        let tile = RgbImage::filled(2, 2, [9, 9, 9]);
        for (x, y, lit) in [(-1, -1, 1), (2, 2, 1), (0, 1, 4), (5, 0, 0), (0, -7, 0), (1, -1, 2)] {
            let mut image = RgbImage::filled(3, 3, [0, 0, 0]);
            image.paste(&tile, x, y);
            let got = image.data().chunks(3).filter(|p| p[0] == 9).count();
            assert_eq!(got, lit, "at ({x}, {y})");
        }
    }
}
