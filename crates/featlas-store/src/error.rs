//! What can go wrong with an atlas on disk.

use crate::fingerprint::Difference;
use featlas_core::ImageId;
use parquet::errors::ParquetError;
use std::io;
use std::path::{Path, PathBuf};

/// An operation on an atlas that could not be done, or a damaged file of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named for what they hold; `path` is the file concerned")]
pub enum StoreError {
    /// The operating system refused; its message, which names the path, stands for this one.
    #[error(transparent)]
    Io { source: io::Error },
    /// The folder holds no manifest.
    #[error("the folder is no atlas: it holds no `atlas.json`: `{}`", path.display())]
    NotAnAtlas { path: PathBuf },
    /// A new atlas was wanted where one stands.
    #[error("the folder already holds an atlas: `{}`", path.display())]
    AlreadyAnAtlas { path: PathBuf },
    /// A new atlas was wanted in a folder that holds something else.
    #[error("expected a new or empty folder, found `{found}` in it: `{}`", path.display())]
    NotEmpty { found: String, path: PathBuf },
    /// The file was written by another version of the format.
    #[error("expected format version {expected}, got {got}: `{}`", path.display())]
    FormatVersion { expected: u32, got: u64, path: PathBuf },
    /// A file carries a digest of itself that does not fit, so its bytes were changed.
    #[error("the file is damaged: its bytes do not fit the digest at its end: `{}`", path.display())]
    BrokenSeal { path: PathBuf },
    /// A file whose bytes are as written, yet not what was expected in it.
    #[error("the file does not read as {what}: `{}`", path.display())]
    Json { what: &'static str, path: PathBuf, source: serde_json::Error },
    /// A file differs from what was recorded when it was written.
    #[error("the file is damaged: expected digest `{expected}`, got `{got}`: `{}`", path.display())]
    Digest { expected: String, got: String, path: PathBuf },
    /// A file is shorter or longer than recorded.
    #[error("the file is damaged: expected {expected} bytes, got {got}: `{}`", path.display())]
    Length { expected: u64, got: u64, path: PathBuf },
    /// A recorded file is not there.
    #[error("a file of the atlas is missing: `{}`", path.display())]
    Missing { path: PathBuf },
    /// A commit record is gone although later ones, or the manifest, count on it.
    #[error("commit {sequence} is missing: `{}`", path.display())]
    CommitMissing { sequence: u64, path: PathBuf },
    /// Another writer committed first; nothing of this shard became visible.
    #[error("commit {sequence} was made by another writer meanwhile: `{}`", path.display())]
    CommitTaken { sequence: u64, path: PathBuf },
    /// A shard without rows, rejects or retired images was to be committed.
    #[error("nothing to commit: `{}`", path.display())]
    EmptyCommit { path: PathBuf },
    /// Features made in another way were about to meet this atlas.
    #[error("the atlas was made in another way: {}: `{}`", join(differences), path.display())]
    Fingerprint { differences: Vec<Difference>, path: PathBuf },
    /// A digest-verified file whose content breaks a rule of the format.
    #[error("{what}: `{}`", path.display())]
    Content { what: String, path: PathBuf },
    /// The Parquet library refused a file.
    #[error("the file does not read as Parquet: `{}`", path.display())]
    Parquet { path: PathBuf, source: Box<ParquetError> },
    /// A shard could not be encoded.
    #[error("cannot write Parquet: `{}`", path.display())]
    Encode { path: PathBuf, source: Box<ParquetError> },
    /// A row that does not fit the schema, or holds a value no network gives.
    #[error("row of image {image_id}: {what}")]
    BadRow { image_id: ImageId, what: String },
    /// A schema that cannot be stored.
    #[error("impossible schema: {what}")]
    BadSchema { what: String },
    /// An image that was asked for, or that should be retired, has no live row.
    #[error("image {image_id} is not in the atlas: `{}`", path.display())]
    UnknownImage { image_id: ImageId, path: PathBuf },
    /// A column that the file does not have.
    #[error("no column `{column}`; the columns are {}: `{}`", quoted(columns), path.display())]
    NoColumn { column: String, columns: Vec<String>, path: PathBuf },
    /// A column of a list that holds no text.
    #[error("column `{column}`: expected text or binary, got {got}: `{}`", path.display())]
    NotText { column: String, got: String, path: PathBuf },
    /// A layer that the atlas does not hold.
    #[error("layer `{tap}` is not in the atlas; its layers are {}: `{}`", quoted(taps), path.display())]
    NoTap { tap: String, taps: Vec<String>, path: PathBuf },
    /// A file that no stage recorded, so nothing vouches for it.
    #[error("no stage of the atlas recorded the file: `{}`", path.display())]
    NotRecorded { path: PathBuf },
    /// A name that would leave the atlas, or that is not plain.
    #[error("expected a plain relative name, got `{name}`")]
    BadName { name: String },
    /// Somebody else works on the atlas.
    #[error("the atlas is in use by {holder}: `{}`", path.display())]
    Locked { holder: String, path: PathBuf },
    /// The manifest on disk is not the one that was opened.
    #[error("the manifest was changed by somebody else: `{}`", path.display())]
    ManifestChanged { path: PathBuf },
    /// A change of what an atlas keeps for life.
    #[error("`{field}` of an atlas never changes: `{}`", path.display())]
    ManifestFixed { field: &'static str, path: PathBuf },
    /// The user asked to stop.
    #[error("stopped on request")]
    Cancelled,
}

const _: () = assert!(size_of::<StoreError>() <= 80, "errors travel through every result");

impl StoreError {
    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotAnAtlas { .. } => "`featlas extract` and `featlas run` make an atlas",
            Self::NotEmpty { .. } => "name a new folder for the atlas",
            Self::FormatVersion { .. } => "make the atlas again with this version of featlas",
            Self::Fingerprint { .. } => {
                "use the model, weights and settings the atlas was made with, or write to a new folder"
            }
            Self::BrokenSeal { .. }
            | Self::Digest { .. }
            | Self::Length { .. }
            | Self::Missing { .. }
            | Self::CommitMissing { .. } => {
                "`featlas check` lists everything that is damaged; restore those files from a copy, or make \
                 the atlas again"
            }
            Self::CommitTaken { .. } | Self::ManifestChanged { .. } => {
                "run the command again; it goes on from what is committed"
            }
            Self::Locked { .. } => "wait until it is done",
            Self::NotRecorded { .. } => "run the stage that makes it again",
            _ => return None,
        })
    }

    pub(crate) fn io(source: io::Error) -> Self {
        Self::Io { source }
    }

    /// Turns the error of reading `path` into a missing file where it is one.
    pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path: path.to_owned() },
            _ => Self::Io { source },
        }
    }

    pub(crate) fn parquet(path: &Path) -> impl Fn(ParquetError) -> Self + '_ {
        |source| Self::Parquet { path: path.to_owned(), source: Box::new(source) }
    }

    pub(crate) fn content(path: &Path, what: impl Into<String>) -> Self {
        Self::Content { what: what.into(), path: path.to_owned() }
    }
}

fn join(differences: &[Difference]) -> String {
    let parts: Vec<String> = differences
        .iter()
        .map(|d| {
            let (theirs, mine) =
                (around_difference(&d.theirs, &d.mine), around_difference(&d.mine, &d.theirs));
            format!("`{}` is `{theirs}` in the atlas and `{mine}` here", d.field)
        })
        .collect();
    parts.join("; ")
}

/// Characters of a value that a message quotes in full.
const QUOTED_CHARS: usize = 64;

/// Characters before the first difference that a message quotes of a longer value.
const CHARS_BEFORE: usize = 16;

/// `value`, or of a long one the part around the first character in which it differs from `other`.
fn around_difference(value: &str, other: &str) -> String {
    if value.chars().count() <= QUOTED_CHARS {
        return value.to_owned();
    }
    let same = value.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let start = same.saturating_sub(CHARS_BEFORE);
    let part: String = value.chars().skip(start).take(QUOTED_CHARS).collect();
    let is_cut = |at: usize| if at > 0 { "…" } else { "" };
    let left = value.chars().count() - start - part.chars().count();
    format!("{}{part}{}", is_cut(start), is_cut(left))
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
