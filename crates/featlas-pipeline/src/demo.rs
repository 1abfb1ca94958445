//! The demo's images, drawn into a folder.

use crate::PipelineError;
use featlas_core::{Progress, Stage};
use featlas_image::encode_jpeg;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Images a class of the demo.
pub const DEFAULT_DEMO_IMAGES_PER_CLASS: u64 = featlas_scenes::DEFAULT_IMAGES_PER_CLASS;
const DEMO_QUALITY: u8 = 90;

/// What to draw.
#[derive(Debug, Clone)]
pub struct DemoSettings {
    /// Folder of the images: a folder a class in it.
    pub images: PathBuf,
    /// Seed.
    pub seed: u64,
    /// Images a class.
    pub per_class: u64,
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Images in the folder.
    pub images: u64,
    /// Classes.
    pub classes: usize,
    /// Images that were there already.
    pub kept: u64,
}

/// Draws the demo's images; those that are there stay as they are, so a second demo does no work.
///
/// # Errors
/// A folder that cannot be written, or a cancelled `progress`.
pub fn draw_demo(settings: &DemoSettings, progress: &dyn Progress) -> Result<Drawn, PipelineError> {
    let classes = featlas_scenes::classes();
    let mut jobs = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        let folder = settings.images.join(name);
        fs_err::create_dir_all(&folder)?;
        for index in 0..settings.per_class {
            // The seed stands in the name, so that another seed's images are other files.
            jobs.push((class, index, folder.join(format!("{name}-{}-{index:03}.jpg", settings.seed))));
        }
    }
    let total = jobs.len() as u64;
    jobs.retain(|(_, _, path)| !path.is_file());
    let kept = total - jobs.len() as u64;
    progress.begin(Stage::Draw, Some(jobs.len() as u64));
    let outcome = jobs.par_iter().try_for_each(|(class, index, path)| {
        if progress.is_cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let image = featlas_scenes::draw(*class, *index, settings.seed);
        write_whole(path, &encode_jpeg(&image, DEMO_QUALITY)?)?;
        progress.advance(Stage::Draw, 1);
        Ok(())
    });
    progress.end(Stage::Draw);
    outcome?;
    Ok(Drawn { images: total, classes: classes.len(), kept })
}

/// Writes a file so that an interrupted demo leaves no half image.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PipelineError> {
    let partial = path.with_extension("partial");
    fs_err::write(&partial, bytes)?;
    fs_err::rename(&partial, path)?;
    Ok(())
}
