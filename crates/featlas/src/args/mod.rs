//! The command line, as clap reads it. Commands never see these types: they get resolved settings.

mod embed;
mod explain;
mod extract;
mod index;
mod models;
mod pictures;
mod poster;
mod query;
mod upkeep;

use clap::{Args, Parser, Subcommand};

pub(crate) use embed::{EmbedArgs, SpaceArg};
pub(crate) use explain::{
    ActivationsArgs, BaselineArg, CommonArgs, ExplainArgs, FillArg, GradientArgs, GradientPrecisionArg,
    GuidedArgs, MethodArgs, OcclusionArgs, RuleArg, SightArgs,
};
pub(crate) use extract::{BackendArg, ExtractArgs, ExtractFlags, PrecisionArg, RunArgs};
pub(crate) use index::{DuplicatesArgs, IndexArgs, MetricArg, NeighborsArgs};
pub(crate) use models::{ModelsArgs, ModelsCommand};
pub(crate) use pictures::{GalleryArgs, ReportArgs};
pub(crate) use poster::{
    PosterArgs, PosterFitArg, PosterFormatArg, PosterKindArg, ShowLabelsArg, TileSourceArg,
};
pub(crate) use query::QueryArgs;
pub(crate) use upkeep::{CheckArgs, DemoArgs, GcArgs};

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
    /// Build the nearest-neighbor index, or bring it up to date, and measure its recall
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
    /// Draw what the network sees in single images: filters, activations, occlusion, gradients
    Explain(ExplainArgs),
    /// Write the nearest neighbors of every image as a table
    Neighbors(NeighborsArgs),
    /// List groups of images that are nearly the same
    Duplicates(DuplicatesArgs),
    /// Verify every digest, count and reference of an atlas
    Check(CheckArgs),
    /// Remove files of an atlas that nothing refers to
    Gc(GcArgs),
    /// List, inspect, import or fetch network weights
    Models(ModelsArgs),
    /// Draw images by code and run everything on them, with no download
    Demo(DemoArgs),
}

/// A distance: a number that is not negative, or `inf`.
fn distance(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(distance) if distance >= 0.0 => Ok(distance),
        _ => Err("expected a distance of at least 0".to_owned()),
    }
}
