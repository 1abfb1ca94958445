//! What the posters show.

use super::Space;
use serde::{Deserialize, Serialize};

/// Longer side of a poster.
pub const DEFAULT_POSTER_SIZE_PX: u32 = 4000;

/// The kinds of poster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PosterKind {
    /// Every image in a cell of its own, neighbors side by side.
    Grid,
    /// Every image at its place on the map.
    Scatter,
    /// Every cell shows the image nearest to it.
    Fill,
    /// A dot an image, colored by label.
    Points,
}

impl PosterKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Grid, Self::Scatter, Self::Fill, Self::Points];

    /// As written in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Scatter => "scatter",
            Self::Fill => "fill",
            Self::Points => "points",
        }
    }
}

/// How a poster is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PosterFormat {
    /// Without loss.
    #[default]
    Png,
    /// A tenth of the bytes, up to 65,500 pixels a side.
    Jpeg,
    /// Tiles at every scale for a viewer in the browser, as Deep Zoom has them.
    Dzi,
}

/// How a label shows on its image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShowLabels {
    /// Not at all.
    #[default]
    None,
    /// A border of the label's color.
    Border,
    /// The image in shades of the label's color, its dark on the background: for digits and drawings.
    Tint,
}

/// How an image that is no square fills its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PosterFit {
    /// Cut to a square.
    Crop,
    /// All of it, with space beside it.
    Letterbox,
}

/// What the pictures on a poster are made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TileSource {
    /// The atlas's thumbnails (128 px) for places of up to 256 px, the original images for larger ones.
    #[default]
    Auto,
    /// The thumbnails, however large the place.
    Thumbs,
    /// The original images wherever they are larger than their thumbnail.
    Originals,
}

/// One poster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PosterSettings {
    /// Its kind.
    pub kind: PosterKind,
    /// Longer side in pixels.
    #[serde(default = "default_poster_size_px")]
    pub size_px: u32,
    /// A line above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// How it is written into the atlas; a file elsewhere is written as its name ends.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: PosterFormat,
    /// Whose map it shows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub space: Space,
    /// Cells from left to right, of a grid or fill; none: as the map's own grid has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<usize>,
    /// Cells from top to bottom. More cells than images leave cells empty where the map is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
    /// Width to height of the grid, where columns and rows do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<f64>,
    /// The color under everything: `paper`, `white`, `night`, `black` or `#rrggbb`. None: paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// Space between the cells of a grid, in pixels; none: 2, or 0 in a fill, wider under seams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_px: Option<u32>,
    /// How labels show on the images.
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: ShowLabels,
    /// Whether a legend says which label has which color.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub legend: bool,
    /// How images that are no squares fill their places; none: cut in a grid or fill, whole in a scatter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<PosterFit>,
    /// Whether lines between the neighbors of a grid show how far apart their features are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub seam: bool,
    /// What the pictures are made from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tiles: TileSource,
}

impl PosterSettings {
    /// A poster of `kind` with everything else as by default.
    pub fn of(kind: PosterKind) -> Self {
        Self {
            kind,
            size_px: DEFAULT_POSTER_SIZE_PX,
            title: None,
            format: PosterFormat::default(),
            space: Space::default(),
            columns: None,
            rows: None,
            aspect: None,
            background: None,
            gap_px: None,
            labels: ShowLabels::default(),
            legend: true,
            fit: None,
            seam: false,
            tiles: TileSource::default(),
        }
    }
}

fn default_poster_size_px() -> u32 {
    DEFAULT_POSTER_SIZE_PX
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
