//! The knobs of the graph.

use crate::IndexError;
use serde::{Deserialize, Serialize};

/// Links a node keeps on the upper layers; on layer 0 it keeps twice as many.
pub const DEFAULT_M: usize = 16;
/// Candidates kept while a node looks for its links.
pub const DEFAULT_EF_CONSTRUCTION: usize = 200;
/// Candidates kept while a query looks for its neighbors.
pub const DEFAULT_EF_SEARCH: usize = 64;

/// How to build the graph; the letters are those of Malkov & Yashunin, "Efficient and robust approximate nearest
/// neighbor search using Hierarchical Navigable Small World graphs" (2018).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexParams {
    /// Links a node keeps on a layer, `2..=255`; see [`DEFAULT_M`].
    pub m: usize,
    /// Candidates while building, at least 1; see [`DEFAULT_EF_CONSTRUCTION`].
    pub ef_construction: usize,
    /// Candidates while searching, at least 1; see [`DEFAULT_EF_SEARCH`]. Any search may ask for more.
    pub ef_search: usize,
    /// Decides the order of insertion, and with it which rows live on which layers.
    pub seed: u64,
    /// Threads that build; 0 for all cores. With one thread the same vectors and seed give the same bytes; with more,
    /// the order in which insertions meet is not fixed, and only the recall is.
    pub threads: usize,
}

impl Default for IndexParams {
    fn default() -> Self {
        Self {
            m: DEFAULT_M,
            ef_construction: DEFAULT_EF_CONSTRUCTION,
            ef_search: DEFAULT_EF_SEARCH,
            seed: 0,
            threads: 0,
        }
    }
}

impl IndexParams {
    /// `m` must fit a byte, as `hnsw_rs` holds it in one; the rest must fit the file's 32 bits.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        let fits = |v: usize| (1..=u32::MAX as usize).contains(&v);
        if !(2..=255).contains(&self.m) {
            return Err(IndexError::Parameter { name: "m", expected: "2 to 255", got: self.m });
        }
        for (name, value) in [("ef_construction", self.ef_construction), ("ef_search", self.ef_search)] {
            if !fits(value) {
                return Err(IndexError::Parameter { name, expected: "1 to 4294967295", got: value });
            }
        }
        Ok(())
    }
}
