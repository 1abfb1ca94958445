//! Our graph against that of another implementation, over the same rows, at the same width of search.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use anndists::dist::distances::DistL2;
use featlas_core::{Digest, ImageId, RowsView, Silent};
use featlas_index::{Basis, Index, IndexParams, Metric, RowsWriter, build};
use hnsw_rs::prelude::Hnsw;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

const DIM: usize = 40;
const ROWS: usize = 3000;
const K: usize = 10;
const EF: usize = 48;

/// Rows around 60 centers, and queries of the same kind.
fn rows(count: usize, seed: u64) -> Vec<f32> {
    let mut centers = ChaCha8Rng::seed_from_u64(3);
    let centers: Vec<f32> = (0..60 * DIM).map(|_| centers.random_range(-1.0..1.0)).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values = Vec::with_capacity(count * DIM);
    for row in 0..count {
        let center = &centers[row % 60 * DIM..][..DIM];
        values.extend(center.iter().map(|center| center + rng.random_range(-0.8..0.8_f32)));
    }
    values
}

fn ours(values: &[f32]) -> (tempfile::TempDir, Index) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = RowsWriter::create(folder.path(), "rows.bin", DIM, Metric::L2).unwrap();
    for (row, id) in values.chunks_exact(DIM).zip(0..) {
        writer.push(ImageId(id), row).unwrap();
    }
    let basis = Basis::of_components(RowsView::new(writer.sample(), DIM).unwrap());
    let params = IndexParams { ef_construction: 100, ..IndexParams::default() };
    let index = build(folder.path(), writer, &basis, &params, Digest([0; 32]), &Silent).unwrap();
    (folder, index)
}

#[test]
fn no_fewer_neighbors_are_found_than_by_hnsw_rs() {
    let values = rows(ROWS, 1);
    let (_folder, index) = ours(&values);
    let theirs = Hnsw::<f32, DistL2>::new(16, ROWS, 16, 100, DistL2);
    for (id, row) in values.chunks_exact(DIM).enumerate() {
        theirs.insert((row, id));
    }
    let (mut by_us, mut by_them, mut total) = (0, 0, 0);
    for query in rows(300, 2).chunks_exact(DIM) {
        let truth: BTreeSet<u64> =
            index.search_exact(query, K).unwrap().iter().map(|neighbor| neighbor.id.0).collect();
        let found = index.search(query, K, EF).unwrap();
        by_us += found.iter().filter(|neighbor| truth.contains(&neighbor.id.0)).count();
        let found = theirs.search(query, K, EF);
        by_them += found.iter().filter(|neighbor| truth.contains(&(neighbor.d_id as u64))).count();
        total += K;
    }
    assert!(by_them * 10 > total * 9, "{by_them} of {total} by hnsw_rs: the truth is not the truth");
    assert!(by_us * 100 >= by_them * 99, "{by_us} by us, {by_them} by hnsw_rs, of {total}");
}
