//! Removes what killed runs and replaced stages left behind.

use crate::atlas::Atlas;
use crate::atomic::{self, TEMP_PREFIX};
use crate::error::StoreError;
use crate::lock::AtlasLock;
use crate::names;
use crate::walk::walk;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long nobody must have changed an unreferenced file before it is removed, unless the caller says so:
/// longer than any run that may still be about to refer to it.
pub const DEFAULT_GC_AGE: Duration = Duration::from_hours(24);

/// What was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GcReport {
    /// Files removed, relative to the atlas.
    pub removed: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
    /// Unreferenced files that are still too young to be removed.
    pub kept: Vec<String>,
}

/// Removes what nothing refers to and nobody changed for `older_than`, or with `dry_run` only tells.
///
/// Looks into the folders that belong to featlas; files that somebody put beside them stay. Rewrites nothing.
/// Ages are measured by the clock of the file system, not of this machine.
///
/// # Errors
/// [`StoreError::Locked`] while somebody writes; any damage to the manifest or a commit record, since then
/// nobody knows what is referred to; a file that cannot be removed.
pub fn gc(root: &Path, dry_run: bool, older_than: Duration) -> Result<GcReport, StoreError> {
    // Opened once to be sure that it is an atlas before a lock file is made in it, and again under the lock.
    drop(Atlas::open(root)?);
    let _lock = if dry_run { None } else { Some(AtlasLock::take(root)?) };
    let atlas = Atlas::open(root)?;

    let mut referenced: BTreeSet<String> = BTreeSet::new();
    for commit in atlas.commits() {
        referenced.insert(format!("{}/{:08}.json", names::COMMITS, commit.sequence));
        referenced.extend(commit.files().map(|file| file.file.clone()));
    }
    referenced.extend(atlas.manifest().outputs().map(|record| record.file.clone()));

    let now = file_system_now(root);
    let mut report = GcReport::default();
    let mut changed_folders = BTreeSet::new();
    for found in walk(root, Path::new(""))? {
        let name = found.name();
        let owned = match name.split_once('/') {
            Some((folder, _)) => names::OWNED_FOLDERS.contains(&folder),
            None => name.starts_with(TEMP_PREFIX),
        };
        if !owned || referenced.contains(&name) {
            continue;
        }
        // A file from the future is as young as can be.
        let modified = found.metadata.modified().map_err(StoreError::io)?;
        if now.duration_since(modified).unwrap_or_default() < older_than {
            report.kept.push(name);
            continue;
        }
        let path = root.join(&found.file);
        if !dry_run {
            fs_err::remove_file(&path).map_err(StoreError::io)?;
            changed_folders.extend(path.parent().map(Path::to_owned));
        }
        report.bytes += found.metadata.len();
        report.removed.push(name);
    }
    for folder in changed_folders.iter().rev() {
        atomic::sync_dir(folder)?;
        // Folders inside the owned ones, such as a gallery's, go with their last file.
        if folder.parent() != Some(root) && folder != root && is_empty(folder)? {
            fs_err::remove_dir(folder).map_err(StoreError::io)?;
        }
    }
    Ok(report)
}

fn is_empty(folder: &Path) -> Result<bool, StoreError> {
    Ok(fs_err::read_dir(folder).map_err(StoreError::io)?.next().is_none())
}

/// The time as the file system gives it to a new file; this machine's where it will not take one.
fn file_system_now(root: &Path) -> SystemTime {
    tempfile::tempfile_in(root)
        .and_then(|probe| probe.metadata()?.modified())
        .unwrap_or_else(|_read_only| SystemTime::now())
}
