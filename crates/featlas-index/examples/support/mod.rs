//! Joins PCA and index, as the pipeline does.

use featlas_core::{RowsView, Silent};
use featlas_index::{Basis, RowsWriter};
use std::error::Error;

/// Directions that are fitted, as by the pipeline.
const MAX_RANK: usize = 256;

/// Fits the directions of compact vectors to the sample of `rows`.
pub(crate) fn fit_basis(rows: &RowsWriter) -> Result<Basis, Box<dyn Error>> {
    let sample = RowsView::new(rows.sample(), rows.dim())?;
    if rows.dim() <= MAX_RANK / 2 {
        return Ok(Basis::of_components(sample));
    }
    let pca = featlas_embed::fit_pca(sample, MAX_RANK, &Silent)?;
    let (mean, axes) = (pca.mean().to_vec(), pca.components().to_vec());
    Ok(Basis::new(mean, axes, pca.explained_variance().to_vec())?)
}
