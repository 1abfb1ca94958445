//! Flags of `query`.

use super::SpaceArg;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("asked").required(true).multiple(true).args(["images", "batch", "id", "path"]))]
pub(crate) struct QueryArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Image files to look up; they need not be in the atlas
    #[arg(value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,
    /// Look up every image of a folder, list or tar shard; those that cannot be used are passed over
    #[arg(long, value_name = "FOLDER")]
    pub(crate) batch: Vec<PathBuf>,
    /// Look up an image of the atlas by its number
    #[arg(long, value_name = "IMAGE_ID")]
    pub(crate) id: Vec<u64>,
    /// Look up an image of the atlas by its path there
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<String>,
    /// Neighbors wanted
    #[arg(long, short, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) k: u64,
    /// Leave the image itself out of its answer, known by its bytes
    #[arg(long)]
    pub(crate) exclude_self: bool,
    /// Only images with this label
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Only images whose path or label matches this glob; may be given several times
    #[arg(long = "where", value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// Only images within this distance; distances are shown in any case
    #[arg(long, value_name = "MAX", num_args = 0..=1, require_equals = true, default_missing_value = "inf", value_parser = super::distance)]
    pub(crate) distance: Option<f32>,
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
    /// Write all answers as a table
    #[arg(long, value_name = "OUT.parquet")]
    pub(crate) parquet: Option<PathBuf>,
    /// Draw a contact sheet: query, neighbors, distances, paths
    #[arg(long, value_name = "OUT.png")]
    pub(crate) sheet: Option<PathBuf>,
    /// Weights, if they are no longer where the extraction found them
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
}
