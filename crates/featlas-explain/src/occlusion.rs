//! Occlusion (Zeiler and Fergus 2013): which part of the image must not be covered.
//!
//! A window slides over the network's input, and the network answers anew at each place. Windows begin at
//! pixel 0 and advance by the stride until the last pixel is covered; the last one of a row or column is
//! clipped by the border, so every window inside the image and at its border covers just its own pixels.

mod fill;

use crate::error::ExplainError;
use crate::maps::argmax;
use crate::target::{ClassChoice, ClassScore, ReadLayer, probability};
use featlas_core::{Progress, Rect, Stage};
use featlas_net::{Backend, Batch, Model, NetError, Outputs, Taps};
use fill::Filling;
use rayon::prelude::*;

/// What a covered pixel becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fill {
    /// The mean color of the model's training set.
    #[default]
    Mean,
    /// Mid-gray.
    Gray,
    /// Black.
    Black,
    /// The image itself, blurred by a Gaussian whose standard deviation is half the window, so that no
    /// detail of the window's size survives, but its color does.
    Blur,
}

/// What is watched while the window slides.
#[derive(Debug, Clone, PartialEq)]
pub enum Watch {
    /// The probability of a class.
    Class(ClassChoice),
    /// The largest activation of a channel, anywhere in the layer.
    Channel(ReadLayer, usize),
}

/// How the window slides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OcclusionParams {
    /// Side of the square window, in pixels of the network's input.
    pub window_px: usize,
    /// Step between windows, in the same.
    pub stride_px: usize,
    /// What covers the window.
    pub fill: Fill,
    /// Occluded copies that the network gets at once; bounds the memory.
    pub batch: usize,
}

impl Default for OcclusionParams {
    fn default() -> Self {
        Self { window_px: 32, stride_px: 8, fill: Fill::Mean, batch: 64 }
    }
}

/// The answers for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Occlusion {
    /// The class of the image without a window, where one is watched.
    pub class: Option<ClassScore>,
    /// What is watched, without a window: a probability, or an activation.
    pub intact: f32,
    /// Places of the window in a column.
    pub rows: usize,
    /// Places of the window in a row.
    pub columns: usize,
    /// `(rows, columns)`: what is watched, with the window there.
    pub values: Vec<f32>,
    /// Side of the network's input.
    pub px: usize,
    /// Side of the window.
    pub window_px: usize,
    /// Step between windows.
    pub stride_px: usize,
}

/// A place of the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Row of the window.
    pub row: usize,
    /// Column of the window.
    pub column: usize,
    /// What the window covers, in pixels of the network's input.
    pub window: Rect,
    /// What is watched, with the window there.
    pub value: f32,
    /// By how much it is less than without; negative where covering helps.
    pub drop: f32,
}

/// Slides the window over every image of a batch.
///
/// Progress counts occluded copies, in [`Stage::Explain`].
///
/// # Errors
/// [`ExplainError::WindowTooLarge`], [`ExplainError::Zero`], [`ExplainError::NoChannel`],
/// [`ExplainError::NoClassIndex`], [`ExplainError::Interrupted`], those of the backend.
pub fn occlusion(
    model: &Model,
    backend: &dyn Backend,
    batch: &Batch,
    watch: &Watch,
    params: &OcclusionParams,
    progress: &dyn Progress,
) -> Result<Vec<Occlusion>, ExplainError> {
    let px = model.preprocess().input_px() as usize;
    check(model, watch, params)?;
    if batch.px() != px {
        return Err(NetError::InputSize { expected: px, got: batch.px() }.into());
    }
    let taps = match watch {
        Watch::Class(_) => model.resolve_taps(&[])?,
        Watch::Channel(layer, _) => model.resolve_taps(std::slice::from_ref(&layer.name))?,
    };
    let reader = Reader { watch, taps, classes: model.architecture().num_classes };
    let per_side = (px - params.window_px).div_ceil(params.stride_px) + 1;
    let places = per_side * per_side;
    progress.begin(Stage::Explain, Some((places * batch.len()) as u64));
    let mut found = intact(backend, batch, &reader, params.batch)?
        .into_iter()
        .map(|(class, intact)| Occlusion {
            class,
            intact,
            rows: per_side,
            columns: per_side,
            values: Vec::with_capacity(places),
            px,
            window_px: params.window_px,
            stride_px: params.stride_px,
        })
        .collect::<Vec<_>>();
    let len = 3 * px * px;
    let mut copies = Batch::new(params.batch.min(places), model.preprocess().input_px());
    for (image, occlusion) in batch.values().chunks_exact(len).zip(&mut found) {
        let filling = Filling::new(params.fill, image, px, params.window_px, model.preprocess());
        for first in (0..places).step_by(params.batch) {
            if progress.is_cancelled() {
                return Err(ExplainError::Interrupted);
            }
            let count = params.batch.min(places - first);
            if count < copies.len() {
                copies.truncate(count);
            } else if count > copies.len() {
                copies = Batch::new(count, model.preprocess().input_px());
            }
            let slots: Vec<(usize, &mut [f32])> = (first..).zip(copies.slots()).collect();
            slots.into_par_iter().for_each(|(place, copy)| {
                copy.copy_from_slice(image);
                filling.cover(copy, occlusion.window(place / per_side, place % per_side));
            });
            let outputs = backend.forward(&copies, &reader.taps)?;
            let class = occlusion.class;
            occlusion.values.extend((0..count).map(|i| reader.value(&outputs, i, class)));
            progress.advance(Stage::Explain, count as u64);
        }
    }
    progress.end(Stage::Explain);
    Ok(found)
}

impl OcclusionParams {
    /// Refuses numbers that are zero, and a window larger than the model's input.
    ///
    /// # Errors
    /// [`ExplainError::Zero`], [`ExplainError::WindowTooLarge`].
    pub fn check(&self, model: &Model) -> Result<(), ExplainError> {
        let px = model.preprocess().input_px() as usize;
        let numbers = [
            (self.window_px, "occlusion window"),
            (self.stride_px, "occlusion stride"),
            (self.batch, "occlusion batch"),
        ];
        if let Some((_, what)) = numbers.into_iter().find(|(number, _)| *number == 0) {
            return Err(ExplainError::Zero { what });
        }
        if self.window_px > px {
            return Err(ExplainError::WindowTooLarge { window_px: self.window_px, px });
        }
        Ok(())
    }
}

fn check(model: &Model, watch: &Watch, params: &OcclusionParams) -> Result<(), ExplainError> {
    params.check(model)?;
    match watch {
        Watch::Class(choice) => choice.checked(model).map(|_| ()),
        Watch::Channel(layer, channel) => layer.check_channel(*channel),
    }
}

/// What is watched of every image before anything is covered.
fn intact(
    backend: &dyn Backend,
    batch: &Batch,
    reader: &Reader<'_>,
    at_once: usize,
) -> Result<Vec<(Option<ClassScore>, f32)>, ExplainError> {
    let len = 3 * batch.px() * batch.px();
    let mut found = Vec::with_capacity(batch.len());
    for images in batch.values().chunks(at_once * len) {
        let count = images.len() / len;
        let mut piece = Batch::new(count, u32::try_from(batch.px()).unwrap_or(u32::MAX));
        piece.slots().zip(images.chunks_exact(len)).for_each(|(slot, image)| slot.copy_from_slice(image));
        let outputs = backend.forward(&piece, &reader.taps)?;
        found.extend((0..count).map(|i| {
            let class = match reader.watch {
                Watch::Class(choice) => Some(choice.of(reader.logits(&outputs, i))),
                Watch::Channel(..) => None,
            };
            (class, reader.value(&outputs, i, class))
        }));
    }
    Ok(found)
}

/// Finds what is watched in the outputs of a batch.
struct Reader<'a> {
    watch: &'a Watch,
    taps: Taps,
    classes: usize,
}

impl Reader<'_> {
    fn logits<'o>(&self, outputs: &'o Outputs, i: usize) -> &'o [f32] {
        &outputs.logits[i * self.classes..][..self.classes]
    }

    /// What is watched of image `i`, or the probability of `class`.
    fn value(&self, outputs: &Outputs, i: usize, class: Option<ClassScore>) -> f32 {
        match self.watch {
            Watch::Class(choice) => {
                let logits = self.logits(outputs, i);
                let class = class.unwrap_or_else(|| choice.of(logits));
                probability(logits, class.class)
            }
            Watch::Channel(layer, channel) => {
                match self.taps.convs.iter().position(|tap| tap.name == layer.name) {
                    Some(tap) => outputs.convs[tap].max[i * layer.shape.c + channel],
                    // A layer without cells is tapped as the feature.
                    None => outputs.features[i * self.taps.feature.dim + channel],
                }
            }
        }
    }
}

impl Occlusion {
    /// What the window covers at a place, in pixels of the network's input.
    pub fn window(&self, row: usize, column: usize) -> Rect {
        let signed = |v: usize| i64::try_from(v).unwrap_or(i64::MAX);
        let span = |i: usize| {
            let start = i * self.stride_px;
            (signed(start), signed((start + self.window_px).min(self.px)))
        };
        let ((top, bottom), (left, right)) = (span(row), span(column));
        Rect { left, top, right, bottom }
    }

    /// The place where covering takes away most; of equal ones the first.
    pub fn worst(&self) -> Place {
        let drops: Vec<f32> = self.values.iter().map(|value| self.intact - value).collect();
        let place = argmax(&drops);
        let (row, column) = (place / self.columns, place % self.columns);
        let window = self.window(row, column);
        Place { row, column, window, value: self.values[place], drop: drops[place] }
    }

    /// `(px, px)`: for every pixel the mean of what is watched, over all windows that cover it.
    pub fn per_pixel(&self) -> Vec<f32> {
        let px = self.px;
        let (mut sums, mut counts) = (vec![0.0_f64; px * px], vec![0_u32; px * px]);
        for (place, &value) in self.values.iter().enumerate() {
            let (row, column) = (place / self.columns, place % self.columns);
            let rows = row * self.stride_px..(row * self.stride_px + self.window_px).min(px);
            let columns = column * self.stride_px..(column * self.stride_px + self.window_px).min(px);
            for y in rows {
                let cells = y * px + columns.start..y * px + columns.end;
                for (sum, count) in sums[cells.clone()].iter_mut().zip(&mut counts[cells]) {
                    *sum += f64::from(value);
                    *count += 1;
                }
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values")]
        let mean = |(sum, count): (&f64, &u32)| {
            // With a stride longer than the window, some pixels are never covered.
            if *count == 0 { self.intact } else { (sum / f64::from(*count)) as f32 }
        };
        sums.iter().zip(&counts).map(mean).collect()
    }

    /// `(px, px)`: for every pixel the mean drop over all windows that cover it (Captum's attribution).
    pub fn drop_per_pixel(&self) -> Vec<f32> {
        self.per_pixel().into_iter().map(|value| self.intact - value).collect()
    }
}
