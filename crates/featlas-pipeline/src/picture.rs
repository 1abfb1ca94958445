//! Pictures in files of the user's own, outside the atlas.

use crate::PipelineError;
use featlas_core::RgbImage;
use featlas_image::encode_png;
use std::path::{Path, PathBuf};

/// The name under which a file is written before it is whole.
pub(crate) fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Writes `picture` as a PNG; the file is whole or not there.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_picture(picture: &RgbImage, path: &Path) -> Result<(), PipelineError> {
    write_bytes(&encode_png(picture)?, path)
}

/// Writes a file that is whole or not there.
pub(crate) fn write_bytes(bytes: &[u8], path: &Path) -> Result<(), PipelineError> {
    let partial = partial_of(path);
    fs_err::write(&partial, bytes)?;
    fs_err::rename(&partial, path)?;
    Ok(())
}
