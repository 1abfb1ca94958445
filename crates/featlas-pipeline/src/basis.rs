//! Joins PCA and index: the directions that compact vectors follow.

use crate::PipelineError;
use featlas_core::{Progress, RowsView};
use featlas_index::Basis;

/// Directions that are fitted; the index keeps as many of them as its recall needs.
const MAX_RANK: usize = 256;
/// Rows so short need no PCA: their components are the directions.
const SHORT: usize = 128;

/// Fits the directions of compact vectors to `sample`, rows of `dim` values.
///
/// # Errors
/// Rows that are not finite.
pub fn fit_basis(sample: &[f32], dim: usize, progress: &dyn Progress) -> Result<Basis, PipelineError> {
    let rows = RowsView::new(sample, dim)?;
    if dim <= SHORT || rows.len() < 2 {
        return Ok(Basis::of_components(rows));
    }
    let pca = featlas_embed::fit_pca(rows, MAX_RANK, progress)?;
    let (mean, axes) = (pca.mean().to_vec(), pca.components().to_vec());
    Ok(Basis::new(mean, axes, pca.explained_variance().to_vec())?)
}
