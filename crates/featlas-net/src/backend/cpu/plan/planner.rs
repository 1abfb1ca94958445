//! How a plan is made: layer by layer, then a place in the buffer for every activation.

use super::super::BLOCK;
use super::super::conv::{Place, Pool};
use super::super::layout::{blocks, map_len};
use super::{Plan, Room, Source, Step, StepOp, Value, Want};
use crate::arch::{Architecture, LayerId, Op, Shape};
use crate::backend::ops::{Lrn, Window};
use std::ops::Range;

impl Plan {
    /// Plans everything that `wants` need.
    ///
    /// `shapes` are those of the layers, `memory` the result of [`super::memory_shapes`].
    pub(crate) fn new(
        architecture: &Architecture,
        shapes: &[Shape],
        memory: &[Shape],
        wants: &[Want],
    ) -> Self {
        let mut planner = Planner::new(architecture, shapes, memory, wants);
        for index in 0..architecture.layers.len() {
            if planner.needed[index] && planner.found[index].is_none() && !planner.fused[index] {
                planner.add_layer(index);
            }
        }
        planner.finish()
    }
}

struct Planner<'a> {
    architecture: &'a Architecture,
    shapes: &'a [Shape],
    memory: &'a [Shape],
    wants: &'a [Want],
    /// Whether anything wanted depends on the layer.
    needed: Vec<bool>,
    /// Where the layer's activation is.
    found: Vec<Option<Source>>,
    /// Layers that are part of another's step and have no activation.
    fused: Vec<bool>,
    /// The values of concatenations that a branch has been written into.
    joined: Vec<Option<usize>>,
    steps: Vec<Step>,
    /// Size, and whether it is a vector.
    values: Vec<(Shape, bool)>,
}

impl<'a> Planner<'a> {
    fn new(
        architecture: &'a Architecture,
        shapes: &'a [Shape],
        memory: &'a [Shape],
        wants: &'a [Want],
    ) -> Self {
        let count = architecture.layers.len();
        let mut needed = vec![false; count];
        for want in wants {
            needed[want.layer.index().expect("taps are layers")] = true;
        }
        for index in (0..count).rev() {
            if needed[index] {
                for source in architecture.layers[index].inputs.iter().filter_map(|id| id.index()) {
                    needed[source] = true;
                }
            }
        }
        Self {
            architecture,
            shapes,
            memory,
            wants,
            needed,
            found: vec![None; count],
            fused: vec![false; count],
            joined: vec![None; count],
            steps: Vec::new(),
            values: Vec::new(),
        }
    }

    fn value(&mut self, shape: Shape, vector: bool) -> usize {
        self.values.push((shape, vector));
        self.values.len() - 1
    }

    fn step(&mut self, layer: usize, op: StepOp, input: Source, output: usize) {
        self.steps.push(Step { layer, op, input, output: Some(output) });
    }

    /// The one layer that reads `index`, if there is exactly one and nothing else is read of it.
    fn only_reader(&self, index: usize) -> Option<usize> {
        let id = LayerId::new(index);
        if self.wants.iter().any(|want| want.layer == id) {
            return None;
        }
        let layers = self.architecture.layers.iter().enumerate();
        let mut readers = layers.flat_map(|(reader, layer)| {
            let times = layer.inputs.iter().filter(|&&input| input == id).count();
            std::iter::repeat_n(reader, if self.needed[reader] { times } else { 0 })
        });
        match (readers.next(), readers.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// The layer whose activation the step of layer `index` gives: the `ReLU` behind it, if it alone reads it.
    fn with_relu(&mut self, index: usize) -> (usize, bool) {
        match self.architecture.read_at(LayerId::new(index)).index() {
            Some(relu) if relu != index && self.needed[relu] && self.only_reader(index) == Some(relu) => {
                self.fused[index] = true;
                (relu, true)
            }
            _ => (index, false),
        }
    }

    fn add_layer(&mut self, index: usize) {
        let layer = &self.architecture.layers[index];
        if layer.op == Op::Concat {
            // Some of its inputs may be in their place already, and nowhere else.
            self.add_concat(index);
            return;
        }
        let source = self.source(layer.inputs[0]);
        let shape = self.shapes[index];
        let window = |kernel, stride, padding| Window { kernel, stride, padding };
        let simple = |planner: &mut Self, op| {
            let input = planner.as_map(index, source);
            let output = planner.value(shape, false);
            planner.step(index, op, input, output);
            planner.keep(index, Source::Value(output));
        };
        match layer.op {
            Op::Conv { .. } => self.add_conv(index, source),
            Op::MaxPool { kernel, stride, padding, .. } => {
                let pool = Pool { window: window(kernel, stride, padding), output: shape };
                simple(self, StepOp::MaxPool(pool));
            }
            Op::AvgPool { out } => {
                let read = layer.inputs[0].index().map(|i| self.memory[i]);
                match (read, source) {
                    // Means over single cells.
                    (Some(read), Source::Value(_)) if (read.h, read.w) == (out, out) && read == shape => {
                        self.keep(index, source);
                    }
                    _ => simple(self, StepOp::AvgPool { side: out }),
                }
            }
            Op::Lrn { size, alpha, beta, k } => simple(self, StepOp::Lrn(Lrn { size, alpha, beta, k })),
            Op::Relu => {
                let source = self.as_value(index, source);
                let (shape, vector) = self.values[source];
                let output = self.value(shape, vector);
                self.step(index, StepOp::Relu, Source::Value(source), output);
                self.keep(index, Source::Value(output));
            }
            Op::Flatten => {
                let value = self.as_value(index, source);
                if self.memory[index] == self.values[value].0 {
                    self.keep(index, Source::Value(value));
                } else {
                    simple(self, StepOp::Flatten);
                }
            }
            Op::Concat => unreachable!("added above"),
            Op::Linear { out } => self.add_linear(index, source, &[out]),
            Op::LowRankLinear { rank, out } => self.add_linear(index, source, &[rank, out]),
        }
    }

    fn source(&self, id: LayerId) -> Source {
        id.index().map_or(Source::Input, |i| self.found[i].expect("layers read earlier layers"))
    }

    /// The value of `source`, the input made a map.
    fn as_value(&mut self, layer: usize, source: Source) -> usize {
        match source {
            Source::Value(value) => value,
            Source::Input => {
                let input = self.input_shape();
                let output = self.value(input, false);
                self.step(layer, StepOp::Import, Source::Input, output);
                output
            }
        }
    }

    /// The size of the network's input: of what a first layer must read.
    fn input_shape(&self) -> Shape {
        let px = self.architecture.preprocess.input_px() as usize;
        Shape { c: 3, h: px, w: px }
    }

    fn as_map(&mut self, layer: usize, source: Source) -> Source {
        let value = self.as_value(layer, source);
        let (shape, vector) = self.values[value];
        if !vector {
            return Source::Value(value);
        }
        let output = self.value(shape, false);
        self.step(layer, StepOp::Scatter, Source::Value(value), output);
        Source::Value(output)
    }

    /// Records where layer `index` is, and reads what is wanted of it.
    fn keep(&mut self, index: usize, source: Source) {
        self.found[index] = Some(source);
        for want in self.wants.iter().filter(|want| want.layer == LayerId::new(index)) {
            self.steps.push(Step { layer: index, op: StepOp::Read(want.read), input: source, output: None });
        }
    }

    fn add_conv(&mut self, index: usize, source: Source) {
        let input = if source == Source::Input { source } else { self.as_map(index, source) };
        let (last, relu) = self.with_relu(index);
        let whole = Place { blocks: blocks(self.shapes[last].c), first_block: 0 };
        let reader = self.only_reader(last);
        match reader.map(|reader| (reader, self.architecture.layers[reader].op)) {
            Some((reader, Op::MaxPool { kernel, stride, padding, .. })) => {
                let output = self.value(self.shapes[reader], false);
                let window = Window { kernel, stride, padding };
                let pool = Some(Pool { window, output: self.shapes[reader] });
                self.step(index, StepOp::Conv { relu, pool, place: whole }, input, output);
                self.fused[last] = true;
                self.keep(reader, Source::Value(output));
            }
            Some((reader, Op::Concat)) if self.first_channel(reader, last).is_multiple_of(BLOCK) => {
                let output = self.concat_value(reader);
                let place = Place {
                    blocks: blocks(self.shapes[reader].c),
                    first_block: self.first_channel(reader, last) / BLOCK,
                };
                self.step(index, StepOp::Conv { relu, pool: None, place }, input, output);
                self.fused[last] = true;
            }
            _ => {
                let output = self.value(self.shapes[last], false);
                self.step(index, StepOp::Conv { relu, pool: None, place: whole }, input, output);
                self.keep(last, Source::Value(output));
            }
        }
    }

    /// The channel of concatenation `concat` at which its input `branch` begins.
    fn first_channel(&self, concat: usize, branch: usize) -> usize {
        let inputs = self.architecture.layers[concat].inputs.iter();
        let before = inputs.take_while(|&&id| id != LayerId::new(branch));
        before.map(|id| id.index().map_or(self.input_shape().c, |i| self.shapes[i].c)).sum()
    }

    /// The value of concatenation `concat`, made when its first branch is.
    fn concat_value(&mut self, concat: usize) -> usize {
        if let Some(made) = self.joined[concat] {
            return made;
        }
        let made = self.value(self.shapes[concat], false);
        self.joined[concat] = Some(made);
        made
    }

    fn add_concat(&mut self, index: usize) {
        let output = self.concat_value(index);
        let channels = self.shapes[index].c;
        let mut first = 0;
        for &id in &self.architecture.layers[index].inputs {
            let in_place = id.index().is_some_and(|i| self.fused[i]);
            let shape = id.index().map_or(self.input_shape(), |i| self.shapes[i]);
            if !in_place {
                let input = self.as_map(index, self.source(id));
                self.step(index, StepOp::Copy { channels, first }, input, output);
            }
            first += shape.c;
        }
        self.keep(index, Source::Value(output));
    }

    fn add_linear(&mut self, index: usize, source: Source, outputs: &[usize]) {
        let mut value = self.as_value(index, source);
        let (shape, vector) = self.values[value];
        if !vector {
            let output = self.value(shape, true);
            self.step(index, StepOp::Gather, Source::Value(value), output);
            value = output;
        }
        let (last, relu) = self.with_relu(index);
        for (factor, &c) in outputs.iter().enumerate() {
            let output = self.value(Shape { c, h: 1, w: 1 }, true);
            let relu = relu && factor + 1 == outputs.len();
            self.step(index, StepOp::Linear { factor, relu }, Source::Value(value), output);
            value = output;
        }
        self.keep(last, Source::Value(value));
    }

    /// Gives every value its place: the lowest that is free while it lives.
    fn finish(self) -> Plan {
        let head =
            self.steps.iter().position(|step| matches!(step.op, StepOp::Gather | StepOp::Linear { .. }));
        let head = head.unwrap_or(self.steps.len());
        let mut lives: Vec<Option<(usize, usize)>> = vec![None; self.values.len()];
        for (number, step) in self.steps.iter().enumerate() {
            let input = if let Source::Value(value) = step.input { Some(value) } else { None };
            for value in [input, step.output].into_iter().flatten() {
                let live = lives[value].get_or_insert((number, number));
                live.1 = number;
            }
        }
        let (mut trunk_len, mut head_len, mut handover_lens) = (0, 0, Vec::new());
        let mut placed: Vec<Value> = Vec::new();
        for (value, &(shape, vector)) in self.values.iter().enumerate() {
            let (first, last) = lives[value].expect("every value is written");
            let len = map_len(shape);
            let end = match (first < head, last < head) {
                (true, false) => {
                    let room = Room::Handover(handover_lens.len());
                    handover_lens.push(len);
                    placed.push(Value { shape, vector, room, range: 0..len });
                    continue;
                }
                (true, true) => (Room::Trunk, &mut trunk_len),
                _ => (Room::Head, &mut head_len),
            };
            let (room, end) = end;
            let together = |other: usize| lives[other].is_some_and(|(f, l)| f <= last && first <= l);
            let mut taken: Vec<Range<usize>> = placed
                .iter()
                .enumerate()
                .filter(|(other, place)| place.room == room && together(*other))
                .map(|(_, place)| place.range.clone())
                .collect();
            taken.sort_by_key(|range| range.start);
            let start = taken.iter().fold(0, |start, range| {
                if range.start >= start + len || range.end <= start { start } else { range.end }
            });
            *end = (*end).max(start + len);
            placed.push(Value { shape, vector, room, range: start..start + len });
        }
        Plan { steps: self.steps, head, values: placed, trunk_len, head_len, handover_lens }
    }
}
