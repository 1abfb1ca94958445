//! Gradients of scores and activations with respect to a network's input, or to one of its layers.
//!
//! A hand-written backward pass over the architecture's layer list. Weights are frozen: only gradients of
//! activations are computed. [`Network::forward`] runs a batch and leaves a [`Tape`], which remembers of
//! each layer what its gradient needs and no more (the signs at a `ReLU`, the winners of a max-pool, the
//! inputs of a normalization); [`Tape::backward`] then carries any [`Seeds`] down, as often as wanted.
//!
//! What happens at a `ReLU` is data ([`ReluRule`]), the same in the convolutional and the fully connected
//! part: the true gradient, guided backpropagation, or the deconvolution of Zeiler and Fergus.
//!
//! ```
//! use featlas_net::gradient::{Network, ReluRule, Seeds};
//! use featlas_net::{Batch, LayerId, Model};
//! # fn main() -> Result<(), featlas_net::NetError> {
//! let model = Model::open("alexnet-lite", None)?;
//! let network = Network::<f32>::new(&model);
//! let mut batch = Batch::new(1, model.preprocess().input_px());
//! let image = featlas_core::RgbImage::filled(320, 240, [200, 120, 40]);
//! model.preprocess().write_input(&image, batch.slot(0));
//! let tape = network.forward(batch.values(), network.logits(), &[])?;
//! let seeds = Seeds::one_hot(network.shape(network.logits()), &[(0, 17, 1.0)]);
//! let gradient = tape.backward(&seeds, ReluRule::Plain, LayerId::INPUT);
//! assert_eq!(gradient.len(), 3 * 224 * 224);
//! # Ok(())
//! # }
//! ```

mod buffers;
mod conv;
mod dense;
mod engine;
mod lrn;
mod network;
mod patches;
mod pool;
mod real;
mod tape;
#[cfg(test)]
mod tests;

pub use network::Network;
pub use real::Real;
pub use tape::{Seeds, Tape};

/// What a `ReLU` lets through on the way back. `y` is its output, `g` the gradient that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReluRule {
    /// `g` where `y > 0`: the true gradient (Simonyan et al. 2013).
    #[default]
    Plain,
    /// `g` where `y > 0` and `g > 0`: guided backpropagation (Springenberg et al. 2014).
    Guided,
    /// `g` where `g > 0`: the deconvolution (Zeiler and Fergus 2013).
    Deconv,
}

impl ReluRule {
    /// All rules, in the order of the lecture's comparison.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Deconv, Self::Guided];

    /// Its name on the command line and in captions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Guided => "guided",
            Self::Deconv => "deconv",
        }
    }

    /// Applies the rule to the gradients of one image; `fired` says where the `ReLU`'s output was positive.
    fn apply<T: Real>(self, gradients: &mut [T], fired: &[bool]) {
        match self {
            Self::Plain => keep(gradients, fired, |_, fired| fired),
            Self::Guided => keep(gradients, fired, |gradient, fired| fired & (gradient > T::default())),
            Self::Deconv => keep(gradients, fired, |gradient, _| gradient > T::default()),
        }
    }
}

/// Sets to zero what does not pass.
fn keep<T: Real>(gradients: &mut [T], fired: &[bool], passes: impl Fn(T, bool) -> bool) {
    for (gradient, &fired) in gradients.iter_mut().zip(fired) {
        // Chosen without branches, so that many values go at once.
        *gradient = if passes(*gradient, fired) { *gradient } else { T::default() };
    }
}
