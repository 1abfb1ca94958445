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
    /// Iterations of t-SNE
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) iterations: Option<u64>,
    /// Seed [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SpaceArg {
    Fc7,
    Pixels,
}
