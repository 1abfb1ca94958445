//! Room for squares: which places are free, and a lattice for those that find none.

use super::place::Bounds;
use crate::canvas::floor;

/// How finely [`Room::nearest_free`] looks, in sides.
const FINE: f32 = 0.125;
/// How far it looks, in steps of that.
const FAR: i64 = 160;

/// Squares of one size that do not overlap.
pub(super) struct Room {
    side: f32,
    bounds: Bounds,
    columns: i64,
    rows: i64,
    // Centers by the cell of a square's size they lie in: two in one would overlap.
    taken: Vec<Option<(f32, f32)>>,
}

impl Room {
    /// Nothing but room: centers may lie anywhere in `bounds`.
    pub(super) fn new(side: f32, bounds: Bounds) -> Self {
        let (columns, rows) = (floor(bounds.width / side) + 1, floor(bounds.height / side) + 1);
        let taken = vec![None; usize::try_from(columns * rows).expect("a picture's size")];
        Self { side, bounds, columns, rows, taken }
    }

    fn cell(&self, (x, y): (f32, f32)) -> (i64, i64) {
        let column = floor((x - self.bounds.left) / self.side).clamp(0, self.columns - 1);
        (column, floor((y - self.bounds.top) / self.side).clamp(0, self.rows - 1))
    }

    fn is_free(&self, center: (f32, f32)) -> bool {
        let (column, row) = self.cell(center);
        let near = |v: i64, end: i64| (v - 1).max(0)..(v + 2).min(end);
        near(row, self.rows).all(|row| {
            near(column, self.columns).all(|column| {
                self.taken[place(column, row, self.columns)].is_none_or(|other| {
                    (center.0 - other.0).abs() >= self.side || (center.1 - other.1).abs() >= self.side
                })
            })
        })
    }

    /// Takes the place around `center`, if it is free.
    pub(super) fn take(&mut self, center: (f32, f32)) -> bool {
        let free = self.is_free(center);
        if free {
            let (column, row) = self.cell(center);
            self.taken[place(column, row, self.columns)] = Some(center);
        }
        free
    }

    /// The free place nearest to `center`, to a fraction of a side.
    pub(super) fn nearest_free(&self, center: (f32, f32)) -> Option<(f32, f32)> {
        let step = self.side * FINE;
        let mut best: Option<(i64, (f32, f32))> = None;
        for ring in 0..FAR {
            // Whatever lies on this ring or beyond is farther than the best.
            if best.is_some_and(|(distance, _)| ring * ring > distance) {
                break;
            }
            for (dx, dy) in ring_around(0, 0, ring) {
                let (distance, at) =
                    (dx * dx + dy * dy, (center.0 + dx as f32 * step, center.1 + dy as f32 * step));
                if best.is_none_or(|(least, _)| distance < least)
                    && self.bounds.clamp(at) == at
                    && self.is_free(at)
                {
                    best = Some((distance, at));
                }
            }
        }
        best.map(|(_, at)| at)
    }
}

/// Moves every center to the nearest free place of a lattice, the first center first; `false` if there are too few.
pub(super) fn settle(at: &mut [(f32, f32)], side: f32, bounds: Bounds) -> bool {
    // A little more than a side: rounding must not let neighbors overlap.
    let pitch = side * 1.001;
    let (columns, rows) = (floor(bounds.width / pitch) + 1, floor(bounds.height / pitch) + 1);
    let places = usize::try_from(columns.max(0) * rows.max(0)).unwrap_or(usize::MAX);
    if places < at.len() {
        return false;
    }
    let mut taken = vec![false; places];
    for center in at {
        let home = ((center.0 - bounds.left) / pitch, (center.1 - bounds.top) / pitch);
        let (column, row) =
            (floor(home.0 + 0.5).clamp(0, columns - 1), floor(home.1 + 0.5).clamp(0, rows - 1));
        let mut best: Option<(f32, i64, i64)> = None;
        for ring in 0..columns.max(rows) {
            // Whatever lies on this ring or beyond is farther than the best.
            if best.is_some_and(|(distance, ..)| (ring as f32 - 0.5).powi(2) > distance) {
                break;
            }
            for (x, y) in ring_around(column, row, ring) {
                if !(0..columns).contains(&x) || !(0..rows).contains(&y) || taken[place(x, y, columns)] {
                    continue;
                }
                let distance = (x as f32 - home.0).powi(2) + (y as f32 - home.1).powi(2);
                if best.is_none_or(|(least, ..)| distance < least) {
                    best = Some((distance, x, y));
                }
            }
        }
        let Some((_, x, y)) = best else { return false };
        taken[place(x, y, columns)] = true;
        *center = bounds.clamp((bounds.left + x as f32 * pitch, bounds.top + y as f32 * pitch));
    }
    true
}

fn place(x: i64, y: i64, columns: i64) -> usize {
    usize::try_from(y * columns + x).expect("inside the lattice")
}

/// The places whose larger distance along an axis is `ring`.
fn ring_around(column: i64, row: i64, ring: i64) -> impl Iterator<Item = (i64, i64)> {
    (row - ring..=row + ring).flat_map(move |y| {
        let step = if (y - row).abs() == ring || ring == 0 { 1 } else { 2 * ring };
        (0..=2 * ring).step_by(usize::try_from(step).unwrap_or(1)).map(move |dx| (column - ring + dx, y))
    })
}
