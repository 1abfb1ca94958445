//! Nearest neighbors of image features: exact search, a graph over compact vectors, its recall, its files.
//!
//! An index keeps a few bytes of each row in memory: its place along the leading principal components, 7 bits each,
//! and its links in the graph. A search walks the graph by these codes and then compares a short list with the full
//! rows, which stay on disk and are read one by one. So distances are always exact, to the bit the same whichever way an
//! image was found, and all searches break ties by image id.
//!
//! - [`Vectors`], [`neighbors_of_all()`]: unit rows in memory, and exact search among them.
//! - [`RowsWriter`]: takes full rows, one after another, and stores them losslessly.
//! - [`build()`]: links them into an [`Index`]; [`Index::updated`] brings one up to date.
//! - [`Index`]: searches, measures its recall, writes itself and is mapped back.
//! - [`exact_pixels`]: nearest neighbors of raw pixels, for comparison with those of the network.
//! - [`label_accuracy`], [`near_duplicates`], [`outliers`]: what follows from neighbors.
//!
//! Not for: reading features (`featlas-store`), fitting a PCA (`featlas-embed`), pictures (`featlas-render`).

mod all;
mod basis;
mod blob;
mod build;
mod choose;
mod compact;
mod distance;
mod error;
mod exact;
mod files;
mod follow;
mod graph;
mod index;
mod kernel;
mod metric;
mod params;
mod pixels;
mod recall;
mod record;
mod segment;
mod vectors;

pub use all::{NeighborGraph, neighbors_of_all};
pub use basis::Basis;
pub use build::build;
pub use error::IndexError;
pub use follow::{LabelAccuracy, label_accuracy, near_duplicates, outliers};
pub use graph::Audit;
pub use index::Index;
pub use metric::Metric;
pub use params::{DEFAULT_EF_CONSTRUCTION, DEFAULT_M, DEFAULT_RECALL, IndexParams};
pub use pixels::{exact_pixels, exact_pixels_batch};
pub use recall::{DEFAULT_EF_CURVE, RECALL_KS, RecallPoint, RecallReport};
pub use segment::{RowsFile, RowsWriter, SAMPLE_ROWS};
pub use vectors::Vectors;

#[cfg(test)]
mod testkit;
