//! Figures of single images: what a network sees in each, and where.
//!
//! Joins the arrays of `featlas-explain` with the pictures of `featlas-render`. Every word of the user (layer,
//! channel, class, window) is checked before the first image is read.

mod activations;
mod drawing;
mod filters;
mod guided;
mod heat;
mod inputs;
mod npy;
mod occlusion;
mod page;
mod segment;
mod settings;
mod sheet;

pub use featlas_explain::integrated::Baseline;
pub use featlas_explain::occlusion::Fill;
pub use featlas_explain::segment::{
    DEFAULT_BACKGROUND_QUANTILE, DEFAULT_FOREGROUND_QUANTILE, DEFAULT_ITERATIONS as DEFAULT_CUT_ITERATIONS,
};
pub use featlas_explain::{GradientPrecision, ReluRule};
pub use npy::{Array, Values};
pub(crate) use page::explained_images;
pub use settings::{DEFAULT_EXPLAIN_BATCH, ExplainSettings, Method, SegmentSettings, Target, Watched};

use crate::PipelineError;
use crate::picture::write_bytes;
use activations::Activations;
use drawing::{Drawing, Sight};
use featlas_core::{Progress, RgbImage};
use featlas_explain::integrated::IntegratedParams;
use featlas_explain::occlusion::{OcclusionParams, Watch};
use featlas_explain::saliency::{SaliencyParams, Smooth};
use featlas_explain::segment::{GrabCutParams, SeedParams};
use featlas_explain::{ClassChoice, ExplainError, Gradients, ReadLayer};
use featlas_image::{Reject, encode_png};
use featlas_net::{Batch, CpuBackend, Model};
use guided::{From, Guided};
use heat::{HeatMethod, How};
use inputs::{Input, Inputs};
use occlusion::Occluder;
use rayon::prelude::*;
use segment::Segmenter;
use sheet::Glances;
use std::path::{Path, PathBuf};

/// What was written for one image.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The image; none for a figure of the model alone.
    pub image: Option<PathBuf>,
    /// The figure.
    pub png: PathBuf,
    /// The numbers behind it.
    pub npy: PathBuf,
    /// Their shape.
    pub shape: Vec<usize>,
    /// Other pictures, such as a mask.
    pub more: Vec<PathBuf>,
    /// The figures that matter, by name.
    pub figures: serde_json::Map<String, serde_json::Value>,
}

/// An image that could not be read.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// The image.
    pub image: PathBuf,
    /// Why.
    pub reject: Reject,
    /// Whether the user named it, rather than a folder that holds it.
    pub named: bool,
}

/// All that a call of [`explain`] did.
#[derive(Debug, Clone, Default)]
pub struct ExplainSummary {
    /// Images with a figure.
    pub explained: u64,
    /// Images without.
    pub unreadable: Vec<Unreadable>,
    /// The contact sheet of several images.
    pub sheet: Option<PathBuf>,
}

/// Explains every image by one method and writes the figures; `done` hears of each as it is written.
///
/// Writes `STEM.METHOD.png` and `STEM.METHOD.npy` below the output folder, which keeps the folders of the input,
/// and for several images `contact-sheet.METHOD.png`. An image that cannot be read is reported and left out.
///
/// # Errors
/// A word of the settings that the model does not know, before anything is read; an image that cannot be
/// read if there is no other; a folder that cannot be written.
pub fn explain(
    settings: &ExplainSettings,
    progress: &dyn Progress,
    done: &mut dyn FnMut(&Explained),
) -> Result<ExplainSummary, PipelineError> {
    let model = Model::open(&settings.model, settings.weights.as_deref())?;
    if let Method::Filters { layer, shared_scale, sort } = &settings.method {
        let drawing = filters::draw(&model, layer.as_deref(), *shared_scale, *sort)?;
        // Kernels are the model's and not the image's: with one image, its name is only a wish.
        let stem = match settings.images.as_slice() {
            [only] if !only.is_dir() => PathBuf::from(only.file_stem().unwrap_or_default()),
            _ => PathBuf::from(model.name()),
        };
        done(&write(&settings.out, &stem, settings.method.name(), None, drawing)?);
        return Ok(ExplainSummary { explained: 1, ..ExplainSummary::default() });
    }
    let explainer = Explainer::new(&model, &settings.method, settings.precision, settings.batch)?;
    let inputs = Inputs::list(&settings.images, progress)?;
    if inputs.images.is_empty() {
        return Err(PipelineError::Setting { setting: "images", problem: "name no image".to_owned() });
    }
    let mut summary = ExplainSummary::default();
    let mut glances = Glances::new(inputs.images.len());
    for some in inputs.images.chunks(settings.batch.max(1)) {
        if progress.is_cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let (found, sights) = read(&inputs, some, &mut summary, progress);
        if sights.is_empty() {
            continue;
        }
        let mut batch = Batch::new(sights.len(), model.preprocess().input_px());
        for (i, sight) in sights.iter().enumerate() {
            model.preprocess().write_input(&sight.image, batch.slot(i));
        }
        explainer.explain(&model, &sights, &batch, progress, &mut |i, drawing| {
            let input = found[i];
            glances.add(&drawing, &input.stem);
            let image = Some(input.path.clone());
            done(&write(&settings.out, &input.stem, settings.method.name(), image, drawing)?);
            summary.explained += 1;
            Ok(())
        })?;
    }
    if summary.explained == 0
        && let [first, ..] = summary.unreadable.as_slice()
    {
        return Err(PipelineError::Image { reject: first.reject.clone(), path: first.image.clone() });
    }
    if let Some(picture) = glances.draw(settings.method.name(), &model)? {
        let path = settings.out.join(format!("contact-sheet.{}.png", settings.method.name()));
        write_bytes(&encode_png(&picture)?, &path)?;
        summary.sheet = Some(path);
    }
    Ok(summary)
}

/// Decodes images side by side; those that cannot be read are told and left out.
fn read<'a>(
    inputs: &Inputs,
    some: &'a [Input],
    summary: &mut ExplainSummary,
    progress: &dyn Progress,
) -> (Vec<&'a Input>, Vec<Sight>) {
    let opened: Vec<Result<RgbImage, Reject>> = some.par_iter().map(|input| inputs.open(input)).collect();
    let (mut found, mut sights) = (Vec::new(), Vec::new());
    for (input, opened) in some.iter().zip(opened) {
        match opened {
            Ok(image) => {
                let name = input.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                found.push(input);
                sights.push(Sight { name, image });
            }
            Err(reject) => {
                progress.warn(&format!("left out: {reject}: `{}`", input.path.display()));
                summary.unreadable.push(Unreadable { image: input.path.clone(), reject, named: input.named });
            }
        }
    }
    (found, sights)
}

/// Writes a drawing's files.
fn write(
    out: &Path,
    stem: &Path,
    method: &str,
    image: Option<PathBuf>,
    drawing: Drawing,
) -> Result<Explained, PipelineError> {
    let with = |ending: &str| {
        let mut name = out.join(stem).into_os_string();
        name.push(format!(".{method}.{ending}"));
        PathBuf::from(name)
    };
    let (png, npy) = (with("png"), with("npy"));
    if let Some(folder) = png.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let mut more = Vec::new();
    for (what, bytes) in &drawing.more {
        let path = with(&format!("{what}.png"));
        write_bytes(bytes, &path)?;
        more.push(path);
    }
    write_bytes(&drawing.array.to_npy(), &npy)?;
    write_bytes(&encode_png(&drawing.figure)?, &png)?;
    Ok(Explained { image, png, npy, shape: drawing.array.shape, more, figures: drawing.figures })
}

/// A method with everything that it needs, checked against the model.
#[derive(Debug)]
enum Explainer {
    Activations(Box<Activations>),
    Occlusion(Box<Occluder>),
    Heat(Box<HeatMethod>),
    Segment(Box<Segmenter>),
    Guided(Box<Guided>),
}

impl Explainer {
    fn new(
        model: &Model,
        method: &Method,
        precision: GradientPrecision,
        batch: usize,
    ) -> Result<Self, PipelineError> {
        let gradients = || Gradients::new(model, precision);
        let class = |text: &Option<String>| {
            text.as_ref().map_or(Ok(ClassChoice::Top), |text| ClassChoice::find(model, text))
        };
        let layer = |name: &Option<String>| match name {
            Some(name) => ReadLayer::find(model, name),
            None => ReadLayer::default_of(model),
        };
        let channel_of = |name: &Option<String>, channel: usize| -> Result<ReadLayer, ExplainError> {
            let layer = layer(name)?;
            layer.check_channel(channel)?;
            Ok(layer)
        };
        let heat = |choice, how| Self::Heat(Box::new(HeatMethod { gradients: gradients(), choice, how }));
        Ok(match method {
            Method::Filters { .. } => {
                return Err(PipelineError::Setting {
                    setting: "method",
                    problem: "draws no image".to_owned(),
                });
            }
            Method::Activations { layer: name, channel, shared_scale } => {
                let layer = layer(name)?;
                channel.map_or(Ok(()), |channel| layer.check_channel(channel))?;
                let backend = CpuBackend::new(model);
                Self::Activations(Box::new(Activations {
                    backend,
                    layer,
                    channel: *channel,
                    shared_scale: *shared_scale,
                }))
            }
            Method::Occlusion { watch, window_px, stride_px, fill } => {
                let watch = match watch {
                    Watched::Class(text) => Watch::Class(class(text)?),
                    Watched::Channel { layer, channel } => {
                        Watch::Channel(channel_of(layer, *channel)?, *channel)
                    }
                };
                let params = OcclusionParams {
                    window_px: *window_px,
                    stride_px: *stride_px,
                    fill: *fill,
                    batch: batch.max(OcclusionParams::default().batch),
                };
                params.check(model)?;
                Self::Occlusion(Box::new(Occluder { backend: CpuBackend::precise(model), watch, params }))
            }
            Method::Saliency { class: text, signed, smooth, times_input } => {
                let smooth = smooth.map(Smooth::of);
                let params = SaliencyParams { signed: *signed, smooth, times_input: *times_input };
                heat(class(text)?, How::Saliency(params))
            }
            Method::GradCam { class: text, layer: name } => {
                let (class, layer) = (class(text)?, layer(name)?);
                layer.check_map(model.architecture())?;
                heat(class, How::GradCam(layer))
            }
            Method::Integrated { class: text, steps, baseline } => {
                heat(class(text)?, How::Integrated(IntegratedParams { steps: *steps, baseline: *baseline }))
            }
            Method::Segment(settings) => {
                let seeds = SeedParams {
                    foreground_quantile: settings.foreground,
                    background_quantile: settings.background,
                    ..SeedParams::default()
                };
                seeds.check()?;
                Self::Segment(Box::new(Segmenter {
                    choice: class(&settings.class)?,
                    saliency: SaliencyParams {
                        smooth: settings.smooth.map(Smooth::of),
                        ..SaliencyParams::default()
                    },
                    seeds,
                    cut: GrabCutParams { iterations: settings.iterations, ..GrabCutParams::default() },
                    gradients: gradients(),
                }))
            }
            Method::Guided { target, rule, compare } => {
                let from = match target {
                    Target::Class(text) => From::Class(class(text)?),
                    Target::Channel { layer, channel, cell } => {
                        let layer = channel_of(layer, *channel)?;
                        cell.map_or(Ok(()), |cell| layer.check_cell(cell))?;
                        From::Channel(layer, *channel, *cell)
                    }
                    Target::TopChannels { layer: name, count } => {
                        From::Top(layer(name)?, *count, Box::new(CpuBackend::new(model)))
                    }
                };
                let rules = if *compare { ReluRule::ALL.to_vec() } else { vec![*rule] };
                Self::Guided(Box::new(Guided { gradients: gradients(), rules, from }))
            }
        })
    }

    fn explain(
        &self,
        model: &Model,
        sights: &[Sight],
        batch: &Batch,
        progress: &dyn Progress,
        deliver: &mut dyn FnMut(usize, Drawing) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        match self {
            Self::Activations(method) => method.explain(model, sights, batch, deliver),
            Self::Occlusion(method) => method.explain(model, sights, batch, progress, deliver),
            Self::Heat(method) => method.explain(model, sights, batch, progress, deliver),
            Self::Segment(method) => method.explain(model, sights, batch, progress, deliver),
            Self::Guided(method) => method.explain(model, sights, batch, progress, deliver),
        }
    }
}
