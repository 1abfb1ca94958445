//! What can be wrong with a question to a network.

use featlas_net::NetError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The network refused: among others [`NetError::UnknownLayer`], which lists the layers.
    #[error(transparent)]
    Net(Box<NetError>),
    /// A layer has fewer channels.
    #[error("layer `{layer}` has no channel {channel}: expected 0 to {}, got {channel}", count.saturating_sub(1))]
    NoChannel {
        /// The layer.
        layer: String,
        /// What was asked for.
        channel: usize,
        /// Channels that it has.
        count: usize,
    },
    /// A layer has fewer cells.
    #[error("layer `{layer}` has no cell {},{}: expected y below {height} and x below {width}", cell.0, cell.1)]
    NoCell {
        /// The layer.
        layer: String,
        /// What was asked for: y, x.
        cell: (usize, usize),
        /// Rows of cells.
        height: usize,
        /// Columns of cells.
        width: usize,
    },
    /// The layer has one cell only, and the method needs a map.
    #[error("layer `{layer}` has no map of cells: expected one of {}", layers.join(", "))]
    NoMap {
        /// The layer.
        layer: String,
        /// Layers that have cells.
        layers: Vec<String>,
    },
    /// The layer is no convolution, and so has no kernels.
    #[error("layer `{layer}` has no kernels: expected one of {}", layers.join(", "))]
    NoKernels {
        /// The layer.
        layer: String,
        /// The convolutions.
        layers: Vec<String>,
    },
    /// The model has fewer classes.
    #[error("model `{model}` has no class {index}: expected 0 to {}", count.saturating_sub(1))]
    NoClassIndex {
        /// The model.
        model: String,
        /// What was asked for.
        index: usize,
        /// Classes that it has.
        count: usize,
    },
    /// No class name matches.
    #[error("no class of model `{model}` matches `{text}`")]
    NoClass {
        /// The model.
        model: String,
        /// What was asked for.
        text: String,
    },
    /// Several class names match equally well.
    #[error("`{text}` matches {} classes: {}", matches.len(), list(matches))]
    AmbiguousClass {
        /// What was asked for.
        text: String,
        /// Index and name of each.
        matches: Vec<(usize, String)>,
    },
    /// A class was asked for by name, and the model has numbers only.
    #[error("the classes of model `{model}` have no names: expected a number from 0 to {}, got `{text}`", count.saturating_sub(1))]
    UnnamedClasses {
        /// The model.
        model: String,
        /// What was asked for.
        text: String,
        /// Classes that it has.
        count: usize,
    },
    /// An occlusion window that would cover more than the image.
    #[error("occlusion window is larger than the network's input: expected at most {px} px, got {window_px}")]
    WindowTooLarge {
        /// The window's side.
        window_px: usize,
        /// The input's side.
        px: usize,
    },
    /// A number that must be positive.
    #[error("{what}: expected at least 1, got 0")]
    Zero {
        /// Which number.
        what: &'static str,
    },
    /// A number outside its range.
    #[error("{what}: expected {expected}, got {got}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// The range.
        expected: &'static str,
        /// What came.
        got: f64,
    },
    /// A target for an image that the batch does not have.
    #[error("no image {image} in a batch of {count}")]
    NoImage {
        /// What was asked for.
        image: usize,
        /// Images in the batch.
        count: usize,
    },
    /// A picture cannot be cut by a sketch of foreground and background, or there is none to be made.
    #[error("the sketch cannot be cut: {reason}")]
    Trimap {
        /// Why not.
        reason: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Matches that are listed; of more, the count says enough.
const MOST_LISTED: usize = 12;

fn list(matches: &[(usize, String)]) -> String {
    let mut text: Vec<String> =
        matches.iter().take(MOST_LISTED).map(|(index, name)| format!("{index} `{name}`")).collect();
    if matches.len() > MOST_LISTED {
        text.push("...".to_owned());
    }
    text.join(", ")
}

impl ExplainError {
    /// What the user may do about it, when there is one thing.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Net(err) => err.hint(),
            Self::NoChannel { .. } | Self::NoCell { .. } => {
                Some("`featlas models info NAME` shows the size of every layer")
            }
            Self::AmbiguousClass { .. } => Some("pass the class's number, or more of its name"),
            Self::NoClass { .. } => Some("pass a word of the class's name, or its number"),
            _ => None,
        }
    }
}

impl From<NetError> for ExplainError {
    fn from(err: NetError) -> Self {
        // Boxed, since it is the largest of all and errors travel through every result.
        Self::Net(Box::new(err))
    }
}
