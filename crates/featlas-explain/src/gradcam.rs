//! Grad-CAM (Selvaraju et al. 2017): which cells of a layer speak for the class.

use crate::error::ExplainError;
use crate::maps::Maps;
use crate::passes::{class_seeds, for_passes};
use crate::target::{ClassChoice, ClassScore, ReadLayer};
use featlas_core::Progress;
use featlas_net::gradient::{Network, Real, ReluRule};
use featlas_net::{Batch, LayerId};

/// Class activation maps of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct GradCam {
    /// The class of every image.
    pub classes: Vec<ClassScore>,
    /// `(n, 1, h, w)` in the layer's cells: the sum of its channels, each weighted with the mean of its
    /// gradient, cut off below zero.
    pub cells: Maps,
    /// The same, stretched bilinearly over the pixels of the network's input: `(n, 1, px, px)`.
    pub maps: Maps,
}

/// Explains every image's class by the cells of `layer`, which is read behind its `ReLU`.
///
/// # Errors
/// [`ExplainError::NoMap`] for a layer of one cell, [`featlas_net::NetError::InputSize`],
/// [`ExplainError::Interrupted`].
pub fn gradcam<T: Real>(
    network: &Network<T>,
    batch: &Batch,
    layer: &ReadLayer,
    choice: ClassChoice,
    progress: &dyn Progress,
) -> Result<GradCam, ExplainError> {
    layer.check_map(network.architecture())?;
    let shape = layer.shape;
    let mut classes = Vec::with_capacity(batch.len());
    let mut cells = Vec::with_capacity(batch.len() * shape.cells());
    for_passes(network, batch, network.logits(), &[layer.id], progress, |tape, _| {
        let (found, seeds) = class_seeds(tape, network, choice);
        classes.extend(found);
        let gradients = tape.backward(&seeds, ReluRule::Plain, layer.id);
        let activation = tape.activation(layer.id).unwrap_or_default();
        for (gradient, activation) in
            gradients.chunks_exact(shape.len()).zip(activation.chunks_exact(shape.len()))
        {
            let mut sum = vec![T::default(); shape.cells()];
            let planes = gradient.chunks_exact(shape.cells()).zip(activation.chunks_exact(shape.cells()));
            for (gradient, activation) in planes {
                let weight = gradient.iter().copied().sum::<T>() / T::from_f64(shape.cells() as f64);
                sum.iter_mut().zip(activation).for_each(|(sum, &value)| *sum += weight * value);
            }
            cells.extend(sum.into_iter().map(|value| value.to_f32().max(0.0)));
        }
        Ok(())
    })?;
    let cells = Maps::new((1, shape.h, shape.w), cells);
    let px = network.shape(LayerId::INPUT).h;
    Ok(GradCam { classes, maps: cells.resized(px, px), cells })
}
