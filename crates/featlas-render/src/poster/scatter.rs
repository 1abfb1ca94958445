//! The scatter poster: thumbnails at their places on the map, in the shape of the map.

use super::DEFAULT_SIZE_PX;
use super::frame::{Heading, margin_px, whole};
use super::legend::{Legend, LegendLayout};
use super::mark::{LabelMark, Marks};
use super::place::{Bounds, Extent, Places};
use super::room::settle;
use super::spread::spread;
use crate::RenderError;
use crate::canvas::{Canvas, floor};
use crate::color::{Color, PAPER};
use crate::picture::{Picture, batch_size, check_size};
use crate::tiles::{Fit, Missing, Tiles, fit, paste_centered, paste_placeholder, side};
use featlas_core::{Rect, RgbImage};
use rayon::prelude::*;

/// How much of the covered area all tiles fill side by side. From about 0.56 on (where squares that come at random
/// leave no room for another) most would move, and stand in rows; less makes them small. At 0.5 half of 500
/// photographs move by less than a third of their side, and 10,000 digits by half of it, where 0.8 took 1.3 sides.
const FILL: f32 = 0.5;
/// How much tiles shrink when they find no room.
const SHRINK: f32 = 0.92;
/// What share of their first size they shrink to before a lattice is made of the map.
const LEAST_SHARE: f32 = 0.5;

/// A scatter poster, described.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterPoster {
    /// Longer side of the poster, in pixels.
    pub size_px: u32,
    /// Side of a thumbnail's place, in pixels; by default it follows from how dense the map is.
    pub tile_px: Option<u32>,
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
    /// Whether a list beside the map says which label has which color; only where `mark` shows them.
    pub legend: bool,
}

impl Default for ScatterPoster {
    fn default() -> Self {
        Self {
            size_px: DEFAULT_SIZE_PX,
            tile_px: None,
            background: PAPER,
            title: None,
            subtitle: None,
            crop: false,
            labels: Vec::new(),
            mark: LabelMark::None,
            legend: true,
        }
    }
}

/// The scatter poster as a [`Picture`]; `points` is the map, `(n, 2)` row-major.
///
/// No thumbnail hides another: where the map is denser than they are small, they are pushed apart, each no
/// farther than its neighbors push it. Their size, if none is given, is such that this leaves the map its shape.
///
/// # Errors
/// [`RenderError::NoImages`], [`RenderError::Count`], [`RenderError::NotFinite`], [`RenderError::TooSmall`] and
/// [`RenderError::TooLarge`].
pub fn scatter_picture<'a>(
    points: &[f32],
    tiles: &'a dyn Tiles,
    params: &'a ScatterPoster,
) -> Result<impl Picture + use<'a>, RenderError> {
    Scatter::new(points, tiles, params)
}

struct Scatter<'a> {
    tiles: &'a dyn Tiles,
    params: &'a ScatterPoster,
    places: Places,
    heading: Heading,
    marks: Marks,
    legend: Option<LegendLayout>,
    margin: f32,
    width: u32,
    height: u32,
    tile_px: u32,
    missing: Missing,
}

impl<'a> Scatter<'a> {
    fn new(points: &[f32], tiles: &'a dyn Tiles, params: &'a ScatterPoster) -> Result<Self, RenderError> {
        let extent = Extent::of(points, tiles.len())?;
        let size_px = params.size_px;
        check_size(u64::from(size_px), u64::from(size_px))?;
        if !params.labels.is_empty() && params.labels.len() != tiles.len() {
            let (expected, got) = (tiles.len(), params.labels.len());
            return Err(RenderError::Count { what: "labels", expected, got });
        }
        let size = size_px as f32;
        let heading =
            Heading::new(params.title.as_deref(), params.subtitle.as_deref(), size, params.background);
        let margin = margin_px(size) as f32;
        let head = heading.height_px() as f32;
        // The box of the map keeps the map's shape, and its longer side with what is around it is `size_px`.
        let aspect = extent.aspect();
        let names = Legend::of(&params.labels);
        let marks = Marks::new(params.mark, &names, params.background);
        let list_px = (size - 2.0 * margin - head) * aspect.min(1.0) * 0.8;
        let legend = (params.legend && marks.any()).then(|| names.layout(size, list_px)).flatten();
        let legend_px = legend.as_ref().map_or(0.0, |legend| legend.width_px as f32 + margin);
        let around = (2.0 * margin + legend_px, 2.0 * margin + head);
        let width = (size - around.0).min((size - around.1) / aspect);
        let height = width * aspect;
        let least_tile = params.tile_px.unwrap_or(1).max(1) as f32;
        let too_small = |needed: f32| RenderError::TooSmall {
            size_px,
            needed_px: u64::from(whole(needed).max(size_px.saturating_add(1))),
            what: format!("a map of {} tiles of {least_tile} px", tiles.len()),
        };
        if width < 2.0 * least_tile || height < 2.0 * least_tile {
            return Err(too_small((2.0 * least_tile) * aspect.max(1.0 / aspect) + around.0.max(around.1)));
        }
        let whole_box = Bounds { left: margin, top: margin + head, width, height };
        let (tile_px, places) = match params.tile_px {
            Some(tile_px) => {
                let tile_px = tile_px.max(1);
                let places = apart(&extent, points, whole_box, tile_px)
                    .or_else(|| apart_on_lattice(&extent, points, whole_box, tile_px))
                    .ok_or_else(|| too_small(size * 1.5))?;
                (tile_px, places)
            }
            None => largest_apart(&extent, points, whole_box, size).ok_or_else(|| too_small(size * 2.0))?,
        };
        Ok(Self {
            tiles,
            params,
            heading,
            marks,
            legend,
            margin,
            width: whole(width + around.0).min(size_px),
            height: whole(height + around.1).min(size_px),
            tile_px,
            missing: Missing::none_of(places.at.len()),
            places,
        })
    }

    fn place(&self, image: usize) -> Rect {
        let (x, y) = self.places.at[image];
        let (half, side) = (self.tile_px as f32 / 2.0, i64::from(self.tile_px));
        let (left, top) = (floor(x - half), floor(y - half));
        Rect { left, top, right: left + side, bottom: top + side }
    }
}

/// The places of tiles of `tile_px` that do not overlap; `None` if there is no room for them near their places on the
/// map.
fn apart(extent: &Extent, points: &[f32], whole_box: Bounds, tile_px: u32) -> Option<Places> {
    let bounds = bounds_of_centers(whole_box, tile_px);
    let mut places = extent.place(points, bounds);
    spread(&mut places.at, tile_px as f32, bounds).then_some(places)
}

/// The same wherever there is room at all.
fn apart_on_lattice(extent: &Extent, points: &[f32], whole_box: Bounds, tile_px: u32) -> Option<Places> {
    let bounds = bounds_of_centers(whole_box, tile_px);
    let mut places = extent.place(points, bounds);
    settle(&mut places.at, tile_px as f32, bounds).then_some(places)
}

/// Centers stay half a tile away from the border, so that whole tiles stay inside.
fn bounds_of_centers(whole_box: Bounds, tile_px: u32) -> Bounds {
    whole_box.inset((tile_px as f32 / 2.0).min(whole_box.width / 2.0).min(whole_box.height / 2.0))
}

/// The places of the largest tiles that leave the map its shape.
fn largest_apart(extent: &Extent, points: &[f32], whole_box: Bounds, size_px: f32) -> Option<(u32, Places)> {
    let n = (points.len() / 2) as f32;
    let area = extent.place(points, whole_box).covered_area(whole_box) * FILL / n;
    let mut tile = area.sqrt().min(size_px / 12.0).max(1.0);
    let least = tile * LEAST_SHARE;
    loop {
        let tile_px = whole(tile);
        let mut places = apart(extent, points, whole_box, tile_px);
        if tile <= least || tile_px <= 1 {
            places = places.or_else(|| apart_on_lattice(extent, points, whole_box, tile_px));
        }
        if let Some(places) = places {
            return Some((tile_px, places));
        }
        if tile_px <= 1 {
            return None;
        }
        tile = (tile * SHRINK).min(tile_px as f32 - 1.0);
    }
}

impl Picture for Scatter<'_> {
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
        self.places.at.len() as u64
    }

    fn num_missing(&self) -> usize {
        self.missing.count()
    }

    fn draw(&self, canvas: &mut Canvas) {
        self.heading.draw(canvas, self.margin, self.margin, self.width as f32 - 2.0 * self.margin);
        let how = if self.params.crop { Fit::Crop } else { Fit::Letterbox };
        // Neighbors that touch stay two pictures.
        let edge = i64::from(self.tile_px / 40).min(3);
        let inner = side(i64::from(self.tile_px) - 2 * edge);
        let seen: Vec<usize> = (0..self.places.at.len()).filter(|&i| canvas.sees(self.place(i))).collect();
        for batch in seen.chunks(batch_size(i64::from(self.tile_px))) {
            let scaled: Vec<Option<RgbImage>> = batch
                .par_iter()
                .map(|&image| {
                    let mut tile = fit(&self.tiles.tile(image, inner)?, inner, inner, how);
                    self.marks.tint(image, &mut tile);
                    Some(tile)
                })
                .collect();
            for (&image, tile) in batch.iter().zip(&scaled) {
                let place = self.place(image);
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
        if let Some(legend) = &self.legend {
            let top = self.margin + self.heading.height_px() as f32;
            let left = self.width as f32 - self.margin - legend.width_px as f32;
            legend.draw(canvas, left, top, self.params.background);
        }
    }
}

#[cfg(test)]
mod tests;
