//! The scales of integer arithmetic, taken from the source's own images, and how close it comes to f32.

use crate::PipelineError;
use crate::atlas::decode_options;
use featlas_core::{Progress, Stage};
use featlas_extract::WorkItem;
use featlas_image::{Source, decode};
use featlas_net::{Backend, Batch, CpuBackend, Model, Ranges, Taps};
use featlas_store::Atlas;
use serde_json::json;

/// The field of the fingerprint that holds the ranges: an atlas carries its scales, so that later runs and
/// queries use the same.
pub(crate) const FIELD: &str = "calibration";

/// Images looked at when an atlas is made: two of three give the ranges, the others are compared.
const CALIBRATION_IMAGES: usize = 192;

/// Images compared when the ranges are known.
const COMPARED_IMAGES: usize = 64;

/// Images a forward pass: all activations of the pass are in memory.
const BATCH: usize = 8;

/// The ranges that `atlas` was made with, if its network multiplies integers.
pub(crate) fn stored_in(atlas: &Atlas) -> Result<Option<Ranges>, PipelineError> {
    let text = atlas.manifest().fingerprint.get(FIELD);
    let wrong = |source| PipelineError::Calibration { source, atlas: atlas.root().to_owned() };
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

/// The ranges of a network's activations, and what f32 says about some images.
pub(crate) struct Measured {
    pub(crate) ranges: Ranges,
    /// Batches, and their features in f32.
    compared: Vec<(Batch, Vec<f32>)>,
}

/// Looks at images of `work`, evenly spaced in it: measures the ranges, if they are not `known`, and keeps
/// what f32 says about other images.
///
/// # Errors
/// [`PipelineError::NoCalibration`] if no image can be read, faults of the network, and
/// [`PipelineError::Interrupted`].
pub(crate) fn measure(
    model: &Model,
    taps: &Taps,
    (sources, work): (&[Source], &[WorkItem]),
    known: Option<Ranges>,
    progress: &dyn Progress,
) -> Result<Measured, PipelineError> {
    let wanted = if known.is_some() { COMPARED_IMAGES } else { CALIBRATION_IMAGES };
    let count = wanted.min(work.len());
    let items: Vec<&WorkItem> = (0..count).map(|i| &work[i * work.len() / count]).collect();
    progress.begin(Stage::Calibrate, Some(count as u64));
    let measured = look(model, taps, (sources, &items), known, progress);
    progress.end(Stage::Calibrate);
    measured
}

fn look(
    model: &Model,
    taps: &Taps,
    (sources, items): (&[Source], &[&WorkItem]),
    known: Option<Ranges>,
    progress: &dyn Progress,
) -> Result<Measured, PipelineError> {
    let backend = CpuBackend::for_calibration(model);
    let is_compared = |i: usize| known.is_some() || i % 3 == 2;
    let mut ranges = Ranges::default();
    let mut compared = Vec::new();
    let (mut to_compare, mut to_calibrate) = (Vec::new(), Vec::new());
    let last = items.len().saturating_sub(1);
    for (i, item) in items.iter().enumerate() {
        if progress.is_cancelled() {
            return Err(PipelineError::Interrupted);
        }
        if let Some(input) = input_of(model, &sources[item.source], item) {
            // A handful of images have to serve for both.
            if is_compared(i) || items.len() < 3 {
                to_compare.push(input.clone());
            }
            if !is_compared(i) {
                to_calibrate.push(input);
            }
        }
        if to_calibrate.len() == BATCH || (i == last && !to_calibrate.is_empty()) {
            backend.calibrate(&batch_of(model, &to_calibrate), taps, &mut ranges)?;
            to_calibrate.clear();
        }
        if to_compare.len() == BATCH || (i == last && !to_compare.is_empty()) {
            let batch = batch_of(model, &to_compare);
            let features = backend.forward(&batch, taps)?.features;
            compared.push((batch, features));
            to_compare.clear();
        }
        progress.advance(Stage::Calibrate, 1);
    }
    if known.is_none() && ranges.num_images() == 0 {
        return Err(PipelineError::NoCalibration { images: items.len() });
    }
    // As the text says them, which is what later runs will know.
    let ranges = match known {
        Some(known) => known,
        None => ranges.to_string().parse().expect("a text of our own"),
    };
    Ok(Measured { ranges, compared })
}

/// The network's input of an image; none of one that cannot be read, which the extraction will reject.
fn input_of(model: &Model, source: &Source, item: &WorkItem) -> Option<Vec<f32>> {
    let bytes = source.read(&item.entry).ok()?;
    let image = decode(&bytes, &decode_options()).ok()?.image;
    let px = model.preprocess().input_px() as usize;
    let mut input = vec![0.0; 3 * px * px];
    model.preprocess().write_input(&image, &mut input);
    Some(input)
}

fn batch_of(model: &Model, inputs: &[Vec<f32>]) -> Batch {
    let mut batch = Batch::new(inputs.len(), model.preprocess().input_px());
    for (slot, input) in batch.slots().zip(inputs) {
        slot.copy_from_slice(input);
    }
    batch
}

impl Measured {
    /// Holds `backend` against f32: the cosines between the features of the same images, for `run.json`.
    pub(crate) fn compare(
        &self,
        backend: &dyn Backend,
        taps: &Taps,
    ) -> Result<serde_json::Value, PipelineError> {
        let mut cosines = Vec::new();
        for (batch, expected) in &self.compared {
            let got = backend.forward(batch, taps)?.features;
            let rows = got.chunks_exact(taps.feature.dim).zip(expected.chunks_exact(taps.feature.dim));
            cosines.extend(rows.filter_map(|(got, expected)| cosine(got, expected)));
        }
        let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
        let worst = cosines.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(json!({
            "calibration_images": self.ranges.num_images(),
            "compared_images": cosines.len(),
            "cosine_to_f32_mean": (!cosines.is_empty()).then_some(mean),
            "cosine_to_f32_worst": (!cosines.is_empty()).then_some(worst),
        }))
    }
}

/// None if either vector is zero.
fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    (norms > 0.0).then(|| dot(a, b) / norms)
}
