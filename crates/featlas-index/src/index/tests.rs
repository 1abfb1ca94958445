#![expect(clippy::float_cmp, reason = "shares of small counts, and distances that agree to the bit")]

use super::search::one_row;
use super::*;
use crate::testkit::{basis_of, clustered, index_of, unit_rows, vectors_of};
use crate::{DEFAULT_EF_CURVE, RowsWriter, build, neighbors_of_all};
use featlas_core::{Neighbor, Progress, RowsView, Silent, Stage};
use std::sync::atomic::{AtomicU64, Ordering};

fn seeded(seed: u64) -> IndexParams {
    IndexParams { seed, ..IndexParams::default() }
}

fn bytes(index: &Index) -> Vec<u8> {
    let mut bytes = Vec::new();
    index.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn recall_at_10_reaches_what_was_asked_for() {
    for (seed, metric) in [(1, Metric::Cosine), (7, Metric::L2), (42, Metric::Cosine)] {
        let (_folder, index) = index_of(&clustered(4000, 96, 40, seed), 96, metric, &seeded(seed));
        let report = index.measure_recall(&DEFAULT_EF_CURVE, 300, 5, 0.99, &Silent).unwrap();
        let chosen = report.chosen().unwrap();
        assert!(chosen.recall_at_10 >= 0.99, "seed {seed}: {report:?}");
        assert!(chosen.recall_at_1 >= 0.99 && chosen.recall_at_100 >= 0.95, "seed {seed}: {chosen:?}");
        assert_eq!(report.self_recall, 1.0);
        assert_eq!(report.num_queries, 300);
    }
}

#[test]
fn recall_is_the_share_that_exact_search_confirms() {
    let (_folder, index) = index_of(&unit_rows(1500, 48, 3), 48, Metric::Cosine, &seeded(3));
    let report = index.measure_recall(&[10, 40, 1500], 150, 5, 0.99, &Silent).unwrap();
    let recalls: Vec<f64> = report.curve.iter().map(|point| point.recall_at_10).collect();
    assert!(recalls[0] < recalls[1] && recalls[1] <= recalls[2], "{recalls:?}");
    // The same by hand, with queries that really are not in the index.
    let (mut found, mut total) = (0, 0);
    for query in unit_rows(200, 48, 77).chunks_exact(48) {
        let truth = index.search_exact(query, 10).unwrap();
        let graph = index.search(query, 10, 40).unwrap();
        found += graph.iter().filter(|n| truth.contains(n)).count();
        total += 10;
    }
    let by_hand = found as f64 / f64::from(total);
    assert!((by_hand - recalls[1]).abs() < 0.05, "{by_hand} by hand, {recalls:?} measured");
}

#[test]
fn the_same_rows_and_seed_give_the_same_file_on_any_number_of_threads() {
    let values = clustered(1700, 40, 9, 5);
    let make = |seed, threads| {
        bytes(&index_of(&values, 40, Metric::Cosine, &IndexParams { threads, ..seeded(seed) }).1)
    };
    let first = make(11, 1);
    assert!(first == make(11, 1), "same seed, other bytes");
    assert!(first == make(11, 3), "three threads, other bytes");
    assert!(first != make(12, 1), "the seed decides the graph");
}

#[test]
fn tiny_sets_are_searched_completely() {
    for n in [1, 2, 5, 33] {
        let values = unit_rows(n, 6, 1);
        let (folder, index) = index_of(&values, 6, Metric::Cosine, &seeded(0));
        let index = Index::from_bytes(&bytes(&index), folder.path()).unwrap();
        for (row, query) in values.chunks_exact(6).enumerate() {
            let exact = index.search_exact(query, n).unwrap();
            assert_eq!(index.search(query, n, 1).unwrap(), exact);
            assert_eq!((exact[0].id, exact[0].distance), (index.id_of(row), 0.0));
        }
        let report = index.measure_recall(&[16], 100, 5, 0.99, &Silent).unwrap();
        assert!(report.curve.iter().all(|point| point.recall_at_10 == 1.0), "{report:?}");
        // More than there are is cut to what there is.
        let all = index.neighbors_of_all(n + 3, &Silent).unwrap();
        assert_eq!((all.k, all.ids.len()), (n - 1, n));
        assert!((0..n).all(|row| all.of(row).len() == n - 1 && all.of(row).all(|(other, _)| other != row)));
        let exact = neighbors_of_all(&vectors_of(values, 6), n + 3, &Silent).unwrap();
        assert!(exact.iter().all(|found| found.len() == n - 1));
    }
}

#[test]
fn identical_rows_are_all_found_by_id() {
    let (_folder, index) = index_of(&[0.5, 0.0, 2.0].repeat(3000), 3, Metric::Cosine, &seeded(0));
    assert_eq!((index.num_distinct(), index.len()), (1, 3000));
    let found = index.search(&[1.0, 0.0, 4.0], 3000, 1).unwrap();
    assert!(found.iter().enumerate().all(|(row, n)| n.id == index.id_of(row) && n.distance < 1e-6));
    let all = index.neighbors_of_all(4, &Silent).unwrap();
    assert!((0..3000).all(|row| all.of(row).len() == 4 && all.of(row).all(|(other, _)| other != row)));
    assert!(index.measure_recall(&[16], 20, 5, 0.99, &Silent).unwrap().curve.is_empty());
}

#[test]
fn duplicates_are_found_beside_their_twins() {
    let mut values = clustered(1500, 16, 10, 8);
    // Rows 700..1400 repeat rows 0..700.
    let (front, back) = values.split_at_mut(700 * 16);
    back[..700 * 16].copy_from_slice(front);
    let (folder, index) = index_of(&values, 16, Metric::Cosine, &seeded(2));
    let index = Index::from_bytes(&bytes(&index), folder.path()).unwrap();
    assert_eq!(index.num_distinct(), 800);
    for (row, query) in values.chunks_exact(16).enumerate().take(700) {
        let found = index.search(query, 2, 32).unwrap();
        assert_eq!([found[0].id, found[1].id], [index.id_of(row), index.id_of(row + 700)]);
    }
}

#[test]
fn neighbors_of_all_agrees_with_exact_search() {
    let values = clustered(1200, 24, 6, 4);
    let (_folder, index) = index_of(&values, 24, Metric::Cosine, &seeded(1));
    let exact = neighbors_of_all(&vectors_of(values, 24), 15, &Silent).unwrap();
    let graph = index.neighbors_of_all(15, &Silent).unwrap();
    let found = (0..index.len()).map(|row| graph.of(row).filter(|other| exact[row].contains(other)).count());
    let share = found.sum::<usize>() as f64 / (15.0 * index.len() as f64);
    assert!(share > 0.98, "{share}");
}

#[test]
fn graph_batch_and_exact_search_agree_to_the_bit_about_distances() {
    for metric in [Metric::Cosine, Metric::L2] {
        let (_folder, index) = index_of(&clustered(400, 70, 3, 6), 70, metric, &seeded(1));
        let queries: Vec<f32> = clustered(40, 70, 2, 99).iter().map(|v| v * 3.0).collect();
        let view = RowsView::new(&queries, 70).unwrap();
        let exact = index.search_exact_batch(view, 400).unwrap();
        let graph = index.search_batch(view, 7, 64).unwrap();
        for ((query, exact), graph) in queries.chunks(70).zip(exact).zip(graph) {
            assert_eq!(exact[..7], index.search_exact(query, 7).unwrap());
            assert_eq!(graph, index.search(query, 7, 64).unwrap());
            assert!(graph.iter().all(|found| exact.contains(found)));
        }
    }
}

#[test]
fn a_filter_is_answered_completely() {
    let values = clustered(500, 12, 3, 6);
    let (_folder, index) = index_of(&values, 12, Metric::Cosine, &seeded(1));
    let odd = |id: ImageId| id.0 % 2 == 1;
    let found = index.search_among(one_row(&values[..12], 12).unwrap(), 9, odd).unwrap().remove(0);
    let mut all = index.search_exact(&values[..12], 500).unwrap();
    all.retain(|neighbor| odd(neighbor.id));
    assert_eq!(found, all[..9]);
    let few = index.search_among(one_row(&values[..12], 12).unwrap(), 9, |id| id.0 < 12).unwrap().remove(0);
    assert_eq!(few.len(), 3, "all that pass");
}

/// Rounds of change: an index that is brought up to date answers like one that was built anew.
#[test]
fn twenty_nights_of_change_keep_the_recall() {
    const DIM: usize = 64;
    let values = clustered(4000, DIM, 40, 9);
    let row = |at: usize| &values[at * DIM..(at + 1) * DIM];
    let folder = tempfile::tempdir().unwrap();
    let writer = |name: &str, range: std::ops::Range<usize>| {
        let mut rows = RowsWriter::create(folder.path(), name, DIM, Metric::Cosine).unwrap();
        range.for_each(|at| rows.push(ImageId(at as u64), row(at)).unwrap());
        rows
    };
    let rows = writer("rows-0.bin", 0..2800);
    let basis = basis_of(&rows);
    let mut index = build(folder.path(), rows, &basis, &seeded(4), Digest([0; 32]), &Silent).unwrap();
    for night in 1..=20usize {
        let added = 2800 + (night - 1) * 60..2800 + night * 60;
        let removed: Vec<ImageId> = (0..60).map(|i| ImageId((night * 60 + i) as u64 * 2)).collect();
        let rows = writer(&format!("rows-{night}.bin"), added.clone());
        let next = index.updated(folder.path(), Some(rows), &removed, 0, Digest([9; 32]), &Silent).unwrap();
        index = Index::from_bytes(&bytes(&next), folder.path()).unwrap();
        assert_eq!(index.len(), 2800);
        assert_eq!(index.rows_files().len(), night + 1);
        for id in &removed {
            assert_eq!(index.row_of(*id), None);
        }
        // What is new is found, what is gone is not, and asked with itself either.
        let new = index.search(row(added.start), 1, 64).unwrap();
        assert_eq!((new[0].id, new[0].distance), (ImageId(added.start as u64), 0.0));
        for &ImageId(gone) in removed.iter().step_by(17) {
            let found = index.search(row(usize::try_from(gone).unwrap()), 10, 64).unwrap();
            assert!(found.iter().all(|n| n.id != ImageId(gone)));
        }
    }
    assert!(index.wants_rebuild(), "a third of the rows are gone");
    let report = index.measure_recall(&DEFAULT_EF_CURVE, 250, 5, 0.99, &Silent).unwrap();
    assert!(report.chosen().unwrap().recall_at_10 >= 0.99, "{report:?}");
    // Removed from the truth as from the answers.
    let found = index.search_exact(row(2799), 2800).unwrap();
    assert_eq!(found.len(), 2800);
}

#[test]
fn an_update_without_new_rows_only_removes() {
    let values = clustered(300, 10, 3, 6);
    let (folder, index) = index_of(&values, 10, Metric::Cosine, &seeded(1));
    let gone = [index.id_of(4), index.id_of(299), ImageId(1)];
    let next = index.updated(folder.path(), None, &gone, 0, Digest([1; 32]), &Silent).unwrap();
    assert_eq!((next.len(), next.num_rows(), next.num_removed()), (298, 300, 2));
    assert!(!next.wants_rebuild());
    assert_eq!(next.search(&values[40..50], 298, 16).unwrap().len(), 298);
    let err = next.search(&values[..10], 299, 16).unwrap_err().to_string();
    assert_eq!(err, "asked for 299 neighbors of 298 vectors");
    assert_eq!(next.vector(index.id_of(4)).unwrap_err().to_string(), "image `17` is not in the index");
}

#[test]
fn all_may_be_removed() {
    let (folder, index) = index_of(&unit_rows(3, 4, 1), 4, Metric::Cosine, &seeded(0));
    let all: Vec<ImageId> = index.live().map(|(_, id)| id).collect();
    let next = index.updated(folder.path(), None, &all, 0, Digest([1; 32]), &Silent).unwrap();
    assert!(next.is_empty() && next.wants_rebuild());
    assert_eq!(next.search(&[1.0; 4], 0, 16).unwrap(), []);
    assert!(next.search(&[1.0; 4], 1, 16).is_err());
    assert_eq!(next.neighbors_of_all(5, &Silent).unwrap().ids, []);
    assert!(next.measure_recall(&[16], 20, 5, 0.99, &Silent).unwrap().curve.is_empty());
}

#[test]
fn questions_without_an_answer_are_errors() {
    let (folder, index) = index_of(&unit_rows(5, 3, 1), 3, Metric::Cosine, &seeded(0));
    let text = |result: Result<Vec<Neighbor>, IndexError>| result.unwrap_err().to_string();
    assert_eq!(text(index.search(&[1.0, 0.0, 0.0], 6, 10)), "asked for 6 neighbors of 5 vectors");
    assert_eq!(text(index.search(&[1.0, 0.0], 2, 10)), "expected query vectors of 3 components, got 2");
    assert_eq!(text(index.search_exact(&[], 2)), "expected query vectors of 3 components, got 0");
    assert_eq!(text(index.search(&[0.0; 3], 2, 10)), "query 0 is the zero vector, which is like nothing");
    assert_eq!(text(index.search_exact(&[f32::NAN; 3], 2)), "query 0 holds a value that is not finite");
    assert_eq!(index.search(&[1.0, 0.0, 0.0], 0, 10).unwrap(), []);

    let writer = |name| RowsWriter::create(folder.path(), name, 3, Metric::Cosine).unwrap();
    let err = |rows, params| {
        let basis = Basis::new(vec![0.0; 3], vec![1.0, 0.0, 0.0], vec![1.0]).unwrap();
        build(folder.path(), rows, &basis, &params, Digest([0; 32]), &Silent).unwrap_err().to_string()
    };
    let empty = "no vector to index: expected at least one that is not zero";
    assert_eq!(err(writer("a.bin"), seeded(0)), empty);
    let mut zero = writer("b.bin");
    zero.push(ImageId(1), &[0.0; 3]).unwrap();
    assert_eq!(zero.zero(), [ImageId(1)]);
    assert_eq!(err(zero, seeded(0)), empty);
    let mut one = writer("c.bin");
    one.push(ImageId(1), &[1.0; 3]).unwrap();
    let order = one.push(ImageId(1), &[1.0; 3]).unwrap_err().to_string();
    assert_eq!(order, "image id `1` is not above those before it");
    let not_finite = one.push(ImageId(2), &[1.0, f32::INFINITY, 0.0]).unwrap_err().to_string();
    assert_eq!(not_finite, "the vector of image `2` holds a value that is not finite");
    let params = IndexParams { m: 300, ..seeded(0) };
    assert_eq!(err(one, params), "parameter `m`: expected 2 to 255, got `300`");
    let taken = RowsWriter::create(folder.path(), "a.bin", 3, Metric::Cosine).unwrap_err().to_string();
    assert!(taken.starts_with("cannot write `") && taken.contains("a.bin"), "{taken}");
}

use crate::Basis;

/// Asks to stop after some steps.
struct StopAfter(AtomicU64);

impl Progress for StopAfter {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
    fn advance(&self, _stage: Stage, n: u64) {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(n), Ordering::Relaxed);
    }
    fn end(&self, _stage: Stage) {}
    fn warn(&self, _text: &str) {}
    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn a_build_can_be_cancelled() {
    for after in [10, 1100] {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = RowsWriter::create(folder.path(), "rows.bin", 32, Metric::Cosine).unwrap();
        for (row, id) in clustered(3000, 32, 9, 1).chunks_exact(32).zip(0..) {
            rows.push(ImageId(id), row).unwrap();
        }
        let basis = basis_of(&rows);
        let stop = StopAfter(after.into());
        let result = build(folder.path(), rows, &basis, &seeded(0), Digest([0; 32]), &stop);
        assert!(matches!(result, Err(IndexError::Cancelled)), "after {after}");
    }
}
