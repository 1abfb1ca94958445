//! Flags of `index`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Links a node [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=200))]
    pub(crate) m: Option<u64>,
    /// Candidates while building [default: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(8..=10_000))]
    pub(crate) ef_construction: Option<u64>,
    /// Candidates while searching [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) ef_search: Option<u64>,
    /// Seed
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) threads: usize,
}
