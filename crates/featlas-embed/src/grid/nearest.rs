//! The other way around: for each cell, the point nearest to it.

use super::{GridShape, cost, stretched};
use crate::EmbedError;

/// Points a bucket holds on average.
const BUCKET_POINTS: usize = 2;

/// For each cell, row-major, the row of the point of `points`, `(n, 2)`, that lies nearest to its center.
///
/// Ties go to the first; the map lies over the grid as in [`assign_grid`](super::assign_grid). A point may be nearest
/// to many cells or to none.
///
/// # Errors
/// [`EmbedError::Empty`], [`EmbedError::Shape`], [`EmbedError::NonFinite`].
pub fn nearest_points(points: &[f32], shape: GridShape) -> Result<Vec<usize>, EmbedError> {
    let n = points.len() / 2;
    if points.len() != 2 * n {
        return Err(EmbedError::Shape { n, expected: 2 * n, got: points.len() });
    }
    if n == 0 {
        return Err(EmbedError::Empty);
    }
    if let Some(at) = points.iter().position(|v| !v.is_finite()) {
        return Err(EmbedError::NonFinite { row: at / 2 });
    }
    let places = stretched(points, shape);
    let buckets = Buckets::new(&places, shape);
    Ok((0..shape.cells()).map(|cell| buckets.nearest(&places, cell)).collect())
}

/// The points by squares of several cells.
struct Buckets {
    shape: GridShape,
    /// Side of a bucket in cells.
    side: usize,
    columns: usize,
    rows: usize,
    members: Vec<Vec<usize>>,
}

impl Buckets {
    fn new(places: &[[f64; 2]], shape: GridShape) -> Self {
        let wanted = (places.len() / BUCKET_POINTS).max(1);
        let side = (shape.cells() / wanted).isqrt().max(1);
        let (columns, rows) = (shape.columns.div_ceil(side), shape.rows.div_ceil(side));
        let mut members = vec![Vec::new(); columns * rows];
        for (point, place) in places.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let at = |v: f64, count: usize| (v as usize / side).min(count - 1);
            members[at(place[1], rows) * columns + at(place[0], columns)].push(point);
        }
        Self { shape, side, columns, rows, members }
    }

    /// Looks at rings of buckets around the cell until no farther one can hold a nearer point.
    fn nearest(&self, places: &[[f64; 2]], cell: usize) -> usize {
        let (column, row) = (cell % self.shape.columns / self.side, cell / self.shape.columns / self.side);
        let mut best = (f64::INFINITY, 0);
        for ring in 0..self.columns.max(self.rows) {
            // Half a cell at least lies between the center of the cell and the border of its bucket.
            let away = (ring as f64 - 1.0) * self.side as f64 + 0.5;
            if away > 0.0 && best.0 < away * away {
                break;
            }
            for y in row.saturating_sub(ring)..(row + ring + 1).min(self.rows) {
                let edge = y + ring == row || y == row + ring;
                let xs = column.saturating_sub(ring)..(column + ring + 1).min(self.columns);
                for x in xs.filter(|&x| edge || x + ring == column || x == column + ring) {
                    for &point in &self.members[y * self.columns + x] {
                        let distance = cost(&places[point], cell, self.shape);
                        if distance < best.0 || (distance <= best.0 && point < best.1) {
                            best = (distance, point);
                        }
                    }
                }
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_lies_nearer(
            points in prop::collection::vec(-9_i8..9, 2..90), columns in 1_usize..30, rows in 1_usize..30,
        ) {
            let n = points.len() / 2;
            let points: Vec<f32> = points[..2 * n].iter().map(|&v| f32::from(v)).collect();
            let shape = GridShape { columns, rows };
            let places = stretched(&points, shape);
            for (cell, point) in nearest_points(&points, shape).unwrap().into_iter().enumerate() {
                let distance = |point: usize| cost(&places[point], cell, shape);
                let best = (0..n).min_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b))).unwrap();
                prop_assert_eq!(point, best, "cell {}", cell);
            }
        }
    }

    #[test]
    fn no_point_is_an_error() {
        let shape = GridShape { columns: 2, rows: 2 };
        assert!(matches!(nearest_points(&[], shape), Err(EmbedError::Empty)));
        assert!(matches!(nearest_points(&[f32::NAN, 0.0], shape), Err(EmbedError::NonFinite { row: 0 })));
    }
}
