//! What can stop an extraction. A bad image never does.

use featlas_image::SourceError;
use featlas_net::NetError;
use featlas_store::StoreError;

/// Why an extraction, or a reading of patches, ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// A source cannot be opened or listed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The network refused a batch.
    #[error(transparent)]
    Net(Box<NetError>),
    /// The atlas cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Two sources hold an image of the same path, so a row could not say which it means.
    #[error("two sources hold an image `{path}`: `{first}` and `{second}`")]
    SamePath {
        /// The path within both.
        path: String,
        /// Where it was first.
        first: String,
        /// Where it was again.
        second: String,
    },
    /// There is nothing to extract.
    #[error("no image found in {sources}")]
    NoImages {
        /// The sources, listed.
        sources: String,
    },
    /// The user asked to stop. Committed shards stay.
    #[error("interrupted; {committed} images are kept, the same command goes on from there")]
    Interrupted {
        /// Images whose shards were committed by this run.
        committed: u64,
    },
    /// A thread of ours ended without an answer: a bug.
    #[error("the {thread} thread ended early")]
    ThreadLost {
        /// Which.
        thread: &'static str,
    },
}

impl ExtractError {
    /// What the user can do about it, when there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Net(err) => err.hint(),
            Self::Store(err) => err.hint(),
            Self::SamePath { .. } => {
                Some("rename one of the two, leave it out with `--exclude`, or make an atlas of each source")
            }
            _ => None,
        }
    }
}

impl From<NetError> for ExtractError {
    fn from(err: NetError) -> Self {
        // Boxed, since it is the largest of all and errors travel through every result.
        Self::Net(Box::new(err))
    }
}
