//! The embed stage: PCA, t-SNE and grid maps of one space.

use crate::stage::{Stage, name};
use crate::vectors::load_vectors;
use crate::{EmbedSettings, PipelineError, Space, StageSummary};
use featlas_core::{ImageId, Progress, RowsView};
use featlas_embed::{GridShape, Quality, TsneParams};
use featlas_index::Vectors;
use featlas_store::{Atlas, FileRecord};
use serde_json::json;

/// Components that PCA keeps: the first two are a map, and t-SNE starts from them.
const PCA_COMPONENTS: usize = 50;
/// Neighbors over which a map's quality is measured.
const QUALITY_K: usize = 10;
/// The greatest cosine distance.
const FARTHEST: f32 = 2.0;
/// Shape of the grid, width to height.
const GRID_ASPECT: f64 = 1.0;

/// The neighbors of every row, as rows with distances.
type Neighbors = Vec<Vec<(usize, f32)>>;

/// The maps of one space, by file stem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapNames {
    /// The first two principal components.
    pub(crate) pca: &'static str,
    /// t-SNE.
    pub(crate) tsne: &'static str,
    /// Column and row of each image in the grid.
    pub(crate) grid: &'static str,
}

impl MapNames {
    /// The maps of `space`; the features' have the plain names.
    pub(crate) fn of(space: Space) -> Self {
        match space {
            Space::Fc7 => Self { pca: "pca", tsne: "tsne", grid: "grid" },
            Space::Pixels => Self { pca: "pixels-pca", tsne: "pixels-tsne", grid: "pixels-grid" },
        }
    }
}

/// Name of the embed stage of `space`: each space has maps of its own.
pub(crate) fn stage_name(space: Space) -> &'static str {
    match space {
        Space::Fc7 => name::EMBED,
        Space::Pixels => "embed-pixels",
    }
}

/// Maps the images to two dimensions if the features or the settings changed.
///
/// # Errors
/// An atlas without features, a damaged shard, a full disk, a cancelled `progress`.
pub fn embed(
    atlas: &mut Atlas,
    settings: &EmbedSettings,
    progress: &dyn Progress,
) -> Result<StageSummary, PipelineError> {
    let stage = Stage::of(atlas, stage_name(settings.space), &[], settings)?;
    if stage.is_fresh(atlas) {
        return Ok(StageSummary::fresh(stage_name(settings.space)));
    }
    let _lock = atlas.lock()?;
    let loaded = load_vectors(atlas, settings.space, progress)?;
    let (ids, n) = (loaded.ids.clone(), loaded.ids.len());

    let rows = RowsView::new(&loaded.values, loaded.dim)?;
    let pca = featlas_embed::fit_pca(rows, PCA_COMPONENTS, progress)?;
    let scores = pca.project(rows);
    let components = pca.num_components();
    // Fewer than two components, as of a single image, leave the plane's other axes at zero.
    let score =
        |row: usize, axis: usize| if axis < components { scores[row * components + axis] } else { 0.0 };
    let first_two: Vec<f32> = (0..n).flat_map(|row| [score(row, 0), score(row, 1)]).collect();

    let wanted = featlas_embed::neighbors_wanted(settings.perplexity, n);
    let directions = Directions::new(&ids, loaded.values, loaded.dim)?;
    let neighbors = directions.neighbors_of_all(wanted, progress)?;
    let params = TsneParams {
        perplexity: settings.perplexity,
        iterations: settings.iterations,
        seed: settings.seed,
        ..TsneParams::default()
    };
    let tsne = featlas_embed::tsne(&neighbors, &first_two, &params, progress)?;
    for adjustment in &tsne.adjustments {
        progress.warn(adjustment);
    }
    let quality = directions.quality(&tsne.map)?;

    let shape = featlas_embed::grid_shape(n, GRID_ASPECT);
    let grid = featlas_embed::assign_grid(&tsne.map, shape, progress)?;
    let cells = cell_coordinates(&grid.cell_of, shape);

    stage.begin(atlas)?;
    let names = MapNames::of(settings.space);
    let figures = json!({
        "space": settings.space.name(),
        "perplexity": tsne.perplexity,
        "iterations": settings.iterations,
        "seed": settings.seed,
        "pca_components": components,
        "pca_explained_variance_share": pca.explained_share(),
        "kept_at_10": quality.kept_at_k,
        "trustworthiness": quality.trustworthiness,
        "grid_columns": shape.columns,
        "grid_rows": shape.rows,
        "grid_exact": grid.exact,
        "grid_mean_displacement": grid.mean_displacement,
    });
    let outputs = vec![
        write(atlas, names.pca, &ids, &first_two, &figures)?,
        write(atlas, names.tsne, &ids, &tsne.map, &figures)?,
        write(atlas, names.grid, &ids, &cells, &figures)?,
    ];
    let secs = stage.finish(atlas, outputs)?;
    Ok(StageSummary::done(stage_name(settings.space), secs, n as u64, "images", figures))
}

/// Unit rows of a space. An all-zero row has no direction and is left out; the map holds it all the same.
struct Directions {
    vectors: Vectors,
    /// The row of the space behind each unit row.
    rows: Vec<usize>,
    n: usize,
}

impl Directions {
    fn new(ids: &[ImageId], values: Vec<f32>, dim: usize) -> Result<Self, PipelineError> {
        let n = ids.len();
        let (vectors, zero) = Vectors::new(ids.to_vec(), values, dim)?;
        let rows = (0..n).filter(|&row| zero.binary_search(&ids[row]).is_err()).collect();
        Ok(Self { vectors, rows, n })
    }

    /// The `k` nearest rows of every row by cosine distance, itself left out. A row without direction, or with
    /// fewer than `k` others, is given the first other rows at the greatest distance.
    fn neighbors_of_all(&self, k: usize, progress: &dyn Progress) -> Result<Neighbors, PipelineError> {
        let found = featlas_index::neighbors_of_all(&self.vectors, k, progress)?;
        let mut neighbors: Neighbors = vec![Vec::new(); self.n];
        for (&row, found) in self.rows.iter().zip(found) {
            neighbors[row] =
                found.into_iter().map(|(other, distance)| (self.rows[other], distance)).collect();
        }
        for (row, list) in neighbors.iter_mut().enumerate() {
            let farthest = (0..self.n).filter(|&other| other != row).map(|other| (other, FARTHEST));
            pad(list, farthest, k);
        }
        Ok(neighbors)
    }

    fn quality(&self, map: &[f32]) -> Result<Quality, PipelineError> {
        let map: Vec<f32> = self.rows.iter().flat_map(|&row| [map[2 * row], map[2 * row + 1]]).collect();
        Ok(featlas_embed::map_quality(self.vectors.rows(), &map, QUALITY_K)?)
    }
}

/// Fills `found` up to `k` with rows of `filler` that it lacks.
fn pad(found: &mut Vec<(usize, f32)>, filler: impl Iterator<Item = (usize, f32)>, k: usize) {
    for (other, distance) in filler {
        if found.len() >= k {
            break;
        }
        if found.iter().all(|&(there, _)| there != other) {
            found.push((other, distance));
        }
    }
}

fn cell_coordinates(cell_of: &[usize], shape: GridShape) -> Vec<f32> {
    cell_of.iter().flat_map(|&cell| [(cell % shape.columns) as f32, (cell / shape.columns) as f32]).collect()
}

fn write(
    atlas: &Atlas,
    map: &str,
    ids: &[ImageId],
    points: &[f32],
    figures: &serde_json::Value,
) -> Result<FileRecord, PipelineError> {
    let rows: Vec<(ImageId, f32, f32)> =
        ids.iter().zip(points.chunks_exact(2)).map(|(&id, point)| (id, point[0], point[1])).collect();
    let parameters = [("parameters".to_owned(), figures.to_string())];
    Ok(featlas_store::write_map(atlas, map, &rows, &parameters)?)
}
