//! Saliency: which pixels would change the class score most (Simonyan et al. 2013).

use crate::error::ExplainError;
use crate::maps::Maps;
use crate::passes::{check_size, class_gradients, class_seeds, for_passes, rgb_maps};
use crate::target::{ClassChoice, ClassScore};
use featlas_core::{Progress, Silent, Stage};
use featlas_net::gradient::{Network, Real, ReluRule, Seeds};
use featlas_net::{Batch, LayerId};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// How gradients become a map.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SaliencyParams {
    /// Keep the sign: of the three colors the one with the largest magnitude counts, or with
    /// `times_input` their sum. Otherwise the map is of magnitudes.
    pub signed: bool,
    /// Average the gradients of noisy copies.
    pub smooth: Option<Smooth>,
    /// Multiply every gradient with its (normalized) pixel.
    pub times_input: bool,
}

/// `SmoothGrad` (Smilkov et al. 2017): gradients averaged over copies of the image with Gaussian noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smooth {
    /// Noisy copies of each image, at least one.
    pub samples: usize,
    /// Standard deviation of the noise, as a part of the image's range of values; in `[0, 1]`.
    pub noise: f32,
    /// Image `i` of a batch and sample `k` always get the noise of `(seed, i, k)`.
    pub seed: u64,
}

impl Smooth {
    /// The paper's setting of the noise, 15 %.
    pub fn of(samples: usize) -> Self {
        Self { samples, noise: 0.15, seed: 0 }
    }
}

/// Maps of class scores, one image each.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassMaps {
    /// What was explained: the class of each image, with its score.
    pub classes: Vec<ClassScore>,
    /// `(n, c, px, px)`.
    pub maps: Maps,
}

/// The saliency of every image's class: `(n, 1, px, px)`.
///
/// Without options: the largest magnitude over the colors of the gradient of the unnormalized score.
///
/// # Errors
/// [`featlas_net::NetError::InputSize`], [`ExplainError::Zero`], [`ExplainError::OutOfRange`],
/// [`ExplainError::Interrupted`].
pub fn saliency<T: Real>(
    network: &Network<T>,
    batch: &Batch,
    choice: ClassChoice,
    params: &SaliencyParams,
    progress: &dyn Progress,
) -> Result<ClassMaps, ExplainError> {
    let ClassMaps { classes, maps: mut gradients } = match params.smooth {
        None => self::gradients(network, batch, choice, progress)?,
        Some(smooth) => smooth_gradients(network, batch, choice, smooth, progress)?,
    };
    if params.times_input {
        let input = rgb_maps(network, batch.values().to_vec());
        gradients.values.iter_mut().zip(&input.values).for_each(|(gradient, pixel)| *gradient *= pixel);
    }
    let maps = match (params.signed, params.times_input) {
        (false, _) => gradients.magnitude(),
        (true, false) => gradients.strongest(),
        (true, true) => gradients.sum(),
    };
    Ok(ClassMaps { classes, maps })
}

/// The gradient of every image's unnormalized class score with respect to its pixels: `(n, 3, px, px)`,
/// red, green, blue, in units of score for one unit of the normalized pixel.
///
/// # Errors
/// [`featlas_net::NetError::InputSize`], [`ExplainError::Interrupted`].
pub fn gradients<T: Real>(
    network: &Network<T>,
    batch: &Batch,
    choice: ClassChoice,
    progress: &dyn Progress,
) -> Result<ClassMaps, ExplainError> {
    let (classes, values) = class_gradients(network, batch, choice, progress)?;
    Ok(ClassMaps { classes, maps: rgb_maps(network, values) })
}

/// [`gradients`], averaged over noisy copies. The class is that of the image without noise.
///
/// # Errors
/// As [`saliency`].
pub fn smooth_gradients<T: Real>(
    network: &Network<T>,
    batch: &Batch,
    choice: ClassChoice,
    smooth: Smooth,
    progress: &dyn Progress,
) -> Result<ClassMaps, ExplainError> {
    let Smooth { samples, noise, seed } = smooth;
    if samples == 0 {
        return Err(ExplainError::Zero { what: "samples of SmoothGrad" });
    }
    if !(0.0..=1.0).contains(&noise) {
        let got = f64::from(noise);
        return Err(ExplainError::OutOfRange { what: "noise of SmoothGrad", expected: "0 to 1", got });
    }
    check_size(network, batch)?;
    let mut classes = Vec::with_capacity(batch.len());
    for_passes(network, batch, network.logits(), &[], &Silent, |tape, _| {
        classes.extend(class_seeds(tape, network, choice).0);
        Ok(())
    })?;
    let len = network.shape(LayerId::INPUT).len();
    let mut sums = vec![T::default(); batch.values().len()];
    let copies = batch.len() * samples;
    progress.begin(Stage::Explain, Some(copies as u64));
    let (pass, one) = (network.images_per_pass(network.logits()), T::from_f32(1.0));
    for first in (0..copies).step_by(pass) {
        if progress.is_cancelled() {
            return Err(ExplainError::Interrupted);
        }
        let range = first..(first + pass).min(copies);
        let mut images = vec![0.0_f32; range.len() * len];
        images.par_chunks_exact_mut(len).zip(range.clone()).for_each(|(copy, at)| {
            let image = &batch.values()[at / samples * len..][..len];
            add_noise(image, copy, noise, seed, at as u64);
        });
        let tape = network.forward(&T::widen(&images), network.logits(), &[])?;
        let shape = network.shape(network.logits());
        let places: Vec<_> =
            range.clone().enumerate().map(|(copy, at)| (copy, classes[at / samples].class, one)).collect();
        let seeds = Seeds::one_hot(shape, &places);
        let gradients = tape.backward(&seeds, ReluRule::Plain, LayerId::INPUT);
        for (gradient, at) in gradients.chunks_exact(len).zip(range.clone()) {
            let sums = &mut sums[at / samples * len..][..len];
            sums.iter_mut().zip(gradient).for_each(|(sum, &value)| *sum += value);
        }
        progress.advance(Stage::Explain, range.len() as u64);
    }
    progress.end(Stage::Explain);
    let count = T::from_f64(samples as f64);
    let means = sums.into_iter().map(|sum| (sum / count).to_f32()).collect();
    Ok(ClassMaps { classes, maps: rgb_maps(network, means) })
}

/// `image` plus normal noise of `noise` times its range, from the stream of its own.
fn add_noise(image: &[f32], copy: &mut [f32], noise: f32, seed: u64, stream: u64) {
    let least = image.iter().copied().fold(f32::INFINITY, f32::min);
    let most = image.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let deviation = noise * (most - least);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    for (pair, pixels) in copy.chunks_mut(2).zip(image.chunks(2)) {
        // Box and Muller: two independent normal numbers from two uniform ones.
        let (u, v): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
        let radius = (-2.0 * u.ln()).sqrt() * deviation;
        let (sin, cos) = (std::f32::consts::TAU * v).sin_cos();
        for ((value, &pixel), direction) in pair.iter_mut().zip(pixels).zip([cos, sin]) {
            *value = pixel + radius * direction;
        }
    }
}
