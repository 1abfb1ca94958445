//! The single-image half of `CS231n` lecture 12, as functions from preprocessed images to plain arrays.
//!
//! | module | question |
//! |---|---|
//! | [`filters`] | what does a convolution look for? |
//! | [`activations`] | what does a layer answer, and which channels are dead? |
//! | [`occlusion`] | which part must not be covered? |
//! | [`saliency`] | which pixels would change the class score most? |
//! | [`guided`] | which pixels excite a channel, or a class? |
//! | [`gradcam`] | which cells of a layer speak for the class? |
//! | [`integrated`] | how does the score add up, pixel by pixel? |
//! | [`segment`] | where is the thing that the network saw? |
//!
//! Images come in as a [`featlas_net::Batch`]; results are [`Maps`] in the geometry of the network's input,
//! which [`Placement`] lays back over the original at its full resolution. Names that a user wrote
//! (layers, channels, classes) become numbers in [`target`], with errors that say what there is.
//!
//! Methods that need gradients run in 32 or in 64 bits ([`GradientPrecision`] says when which is wanted).
//!
//! Batches of any length are run in passes, so memory grows with the results only. Long operations report
//! to a [`featlas_core::Progress`] and stop between passes when asked to. This crate knows nothing of
//! colors, of files and of how results are drawn.

pub mod activations;
mod error;
pub mod filters;
pub mod gradcam;
mod gradients;
pub mod guided;
pub mod integrated;
mod maps;
pub mod occlusion;
mod passes;
mod place;
pub mod saliency;
pub mod segment;
pub mod target;

pub use error::ExplainError;
pub use featlas_net::gradient::{Network, ReluRule};
pub use gradients::{GradientPrecision, Gradients};
pub use maps::Maps;
pub use place::Placement;
pub use target::{ClassChoice, ClassScore, ReadLayer};
