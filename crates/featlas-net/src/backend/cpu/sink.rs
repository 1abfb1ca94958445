//! Where the taps of a batch go.

use super::buffers::Activations;
use super::plan::{Read, Want};
use super::{layout, maps};
use crate::arch::{Architecture, LayerId, Pooling};
use crate::backend::{ConvMaxima, Outputs};
use crate::taps::Taps;
use rayon::prelude::*;
use std::ops::Range;

/// What `taps` want to be read.
pub(super) fn wants_of(taps: &Taps, architecture: &Architecture) -> Vec<Want> {
    let feature = Want { layer: taps.feature.layer, read: Read::Feature(taps.feature.pooling) };
    let convs = taps.convs.iter().enumerate();
    let convs = convs.map(|(number, tap)| Want { layer: tap.layer, read: Read::Maxima(number) });
    let last = LayerId::new(architecture.layers.len() - 1);
    let logits = taps.logits.then_some(Want { layer: last, read: Read::Logits });
    std::iter::once(feature).chain(convs).chain(logits).collect()
}

/// Where the taps of a batch go.
#[derive(Debug, Default)]
pub(super) struct Sink {
    pub(super) outputs: Outputs,
    pub(super) activation: Vec<f32>,
}

impl Sink {
    pub(super) fn of(taps: &Taps, num_classes: usize, n: usize) -> Self {
        let maxima = |channels| ConvMaxima { max: vec![0.0; n * channels], argmax: vec![0; n * channels] };
        let classes = if taps.logits { num_classes } else { 0 };
        let outputs = Outputs {
            features: vec![0.0; n * taps.feature.dim],
            convs: taps.convs.iter().map(|tap| maxima(tap.channels)).collect(),
            logits: vec![0.0; n * classes],
        };
        Self { outputs, activation: Vec::new() }
    }

    /// The parts of every `per_pass` of `n` images.
    pub(super) fn parts(&mut self, n: usize, per_pass: usize) -> Vec<(Range<usize>, SinkPart<'_>)> {
        let count = n.div_ceil(per_pass);
        let rows = |len: usize| (len / n * per_pass).max(1);
        let Outputs { features, convs, logits } = &mut self.outputs;
        let (of_features, of_logits) = (rows(features.len()), rows(logits.len()));
        let of_activation = rows(self.activation.len());
        let mut features = features.chunks_mut(of_features);
        let mut logits = logits.chunks_mut(of_logits);
        let mut activation = self.activation.chunks_mut(of_activation);
        let mut convs: Vec<_> = convs
            .iter_mut()
            .map(|maxima| {
                let len = rows(maxima.max.len());
                maxima.max.chunks_mut(len).zip(maxima.argmax.chunks_mut(len))
            })
            .collect();
        (0..count)
            .map(|pass| {
                let part = SinkPart {
                    features: features.next().unwrap_or_default(),
                    convs: convs.iter_mut().filter_map(Iterator::next).collect(),
                    logits: logits.next().unwrap_or_default(),
                    activation: activation.next().unwrap_or_default(),
                };
                (pass * per_pass..((pass + 1) * per_pass).min(n), part)
            })
            .collect()
    }
}

/// Where the taps of some images go.
pub(super) struct SinkPart<'a> {
    features: &'a mut [f32],
    convs: Vec<(&'a mut [f32], &'a mut [u16])>,
    logits: &'a mut [f32],
    activation: &'a mut [f32],
}

impl SinkPart<'_> {
    pub(super) fn read(&mut self, read: Read, source: Activations<'_>) {
        let Activations { shape, vector, n, values } = source;
        let map_of = |i: usize| &values[i * layout::map_len(shape)..][..layout::map_len(shape)];
        let target: &mut [f32] = match read {
            Read::Feature(Pooling::Mean) => {
                let rows = self.features.par_chunks_exact_mut(shape.c).enumerate();
                rows.for_each(|(i, row)| maps::means(map_of(i), shape, row));
                return;
            }
            Read::Maxima(number) => {
                let (max, argmax) = &mut self.convs[number];
                let rows = max.par_chunks_exact_mut(shape.c).zip(argmax.par_chunks_exact_mut(shape.c));
                rows.enumerate().for_each(|(i, (max, argmax))| {
                    maps::channel_maxima(map_of(i), shape, max, argmax);
                });
                return;
            }
            Read::Feature(Pooling::None) => self.features,
            Read::Logits => self.logits,
            Read::Activation => self.activation,
        };
        target.par_chunks_exact_mut(shape.len()).enumerate().for_each(|(i, row)| {
            if vector {
                layout::from_vector(values, n, i, row);
            } else {
                layout::from_map(map_of(i), shape, row);
            }
        });
    }
}
