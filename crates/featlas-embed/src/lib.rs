//! Two-dimensional maps: PCA, t-SNE, grid assignment, map quality.
//!
//! - [`fit_pca`]: principal components, exact for small problems and by subspace iteration for large ones.
//! - [`tsne`]: t-SNE over given neighbors, started from given points, the same bytes for the same seed.
//! - [`assign_grid`]: every point into a cell of its own.
//! - [`map_quality`]: how much of the neighborhoods a map keeps.
//!
//! Not for: finding neighbors, reading features, drawing; it knows neither files nor colors.

mod error;
mod grid;
mod pca;
mod quality;
mod tsne;

pub use error::EmbedError;
pub use grid::{EXACT_GRID_CELLS, GridAssignment, GridShape, assign_grid, grid_shape};
pub use pca::{Pca, fit_pca};
pub use quality::{QUALITY_SAMPLE, Quality, map_quality};
pub use tsne::{DEFAULT_ITERATIONS, DEFAULT_PERPLEXITY, Tsne, TsneParams, neighbors_wanted, tsne};
