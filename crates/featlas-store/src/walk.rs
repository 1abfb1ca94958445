//! Every file that lies in an atlas, whoever put it there.

use crate::error::StoreError;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// A file found, or a link or device: everything but folders.
pub(crate) struct Found {
    /// Path relative to the atlas.
    pub(crate) file: PathBuf,
    /// Of the thing itself: links are not followed.
    pub(crate) metadata: Metadata,
}

impl Found {
    /// The path with `/` between its parts, for people; the same text as in a record, if it is recorded.
    pub(crate) fn name(&self) -> String {
        let parts: Vec<_> = self.file.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}

/// Lists `root/start` and all below, sorted by path. Nothing there is nothing found.
pub(crate) fn walk(root: &Path, start: &Path) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::new();
    let mut folders = vec![start.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs_err::read_dir(root.join(&folder)) {
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(StoreError::io)?,
        };
        for entry in entries {
            let entry = entry.map_err(StoreError::io)?;
            let file = folder.join(entry.file_name());
            // Another process may remove its own temporary file between the listing and this look.
            let metadata = match fs_err::symlink_metadata(entry.path()) {
                Err(err) if err.kind() == std::io::ErrorKind::NotFound => continue,
                metadata => metadata.map_err(StoreError::io)?,
            };
            if metadata.is_dir() {
                folders.push(file);
            } else {
                found.push(Found { file, metadata });
            }
        }
    }
    found.sort_unstable_by(|a, b| a.file.cmp(&b.file));
    Ok(found)
}
