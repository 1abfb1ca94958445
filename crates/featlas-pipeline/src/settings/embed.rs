//! How the maps are made.

use super::Space;
use serde::{Deserialize, Serialize};

/// How the maps are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EmbedSettings {
    /// What vectors are mapped.
    pub space: Space,
    /// Perplexity of t-SNE: about the number of neighbors that matter.
    pub perplexity: f32,
    /// Iterations of t-SNE.
    pub iterations: usize,
    /// Exaggeration of the attraction in the first iterations of t-SNE.
    pub exaggeration: f32,
    /// Exaggeration in the other iterations: above 1, islands stand farther apart.
    pub late_exaggeration: f32,
    /// 2, or 3 for a map of three dimensions beside the one of two.
    pub dims: usize,
    /// Seed.
    pub seed: u64,
    /// Whether the map starts anew instead of taking new images into the last one.
    pub fresh: bool,
}

impl Default for EmbedSettings {
    fn default() -> Self {
        Self {
            space: Space::Fc7,
            perplexity: featlas_embed::DEFAULT_PERPLEXITY,
            iterations: featlas_embed::DEFAULT_ITERATIONS,
            exaggeration: featlas_embed::DEFAULT_EXAGGERATION,
            late_exaggeration: 1.0,
            dims: 2,
            seed: 0,
            fresh: false,
        }
    }
}
