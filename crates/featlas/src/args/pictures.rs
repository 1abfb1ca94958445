//! Flags of what is looked at: `gallery`, `report`.

use clap::Args;
use std::path::PathBuf;

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
    /// Set the guided backpropagation of each patch beside it
    #[arg(long)]
    pub(crate) guided: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Title of the page
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Show this image by every method of `featlas explain`; may be given several times
    #[arg(long, value_name = "IMAGE")]
    pub(crate) explain: Vec<PathBuf>,
    /// Longer side of the zoomable map in pixels, 0 for none [default: 16384]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub(crate) zoom_px: Option<u32>,
}
