//! The vectors of an atlas: features or raw pixels, by image id.

use crate::{PipelineError, Space};
use featlas_core::{ImageId, Progress};
use featlas_store::Atlas;

/// All vectors of one space, `(n, dim)` row-major, rows in the order of `ids`.
///
/// Memory: `4 * dim` bytes an image.
#[derive(Debug)]
pub(crate) struct SpaceVectors {
    pub(crate) ids: Vec<ImageId>,
    pub(crate) values: Vec<f32>,
    pub(crate) dim: usize,
}

/// Reads the vectors of `space`.
pub(crate) fn load_vectors(
    atlas: &Atlas,
    space: Space,
    progress: &dyn Progress,
) -> Result<SpaceVectors, PipelineError> {
    let vectors = match space {
        Space::Fc7 => {
            let table = atlas.features(progress)?;
            SpaceVectors { ids: table.ids, values: table.values, dim: table.dim }
        }
        Space::Pixels => {
            let (ids, bytes) = atlas.pixels()?;
            let values = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
            SpaceVectors { ids, values, dim: featlas_store::PIXELS_LEN }
        }
    };
    if vectors.ids.is_empty() {
        return Err(PipelineError::Empty { atlas: atlas.root().to_owned() });
    }
    Ok(vectors)
}
