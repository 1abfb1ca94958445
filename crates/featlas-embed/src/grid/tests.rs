use super::*;
use featlas_core::{Silent, Stopped};
use lapjv::lapjv;
use ndarray::Array2;
use proptest::prelude::*;
use serde::Deserialize;

/// The points of `scripts/golden/grid.py`.
fn clumps(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 45
    };
    let mut points = Vec::with_capacity(2 * n);
    for i in 0..n {
        for axis in 0..2 {
            let total: u64 = (0..3).map(|_| next()).sum();
            points.push((total + ((i % 7) * (i % 7 + axis) * 100_000) as u64) as f32);
        }
    }
    points
}

fn is_injective(assignment: &GridAssignment, shape: GridShape) -> bool {
    let mut taken = vec![false; shape.cells()];
    assignment.cell_of.iter().all(|&cell| cell < shape.cells() && !std::mem::replace(&mut taken[cell], true))
}

fn by_auction(points: &[f32], shape: GridShape) -> (Vec<usize>, f64, f64) {
    let places = stretched(points, shape);
    let auction::Sold { mut cell_of, lower_bound, .. } =
        auction::auction(&places, shape, auction::GOOD_EPSILON, &Silent).unwrap();
    cell_of.truncate(places.len());
    let spent = cell_of.iter().zip(&places).map(|(&cell, place)| cost(place, cell, shape)).sum();
    (cell_of, spent, lower_bound)
}

/// The least cost, found by `lapjv`, another's solver.
fn by_lapjv(places: &[[f64; 2]], shape: GridShape) -> f64 {
    let side = shape.cells();
    // Rows without a point stand for empty cells, which cost nothing wherever they are. Scaled, since it compares with
    // an absolute epsilon.
    let scale = 1000.0 / (shape.columns.pow(2) + shape.rows.pow(2)) as f64;
    let costs = Array2::from_shape_fn((side, side), |(row, cell)| {
        places.get(row).map_or(0.0, |place| cost(place, cell, shape) * scale)
    });
    let (cells, _) = lapjv(&costs).unwrap();
    places.iter().zip(cells).map(|(place, cell)| cost(place, cell, shape)).sum()
}

#[derive(Deserialize)]
struct Golden {
    n: usize,
    columns: usize,
    rows: usize,
    seed: u64,
    cost: f64,
}

fn golden() -> Vec<Golden> {
    serde_json::from_str(include_str!("../../tests/golden/grid.json")).unwrap()
}

#[test]
fn small_grids_cost_what_another_solver_finds() {
    let mut seen = 0;
    for case in golden() {
        let shape = GridShape { columns: case.columns, rows: case.rows };
        if shape.cells() > EXACT_GRID_CELLS {
            continue;
        }
        let assignment = assign_grid(&clumps(case.n, case.seed), shape, &Silent).unwrap();
        assert!(assignment.exact && is_injective(&assignment, shape));
        assert!(
            (assignment.cost - case.cost).abs() < 1e-9 * case.cost,
            "{} points: {} for {}",
            case.n,
            assignment.cost,
            case.cost
        );
        seen += 1;
    }
    assert!(seen >= 2, "{seen} small grids");
}

#[test]
fn the_auction_comes_within_its_bound_of_what_another_solver_finds() {
    for case in golden() {
        let shape = GridShape { columns: case.columns, rows: case.rows };
        let (_, spent, lower_bound) = by_auction(&clumps(case.n, case.seed), shape);
        let slack = 1e-9 * case.cost;
        assert!(lower_bound <= case.cost + slack, "{lower_bound} is no bound of {}", case.cost);
        assert!(spent >= case.cost - slack, "{spent} is below the least, {}", case.cost);
        assert!(spent <= 1.001 * case.cost, "{spent} for {}", case.cost);
        assert!(spent - lower_bound <= 0.001 * spent + slack, "{lower_bound} to {spent}");
    }
}

/// The least cost over all ways to place the points, by trying them all.
fn brute_force(places: &[[f64; 2]], point: usize, free: &mut Vec<usize>, shape: GridShape) -> f64 {
    let Some(place) = places.get(point) else { return 0.0 };
    let mut best = f64::INFINITY;
    for i in 0..free.len() {
        let cell = free.swap_remove(i);
        best = best.min(cost(place, cell, shape) + brute_force(places, point + 1, free, shape));
        free.push(cell);
        let last = free.len() - 1;
        free.swap(i, last);
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn tiny_grids_are_optimal(points in prop::collection::vec(-5.0_f32..5.0, 2..14), aspect in 0.4..2.5) {
        let n = points.len() / 2;
        let points = &points[..2 * n];
        let shape = grid_shape(n, aspect);
        let assignment = assign_grid(points, shape, &Silent).unwrap();
        prop_assert!(is_injective(&assignment, shape));
        let best = brute_force(&stretched(points, shape), 0, &mut (0..shape.cells()).collect(), shape);
        prop_assert!((assignment.cost - best).abs() < 1e-6 * (1.0 + best), "{} for {}", assignment.cost, best);
    }

    #[test]
    fn the_auction_is_nearly_optimal_however_much_room_there_is(
        points in prop::collection::vec(-5.0_f32..5.0, 2..160), columns in 1_usize..30, spare in 0_usize..400,
    ) {
        let n = points.len() / 2;
        let points = &points[..2 * n];
        let shape = GridShape { columns, rows: (n + spare).div_ceil(columns) };
        let exact = by_lapjv(&stretched(points, shape), shape);
        let (cells, spent, lower_bound) = by_auction(points, shape);
        let mut sorted = cells;
        sorted.sort_unstable();
        prop_assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]) && sorted[n - 1] < shape.cells());
        prop_assert!(lower_bound <= exact + 1e-6, "{lower_bound} for {exact}");
        prop_assert!(spent >= exact - 1e-6 && spent <= 1.001 * exact + 1e-4 * shape.cells() as f64, "{spent} for {exact}");
    }

    #[test]
    fn the_cheapest_is_what_another_solver_finds_however_much_room_there_is(
        points in prop::collection::vec(-5.0_f32..5.0, 2..300), columns in 1_usize..30, spare in 0_usize..300,
        same in 1_usize..20,
    ) {
        let n = points.len() / 2;
        // Some of the points coincide.
        let points: Vec<f32> = (0..n).flat_map(|i| { let at = i % (n / same).max(1); [points[2 * at], points[2 * at + 1]] }).collect();
        let shape = GridShape { columns, rows: (n + spare).div_ceil(columns) };
        let assignment = assign_grid(&points, shape, &Silent).unwrap();
        prop_assert!(assignment.exact && is_injective(&assignment, shape));
        let exact = by_lapjv(&stretched(&points, shape), shape);
        prop_assert!((assignment.cost - exact).abs() < 1e-6 * (1.0 + exact), "{} for {exact}", assignment.cost);
    }

    #[test]
    fn shapes_hold_all_points_without_an_empty_row(n in 1_usize..5000, aspect in 0.2..5.0) {
        let shape = grid_shape(n, aspect);
        prop_assert!(shape.cells() >= n && shape.cells() < n + shape.columns);
    }
}

#[test]
fn a_shape_follows_from_what_is_given() {
    let shape = |columns, rows| grid_of(10, columns, rows, 2.0).map(|shape| (shape.columns, shape.rows)).ok();
    assert_eq!(shape(None, None), Some((5, 2)));
    assert_eq!(shape(Some(4), None), Some((4, 3)));
    assert_eq!(shape(None, Some(1)), Some((10, 1)));
    assert_eq!(shape(Some(6), Some(6)), Some((6, 6)));
    assert_eq!(shape(Some(3), Some(3)), None);
    assert_eq!(shape(Some(0), None), None);
    assert_eq!(shape(Some(usize::MAX), Some(2)), None);
}

#[test]
fn a_large_grid_gives_every_point_a_cell_and_the_same_one_again() {
    let points = clumps(2600, 4);
    for shape in [grid_shape(2600, 1.0), GridShape { columns: 200, rows: 13 }] {
        let assignment = assign_grid(&points, shape, &Silent).unwrap();
        assert!(!assignment.exact && is_injective(&assignment, shape));
        assert!(assignment.lower_bound <= assignment.cost);
        assert_eq!(assignment, assign_grid(&points, shape, &Silent).unwrap());
    }
}

#[test]
fn where_the_map_is_empty_the_grid_is() {
    // Two far corners, upper left and lower right, and a grid with ten times the cells.
    let near = |i: usize, corner: f32| corner + (i % 20) as f32 * 0.05;
    let points: Vec<f32> = (0..400)
        .flat_map(|i| {
            if i < 200 { [near(i, 0.0), near(i / 20, 10.0)] } else { [near(i, 10.0), near(i / 20, 0.0)] }
        })
        .collect();
    for side in [50, 51] {
        let shape = GridShape { columns: side, rows: side };
        let assignment = assign_grid(&points, shape, &Silent).unwrap();
        assert_eq!(assignment.exact, side == 50);
        for (i, &cell) in assignment.cell_of.iter().enumerate() {
            let (left, top) = (cell % side < side / 2, cell / side < side / 2);
            assert_eq!((left, top), (i < 200, i < 200), "point {i} of {side} x {side}");
        }
    }
}

#[test]
fn up_on_the_map_is_up_on_the_grid() {
    let shape = GridShape { columns: 2, rows: 2 };
    let cells = assign_grid(&[0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0], shape, &Silent).unwrap().cell_of;
    assert_eq!(cells, [2, 3, 0, 1]);
}

#[test]
fn identical_points_and_single_ones_find_cells() {
    for n in [1, 2, 3, 10] {
        let shape = grid_shape(n, 1.0);
        assert!(is_injective(&assign_grid(&vec![1.5; 2 * n], shape, &Silent).unwrap(), shape));
    }
    for shape in [GridShape { columns: 51, rows: 51 }, GridShape { columns: 2601, rows: 1 }] {
        assert!(is_injective(&assign_grid(&vec![0.0; 2 * 2601], shape, &Silent).unwrap(), shape));
    }
    assert!(assign_grid(&[0.0; 6], GridShape { columns: 1, rows: 2 }, &Silent).is_err());
    assert!(assign_grid(&[], GridShape { columns: 60, rows: 60 }, &Silent).unwrap().cell_of.is_empty());
}

#[test]
fn a_long_auction_stops_when_asked() {
    let shape = GridShape { columns: 140, rows: 140 };
    assert!(matches!(assign_grid(&clumps(19_000, 1), shape, &Stopped), Err(EmbedError::Cancelled)));
}
