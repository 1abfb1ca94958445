//! The neighbors of all images of an atlas: as a table, for t-SNE, for groups of near-duplicates.

use crate::index::open_index;
use crate::stage::{Stage, name};
use crate::{PipelineError, StageSummary};
use featlas_core::{ImageId, Progress};
use featlas_index::{NeighborGraph, near_duplicates};
use featlas_store::{Atlas, ImageRecord, NeighborRow, read_neighbors, write_neighbor_rows, write_neighbors};
use serde_json::json;
use std::io::Write as _;
use std::path::Path;

/// Neighbors of each image in the table, unless told otherwise.
pub const DEFAULT_NEIGHBORS: usize = 15;
/// Neighbors of each image that are looked at for near-duplicates.
const DUPLICATE_NEIGHBORS: usize = 15;
/// The table, in the atlas.
const FILE: &str = "index/neighbors.parquet";

/// The `k` nearest other images of every image: from the table if it has so many, otherwise by the index. `k` is cut to
/// the other images there are.
///
/// # Errors
/// No index, a stale or damaged one, a cancelled `progress`.
pub fn neighbor_graph(
    atlas: &Atlas,
    k: usize,
    progress: &dyn Progress,
) -> Result<NeighborGraph, PipelineError> {
    if let Some(graph) = stored(atlas, k)? {
        return Ok(graph);
    }
    Ok(open_index(atlas)?.neighbors_of_all(k, progress)?)
}

/// Writes the `k` nearest other images of every image into the atlas, where later stages take them from; without `k`,
/// [`DEFAULT_NEIGHBORS`] or as many as there are.
///
/// # Errors
/// As [`neighbor_graph`]; more neighbors than other images; a full disk.
pub fn neighbors(
    atlas: &mut Atlas,
    k: Option<usize>,
    progress: &dyn Progress,
) -> Result<StageSummary, PipelineError> {
    let k = wanted(atlas, k)?;
    let stage = Stage::of(atlas, name::NEIGHBORS, &[name::INDEX], &json!({ "k": k }))?;
    if stage.is_fresh(atlas) {
        return Ok(StageSummary::fresh(name::NEIGHBORS));
    }
    let _lock = atlas.lock()?;
    let index = open_index(atlas)?;
    let graph = index.neighbors_of_all(k, progress)?;
    stage.begin(atlas)?;
    let params = [("parameters".to_owned(), json!({ "k": graph.k, "metric": index.metric() }).to_string())];
    let output = write_neighbors(atlas, FILE, rows(&graph), &params)?;
    let secs = stage.finish(atlas, vec![output])?;
    let figures = json!({ "k": graph.k, "file": FILE });
    Ok(StageSummary::done(name::NEIGHBORS, secs, graph.ids.len() as u64, "images", figures))
}

/// Writes the same table to a file outside of the atlas. Returns the number of images.
///
/// # Errors
/// As [`neighbors`]; a file that cannot be written.
pub fn write_neighbors_to(
    atlas: &Atlas,
    k: Option<usize>,
    path: &Path,
    progress: &dyn Progress,
) -> Result<usize, PipelineError> {
    let k = wanted(atlas, k)?;
    let graph = neighbor_graph(atlas, k, progress)?;
    let file = fs_err::File::create(path)?;
    let params = [("parameters".to_owned(), json!({ "k": graph.k }).to_string())];
    let mut file = write_neighbor_rows(atlas, file, path, rows(&graph), &params)?;
    file.flush()?;
    Ok(graph.ids.len())
}

/// The neighbors to find for each image: what was asked for must be there.
fn wanted(atlas: &Atlas, k: Option<usize>) -> Result<usize, PipelineError> {
    let others = usize::try_from(atlas.num_images()).unwrap_or(usize::MAX).saturating_sub(1);
    match k {
        Some(k) if k > others => Err(PipelineError::TooManyNeighbors { k, images: others }),
        k => Ok(k.unwrap_or(DEFAULT_NEIGHBORS)),
    }
}

fn rows(graph: &NeighborGraph) -> impl Iterator<Item = NeighborRow> + '_ {
    (0..graph.ids.len()).flat_map(move |at| {
        graph.of(at).zip(1..).map(move |((other, distance), rank)| NeighborRow {
            image_id: graph.ids[at],
            rank,
            neighbor_id: graph.ids[other],
            distance,
        })
    })
}

/// The stored table, if it belongs to the features as they are and has enough neighbors.
fn stored(atlas: &Atlas, k: usize) -> Result<Option<NeighborGraph>, PipelineError> {
    let Some(record) = atlas.manifest().stages.get(name::NEIGHBORS) else { return Ok(None) };
    let fresh = record.inputs == Stage::of(atlas, name::NEIGHBORS, &[name::INDEX], &())?.inputs();
    let has = record.params.get("k").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if !fresh || usize::try_from(has).is_ok_and(|has| has < k) {
        return Ok(None);
    }
    Ok(graph_of(&read_neighbors(atlas, FILE)?, k))
}

/// Puts a graph together again; nothing if the rows are not as they were written.
fn graph_of(rows: &[NeighborRow], k: usize) -> Option<NeighborGraph> {
    let mut ids: Vec<ImageId> = rows.iter().map(|row| row.image_id).collect();
    ids.dedup();
    let k = k.min(ids.len().saturating_sub(1));
    let mut graph = NeighborGraph { k, neighbors: Vec::new(), distances: Vec::new(), ids };
    for of_image in rows.chunk_by(|a, b| a.image_id == b.image_id) {
        for row in of_image.get(..k)? {
            graph.neighbors.push(u32::try_from(graph.ids.binary_search(&row.neighbor_id).ok()?).ok()?);
            graph.distances.push(row.distance);
        }
    }
    Some(graph)
}

/// A group of images that are nearly the same.
#[derive(Debug, Clone)]
pub struct DuplicateGroup {
    /// Its images, by id.
    pub images: Vec<ImageRecord>,
}

/// Groups of images within `limit` of each other, directly or through others of the group; the largest first.
///
/// # Errors
/// As [`neighbor_graph`].
pub fn duplicates(
    atlas: &Atlas,
    limit: f32,
    progress: &dyn Progress,
) -> Result<Vec<DuplicateGroup>, PipelineError> {
    let graph = neighbor_graph(atlas, DUPLICATE_NEIGHBORS, progress)?;
    let groups = near_duplicates(&graph, limit);
    let mut wanted: Vec<ImageId> = groups.iter().flatten().map(|&at| graph.ids[at]).collect();
    wanted.sort_unstable();
    let records = atlas.images_of(&wanted)?;
    let record = |at: &usize| {
        let id = graph.ids[*at];
        records.binary_search_by_key(&id, |record| record.image_id).ok().map(|at| records[at].clone())
    };
    Ok(groups
        .iter()
        .map(|group| DuplicateGroup { images: group.iter().filter_map(record).collect() })
        .collect())
}
