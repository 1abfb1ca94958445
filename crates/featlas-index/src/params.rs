//! The knobs of the index.

use crate::IndexError;
use crate::compact::MAX_RANK;
use serde::{Deserialize, Serialize};

/// Links a node keeps on the upper layers; on layer 0 it keeps twice as many.
pub const DEFAULT_M: usize = 16;
/// Candidates kept while a node looks for its links.
pub const DEFAULT_EF_CONSTRUCTION: usize = 200;
/// Share of the true ten nearest that a search is to find.
pub const DEFAULT_RECALL: f64 = 0.99;

/// How to build the graph; the letters are those of Malkov & Yashunin, "Efficient and robust approximate nearest
/// neighbor search using Hierarchical Navigable Small World graphs" (2018).
///
/// The same rows, basis and parameters give the same bytes, on any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct IndexParams {
    /// Links a node keeps on a layer, `2..=255`; see [`DEFAULT_M`].
    pub m: usize,
    /// Candidates while building, at least 1; see [`DEFAULT_EF_CONSTRUCTION`].
    pub ef_construction: usize,
    /// Directions of a compact vector, `1..=512`; none: as few as the recall allows, found on a sample of the rows.
    pub rank: Option<usize>,
    /// Share of the true ten nearest that a search is to find, in `(0, 1)`; see [`DEFAULT_RECALL`].
    pub recall: f64,
    /// Decides the order of insertion, and the queries that recall is measured with.
    pub seed: u64,
    /// Threads that build; 0 for all cores. They do not change the result.
    pub threads: usize,
}

impl Default for IndexParams {
    fn default() -> Self {
        Self {
            m: DEFAULT_M,
            ef_construction: DEFAULT_EF_CONSTRUCTION,
            rank: None,
            recall: DEFAULT_RECALL,
            seed: 0,
            threads: 0,
        }
    }
}

impl IndexParams {
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        let bad = |name, expected, got: String| Err(IndexError::Parameter { name, expected, got });
        if !(2..=255).contains(&self.m) {
            return bad("m", "2 to 255", self.m.to_string());
        }
        if !(1..=100_000).contains(&self.ef_construction) {
            return bad("ef_construction", "1 to 100000", self.ef_construction.to_string());
        }
        if self.rank.is_some_and(|rank| !(1..=MAX_RANK).contains(&rank)) {
            return bad("rank", "1 to 512", self.rank.unwrap_or_default().to_string());
        }
        if !(self.recall > 0.0 && self.recall < 1.0) {
            return bad("recall", "a share between 0 and 1", self.recall.to_string());
        }
        Ok(())
    }
}
