//! What can go wrong with vectors, queries and index files.

use featlas_core::ImageId;
use std::path::PathBuf;

/// Why an index could not be built, searched, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum IndexError {
    #[error("no vector to index: expected at least one that is not zero")]
    Empty,
    #[error("expected at most {limit} vectors, got {got}")]
    TooManyVectors { limit: usize, got: usize },
    #[error("expected {expected} values for {ids} vectors of {dim}, got {got}")]
    Shape { ids: usize, dim: usize, expected: usize, got: usize },
    #[error("image id `{id}` occurs twice")]
    DuplicateId { id: ImageId },
    #[error("the vector of image `{id}` holds a value that is not finite")]
    NonFinite { id: ImageId },
    #[error("expected query vectors of {expected} components, got {got}")]
    Dimension { expected: usize, got: usize },
    #[error("query {row} holds a value that is not finite")]
    NonFiniteQuery { row: usize },
    #[error("query {row} is the zero vector, which is like nothing")]
    ZeroNorm { row: usize },
    #[error("asked for {k} neighbors of {len} vectors")]
    TooFewVectors { k: usize, len: usize },
    #[error("parameter `{name}`: expected {expected}, got `{got}`")]
    Parameter { name: &'static str, expected: &'static str, got: String },
    #[error("no basis for compact vectors: {reason}")]
    Basis { reason: String },
    #[error("image id `{id}` is not above those before it")]
    Order { id: ImageId },
    #[error("image `{id}` is not in the index")]
    UnknownImage { id: ImageId },
    #[error("cannot start the threads that build the index")]
    Threads {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cancelled")]
    Cancelled,
    #[error("cannot write the index")]
    Write {
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write `{}`", path.display())]
    WriteRows {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("index format version {got} where {expected} is known: `{}`", path.display())]
    Version { expected: u32, got: u32, path: PathBuf },
    #[error("damaged index file, {reason}: `{}`", path.display())]
    Damaged { reason: String, path: PathBuf },
    #[error("the vector of image `{id}` is damaged: `{}`", path.display())]
    DamagedRow { id: ImageId, path: PathBuf },
}

impl IndexError {
    /// What the user can do about it, when there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Version { .. } | Self::Damaged { .. } | Self::DamagedRow { .. } | Self::Read { .. } => {
                Some("run `featlas index ATLAS`: what is missing or damaged is built anew from the features")
            }
            _ => None,
        }
    }
}

const _: () = assert!(size_of::<IndexError>() <= 64, "errors travel in every result");
