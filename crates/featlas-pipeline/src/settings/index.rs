//! How the index is built and searched.

use featlas_index::Metric;
use serde::{Deserialize, Serialize};

/// Images whose labels are compared with their neighbors', at most.
pub const DEFAULT_ACCURACY_QUERIES: usize = 2000;

/// How the graph of nearest neighbors is built and searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IndexSettings {
    /// How features are compared.
    pub metric: Metric,
    /// Share of the true ten nearest that a search is to find; decides `ef_search` and the length of compact vectors.
    pub recall: f64,
    /// Links a node, as `M` in the paper.
    pub m: usize,
    /// Candidates while building.
    pub ef_construction: usize,
    /// Candidates while searching; none: as few as reach `recall`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ef_search: Option<usize>,
    /// Bytes of a compact vector; none: as few as `recall` allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Seed of the order of insertion, and of the recall queries.
    pub seed: u64,
    /// Images whose labels are compared with their neighbors', at most.
    pub accuracy_queries: usize,
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self {
            metric: Metric::Cosine,
            recall: featlas_index::DEFAULT_RECALL,
            m: featlas_index::DEFAULT_M,
            ef_construction: featlas_index::DEFAULT_EF_CONSTRUCTION,
            ef_search: None,
            rank: None,
            seed: 0,
            accuracy_queries: DEFAULT_ACCURACY_QUERIES,
        }
    }
}
