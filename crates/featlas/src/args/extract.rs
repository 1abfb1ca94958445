//! Flags that say what is read and how: `run`, `extract`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Settings in TOML; paths in it are relative to the file
    pub(crate) config: PathBuf,
    /// Print the settings in force and stop
    #[arg(long)]
    pub(crate) print_config: bool,
    #[command(flatten)]
    pub(crate) extract: ExtractFlags,
}

#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    #[command(flatten)]
    pub(crate) flags: ExtractFlags,
}

/// Flags of extraction; each is a key of the config file too, and a flag wins.
#[derive(Debug, Args)]
pub(crate) struct ExtractFlags {
    /// Folder, list (csv, tsv, txt, parquet), tar shard or idx file; may be given several times
    #[arg(long, value_name = "SRC", num_args = 1..)]
    pub(crate) images: Vec<PathBuf>,
    /// Folder of the atlas, made if it is not there
    #[arg(long, value_name = "ATLAS")]
    pub(crate) out: Option<PathBuf>,
    /// Architecture (see `featlas models list`) [default: alexnet-lite]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Weights in safetensors; alexnet-lite has its own
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Layers to read, such as conv3,conv5,fc7 [default: the last conv layer and the model's feature]
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    pub(crate) taps: Option<Vec<String>>,
    /// Arithmetic of the network; int8 takes its scales from the images [default: f32]
    #[arg(long, value_enum)]
    pub(crate) precision: Option<PrecisionArg>,
    /// Program that runs the network; features of two differ in their last bits [default: cpu]
    #[arg(long, value_enum)]
    pub(crate) backend: Option<BackendArg>,
    /// Images a forward pass [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) batch: Option<u64>,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=1024))]
    pub(crate) threads: Option<u64>,
    /// Images a shard: what a killed run loses at most [default: 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) shard_rows: Option<u64>,
    /// Share of rejected images above which the run ends with exit code 3 [default: 0.01]
    #[arg(long, value_name = "SHARE")]
    pub(crate) max_rejects: Option<f64>,
    /// Glob of relative paths to leave out, such as '*.txt'; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Follow symbolic links
    #[arg(long)]
    pub(crate) follow_links: bool,
    /// Column of a list that holds the paths [default: path]
    #[arg(long, value_name = "NAME")]
    pub(crate) path_column: Option<String>,
    /// Column of a list that holds the labels
    #[arg(long, value_name = "NAME")]
    pub(crate) label_column: Option<String>,
    /// Try images again that were rejected before
    #[arg(long)]
    pub(crate) retry_rejects: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PrecisionArg {
    /// 32-bit floats
    F32,
    /// Integers: 8-bit weights in the fully connected layers, 13-bit in the convolutions
    Int8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BackendArg {
    /// featlas's own engine
    Cpu,
    /// candle: the reference, and on a GPU where built with the feature `cuda` or `metal`
    Candle,
}
