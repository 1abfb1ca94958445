//! What can stop a stage.

use featlas_core::RowsError;
use featlas_embed::EmbedError;
use featlas_explain::ExplainError;
use featlas_extract::ExtractError;
use featlas_image::{EncodeError, Reject, SourceError};
use featlas_index::IndexError;
use featlas_net::NetError;
use featlas_render::RenderError;
use featlas_store::StoreError;
use std::path::PathBuf;

/// Why a stage did not finish.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// From the extraction.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// From a source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// From the network.
    #[error(transparent)]
    Net(Box<NetError>),
    /// From the atlas.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// From the index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Vectors that do not divide into whole rows.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// From the maps.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// From the figures of single images.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// From the posters.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A picture that cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A file outside the atlas; the error names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A setting that makes no sense.
    #[error("`{setting}` {problem}")]
    Setting {
        /// Its key.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A stage needs what an earlier stage makes.
    #[error("the atlas has no {what} yet: `{}`", atlas.display())]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The command that makes it.
        command: &'static str,
        /// The atlas.
        atlas: PathBuf,
    },
    /// A stage's result is older than what it was made from.
    #[error("the {what} is older than the features of the atlas `{}`", atlas.display())]
    Stale {
        /// What is stale.
        what: &'static str,
        /// The command that renews it.
        command: &'static str,
        /// The atlas.
        atlas: PathBuf,
    },
    /// The index file is not the one that the manifest speaks of.
    #[error("the index belongs to other features: `{}`", path.display())]
    ForeignIndex {
        /// The file.
        path: PathBuf,
    },
    /// An image of the atlas that it does not have.
    #[error("the atlas has no image {what}: `{}`", atlas.display())]
    UnknownImage {
        /// Its number or path, as asked for.
        what: String,
        /// The atlas.
        atlas: PathBuf,
    },
    /// A label that no image has.
    #[error("no image of the atlas has the label `{label}`: `{}`", atlas.display())]
    UnknownLabel {
        /// Asked for.
        label: String,
        /// Some of the labels there are.
        some: Vec<String>,
        /// The atlas.
        atlas: PathBuf,
    },
    /// A filter that no image passes.
    #[error("no image of the atlas passes {filter}: `{}`", atlas.display())]
    NonePasses {
        /// The filter, as asked for.
        filter: String,
        /// The atlas.
        atlas: PathBuf,
    },
    /// A folder, list or tar shard of which nothing can be looked up.
    #[error("nothing to look up: none of the {files} files can be used: `{}`", location.display())]
    NoneUsable {
        /// Files that it lists.
        files: usize,
        /// Where it is.
        location: PathBuf,
    },
    /// An image of the atlas without neighbors.
    #[error("image `{id}` has an all-zero feature, which is like nothing: `{}`", atlas.display())]
    NoFeature {
        /// Its number.
        id: featlas_core::ImageId,
        /// The atlas.
        atlas: PathBuf,
    },
    /// The scales that an atlas carries cannot be read.
    #[error("the `calibration` of the atlas is not one: `{}`", atlas.display())]
    Calibration {
        /// What is wrong.
        source: featlas_net::RangesError,
        /// The atlas.
        atlas: PathBuf,
    },
    /// Integer arithmetic needs scales, and these come from images.
    #[error(
        "`--precision int8` takes its scales from the images, and none of the {images} looked at can be read"
    )]
    NoCalibration {
        /// Looked at.
        images: usize,
    },
    /// The weights are not those the atlas was made with.
    #[error("the weights are not those of the atlas: expected {expected}, got {got}: `{}`", path.display())]
    OtherWeights {
        /// Digest in the atlas.
        expected: String,
        /// Digest of the file.
        got: String,
        /// The file.
        path: PathBuf,
    },
    /// An image that was asked about cannot be used.
    #[error("cannot use the image: {}: `{}`", reject.message, path.display())]
    Image {
        /// Why.
        reject: Reject,
        /// The image.
        path: PathBuf,
    },
    /// More neighbors than images.
    #[error("`--k {k}` is above the number of images that can be neighbors, {images}")]
    TooManyNeighbors {
        /// Asked for.
        k: usize,
        /// There are.
        images: usize,
    },
    /// The atlas holds no good image.
    #[error("the atlas holds no image with features: `{}`", atlas.display())]
    Empty {
        /// The atlas.
        atlas: PathBuf,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl PipelineError {
    /// What the user can do about it, when there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { command, .. } | Self::Stale { command, .. } => {
                Some(format!("run `{command}` first"))
            }
            Self::OtherWeights { .. } => {
                Some("pass the weights of the extraction with `--weights`".to_owned())
            }
            Self::ForeignIndex { .. } => Some("run `featlas index ATLAS` to build its own".to_owned()),
            Self::UnknownImage { .. } => Some(
                "`featlas query --json` prints numbers and paths; paths are relative to the source"
                    .to_owned(),
            ),
            Self::UnknownLabel { some, .. } if some.is_empty() => Some(
                "none has any; labels are the names of folders, or come from the column of a list".to_owned(),
            ),
            Self::UnknownLabel { some, .. } => {
                Some(format!("its labels are, among others, `{}`", some.join("`, `")))
            }
            Self::Setting { setting: "--where", .. } => Some(
                "`*` stands for any characters, `?` for one, `[ab]` for one of these, `[[]` for a bracket"
                    .to_owned(),
            ),
            Self::NonePasses { .. } => Some(
                "a pattern is compared with the whole path or label: `*cat*` finds every `cat`".to_owned(),
            ),
            Self::NoneUsable { .. } => Some(
                "images are known by their content; JPEG, PNG, WebP, GIF, BMP and TIFF are read".to_owned(),
            ),
            Self::Image { path, .. } if path.is_dir() => {
                Some("`featlas query ATLAS --batch FOLDER` looks up every image of a folder".to_owned())
            }
            Self::TooManyNeighbors { images, .. } => Some(format!("ask for at most {images}")),
            Self::Empty { .. } => Some("its rejects/ say what was wrong with each image".to_owned()),
            Self::Render(err) => err.hint().map(str::to_owned),
            Self::Extract(err) => err.hint().map(str::to_owned),
            Self::Store(err) => err.hint().map(str::to_owned),
            Self::Net(err) => err.hint().map(str::to_owned),
            Self::Index(err) => err.hint().map(str::to_owned),
            Self::Explain(err) => err.hint().map(str::to_owned),
            _ => None,
        }
    }

    /// Whether the user asked for the end.
    pub fn is_interruption(&self) -> bool {
        matches!(
            self,
            Self::Interrupted
                | Self::Extract(
                    ExtractError::Interrupted { .. }
                        | ExtractError::Source(SourceError::Cancelled)
                        | ExtractError::Store(StoreError::Cancelled)
                )
                | Self::Explain(ExplainError::Interrupted)
                | Self::Source(SourceError::Cancelled)
                | Self::Store(StoreError::Cancelled)
                | Self::Index(IndexError::Cancelled)
                | Self::Embed(EmbedError::Cancelled)
                | Self::Render(RenderError::Cancelled)
        )
    }
}

impl From<NetError> for PipelineError {
    fn from(err: NetError) -> Self {
        // Boxed, since it is the largest of all and errors travel through every result.
        Self::Net(Box::new(err))
    }
}
