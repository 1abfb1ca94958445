use super::*;
use featlas_core::{RowsView, Silent};

/// Five clusters of unit vectors in ten dimensions, and their exact neighbors.
fn clusters(per_cluster: usize, k: usize) -> (Vec<f32>, Vec<Vec<(usize, f32)>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (n, dim) = (5 * per_cluster, 10);
    let mut rows = Vec::with_capacity(n * dim);
    for i in 0..n {
        let mut row: Vec<f32> = (0..dim).map(|_| rng.random_range(-0.3..0.3)).collect();
        row[i % 5] += 1.0;
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        rows.extend(row.iter().map(|v| v / norm));
    }
    let view = RowsView::new(&rows, dim).unwrap();
    let neighbors = (0..n)
        .map(|i| {
            let half = |j: usize| -> f32 {
                view.row(i).iter().zip(view.row(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / 2.0
            };
            let mut all: Vec<(usize, f32)> = (0..n).filter(|&j| j != i).map(|j| (j, half(j))).collect();
            all.sort_by(|a, b| a.1.total_cmp(&b.1));
            all.truncate(k);
            all
        })
        .collect();
    (rows, neighbors)
}

fn start(rows: &[f32]) -> Vec<f32> {
    rows.chunks(10).flat_map(|row| [row[0], row[1]]).collect()
}

#[test]
fn clusters_become_islands_and_the_same_seed_gives_the_same_bytes() {
    let (rows, neighbors) = clusters(60, 45);
    let params = TsneParams { perplexity: 15.0, iterations: 500, ..TsneParams::default() };
    let first = tsne(&neighbors, &start(&rows), &params, &Silent).unwrap();
    let second = tsne(&neighbors, &start(&rows), &params, &Silent).unwrap();
    assert!(first.map.iter().zip(&second.map).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert!(first.adjustments.is_empty());
    // The nearest point on the map is of the same cluster.
    let place = |i: usize| (first.map[2 * i], first.map[2 * i + 1]);
    let nearest = |i: usize| {
        let distance = |j: &usize| (place(i).0 - place(*j).0).powi(2) + (place(i).1 - place(*j).1).powi(2);
        (0..300).filter(|&j| j != i).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
    };
    let pure = (0..300).filter(|&i| nearest(i) % 5 == i % 5).count();
    assert!(pure > 290, "{pure} of 300");
}

#[test]
fn shifting_a_row_leaves_its_affinities() {
    // exp(-b d^2) normalized, with and without the shift and the scale that goes into b.
    let row = [(1, 0.40_f32), (2, 0.45), (3, 0.5), (4, 0.9)];
    let shifted = affinity_distances(&row);
    let mean = row.iter().map(|&(_, d)| f64::from(d) - 0.4).sum::<f64>() / 4.0;
    let normalize = |weights: Vec<f64>| -> Vec<f64> {
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w / sum).collect()
    };
    let beta = 3.0;
    let plain = normalize(row.iter().map(|&(_, d)| (-beta * f64::from(d) / mean).exp()).collect());
    let moved = normalize(shifted.iter().map(|n| (-beta * f64::from(n.distance).powi(2)).exp()).collect());
    for (a, b) in plain.iter().zip(&moved) {
        assert!((a - b).abs() < 1e-5, "{plain:?} and {moved:?}");
    }
}

#[test]
fn equal_images_do_not_break_the_map() {
    let neighbors: Vec<Vec<(usize, f32)>> =
        (0..40).map(|i| (0..40).filter(|&j| j != i).take(30).map(|j| (j, 0.0)).collect()).collect();
    let params = TsneParams { perplexity: 10.0, iterations: 100, ..TsneParams::default() };
    let map = tsne(&neighbors, &[0.0; 80], &params, &Silent).unwrap().map;
    assert!(map.iter().all(|v| v.is_finite()));
}

#[test]
fn a_perplexity_that_is_too_large_is_lowered_and_said_so() {
    let (rows, neighbors) = clusters(3, 14);
    let found = tsne(&neighbors, &start(&rows), &TsneParams::default(), &Silent).unwrap();
    assert!(found.perplexity < 5.0);
    assert!(found.adjustments[0].contains("30") && found.adjustments[0].contains("15 images"), "{found:?}");
    assert!(found.map.iter().all(|v| v.is_finite()));
}

#[test]
fn few_points_stay_where_they_are() {
    for n in 1..4 {
        let neighbors: Vec<Vec<(usize, f32)>> =
            (0..n).map(|i| (0..n).filter(|&j| j != i).map(|j| (j, 0.5)).collect()).collect();
        let start: Vec<f32> = (0..2 * n).map(|i| i as f32).collect();
        let found = tsne(&neighbors, &start, &TsneParams::default(), &Silent).unwrap();
        assert_eq!(found.map.len(), 2 * n);
        assert!(found.map.iter().all(|v| v.is_finite()));
    }
}

#[test]
fn wrong_neighbors_are_named() {
    let params = TsneParams::default();
    let err = tsne(&[vec![(0, 0.1)], vec![(0, 0.1)]], &[0.0; 4], &params, &Silent).unwrap_err();
    assert!(err.to_string().contains("row 0") && err.to_string().contains("neighbor 0"), "{err}");
    let err = tsne(&[vec![(1, f32::NAN)], vec![(0, 0.1)]], &[0.0; 4], &params, &Silent).unwrap_err();
    assert!(err.to_string().contains("NaN"), "{err}");
    assert!(tsne(&[], &[], &params, &Silent).is_err());
}

#[test]
fn a_cancelled_run_ends() {
    struct Cancelled;
    impl Progress for Cancelled {
        fn begin(&self, _stage: Stage, _total: Option<u64>) {}
        fn advance(&self, _stage: Stage, _n: u64) {}
        fn end(&self, _stage: Stage) {}
        fn warn(&self, _text: &str) {}
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let (rows, neighbors) = clusters(40, 45);
    let params = TsneParams { perplexity: 15.0, iterations: 100_000, ..TsneParams::default() };
    assert!(matches!(tsne(&neighbors, &start(&rows), &params, &Cancelled), Err(EmbedError::Cancelled)));
}
