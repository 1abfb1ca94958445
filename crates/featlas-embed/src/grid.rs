//! Every point of a map into a cell of its own.
//!
//! Small grids are assigned exactly by the algorithm of Jonker & Volgenant (1987). Larger ones are split in
//! two again and again, as `RasterFairy` does, and then improved: the points in each of many overlapping
//! windows are assigned exactly among the cells of the window, until a sweep changes nothing.

use crate::EmbedError;
use featlas_core::{Progress, Stage};
use lapjv::lapjv;
use ndarray::Array2;

/// Largest number of cells that is assigned exactly: time grows with its cube, memory with its square.
pub const EXACT_GRID_CELLS: usize = 2500;
/// Side of the windows that are improved exactly.
const WINDOW: usize = 6;
/// Cells from one window to the next.
const WINDOW_STEP: usize = 3;
/// Sweeps over all windows at most; each lowers the cost or ends the search.
const MAX_SWEEPS: usize = 40;
/// Costs are scaled to about this, since `lapjv` compares them with an absolute epsilon.
const COST_SCALE: f64 = 1000.0;

/// Columns and rows of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridShape {
    /// Cells from left to right.
    pub columns: usize,
    /// Cells from top to bottom.
    pub rows: usize,
}

impl GridShape {
    /// Cells in all.
    pub fn cells(&self) -> usize {
        self.columns * self.rows
    }
}

/// A cell for every point.
#[derive(Debug, Clone, PartialEq)]
pub struct GridAssignment {
    /// The row-major cell of each point; no two share one.
    pub cell_of: Vec<usize>,
    /// Sum of squared displacements, in cells.
    pub cost: f64,
    /// Mean distance between a point and its cell's center, in cells.
    pub mean_displacement: f64,
    /// Whether no assignment has a lower cost.
    pub exact: bool,
}

/// The smallest grid for `n` points whose width is about `aspect` times its height.
pub fn grid_shape(n: usize, aspect: f64) -> GridShape {
    let n = n.max(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the root of a count")]
    let columns = ((n as f64 * aspect).sqrt().ceil() as usize).clamp(1, n);
    GridShape { columns, rows: n.div_ceil(columns) }
}

/// Puts every point of `points`, `(n, 2)` row-major, into a cell of its own.
///
/// The map's bounding box is stretched over the grid; the squared distances to the cells' centers are
/// summed, and that sum is what is made small: the least possible for grids of up to
/// [`EXACT_GRID_CELLS`], close to it beyond. Cells are left empty where the map is empty. Deterministic.
///
/// # Errors
/// [`EmbedError::Shape`], [`EmbedError::NonFinite`], [`EmbedError::GridTooSmall`], [`EmbedError::Cancelled`].
pub fn assign_grid(
    points: &[f32],
    shape: GridShape,
    progress: &dyn Progress,
) -> Result<GridAssignment, EmbedError> {
    let n = points.len() / 2;
    if points.len() != 2 * n {
        return Err(EmbedError::Shape { n, expected: 2 * n, got: points.len() });
    }
    if let Some(at) = points.iter().position(|v| !v.is_finite()) {
        return Err(EmbedError::NonFinite { row: at / 2 });
    }
    if shape.cells() < n {
        return Err(EmbedError::GridTooSmall { n, columns: shape.columns, rows: shape.rows });
    }
    let places = stretched(points, shape);
    progress.begin(Stage::Grid, None);
    let exact = shape.cells() <= EXACT_GRID_CELLS;
    let cells: Vec<usize> = (0..shape.cells()).collect();
    let assigned = if exact {
        let all: Vec<usize> = (0..n).collect();
        Ok(assign_exactly(&places, &all, &cells, shape))
    } else {
        let mut cell_of = split(&places, shape);
        improve(&places, &mut cell_of, shape, progress).map(|()| cell_of)
    };
    progress.end(Stage::Grid);
    let cell_of = assigned?;
    let squared: Vec<f64> =
        cell_of.iter().zip(&places).map(|(&cell, place)| cost(place, cell, shape)).collect();
    Ok(GridAssignment {
        cost: squared.iter().sum(),
        mean_displacement: squared.iter().map(|c| c.sqrt()).sum::<f64>() / n.max(1) as f64,
        cell_of,
        exact,
    })
}

/// The points in units of cells: the bounding box fills the grid.
fn stretched(points: &[f32], shape: GridShape) -> Vec<[f64; 2]> {
    let sides = [shape.columns as f64, shape.rows as f64];
    let span = |axis: usize| {
        let values = points.iter().skip(axis).step_by(2).map(|&v| f64::from(v));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let spans = [span(0), span(1)];
    let place = |v: f32, axis: usize| {
        let (low, high) = spans[axis];
        let share = if high > low { (f64::from(v) - low) / (high - low) } else { 0.5 };
        share * sides[axis]
    };
    points.chunks_exact(2).map(|point| [place(point[0], 0), place(point[1], 1)]).collect()
}

/// Squared distance between a place and a cell's center.
fn cost(place: &[f64; 2], cell: usize, shape: GridShape) -> f64 {
    let (x, y) = ((cell % shape.columns) as f64 + 0.5, (cell / shape.columns) as f64 + 0.5);
    (place[0] - x).powi(2) + (place[1] - y).powi(2)
}

/// The cheapest assignment of `points` to `cells`, of which there are at least as many. Returns the cell of each point.
fn assign_exactly(places: &[[f64; 2]], points: &[usize], cells: &[usize], shape: GridShape) -> Vec<usize> {
    let side = cells.len();
    if points.is_empty() {
        return Vec::new();
    }
    let largest = points
        .iter()
        .flat_map(|&point| cells.iter().map(move |&cell| cost(&places[point], cell, shape)))
        .fold(f64::MIN_POSITIVE, f64::max);
    // Rows without a point stand for empty cells, which cost nothing wherever they are.
    let costs = Array2::from_shape_fn((side, side), |(row, column)| match points.get(row) {
        Some(&point) => cost(&places[point], cells[column], shape) / largest * COST_SCALE,
        None => 0.0,
    });
    let (columns, _) = lapjv(&costs).expect("the matrix is square and finite");
    columns[..points.len()].iter().map(|&column| cells[column]).collect()
}

/// Splits points and cells in two along the longer side, again and again.
fn split(places: &[[f64; 2]], shape: GridShape) -> Vec<usize> {
    let mut cell_of = vec![0; places.len()];
    let mut parts = vec![((0, shape.columns), (0, shape.rows), (0..places.len()).collect::<Vec<usize>>())];
    while let Some(((left, right), (top, bottom), mut points)) = parts.pop() {
        let (width, height) = (right - left, bottom - top);
        if points.is_empty() {
            continue;
        }
        if width * height == 1 {
            cell_of[points[0]] = top * shape.columns + left;
            continue;
        }
        let axis = usize::from(height > width);
        let (low, high, across) = if axis == 0 { (left, right, height) } else { (top, bottom, width) };
        let middle = low + (high - low) / 2;
        points.sort_by(|&a, &b| places[a][axis].total_cmp(&places[b][axis]).then(a.cmp(&b)));
        let room = [(middle - low) * across, (high - middle) * across];
        // As many as lie there, so that what is empty on the map stays empty, within the room there is.
        let before = points.partition_point(|&point| places[point][axis] < middle as f64);
        let first = before.clamp(points.len().saturating_sub(room[1]), room[0].min(points.len()));
        let rest = points.split_off(first);
        let (one, two) = if axis == 0 {
            (((left, middle), (top, bottom)), ((middle, right), (top, bottom)))
        } else {
            (((left, right), (top, middle)), ((left, right), (middle, bottom)))
        };
        parts.push((one.0, one.1, points));
        parts.push((two.0, two.1, rest));
    }
    cell_of
}

/// Assigns the points of window after window exactly, until a sweep lowers nothing.
fn improve(
    places: &[[f64; 2]],
    cell_of: &mut [usize],
    shape: GridShape,
    progress: &dyn Progress,
) -> Result<(), EmbedError> {
    let mut point_in: Vec<Option<usize>> = vec![None; shape.cells()];
    for (point, &cell) in cell_of.iter().enumerate() {
        point_in[cell] = Some(point);
    }
    for _ in 0..MAX_SWEEPS {
        let mut gained = 0.0;
        for top in (0..shape.rows).step_by(WINDOW_STEP) {
            if progress.is_cancelled() {
                return Err(EmbedError::Cancelled);
            }
            for left in (0..shape.columns).step_by(WINDOW_STEP) {
                let cells: Vec<usize> = (top..(top + WINDOW).min(shape.rows))
                    .flat_map(|y| {
                        (left..(left + WINDOW).min(shape.columns)).map(move |x| y * shape.columns + x)
                    })
                    .collect();
                let points: Vec<usize> = cells.iter().filter_map(|&cell| point_in[cell]).collect();
                let better = assign_exactly(places, &points, &cells, shape);
                let price = |of: &dyn Fn(usize) -> usize| -> f64 {
                    (0..points.len()).map(|i| cost(&places[points[i]], of(i), shape)).sum()
                };
                let gain = price(&|i| cell_of[points[i]]) - price(&|i| better[i]);
                if gain > 1e-9 {
                    gained += gain;
                    for &cell in &cells {
                        point_in[cell] = None;
                    }
                    for (&point, &cell) in points.iter().zip(&better) {
                        cell_of[point] = cell;
                        point_in[cell] = Some(point);
                    }
                }
            }
        }
        progress.advance(Stage::Grid, 1);
        if gained <= 1e-6 * places.len() as f64 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use featlas_core::Silent;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    fn blob(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut axis = || -> f32 { (0..4).map(|_| rng.random_range(-1.0..1.0_f32)).sum() };
        (0..2 * n).map(|_| axis()).collect()
    }

    fn is_injective(assignment: &GridAssignment, shape: GridShape) -> bool {
        let mut taken = vec![false; shape.cells()];
        assignment
            .cell_of
            .iter()
            .all(|&cell| cell < shape.cells() && !std::mem::replace(&mut taken[cell], true))
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
        fn small_grids_are_optimal(points in prop::collection::vec(-5.0_f32..5.0, 2..14), aspect in 0.4..2.5) {
            let n = points.len() / 2;
            let points = &points[..2 * n];
            let shape = grid_shape(n, aspect);
            let assignment = assign_grid(points, shape, &Silent).unwrap();
            prop_assert!(is_injective(&assignment, shape));
            let best = brute_force(&stretched(points, shape), 0, &mut (0..shape.cells()).collect(), shape);
            prop_assert!((assignment.cost - best).abs() < 1e-6 * (1.0 + best), "{} for {}", assignment.cost, best);
        }

        #[test]
        fn shapes_hold_all_points_without_an_empty_row(n in 1_usize..5000, aspect in 0.2..5.0) {
            let shape = grid_shape(n, aspect);
            prop_assert!(shape.cells() >= n && shape.cells() < n + shape.columns);
        }
    }

    #[test]
    fn the_fast_way_comes_close_to_the_exact_one() {
        let shape = GridShape { columns: 30, rows: 30 };
        let points = blob(850, 3);
        let exact = assign_grid(&points, shape, &Silent).unwrap();
        let places = stretched(&points, shape);
        let mut cell_of = split(&places, shape);
        let price = |cell_of: &[usize]| -> f64 {
            cell_of.iter().zip(&places).map(|(&cell, place)| cost(place, cell, shape)).sum()
        };
        let rough = price(&cell_of);
        improve(&places, &mut cell_of, shape, &Silent).unwrap();
        let fine = price(&cell_of);
        assert!(exact.exact && exact.cost <= fine && fine <= rough, "{} {fine} {rough}", exact.cost);
        assert!(fine < 1.15 * exact.cost, "{fine} for {}", exact.cost);
    }

    #[test]
    fn a_large_grid_gives_every_point_a_cell() {
        let points = blob(2600, 4);
        let shape = grid_shape(2600, 1.0);
        let assignment = assign_grid(&points, shape, &Silent).unwrap();
        assert!(!assignment.exact && is_injective(&assignment, shape));
        assert_eq!(assignment, assign_grid(&points, shape, &Silent).unwrap());
    }

    #[test]
    fn identical_points_and_single_ones_find_cells() {
        for n in [1, 2, 3, 10] {
            let shape = grid_shape(n, 1.0);
            assert!(is_injective(&assign_grid(&vec![1.5; 2 * n], shape, &Silent).unwrap(), shape));
        }
        let shape = GridShape { columns: 60, rows: 60 };
        assert!(is_injective(&assign_grid(&vec![0.0; 2 * 3600], shape, &Silent).unwrap(), shape));
        assert!(assign_grid(&[0.0; 6], GridShape { columns: 1, rows: 2 }, &Silent).is_err());
    }
}
