//! The gradient methods in the precision that a user chose when the program runs.

use crate::error::ExplainError;
use crate::gradcam::{GradCam, gradcam};
use crate::guided::{GuidedClasses, GuidedUnits, Unit, guided_classes, guided_units};
use crate::integrated::{Integrated, IntegratedParams, integrated};
use crate::saliency::{ClassMaps, SaliencyParams, saliency};
use crate::target::{ClassChoice, ReadLayer};
use featlas_core::Progress;
use featlas_net::gradient::{Network, ReluRule};
use featlas_net::{Batch, Model};

/// The numbers that gradients are computed in.
///
/// A gradient is not a continuous function of the pixels: it jumps where a unit begins to fire, and where another value
/// wins a max-pool. In 32 bits rounding decides such near ties, and a map may differ by some percent from the one that the
/// definition gives; in 64 bits only ties that are exact, as on flat ground, are left to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GradientPrecision {
    /// 32 bits: faster.
    F32,
    /// 64 bits: what the definition gives, but for ties that are exact.
    #[default]
    F64,
}

/// A network for gradients, in either precision.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names of the numbers")]
pub enum Gradients {
    F32(Network<f32>),
    F64(Network<f64>),
}

/// Calls a function with the network inside, whichever it is.
macro_rules! with {
    ($gradients:expr, $network:ident => $call:expr) => {
        match $gradients {
            Gradients::F32($network) => $call,
            Gradients::F64($network) => $call,
        }
    };
}

impl Gradients {
    /// Copies the weights of `model`.
    pub fn new(model: &Model, precision: GradientPrecision) -> Self {
        match precision {
            GradientPrecision::F32 => Self::F32(Network::new(model)),
            GradientPrecision::F64 => Self::F64(Network::new(model)),
        }
    }

    /// See [`saliency()`].
    ///
    /// # Errors
    /// As there.
    pub fn saliency(
        &self,
        batch: &Batch,
        choice: ClassChoice,
        params: &SaliencyParams,
        progress: &dyn Progress,
    ) -> Result<ClassMaps, ExplainError> {
        with!(self, network => saliency(network, batch, choice, params, progress))
    }

    /// See [`gradcam()`].
    ///
    /// # Errors
    /// As there.
    pub fn gradcam(
        &self,
        batch: &Batch,
        layer: &ReadLayer,
        choice: ClassChoice,
        progress: &dyn Progress,
    ) -> Result<GradCam, ExplainError> {
        with!(self, network => gradcam(network, batch, layer, choice, progress))
    }

    /// See [`integrated()`].
    ///
    /// # Errors
    /// As there.
    pub fn integrated(
        &self,
        batch: &Batch,
        choice: ClassChoice,
        params: &IntegratedParams,
        progress: &dyn Progress,
    ) -> Result<Integrated, ExplainError> {
        with!(self, network => integrated(network, batch, choice, params, progress))
    }

    /// See [`guided_units`].
    ///
    /// # Errors
    /// As there.
    pub fn guided_units(
        &self,
        batch: &Batch,
        layer: &ReadLayer,
        units: &[Unit],
        rules: &[ReluRule],
        progress: &dyn Progress,
    ) -> Result<GuidedUnits, ExplainError> {
        with!(self, network => guided_units(network, batch, layer, units, rules, progress))
    }

    /// See [`guided_classes`].
    ///
    /// # Errors
    /// As there.
    pub fn guided_classes(
        &self,
        batch: &Batch,
        choice: ClassChoice,
        rules: &[ReluRule],
        progress: &dyn Progress,
    ) -> Result<GuidedClasses, ExplainError> {
        with!(self, network => guided_classes(network, batch, choice, rules, progress))
    }
}
