//! Zoomable pictures: one picture at every scale, cut into tiles.
//!
//! The layout is Deep Zoom's (`NAME.dzi` beside `NAME_files/LEVEL/COLUMN_ROW.jpg`), which every viewer of large
//! images reads. Level 0 is one pixel; each level doubles the one before it, up to the whole picture.

use crate::RenderError;
use crate::picture::{Picture, check_size, each_strip};
use featlas_core::{Progress, RgbImage};
use featlas_image::encode_jpeg;
use rayon::prelude::*;

/// Side of a tile in pixels: few enough files, small enough pieces.
pub const PYRAMID_TILE_PX: u32 = 512;

/// The geometry of a zoomable picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pyramid {
    /// Width of the whole picture in pixels.
    pub width: u32,
    /// Height of the whole picture in pixels.
    pub height: u32,
    /// Side of a tile in pixels; the last ones of a row or column are smaller.
    pub tile_px: u32,
}

/// One tile of a zoomable picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PyramidTile {
    /// Its level; 0 is the smallest.
    pub level: u32,
    /// Its place from the left.
    pub column: u32,
    /// Its place from the top.
    pub row: u32,
}

impl PyramidTile {
    /// Its file below `NAME_files`.
    pub fn file(self) -> String {
        format!("{}/{}_{}.jpg", self.level, self.column, self.row)
    }
}

impl Pyramid {
    /// The pyramid of a picture.
    pub fn of(picture: &dyn Picture) -> Self {
        Self { width: picture.width(), height: picture.height(), tile_px: PYRAMID_TILE_PX }
    }

    /// The level that shows the picture pixel by pixel.
    pub fn max_level(self) -> u32 {
        self.width.max(self.height).max(1).next_power_of_two().ilog2()
    }

    /// Width and height of a level in pixels.
    pub fn size_of(self, level: u32) -> (u32, u32) {
        let halvings = self.max_level() - level;
        (self.width.div_ceil(1 << halvings), self.height.div_ceil(1 << halvings))
    }

    /// Number of tiles in all.
    pub fn num_tiles(self) -> u64 {
        let tiles = |side: u32| u64::from(side.div_ceil(self.tile_px));
        (0..=self.max_level()).map(|level| self.size_of(level)).map(|(w, h)| tiles(w) * tiles(h)).sum()
    }

    /// The `.dzi` file.
    pub fn dzi(self) -> String {
        let Self { width, height, tile_px } = self;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Image xmlns=\"http://schemas.microsoft.com/deepzoom/2008\" TileSize=\"{tile_px}\" Overlap=\"0\" \
             Format=\"jpg\"><Size Width=\"{width}\" Height=\"{height}\"/></Image>\n"
        )
    }
}

/// Draws `picture` and hands every tile of its pyramid to `put`, as JPEG of `quality`; each once.
///
/// Each level is the mean of two by two pixels of the next. Memory holds a row of tiles of each level, about four
/// strips of [`PYRAMID_TILE_PX`] rows. Reports to [`Stage::Poster`](featlas_core::Stage::Poster), in images.
///
/// # Errors
/// Those of [`write_jpeg`](crate::write_jpeg), and what `put` returns.
pub fn write_pyramid<E: From<RenderError>>(
    picture: &dyn Picture,
    quality: u8,
    progress: &dyn Progress,
    put: Put<'_, E>,
) -> Result<Pyramid, E> {
    check_size(u64::from(picture.width()), u64::from(picture.height()))?;
    let pyramid = Pyramid::of(picture);
    let tops = (0..pyramid.height).step_by(pyramid.tile_px as usize);
    let strips: Vec<(u32, u32)> =
        tops.map(|top| (top, (top + pyramid.tile_px).min(pyramid.height))).collect();
    let mut levels: Vec<Level> = (0..=pyramid.max_level()).map(|level| Level::new(pyramid, level)).collect();
    each_strip::<E>(picture, &strips, progress, &mut |strip| {
        let mut level = levels.len() - 1;
        let mut rows = levels[level].take(strip.data(), quality, put)?;
        while level > 0 && !rows.is_empty() {
            level -= 1;
            let above = levels[level + 1].width as usize;
            let halved = halve(&rows, above);
            rows = levels[level].take(&halved, quality, put)?;
        }
        Ok(())
    })?;
    Ok(pyramid)
}

/// Takes the bytes of a tile.
type Put<'a, E> = &'a mut dyn FnMut(PyramidTile, &[u8]) -> Result<(), E>;

/// A level whose rows come in parts.
struct Level {
    number: u32,
    width: u32,
    height: u32,
    tile_px: u32,
    /// Rows that came but do not fill a row of tiles yet.
    rows: Vec<u8>,
    /// Rows of tiles that are done.
    done: u32,
}

impl Level {
    fn new(pyramid: Pyramid, level: u32) -> Self {
        let (width, height) = pyramid.size_of(level);
        Self { number: level, width, height, tile_px: pyramid.tile_px, rows: Vec::new(), done: 0 }
    }

    /// Takes rows, and gives them back as soon as they made a row of tiles; nothing before.
    fn take<E: From<RenderError>>(
        &mut self,
        rows: &[u8],
        quality: u8,
        put: Put<'_, E>,
    ) -> Result<Vec<u8>, E> {
        self.rows.extend_from_slice(rows);
        let stride = self.width as usize * 3;
        let wanted = (self.height - self.done * self.tile_px).min(self.tile_px);
        if self.rows.len() < wanted as usize * stride {
            return Ok(Vec::new());
        }
        let rows = std::mem::take(&mut self.rows);
        let columns: Vec<u32> = (0..self.width.div_ceil(self.tile_px)).collect();
        let tiles: Vec<Vec<u8>> = columns
            .par_iter()
            .map(|&column| {
                let left = column * self.tile_px;
                let width = (self.width - left).min(self.tile_px);
                let part = left as usize * 3..(left + width) as usize * 3;
                let pixels = rows.chunks_exact(stride).flat_map(|row| &row[part.clone()]).copied().collect();
                let tile = RgbImage::new(width, wanted, pixels).expect("cut to this size");
                encode_jpeg(&tile, quality).map_err(|source| RenderError::WriteJpeg { source })
            })
            .collect::<Result<_, _>>()?;
        for (column, tile) in columns.into_iter().zip(&tiles) {
            put(PyramidTile { level: self.number, column, row: self.done }, tile)?;
        }
        self.done += 1;
        Ok(rows)
    }
}

/// Rows of half the width and half as many: means of two by two pixels, of fewer at an odd border.
fn halve(rows: &[u8], width: usize) -> Vec<u8> {
    let stride = width * 3;
    let pairs: Vec<&[u8]> = rows.chunks(2 * stride).collect();
    let lines: Vec<Vec<u8>> = pairs
        .par_iter()
        .map(|pair| {
            let (upper, lower) = pair.split_at(stride);
            let lower = if lower.is_empty() { upper } else { lower };
            let mut line = Vec::with_capacity(width.div_ceil(2) * 3);
            for (a, b) in upper.chunks(6).zip(lower.chunks(6)) {
                // The last pixel of an odd row stands alone.
                let right = a.len() - 3;
                line.extend((0..3).map(|c| {
                    let sum =
                        u16::from(a[c]) + u16::from(a[right + c]) + u16::from(b[c]) + u16::from(b[right + c]);
                    u8::try_from((sum + 2) / 4).expect("a mean of bytes")
                }));
            }
            line
        })
        .collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Canvas;
    use crate::color::Color;
    use crate::picture::render;
    use featlas_core::{Rect, Silent};
    use std::collections::BTreeMap;

    struct Blocks {
        width: u32,
        height: u32,
    }

    impl Picture for Blocks {
        fn width(&self) -> u32 {
            self.width
        }
        fn height(&self) -> u32 {
            self.height
        }
        fn background(&self) -> Color {
            [200, 180, 160]
        }
        fn num_images(&self) -> u64 {
            3
        }
        fn draw(&self, canvas: &mut Canvas) {
            canvas.fill(Rect { left: 64, top: 128, right: 640, bottom: 700 }, [20, 60, 90]);
            canvas.fill(Rect { left: 700, top: 10, right: 900, bottom: 1_000 }, [90, 10, 120]);
        }
    }

    /// The next smaller level, pixel by pixel.
    fn smaller(image: &RgbImage) -> RgbImage {
        let (width, height) = (image.width(), image.height());
        let mut half = RgbImage::filled(width.div_ceil(2), height.div_ceil(2), [0; 3]);
        for y in 0..half.height() {
            for x in 0..half.width() {
                let (right, below) = ((2 * x + 1).min(width - 1), (2 * y + 1).min(height - 1));
                let four = [(2 * x, 2 * y), (right, 2 * y), (2 * x, below), (right, below)];
                let mean = |c: usize| {
                    let sum: u16 = four.iter().map(|&(x, y)| u16::from(image.pixel(x, y)[c])).sum();
                    u8::try_from((sum + 2) / 4).unwrap()
                };
                half.set_pixel(x, y, [mean(0), mean(1), mean(2)]);
            }
        }
        half
    }

    #[test]
    fn every_tile_of_every_level_is_its_part_of_that_level() {
        for (width, height) in [(1_300, 1_025), (513, 1), (1, 1), (512, 512), (1_024, 1_537)] {
            let picture = Blocks { width, height };
            let mut tiles = BTreeMap::new();
            let pyramid = write_pyramid::<RenderError>(&picture, 90, &Silent, &mut |tile, jpeg| {
                assert!(tiles.insert(tile, jpeg.to_vec()).is_none(), "{tile:?} came twice");
                Ok(())
            })
            .unwrap();
            let mut expected = BTreeMap::new();
            let mut image = render(&picture);
            for level in (0..=pyramid.max_level()).rev() {
                assert_eq!((image.width(), image.height()), pyramid.size_of(level));
                for (row, top) in (0..).zip((0..image.height()).step_by(512)) {
                    for (column, left) in (0..).zip((0..image.width()).step_by(512)) {
                        let (w, h) = ((image.width() - left).min(512), (image.height() - top).min(512));
                        let part = featlas_image::crop(&image, left, top, w, h);
                        expected.insert(PyramidTile { level, column, row }, encode_jpeg(&part, 90).unwrap());
                    }
                }
                image = smaller(&image);
            }
            assert_eq!(tiles.len() as u64, pyramid.num_tiles());
            assert!(tiles == expected, "{width} x {height}");
        }
    }

    #[test]
    fn halving_is_the_mean_of_four() {
        let rows: Vec<u8> = [[10, 0, 0], [20, 0, 0], [30, 9, 1], [30, 0, 0], [40, 0, 0], [50, 9, 2]].concat();
        assert_eq!(halve(&rows, 3), [[25, 0, 0], [40, 9, 2]].concat());
        assert_eq!(halve(&rows[..9], 3), [[15, 0, 0], [30, 9, 1]].concat());
        assert_eq!(halve(&rows, 1).len(), 9);
    }

    #[test]
    fn the_description_is_that_of_deep_zoom() {
        let pyramid = Pyramid { width: 1_300, height: 700, tile_px: 512 };
        assert_eq!(pyramid.max_level(), 11);
        assert!(pyramid.dzi().contains("TileSize=\"512\" Overlap=\"0\" Format=\"jpg\""));
        assert!(pyramid.dzi().contains("<Size Width=\"1300\" Height=\"700\"/>"));
        assert_eq!(PyramidTile { level: 11, column: 2, row: 1 }.file(), "11/2_1.jpg");
    }

    #[test]
    fn what_the_taker_says_ends_it() {
        let mut taken = 0;
        let result = write_pyramid::<RenderError>(
            &Blocks { width: 2_000, height: 2_000 },
            90,
            &Silent,
            &mut |_, _| {
                taken += 1;
                if taken == 3 { Err(RenderError::Cancelled) } else { Ok(()) }
            },
        );
        assert!(matches!(result, Err(RenderError::Cancelled)) && taken == 3);
    }
}
