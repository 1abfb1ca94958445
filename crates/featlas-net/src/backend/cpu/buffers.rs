//! What the steps of a plan read and write.

use super::kernels::Aligned;
use super::plan::{Plan, Room, Source, Step};
use super::sink::SinkPart;
use crate::arch::Shape;
use crate::backend::Batch;
use std::ops::Range;

/// What a step reads: `n` images of activations.
#[derive(Clone, Copy)]
pub(super) struct Activations<'a> {
    pub(super) shape: Shape,
    /// Whether it is a vector; else a map.
    pub(super) vector: bool,
    pub(super) n: usize,
    pub(super) values: &'a [f32],
}

/// Some images on their way through the trunk.
pub(super) struct Pass<'a> {
    pub(super) images: Range<usize>,
    pub(super) sink: SinkPart<'a>,
    /// Their part of what the head reads.
    pub(super) handover: Vec<&'a mut [f32]>,
}

/// What a step of the trunk reads and writes.
pub(super) fn trunk_buffers<'a>(
    plan: &Plan,
    step: &Step,
    batch: &'a Batch,
    images: Range<usize>,
    handover: &'a mut [&mut [f32]],
    arena: &'a mut [f32],
) -> (Activations<'a>, &'a mut [f32]) {
    let n = images.len();
    let scaled = |range: &Range<usize>| range.start * n..range.end * n;
    let output = step.output.map(|value| (&plan.values[value].room, scaled(&plan.values[value].range)));
    let Source::Value(source) = step.input else {
        let output: &mut [f32] = match output {
            None => &mut [],
            Some((Room::Handover(number), _)) => handover[*number],
            Some((_, range)) => &mut arena[range],
        };
        return (planar_input(batch, images), output);
    };
    let from = &plan.values[source];
    let (values, output): (&[f32], &mut [f32]) = match (from.room, output) {
        (Room::Handover(from), Some((&Room::Handover(to), _))) => {
            let pair = handover.get_disjoint_mut([from, to]);
            let [from, to] = pair.expect("a step does not write what it reads");
            (&**from, &mut **to)
        }
        (Room::Handover(number), None) => (&*handover[number], &mut []),
        (Room::Handover(number), Some((_, to))) => (&*handover[number], &mut arena[to]),
        (_, None) => (&arena[scaled(&from.range)], &mut []),
        (_, Some((Room::Handover(number), _))) => (&arena[scaled(&from.range)], &mut handover[*number]),
        (_, Some((_, to))) => disjoint(arena, scaled(&from.range), to),
    };
    (Activations { shape: from.shape, vector: from.vector, n, values }, output)
}

/// What a step of the head reads and writes.
pub(super) fn head_buffers<'a>(
    plan: &Plan,
    step: &Step,
    batch: &'a Batch,
    handover: &'a [Aligned],
    arena: &'a mut [f32],
) -> (Activations<'a>, &'a mut [f32]) {
    let n = batch.len();
    let scaled = |range: &Range<usize>| range.start * n..range.end * n;
    let output = step.output.map(|value| scaled(&plan.values[value].range));
    let Source::Value(source) = step.input else {
        let output = output.map_or(&mut [][..], |to| &mut arena[to]);
        return (planar_input(batch, 0..n), output);
    };
    let from = &plan.values[source];
    let (values, output): (&[f32], &mut [f32]) = match (from.room, output) {
        (Room::Handover(number), output) => {
            let output = output.map_or(&mut [][..], |to| &mut arena[to]);
            (&handover[number][..from.range.len() * n], output)
        }
        (_, None) => (&arena[scaled(&from.range)], &mut []),
        (_, Some(to)) => disjoint(arena, scaled(&from.range), to),
    };
    (Activations { shape: from.shape, vector: from.vector, n, values }, output)
}

/// The network's input of some images.
fn planar_input(batch: &Batch, images: Range<usize>) -> Activations<'_> {
    let shape = Shape { c: 3, h: batch.px(), w: batch.px() };
    let values = &batch.values()[images.start * shape.len()..images.end * shape.len()];
    Activations { shape, vector: false, n: images.len(), values }
}

/// Two parts of a buffer that do not overlap, one to be read and one to be written.
fn disjoint(values: &mut [f32], from: Range<usize>, to: Range<usize>) -> (&[f32], &mut [f32]) {
    if from.end <= to.start {
        let (before, behind) = values.split_at_mut(to.start);
        (&before[from], &mut behind[..to.end - to.start])
    } else {
        assert!(to.end <= from.start, "a plan gives values that live at the same time their own places");
        let (before, behind) = values.split_at_mut(from.start);
        (&behind[..from.end - from.start], &mut before[to])
    }
}
