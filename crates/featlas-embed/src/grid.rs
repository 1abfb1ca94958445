//! Every point of a map into a cell of its own.
//!
//! An [`auction`](auction::auction) ends with a bound on how far from the optimum it can be. Small grids go on from
//! there to the [`cheapest`](exact::cheapest) assignment of all.

mod auction;
mod exact;
mod nearest;

use crate::EmbedError;
use featlas_core::{Progress, Stage};

pub use nearest::nearest_points;

/// Largest number of cells that is assigned exactly: time grows with its square, and more where points crowd.
pub const EXACT_GRID_CELLS: usize = 2500;
/// By how much the last bids of an auction overshoot that the cheapest assignment goes on from, in squared cells: lower
/// takes the auction longer, higher leaves more to do after it.
const EXACT_OVERSHOOT: f64 = 0.1;

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
    /// No assignment costs less than this; `cost` itself where `exact`.
    pub lower_bound: f64,
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

/// The grid for `n` points with as many `columns` and `rows` as are given; what is left open follows from the
/// number of points, and if both are, from `aspect`, width to height.
///
/// # Errors
/// [`EmbedError::GridTooSmall`] if both are given and do not hold `n`.
pub fn grid_of(
    n: usize,
    columns: Option<usize>,
    rows: Option<usize>,
    aspect: f64,
) -> Result<GridShape, EmbedError> {
    let least = n.max(1);
    let shape = match (columns, rows) {
        (None, None) => grid_shape(n, aspect),
        (Some(columns), None) => GridShape { columns, rows: least.div_ceil(columns.max(1)) },
        (None, Some(rows)) => GridShape { columns: least.div_ceil(rows.max(1)), rows },
        (Some(columns), Some(rows)) => GridShape { columns, rows },
    };
    if shape.columns.checked_mul(shape.rows).is_none_or(|cells| cells < least) {
        return Err(EmbedError::GridTooSmall { n: least, columns: shape.columns, rows: shape.rows });
    }
    Ok(shape)
}

/// Puts every point of `points`, `(n, 2)` row-major, into a cell of its own.
///
/// The map's bounding box is stretched over the grid, row 0 where the map's second coordinate is largest: up on
/// the map is up on the grid. The squared distances to the cells' centers are summed, and that sum is what
/// is made small: the least possible for grids of up to [`EXACT_GRID_CELLS`], within 0.1 % of it beyond (see
/// [`GridAssignment::lower_bound`]). Cells are left empty where the map is empty. Deterministic.
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
    let overshoot = if exact { EXACT_OVERSHOOT } else { auction::GOOD_EPSILON };
    let sold = auction::auction(&places, shape, overshoot, progress);
    progress.end(Stage::Grid);
    let sold = sold?;
    let lower_bound = (!exact).then_some(sold.lower_bound);
    let mut cell_of = if exact { exact::cheapest(&places, shape, sold) } else { sold.cell_of };
    // After the points come the cells that stay empty.
    cell_of.truncate(n);
    let squared: Vec<f64> =
        places.iter().zip(&cell_of).map(|(place, &cell)| cost(place, cell, shape)).collect();
    let cost = squared.iter().sum();
    Ok(GridAssignment {
        cost,
        lower_bound: lower_bound.unwrap_or(cost),
        mean_displacement: squared.iter().map(|c| c.sqrt()).sum::<f64>() / n.max(1) as f64,
        cell_of,
        exact,
    })
}

/// The points in units of cells: the bounding box fills the grid, the top first.
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
        // Maps count upward, grids downward.
        (if axis == 0 { share } else { 1.0 - share }) * sides[axis]
    };
    points.chunks_exact(2).map(|point| [place(point[0], 0), place(point[1], 1)]).collect()
}

/// Squared distance between a place and a cell's center.
fn cost(place: &[f64; 2], cell: usize, shape: GridShape) -> f64 {
    let (x, y) = ((cell % shape.columns) as f64 + 0.5, (cell / shape.columns) as f64 + 0.5);
    (place[0] - x).powi(2) + (place[1] - y).powi(2)
}

#[cfg(test)]
mod tests;
