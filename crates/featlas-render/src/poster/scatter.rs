//! The scatter poster: thumbnails at their places on the map, in the shape of the map.

use super::frame::{Heading, margin_px, whole};
use super::order::shuffled;
use super::place::{Extent, Places};
use super::{DEFAULT_SIZE_PX, PosterReport};
use crate::RenderError;
use crate::canvas::{Canvas, floor};
use crate::color::{Color, PAPER};
use crate::picture::{Picture, batch_size, check_size, write_png};
use crate::tiles::{Fit, Missing, Tiles, fit, paste_centered, paste_placeholder, side};
use featlas_core::{Progress, Rect, RgbImage};
use rayon::prelude::*;
use std::collections::HashMap;
use std::io::Write;

/// How far apart, in tile sides, the tiles of one layer stay.
const SPACING: f32 = 0.9;
/// Beyond this many layers of a pile, the rest lies at its bottom in any order.
const MAX_LAYERS: usize = 16;
/// How much of the covered area all tiles would fill side by side: more hides, less leaves holes.
const FILL: f32 = 1.6;

/// A scatter poster, described.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterPoster {
    /// Longer side of the poster, in pixels.
    pub size_px: u32,
    /// Longer side of a thumbnail, in pixels; by default it follows from how dense the map is.
    pub tile_px: Option<u32>,
    /// The color under everything.
    pub background: Color,
    /// The line at the top.
    pub title: Option<String>,
    /// A quieter line under it.
    pub subtitle: Option<String>,
    /// Whether thumbnails are cut to squares; otherwise all of each is seen.
    pub crop: bool,
    /// Decides which of two overlapping thumbnails lies above.
    pub seed: u64,
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
            seed: 0,
        }
    }
}

/// Writes a scatter poster as a PNG; `points` is the map, `(n, 2)` row-major.
///
/// Tiles are drawn in layers. The topmost is a largest set, as far as chance finds it, of tiles that hardly
/// touch; the next is the same of those left, and shows in the gaps.
///
/// # Errors
/// [`RenderError::NoImages`], [`RenderError::Count`], [`RenderError::NotFinite`],
/// [`RenderError::TooSmall`] and [`RenderError::TooLarge`] before anything is written; then those of
/// [`write_png`].
pub fn scatter_poster(
    points: &[f32],
    tiles: &dyn Tiles,
    params: &ScatterPoster,
    progress: &dyn Progress,
    out: &mut dyn Write,
) -> Result<PosterReport, RenderError> {
    let scatter = Scatter::new(points, tiles, params)?;
    write_png(&scatter, progress, out)?;
    Ok(PosterReport {
        width: scatter.width,
        height: scatter.height,
        tiles: scatter.places.at.len(),
        missing: scatter.missing.count(),
    })
}

/// The scatter poster as a [`Picture`], for other writers.
///
/// # Errors
/// Those of [`scatter_poster`] but for writing.
pub fn scatter_picture<'a>(
    points: &'a [f32],
    tiles: &'a dyn Tiles,
    params: &'a ScatterPoster,
) -> Result<impl Picture + 'a, RenderError> {
    Scatter::new(points, tiles, params)
}

struct Scatter<'a> {
    tiles: &'a dyn Tiles,
    params: &'a ScatterPoster,
    places: Places,
    /// Images from the bottom of the pile to its top.
    order: Vec<usize>,
    heading: Heading,
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
        let size = size_px as f32;
        let heading =
            Heading::new(params.title.as_deref(), params.subtitle.as_deref(), size, params.background);
        let margin = margin_px(size) as f32;
        let around = (2.0 * margin, 2.0 * margin + heading.height_px() as f32);
        // The box of the map keeps the map's shape, and its longer side with what is around it is `size_px`.
        let aspect = extent.aspect();
        let width = (size - around.0).min((size - around.1) / aspect);
        let height = width * aspect;
        let least_tile = params.tile_px.unwrap_or(1).max(1) as f32;
        if width < 2.0 * least_tile || height < 2.0 * least_tile {
            let needed = (2.0 * least_tile) * aspect.max(1.0 / aspect) + around.1;
            return Err(RenderError::TooSmall {
                size_px,
                needed_px: u64::from(whole(needed).max(size_px.saturating_add(1))),
                what: format!("a map of tiles of {least_tile} px"),
            });
        }
        let (left, top) = (margin, margin + heading.height_px() as f32);
        let at_points = extent.place(points, left, top, width, height);
        let tile_px = params.tile_px.unwrap_or_else(|| {
            let area = at_points.covered_area(width, height) * FILL / tiles.len() as f32;
            whole(area.sqrt().clamp(size / 256.0, size / 12.0))
        });
        // Centers stay half a tile away from the border, so that whole tiles stay inside.
        let half = (tile_px as f32 / 2.0).min(width / 2.0).min(height / 2.0);
        let places = extent.place(points, left + half, top + half, width - 2.0 * half, height - 2.0 * half);
        let order = layers(&places, tile_px as f32 * SPACING, params.seed);
        Ok(Self {
            tiles,
            params,
            order,
            heading,
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
        let left = floor(x - half).clamp(0, i64::from(self.width) - side);
        let top = floor(y - half).clamp(0, i64::from(self.height) - side);
        Rect { left, top, right: left + side, bottom: top + side }
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

    fn draw(&self, canvas: &mut Canvas) {
        self.heading.draw(canvas, self.margin, self.margin, self.width as f32 - 2.0 * self.margin);
        let how = if self.params.crop { Fit::Crop } else { Fit::Letterbox };
        // A hairline of the background keeps overlapping pictures apart.
        let edge = i64::from(self.tile_px / 40).min(3);
        let inner = side(i64::from(self.tile_px) - 2 * edge);
        let seen: Vec<usize> = self.order.iter().copied().filter(|&i| canvas.sees(self.place(i))).collect();
        for batch in seen.chunks(batch_size(i64::from(self.tile_px))) {
            let scaled: Vec<Option<RgbImage>> = batch
                .par_iter()
                .map(|&image| Some(fit(&self.tiles.tile(image)?, inner, inner, how)))
                .collect();
            for (&image, tile) in batch.iter().zip(&scaled) {
                let place = self.place(image);
                if let Some(tile) = tile {
                    let at = paste_centered(canvas, tile, place);
                    let outside = Rect {
                        left: at.left - edge,
                        top: at.top - edge,
                        right: at.right + edge,
                        bottom: at.bottom + edge,
                    };
                    canvas.frame(outside, edge, self.params.background);
                } else {
                    self.missing.add(image);
                    paste_placeholder(canvas, place, self.params.background);
                }
            }
        }
    }
}

/// All images, from the bottom layer to the top one.
fn layers(places: &Places, spacing: f32, seed: u64) -> Vec<usize> {
    let mut left = shuffled(places.at.len(), seed);
    let mut layers = Vec::new();
    while !left.is_empty() && layers.len() < MAX_LAYERS {
        let mut taken = Taken::new(spacing);
        let (layer, rest): (Vec<usize>, Vec<usize>) =
            left.into_iter().partition(|&image| taken.claim(places.at[image]));
        layers.push(layer);
        left = rest;
    }
    layers.push(left);
    layers.into_iter().rev().flatten().collect()
}

/// Centers that stay at least `spacing` apart along one axis.
struct Taken {
    spacing: f32,
    // A cell of side `spacing` cannot hold two of them. Only looked up, so its order reaches nothing.
    centers: HashMap<(i64, i64), (f32, f32)>,
}

impl Taken {
    fn new(spacing: f32) -> Self {
        Self { spacing, centers: HashMap::new() }
    }

    fn claim(&mut self, center: (f32, f32)) -> bool {
        let (column, row) = (floor(center.0 / self.spacing), floor(center.1 / self.spacing));
        for near in (row - 1..=row + 1).flat_map(|y| (column - 1..=column + 1).map(move |x| (x, y))) {
            if let Some(other) = self.centers.get(&near) {
                let apart = (other.0 - center.0).abs().max((other.1 - center.1).abs());
                if apart < self.spacing {
                    return false;
                }
            }
        }
        self.centers.insert((column, row), center);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::render;
    use proptest::prelude::*;

    fn tiles(n: usize) -> Vec<RgbImage> {
        (0..n).map(|i| RgbImage::filled(16, 12, [255, u8::try_from(i % 256).unwrap(), 0])).collect()
    }

    #[test]
    fn no_tile_of_a_layer_hides_another_and_the_top_is_full() {
        let points: Vec<f32> = shuffled(800, 5).iter().map(|&v| v as f32).collect();
        let places = Extent::of(&points, 400).unwrap().place(&points, 0.0, 0.0, 500.0, 500.0);
        let order = layers(&places, 40.0, 3);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..400), "every image is drawn once");
        let apart = |a: usize, b: usize| {
            let (p, q) = (places.at[a], places.at[b]);
            (p.0 - q.0).abs().max((p.1 - q.1).abs())
        };
        // From the top down, until the first tile that would lie on one of its layer.
        let top: Vec<usize> = {
            let mut top: Vec<usize> = Vec::new();
            for &image in order.iter().rev() {
                if top.iter().any(|&other| apart(image, other) < 40.0) {
                    break;
                }
                top.push(image);
            }
            top
        };
        assert!(top.len() > 60, "{} of at most 169", top.len());
    }

    #[test]
    fn identical_points_make_one_pile() {
        let tiles = tiles(50);
        let params = ScatterPoster { size_px: 300, ..ScatterPoster::default() };
        let points = [1.5_f32; 100];
        let scatter = Scatter::new(&points, &tiles, &params).unwrap();
        let poster = render(&scatter);
        let lit = poster.data().chunks(3).filter(|p| *p != PAPER).count();
        assert!(lit > 100, "{lit}");
    }

    #[test]
    fn a_poster_too_small_for_its_tiles_is_refused() {
        let tiles = tiles(2);
        let params = ScatterPoster { size_px: 100, tile_px: Some(90), ..ScatterPoster::default() };
        let err = Scatter::new(&[0.0, 0.0, 1.0, 1.0], &tiles, &params).err().unwrap();
        assert!(matches!(err, RenderError::TooSmall { size_px: 100, needed_px: 181.., .. }), "{err}");
    }

    proptest! {
        #[test]
        fn every_tile_lies_inside_the_poster(
            points in prop::collection::vec(-1e6_f32..1e6, 2..80),
            size_px in 64_u32..900, seed in any::<u64>(), titled in any::<bool>(),
        ) {
            let n = points.len() / 2;
            let tiles = tiles(n);
            let params = ScatterPoster {
                size_px, seed, title: titled.then(|| "A title".to_owned()), ..ScatterPoster::default()
            };
            let scatter = Scatter::new(&points[..n * 2], &tiles, &params).unwrap();
            prop_assert!(scatter.width <= size_px && scatter.height <= size_px);
            prop_assert!(scatter.width.max(scatter.height) + 1 >= size_px);
            for image in 0..n {
                let place = scatter.place(image);
                prop_assert_eq!(place, place.clipped(scatter.width, scatter.height));
            }
        }

        #[test]
        fn strips_equal_the_whole(seed in any::<u64>()) {
            let points: Vec<f32> = shuffled(60, seed).iter().map(|&v| v as f32).collect();
            let tiles = tiles(30);
            let params = ScatterPoster { size_px: 120, title: Some("Strips".into()), ..ScatterPoster::default() };
            let scatter = Scatter::new(&points, &tiles, &params).unwrap();
            let whole = render(&scatter);
            for top in (0..scatter.height).step_by(17) {
                let rows = 17.min(scatter.height - top);
                let mut strip = Canvas::window(0, i64::from(top), scatter.width, rows, scatter.background());
                scatter.draw(&mut strip);
                let strip = strip.into_image();
                for y in 0..rows {
                    prop_assert_eq!(strip.row(y), whole.row(top + y));
                }
            }
        }
    }
}
