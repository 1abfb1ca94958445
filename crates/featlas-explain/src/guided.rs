//! Guided backpropagation and its relatives: which pixels excite a channel, or a class.
//!
//! The `ReLU` rule ([`ReluRule`]) is applied in the convolutional and in the fully connected part alike
//! (Springenberg et al. 2014; for the deconvolution Zeiler and Fergus 2013).

use crate::activations::LayerActivations;
use crate::error::ExplainError;
use crate::maps::{Maps, argmax};
use crate::passes::{class_seeds, for_passes, rgb_maps};
use crate::target::{ClassChoice, ClassScore, ReadLayer};
use featlas_core::Progress;
use featlas_net::gradient::{Network, Real, ReluRule, Seeds};
use featlas_net::{Batch, LayerId};

/// A channel of a layer, in one image of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// The image.
    pub image: usize,
    /// The channel.
    pub channel: usize,
    /// The cell `(y, x)`; without, the one where the channel is largest.
    pub cell: Option<(usize, usize)>,
}

/// Where a channel was asked, and what it answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excited {
    /// The image.
    pub image: usize,
    /// The channel.
    pub channel: usize,
    /// The cell `(y, x)`.
    pub cell: (usize, usize),
    /// The activation there, which seeds the backward pass. Zero for a dead channel, whose map is zero.
    pub activation: f32,
}

/// Backward passes from channels.
#[derive(Debug, Clone, PartialEq)]
pub struct GuidedUnits {
    /// In the order of the units asked for.
    pub units: Vec<Excited>,
    /// One for each rule asked for: `(units, 3, px, px)`, red, green, blue.
    pub maps: Vec<Maps>,
}

/// Backward passes from classes.
#[derive(Debug, Clone, PartialEq)]
pub struct GuidedClasses {
    /// The class of every image.
    pub classes: Vec<ClassScore>,
    /// One for each rule asked for: `(n, 3, px, px)`, red, green, blue.
    pub maps: Vec<Maps>,
}

/// Goes back from single cells of `layer`, each seeded with its true activation, once by every rule.
///
/// The result has a map of the input's size for each unit and rule; ask for many units in pieces.
///
/// # Errors
/// [`ExplainError::NoImage`], [`ExplainError::NoChannel`], [`ExplainError::NoCell`],
/// [`featlas_net::NetError::InputSize`], [`ExplainError::Interrupted`].
pub fn guided_units<T: Real>(
    network: &Network<T>,
    batch: &Batch,
    layer: &ReadLayer,
    units: &[Unit],
    rules: &[ReluRule],
    progress: &dyn Progress,
) -> Result<GuidedUnits, ExplainError> {
    for unit in units {
        if unit.image >= batch.len() {
            return Err(ExplainError::NoImage { image: unit.image, count: batch.len() });
        }
        layer.check_channel(unit.channel)?;
        unit.cell.map_or(Ok(()), |cell| layer.check_cell(cell))?;
    }
    let len = network.shape(LayerId::INPUT).len();
    let pass = network.images_per_pass(layer.id);
    let mut found: Vec<Option<Excited>> = vec![None; units.len()];
    let mut values = vec![vec![0.0; units.len() * len]; rules.len()];
    for_passes(network, batch, layer.id, &[], progress, |tape, images| {
        let activation = tape.activation(layer.id).unwrap_or_default();
        let here: Vec<usize> = (0..units.len()).filter(|&i| images.contains(&units[i].image)).collect();
        for some in here.chunks(pass) {
            if progress.is_cancelled() {
                return Err(ExplainError::Interrupted);
            }
            let mut places = Vec::with_capacity(some.len());
            for &i in some {
                let image = units[i].image - images.start;
                let values = &activation[image * layer.shape.len()..][..layer.shape.len()];
                let (excited, index) = excite(values, layer, units[i]);
                places.push((image, index, values[index]));
                found[i] = Some(excited);
            }
            let seeds = Seeds::one_hot(layer.shape, &places);
            for (values, &rule) in values.iter_mut().zip(rules) {
                tape.read_backward(&seeds, rule, LayerId::INPUT, |gradients| {
                    for (&i, gradient) in some.iter().zip(T::narrow(gradients).chunks_exact(len)) {
                        values[i * len..][..len].copy_from_slice(gradient);
                    }
                });
            }
        }
        Ok(())
    })?;
    let maps = values.into_iter().map(|values| rgb_maps(network, values)).collect();
    Ok(GuidedUnits { units: found.into_iter().flatten().collect(), maps })
}

/// The unit's cell and activation in the layer's values of its image, and the index there.
fn excite<T: Real>(values: &[T], layer: &ReadLayer, unit: Unit) -> (Excited, usize) {
    let (cells, width) = (layer.shape.cells(), layer.shape.w);
    let plane = &values[unit.channel * cells..][..cells];
    let (y, x) = unit.cell.unwrap_or_else(|| {
        let cell = argmax(plane);
        (cell / width, cell % width)
    });
    let activation = plane[y * width + x].to_f32();
    let excited = Excited { image: unit.image, channel: unit.channel, cell: (y, x), activation };
    (excited, unit.channel * cells + y * width + x)
}

/// Goes back from every image's unnormalized class score, once by every rule.
///
/// # Errors
/// [`featlas_net::NetError::InputSize`], [`ExplainError::Interrupted`].
pub fn guided_classes<T: Real>(
    network: &Network<T>,
    batch: &Batch,
    choice: ClassChoice,
    rules: &[ReluRule],
    progress: &dyn Progress,
) -> Result<GuidedClasses, ExplainError> {
    let mut classes = Vec::with_capacity(batch.len());
    let mut values = vec![Vec::with_capacity(batch.values().len()); rules.len()];
    for_passes(network, batch, network.logits(), &[], progress, |tape, _| {
        let (found, seeds) = class_seeds(tape, network, choice);
        classes.extend(found);
        for (values, &rule) in values.iter_mut().zip(rules) {
            tape.read_backward(&seeds, rule, LayerId::INPUT, |gradients| {
                values.extend_from_slice(&T::narrow(gradients));
            });
        }
        Ok(())
    })?;
    Ok(GuidedClasses { classes, maps: values.into_iter().map(|values| rgb_maps(network, values)).collect() })
}

/// The `count` channels that image `image` excites most, each at its largest cell, strongest first; of
/// equal ones the lower channel. Dead channels are left out.
///
/// # Panics
/// If there is no such image.
pub fn top_channels(activations: &LayerActivations, image: usize, count: usize) -> Vec<Unit> {
    let strongest = activations.strongest(image, count);
    strongest.iter().map(|peak| Unit { image, channel: peak.channel, cell: Some(peak.cell) }).collect()
}
