//! The command line, as clap reads it. Commands never see these types: they get resolved settings.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Looks inside a ConvNet over a whole folder of images.
///
/// One pass over the images writes an atlas: features and channel maxima in Parquet, a
/// nearest-neighbor index, PCA and t-SNE maps, posters, galleries of the patches that excite each
/// channel most, and a report.
#[derive(Debug, Parser)]
#[command(name = "featlas", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Start with `featlas demo`, then `featlas run CONFIG.toml` on your own images.\n\
    Exit codes: 0 done, 1 the input is at fault, 2 featlas is at fault, 3 more rejects than allowed, 130 interrupted.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OutputArgs {
    /// Print nothing to stderr but errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Draw no progress bars
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every stage in order; resumes; what a nightly job calls
    Run(RunArgs),
    /// Read every new or changed image once: features, channel maxima, classes
    Extract(ExtractArgs),
    /// Build the nearest-neighbor index and measure its recall
    Index(IndexArgs),
    /// Map the features to two dimensions: PCA, t-SNE, grid
    Embed(EmbedArgs),
    /// Draw a poster of the map
    Poster(PosterArgs),
    /// Cut the patches that excite each channel most
    Gallery(GalleryArgs),
    /// Write report/index.html over all of it
    Report(ReportArgs),
    /// Find the images that the network sees as most like given ones
    Query(QueryArgs),
    /// Verify every digest, count and reference of an atlas
    Check(CheckArgs),
    /// Remove files of an atlas that nothing refers to
    Gc(GcArgs),
    /// List, inspect, import or fetch network weights
    Models(ModelsArgs),
    /// Draw images by code and run everything on them, with no download
    Demo(DemoArgs),
}

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
    /// Arithmetic of the network [default: f32]
    #[arg(long, value_enum)]
    pub(crate) precision: Option<PrecisionArg>,
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
    F32,
}

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
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ModelsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the architectures
    List {
        /// One JSON object a model
        #[arg(long)]
        json: bool,
    },
    /// Show the layers of a model: shapes, receptive fields, weights
    Info {
        /// Architecture
        name: String,
        /// Weights to check against it
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Convert a torchvision .pth to safetensors, running none of its code
    Import {
        /// The .pth, in the zip or the legacy format
        input: PathBuf,
        /// Architecture that it must fit
        #[arg(long, value_name = "NAME")]
        model: String,
        /// The safetensors file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Fetch torchvision's public weights, verify and convert them
    Pull {
        /// Architecture
        name: String,
        /// The safetensors file to write [default: NAME.safetensors]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Another place that serves the same file
        #[arg(long)]
        url: Option<String>,
    },
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
