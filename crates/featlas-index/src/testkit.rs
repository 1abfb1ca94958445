//! Seeded data for the tests.

use crate::{Basis, Index, IndexParams, Metric, RowsWriter, Vectors, build};
use featlas_core::{Digest, ImageId, RowsView, Silent, l2_norm};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

/// Sum of uniform numbers: near enough to a normal deviate, mean 0, variance 1.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

/// `n` unit rows with no structure.
#[expect(clippy::cast_possible_truncation, reason = "rounded to f32 on purpose")]
pub(crate) fn unit_rows(n: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values: Vec<f32> = (0..n * dim).map(|_| normal(&mut rng) + 1e-3).collect();
    for row in values.chunks_exact_mut(dim) {
        let norm = l2_norm(row);
        for value in row {
            *value /= norm as f32;
        }
    }
    values
}

/// `n` rows that look like features after a rectifier: groups around sparse centers, no negative value, none all zero.
pub(crate) fn clustered(n: usize, dim: usize, clusters: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centers: Vec<f32> = (0..clusters * dim).map(|_| normal(&mut rng) * 1.5 - 0.5).collect();
    let mut values = Vec::with_capacity(n * dim);
    for row in 0..n {
        let center = &centers[(row % clusters) * dim..][..dim];
        values.extend(center.iter().map(|c| (c + normal(&mut rng)).max(0.0)));
        values[row * dim] += 0.01;
    }
    values
}

/// Rows with ids that are neither dense nor in order.
pub(crate) fn vectors_of(values: Vec<f32>, dim: usize) -> Vectors {
    let n = (values.len() / dim) as u64;
    let ids = (0..n).map(|row| ImageId((row * 7919) % 10_000_019 + 5)).collect();
    let (vectors, zero) = Vectors::new(ids, values, dim).unwrap();
    assert!(zero.is_empty());
    vectors
}

/// An index over `values` in a folder of its own, with ids that are not dense, over the rows' own components.
pub(crate) fn index_of(values: &[f32], dim: usize, metric: Metric, params: &IndexParams) -> (TempDir, Index) {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = RowsWriter::create(folder.path(), "rows-0.bin", dim, metric).unwrap();
    for (row, id) in values.chunks_exact(dim).zip(0u64..) {
        rows.push(ImageId(3 * id + 5), row).unwrap();
    }
    let basis = basis_of(&rows);
    let index = build(folder.path(), rows, &basis, params, Digest([7; 32]), &Silent).unwrap();
    (folder, index)
}

/// The rows' own components as directions.
pub(crate) fn basis_of(rows: &RowsWriter) -> Basis {
    Basis::of_components(RowsView::new(rows.sample(), rows.dim()).unwrap())
}
