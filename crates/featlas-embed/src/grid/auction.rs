//! Assignment by auction, for grids that are too large for a matrix of costs.
//!
//! Every point bids for the cell that is worth most to it at the present prices, raises that cell's price to
//! where it is indifferent, plus ε, and drives out whoever held it (Bertsekas 1988, "The auction algorithm").
//! ε begins large and shrinks; prices stay from round to round. The prices also bound the cost of every
//! assignment from below (linear programming duality), so that each round tells how far from the optimum it
//! can be at most, and the search ends when that is little.
//!
//! A bidder does not look at every cell: cells are grouped in blocks, and blocks in larger ones, each with its
//! least price. A block whose least price plus the distance to its border is no bargain is skipped whole.
//! This finds the very bid that looking at all cells would find. Memory: about 50 bytes a cell.

use super::{GridShape, cost};
use crate::EmbedError;
use featlas_core::{Progress, Stage};

/// Side of the smallest blocks, in cells.
const BLOCK: usize = 4;
/// From one round's ε to the next's.
const SHRINK: f64 = 5.0;
/// The search ends when the cost is certainly no more than this share above the least possible, …
const GOOD_GAP: f64 = 1e-3;
/// … and a bid overshoots by no more than this squared cells, so that neighbors sit right, not only the whole.
pub(super) const GOOD_EPSILON: f64 = 1.0;
/// Squared cells; ends the search where all points lie on their cells and a share of the cost means nothing.
const LEAST_EPSILON: f64 = 1e-4;
/// Bids between two looks at whether to stop.
const BIDS_BETWEEN_LOOKS: u64 = 1 << 14;

/// What an auction ends with.
#[derive(Debug)]
pub(super) struct Sold {
    /// The cell of each place, and after them the cells that stay empty.
    pub(super) cell_of: Vec<usize>,
    /// The price of each cell.
    pub(super) prices: Vec<f64>,
    /// No assignment costs less than this.
    pub(super) lower_bound: f64,
}

/// Assigns `places`, in units of cells, to cells of `shape`, of which there are at least as many. The last bids overshoot
/// by no more than `overshoot`, in squared cells.
pub(super) fn auction(
    places: &[[f64; 2]],
    shape: GridShape,
    overshoot: f64,
    progress: &dyn Progress,
) -> Result<Sold, EmbedError> {
    let mut auction = Auction::new(places, shape);
    let diagonal = (shape.columns.pow(2) + shape.rows.pow(2)) as f64;
    let mut epsilon = (diagonal / 32.0).max(overshoot);
    let mut lower_bound = 0.0_f64;
    loop {
        auction.round(epsilon, progress)?;
        let cell_of = &auction.cell_of[..places.len()];
        let spent: f64 = places.iter().zip(cell_of).map(|(place, &cell)| cost(place, cell, shape)).sum();
        // Every set of prices gives a bound; the best of them holds.
        lower_bound = lower_bound.max(auction.lower_bound());
        let gap = if spent > 0.0 { 1.0 - lower_bound / spent } else { 0.0 };
        progress.advance(Stage::Grid, 1);
        progress.note(Stage::Grid, &format!("at most {:.2} % above the optimum", 100.0 * gap));
        if (gap <= GOOD_GAP && epsilon <= overshoot) || epsilon <= LEAST_EPSILON {
            let Auction { cell_of, prices, .. } = auction;
            return Ok(Sold { cell_of, prices: prices.of_cell, lower_bound: lower_bound.min(spent) });
        }
        epsilon /= SHRINK;
    }
}

struct Auction<'a> {
    places: &'a [[f64; 2]],
    prices: Prices,
    /// The cell that each bidder holds or last held. The bidders after the points stand for emptiness: there
    /// are as many as cells stay empty, and every cell is worth the same to them.
    cell_of: Vec<usize>,
}

impl<'a> Auction<'a> {
    fn new(places: &'a [[f64; 2]], shape: GridShape) -> Self {
        let inside = |v: f64, cells: usize| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let cell = v as usize;
            cell.min(cells - 1)
        };
        let under =
            |place: &[f64; 2]| inside(place[1], shape.rows) * shape.columns + inside(place[0], shape.columns);
        let mut cell_of: Vec<usize> = places.iter().map(under).collect();
        cell_of.resize(shape.cells(), 0);
        Self { places, prices: Prices::new(shape), cell_of }
    }

    /// Sells every cell anew at the prices of the last round.
    fn round(&mut self, epsilon: f64, progress: &dyn Progress) -> Result<(), EmbedError> {
        let mut owner: Vec<Option<usize>> = vec![None; self.cell_of.len()];
        // Last come, first served: who was driven out bids next, while its surroundings are in the cache.
        let mut waiting: Vec<usize> = (0..self.cell_of.len()).collect();
        let mut bids = 0_u64;
        while let Some(bidder) = waiting.pop() {
            bids += 1;
            if bids.is_multiple_of(BIDS_BETWEEN_LOOKS) && progress.is_cancelled() {
                return Err(EmbedError::Cancelled);
            }
            let offer = self.prices.best(self.places.get(bidder), self.cell_of[bidder]);
            // A grid of one cell has no second best.
            let margin = if offer.second.is_finite() { offer.second - offer.first } else { 0.0 };
            self.prices.raise(offer.cell, margin + epsilon);
            self.cell_of[bidder] = offer.cell;
            waiting.extend(owner[offer.cell].replace(bidder));
        }
        Ok(())
    }

    /// The value of the dual problem at the present prices.
    fn lower_bound(&self) -> f64 {
        let best = |(bidder, &cell): (usize, &usize)| self.prices.best(self.places.get(bidder), cell).first;
        let worth: f64 = self.cell_of.iter().enumerate().map(best).sum();
        worth - self.prices.of_cell.iter().sum::<f64>()
    }
}

/// The cell that costs a bidder least, price included.
#[derive(Debug, Clone, Copy)]
struct Offer {
    cell: usize,
    first: f64,
    /// What the second best costs.
    second: f64,
}

impl Offer {
    fn see(&mut self, cell: usize, value: f64) {
        if value < self.first {
            (self.cell, self.first, self.second) = (cell, value, self.first);
        } else if value < self.second {
            self.second = value;
        }
    }
}

/// The price of each cell, and the least price of each block of blocks.
struct Prices {
    shape: GridShape,
    of_cell: Vec<f64>,
    /// From blocks of [`BLOCK`] cells a side up to one block of everything.
    levels: Vec<Level>,
}

struct Level {
    /// Blocks from left to right.
    columns: usize,
    /// Side of a block in cells.
    side: usize,
    least: Vec<f64>,
}

impl Level {
    fn rows(&self) -> usize {
        self.least.len() / self.columns
    }
}

impl Prices {
    fn new(shape: GridShape) -> Self {
        let mut levels = Vec::new();
        let mut side = BLOCK;
        loop {
            let (columns, rows) = (shape.columns.div_ceil(side), shape.rows.div_ceil(side));
            levels.push(Level { columns, side, least: vec![0.0; columns * rows] });
            if columns * rows == 1 {
                return Self { shape, of_cell: vec![0.0; shape.cells()], levels };
            }
            side *= 2;
        }
    }

    fn raise(&mut self, cell: usize, by: f64) {
        self.of_cell[cell] += by;
        let (mut column, mut row) = (cell % self.shape.columns / BLOCK, cell / self.shape.columns / BLOCK);
        let mut least = f64::INFINITY;
        for y in row * BLOCK..((row + 1) * BLOCK).min(self.shape.rows) {
            let line = y * self.shape.columns;
            let right = ((column + 1) * BLOCK).min(self.shape.columns);
            least = self.of_cell[line + column * BLOCK..line + right].iter().copied().fold(least, f64::min);
        }
        for level in 0..self.levels.len() {
            if level > 0 {
                let below = &self.levels[level - 1];
                least = f64::INFINITY;
                for y in 2 * row..(2 * row + 2).min(below.rows()) {
                    let right = (2 * column + 2).min(below.columns);
                    let blocks = &below.least[y * below.columns + 2 * column..y * below.columns + right];
                    least = blocks.iter().copied().fold(least, f64::min);
                }
            }
            let Level { columns, least: all, .. } = &mut self.levels[level];
            let slot = &mut all[row * *columns + column];
            // Prices only rise: where the least stays, so does everything above.
            if *slot >= least {
                return;
            }
            *slot = least;
            (column, row) = (column / 2, row / 2);
        }
    }

    /// The best offer for who stands at `place`, or to whom all places are the same. `hint` is a cell where a good
    /// one may be; it decides how long the search takes, and which of two equal offers is found.
    fn best(&self, place: Option<&[f64; 2]>, hint: usize) -> Offer {
        let mut offer = Offer { cell: hint, first: f64::INFINITY, second: f64::INFINITY };
        let start = (hint % self.shape.columns / BLOCK, hint / self.shape.columns / BLOCK);
        self.look(place, start, &mut offer);
        self.descend(place, self.levels.len() - 1, (0, 0), start, &mut offer);
        offer
    }

    /// Looks at every cell of a smallest block.
    fn look(&self, place: Option<&[f64; 2]>, (column, row): (usize, usize), offer: &mut Offer) {
        for y in row * BLOCK..((row + 1) * BLOCK).min(self.shape.rows) {
            for x in column * BLOCK..((column + 1) * BLOCK).min(self.shape.columns) {
                let cell = y * self.shape.columns + x;
                let price = self.of_cell[cell];
                offer.see(cell, place.map_or(price, |place| price + cost(place, cell, self.shape)));
            }
        }
    }

    /// Looks into the blocks of a block that may hold a better offer, the most promising first.
    fn descend(
        &self,
        place: Option<&[f64; 2]>,
        level: usize,
        (column, row): (usize, usize),
        seen: (usize, usize),
        offer: &mut Offer,
    ) {
        if level == 0 {
            if (column, row) != seen {
                self.look(place, (column, row), offer);
            }
            return;
        }
        let below = &self.levels[level - 1];
        let mut inside = [(f64::INFINITY, (0, 0)); 4];
        let mut count = 0;
        for y in 2 * row..(2 * row + 2).min(below.rows()) {
            for x in 2 * column..(2 * column + 2).min(below.columns) {
                let bound = below.bound(place, x, y);
                let mut at = count;
                while at > 0 && inside[at - 1].0 > bound {
                    inside[at] = inside[at - 1];
                    at -= 1;
                }
                inside[at] = (bound, (x, y));
                count += 1;
            }
        }
        for &(bound, block) in &inside[..count] {
            if bound < offer.second {
                self.descend(place, level - 1, block, seen, offer);
            }
        }
    }
}

impl Level {
    /// What a cell of a block costs at least.
    fn bound(&self, place: Option<&[f64; 2]>, column: usize, row: usize) -> f64 {
        let least = self.least[row * self.columns + column];
        let Some(place) = place else { return least };
        let away = |at: f64, block: usize| {
            // Centers of the first and the last cell.
            let first = (block * self.side) as f64 + 0.5;
            let last = first + (self.side - 1) as f64;
            (first - at).max(at - last).max(0.0)
        };
        least + away(place[0], column).powi(2) + away(place[1], row).powi(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_offer_is_the_best_of_all_cells(
            columns in 1_usize..40, rows in 1_usize..40,
            raises in prop::collection::vec((0_usize..1600, 0.0_f64..60.0), 0..200),
            x in 0.0_f64..1.0, y in 0.0_f64..1.0, hint in 0_usize..1600, somewhere in any::<bool>(),
        ) {
            let shape = GridShape { columns, rows };
            let mut prices = Prices::new(shape);
            for (cell, by) in raises {
                prices.raise(cell % shape.cells(), by);
            }
            let place = [x * columns as f64, y * rows as f64];
            let place = somewhere.then_some(&place);
            let offer = prices.best(place, hint % shape.cells());
            let mut values: Vec<f64> = (0..shape.cells())
                .map(|cell| prices.of_cell[cell] + place.map_or(0.0, |place| cost(place, cell, shape)))
                .collect();
            prop_assert!((values[offer.cell] - offer.first).abs() < 1e-9);
            values.sort_by(f64::total_cmp);
            prop_assert!((values[0] - offer.first).abs() < 1e-9);
            prop_assert!(values.get(1).is_none_or(|second| (second - offer.second).abs() < 1e-9));
        }
    }
}
