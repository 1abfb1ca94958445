//! What is explained, and how: every choice, resolved by the command line.

use featlas_explain::integrated::Baseline;
use featlas_explain::occlusion::Fill;
use featlas_explain::{GradientPrecision, ReluRule};
use std::path::PathBuf;

/// Images that are decoded and explained at a time, which bounds the memory.
pub const DEFAULT_EXPLAIN_BATCH: usize = 16;

/// What is explained.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainSettings {
    /// How.
    pub method: Method,
    /// Image files, and folders of them.
    pub images: Vec<PathBuf>,
    /// Architecture.
    pub model: String,
    /// Weights file; the embedded model needs none.
    pub weights: Option<PathBuf>,
    /// Folder of the results, made if it is not there.
    pub out: PathBuf,
    /// The numbers that gradients are computed in.
    pub precision: GradientPrecision,
    /// Images at a time, at least 1; see [`DEFAULT_EXPLAIN_BATCH`].
    pub batch: usize,
}

/// A method, with its choices. A class is a number, a name or a part of a name; none: each image's top class.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the flags of the command line")]
pub enum Method {
    /// The kernels of a convolution; without a layer, of the first one.
    Filters { layer: Option<String>, shared_scale: bool, sort: bool },
    /// The maps of a layer; without one, of the last convolution.
    Activations { layer: Option<String>, channel: Option<usize>, shared_scale: bool },
    /// A window slides over the image.
    Occlusion { watch: Watched, window_px: usize, stride_px: usize, fill: Fill },
    /// The gradient of the class score.
    Saliency { class: Option<String>, signed: bool, smooth: Option<usize>, times_input: bool },
    /// The saliency seeds a cut.
    Segment(SegmentSettings),
    /// Guided backpropagation and its relatives.
    Guided { target: Target, rule: ReluRule, compare: bool },
    /// Class activation maps.
    GradCam { class: Option<String>, layer: Option<String> },
    /// Integrated gradients.
    Integrated { class: Option<String>, steps: usize, baseline: Baseline },
}

/// What is watched while a window slides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// A class's probability.
    Class(Option<String>),
    /// A channel's largest activation; without a layer, of the last convolution.
    Channel {
        /// The layer.
        layer: Option<String>,
        /// The channel.
        channel: usize,
    },
}

/// How the saliency becomes a cut.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentSettings {
    /// The class.
    pub class: Option<String>,
    /// Copies with noise that the saliency is averaged over; none: the plain gradient.
    pub smooth: Option<usize>,
    /// Pixels above this quantile are foreground.
    pub foreground: f64,
    /// Pixels below this quantile are background.
    pub background: f64,
    /// Rounds of learning and cutting.
    pub iterations: usize,
}

/// Where a backward pass begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// At a class's score.
    Class(Option<String>),
    /// At a cell of a channel; without one, where the channel is largest.
    Channel {
        /// The layer; without one, the last convolution.
        layer: Option<String>,
        /// The channel.
        channel: usize,
        /// The cell `(y, x)`.
        cell: Option<(usize, usize)>,
    },
    /// At the channels that the image excites most.
    TopChannels {
        /// The layer; without one, the last convolution.
        layer: Option<String>,
        /// How many.
        count: usize,
    },
}

impl Method {
    /// Its name on the command line and in file names.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Filters { .. } => "filters",
            Self::Activations { .. } => "activations",
            Self::Occlusion { .. } => "occlusion",
            Self::Saliency { .. } => "saliency",
            Self::Segment(_) => "segment",
            Self::Guided { .. } => "guided",
            Self::GradCam { .. } => "gradcam",
            Self::Integrated { .. } => "integrated",
        }
    }
}
