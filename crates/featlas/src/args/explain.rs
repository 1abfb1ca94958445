//! Flags of `explain`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Each writes STEM.METHOD.png and STEM.METHOD.npy below OUT; several images also get \
    contact-sheet.METHOD.png.\nA layer is named as `featlas models info NAME` lists it; a class by its number or a part \
    of its name that no other class has.")]
pub(crate) struct ExplainArgs {
    #[command(subcommand)]
    pub(crate) method: MethodArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MethodArgs {
    /// What a convolution looks for: its kernels
    Filters(FiltersArgs),
    /// What a layer answers: its maps, one a channel
    Activations(ActivationsArgs),
    /// Which part must not be covered: a window slides over the image
    Occlusion(OcclusionArgs),
    /// Which pixels would change the class score most
    Saliency(SaliencyArgs),
    /// Where the thing is that the network saw: the saliency seeds a cut
    Segment(SegmentArgs),
    /// Which pixels excite a channel, or a class: guided backpropagation
    Guided(GuidedArgs),
    /// Which cells of a layer speak for the class
    Gradcam(GradcamArgs),
    /// How the class score adds up, pixel by pixel
    Integrated(IntegratedArgs),
}

/// What every method takes.
#[derive(Debug, Args)]
pub(crate) struct SightArgs {
    /// Image files, and folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    pub(crate) images: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Images decoded and explained at a time; bounds the memory
    #[arg(long, value_name = "N", default_value_t = featlas_pipeline::DEFAULT_EXPLAIN_BATCH as u64,
        value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(crate) batch: u64,
}

/// What every method that goes back through the network takes.
#[derive(Debug, Args)]
pub(crate) struct GradientArgs {
    /// Numbers that gradients are computed in: rounding decides near ties, with f32 far more often than with f64; f32 is faster
    #[arg(long, value_enum, default_value_t = GradientPrecisionArg::F64)]
    pub(crate) precision: GradientPrecisionArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum GradientPrecisionArg {
    /// 32 bits; rounding decides near ties, which can move a map by some percent
    F32,
    /// 64 bits; ties are told from differences
    F64,
}

#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// Architecture (see `featlas models list`)
    #[arg(long, value_name = "NAME", default_value = "alexnet-lite")]
    pub(crate) model: String,
    /// Weights in safetensors; alexnet-lite has its own
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Folder of the results, made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// One JSON object a result on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FiltersArgs {
    /// An image, whose name the files then have; kernels are the same for every image
    #[arg(value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The convolution [default: the first one]
    #[arg(long, value_name = "LAYER")]
    pub(crate) layer: Option<String>,
    /// Draw all kernels over one range of values instead of each over its own
    #[arg(long)]
    pub(crate) shared_scale: bool,
    /// Draw the kernels by falling norm
    #[arg(long)]
    pub(crate) sort: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ActivationsArgs {
    #[command(flatten)]
    pub(crate) sight: SightArgs,
    /// The layer [default: the last convolution]
    #[arg(long, value_name = "LAYER")]
    pub(crate) layer: Option<String>,
    /// Draw this channel alone, large, beside and over the image
    #[arg(long, value_name = "N")]
    pub(crate) channel: Option<usize>,
    /// Draw all maps over one range of values instead of each over its own
    #[arg(long)]
    pub(crate) shared_scale: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OcclusionArgs {
    #[command(flatten)]
    pub(crate) sight: SightArgs,
    /// Watch the probability of this class [default: the top class of each image]
    #[arg(long, value_name = "NAME|INDEX")]
    pub(crate) class: Option<String>,
    /// Watch the largest activation of this channel instead
    #[arg(long, value_name = "N", conflicts_with = "class")]
    pub(crate) channel: Option<usize>,
    /// The channel's layer [default: the last convolution]
    #[arg(long, value_name = "LAYER", requires = "channel")]
    pub(crate) layer: Option<String>,
    /// Side of the window, in pixels of the network's input
    #[arg(long, value_name = "PX", default_value_t = 32)]
    pub(crate) window: usize,
    /// Step of the window, in pixels of the network's input
    #[arg(long, value_name = "PX", default_value_t = 8)]
    pub(crate) stride: usize,
    /// What covers the window
    #[arg(long, value_enum, default_value_t = FillArg::Mean)]
    pub(crate) fill: FillArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FillArg {
    /// The mean color of the model's training images
    Mean,
    /// Mid-gray
    Gray,
    /// Black
    Black,
    /// The image itself, blurred
    Blur,
}

#[derive(Debug, Args)]
pub(crate) struct SaliencyArgs {
    #[command(flatten)]
    pub(crate) sight: SightArgs,
    #[command(flatten)]
    pub(crate) gradients: GradientArgs,
    /// Explain this class [default: the top class of each image]
    #[arg(long, value_name = "NAME|INDEX")]
    pub(crate) class: Option<String>,
    /// Keep the sign of the gradient
    #[arg(long)]
    pub(crate) signed: bool,
    /// Average over N copies of the image with noise (`SmoothGrad`)
    #[arg(long, value_name = "N")]
    pub(crate) smooth: Option<usize>,
    /// Multiply the gradient with the pixel
    #[arg(long)]
    pub(crate) times_input: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SegmentArgs {
    #[command(flatten)]
    pub(crate) sight: SightArgs,
    #[command(flatten)]
    pub(crate) gradients: GradientArgs,
    /// Cut out what speaks for this class [default: the top class of each image]
    #[arg(long, value_name = "NAME|INDEX")]
    pub(crate) class: Option<String>,
    /// Pixels above this quantile of the saliency are foreground
    #[arg(long, value_name = "Q", default_value_t = featlas_pipeline::DEFAULT_FOREGROUND_QUANTILE)]
    pub(crate) foreground: f64,
    /// Pixels below this quantile of the saliency are background
    #[arg(long, value_name = "Q", default_value_t = featlas_pipeline::DEFAULT_BACKGROUND_QUANTILE)]
    pub(crate) background: f64,
    /// Average the saliency over N copies of the image with noise (`SmoothGrad`)
    #[arg(long, value_name = "N")]
    pub(crate) smooth: Option<usize>,
    /// Rounds of learning colors and cutting
    #[arg(long, value_name = "N", default_value_t = featlas_pipeline::DEFAULT_CUT_ITERATIONS as u64,
        value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) iterations: u64,
}

#[derive(Debug, Args)]
pub(crate) struct GuidedArgs {
    #[command(flatten)]
    pub(crate) sight: SightArgs,
    #[command(flatten)]
    pub(crate) gradients: GradientArgs,
    /// Go back from this class [default: the top class of each image]
    #[arg(long, value_name = "NAME|INDEX", conflicts_with_all = ["layer", "channel", "top_channels"])]
    pub(crate) class: Option<String>,
    /// Go back from a channel of this layer: its strongest one, unless another is named
    #[arg(long, value_name = "LAYER")]
    pub(crate) layer: Option<String>,
    /// Go back from this channel [default layer: the last convolution]
    #[arg(long, value_name = "N", conflicts_with = "top_channels")]
    pub(crate) channel: Option<usize>,
    /// The channel's cell [default: where it is largest]
    #[arg(long, value_name = "Y,X", requires = "channel", value_parser = parse_cell)]
    pub(crate) cell: Option<(usize, usize)>,
    /// Go back from the N channels that the image excites most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) top_channels: Option<u64>,
    /// What a ReLU lets through on the way back
    #[arg(long, value_enum, default_value_t = RuleArg::Guided)]
    pub(crate) rule: RuleArg,
    /// Draw all three rules side by side
    #[arg(long, conflicts_with = "rule")]
    pub(crate) compare: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RuleArg {
    /// Positive gradients, where the unit fired
    Guided,
    /// Positive gradients (Zeiler and Fergus)
    Deconv,
    /// Gradients where the unit fired: the derivative
    Plain,
}

#[derive(Debug, Args)]
pub(crate) struct GradcamArgs {
    #[command(flatten)]
    pub(crate) sight: SightArgs,
    #[command(flatten)]
    pub(crate) gradients: GradientArgs,
    /// Explain this class [default: the top class of each image]
    #[arg(long, value_name = "NAME|INDEX")]
    pub(crate) class: Option<String>,
    /// The layer whose cells are weighted [default: the last convolution]
    #[arg(long, value_name = "LAYER")]
    pub(crate) layer: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct IntegratedArgs {
    #[command(flatten)]
    pub(crate) sight: SightArgs,
    #[command(flatten)]
    pub(crate) gradients: GradientArgs,
    /// Explain this class [default: the top class of each image]
    #[arg(long, value_name = "NAME|INDEX")]
    pub(crate) class: Option<String>,
    /// Points on the way from the baseline to the image
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) steps: u64,
    /// What counts as nothing to see
    #[arg(long, value_enum, default_value_t = BaselineArg::Mean)]
    pub(crate) baseline: BaselineArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BaselineArg {
    /// The mean color of the model's training images
    Mean,
    /// Black
    Black,
}

fn parse_cell(text: &str) -> Result<(usize, usize), String> {
    let cell = text.split_once(',').and_then(|(y, x)| Some((y.trim().parse().ok()?, x.trim().parse().ok()?)));
    cell.ok_or_else(|| format!("expected a row and a column such as 6,2, got `{text}`"))
}
