//! Where things lie inside an atlas, and which names may be used there.

use crate::error::StoreError;
use std::path::{Path, PathBuf};

/// The manifest.
pub(crate) const MANIFEST_FILE: &str = "atlas.json";
/// The account of the last run.
pub(crate) const RUN_FILE: &str = "run.json";
/// The file whose lock says that somebody works on the atlas.
pub(crate) const LOCK_FILE: &str = ".lock";
/// One small record per commit.
pub(crate) const COMMITS: &str = "commits";
/// Feature shards.
pub(crate) const FEATURES: &str = "features";
/// Reject shards.
pub(crate) const REJECTS: &str = "rejects";
/// Thumbnail shards.
pub(crate) const THUMBS: &str = "thumbs";
/// 2-D maps.
pub(crate) const MAPS: &str = "maps";

/// Folders that only shards and commits write to.
pub(crate) const SHARD_FOLDERS: [&str; 4] = [COMMITS, FEATURES, REJECTS, THUMBS];
/// Folders of an atlas whose unreferenced files `gc` may remove.
pub(crate) const OWNED_FOLDERS: [&str; 9] =
    [COMMITS, FEATURES, REJECTS, THUMBS, MAPS, "index", "posters", "galleries", "report"];

/// The path of `file`, a relative name with `/` between plain parts.
///
/// Records are written by us, but an atlas may come from anywhere: a name never leads out of it.
pub(crate) fn resolve(root: &Path, file: &str) -> Result<PathBuf, StoreError> {
    let plain = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']) && !part.contains(':')
    };
    if !file.split('/').all(plain) {
        return Err(StoreError::BadName { name: file.to_owned() });
    }
    Ok(file.split('/').fold(root.to_owned(), |path, part| path.join(part)))
}

/// The path of a file that a stage may write: not the manifest, not a shard, not a temporary name.
pub(crate) fn resolve_output(root: &Path, file: &str) -> Result<PathBuf, StoreError> {
    let first = file.split('/').next().unwrap_or_default();
    let reserved = SHARD_FOLDERS.contains(&first)
        || [MANIFEST_FILE, RUN_FILE, LOCK_FILE].contains(&file)
        || file.split('/').any(|part| part.starts_with(crate::atomic::TEMP_PREFIX));
    if reserved {
        return Err(StoreError::BadName { name: file.to_owned() });
    }
    resolve(root, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_atlas_are_refused() {
        for name in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "C:x", "a\\..\\b", "a/"] {
            assert!(resolve(Path::new("atlas"), name).is_err(), "{name}");
        }
        assert_eq!(resolve(Path::new("atlas"), "a/b.c").unwrap(), Path::new("atlas/a/b.c"));
    }

    #[test]
    fn stages_cannot_write_over_the_table() {
        for name in ["atlas.json", "run.json", ".lock", "commits/00000001.json", "features/x", "a/.tmp-x"] {
            assert!(resolve_output(Path::new("atlas"), name).is_err(), "{name}");
        }
        assert!(resolve_output(Path::new("atlas"), "posters/grid.png").is_ok());
    }
}
