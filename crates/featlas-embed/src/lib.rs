//! Two-dimensional maps: PCA, t-SNE, new points on an old map, grid assignment, map quality.
//!
//! - [`fit_pca`], [`Covariance`]: principal components of rows in memory, or of rows that come block by block.
//! - [`exact_neighbors`]: the neighbors that a map is made from, by comparing all pairs.
//! - [`tsne`]: t-SNE over given neighbors, started from given points, the same bytes for the same seed.
//! - [`place`]: new points on an old map.
//! - [`assign_grid`]: every point into a cell of its own.
//! - [`map_quality`], [`divergence`]: how much of the neighborhoods a map keeps.
//!
//! Not for: reading features, drawing; it knows neither files nor colors.

mod affinity;
mod error;
mod grid;
mod lanes;
mod neighbors;
mod pca;
mod place;
mod quality;
mod tsne;

#[cfg(test)]
mod testkit;

pub use error::EmbedError;
pub use grid::{
    EXACT_GRID_CELLS, GridAssignment, GridShape, assign_grid, grid_of, grid_shape, nearest_points,
};
pub use neighbors::{NeighborTable, exact_neighbors};
pub use pca::{Covariance, Pca, fit_pca, fit_project};
pub use place::{Placed, place};
pub use quality::{QUALITY_SAMPLE, Quality, divergence, map_quality};
pub use tsne::{
    Checkpoints, DEFAULT_EXAGGERATION, DEFAULT_ITERATIONS, DEFAULT_PERPLEXITY, Tsne, TsneParams, TsneState,
    neighbors_wanted, tsne,
};
