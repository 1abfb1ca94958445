//! Running a batch in passes, as every method that needs gradients does.

use crate::error::ExplainError;
use crate::maps::Maps;
use crate::target::{ClassChoice, ClassScore};
use featlas_core::{Progress, Stage};
use featlas_net::gradient::{Network, Real, ReluRule, Seeds, Tape};
use featlas_net::{Batch, LayerId, NetError, Planes};
use std::ops::Range;

/// Runs `batch` through the network as far as `to`, a pass at a time, and shows `visit` each pass's tape
/// and which images it has.
pub(crate) fn for_passes<T: Real>(
    network: &Network<T>,
    batch: &Batch,
    to: LayerId,
    keep: &[LayerId],
    progress: &dyn Progress,
    mut visit: impl FnMut(&Tape<'_, T>, Range<usize>) -> Result<(), ExplainError>,
) -> Result<(), ExplainError> {
    check_size(network, batch)?;
    let len = network.shape(LayerId::INPUT).len();
    // Of one size, so that none has a single image left over, which costs more than its share.
    let passes = batch.len().div_ceil(network.images_per_pass(to));
    let pass = batch.len().div_ceil(passes.max(1)).max(1);
    progress.begin(Stage::Explain, Some(batch.len() as u64));
    let mut first = 0;
    for images in batch.values().chunks(pass * len) {
        if progress.is_cancelled() {
            return Err(ExplainError::Interrupted);
        }
        let tape = network.forward(&T::widen(images), to, keep)?;
        let count = tape.len();
        visit(&tape, first..first + count)?;
        first += count;
        progress.advance(Stage::Explain, count as u64);
    }
    progress.end(Stage::Explain);
    Ok(())
}

/// Refuses a batch made for another model.
pub(crate) fn check_size<T: Real>(network: &Network<T>, batch: &Batch) -> Result<(), NetError> {
    let expected = network.shape(LayerId::INPUT).h;
    if batch.px() == expected { Ok(()) } else { Err(NetError::InputSize { expected, got: batch.px() }) }
}

/// The classes of a tape's images, and seeds of one at each class's unnormalized score.
pub(crate) fn class_seeds<T: Real>(
    tape: &Tape<'_, T>,
    network: &Network<T>,
    choice: ClassChoice,
) -> (Vec<ClassScore>, Seeds<T>) {
    let logits = network.logits();
    let shape = network.shape(logits);
    let values = tape.activation(logits).unwrap_or_default();
    let values = T::narrow(values);
    let classes: Vec<ClassScore> = values.chunks_exact(shape.len()).map(|row| choice.of(row)).collect();
    let one = T::from_f32(1.0);
    let places: Vec<_> = classes.iter().enumerate().map(|(image, class)| (image, class.class, one)).collect();
    (classes, Seeds::one_hot(shape, &places))
}

/// The gradients of every image's class score with respect to the input: `(n, 3, px, px)` in the order of
/// the model's planes.
pub(crate) fn class_gradients<T: Real>(
    network: &Network<T>,
    batch: &Batch,
    choice: ClassChoice,
    progress: &dyn Progress,
) -> Result<(Vec<ClassScore>, Vec<f32>), ExplainError> {
    let mut classes = Vec::with_capacity(batch.len());
    let mut gradients = Vec::with_capacity(batch.values().len());
    for_passes(network, batch, network.logits(), &[], progress, |tape, _| {
        let (found, seeds) = class_seeds(tape, network, choice);
        classes.extend(found);
        tape.read_backward(&seeds, ReluRule::Plain, LayerId::INPUT, |gradient| {
            gradients.extend_from_slice(&T::narrow(gradient));
        });
        Ok(())
    })?;
    Ok((classes, gradients))
}

/// Input-shaped values in the order of the model's planes, as maps of red, green and blue.
pub(crate) fn rgb_maps<T: Real>(network: &Network<T>, mut values: Vec<f32>) -> Maps {
    let shape = network.shape(LayerId::INPUT);
    if network.architecture().preprocess.planes() == Planes::Bgr {
        for image in values.chunks_exact_mut(shape.len()) {
            let (blue, rest) = image.split_at_mut(shape.cells());
            blue.swap_with_slice(&mut rest[shape.cells()..]);
        }
    }
    Maps::new((shape.c, shape.h, shape.w), values)
}
