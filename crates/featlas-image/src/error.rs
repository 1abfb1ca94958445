//! What can be wrong with a whole source.

use std::io;
use std::path::PathBuf;

/// A source that cannot be listed. A single bad image is a [`Reject`](crate::Reject) instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The location, or a file that belongs to it, cannot be opened or read.
    #[error("cannot read the source `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The location is none of the things that hold images.
    #[error(
        "expected a folder, a list (.csv, .tsv, .txt), a tar file or an idx file, got {found}: `{}`",
        path.display()
    )]
    UnknownKind {
        /// What it is instead, and what to do.
        found: String,
        /// The location.
        path: PathBuf,
    },
    /// A pattern for tar shards that fits no file.
    #[error("no tar file matches `{}`", path.display())]
    NoShards {
        /// The pattern.
        path: PathBuf,
    },
    /// A folder below the source cannot be listed, so images could be missed.
    #[error("cannot list a folder of the source (fix its permissions or exclude it): `{}`", path.display())]
    ReadFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An `exclude` pattern, or one for tar shards, that is no glob.
    #[error("invalid pattern `{pattern}`")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        #[source]
        source: globset::Error,
    },
    /// A list without the column that was asked for.
    #[error("no column `{column}` in the list; its columns are {}: `{}`", ticked(present), path.display())]
    MissingColumn {
        /// The column that was asked for.
        column: String,
        /// The columns there.
        present: Vec<String>,
        /// The list.
        path: PathBuf,
    },
    /// A list that is no CSV.
    #[error("cannot parse the list `{}`", path.display())]
    ParseList {
        /// The list.
        path: PathBuf,
        /// Why.
        #[source]
        source: csv::Error,
    },
    /// A row of a list that names no image.
    #[error("row at line {line} has no path: `{}`", path.display())]
    EmptyPath {
        /// Line number, from 1.
        line: u64,
        /// The list.
        path: PathBuf,
    },
    /// An image named twice in one list.
    #[error(
        "image `{image}` is listed twice, at lines {first} and {second}; remove one: `{}`",
        path.display()
    )]
    ListedTwice {
        /// The image.
        image: String,
        /// Line of the first mention, from 1.
        first: u64,
        /// Line of the second mention, from 1.
        second: u64,
        /// The list.
        path: PathBuf,
    },
    /// A tar file with two members of one name.
    #[error("member `{member}` occurs twice, so its name does not tell which is meant: `{}`", path.display())]
    MemberTwice {
        /// The member.
        member: String,
        /// The tar file.
        path: PathBuf,
    },
    /// A tar file that ends too early.
    #[error("tar file is truncated ({detail}); copy it again: `{}`", path.display())]
    TruncatedTar {
        /// Where it ends.
        detail: String,
        /// The tar file.
        path: PathBuf,
    },
    /// A tar file that cannot be followed to its end.
    #[error("cannot parse the tar file `{}`", path.display())]
    ParseTar {
        /// The tar file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the source changed between opening and listing it.
    #[error("the source changed while it was read; run again: `{}`", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// An idx file that is not one of `u8` images, or whose length contradicts its header.
    #[error("expected {expected}, got {got}: `{}`", path.display())]
    Idx {
        /// What an idx file has here.
        expected: String,
        /// What this one has.
        got: String,
        /// The idx file.
        path: PathBuf,
    },
    /// The user asked to stop.
    #[error("interrupted while listing images")]
    Cancelled,
}

const _: () = assert!(size_of::<SourceError>() <= 96);

fn ticked(names: &[String]) -> String {
    if names.is_empty() {
        return "none at all".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_column_lists_those_there() {
        let err = SourceError::MissingColumn {
            column: "path".into(),
            present: vec!["file".into(), "class".into()],
            path: "a/list.csv".into(),
        };
        assert_eq!(
            err.to_string(),
            "no column `path` in the list; its columns are `file`, `class`: `a/list.csv`"
        );
    }
}
