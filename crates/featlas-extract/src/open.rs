//! Opening the sources that a user names.

use crate::ExtractError;
use featlas_image::{ImagePath, ListRow, Source, SourceOptions};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A source as the user names it: a folder, a list, a tar shard or an idx file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// Where it is.
    pub location: PathBuf,
}

/// Opens every source; lists in Parquet are read through the store, all others by the image crate.
///
/// # Errors
/// A source that is missing, unreadable, or lacks a column that was asked for.
pub fn open_sources(specs: &[SourceSpec], options: &SourceOptions) -> Result<Vec<Source>, ExtractError> {
    specs.iter().map(|spec| open_source(&spec.location, options)).collect()
}

fn open_source(location: &Path, options: &SourceOptions) -> Result<Source, ExtractError> {
    if location.extension() != Some(OsStr::new("parquet")) {
        return Ok(Source::open(location, options)?);
    }
    let label = options.label_column.as_deref();
    let rows = featlas_store::read_path_list(location, &options.path_column, label)?
        .into_iter()
        .map(|(path, label)| ListRow { path: ImagePath::from_bytes(path).as_path().to_owned(), label })
        .collect();
    // Paths in a list are relative to the list's folder, as in every other kind of list.
    let folder = location.parent().unwrap_or(Path::new(""));
    Ok(Source::from_list(rows, folder, options)?)
}
