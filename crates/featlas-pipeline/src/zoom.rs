//! The zoomable map of the report: the grid as tiles of every scale, and what stands behind each cell.
//!
//! A stage of its own record, since the page is rewritten more often than the map changes; the report runs it.

use crate::PipelineError;
use crate::neighbors::neighbor_graph;
use crate::poster::{AtlasTiles, PosterData, TILE_QUALITY};
use crate::stage::{Stage, name};
use featlas_core::{ImageId, Progress};
use featlas_embed::GridShape;
use featlas_extract::THUMBNAIL_SIDE_PX;
use featlas_render::{GridPoster, MapCell, ZoomMap, grid_picture, write_pyramid};
use featlas_store::{Atlas, FileRecord};
use serde_json::json;
use std::collections::BTreeMap;

/// For every image, the places and distances of its nearest others.
type Neighbors = Vec<Vec<(usize, f32)>>;

/// The files of the map, relative to the atlas, and to the page.
const FOLDER: &str = "report/map";
const FOLDER_OF_PAGE: &str = "map";
/// The script that describes the map, relative to the page.
pub(crate) const MAP_OF_PAGE: &str = "map/map.js";
/// Raised when the files mean something else to the viewer.
const VERSION: u32 = 1;
/// Neighbors that a click shows.
const NEIGHBORS: usize = 12;
/// Above this many images neighbors are left out: finding them all takes minutes each night.
const MOST_WITH_NEIGHBORS: usize = 200_000;
/// From this pitch on cells stand a little apart.
const GAPS_FROM_PX: u32 = 24;
const GAP_PX: u32 = 2;

/// Makes the map if the maps, the index or the size changed; `false` if there is none: no grid yet, or `zoom_px` is 0.
///
/// # Errors
/// A damaged map, index or thumbnail shard, a full disk, a cancelled `progress`.
pub(crate) fn zoom(atlas: &mut Atlas, zoom_px: u32, progress: &dyn Progress) -> Result<bool, PipelineError> {
    let params = json!({ "version": VERSION, "zoom-px": zoom_px });
    let stage = Stage::of(atlas, name::ZOOM, &[name::EMBED, name::INDEX], &params)?;
    if stage.is_fresh(atlas) {
        return Ok(true);
    }
    let wanted = zoom_px > 0 && atlas.manifest().stages.contains_key(name::EMBED);
    if !wanted && !atlas.manifest().stages.contains_key(name::ZOOM) {
        return Ok(false);
    }
    let _lock = atlas.lock()?;
    if !wanted {
        stage.begin(atlas)?;
        return Ok(false);
    }
    let data = match PosterData::open(atlas, crate::Space::Fc7) {
        Ok(data) => data,
        Err(PipelineError::Missing { .. } | PipelineError::Stale { .. }) => {
            stage.begin(atlas)?;
            return Ok(false);
        }
        Err(err) => return Err(err),
    };
    let neighbors = neighbors_of(atlas, &data, progress)?;
    stage.begin(atlas)?;
    let outputs = write_map(atlas, &data, neighbors.as_deref(), zoom_px, progress)?;
    stage.finish(atlas, outputs)?;
    Ok(true)
}

/// The nearest images of every image, as rows of the map with distances; `None` where there is no index to ask.
fn neighbors_of(
    atlas: &Atlas,
    data: &PosterData,
    progress: &dyn Progress,
) -> Result<Option<Neighbors>, PipelineError> {
    if data.len() > MOST_WITH_NEIGHBORS {
        let (images, most) = (data.len(), MOST_WITH_NEIGHBORS);
        progress.warn(&format!(
            "the report's map shows no neighbors: expected at most {most} images, got {images}; `featlas query` finds them"
        ));
        return Ok(None);
    }
    let graph = match neighbor_graph(atlas, NEIGHBORS, progress) {
        Ok(graph) => graph,
        Err(PipelineError::Missing { .. } | PipelineError::Stale { .. }) => return Ok(None),
        Err(err) => return Err(err),
    };
    let rows: BTreeMap<ImageId, usize> =
        data.records.iter().zip(0..).map(|(record, row)| (record.image_id, row)).collect();
    let mut neighbors = vec![Vec::new(); data.len()];
    for (at, id) in graph.ids.iter().enumerate() {
        if let Some(&row) = rows.get(id) {
            let known =
                graph.of(at).filter_map(|(other, distance)| Some((*rows.get(&graph.ids[other])?, distance)));
            neighbors[row] = known.take(NEIGHBORS).collect();
        }
    }
    Ok(Some(neighbors))
}

fn write_map(
    atlas: &Atlas,
    data: &PosterData,
    neighbors: Option<&[Vec<(usize, f32)>]>,
    zoom_px: u32,
    progress: &dyn Progress,
) -> Result<Vec<FileRecord>, PipelineError> {
    let (pitch_px, cell_px) = sizes(data.shape, zoom_px);
    let GridShape { columns, rows } = data.shape;
    let poster = GridPoster {
        columns,
        rows,
        cell_of: data.cell_of.clone(),
        tile_px: cell_px,
        gap_px: pitch_px - cell_px,
        margin_px: Some(0),
        ..GridPoster::default()
    };
    let tiles = AtlasTiles::thumbnails(data);
    let picture = grid_picture(&poster, &tiles)?;
    let mut outputs = Vec::new();
    let pyramid = write_pyramid::<PipelineError>(&picture, TILE_QUALITY, progress, &mut |tile, jpeg| {
        outputs.push(atlas.write_file(&format!("{FOLDER}/tiles/{}", tile.file()), jpeg)?);
        Ok(())
    })?;
    let mut cells: Vec<Option<MapCell>> = vec![None; data.shape.cells()];
    for (row, (record, &cell)) in data.records.iter().zip(&data.cell_of).enumerate() {
        let found = neighbors.map_or(&[][..], |all| &all[row]);
        cells[cell] = Some(MapCell {
            path: record.display_path.clone(),
            label: record.label.clone(),
            neighbors: found.iter().map(|&(other, distance)| (data.cell_of[other], distance)).collect(),
        });
    }
    let known = neighbors.map_or(0, |_| NEIGHBORS);
    let map = ZoomMap { pyramid, columns, rows, pitch_px, cell_px, neighbors: known };
    for (file, script) in map.cell_files(&cells) {
        outputs.push(atlas.write_file(&format!("{FOLDER}/{file}"), script.as_bytes())?);
    }
    // Last: what it describes is there.
    let description = map.description(FOLDER_OF_PAGE);
    outputs.push(atlas.write_file(&format!("report/{MAP_OF_PAGE}"), description.as_bytes())?);
    Ok(outputs)
}

/// From one cell to the next, and the side of a cell: thumbnails at their full size, smaller where the map would
/// be larger than `zoom_px`.
fn sizes(shape: GridShape, zoom_px: u32) -> (u32, u32) {
    let cells = u32::try_from(shape.columns.max(shape.rows)).unwrap_or(u32::MAX);
    let pitch_px = (zoom_px / cells).clamp(1, THUMBNAIL_SIDE_PX + GAP_PX);
    let gap_px = if pitch_px >= GAPS_FROM_PX { GAP_PX } else { 0 };
    (pitch_px, pitch_px - gap_px)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_as_large_as_thumbnails_or_as_the_map_allows() {
        let sizes = |side, zoom_px| sizes(GridShape { columns: side, rows: 1 }, zoom_px);
        assert_eq!(sizes(3, 16_384), (130, 128));
        assert_eq!(sizes(224, 16_384), (73, 71));
        assert_eq!(sizes(1_000, 16_384), (16, 16));
        assert_eq!(sizes(60_000, 16_384), (1, 1));
    }
}
