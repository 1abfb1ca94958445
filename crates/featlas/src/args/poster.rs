//! Flags of `poster`; each is a key of a `[[poster]]` in the config file too.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PosterKindArg {
    /// Every image in a cell of its own
    Grid,
    /// Every image at its place on the map, none hidden
    Scatter,
    /// Every cell shows the image nearest to it
    Fill,
    /// A dot an image, colored by label
    Points,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PosterFormatArg {
    /// Without loss
    Png,
    /// A tenth of the bytes
    Jpeg,
    /// Tiles for a viewer in the browser (Deep Zoom)
    Dzi,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ShowLabelsArg {
    /// Not at all
    None,
    /// A border of the label's color
    Border,
    /// The image in shades of the label's color: for digits and drawings
    Tint,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PosterFitArg {
    /// Cut to a square
    Crop,
    /// All of it, with space beside it
    Letterbox,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TileSourceArg {
    /// Thumbnails for places of up to 256 px, the originals for larger ones
    Auto,
    /// The thumbnails (128 px) of the atlas
    Thumbs,
    /// The original images
    Originals,
}

#[derive(Debug, Args)]
pub(crate) struct PosterArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// What kind; without it, all kinds are drawn into the atlas
    #[arg(long, value_enum)]
    pub(crate) kind: Option<PosterKindArg>,
    /// Longer side in pixels [default: 4000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(64..=60_000))]
    pub(crate) size_px: Option<u32>,
    /// Where to write: a .png, .jpg or .dzi [default: ATLAS/posters/KIND.png]
    #[arg(long, value_name = "FILE", requires = "kind")]
    pub(crate) out: Option<PathBuf>,
    /// How posters are written into the atlas [default: png]
    #[arg(long, value_enum, conflicts_with = "out")]
    pub(crate) format: Option<PosterFormatArg>,
    /// A line above the poster
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Whose map is shown: the network's features or the raw pixels [default: fc7]
    #[arg(long, value_enum)]
    pub(crate) space: Option<super::SpaceArg>,
    /// Cells from left to right, of a grid or fill
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) columns: Option<u64>,
    /// Cells from top to bottom; more cells than images stay empty where the map is empty
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) rows: Option<u64>,
    /// Width to height of the grid [default: 1]
    #[arg(long, value_name = "RATIO")]
    pub(crate) aspect: Option<f64>,
    /// Color under everything: paper, white, night, black or '#rrggbb' [default: paper]
    #[arg(long, value_name = "COLOR")]
    pub(crate) background: Option<String>,
    /// Space between the cells of a grid, in pixels
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) gap_px: Option<u32>,
    /// How labels show on the images [default: none]
    #[arg(long, value_enum)]
    pub(crate) labels: Option<ShowLabelsArg>,
    /// Whether a legend says which label has which color [default: true]
    #[arg(long, value_name = "BOOL")]
    pub(crate) legend: Option<bool>,
    /// How images that are no squares fill their places [default: crop in a grid, letterbox in a scatter]
    #[arg(long, value_enum)]
    pub(crate) fit: Option<PosterFitArg>,
    /// Draw lines between the neighbors of a grid, colored by how far apart their features are
    #[arg(long)]
    pub(crate) seam: bool,
    /// What the pictures are made from [default: auto]
    #[arg(long, value_enum)]
    pub(crate) tiles: Option<TileSourceArg>,
}
