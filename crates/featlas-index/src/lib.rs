//! Nearest neighbors of image features: exact search, an HNSW index, its recall, its files.
//!
//! The measure is the cosine distance `1 - cos(a, b)`, in `[0, 2]`. Rows are scaled to unit length once, when they
//! come in, and from then on the distance is `|a - b|² / 2`: the same number, never negative, and exactly zero
//! between equal rows. All searches use one kernel, so exact, batched and graph search agree to the bit about
//! the distance of a pair, and all of them break ties by image id.
//!
//! - [`Vectors`]: unit rows and their ids.
//! - [`build`]: `hnsw_rs` builds the graph, which is then audited, repaired and frozen into an [`Index`].
//! - [`Index`]: searches, measures its recall, writes itself and is read back. `hnsw_rs` takes no part in that:
//!   its files cannot be read safely (see [`Index::open`] for what we check instead).
//! - [`exact_pixels`]: nearest neighbors of raw pixels, for comparison with those of the network.
//!
//! Not for: reading features (`featlas-store`), pictures (`featlas-render`), two-dimensional maps (`featlas-embed`).

mod audit;
mod build;
mod distance;
mod error;
mod exact;
mod files;
mod graph;
mod guard;
mod index;
mod params;
mod pixels;
mod recall;
mod vectors;

pub use audit::Audit;
pub use build::build;
pub use error::IndexError;
pub use index::{Index, neighbors_of_all};
pub use params::{DEFAULT_EF_CONSTRUCTION, DEFAULT_EF_SEARCH, DEFAULT_M, IndexParams};
pub use pixels::exact_pixels;
pub use recall::{DEFAULT_EF_CURVE, RecallPoint, RecallReport};
pub use vectors::Vectors;

#[cfg(test)]
mod testkit;
