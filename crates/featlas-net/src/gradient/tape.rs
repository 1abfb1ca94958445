//! What a forward pass leaves behind, and the way back over it.

use super::buffers::Buffers;
use super::network::{Network, Weights};
use super::pool::{self, Pool};
use super::{Real, ReluRule, lrn};
use crate::arch::{LayerId, Op, Shape};
use crate::backend::ops::Lrn;
use rayon::prelude::*;

/// What the gradient of one layer needs, for all images.
#[derive(Debug)]
pub(super) enum Kept<T> {
    /// Nothing: the layer is linear.
    Nothing,
    /// Where a `ReLU`'s output was positive.
    Fired(Vec<bool>),
    /// Of each window of a max-pool, the cell of its plane that won.
    Winners(Vec<u32>),
    /// What went into a normalization.
    Input(Vec<T>),
}

/// A forward pass that can be gone back: its batch's size, what each layer's gradient needs, and the
/// activations that were asked for.
#[derive(Debug)]
pub struct Tape<'a, T> {
    pub(super) network: &'a Network<T>,
    pub(super) n: usize,
    pub(super) kept: Vec<Kept<T>>,
    pub(super) activations: Vec<(LayerId, Vec<T>)>,
    pub(super) top: LayerId,
}

/// Gradients at the layer where a tape ends, from which a backward pass starts. An image of the tape may
/// have several of them, or none.
#[derive(Debug, Clone, PartialEq)]
pub struct Seeds<T> {
    /// `(m)`: the image of the tape that each is for.
    pub images: Vec<usize>,
    /// `(m, c, h, w)`: one gradient for every value of the layer.
    pub values: Vec<T>,
}

impl<T: Real> Seeds<T> {
    /// Seeds that are zero but for one value each: `(image, row-major index in the layer's activation,
    /// gradient there)`.
    ///
    /// # Panics
    /// If an index lies outside `shape`.
    pub fn one_hot(shape: Shape, places: &[(usize, usize, T)]) -> Self {
        let mut values = vec![T::default(); places.len() * shape.len()];
        for (seed, &(_, index, value)) in values.chunks_exact_mut(shape.len()).zip(places) {
            seed[index] = value;
        }
        Self { images: places.iter().map(|&(image, ..)| image).collect(), values }
    }

    /// Number of seeds.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

impl<T: Real> Tape<'_, T> {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The activation of a layer that was kept, `(n, c, h, w)`: the layer where the tape ends, or one
    /// that [`Network::forward`] was asked to keep.
    pub fn activation(&self, layer: LayerId) -> Option<&[T]> {
        self.activations.iter().find(|(id, _)| *id == layer).map(|(_, values)| values.as_slice())
    }

    /// [`Tape::backward`], for those who only read the gradient: its memory serves the next one.
    ///
    /// # Panics
    /// As [`Tape::backward`].
    pub fn read_backward<R>(
        &self,
        seeds: &Seeds<T>,
        rule: ReluRule,
        stop: LayerId,
        read: impl FnOnce(&[T]) -> R,
    ) -> R {
        let gradient = self.backward(seeds, rule, stop);
        let answer = read(&gradient);
        if self.top != stop {
            self.network.memory.values.give(gradient);
        }
        answer
    }

    /// Carries `seeds` from the end of the tape down to `stop`: `(m, c, h, w)` of that layer's
    /// activation, or `(m, 3, px, px)` of the input for [`LayerId::INPUT`].
    ///
    /// The gradient with respect to a layer is taken at its output, before a `ReLU` behind it; name the
    /// `ReLU` ([`crate::Architecture::read_at`]) for the gradient with respect to what the layer fires.
    /// All zero where `stop` has no part in the seeded layer.
    ///
    /// # Panics
    /// If a seed is for an image that the tape does not have, or of another size than its last layer.
    pub fn backward(&self, seeds: &Seeds<T>, rule: ReluRule, stop: LayerId) -> Vec<T> {
        let (network, buffers) = (self.network, &self.network.memory.values);
        let m = seeds.len();
        assert_eq!(
            seeds.values.len(),
            m * network.shape(self.top).len(),
            "one value for each of the layer's"
        );
        assert!(seeds.images.iter().all(|&image| image < self.n), "images of the tape");
        if self.top == stop {
            return seeds.values.clone();
        }
        let top = self.top.index().expect("a tape ends at a layer");
        let matters = network.depends_on(stop, top);
        let wanted = |id: &LayerId| *id == stop || id.index().is_some_and(|index| matters[index]);
        let mut slots: Vec<Option<Vec<T>>> = vec![None; top + 1];
        let mut at_input = None;
        slots[top] = Some(buffers.copy(&seeds.values));
        let first = stop.index().map_or(0, |index| index + 1);
        for index in (first..=top).rev().filter(|&index| matters[index]) {
            let Some(gradient) = slots[index].take() else { continue };
            let sources: Vec<LayerId> = network.architecture.layers[index].inputs.clone();
            if network.architecture.layers[index].op == Op::Concat {
                for (id, part) in sources.iter().zip(self.split(&sources, &gradient, m)) {
                    if wanted(id) {
                        add_to(slot(&mut slots, &mut at_input, *id), part, buffers);
                    } else {
                        buffers.give(part);
                    }
                }
                buffers.give(gradient);
            } else if wanted(&sources[0]) {
                let relu = network.relu_before(index).filter(|&relu| LayerId::new(relu) != stop);
                let below = self.through(index, gradient, &seeds.images, rule, relu);
                let source = relu.map_or(sources[0], |relu| network.architecture.layers[relu].inputs[0]);
                add_to(slot(&mut slots, &mut at_input, source), below, buffers);
            }
        }
        let found = slot(&mut slots, &mut at_input, stop).take();
        found.unwrap_or_else(|| vec![T::default(); m * network.shape(stop).len()])
    }

    /// The gradient at the input of layer `index`, from that at its output; at the input of `relu`, if that is given, which
    /// `index` reads.
    fn through(
        &self,
        index: usize,
        mut gradient: Vec<T>,
        images: &[usize],
        rule: ReluRule,
        relu: Option<usize>,
    ) -> Vec<T> {
        let (network, buffers) = (self.network, &self.network.memory.values);
        let layer = &network.architecture.layers[index];
        let (input, output) = (network.shape(layer.inputs[0]), network.shapes[index]);
        let finish = |row: usize, gradient: &mut [T]| {
            if let Some(Kept::Fired(fired)) = relu.map(|relu| &self.kept[relu]) {
                rule.apply(gradient, &fired[images[row] * input.len()..][..input.len()]);
            }
        };
        let below = match (layer.op, &self.kept[index], &network.weights[index]) {
            (_, _, Weights::Conv(conv)) => conv.backward(&gradient, images.len(), buffers, &finish),
            (_, _, Weights::Dense(dense)) => dense.backward(&gradient, images.len(), buffers),
            (_, Kept::Fired(fired), _) => {
                let rows = gradient.par_chunks_exact_mut(output.len()).zip(images);
                rows.for_each(|(row, &image)| {
                    rule.apply(row, &fired[image * output.len()..][..output.len()]);
                });
                return gradient;
            }
            (Op::MaxPool { kernel, stride, padding, .. }, Kept::Winners(winners), _) => {
                let pool = Pool { kernel, stride, padding, input, output };
                pool.max_backward(&gradient, winners, images, buffers, &finish)
            }
            (Op::Lrn { size, alpha, beta, k }, Kept::Input(values), _) => {
                let constants = Lrn { size, alpha, beta, k };
                lrn::backward(&gradient, values, images, input, constants, buffers)
            }
            (Op::AvgPool { .. }, ..) => pool::mean_backward(&gradient, input, output, buffers),
            _ => return gradient,
        };
        buffers.give(gradient);
        below
    }

    /// The parts of a concatenation's gradient that belong to its inputs.
    fn split(&self, sources: &[LayerId], gradient: &[T], m: usize) -> Vec<Vec<T>> {
        let lens: Vec<usize> = sources.iter().map(|&id| self.network.shape(id).len()).collect();
        let buffers = &self.network.memory.values;
        let mut parts: Vec<Vec<T>> = lens.iter().map(|len| buffers.take(m * len)).collect();
        for (image, mut row) in gradient.chunks_exact(lens.iter().sum()).enumerate() {
            for (part, &len) in parts.iter_mut().zip(&lens) {
                let (head, tail) = row.split_at(len);
                part[image * len..][..len].copy_from_slice(head);
                row = tail;
            }
        }
        parts
    }
}

impl<T> Drop for Tape<'_, T> {
    fn drop(&mut self) {
        let memory = &self.network.memory;
        self.activations.drain(..).for_each(|(_, values)| memory.values.give(values));
        for kept in self.kept.drain(..) {
            match kept {
                Kept::Nothing => {}
                Kept::Fired(fired) => memory.fired.give(fired),
                Kept::Winners(winners) => memory.winners.give(winners),
                Kept::Input(values) => memory.values.give(values),
            }
        }
    }
}

impl<T> Network<T> {
    /// The `ReLU` that layer `index` reads, if no other layer does and its rule can be applied image by image: behind the
    /// gradient of a convolution or a max-pool.
    fn relu_before(&self, index: usize) -> Option<usize> {
        let layers = &self.architecture.layers;
        let is_by_image = matches!(layers[index].op, Op::Conv { .. } | Op::MaxPool { .. });
        let relu = layers[index].inputs[0].index().filter(|&source| layers[source].op == Op::Relu)?;
        let readers = layers.iter().filter(|layer| layer.inputs.contains(&LayerId::new(relu))).count();
        (is_by_image && readers == 1).then_some(relu)
    }

    /// For each layer up to `top`, whether it depends on `stop`; `stop` itself does not count.
    fn depends_on(&self, stop: LayerId, top: usize) -> Vec<bool> {
        let mut depends = Vec::with_capacity(top + 1);
        for layer in &self.architecture.layers[..=top] {
            let on = |id: &LayerId| *id == stop || id.index().is_some_and(|index| depends[index]);
            let answer = layer.inputs.iter().any(on);
            depends.push(answer);
        }
        depends
    }
}

fn slot<'s, T>(
    slots: &'s mut [Option<Vec<T>>],
    at_input: &'s mut Option<Vec<T>>,
    id: LayerId,
) -> &'s mut Option<Vec<T>> {
    match id.index() {
        None => at_input,
        Some(index) => &mut slots[index],
    }
}

/// Adds `gradient` to what other readers of the same layer left.
fn add_to<T: Real>(slot: &mut Option<Vec<T>>, gradient: Vec<T>, buffers: &Buffers<T>) {
    match slot {
        Some(sum) => {
            sum.iter_mut().zip(&gradient).for_each(|(sum, &value)| *sum += value);
            buffers.give(gradient);
        }
        None => *slot = Some(gradient),
    }
}
