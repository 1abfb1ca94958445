//! Flags of what is looked at: `poster`, `gallery`, `report`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PosterKindArg {
    /// Every image in a cell of its own
    Grid,
    /// Every image at its place on the map
    Scatter,
    /// Every cell shows the image nearest to it
    Fill,
    /// A dot an image, colored by label
    Points,
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
    /// A line above the poster
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Where to write the PNG [default: ATLAS/posters/KIND.png]
    #[arg(long, value_name = "FILE", requires = "kind")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GalleryArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Tapped conv layer [default: every one]
    #[arg(long, value_name = "LAYER")]
    pub(crate) layer: Option<String>,
    /// Patches a channel [default: 9]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) top: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Title of the page
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
}
