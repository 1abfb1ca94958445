//! Posters as files: in the atlas, or of the user's own.

use crate::picture::partial_of;
use crate::{PipelineError, PosterFormat};
use featlas_core::Progress;
use featlas_render::{Picture, write_jpeg, write_png, write_pyramid};
use featlas_store::{Atlas, FileRecord};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// libjpeg's quality: nothing of it is seen on paper.
const JPEG_QUALITY: u8 = 90;
/// The same for the tiles of zoomable posters, of which there are many.
pub(crate) const TILE_QUALITY: u8 = 85;

impl PosterFormat {
    /// The format that a file's name asks for.
    ///
    /// # Errors
    /// A name that ends otherwise.
    pub fn of_file(path: &Path) -> Result<Self, PipelineError> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("png") => Ok(Self::Png),
            Some("jpg" | "jpeg") => Ok(Self::Jpeg),
            Some("dzi") => Ok(Self::Dzi),
            _ => Err(PipelineError::Setting {
                setting: "out",
                problem: format!("expected a name that ends in .png, .jpg or .dzi, got `{}`", path.display()),
            }),
        }
    }

    /// What a file's name ends in.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Dzi => "dzi",
        }
    }
}

fn write_flat(
    picture: &dyn Picture,
    format: PosterFormat,
    progress: &dyn Progress,
    out: &mut dyn Write,
) -> Result<(), PipelineError> {
    match format {
        PosterFormat::Jpeg => write_jpeg(picture, JPEG_QUALITY, progress, out)?,
        _ => write_png(picture, progress, out)?,
    }
    Ok(())
}

/// Writes `picture` as `STEM.EXT` into the atlas; a pyramid's tiles go to `STEM_files/`.
pub(super) fn write_into_atlas(
    atlas: &Atlas,
    picture: &dyn Picture,
    format: PosterFormat,
    stem: &str,
    progress: &dyn Progress,
) -> Result<Vec<FileRecord>, PipelineError> {
    let file = format!("{stem}.{}", format.extension());
    if format == PosterFormat::Dzi {
        let mut records = Vec::new();
        let pyramid = write_pyramid::<PipelineError>(picture, TILE_QUALITY, progress, &mut |tile, jpeg| {
            records.push(atlas.write_file(&format!("{stem}_files/{}", tile.file()), jpeg)?);
            Ok(())
        })?;
        records.insert(0, atlas.write_file(&file, pyramid.dzi().as_bytes())?);
        return Ok(records);
    }
    let mut out = atlas.create_file(&file)?;
    write_flat(picture, format, progress, &mut out)?;
    Ok(vec![out.commit()?])
}

/// Writes `picture` to a file of the user's own, which is whole or not there.
pub(super) fn write_to_file(
    picture: &dyn Picture,
    format: PosterFormat,
    path: &Path,
    progress: &dyn Progress,
) -> Result<(), PipelineError> {
    if format == PosterFormat::Dzi {
        return write_dzi(picture, path, progress);
    }
    let partial = partial_of(path);
    let mut out = BufWriter::new(fs_err::File::create(&partial)?);
    let written = write_flat(picture, format, progress, &mut out).and_then(|()| Ok(out.flush()?));
    drop(out);
    if let Err(err) = written {
        drop(fs_err::remove_file(&partial));
        return Err(err);
    }
    Ok(fs_err::rename(&partial, path)?)
}

/// The tiles first, in a folder of another name, then the description: a viewer never sees half of them.
fn write_dzi(picture: &dyn Picture, path: &Path, progress: &dyn Progress) -> Result<(), PipelineError> {
    let folder = tiles_of(path);
    if folder.exists() && !path.exists() {
        return Err(PipelineError::Setting {
            setting: "out",
            problem: format!("is in the way of a folder that is not its own: `{}`", folder.display()),
        });
    }
    let partial = partial_of(&folder);
    if partial.exists() {
        fs_err::remove_dir_all(&partial)?;
    }
    fs_err::create_dir_all(&partial)?;
    let written = write_pyramid::<PipelineError>(picture, TILE_QUALITY, progress, &mut |tile, jpeg| {
        let file = partial.join(tile.file());
        if tile.column == 0 && tile.row == 0 {
            fs_err::create_dir_all(partial.join(tile.level.to_string()))?;
        }
        Ok(fs_err::write(file, jpeg)?)
    });
    let pyramid = match written {
        Ok(pyramid) => pyramid,
        Err(err) => {
            drop(fs_err::remove_dir_all(&partial));
            return Err(err);
        }
    };
    if folder.exists() {
        fs_err::remove_dir_all(&folder)?;
    }
    fs_err::rename(&partial, &folder)?;
    let description = partial_of(path);
    fs_err::write(&description, pyramid.dzi())?;
    Ok(fs_err::rename(&description, path)?)
}

/// The folder of a pyramid's tiles, as Deep Zoom names it.
fn tiles_of(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("_files");
    path.with_file_name(name)
}
