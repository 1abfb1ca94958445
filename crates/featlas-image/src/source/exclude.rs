//! Patterns for what is left out of a source.

use super::path::split_name;
use crate::error::SourceError;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Compiled `exclude` globs.
#[derive(Debug)]
pub(super) struct Excludes(GlobSet);

impl Excludes {
    pub(super) fn new(patterns: &[String]) -> Result<Self, SourceError> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let err = |source| SourceError::Pattern { pattern: pattern.clone(), source };
            let trimmed = pattern.trim_start_matches("./").trim_end_matches('/');
            // As people know it from .gitignore: a bare name is meant at any depth.
            let glob = if trimmed.contains('/') {
                trimmed.trim_start_matches('/').to_owned()
            } else {
                format!("**/{trimmed}")
            };
            let glob = GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build();
            set.add(glob.map_err(err)?);
        }
        let err = |source| SourceError::Pattern { pattern: patterns.join(", "), source };
        Ok(Self(set.build().map_err(err)?))
    }

    /// Whether the path or a folder above it is left out.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        let mut rest = path;
        while !self.0.is_empty() && !rest.is_empty() {
            if self.matches_itself(rest) {
                return true;
            }
            rest = split_name(rest).0;
        }
        false
    }

    /// Whether the path is left out, folders above apart.
    pub(super) fn matches_itself(&self, path: &[u8]) -> bool {
        self.0.is_match(Path::new(OsStr::from_bytes(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_match_at_any_depth_and_paths_from_the_root() {
        let excludes = Excludes::new(&["*.txt".into(), "raw/".into(), "a/*/c".into()]).unwrap();
        for (path, out) in [
            ("x.txt", true),
            ("p/q/x.txt", true),
            ("raw/x.jpg", true),
            ("p/raw/q/x.jpg", true),
            ("raws/x.jpg", false),
            ("a/b/c/x.jpg", true),
            ("a/b/b/c", false),
            ("p/a/b/c", false),
        ] {
            assert_eq!(excludes.matches(path.as_bytes()), out, "{path}");
        }
    }

    #[test]
    fn invalid_pattern_is_named() {
        let err = Excludes::new(&["a[".into()]).unwrap_err();
        assert_eq!(err.to_string(), "invalid pattern `a[`");
    }
}
