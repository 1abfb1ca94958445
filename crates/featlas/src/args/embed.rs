//! Flags of `embed`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// What is mapped: the network's features or the raw pixels [default: fc7]
    #[arg(long, value_enum)]
    pub(crate) space: Option<SpaceArg>,
    /// About the number of neighbors that matter [default: 30]
    #[arg(long, value_name = "P")]
    pub(crate) perplexity: Option<f32>,
    /// Iterations of t-SNE [default: 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) iterations: Option<u64>,
    /// Exaggeration of the attraction in the first iterations [default: 12]
    #[arg(long, value_name = "E")]
    pub(crate) exaggeration: Option<f32>,
    /// Exaggeration in the others, for the map of two dimensions: above 1, islands stand farther apart
    /// [default: 1]
    #[arg(long, value_name = "E")]
    pub(crate) late_exaggeration: Option<f32>,
    /// 3: a map of three dimensions beside the one of two [default: 2]
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u64).range(2..=3))]
    pub(crate) dims: Option<u64>,
    /// Start anew, instead of taking new images into the last map
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Seed [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SpaceArg {
    Fc7,
    Pixels,
}
