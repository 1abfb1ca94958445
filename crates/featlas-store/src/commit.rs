//! Commit records: the only thing that makes rows exist, or cease to.

use crate::error::StoreError;
use crate::names;
use crate::pieces::num_pieces;
use crate::seal::{FORMAT_VERSION, unseal};
use featlas_core::{Digest, ImageId};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One Parquet file of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFile {
    /// Path relative to the atlas, with `/` between its parts.
    pub file: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Number of rows, at least one.
    pub rows: u64,
    /// BLAKE3 digest of its bytes.
    pub digest: Digest,
    /// BLAKE3 digests of each 128 KiB of it, the last of what is left, so that a part can be verified alone. Empty for a file
    /// that is not longer than that, and in records of before there were any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Digest>,
    /// Image of the first row, the smallest of the file.
    pub first_id: ImageId,
    /// Image of the last row, the largest of the file.
    pub last_id: ImageId,
}

/// What one finished shard adds to the table, and what it takes away.
///
/// A changed image's new row and the end of its old one are in the same record, so no reader ever sees both,
/// or neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Version of the format.
    pub format_version: u32,
    /// Its place in the order of commits; the first is 1.
    pub sequence: u64,
    /// Digest of the fingerprint under which its rows were made.
    pub fingerprint: Digest,
    /// The feature rows it adds.
    pub features: Option<ShardFile>,
    /// The thumbnails of those rows.
    pub thumbs: Option<ShardFile>,
    /// The rejects it adds.
    pub rejects: Option<ShardFile>,
    /// Images of earlier commits whose feature rows end with this one, ascending.
    pub retired: Vec<ImageId>,
    /// Images of earlier commits whose reject rows end with this one, ascending.
    pub retired_rejects: Vec<ImageId>,
    /// The digest at the end of the record's own file.
    #[serde(skip, default = "no_digest")]
    pub(crate) digest: Digest,
}

pub(crate) fn no_digest() -> Digest {
    Digest([0; 32])
}

impl Commit {
    pub(crate) fn new(sequence: u64, fingerprint: Digest) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            sequence,
            fingerprint,
            features: None,
            thumbs: None,
            rejects: None,
            retired: Vec::new(),
            retired_rejects: Vec::new(),
            digest: no_digest(),
        }
    }

    /// The files it brings.
    pub fn files(&self) -> impl Iterator<Item = &ShardFile> {
        [&self.features, &self.thumbs, &self.rejects].into_iter().flatten()
    }

    /// Smallest and largest id given by it.
    pub(crate) fn span(&self) -> Option<(ImageId, ImageId)> {
        let rows = || self.features.iter().chain(&self.rejects);
        Some((rows().map(|file| file.first_id).min()?, rows().map(|file| file.last_id).max()?))
    }

    /// Reads and verifies the record at `path`, which should be number `sequence`.
    pub(crate) fn load(path: &Path, sequence: u64) -> Result<Self, StoreError> {
        let bytes = fs_err::read(path).map_err(|err| match err.kind() {
            std::io::ErrorKind::NotFound => StoreError::CommitMissing { sequence, path: path.to_owned() },
            _ => StoreError::io(err),
        })?;
        let (mut commit, digest): (Self, _) = unseal(&bytes, path, "a commit record")?;
        commit.digest = digest;
        if commit.sequence != sequence {
            let what = format!("expected commit {sequence}, got commit {}", commit.sequence);
            return Err(StoreError::content(path, what));
        }
        let ascending = |ids: &[ImageId]| ids.is_sorted_by(|a, b| a < b);
        if !ascending(&commit.retired) || !ascending(&commit.retired_rejects) {
            return Err(StoreError::content(path, "the retired images are not in order"));
        }
        if commit.files().any(|file| file.rows == 0 || file.last_id < file.first_id) {
            return Err(StoreError::content(path, "a file of the commit has no rows"));
        }
        let whole =
            |file: &ShardFile| file.pieces.is_empty() || file.pieces.len() as u64 == num_pieces(file.bytes);
        if !commit.files().all(whole) {
            return Err(StoreError::content(
                path,
                "a file of the commit has more or fewer pieces than bytes",
            ));
        }
        for file in commit.files() {
            names::resolve(path, &file.file)?;
        }
        Ok(commit)
    }
}

/// The numbers of the commit records in an atlas, ascending. Other names in the folder are no records.
pub(crate) fn list(root: &Path) -> Result<Vec<u64>, StoreError> {
    let folder = root.join(names::COMMITS);
    let entries = match fs_err::read_dir(&folder) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(StoreError::io)?,
    };
    let mut sequences = Vec::new();
    for entry in entries {
        let name = entry.map_err(StoreError::io)?.file_name();
        let sequence =
            name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|stem| stem.parse().ok());
        // Only the one spelling that we write is a record.
        if let Some(sequence) = sequence
            && path(root, sequence).file_name() == Some(&name)
        {
            sequences.push(sequence);
        }
    }
    sequences.sort_unstable();
    Ok(sequences)
}

/// Where record `sequence` lies.
pub(crate) fn path(root: &Path, sequence: u64) -> PathBuf {
    root.join(names::COMMITS).join(format!("{sequence:08}.json"))
}
