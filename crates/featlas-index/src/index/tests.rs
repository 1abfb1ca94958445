#![expect(clippy::float_cmp, reason = "shares of small counts are exact")]

use super::*;
use crate::build;
use crate::testkit::{clustered, unit_rows, vectors_of};
use featlas_core::Silent;

fn serial(seed: u64) -> IndexParams {
    IndexParams { seed, threads: 1, ..IndexParams::default() }
}

fn bytes(index: &Index) -> (Vec<u8>, Vec<u8>) {
    let (mut vectors, mut graph) = (Vec::new(), Vec::new());
    index.write_vectors(&mut vectors).unwrap();
    index.write_graph(&mut graph).unwrap();
    (vectors, graph)
}

#[test]
fn recall_at_10_is_at_least_95_percent() {
    for seed in [1, 7, 42] {
        for threads in [1, 2] {
            let vectors = vectors_of(clustered(2500, 64, 25, seed), 64);
            let index = build(vectors, &IndexParams { threads, ..serial(seed) }, &Silent).unwrap();
            let report = index.measure_recall(10, &[64], 200, 5, &Silent).unwrap();
            let recall = report.curve[0].recall;
            assert!(recall >= 0.95, "seed {seed}, {threads} threads: recall@10 = {recall:.3}");
            assert_eq!(report.self_recall, 1.0);
            assert_eq!((report.k, report.num_queries), (10, 200));
        }
    }
}

#[test]
fn recall_grows_with_ef_and_is_the_share_that_exact_search_confirms() {
    let index = build(vectors_of(unit_rows(1500, 48, 3), 48), &serial(3), &Silent).unwrap();
    let report = index.measure_recall(10, &[10, 40, 1500], 150, 5, &Silent).unwrap();
    let recalls: Vec<f64> = report.curve.iter().map(|point| point.recall).collect();
    assert!(recalls[0] < recalls[1] && recalls[1] <= recalls[2], "{recalls:?}");
    assert_eq!(recalls[2], 1.0, "with as many candidates as rows everything is found");
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
fn one_thread_and_one_seed_give_one_file() {
    let make =
        |seed| bytes(&build(vectors_of(clustered(1300, 20, 9, 5), 20), &serial(seed), &Silent).unwrap());
    let (first, again, other) = (make(11), make(11), make(12));
    assert!(first == again, "same seed, other bytes");
    assert_eq!(first.0, other.0, "the seed has no say in the vectors");
    assert_ne!(first.1, other.1, "the seed decides the graph");
}

#[test]
fn tiny_sets_are_searched_completely() {
    for n in [1, 2, 5] {
        for threads in [1, 2] {
            let params = IndexParams { threads, ..serial(0) };
            let index = build(vectors_of(unit_rows(n, 6, 1), 6), &params, &Silent).unwrap();
            let index = {
                let (v, g) = bytes(&index);
                Index::from_bytes(&v, &g).unwrap()
            };
            for row in 0..n {
                let exact = index.search_exact(index.vector(row), n).unwrap();
                assert_eq!(index.search(index.vector(row), n, 1).unwrap(), exact);
                assert_eq!((exact[0].id, exact[0].distance), (index.ids()[row], 0.0));
            }
            let report = index.measure_recall(10, &[16], 100, 5, &Silent).unwrap();
            assert_eq!((report.k, report.num_queries), if n == 1 { (1, 0) } else { (n - 1, 1) });
            assert!(report.curve.iter().all(|point| point.recall == 1.0));
            // More than there are is cut to what there is.
            let by_graph = index.neighbors_of_all(n + 3, &Silent).unwrap();
            for all in [by_graph, neighbors_of_all(index.vectors(), n + 3, &Silent).unwrap()] {
                assert!(
                    all.iter()
                        .enumerate()
                        .all(|(row, found)| found.len() == n - 1 && found.iter().all(|x| x.0 != row))
                );
            }
        }
    }
}

#[test]
fn identical_points_are_all_found_by_id() {
    let ids: Vec<ImageId> = (0..3000).rev().map(ImageId).collect();
    let (vectors, _) = Vectors::new(ids, [0.5, 0.0, 2.0].repeat(3000), 3).unwrap();
    let index = build(vectors, &IndexParams::default(), &Silent).unwrap();
    assert_eq!((index.num_distinct(), index.len()), (1, 3000));
    let found = index.search(&[1.0, 0.0, 4.0], 3000, 1).unwrap();
    assert!(found.iter().zip(0..).all(|(n, id)| n.id == ImageId(id) && n.distance < 1e-6));
    let all = index.neighbors_of_all(4, &Silent).unwrap();
    assert!(all.iter().enumerate().all(|(row, near)| near.len() == 4 && near.iter().all(|x| x.0 != row)));
    assert!(index.measure_recall(10, &[16], 20, 5, &Silent).unwrap().curve.is_empty());
}

#[test]
fn duplicates_are_found_beside_their_twins() {
    let mut values = clustered(1500, 16, 10, 8);
    // Rows 700..1400 repeat rows 0..700.
    let (front, back) = values.split_at_mut(700 * 16);
    back[..700 * 16].copy_from_slice(front);
    let index = build(vectors_of(values, 16), &serial(2), &Silent).unwrap();
    assert_eq!(index.num_distinct(), 800);
    for row in 0..700 {
        let found = index.search(index.vector(row), 2, 32).unwrap();
        let mut twins = [index.ids()[row], index.ids()[row + 700]];
        twins.sort_unstable();
        assert_eq!([found[0].id, found[1].id], twins);
    }
}

#[test]
fn neighbors_of_all_agrees_with_single_searches() {
    let index = build(vectors_of(clustered(1200, 24, 6, 4), 24), &serial(1), &Silent).unwrap();
    let exact = neighbors_of_all(index.vectors(), 15, &Silent).unwrap();
    let graph = index.neighbors_of_all(15, &Silent).unwrap();
    let mut same = 0;
    for row in 0..index.len() {
        let truth = index.search_exact(index.vector(row), 16).unwrap();
        let others: Vec<f32> =
            truth.iter().filter(|n| n.id != index.ids()[row]).map(|n| n.distance).collect();
        assert_eq!(exact[row].iter().map(|other| other.1).collect::<Vec<_>>(), others);
        same += graph[row].iter().filter(|other| exact[row].contains(other)).count();
    }
    assert!(same as f64 / (15.0 * index.len() as f64) > 0.97);
}

#[test]
fn batch_queries_need_not_be_normalized() {
    let index = build(vectors_of(clustered(300, 10, 3, 6), 10), &serial(1), &Silent).unwrap();
    let queries: Vec<f32> = clustered(40, 10, 2, 99).iter().map(|v| v * 37.0).collect();
    let batch = index.search_exact_batch(RowsView::new(&queries, 10).unwrap(), 7).unwrap();
    for (query, found) in queries.chunks(10).zip(batch) {
        assert_eq!(found, index.search_exact(query, 7).unwrap());
        assert!(found.iter().all(|n| (0.0..=2.0).contains(&n.distance)));
    }
}

#[test]
fn questions_without_an_answer_are_errors() {
    let index = build(vectors_of(unit_rows(5, 3, 1), 3), &serial(0), &Silent).unwrap();
    let text = |result: Result<Vec<Neighbor>, IndexError>| result.unwrap_err().to_string();
    assert_eq!(text(index.search(&[1.0, 0.0, 0.0], 6, 10)), "asked for 6 neighbors of 5 vectors");
    assert_eq!(text(index.search(&[1.0, 0.0], 2, 10)), "expected query vectors of 3 components, got 2");
    assert_eq!(text(index.search_exact(&[], 2)), "expected query vectors of 3 components, got 0");
    assert_eq!(text(index.search(&[0.0; 3], 2, 10)), "query 0 is the zero vector, which is like nothing");
    assert_eq!(text(index.search_exact(&[f32::NAN; 3], 2)), "query 0 holds a value that is not finite");
    assert_eq!(index.search(&[1.0, 0.0, 0.0], 0, 10).unwrap(), []);
    let (empty, _) = Vectors::new(vec![], vec![], 3).unwrap();
    assert_eq!(
        build(empty, &serial(0), &Silent).unwrap_err().to_string(),
        "no vector to index: expected at least one that is not zero"
    );
    let params = IndexParams { m: 300, ..serial(0) };
    assert_eq!(
        build(vectors_of(unit_rows(5, 3, 1), 3), &params, &Silent).unwrap_err().to_string(),
        "parameter `m`: expected 2 to 255, got `300`"
    );
}

/// Asks to stop after some steps.
struct StopAfter(std::sync::atomic::AtomicU64);

impl Progress for StopAfter {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
    fn advance(&self, _stage: Stage, n: u64) {
        let left = |now: u64| Some(now.saturating_sub(n));
        self.0
            .try_update(std::sync::atomic::Ordering::Relaxed, std::sync::atomic::Ordering::Relaxed, |now| {
                left(now)
            })
            .ok();
    }
    fn end(&self, _stage: Stage) {}
    fn warn(&self, _text: &str) {}
    fn is_cancelled(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed) == 0
    }
}

#[test]
fn a_build_can_be_cancelled() {
    for (threads, after) in [(1, 10), (2, 10), (2, 1100)] {
        let stop = StopAfter(after.into());
        let params = IndexParams { threads, ..serial(0) };
        let result = build(vectors_of(clustered(4000, 32, 9, 1), 32), &params, &stop);
        assert!(matches!(result, Err(IndexError::Cancelled)), "{threads} threads, after {after}");
    }
}
