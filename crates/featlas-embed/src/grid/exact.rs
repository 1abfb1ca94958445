//! The cheapest assignment of all, for grids of some thousand cells.
//!
//! The prices that an auction ends with are nearly those of the optimum. Whoever can have the cell that is best at
//! these prices gets it; the others find theirs by shortest paths of changes, each of which keeps the assignment
//! the cheapest for those that have a cell (Jonker & Volgenant 1987, the last of their steps). From such prices the
//! paths are few and short: 2,500 points in clumps take half a second, where starting without prices takes 30.

use super::auction::Sold;
use super::{GridShape, cost};

/// Turns a nearly cheapest assignment of `places` into the cheapest; the cell of each place.
pub(super) fn cheapest(places: &[[f64; 2]], shape: GridShape, sold: Sold) -> Vec<usize> {
    let Sold { mut cell_of, mut prices, .. } = sold;
    let n = places.len();
    // Emptiness comes free wherever the price is least. One least price for all empty cells, and none below it, lets
    // every one of them stay empty at once.
    let least = cell_of[n..].iter().map(|&cell| prices[cell]).fold(f64::INFINITY, f64::min);
    if least.is_finite() {
        cell_of[n..].iter().for_each(|&cell| prices[cell] = least);
        for price in &mut prices {
            *price = price.max(least);
        }
    }
    let mut search = Search::new(places, shape, prices);
    for (bidder, &cell) in cell_of.iter().enumerate().skip(n) {
        search.owner[cell] = Some(bidder);
    }
    let left_over: Vec<usize> = (0..n).filter(|&bidder| !search.take_best(bidder)).collect();
    for bidder in left_over {
        search.make_room(bidder);
    }
    for (cell, owner) in search.owner.iter().enumerate() {
        if let Some(bidder) = *owner {
            cell_of[bidder] = cell;
        }
    }
    cell_of.truncate(n);
    cell_of
}

/// An assignment under way: every bidder with a cell has the one that costs it least, price included.
struct Search<'a> {
    places: &'a [[f64; 2]],
    shape: GridShape,
    prices: Vec<f64>,
    owner: Vec<Option<usize>>,
    // Of the present path: what a cell costs to get to, who would come to it, and whether that is final.
    reach: Vec<f64>,
    comes: Vec<usize>,
    settled: Vec<bool>,
}

impl<'a> Search<'a> {
    fn new(places: &'a [[f64; 2]], shape: GridShape, prices: Vec<f64>) -> Self {
        let cells = shape.cells();
        let (reach, comes, settled) = (vec![0.0; cells], vec![0; cells], vec![false; cells]);
        Self { places, shape, prices, owner: vec![None; cells], reach, comes, settled }
    }

    /// What `cell` costs `bidder`, price included; bidders without a place stand for emptiness.
    fn value(&self, bidder: usize, cell: usize) -> f64 {
        self.prices[cell] + self.places.get(bidder).map_or(0.0, |place| cost(place, cell, self.shape))
    }

    /// Gives `bidder` the cell that costs it least, if nobody has it.
    fn take_best(&mut self, bidder: usize) -> bool {
        let cells = 0..self.owner.len();
        let best = cells.min_by(|&a, &b| self.value(bidder, a).total_cmp(&self.value(bidder, b)));
        let Some(cell) = best.filter(|&cell| self.owner[cell].is_none()) else { return false };
        self.owner[cell] = Some(bidder);
        true
    }

    /// Finds the cheapest chain of changes that ends in a cell nobody has (Dijkstra 1959), and carries it out.
    fn make_room(&mut self, bidder: usize) {
        self.settled.fill(false);
        for cell in 0..self.owner.len() {
            (self.reach[cell], self.comes[cell]) = (self.value(bidder, cell), bidder);
        }
        // All emptiness is alike: who comes first opens every way that another could.
        let mut emptiness_moved = false;
        let (free, spent) = loop {
            let open = (0..self.owner.len()).filter(|&cell| !self.settled[cell]);
            let next = open.min_by(|&a, &b| self.reach[a].total_cmp(&self.reach[b]));
            let cell = next.expect("as many cells as bidders");
            let spent = self.reach[cell];
            let Some(owner) = self.owner[cell] else { break (cell, spent) };
            self.settled[cell] = true;
            let is_empty = owner >= self.places.len();
            if is_empty && emptiness_moved {
                continue;
            }
            emptiness_moved |= is_empty;
            let onward = spent - self.value(owner, cell);
            for other in 0..self.owner.len() {
                let reach = self.value(owner, other) + onward;
                if reach < self.reach[other] && !self.settled[other] {
                    (self.reach[other], self.comes[other]) = (reach, owner);
                }
            }
        };
        for cell in 0..self.owner.len() {
            if self.settled[cell] {
                self.prices[cell] += spent - self.reach[cell];
            }
        }
        self.shift(free, bidder);
    }

    /// Moves everyone along the path that ends in `free`, back to `first`, who had no cell.
    fn shift(&mut self, free: usize, first: usize) {
        let mut cell = free;
        loop {
            let comes = self.comes[cell];
            let left = (comes != first).then(|| self.owner.iter().position(|&owner| owner == Some(comes)));
            self.owner[cell] = Some(comes);
            let Some(left) = left else { return };
            cell = left.expect("who moves had a cell");
        }
    }
}
