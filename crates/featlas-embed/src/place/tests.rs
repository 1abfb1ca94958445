use super::*;
use crate::testkit::clusters;
use crate::{Checkpoints, divergence, exact_neighbors};
use featlas_core::{RowsView, Silent};

const N: usize = 500;
const OLD: usize = 480;

fn neighbors(rows: &[f32]) -> NeighborTable {
    exact_neighbors(RowsView::new(rows, 10).unwrap(), 45, &Silent).unwrap()
}

fn params() -> TsneParams {
    TsneParams { perplexity: 15.0, ..TsneParams::default() }
}

fn fresh(rows: &[f32]) -> Vec<f32> {
    let start: Vec<f32> = rows.chunks(10).flat_map(|row| [row[0], row[1]]).collect();
    let checkpoints = Checkpoints { resume: None, keep: &mut |_| {} };
    crate::tsne(&neighbors(rows), &start, &params(), checkpoints, &Silent).unwrap().map
}

/// A map of the first rows, and places for all of them but the last.
fn yesterday(rows: &[f32]) -> Vec<Option<[f32; 2]>> {
    let map = fresh(&rows[..OLD * 10]);
    let mut places: Vec<Option<[f32; 2]>> = map.as_chunks::<2>().0.iter().copied().map(Some).collect();
    places.resize(N, None);
    places
}

#[test]
fn old_points_stay_and_new_ones_join_their_cluster() {
    let rows = clusters(N, 11);
    let old = yesterday(&rows);
    let table = neighbors(&rows);
    let placed = place(&table, &old, &params(), &Silent).unwrap();
    assert_eq!((placed.new_points, placed.map.len()), (N - OLD, 2 * N));
    assert!(placed.mean_shift < 0.02, "{}", placed.mean_shift);
    let (points, _) = placed.map.as_chunks::<2>();
    let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    for i in OLD..N {
        let nearest = (0..OLD)
            .min_by(|&a, &b| distance(points[i], points[a]).total_cmp(&distance(points[i], points[b])))
            .unwrap();
        assert_eq!(nearest % 5, i % 5, "point {i}");
    }
    let fresh = divergence(&table, &fresh(&rows), 15.0).unwrap();
    let kept = divergence(&table, &placed.map, 15.0).unwrap();
    assert!(kept < 1.03 * fresh, "{kept} against {fresh}");
    assert_eq!(place(&table, &old, &params(), &Silent).unwrap(), placed);
}

#[test]
fn without_new_points_nothing_moves() {
    let rows = clusters(N, 11);
    let old: Vec<Option<[f32; 2]>> = crate::testkit::points(N, 50.0, 1).into_iter().map(Some).collect();
    let placed = place(&neighbors(&rows), &old, &params(), &Silent).unwrap();
    assert_eq!(placed.map, old.into_iter().flatten().flatten().collect::<Vec<f32>>());
    assert!(placed.new_points == 0 && placed.mean_shift == 0.0);
}

#[test]
fn a_new_cluster_that_no_old_point_is_near_gets_finite_places() {
    // Twenty equal rows far from all others: they are each other's neighbors only.
    let mut rows = clusters(N, 12);
    rows[OLD * 10..].iter_mut().for_each(|v| *v = 100.0);
    let table = exact_neighbors(RowsView::new(&rows, 10).unwrap(), 15, &Silent).unwrap();
    let old = yesterday(&clusters(N, 12));
    let placed = place(&table, &old, &TsneParams { perplexity: 5.0, ..params() }, &Silent).unwrap();
    assert!(placed.map.iter().all(|v| v.is_finite()));
}

#[test]
fn wrong_places_are_refused() {
    let rows = clusters(60, 1);
    let table = neighbors(&rows);
    assert!(matches!(place(&table, &[None; 60], &params(), &Silent), Err(EmbedError::Empty)));
    assert!(matches!(place(&table, &[None; 59], &params(), &Silent), Err(EmbedError::Shape { .. })));
    let nan = [Some([f32::NAN, 0.0]); 60];
    assert!(matches!(place(&table, &nan, &params(), &Silent), Err(EmbedError::NonFinite { row: 0 })));
}
