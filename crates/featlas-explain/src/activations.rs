//! What a layer answers to an image, channel by channel.

use crate::error::ExplainError;
use crate::maps::Maps;
use crate::target::ReadLayer;
use featlas_core::TopK;
use featlas_net::{Backend, Batch, Model};

/// Every channel of a layer for every image of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerActivations {
    /// The layer.
    pub layer: ReadLayer,
    /// `(n, channels, h, w)`, after the `ReLU` where one follows the layer.
    pub maps: Maps,
}

/// Where a channel is largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// The channel.
    pub channel: usize,
    /// The cell `(y, x)`; of equal ones the first.
    pub cell: (usize, usize),
    /// The activation there.
    pub value: f32,
}

/// Runs the network as far as `layer`.
///
/// # Errors
/// [`featlas_net::NetError::UnknownLayer`], which lists the layers; those of [`Backend::activations`].
pub fn activations(
    model: &Model,
    backend: &dyn Backend,
    batch: &Batch,
    layer: &str,
) -> Result<LayerActivations, ExplainError> {
    let layer = ReadLayer::find(model, layer)?;
    let found = backend.activations(batch, &layer.name)?;
    Ok(LayerActivations {
        layer,
        maps: Maps { n: found.n, c: found.c, h: found.h, w: found.w, values: found.data },
    })
}

impl LayerActivations {
    /// Whether a channel answers nothing at all to an image: no value above zero.
    ///
    /// # Panics
    /// If there is no such image or channel.
    pub fn is_dead(&self, image: usize, channel: usize) -> bool {
        self.maps.channel(image, channel).iter().all(|&value| value <= 0.0)
    }

    /// The channels that are dead for an image.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn dead(&self, image: usize) -> Vec<usize> {
        (0..self.maps.c).filter(|&channel| self.is_dead(image, channel)).collect()
    }

    /// Where a channel is largest.
    ///
    /// # Panics
    /// If there is no such image or channel.
    pub fn peak(&self, image: usize, channel: usize) -> Peak {
        let cell = self.maps.peak(image, channel);
        Peak { channel, cell, value: self.maps.channel(image, channel)[cell.0 * self.maps.w + cell.1] }
    }

    /// The peaks of the `count` strongest channels of an image, strongest first; of equal ones the lower
    /// channel. Dead channels are left out.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn strongest(&self, image: usize, count: usize) -> Vec<Peak> {
        let peaks: Vec<Peak> = (0..self.maps.c).map(|channel| self.peak(image, channel)).collect();
        let mut top = TopK::new(count);
        for (peak, channel) in peaks.iter().zip(0_u32..).filter(|(peak, _)| peak.value > 0.0) {
            top.push(peak.value, channel);
        }
        top.into_items().into_iter().map(|(_, channel)| peaks[channel as usize]).collect()
    }
}
