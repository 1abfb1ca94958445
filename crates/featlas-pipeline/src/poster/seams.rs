//! How far apart the neighbors on a grid really are.

use super::data::PosterData;
use crate::vectors::load_vectors;
use crate::{PipelineError, Space};
use featlas_core::{ImageId, Progress};
use featlas_embed::GridShape;
use featlas_render::{Seam, Seams};
use featlas_store::Atlas;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The distance between every two images side by side on a grid, in the space of its map: cosine distance of
/// features, Euclidean distance of gray levels.
///
/// Memory: the vectors of the space, `4 * dim` bytes an image.
pub(crate) fn seams_of(
    atlas: &Atlas,
    data: &PosterData,
    shape: GridShape,
    cell_of: &[usize],
    progress: &dyn Progress,
) -> Result<Seams, PipelineError> {
    let vectors = load_vectors(atlas, data.space, progress)?;
    let rows: BTreeMap<ImageId, usize> = vectors.ids.iter().copied().zip(0..).collect();
    let mut image_in = vec![None; shape.cells()];
    for (record, &cell) in data.records.iter().zip(cell_of) {
        image_in[cell] = rows.get(&record.image_id).copied();
    }
    let pairs: Vec<(usize, bool, usize, usize)> = (0..shape.cells())
        .flat_map(|cell| [(cell, false), (cell, true)])
        .filter_map(|(cell, below)| {
            let last =
                if below { cell / shape.columns + 1 == shape.rows } else { (cell + 1) % shape.columns == 0 };
            let other = if last { return None } else { cell + if below { shape.columns } else { 1 } };
            Some((cell, below, image_in[cell]?, image_in[other]?))
        })
        .collect();
    let vector = |row: usize| &vectors.values[row * vectors.dim..(row + 1) * vectors.dim];
    let distance = match data.space {
        Space::Fc7 => cosine,
        Space::Pixels => gray_levels,
    };
    let lines = pairs
        .into_par_iter()
        .map(|(cell, below, a, b)| Seam { cell, below, distance: distance(vector(a), vector(b)) })
        .collect();
    let caption = match data.space {
        Space::Fc7 => format!("{} distance between neighbors", atlas.manifest().schema.feature_column),
        Space::Pixels => "distance between neighbors in gray levels".to_owned(),
    };
    Ok(Seams { lines, caption })
}

/// Cosine distance in `[0, 2]`; an all-zero feature has no direction and lies at 1 from everything.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let (mut dot, mut aa, mut bb) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    let norms = (aa * bb).sqrt();
    let distance = if norms > 0.0 { 1.0 - dot / norms } else { 1.0 };
    #[expect(clippy::cast_possible_truncation, reason = "rounded to f32 on purpose")]
    let distance = distance.max(0.0) as f32;
    distance
}

/// Euclidean distance of pixels, which are kept in `[0, 1]`, in gray levels.
fn gray_levels(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt() * 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_queries() {
        assert!(cosine(&[1.0, 0.0], &[2.0, 0.0]).abs() < 1e-7);
        assert!((cosine(&[1.0, 0.0], &[0.0, 3.0]) - 1.0).abs() < 1e-7);
        assert!((cosine(&[1.0, 0.0], &[-1.0, 0.0]) - 2.0).abs() < 1e-7);
        assert!((cosine(&[0.0, 0.0], &[1.0, 0.0]) - 1.0).abs() < 1e-7);
        assert!((gray_levels(&[0.0, 1.0], &[0.0, 0.0]) - 255.0).abs() < 1e-4);
    }
}
