//! Chosen images, each by every method, for the report.

use super::drawing::{Sight, class_words};
use super::{Explainer, Method, SegmentSettings, Target, Watched};
use crate::PipelineError;
use crate::query::open_image;
use featlas_core::Progress;
use featlas_explain::integrated::Baseline;
use featlas_explain::occlusion::Fill;
use featlas_explain::saliency::{SaliencyParams, saliency};
use featlas_explain::segment::{
    DEFAULT_BACKGROUND_QUANTILE, DEFAULT_FOREGROUND_QUANTILE, DEFAULT_ITERATIONS,
};
use featlas_explain::{ClassChoice, GradientPrecision, Network, ReluRule};
use featlas_net::{Batch, Model};
use featlas_render::{ExplainedImage, Figure};
use std::path::PathBuf;

/// Longer side of a method's picture on the page.
const FIGURE_SIDE_PX: u32 = 480;
/// Images at a time.
const BATCH: usize = 4;

/// What the page shows of every image: what it is called, and how it is made.
fn methods() -> Vec<(&'static str, Method)> {
    let segment = SegmentSettings {
        class: None,
        smooth: None,
        foreground: DEFAULT_FOREGROUND_QUANTILE,
        background: DEFAULT_BACKGROUND_QUANTILE,
        iterations: DEFAULT_ITERATIONS,
    };
    let back = |rule| Method::Guided { target: Target::Class(None), rule, compare: false };
    vec![
        (
            "Occlusion: hot where covering costs the class most",
            Method::Occlusion { watch: Watched::Class(None), window_px: 48, stride_px: 16, fill: Fill::Mean },
        ),
        (
            "Grad-CAM: which cells of the last convolution speak for the class",
            Method::GradCam { class: None, layer: None },
        ),
        (
            "Saliency: which pixels would change the score most",
            Method::Saliency { class: None, signed: false, smooth: None, times_input: false },
        ),
        ("Segmentation: what the saliency and GrabCut cut out", Method::Segment(segment)),
        ("Guided backpropagation of the class", back(ReluRule::Guided)),
        ("Deconvolution of the class", back(ReluRule::Deconv)),
        (
            "Guided backpropagation of the strongest channel, cut to its field",
            Method::Guided {
                target: Target::TopChannels { layer: None, count: 1 },
                rule: ReluRule::Guided,
                compare: false,
            },
        ),
        (
            "Integrated gradients: what adds to the score (red) and takes from it (blue)",
            Method::Integrated { class: None, steps: 32, baseline: Baseline::Mean },
        ),
        (
            "The channels of the last convolution",
            Method::Activations { layer: None, channel: None, shared_scale: false },
        ),
    ]
}

/// Explains `images` by every method, one after the other: each holds the network for itself, and all of them together
/// would take ten times its memory. So the images are read again for each, which costs little beside it.
///
/// # Errors
/// An image that cannot be read; the user asks to stop.
pub(crate) fn explained_images(
    model: &Model,
    images: &[PathBuf],
    progress: &dyn Progress,
) -> Result<Vec<ExplainedImage>, PipelineError> {
    let mut all = titled_images(model, images, progress)?;
    for (caption, method) in methods() {
        let explainer = Explainer::new(model, &method, GradientPrecision::F32, BATCH)?;
        for (images, explained) in images.chunks(BATCH).zip(all.chunks_mut(BATCH)) {
            let (sights, batch) = read(model, images)?;
            explainer.explain(model, &sights, &batch, progress, &mut |i, drawing| {
                explained[i].figures.push(figure(caption, &drawing.glance));
                Ok(())
            })?;
        }
    }
    Ok(all)
}

/// Every image with its class, before anything is explained.
fn titled_images(
    model: &Model,
    images: &[PathBuf],
    progress: &dyn Progress,
) -> Result<Vec<ExplainedImage>, PipelineError> {
    let network = Network::<f32>::new(model);
    let mut all = Vec::with_capacity(images.len());
    for images in images.chunks(BATCH) {
        let (sights, batch) = read(model, images)?;
        let classes =
            saliency(&network, &batch, ClassChoice::Top, &SaliencyParams::default(), progress)?.classes;
        all.extend(sights.into_iter().zip(classes).map(|(sight, class)| ExplainedImage {
            figures: vec![figure("The image", &sight.image)],
            title: sight.name,
            subtitle: class_words(model, class),
        }));
    }
    Ok(all)
}

/// The images at `paths`, and what the network sees of them.
fn read(model: &Model, paths: &[PathBuf]) -> Result<(Vec<Sight>, Batch), PipelineError> {
    let sights = paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Sight { name, image: open_image(path)? })
        })
        .collect::<Result<Vec<_>, PipelineError>>()?;
    let mut batch = Batch::new(sights.len(), model.preprocess().input_px());
    for (i, sight) in sights.iter().enumerate() {
        model.preprocess().write_input(&sight.image, batch.slot(i));
    }
    Ok((sights, batch))
}

fn figure(caption: &str, picture: &featlas_core::RgbImage) -> Figure {
    Figure {
        caption: caption.to_owned(),
        link: None,
        image: featlas_image::thumbnail(picture, FIGURE_SIDE_PX),
    }
}
