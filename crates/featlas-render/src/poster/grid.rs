//! The grid poster: every image in its own cell, neighbors beside neighbors.

use super::PosterReport;
use super::frame::{Heading, margin_px};
use crate::RenderError;
use crate::canvas::Canvas;
use crate::color::{Color, PAPER};
use crate::picture::{Picture, batch_size, check_size, write_png};
use crate::tiles::{Fit, Missing, Tiles, fit, paste_centered, paste_placeholder, side};
use featlas_core::{Progress, Rect, RgbImage};
use rayon::prelude::*;
use std::io::Write;

/// A grid poster, described.
#[derive(Debug, Clone, PartialEq)]
pub struct GridPoster {
    /// Cells from left to right.
    pub columns: usize,
    /// Cells from top to bottom.
    pub rows: usize,
    /// The cell of each image, row-major; no two share one. Cells without an image stay empty.
    pub cell_of: Vec<usize>,
    /// Longer side of the whole poster, in pixels. When given, it decides the size of a tile.
    pub size_px: Option<u32>,
    /// Side of a tile, in pixels, when `size_px` is not given.
    pub tile_px: u32,
    /// Space between tiles, in pixels.
    pub gap_px: u32,
    /// Space around everything, in pixels; by default 3 % under a title and one gap without.
    pub margin_px: Option<u32>,
    /// The color under everything.
    pub background: Color,
    /// The line at the top.
    pub title: Option<String>,
    /// A quieter line under it.
    pub subtitle: Option<String>,
    /// Whether thumbnails are cut to squares; otherwise all of each is seen.
    pub crop: bool,
}

impl Default for GridPoster {
    fn default() -> Self {
        Self {
            columns: 0,
            rows: 0,
            cell_of: Vec::new(),
            size_px: None,
            tile_px: 64,
            gap_px: 2,
            margin_px: None,
            background: PAPER,
            title: None,
            subtitle: None,
            crop: true,
        }
    }
}

/// Writes a grid poster as a PNG, row by row of tiles.
///
/// # Errors
/// [`RenderError::NoImages`], [`RenderError::EmptyGrid`], [`RenderError::Count`],
/// [`RenderError::CellOutside`], [`RenderError::CellTaken`], [`RenderError::TooSmall`] and
/// [`RenderError::TooLarge`] before anything is written; then those of [`write_png`].
pub fn grid_poster(
    params: &GridPoster,
    tiles: &dyn Tiles,
    progress: &dyn Progress,
    out: &mut dyn Write,
) -> Result<PosterReport, RenderError> {
    let grid = Grid::new(params, tiles)?;
    write_png(&grid, progress, out)?;
    Ok(PosterReport {
        width: grid.width,
        height: grid.height,
        tiles: params.cell_of.len(),
        missing: grid.missing.count(),
    })
}

/// The grid poster as a [`Picture`], for other writers.
///
/// # Errors
/// Those of [`grid_poster`] but for writing.
pub fn grid_picture<'a>(
    params: &'a GridPoster,
    tiles: &'a dyn Tiles,
) -> Result<impl Picture + 'a, RenderError> {
    Grid::new(params, tiles)
}

struct Grid<'a> {
    params: &'a GridPoster,
    tiles: &'a dyn Tiles,
    /// The image of each cell.
    image_of: Vec<Option<usize>>,
    heading: Heading,
    width: u32,
    height: u32,
    tile_px: i64,
    pitch_px: i64,
    /// Upper left corner of cell 0.
    left: i64,
    top: i64,
    missing: Missing,
}

impl<'a> Grid<'a> {
    fn new(params: &'a GridPoster, tiles: &'a dyn Tiles) -> Result<Self, RenderError> {
        let image_of = invert(params, tiles.len())?;
        let gap = u64::from(params.gap_px);
        let (columns, rows) = (params.columns as u64, params.rows as u64);
        let gaps = |cells: u64| (cells - 1) * gap;
        let side_of = |cells: u64, tile: u64| cells.saturating_mul(tile).saturating_add(gaps(cells));
        // A margin and a heading are shares of the whole, which without `size_px` follows from the tiles.
        let size = params
            .size_px
            .map_or_else(|| side_of(columns.max(rows), u64::from(params.tile_px.max(1))), u64::from);
        let size_f = size.min(u64::from(u32::MAX)) as f32;
        let heading =
            Heading::new(params.title.as_deref(), params.subtitle.as_deref(), size_f, params.background);
        let margin = params
            .margin_px
            .unwrap_or_else(|| if heading.is_empty() { params.gap_px } else { margin_px(size_f) });
        let (margin, head) = (u64::from(margin), u64::from(heading.height_px()));
        let (around_x, around_y) = (2 * margin, 2 * margin + head);

        let tile = match params.size_px {
            None => u64::from(params.tile_px.max(1)),
            Some(size_px) => {
                let room =
                    |around: u64, cells: u64| u64::from(size_px).saturating_sub(around + gaps(cells)) / cells;
                let tile = room(around_x, columns).min(room(around_y, rows));
                if tile == 0 {
                    return Err(RenderError::TooSmall {
                        size_px,
                        needed_px: (side_of(columns, 1) + around_x).max(side_of(rows, 1) + around_y),
                        what: format!("{columns} x {rows} tiles"),
                    });
                }
                tile
            }
        };
        let (inner_w, inner_h) = (side_of(columns, tile), side_of(rows, tile));
        let (mut width, mut height) = (inner_w.saturating_add(around_x), inner_h.saturating_add(around_y));
        // Tiles are whole pixels, all alike; what is left of the size asked for goes to the margins.
        if params.size_px.is_some() {
            if width >= height { width = size } else { height = size }
        }
        let (width_px, height_px) = check_size(width, height)?;
        let offset = |px: u64| i64::try_from(px).expect("inside a checked size");
        Ok(Self {
            params,
            tiles,
            image_of,
            heading,
            width: width_px,
            height: height_px,
            tile_px: offset(tile),
            pitch_px: offset(tile + gap),
            left: offset((width - inner_w) / 2),
            top: offset(margin + head + (height - inner_h - around_y) / 2),
            missing: Missing::none_of(tiles.len()),
        })
    }

    fn place(&self, cell: usize) -> Rect {
        let index = |i: usize| i64::try_from(i).expect("cells of a checked size");
        let left = self.left + index(cell % self.params.columns) * self.pitch_px;
        let top = self.top + index(cell / self.params.columns) * self.pitch_px;
        Rect { left, top, right: left + self.tile_px, bottom: top + self.tile_px }
    }

    fn scaled_tile(&self, image: usize) -> Option<RgbImage> {
        let how = if self.params.crop { Fit::Crop } else { Fit::Letterbox };
        Some(fit(&self.tiles.tile(image)?, side(self.tile_px), side(self.tile_px), how))
    }
}

impl Picture for Grid<'_> {
    fn width(&self) -> u32 {
        self.width
    }

    fn height(&self) -> u32 {
        self.height
    }

    fn background(&self) -> Color {
        self.params.background
    }

    fn num_images(&self) -> u64 {
        self.params.cell_of.len() as u64
    }

    fn good_cuts(&self) -> Vec<u32> {
        (0..self.params.rows).map(|row| side(self.place(row * self.params.columns).top)).collect()
    }

    fn draw(&self, canvas: &mut Canvas) {
        if !self.heading.is_empty() {
            let (left, width) = (self.left as f32, self.width as f32);
            let top = self.top as f32 - self.heading.height_px() as f32;
            self.heading.draw(canvas, left, top, width - 2.0 * left);
        }
        let seen: Vec<(Rect, usize)> = self
            .image_of
            .iter()
            .enumerate()
            .filter_map(|(cell, image)| Some((self.place(cell), (*image)?)))
            .filter(|(place, _)| canvas.sees(*place))
            .collect();
        for batch in seen.chunks(batch_size(self.tile_px)) {
            let scaled: Vec<Option<RgbImage>> =
                batch.par_iter().map(|&(_, image)| self.scaled_tile(image)).collect();
            for (&(place, image), tile) in batch.iter().zip(&scaled) {
                if let Some(tile) = tile {
                    paste_centered(canvas, tile, place);
                } else {
                    self.missing.add(image);
                    paste_placeholder(canvas, place, self.params.background);
                }
            }
        }
    }
}

/// The image of each cell.
fn invert(params: &GridPoster, images: usize) -> Result<Vec<Option<usize>>, RenderError> {
    let GridPoster { columns, rows, ref cell_of, .. } = *params;
    if images == 0 {
        return Err(RenderError::NoImages);
    }
    if cell_of.len() != images {
        return Err(RenderError::Count { what: "cells", expected: images, got: cell_of.len() });
    }
    let cells =
        columns.checked_mul(rows).filter(|&n| n > 0).ok_or(RenderError::EmptyGrid { columns, rows })?;
    // Also keeps the table below from taking more memory than a poster could ever need.
    check_size(columns as u64, rows as u64)?;
    let mut image_of: Vec<Option<usize>> = vec![None; cells];
    for (image, &cell) in cell_of.iter().enumerate() {
        let slot = image_of.get_mut(cell).ok_or(RenderError::CellOutside { image, cell, cells })?;
        if let Some(first) = slot.replace(image) {
            return Err(RenderError::CellTaken { cell, first, second: image });
        }
    }
    Ok(image_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::render;
    use proptest::prelude::*;

    fn solid_tiles(n: usize) -> Vec<RgbImage> {
        (0..n).map(|i| RgbImage::filled(9, 7, color_of(i))).collect()
    }

    fn color_of(i: usize) -> Color {
        let i = u8::try_from(i).unwrap();
        [i, 255 - i, 77]
    }

    #[test]
    fn the_longer_side_is_what_was_asked_for() {
        for (columns, rows, size) in [(7, 5, 400), (5, 7, 401), (1, 1, 90), (16, 2, 333)] {
            let params = GridPoster {
                columns,
                rows,
                cell_of: vec![0],
                size_px: Some(size),
                title: Some("t".into()),
                ..GridPoster::default()
            };
            let tiles = solid_tiles(1);
            let grid = Grid::new(&params, &tiles).unwrap();
            assert_eq!(grid.width.max(grid.height), size, "{columns} x {rows}");
        }
    }

    #[test]
    fn a_missing_tile_is_counted_and_leaves_the_others_alone() {
        struct Holes(Vec<RgbImage>);
        impl Tiles for Holes {
            fn len(&self) -> usize {
                self.0.len()
            }
            fn tile(&self, i: usize) -> Option<RgbImage> {
                (i != 2).then(|| self.0[i].clone())
            }
        }
        let params = GridPoster { columns: 2, rows: 2, cell_of: vec![0, 1, 2, 3], ..GridPoster::default() };
        let mut bytes = Vec::new();
        let report = grid_poster(&params, &Holes(solid_tiles(4)), &featlas_core::Silent, &mut bytes).unwrap();
        assert_eq!(report, PosterReport { width: 134, height: 134, tiles: 4, missing: 1 });
    }

    #[test]
    fn bad_grids_are_refused_by_name() {
        let tiles = solid_tiles(3);
        let grid = |columns, rows, cell_of: &[usize]| {
            let params = GridPoster { columns, rows, cell_of: cell_of.to_vec(), ..GridPoster::default() };
            Grid::new(&params, &tiles).err().map(|err| err.to_string()).unwrap()
        };
        assert_eq!(grid(2, 2, &[0, 1]), "expected 3 cells, got 2");
        assert_eq!(grid(2, 2, &[0, 1, 4]), "image 2 lies outside the grid: expected a cell below 4, got 4");
        assert_eq!(grid(2, 2, &[0, 1, 0]), "images 0 and 2 both have cell 0");
        assert_eq!(grid(0, 2, &[0, 1, 2]), "expected a grid of at least one cell, got 0 columns x 2 rows");
        assert_eq!(
            grid(2_000, 2_000, &[0, 1, 2]),
            "a poster of 132002x132002 px is too large: expected at most 65535 px a side"
        );
        let none = Grid::new(&GridPoster::default(), &Vec::new()).err().unwrap();
        assert!(matches!(none, RenderError::NoImages));
        let params = GridPoster {
            columns: 100,
            rows: 3,
            cell_of: vec![0, 1, 2],
            size_px: Some(200),
            ..GridPoster::default()
        };
        let err = Grid::new(&params, &tiles).err().unwrap();
        assert_eq!(
            err.to_string(),
            "a poster of 200 px is too small: expected at least 302 px for 100 x 3 tiles"
        );
    }

    proptest! {
        #[test]
        fn every_tile_lands_in_its_cell(
            columns in 1_usize..9, rows in 1_usize..9, seed in any::<u64>(),
            gap in 0_u32..5, tile in 1_u32..20, titled in any::<bool>(), crop in any::<bool>(),
        ) {
            let cells = super::super::order::shuffled(columns * rows, seed);
            let images = (columns * rows).div_ceil(2);
            let params = GridPoster {
                columns,
                rows,
                cell_of: cells[..images].to_vec(),
                tile_px: tile,
                gap_px: gap,
                title: titled.then(|| "Title".to_owned()),
                background: [9, 9, 9],
                crop,
                ..GridPoster::default()
            };
            let tiles = solid_tiles(images);
            let grid = Grid::new(&params, &tiles).unwrap();
            let poster = render(&grid);
            for cell in 0..columns * rows {
                let place = grid.place(cell);
                let at = |v: i64| u32::try_from(v).unwrap();
                let middle =
                    poster.pixel(at(place.left + place.width() / 2), at(place.top + place.height() / 2));
                let wanted = params.cell_of.iter().position(|&c| c == cell).map_or([9, 9, 9], color_of);
                prop_assert_eq!(middle, wanted, "cell {}", cell);
            }
        }
    }
}
