//! Running a network: what goes in, what comes out, and who does it.

mod candle;
pub(crate) mod cpu;
pub(crate) mod ops;
#[cfg(test)]
mod tests;

use crate::error::NetError;
use crate::model::Model;
use crate::taps::Taps;
use serde::{Deserialize, Serialize};

pub use candle::CandleBackend;
pub use cpu::{ConvSizes, CpuBackend, Isa, LayerTime, PlannedConv, Ranges, RangesError};

/// Normalized inputs: `(n, 3, px, px)`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    n: usize,
    px: usize,
    values: Vec<f32>,
}

impl Batch {
    /// Room for `n` images of `px` x `px`, all zeros.
    pub fn new(n: usize, px: u32) -> Self {
        let px = px as usize;
        Self { n, px, values: vec![0.0; n * 3 * px * px] }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The side of the images, in pixels.
    pub fn px(&self) -> usize {
        self.px
    }

    /// The `(3, px, px)` values of image `i`, to be filled by
    /// [`Preprocess::write_input`](crate::Preprocess::write_input).
    ///
    /// # Panics
    /// If there are not that many images.
    pub fn slot(&mut self, i: usize) -> &mut [f32] {
        let len = 3 * self.px * self.px;
        &mut self.values[i * len..(i + 1) * len]
    }

    /// All slots, for filling them in parallel.
    pub fn slots(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        self.values.chunks_exact_mut(3 * self.px * self.px)
    }

    /// Makes room for exactly `n` images in the memory at hand; what the slots hold then means nothing.
    pub fn resize(&mut self, n: usize) {
        self.n = n;
        self.values.resize(n * 3 * self.px * self.px, 0.0);
    }

    /// Drops the images from `n` on, for the last batch of a run.
    pub fn truncate(&mut self, n: usize) {
        self.n = self.n.min(n);
        self.values.truncate(self.n * 3 * self.px * self.px);
    }

    /// All values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// The largest activation of every channel of one tapped layer.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvMaxima {
    /// `(n, c)`: the values.
    pub max: Vec<f32>,
    /// `(n, c)`: the row-major cells; of equal activations the first.
    pub argmax: Vec<u16>,
}

/// What a forward pass leaves of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// `(n, dim)`: the features.
    pub features: Vec<f32>,
    /// One for each of [`Taps::convs`].
    pub convs: Vec<ConvMaxima>,
    /// `(n, classes)`: scores before softmax; empty unless [`Taps::logits`] asks for them.
    pub logits: Vec<f32>,
}

/// All activations of one layer: `(n, c, h, w)`, row-major.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the field's own letters: images, channels, height, width")]
pub struct Activation {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    /// The values.
    pub data: Vec<f32>,
}

/// Which program multiplies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// featlas's own engine ([`CpuBackend`]).
    #[default]
    Cpu,
    /// candle ([`CandleBackend`]): the reference, and with the features `cuda` and `metal` the way to a GPU. On a
    /// machine without one it runs on the CPU, and [`Backend::name`] says so.
    Candle,
}

impl BackendKind {
    /// As written in the fingerprint and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Candle => "candle",
        }
    }

    /// Makes the backend; it has its own copy of the weights. With `ranges`, [`Self::Cpu`] multiplies integers;
    /// candle always computes in f32.
    ///
    /// # Errors
    /// [`NetError::Compute`] if candle cannot make its tensors.
    pub fn open(self, model: &Model, ranges: Option<&Ranges>) -> Result<Box<dyn Backend>, NetError> {
        Ok(match (self, ranges) {
            (Self::Cpu, None) => Box::new(CpuBackend::new(model)),
            (Self::Cpu, Some(ranges)) => Box::new(CpuBackend::with_ranges(model, ranges)),
            (Self::Candle, _) => candle::open_best(model)?,
        })
    }
}

/// The numbers that are multiplied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// Integers, with a scale for every output channel and for the input of every layer: weights of 8 bits in
    /// the fully connected layers and of 13 in the convolutions, activations of as many (11 to 16) as 32-bit
    /// sums hold. The inputs' scales come from [`Ranges`].
    Int8,
}

impl Precision {
    /// As written in the fingerprint and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}

/// Something that runs one model.
pub trait Backend: Send + Sync {
    /// Runs `batch` and reads the taps.
    ///
    /// Row `i` of every output depends on image `i` alone, and two runs of the same batch give the same
    /// bits. With [`CpuBackend`] so does any other batch size and number of threads; with
    /// [`CandleBackend`] another batch size may change the last bits of a value, since matrix products are
    /// cut differently.
    ///
    /// # Errors
    /// [`NetError::InputSize`] for a batch made for another model, [`NetError::Compute`].
    fn forward(&self, batch: &Batch, taps: &Taps) -> Result<Outputs, NetError>;

    /// Runs `batch` as far as `layer` and gives its activation, after the `ReLU` that follows it.
    ///
    /// # Errors
    /// As [`Backend::forward`], and [`NetError::UnknownLayer`].
    fn activations(&self, batch: &Batch, layer: &str) -> Result<Activation, NetError>;

    /// What a report calls it: the program, and the device where it has a choice, such as `candle on cuda 0`.
    fn name(&self) -> String;
}
