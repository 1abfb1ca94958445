//! Flags of `index`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Share of the true ten nearest that a search is to find [default: 0.99]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) recall: Option<f64>,
    /// How features are compared [default: cosine]
    #[arg(long, value_enum)]
    pub(crate) metric: Option<MetricArg>,
    /// Links a node [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=200))]
    pub(crate) m: Option<u64>,
    /// Candidates while building [default: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(8..=10_000))]
    pub(crate) ef_construction: Option<u64>,
    /// Candidates while searching [default: as few as reach the recall]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) ef_search: Option<u64>,
    /// Bytes of a compact vector [default: as few as the recall allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=512))]
    pub(crate) rank: Option<u64>,
    /// Seed [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Images whose labels are compared with their neighbors', at most [default: 2000]
    #[arg(long, value_name = "N")]
    pub(crate) accuracy_queries: Option<u64>,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u64).range(0..=1024))]
    pub(crate) threads: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum MetricArg {
    Cosine,
    L2,
}

#[derive(Debug, Args)]
pub(crate) struct NeighborsArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Neighbors of each image [default: 15, or all others of a smaller atlas]
    #[arg(long, short, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) k: Option<u64>,
    /// Where the table goes [default: index/neighbors.parquet in the atlas, where `embed` finds it]
    #[arg(long, value_name = "FILE.parquet")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DuplicatesArgs {
    /// The atlas
    pub(crate) atlas: PathBuf,
    /// Distance within which images count as nearly the same
    #[arg(long, value_name = "D", default_value_t = featlas_pipeline::DEFAULT_DUPLICATE_LIMIT, value_parser = super::distance)]
    pub(crate) distance: f32,
    /// One JSON object a group on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("expected a share between 0 and 1".to_owned()),
    }
}
