//! The grid poster: every image in its own cell, neighbors beside neighbors.

use super::frame::{Heading, margin_px};
use super::legend::{Legend, LegendLayout};
use super::mark::{LabelMark, Marks};
use super::seam::{SeamLayer, Seams};
use crate::RenderError;
use crate::canvas::Canvas;
use crate::color::{Color, PAPER};
use crate::picture::{Picture, batch_size, check_size};
use crate::tiles::{Fit, Missing, Tiles, fit, paste_centered, paste_placeholder, side};
use featlas_core::{Rect, RgbImage};
use rayon::prelude::*;

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
    /// The label of each image, for `mark` and `legend`; empty if there are none.
    pub labels: Vec<Option<String>>,
    /// How a label shows on its image.
    pub mark: LabelMark,
    /// Whether a list beside the grid says which label has which color; only where `mark` shows them.
    pub legend: bool,
    /// Lines between neighbors that say how alike they are.
    pub seams: Option<Seams>,
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
            labels: Vec::new(),
            mark: LabelMark::None,
            legend: true,
            seams: None,
        }
    }
}

/// The grid poster as a [`Picture`].
///
/// # Errors
/// [`RenderError::NoImages`], [`RenderError::EmptyGrid`], [`RenderError::Count`], [`RenderError::CellOutside`],
/// [`RenderError::CellTaken`], [`RenderError::TooSmall`] and [`RenderError::TooLarge`].
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
    marks: Marks,
    legend: Option<LegendLayout>,
    seams: Option<SeamLayer<'a>>,
    width: u32,
    height: u32,
    margin: u32,
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
        let names = Legend::of(&params.labels);
        let marks = Marks::new(params.mark, &names, params.background);
        let plain = heading.is_empty() && !marks.any() && params.seams.is_none();
        let margin =
            params.margin_px.unwrap_or_else(|| if plain { params.gap_px } else { margin_px(size_f) });
        let seams = params
            .seams
            .as_ref()
            .map(|seams| SeamLayer::new(seams, columns * rows, size_f, params.background))
            .transpose()?;
        let head = u64::from(heading.height_px());
        let foot = seams.as_ref().map_or(0, |seams| u64::from(seams.height_px()));
        // The list may be as long as the grid is high.
        let grid_px = (size_f - 2.0 * margin as f32 - (head + foot) as f32).max(1.0)
            * (rows as f32 / columns as f32).min(1.0);
        let legend = (params.legend && marks.any()).then(|| names.layout(size_f, grid_px)).flatten();
        let beside = legend.as_ref().map_or(0, |legend| u64::from(legend.width_px) + u64::from(margin));
        let (around_x, around_y) = (2 * u64::from(margin) + beside, 2 * u64::from(margin) + head + foot);

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
            marks,
            legend,
            seams,
            width: width_px,
            height: height_px,
            margin,
            tile_px: offset(tile),
            pitch_px: offset(tile + gap),
            left: offset((width - beside - inner_w) / 2),
            top: offset(u64::from(margin) + head + (height - inner_h - around_y) / 2),
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
        let side_px = side(self.tile_px);
        let mut tile = fit(&self.tiles.tile(image, side_px)?, side_px, side_px, how);
        self.marks.tint(image, &mut tile);
        Some(tile)
    }

    /// Where a cell's neighbor to the right, or below, begins: the middle of the gap.
    fn seam(&self, cell: usize, below: bool, width_px: i64) -> Rect {
        let place = self.place(cell);
        let gap = self.pitch_px - self.tile_px;
        let middle = if below { place.bottom } else { place.right } + gap / 2;
        let (low, high) = (middle - width_px / 2, middle + (width_px + 1) / 2);
        if below {
            Rect { top: low, bottom: high, ..place }
        } else {
            Rect { left: low, right: high, ..place }
        }
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

    fn num_missing(&self) -> usize {
        self.missing.count()
    }

    fn good_cuts(&self) -> Vec<u32> {
        (0..self.params.rows).map(|row| side(self.place(row * self.params.columns).top)).collect()
    }

    fn draw(&self, canvas: &mut Canvas) {
        if !self.heading.is_empty() {
            let left = self.left as f32;
            let top = self.top as f32 - self.heading.height_px() as f32;
            self.heading.draw(canvas, left, top, self.width as f32 - left - self.margin as f32);
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
                let at = if let Some(tile) = tile {
                    paste_centered(canvas, tile, place)
                } else {
                    self.missing.add(image);
                    paste_placeholder(canvas, place, self.params.background);
                    place
                };
                self.marks.border(canvas, image, at);
            }
        }
        if let Some(seams) = &self.seams {
            let width_px = SeamLayer::line_px(self.tile_px, self.pitch_px - self.tile_px);
            for seam in seams.lines() {
                canvas.fill(self.seam(seam.cell, seam.below, width_px), seams.color(seam.distance));
            }
            let top = i64::from(self.height - self.margin - seams.height_px());
            seams.draw_scale(canvas, self.left as f32, top as f32);
        }
        if let Some(legend) = &self.legend {
            let left = i64::from(self.width - self.margin - legend.width_px) as f32;
            legend.draw(canvas, left, self.top as f32, self.params.background);
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
    if !params.labels.is_empty() && params.labels.len() != images {
        return Err(RenderError::Count { what: "labels", expected: images, got: params.labels.len() });
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
mod tests;
