//! Flags of `check`, `gc` and `demo`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Only say what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Folder for the images and the atlas
    #[arg(long, value_name = "DIR", default_value = "featlas-demo")]
    pub(crate) out: PathBuf,
    /// Seed of the images
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Images a class
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000))]
    pub(crate) per_class: Option<u64>,
}
