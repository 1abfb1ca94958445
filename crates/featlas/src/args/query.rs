//! Flags of `query`.

use super::SpaceArg;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Images to look up; they need not be in the atlas
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,
    /// Neighbors wanted
    #[arg(long, short, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) k: u64,
    /// Compare with every image instead of searching the index
    #[arg(long)]
    pub(crate) exact: bool,
    /// What is compared: the network's features, the raw pixels, or both
    #[arg(long, value_enum, value_delimiter = ',', default_value = "fc7")]
    pub(crate) space: Vec<SpaceArg>,
    /// Candidates while searching [default: as the index was set up]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) ef_search: Option<u64>,
    /// One JSON object a query on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw a contact sheet: query, neighbors, distances, paths
    #[arg(long, value_name = "OUT.png")]
    pub(crate) sheet: Option<PathBuf>,
    /// Weights, if they are no longer where the extraction found them
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
}
