//! The fitted PCA as a file, so that new images project: safetensors, which `NumPy` and `PyTorch` read, too.

use crate::PipelineError;
use featlas_embed::Pca;
use featlas_store::{Atlas, FileRecord};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;

/// The file of the PCA behind the map `map`, relative to the atlas.
fn file(map: &str) -> String {
    format!("maps/{map}.safetensors")
}

/// Writes `mean` `(dim)`, `components` `(k, dim)` (all `f32`), `explained_variance` `(k)`, `explained_curve` `(k)` and
/// `total_variance` `(1)` (all `f64`).
pub(super) fn write(atlas: &Atlas, map: &str, pca: &Pca) -> Result<FileRecord, PipelineError> {
    let (k, dim) = (pca.num_components(), pca.mean().len());
    let floats = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let doubles = |values: &[f64]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let parts = [
        ("mean", Dtype::F32, vec![dim], floats(pca.mean())),
        ("components", Dtype::F32, vec![k, dim], floats(pca.components())),
        ("explained_variance", Dtype::F64, vec![k], doubles(pca.explained_variance())),
        ("explained_curve", Dtype::F64, vec![k], doubles(&pca.explained_curve())),
        ("total_variance", Dtype::F64, vec![1], doubles(&[pca.total_variance()])),
    ];
    let views = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)));
    let views: Result<Vec<_>, safetensors::SafeTensorError> = views.collect();
    let none: Option<HashMap<String, String>> = None;
    let bytes = views.and_then(|views| safetensors::serialize(views, none));
    let bytes = bytes.map_err(|err| PipelineError::Io(std::io::Error::other(err)))?;
    Ok(atlas.write_file(&file(map), &bytes)?)
}
