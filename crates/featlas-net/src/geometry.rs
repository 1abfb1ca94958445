//! Sizes and receptive fields, derived from the layer list alone.
//!
//! Both directions use one description of a window, so the pixels that a cell is said to see are the
//! pixels that the forward pass reads.

use crate::arch::{Architecture, LayerId, Op, Shape};
use crate::error::NetError;
use crate::weights::Parameter;
use featlas_core::Rect;

/// Half-open range of cells along one axis; may reach outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: i64,
    end: i64,
}

impl Span {
    fn union(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    fn whole(len: usize) -> Self {
        Self { start: 0, end: signed(len) }
    }

    fn intersection(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).expect("sides of activations are far below 2^63")
}

/// Cells along one axis that a sliding window of `kernel` gives; the way PyTorch and Caffe count.
pub(crate) fn window_count(
    len: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    ceil: bool,
) -> Option<usize> {
    let room = (len + 2 * padding).checked_sub(kernel)?;
    let mut count = if ceil { room.div_ceil(stride) } else { room / stride } + 1;
    // A window that would begin in the padding behind the last cell sees nothing.
    if ceil && (count - 1) * stride >= len + padding {
        count -= 1;
    }
    Some(count)
}

/// The cells that output `index` of an adaptive pool averages (PyTorch's rule).
pub(crate) fn adaptive_range(index: usize, len: usize, out: usize) -> std::ops::Range<usize> {
    index * len / out..((index + 1) * len).div_ceil(out)
}

impl Architecture {
    /// The size of every layer's activation for inputs of `input_px` x `input_px`.
    ///
    /// # Errors
    /// [`NetError::TooSmall`] when a window finds no room, [`NetError::BadLayer`] when the list does
    /// not fit together.
    pub fn shapes(&self, input_px: u32) -> Result<Vec<Shape>, NetError> {
        let px = input_px as usize;
        self.shapes_from(Shape { c: 3, h: px, w: px })
    }

    /// The same for an input of any size, as the small networks of tests have it.
    pub(crate) fn shapes_from(&self, input: Shape) -> Result<Vec<Shape>, NetError> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let bad = |reason| NetError::BadLayer { layer: layer.name.clone(), reason };
            let sources = layer
                .inputs
                .iter()
                .map(|id| match id.index() {
                    None => Ok(input),
                    Some(i) => shapes.get(i).copied().ok_or_else(|| bad("it reads a later layer")),
                })
                .collect::<Result<Vec<_>, _>>()?;
            let shape = match (&layer.op, sources.as_slice()) {
                (_, []) => return Err(bad("it has none")),
                (Op::Concat, [first, rest @ ..]) => {
                    if rest.iter().any(|s| (s.h, s.w) != (first.h, first.w)) {
                        return Err(bad("their heights or widths differ"));
                    }
                    Shape { c: sources.iter().map(|s| s.c).sum(), ..*first }
                }
                (op, [one]) => output_shape(&layer.name, op, *one)?,
                _ => return Err(bad("it takes exactly one")),
            };
            if shape.is_empty() {
                return Err(bad("nothing is left of them"));
            }
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// The tensors of layer `index`: their names behind the layer's key, and their shapes.
    pub(crate) fn parameters_of(&self, index: usize, input: Shape) -> Vec<Parameter> {
        let parameter = |suffix, shape: &[usize]| Parameter { suffix, shape: shape.to_vec() };
        match self.layers[index].op {
            Op::Conv { out_channels, kernel, groups, .. } => vec![
                parameter("weight", &[out_channels, input.c / groups, kernel, kernel]),
                parameter("bias", &[out_channels]),
            ],
            Op::Linear { out } => {
                vec![parameter("weight", &[out, input.len()]), parameter("bias", &[out])]
            }
            Op::LowRankLinear { rank, out } => vec![
                parameter("down.weight", &[rank, input.len()]),
                parameter("up.weight", &[out, rank]),
                parameter("up.bias", &[out]),
            ],
            _ => Vec::new(),
        }
    }

    /// The input pixels behind cell (`cell_y`, `cell_x`) of layer `id`.
    ///
    /// Inside the input the sides are exact: clipped to it, the rectangle bounds the pixels that can
    /// change the cell. Where the cell also sees padding the rectangle reaches outside by as much as
    /// the windows hang over. A concatenation sees what any of its inputs sees.
    ///
    /// # Panics
    /// If `id` is the network's input or `shapes` is not the result of [`Architecture::shapes`].
    pub fn receptive_field(
        &self,
        id: LayerId,
        (cell_y, cell_x): (usize, usize),
        input_px: u32,
        shapes: &[Shape],
    ) -> Rect {
        let input = Shape { c: 3, h: input_px as usize, w: input_px as usize };
        self.receptive_field_from(id, (cell_y, cell_x), input, shapes)
    }

    pub(crate) fn receptive_field_from(
        &self,
        id: LayerId,
        (cell_y, cell_x): (usize, usize),
        input: Shape,
        shapes: &[Shape],
    ) -> Rect {
        let axis = |cell: usize, side: fn(&Shape) -> usize| {
            let sides: Vec<usize> = shapes.iter().map(side).collect();
            self.seen_span(id, cell, side(&input), &sides)
        };
        let (y, x) = (axis(cell_y, |s| s.h), axis(cell_x, |s| s.w));
        Rect { left: x.start, top: y.start, right: x.end, bottom: y.end }
    }

    /// What `cell` of layer `id` sees along one axis.
    fn seen_span(&self, id: LayerId, cell: usize, input: usize, sides: &[usize]) -> Span {
        let alive = self.alive_spans(input, sides);
        let exact = self.walk_back(id, cell, input, sides, Some(&alive));
        if exact.is_empty() {
            return exact;
        }
        let nominal = self.walk_back(id, cell, input, sides, None);
        Span {
            start: if exact.start == 0 { nominal.start.min(0) } else { exact.start },
            end: if exact.end == signed(input) { nominal.end.max(exact.end) } else { exact.end },
        }
    }

    /// For every layer, the cells along one axis that depend on the input at all. Where a padding is as
    /// large as its window, the outer cells see nothing but padding.
    fn alive_spans(&self, input: usize, sides: &[usize]) -> Vec<Span> {
        let mut alive: Vec<Span> = Vec::with_capacity(sides.len());
        for (layer, &side) in self.layers.iter().zip(sides) {
            let sees = |cell: i64| {
                layer.inputs.iter().any(|source| {
                    let (len, there) =
                        source.index().map_or((input, Span::whole(input)), |i| (sides[i], alive[i]));
                    let window = window_span(&layer.op, Span { start: cell, end: cell + 1 }, len);
                    !window.intersection(there).is_empty()
                })
            };
            let start = (0..signed(side)).find(|&cell| sees(cell)).unwrap_or(0);
            let end = (start..signed(side)).rev().find(|&cell| sees(cell)).map_or(start, |last| last + 1);
            alive.push(Span { start, end });
        }
        alive
    }

    /// Follows a cell back to the input. With `alive` spans, cells that do not depend on the input are
    /// dropped at every layer; without, windows keep their full length.
    fn walk_back(
        &self,
        id: LayerId,
        cell: usize,
        input: usize,
        sides: &[usize],
        alive: Option<&[Span]>,
    ) -> Span {
        let target = id.index().expect("a layer, not the input");
        let mut seen: Vec<Option<Span>> = vec![None; target + 1];
        let mut at_input: Option<Span> = None;
        let start = signed(cell);
        seen[target] = Some(Span { start, end: start + 1 });
        for index in (0..=target).rev() {
            let Some(span) = seen[index] else { continue };
            for source in &self.layers[index].inputs {
                let (len, there, slot) = match source.index() {
                    None => (input, Span::whole(input), &mut at_input),
                    Some(i) => (sides[i], alive.map_or(Span::whole(sides[i]), |a| a[i]), &mut seen[i]),
                };
                let mut through = window_span(&self.layers[index].op, span, len);
                if alive.is_some() {
                    through = through.intersection(there);
                }
                if !through.is_empty() {
                    *slot = Some(slot.map_or(through, |earlier| earlier.union(through)));
                }
            }
        }
        at_input.unwrap_or(Span { start: 0, end: 0 })
    }
}

/// The size of what `op` makes of one input.
fn output_shape(name: &str, op: &Op, input: Shape) -> Result<Shape, NetError> {
    let bad = |reason| NetError::BadLayer { layer: name.to_owned(), reason };
    let windows = |kernel: usize, stride: usize, padding: usize, ceil: bool| {
        if kernel == 0 || stride == 0 {
            return Err(bad("its window or stride is zero"));
        }
        let count = |len| {
            window_count(len, kernel, stride, padding, ceil).ok_or_else(|| NetError::TooSmall {
                layer: name.to_owned(),
                needed: kernel.saturating_sub(2 * padding),
                got: len,
            })
        };
        Ok((count(input.h)?, count(input.w)?))
    };
    Ok(match *op {
        Op::Conv { out_channels, kernel, stride, padding, groups } => {
            if groups == 0 || !input.c.is_multiple_of(groups) || !out_channels.is_multiple_of(groups) {
                return Err(bad("its groups do not divide the channels"));
            }
            let (h, w) = windows(kernel, stride, padding, false)?;
            Shape { c: out_channels, h, w }
        }
        Op::MaxPool { kernel, stride, padding, ceil } => {
            if 2 * padding > kernel {
                return Err(bad("its padding is more than half its window"));
            }
            let (h, w) = windows(kernel, stride, padding, ceil)?;
            Shape { h, w, ..input }
        }
        Op::AvgPool { out } => Shape { h: out, w: out, ..input },
        Op::Relu | Op::Lrn { .. } | Op::Concat => input,
        Op::Linear { out } | Op::LowRankLinear { out, .. } => Shape { c: out, h: 1, w: 1 },
        Op::Flatten => Shape { c: input.len(), h: 1, w: 1 },
    })
}

/// The cells of an input of length `len` that the output cells of `span` are computed from.
fn window_span(op: &Op, span: Span, len: usize) -> Span {
    match *op {
        Op::Conv { kernel, stride, padding, .. } | Op::MaxPool { kernel, stride, padding, .. } => {
            let (kernel, stride, padding) = (signed(kernel), signed(stride), signed(padding));
            Span { start: span.start * stride - padding, end: (span.end - 1) * stride - padding + kernel }
        }
        Op::AvgPool { out } => {
            // A span that already hangs over the pool's output stands for all of that side.
            let cells = span.intersection(Span::whole(out));
            let range = |cell: i64| {
                let cell = usize::try_from(cell).expect("clipped to the output");
                adaptive_range(cell.min(out - 1), len, out)
            };
            Span { start: signed(range(cells.start).start), end: signed(range((cells.end - 1).max(0)).end) }
        }
        Op::Relu | Op::Lrn { .. } | Op::Concat => span,
        Op::Linear { .. } | Op::LowRankLinear { .. } | Op::Flatten => Span { start: 0, end: signed(len) },
    }
}

#[cfg(test)]
mod tests;
