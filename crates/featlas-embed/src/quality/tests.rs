use super::*;
use crate::exact_neighbors;
use featlas_core::Silent;

#[expect(clippy::cast_possible_truncation, reason = "the script rounds to f32 too")]
fn rows() -> Vec<f32> {
    (0..60 * 5).map(|i| (f64::from(i) * 0.731).sin() as f32).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "the script rounds to f32 too")]
fn map() -> Vec<f32> {
    (0..60 * 2).map(|i| (f64::from(i) * 1.137).cos() as f32).collect()
}

fn golden(key: &str) -> f64 {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/golden/map_quality.json")).unwrap();
    golden[key].as_f64().unwrap()
}

fn view(values: &[f32], dim: usize) -> RowsView<'_> {
    RowsView::new(values, dim).unwrap()
}

/// scikit-learn's `trustworthiness`; see `scripts/golden/map_quality.py`.
#[test]
fn agrees_with_scikit_learn() {
    let (rows, map) = (rows(), map());
    let quality = map_quality(view(&rows, 5), view(&map, 2), 7, QUALITY_SAMPLE).unwrap();
    assert!((quality.trustworthiness - golden("trustworthiness_7")).abs() < 1e-9, "{quality:?}");
    assert!((quality.kept_at_k - golden("kept_7")).abs() < 1e-9, "{quality:?}");
}

/// openTSNE's affinities and the sum over all pairs; see `scripts/golden/map_quality.py`.
#[test]
fn the_divergence_agrees_with_open_tsne() {
    let table = exact_neighbors(view(&rows(), 5), 21, &Silent).unwrap();
    let kl = divergence(&table, &map(), 7.0).unwrap();
    assert!((kl - golden("kl_perplexity_7")).abs() < 1e-5, "{kl} for {}", golden("kl_perplexity_7"));
    // Far apart, where the logarithms matter more.
    let wide: Vec<f32> = map().iter().map(|v| v * 20.0).collect();
    let kl = divergence(&table, &wide, 7.0).unwrap();
    assert!(
        (kl - golden("kl_perplexity_7_wide")).abs() < 1e-5,
        "{kl} for {}",
        golden("kl_perplexity_7_wide")
    );
}

#[test]
fn a_map_of_itself_is_perfect() {
    let rows: Vec<f32> = (0..80_u16).map(|i| f32::from((i * 37) % 83)).collect();
    let quality = map_quality(view(&rows, 2), view(&rows, 2), 5, QUALITY_SAMPLE).unwrap();
    assert!((quality.kept_at_k - 1.0).abs() < 1e-12 && (quality.trustworthiness - 1.0).abs() < 1e-12);
}

#[test]
fn ranks_are_places_in_the_sorted_order() {
    let distances = [4.0_f32, 0.0, 1.0, 4.0, 1.0, 9.0];
    for row in 0..distances.len() {
        let mut order: Vec<usize> = (0..6).filter(|&i| i != row).collect();
        order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]).then(a.cmp(&b)));
        for (rank, &other) in order.iter().enumerate() {
            assert_eq!(rank_of(&distances, row, other), rank, "row {row}, other {other}");
        }
    }
}

#[test]
fn few_rows_have_no_neighborhood_to_lose() {
    for n in 1..3 {
        let (rows, map) = (vec![0.0; n], vec![0.0; 2 * n]);
        let quality = map_quality(view(&rows, 1), view(&map, 2), 10, QUALITY_SAMPLE).unwrap();
        assert!((quality.kept_at_k - 1.0).abs() < 1e-12 && quality.k == 0);
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let (rows, map) = (rows(), map());
    assert!(map_quality(view(&rows, 5), view(&map[2..], 2), 7, QUALITY_SAMPLE).is_err());
    let table = exact_neighbors(view(&rows, 5), 21, &Silent).unwrap();
    assert!(divergence(&table, &map[2..], 7.0).is_err());
    assert!(divergence(&table, &map, 21.0).is_err() && divergence(&table, &map, 1.0).is_err());
}
