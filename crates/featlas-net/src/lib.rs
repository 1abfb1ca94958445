//! Network architectures as data, weights, forward pass, receptive fields, preprocessing.
//!
//! One list of layers ([`arch`]) is the single source of truth: shapes and receptive fields
//! ([`Architecture::shapes`], [`Model::receptive_field`]), the check of a weights file ([`weights`]), the
//! forward pass ([`backend`]) and the backward pass ([`gradient`]) all read it. This crate knows nothing of datasets and of how results
//! are stored.
//!
//! ```
//! use featlas_net::{Backend as _, Batch, CpuBackend, Model};
//! # fn main() -> Result<(), featlas_net::NetError> {
//! let model = Model::open("alexnet-lite", None)?;
//! let backend = CpuBackend::new(&model);
//! let taps = model.resolve_taps(&[])?;
//! let image = featlas_core::RgbImage::filled(320, 240, [200, 120, 40]);
//! let mut batch = Batch::new(1, model.preprocess().input_px());
//! model.preprocess().write_input(&image, batch.slot(0));
//! let outputs = backend.forward(&batch, &taps)?;
//! assert_eq!(outputs.features.len(), 4096);
//! assert_eq!(outputs.convs[0].max.len(), 128);
//! # Ok(())
//! # }
//! ```

pub mod arch;
pub mod backend;
mod classes;
mod error;
mod geometry;
pub mod gradient;
mod model;
mod preprocess;
mod taps;
#[cfg(test)]
mod testing;
pub mod weights;

pub use arch::{Architecture, EMBEDDED_MODEL, Layer, LayerId, Op, Shape, architecture, architectures};
pub use backend::{
    Activation, Backend, BackendKind, Batch, CandleBackend, ConvMaxima, ConvSizes, CpuBackend, Isa,
    LayerTime, Outputs, PlannedConv, Precision, Ranges, RangesError,
};
pub use error::{NetError, PthError};
pub use model::{LayerTensor, Model, top_k_classes};
pub use preprocess::{Planes, Preprocess, Resize};
pub use taps::{ConvTap, FeatureTap, Taps};
pub use weights::{KnownWeights, known_weights};
