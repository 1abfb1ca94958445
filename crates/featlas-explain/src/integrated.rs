//! Integrated gradients (Sundararajan et al. 2017): how the class score adds up, pixel by pixel.

use crate::error::ExplainError;
use crate::maps::Maps;
use crate::passes::{check_size, class_seeds, for_passes, rgb_maps};
use crate::target::{ClassChoice, ClassScore};
use featlas_core::{Progress, Silent, Stage};
use featlas_net::gradient::{Network, Real, ReluRule, Seeds};
use featlas_net::{Batch, LayerId};

/// How the integral is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegratedParams {
    /// Points on the way from the baseline to the image, at least one (Gauss-Legendre quadrature).
    pub steps: usize,
    /// What counts as nothing to see.
    pub baseline: Baseline,
}

impl Default for IntegratedParams {
    fn default() -> Self {
        Self { steps: 50, baseline: Baseline::Mean }
    }
}

/// The image that attributions are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Baseline {
    /// The mean color of the model's training set: zeros in the network's input.
    #[default]
    Mean,
    /// Black.
    Black,
}

/// Attributions of class scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Integrated {
    /// The class of every image.
    pub classes: Vec<ClassScore>,
    /// `(n, 3, px, px)`, red, green, blue: what each value of the input adds to the unnormalized score.
    pub maps: Maps,
    /// The unnormalized score of each image's class for the baseline. The attributions of an image sum up
    /// to its score minus this, but for the error of the quadrature.
    pub baseline_scores: Vec<f32>,
}

impl Integrated {
    /// By how much the attributions of image `i` miss the difference of the scores (Captum's convergence
    /// delta), in units of score.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn gap(&self, i: usize) -> f64 {
        let sum: f64 = self.maps.image(i).iter().map(|&value| f64::from(value)).sum();
        sum - (f64::from(self.classes[i].score) - f64::from(self.baseline_scores[i]))
    }
}

/// Integrates the gradients of every image's class score along the straight line from the baseline.
///
/// # Errors
/// [`ExplainError::Zero`], [`featlas_net::NetError::InputSize`], [`ExplainError::Interrupted`].
pub fn integrated<T: Real>(
    network: &Network<T>,
    batch: &Batch,
    choice: ClassChoice,
    params: &IntegratedParams,
    progress: &dyn Progress,
) -> Result<Integrated, ExplainError> {
    if params.steps == 0 {
        return Err(ExplainError::Zero { what: "steps of integrated gradients" });
    }
    check_size(network, batch)?;
    let logits = network.logits();
    let mut classes = Vec::with_capacity(batch.len());
    for_passes(network, batch, logits, &[], &Silent, |tape, _| {
        classes.extend(class_seeds(tape, network, choice).0);
        Ok(())
    })?;
    let baseline = baseline_image(network, params.baseline);
    let at_baseline = network.forward(&baseline, logits, &[])?;
    let scores = at_baseline.activation(logits).unwrap_or_default();
    let baseline_scores = classes.iter().map(|class| scores[class.class].to_f32()).collect();

    let len = baseline.len();
    let batch_values = T::widen(batch.values());
    let points: Vec<(T, T)> =
        gauss_legendre(params.steps).into_iter().map(|(x, w)| (T::from_f64(x), T::from_f64(w))).collect();
    let total = batch.len() * points.len();
    let (pass, one) = (network.images_per_pass(logits), T::from_f32(1.0));
    let mut sums = vec![T::default(); batch.values().len()];
    progress.begin(Stage::Explain, Some(total as u64));
    for first in (0..total).step_by(pass) {
        if progress.is_cancelled() {
            return Err(ExplainError::Interrupted);
        }
        let range = first..(first + pass).min(total);
        let mut images = Vec::with_capacity(range.len() * len);
        for at in range.clone() {
            let (image, (position, _)) =
                (&batch_values[at / points.len() * len..][..len], points[at % points.len()]);
            images
                .extend(image.iter().zip(&baseline).map(|(&pixel, &base)| base + position * (pixel - base)));
        }
        let tape = network.forward(&images, logits, &[])?;
        let places: Vec<_> = range
            .clone()
            .enumerate()
            .map(|(copy, at)| (copy, classes[at / points.len()].class, one))
            .collect();
        let seeds = Seeds::one_hot(network.shape(logits), &places);
        let gradients = tape.backward(&seeds, ReluRule::Plain, LayerId::INPUT);
        for (gradient, at) in gradients.chunks_exact(len).zip(range.clone()) {
            let weight = points[at % points.len()].1;
            let sums = &mut sums[at / points.len() * len..][..len];
            sums.iter_mut().zip(gradient).for_each(|(sum, &value)| *sum += weight * value);
        }
        progress.advance(Stage::Explain, range.len() as u64);
    }
    progress.end(Stage::Explain);
    for (image, sums) in batch_values.chunks_exact(len).zip(sums.chunks_exact_mut(len)) {
        for ((sum, &pixel), &base) in sums.iter_mut().zip(image).zip(&baseline) {
            *sum = *sum * (pixel - base);
        }
    }
    Ok(Integrated { classes, maps: rgb_maps(network, T::narrow(&sums).into_owned()), baseline_scores })
}

fn baseline_image<T: Real>(network: &Network<T>, baseline: Baseline) -> Vec<T> {
    let shape = network.shape(LayerId::INPUT);
    let colors = match baseline {
        Baseline::Mean => [0.0; 3],
        Baseline::Black => network.architecture().preprocess.normalized([0.0; 3]),
    };
    colors.iter().flat_map(|&color| std::iter::repeat_n(T::from_f32(color), shape.cells())).collect()
}

/// Positions in `(0, 1)` and weights of Gauss-Legendre quadrature with `n` points, in rising order.
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    /// Newton's method doubles the digits with every step.
    const NEWTON_STEPS: usize = 8;
    let count = n as f64;
    let point = |i: usize| {
        // The roots of the Legendre polynomial lie near those of a cosine.
        let mut x = -((i as f64 + 0.75) / (count + 0.5) * std::f64::consts::PI).cos();
        let mut slope = 1.0;
        for _ in 0..NEWTON_STEPS {
            let (mut value, mut before) = (1.0, 0.0);
            for k in 0..n {
                let k = k as f64;
                (value, before) = (((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0), value);
            }
            slope = count * (x * value - before) / (x * x - 1.0);
            x -= value / slope;
        }
        (f64::midpoint(x, 1.0), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadrature_is_exact_for_polynomials() {
        for n in [1, 2, 5, 20, 50] {
            let points = gauss_legendre(n);
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{n} points in order");
            // Exact up to the degree 2n - 1; the integral of x^d over (0, 1) is 1 / (d + 1).
            for degree in 0..2 * n {
                let power = i32::try_from(degree).unwrap();
                let sum: f64 = points.iter().map(|&(x, weight)| weight * x.powi(power)).sum();
                let exact = 1.0 / (degree as f64 + 1.0);
                assert!((sum - exact).abs() < 1e-12, "{n} points, degree {degree}: {sum}, not {exact}");
            }
        }
    }
}
