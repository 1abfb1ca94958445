//! How a long operation speaks to whoever watches, and learns that it should stop.

use std::fmt;

/// A stage of the work, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Finding the images of a source.
    List,
    /// Drawing the demo's images.
    Draw,
    /// Measuring the scales of integer arithmetic.
    Calibrate,
    /// Decoding images and running the network.
    Extract,
    /// Reading features back.
    Load,
    /// Building the HNSW graph.
    Index,
    /// Measuring recall.
    Recall,
    /// Principal components.
    Pca,
    /// Nearest neighbors of every image, for t-SNE.
    Neighbors,
    /// The t-SNE iterations.
    Tsne,
    /// Assigning map points to grid cells.
    Grid,
    /// Drawing posters.
    Poster,
    /// Finding and cutting the patches of every channel.
    Gallery,
    /// Writing the report.
    Report,
    /// Verifying files.
    Check,
    /// Answering queries.
    Query,
    /// Fetching weights.
    Fetch,
    /// Explaining what a network sees in an image.
    Explain,
}

impl Stage {
    /// The stage's name, as printed and as written to `run.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Draw => "draw",
            Self::Calibrate => "calibrate",
            Self::Extract => "extract",
            Self::Load => "load",
            Self::Index => "index",
            Self::Recall => "recall",
            Self::Pca => "pca",
            Self::Neighbors => "neighbors",
            Self::Tsne => "tsne",
            Self::Grid => "grid",
            Self::Poster => "poster",
            Self::Gallery => "gallery",
            Self::Report => "report",
            Self::Check => "check",
            Self::Query => "query",
            Self::Fetch => "fetch",
            Self::Explain => "explain",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a long operation reports to. Libraries call it; only the command line draws.
pub trait Progress: Sync {
    /// A stage begins; `total` counts its units of work, when known.
    fn begin(&self, stage: Stage, total: Option<u64>);
    /// `n` more units of `stage` are done.
    fn advance(&self, stage: Stage, n: u64);
    /// A short live remark beside the bar, such as a falling error.
    fn note(&self, _stage: Stage, _text: &str) {}
    /// The stage is over.
    fn end(&self, stage: Stage);
    /// Something did less than was asked; the run goes on.
    fn warn(&self, text: &str);
    /// Whether the user asked to stop. Long loops look at it between units of work.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Reports to nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
    fn advance(&self, _stage: Stage, _n: u64) {}
    fn end(&self, _stage: Stage) {}
    fn warn(&self, _text: &str) {}
}

/// Reports to nobody and asks every operation to stop at once, so that it can be tried what happens then.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stopped;

impl Progress for Stopped {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
    fn advance(&self, _stage: Stage, _n: u64) {}
    fn end(&self, _stage: Stage) {}
    fn warn(&self, _text: &str) {}
    fn is_cancelled(&self) -> bool {
        true
    }
}
