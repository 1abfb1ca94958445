//! Figures of maps over the image: saliency, class activation maps, integrated gradients.

use super::drawing::{
    Drawing, Shown, Sight, class_json, class_words, heat_panel, object, percent, reach, short_class,
};
use super::npy::Array;
use crate::PipelineError;
use featlas_core::Progress;
use featlas_explain::integrated::IntegratedParams;
use featlas_explain::saliency::SaliencyParams;
use featlas_explain::{ClassChoice, ClassScore, Gradients, Maps, ReadLayer};
use featlas_net::{Batch, Model};
use featlas_render::figure::panels;
use featlas_render::{Colormap, HeatmapParams};
use serde_json::json;

/// A method that makes one map of the network's input for each image.
#[derive(Debug)]
pub(super) struct HeatMethod {
    pub(super) gradients: Gradients,
    pub(super) choice: ClassChoice,
    pub(super) how: How,
}

/// Which one.
#[derive(Debug)]
pub(super) enum How {
    Saliency(SaliencyParams),
    GradCam(ReadLayer),
    Integrated(IntegratedParams),
}

impl HeatMethod {
    pub(super) fn explain(
        &self,
        model: &Model,
        sights: &[Sight],
        batch: &Batch,
        progress: &dyn Progress,
        deliver: &mut dyn FnMut(usize, Drawing) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let (gradients, choice) = (&self.gradients, self.choice);
        match &self.how {
            How::Saliency(params) => {
                let found = gradients.saliency(batch, choice, params, progress)?;
                for (i, sight) in sights.iter().enumerate() {
                    let mut drawing = self.draw(model, sight, found.classes[i], &found.maps, i)?;
                    let (y, x) = found.maps.center(i, 0);
                    drawing.figures.insert("center_px".to_owned(), json!([y, x]));
                    deliver(i, drawing)?;
                }
            }
            How::GradCam(layer) => {
                let found = gradients.gradcam(batch, layer, choice, progress)?;
                for (i, sight) in sights.iter().enumerate() {
                    let mut drawing = self.draw(model, sight, found.classes[i], &found.maps, i)?;
                    let cell = found.cells.peak(i, 0);
                    drawing.figures.insert("layer".to_owned(), json!(layer.name));
                    drawing.figures.insert("cell".to_owned(), json!([cell.0, cell.1]));
                    deliver(i, drawing)?;
                }
            }
            How::Integrated(params) => {
                let found = gradients.integrated(batch, choice, params, progress)?;
                let sums = found.maps.sum();
                for (i, sight) in sights.iter().enumerate() {
                    let mut drawing = self.draw(model, sight, found.classes[i], &sums, i)?;
                    let maps = &found.maps;
                    drawing.array = Array::f32(&[maps.c, maps.h, maps.w], maps.image(i).to_vec());
                    drawing.figures.insert("steps".to_owned(), json!(params.steps));
                    drawing.figures.insert("baseline_score".to_owned(), json!(found.baseline_scores[i]));
                    drawing.figures.insert("gap".to_owned(), json!(found.gap(i)));
                    deliver(i, drawing)?;
                }
            }
        }
        Ok(())
    }

    fn draw(
        &self,
        model: &Model,
        sight: &Sight,
        class: ClassScore,
        maps: &Maps,
        i: usize,
    ) -> Result<Drawing, PipelineError> {
        let values = maps.channel(i, 0);
        let shown = Shown::new(&sight.image, model.preprocess());
        let over = shown.over(values, (maps.h, maps.w));
        let params = self.look(values);
        let range = params.range.unwrap_or_default();
        let overlaid = shown.overlay(&over, &params)?;
        let mut all = vec![vec![shown.panel("the image")]];
        let mut glance = overlaid.clone();
        // A coarse map is seen over the photo; one of single pixels needs a plain ground of its own, a small one above all.
        if !matches!(self.how, How::GradCam(_)) {
            let alone = shown.alone(&over, &params)?;
            glance = alone.clone();
            all.push(vec![heat_panel(alone, "the map".to_owned(), params.colormap, range)]);
        }
        let caption = "over the image; pale: not seen by the network".to_owned();
        all.push(vec![heat_panel(overlaid, caption, params.colormap, range)]);
        let name = short_class(model, class);
        let notes = [
            format!("{} · {} · {}", sight.name, model.name(), class_words(model, class)),
            self.explanation(&name),
        ];
        let figure = panels(&format!("{} · {name}", self.title()), &notes, &all)?;
        Ok(Drawing {
            figure,
            array: Array::f32(&[maps.h, maps.w], values.to_vec()),
            more: Vec::new(),
            glance,
            caption: format!("{name} {}", percent(class.probability)),
            figures: object([
                ("class", class_json(model, class)),
                ("max", json!(values.iter().copied().fold(f32::NEG_INFINITY, f32::max))),
                ("min", json!(values.iter().copied().fold(f32::INFINITY, f32::min))),
            ]),
        })
    }

    fn title(&self) -> &'static str {
        match &self.how {
            How::Saliency(params) if params.smooth.is_some() => "Smoothed saliency",
            How::Saliency(_) => "Saliency",
            How::GradCam(_) => "Grad-CAM",
            How::Integrated(_) => "Integrated gradients",
        }
    }

    fn explanation(&self, class: &str) -> String {
        match &self.how {
            How::Saliency(params) => {
                let colors = match (params.signed, params.times_input) {
                    (false, false) => "the largest magnitude over the colors",
                    (true, false) => "of the three colors the strongest, with its sign",
                    (false, true) => "times the pixel, the largest magnitude over the colors",
                    (true, true) => "times the pixel, summed over the colors",
                };
                let smooth = params.smooth.map_or_else(String::new, |smooth| {
                    format!(
                        ", averaged over {} copies with {:.0} % noise",
                        smooth.samples,
                        smooth.noise * 100.0
                    )
                });
                format!(
                    "How much a small change of each pixel would move the unnormalized score of {class}: its gradient, \
                     {colors}{smooth}. {CLIPPED}"
                )
            }
            How::GradCam(layer) => format!(
                "Which cells of {} ({} x {}) speak for {class}: its channels, each weighted with the mean of its gradient, \
                 summed and cut off below zero.",
                layer.name, layer.shape.h, layer.shape.w
            ),
            How::Integrated(params) => format!(
                "What each pixel adds to the unnormalized score of {class}, from a baseline without content to this image, \
                 in {} steps. Red speaks for the class, blue against it. {CLIPPED}",
                params.steps
            ),
        }
    }

    /// The colors of a map.
    fn look(&self, values: &[f32]) -> HeatmapParams {
        let signed = match &self.how {
            How::Saliency(params) => params.signed,
            How::GradCam(_) => false,
            How::Integrated(_) => true,
        };
        // Class activation maps are smooth; their largest value is no outlier.
        let reach = match &self.how {
            How::GradCam(_) => values.iter().copied().fold(0.0, f32::max),
            _ => reach(values),
        };
        let reach = if reach > 0.0 { reach } else { 1.0 };
        let (colormap, range) =
            if signed { (Colormap::Diverging, (-reach, reach)) } else { (Colormap::Inferno, (0.0, reach)) };
        HeatmapParams { colormap, range: Some(range), opacity: 0.85, smooth: true }
    }
}

const CLIPPED: &str = "The last color also stands for the 0.5 % of the pixels beyond it.";
