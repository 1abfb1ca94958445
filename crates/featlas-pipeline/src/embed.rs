//! The embed stage: PCA, t-SNE and grid maps of one space.

mod checkpoint;
mod last_map;
mod model;
mod space;

use crate::stage::{Stage, name};
use crate::{EmbedSettings, PipelineError, Space, StageSummary};
use checkpoint::Checkpoint;
use featlas_core::{ImageId, Progress};
use featlas_embed::{Checkpoints, GridShape, TsneParams};
use featlas_store::{Atlas, FileRecord};
use last_map::LastMap;
use serde_json::json;
use space::SpaceRows;

/// Components that PCA keeps: the first two are a map, and t-SNE starts from them.
pub(crate) const PCA_COMPONENTS: usize = 50;
/// Neighbors over which a map's quality is measured.
const QUALITY_K: usize = 10;
/// Shape of the grid, width to height.
const GRID_ASPECT: f64 = 1.0;

/// The maps of one space, by file stem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapNames {
    /// The first two principal components.
    pub(crate) pca: &'static str,
    /// t-SNE.
    pub(crate) tsne: &'static str,
    /// t-SNE in three dimensions, where it was asked for.
    pub(crate) tsne_3d: &'static str,
    /// Column and row of each image in the grid.
    pub(crate) grid: &'static str,
}

impl MapNames {
    /// The maps of `space`; the features' have the plain names.
    pub(crate) fn of(space: Space) -> Self {
        match space {
            Space::Fc7 => Self { pca: "pca", tsne: "tsne", tsne_3d: "tsne-3d", grid: "grid" },
            Space::Pixels => Self {
                pca: "pixels-pca",
                tsne: "pixels-tsne",
                tsne_3d: "pixels-tsne-3d",
                grid: "pixels-grid",
            },
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
/// Where the last map was made with the same settings and holds most of the images, new images are placed on it;
/// otherwise, or if `settings.fresh`, the map is made anew.
///
/// # Errors
/// An atlas without features, a damaged shard, a full disk, a cancelled `progress`.
pub fn embed(
    atlas: &mut Atlas,
    settings: &EmbedSettings,
    progress: &dyn Progress,
) -> Result<StageSummary, PipelineError> {
    if !(2..=3).contains(&settings.dims) {
        let problem = format!("must be 2 or 3, got {}", settings.dims);
        return Err(PipelineError::Setting { setting: "dims", problem });
    }
    let names = MapNames::of(settings.space);
    // Whether the map was to start anew says nothing about the map that came of it.
    let lasting = EmbedSettings { fresh: false, ..settings.clone() };
    let stage = Stage::of(atlas, stage_name(settings.space), &[], &lasting)?;
    let last = LastMap::read(atlas, names.tsne, &lasting)?;
    let wanted_anew = settings.fresh && last.as_ref().is_some_and(|last| !last.is_fresh());
    if stage.is_fresh(atlas) && !wanted_anew {
        return Ok(StageSummary::fresh(stage_name(settings.space)));
    }
    let _lock = atlas.lock()?;
    let space = SpaceRows::load(atlas, settings.space, PCA_COMPONENTS, progress)?;
    let n = space.ids.len();
    let neighbors = space.neighbors(featlas_embed::neighbors_wanted(settings.perplexity, n), progress)?;
    let last = last.filter(|_| !settings.fresh).map(|last| last.places_of(&space.ids));
    let source = Source { neighbors: &neighbors, space: &space, settings };
    let plane = match last.flatten() {
        Some(places) => source.place(&places, progress)?,
        None => source.anew(atlas, &stage, names.tsne, progress)?,
    };
    if n > 1 && space.pca.num_components() == 0 {
        progress
            .warn(&format!("all {n} images have the same features: their places on the map mean nothing"));
    }
    for adjustment in &plane.adjustments {
        progress.warn(adjustment);
    }
    let in_space = if settings.dims == 3 { Some(source.in_space(progress)?) } else { None };
    let quality = space.quality(&plane.map, QUALITY_K)?;
    let kl = if plane.perplexity < neighbors.k() as f32 {
        Some(featlas_embed::divergence(&neighbors, &plane.map, plane.perplexity)?)
    } else {
        None
    };

    let shape = featlas_embed::grid_shape(n, GRID_ASPECT);
    let grid = featlas_embed::assign_grid(&plane.map, shape, progress)?;
    let cells = cell_coordinates(&grid.cell_of, shape);

    stage.begin(atlas)?;
    let figures = json!({
        "space": settings.space.name(),
        "perplexity": plane.perplexity,
        "iterations": settings.iterations,
        "seed": settings.seed,
        "pca_components": space.pca.num_components(),
        "pca_explained_variance_share": space.pca.explained_share(),
        "pca_residual": space.pca.residual(),
        "kl_divergence": kl,
        "kept_at_10": quality.kept_at_k,
        "trustworthiness": quality.trustworthiness,
        "placed": plane.placed,
        "mean_shift_of_width": plane.mean_shift,
        "grid_columns": shape.columns,
        "grid_rows": shape.rows,
        "grid_exact": grid.exact,
        "grid_cost": grid.cost,
        "grid_lower_bound": grid.lower_bound,
        "grid_mean_displacement": grid.mean_displacement,
    });
    let parameters = [
        ("parameters".to_owned(), figures.to_string()),
        (last_map::SETTINGS_KEY.to_owned(), last_map::settings_text(&lasting)?),
    ];
    let write = |map: &str, points: &[f32]| write(atlas, map, &space.ids, points, &parameters);
    let mut outputs = vec![
        write(names.pca, &space.first_scores(2))?,
        write(names.tsne, &plane.map)?,
        write(names.grid, &cells)?,
    ];
    if let Some(map) = &in_space {
        let rows: Vec<_> = space.ids.iter().copied().zip(map.as_chunks::<3>().0.iter().copied()).collect();
        outputs.push(featlas_store::write_map_3d(atlas, names.tsne_3d, &rows, &parameters)?);
    }
    outputs.push(model::write(atlas, names.pca, &space.pca)?);
    let secs = stage.finish(atlas, outputs)?;
    Checkpoint::remove(atlas, names.tsne);
    Ok(StageSummary::done(stage_name(settings.space), secs, n as u64, "images", figures))
}

/// What maps are made from.
struct Source<'a> {
    neighbors: &'a featlas_embed::NeighborTable,
    space: &'a SpaceRows,
    settings: &'a EmbedSettings,
}

/// A map of the plane, made anew or from the last one.
struct Plane {
    map: Vec<f32>,
    perplexity: f32,
    adjustments: Vec<String>,
    placed: Option<usize>,
    mean_shift: Option<f64>,
}

impl Source<'_> {
    fn params(&self, dims: usize) -> TsneParams {
        let EmbedSettings { perplexity, iterations, exaggeration, late_exaggeration, seed, .. } =
            *self.settings;
        TsneParams { perplexity, iterations, exaggeration, late_exaggeration, dims, seed }
    }

    fn anew(
        &self,
        atlas: &Atlas,
        stage: &Stage,
        map: &str,
        progress: &dyn Progress,
    ) -> Result<Plane, PipelineError> {
        let mut checkpoint = Checkpoint::of(atlas, stage, map);
        let resume = checkpoint.load();
        if let Some(state) = &resume {
            progress.warn(&format!("going on with t-SNE from iteration {}", state.iteration()));
        }
        let mut keep = |state| checkpoint.keep(&state, progress);
        let checkpoints = Checkpoints { resume, keep: &mut keep };
        let start = self.space.first_scores(2);
        let made = featlas_embed::tsne(self.neighbors, &start, &self.params(2), checkpoints, progress)?;
        let featlas_embed::Tsne { map, perplexity, adjustments } = made;
        Ok(Plane { map, perplexity, adjustments, placed: None, mean_shift: None })
    }

    fn place(&self, places: &[Option<[f32; 2]>], progress: &dyn Progress) -> Result<Plane, PipelineError> {
        let placed = featlas_embed::place(self.neighbors, places, &self.params(2), progress)?;
        Ok(Plane {
            map: placed.map,
            perplexity: placed.perplexity,
            adjustments: placed.adjustments,
            placed: Some(placed.new_points),
            mean_shift: Some(placed.mean_shift),
        })
    }

    fn in_space(&self, progress: &dyn Progress) -> Result<Vec<f32>, PipelineError> {
        let checkpoints = Checkpoints { resume: None, keep: &mut |_| {} };
        let start = self.space.first_scores(3);
        Ok(featlas_embed::tsne(self.neighbors, &start, &self.params(3), checkpoints, progress)?.map)
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
    parameters: &[(String, String)],
) -> Result<FileRecord, PipelineError> {
    let rows: Vec<(ImageId, f32, f32)> =
        ids.iter().zip(points.chunks_exact(2)).map(|(&id, point)| (id, point[0], point[1])).collect();
    Ok(featlas_store::write_map(atlas, map, &rows, parameters)?)
}
