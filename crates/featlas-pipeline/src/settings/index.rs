//! How the index is built and searched.

use serde::{Deserialize, Serialize};

/// How the HNSW graph is built and searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IndexSettings {
    /// Links a node, as `M` in the paper.
    pub m: usize,
    /// Candidates while building.
    pub ef_construction: usize,
    /// Candidates while searching.
    pub ef_search: usize,
    /// Seed of the levels and of the recall queries.
    pub seed: u64,
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self {
            m: featlas_index::DEFAULT_M,
            ef_construction: featlas_index::DEFAULT_EF_CONSTRUCTION,
            ef_search: featlas_index::DEFAULT_EF_SEARCH,
            seed: 0,
        }
    }
}
