//! What every poster is drawn from.

use crate::embed::{self, MapNames};
use crate::stage::Stage;
use crate::{PipelineError, Space};
use featlas_core::{ImageId, Progress};
use featlas_embed::GridShape;
use featlas_store::{Atlas, ImageRecord};
use std::collections::BTreeMap;

const EMBED_COMMAND: &str = "featlas embed ATLAS";

/// One space's map and grid, with the images on it; all by row of the map.
///
/// Memory: the compressed thumbnails, about 4 KB an image.
#[derive(Debug)]
pub(crate) struct PosterData {
    pub(crate) space: Space,
    pub(crate) records: Vec<ImageRecord>,
    pub(crate) thumbnails: Vec<Option<Vec<u8>>>,
    /// `(n, 2)`, row-major.
    pub(crate) map: Vec<f32>,
    /// The atlas's own grid.
    pub(crate) shape: GridShape,
    /// The row-major cell of each image in it.
    pub(crate) cell_of: Vec<usize>,
    /// What is shown, in a line.
    pub(crate) caption: String,
}

impl PosterData {
    /// Reads the maps of `space`, which must not be older than the features.
    pub(crate) fn open(atlas: &Atlas, space: Space) -> Result<Self, PipelineError> {
        let root = || atlas.root().to_owned();
        let command = match space {
            Space::Fc7 => EMBED_COMMAND,
            Space::Pixels => "featlas embed ATLAS --space pixels",
        };
        let stage = embed::stage_name(space);
        let Some(record) = atlas.manifest().stages.get(stage) else {
            return Err(PipelineError::Missing { what: "map", command, atlas: root() });
        };
        if record.inputs != Stage::of(atlas, stage, &[], &())?.inputs() {
            return Err(PipelineError::Stale { what: "map", command, atlas: root() });
        }
        let names = MapNames::of(space);
        let tsne = featlas_store::read_map(atlas, names.tsne)?.points;
        let grid = featlas_store::read_map(atlas, names.grid)?.points;
        let rows: BTreeMap<ImageId, usize> = tsne.iter().map(|&(id, ..)| id).zip(0..).collect();

        let mut records: Vec<Option<ImageRecord>> = vec![None; rows.len()];
        for record in atlas.images()? {
            if let Some(&row) = rows.get(&record.image_id) {
                records[row] = Some(record);
            }
        }
        // The map is as new as the features, so each of its images has a row.
        let stale = || PipelineError::Stale { what: "map", command, atlas: root() };
        let records: Vec<ImageRecord> = records.into_iter().collect::<Option<_>>().ok_or_else(stale)?;
        let mut thumbnails = vec![None; rows.len()];
        atlas.thumbnails(None, |id, jpeg| {
            if let Some(&row) = rows.get(&id) {
                thumbnails[row] = Some(jpeg.to_vec());
            }
            Ok::<(), PipelineError>(())
        })?;

        let (shape, cell_of) = grid_of_map(&grid, &rows).ok_or_else(stale)?;
        let model = atlas.manifest().fingerprint.get("model").unwrap_or_default();
        let what = match space {
            Space::Fc7 => format!("{model} {}", atlas.manifest().schema.feature_column),
            Space::Pixels => "pixels".to_owned(),
        };
        let caption = format!("{} images, {what}, t-SNE", featlas_render::grouped(rows.len() as u64));
        let map = tsne.into_iter().flat_map(|(_, x, y)| [x, y]).collect();
        Ok(Self { space, records, thumbnails, map, shape, cell_of, caption })
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The label of each image.
    pub(crate) fn labels(&self) -> Vec<Option<String>> {
        self.records.iter().map(|record| record.label.clone()).collect()
    }

    /// The grid of the shape that is asked for: the atlas's own where it has that shape, made now where not.
    pub(crate) fn grid(
        &self,
        shape: GridShape,
        progress: &dyn Progress,
    ) -> Result<Vec<usize>, PipelineError> {
        if shape == self.shape {
            return Ok(self.cell_of.clone());
        }
        Ok(featlas_embed::assign_grid(&self.map, shape, progress)?.cell_of)
    }
}

/// The grid that a map of columns and rows describes; `None` if it is not that of these images.
fn grid_of_map(
    grid: &[(ImageId, f32, f32)],
    rows: &BTreeMap<ImageId, usize>,
) -> Option<(GridShape, Vec<usize>)> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cells are small whole numbers"
    )]
    let cell = |&(_, x, y): &(ImageId, f32, f32)| (x as usize, y as usize);
    let columns = grid.iter().map(|point| cell(point).0 + 1).max().unwrap_or(1);
    let height = grid.iter().map(|point| cell(point).1 + 1).max().unwrap_or(1);
    let shape = GridShape { columns, rows: height };
    let mut cell_of = vec![None; rows.len()];
    for point in grid {
        let (x, y) = cell(point);
        cell_of[*rows.get(&point.0)?] = Some(y * columns + x);
    }
    Some((shape, cell_of.into_iter().collect::<Option<_>>()?))
}
