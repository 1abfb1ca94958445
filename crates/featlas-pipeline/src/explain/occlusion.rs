//! The figure of a sliding window.

use super::drawing::{
    Drawing, Shown, Sight, class_json, class_words, heat_panel, object, percent, rect_json, short_class,
};
use super::npy::Array;
use crate::PipelineError;
use featlas_core::{Progress, Rect, RectF, RgbImage};
use featlas_explain::occlusion::{Fill, Occlusion, OcclusionParams, Watch, occlusion};
use featlas_net::{Batch, CpuBackend, Model};
use featlas_render::figure::{Panel, panels};
use featlas_render::{Canvas, Colormap, HeatmapParams, color};
use serde_json::json;

/// A window that slides over images.
#[derive(Debug)]
pub(super) struct Occluder {
    pub(super) backend: CpuBackend,
    pub(super) watch: Watch,
    pub(super) params: OcclusionParams,
}

impl Occluder {
    pub(super) fn explain(
        &self,
        model: &Model,
        sights: &[Sight],
        batch: &Batch,
        progress: &dyn Progress,
        deliver: &mut dyn FnMut(usize, Drawing) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let found = occlusion(model, &self.backend, batch, &self.watch, &self.params, progress)?;
        for ((i, sight), found) in sights.iter().enumerate().zip(&found) {
            deliver(i, self.draw(model, sight, found)?)?;
        }
        Ok(())
    }

    fn draw(&self, model: &Model, sight: &Sight, found: &Occlusion) -> Result<Drawing, PipelineError> {
        let shown = Shown::new(&sight.image, model.preprocess());
        let worst = found.worst();
        let over = shown.over(&found.per_pixel(), (found.px, found.px));
        let least = over.iter().copied().filter(|value| value.is_finite()).fold(found.intact, f32::min);
        // Hot is where covering costs most; what covering does not harm is cold.
        let range = if least < found.intact { (found.intact, least) } else { (1.0, 0.0) };
        let params = HeatmapParams { range: Some(range), ..HeatmapParams::default() };
        let overlaid = shown.overlay(&over, &params)?;
        let (what, watched) = match (&self.watch, found.class) {
            (Watch::Channel(layer, channel), _) => (
                format!("{} · channel {channel}", layer.name),
                format!("largest activation {:.3}", found.intact),
            ),
            (Watch::Class(_), Some(class)) => (short_class(model, class), class_words(model, class)),
            (Watch::Class(_), None) => (String::new(), String::new()),
        };
        let amount = |value: f32| if found.class.is_some() { percent(value) } else { format!("{value:.3}") };
        let drop = if worst.drop > 0.0 {
            format!(
                "Covering the framed window costs most: {} falls to {}.",
                amount(found.intact),
                amount(worst.value)
            )
        } else {
            "No place of the window costs anything.".to_owned()
        };
        let frame = shown.on_photo(worst.window);
        let stroke = i64::from(shown.photo.width().max(shown.photo.height()) / 160).max(2);
        let framed = |picture: &RgbImage| {
            let mut canvas = Canvas::new(picture.width(), picture.height(), color::PAPER);
            canvas.paste(picture, 0, 0);
            if worst.drop > 0.0 {
                canvas.frame(frame, stroke, color::ACCENT);
            }
            canvas.into_image()
        };
        let watched_by = if found.class.is_some() { "probability" } else { "activation" };
        let figure = panels(
            &format!("Occlusion · {what}"),
            &[
                format!("{} · {} · {watched}", sight.name, model.name()),
                format!(
                    "The {watched_by} while a window of {} px ({}) slides over the input in steps of {} px: each pixel shows \
                     the mean over the windows that cover it. {drop}",
                    found.window_px,
                    fill_words(self.params.fill),
                    found.stride_px
                ),
            ],
            &[
                vec![Panel {
                    image: framed(&shown.photo),
                    ..shown.panel("the image and the window that costs most")
                }],
                vec![heat_panel(
                    framed(&overlaid),
                    format!("{watched_by} with the window there; pale: not seen by the network"),
                    Colormap::Inferno,
                    range,
                )],
            ],
        )?;
        let mut figures = object([
            ("intact", json!(found.intact)),
            ("least", json!(worst.value)),
            ("drop", json!(worst.drop)),
            ("place", json!([worst.row, worst.column])),
            ("window", rect_json(original_window(sight, model, worst.window))),
            ("window_px", json!(found.window_px)),
            ("stride_px", json!(found.stride_px)),
        ]);
        match (&self.watch, found.class) {
            (Watch::Channel(layer, channel), _) => {
                figures.insert("layer".to_owned(), json!(layer.name));
                figures.insert("channel".to_owned(), json!(channel));
            }
            (Watch::Class(_), Some(class)) => {
                figures.insert("class".to_owned(), class_json(model, class));
            }
            (Watch::Class(_), None) => {}
        }
        Ok(Drawing {
            figure,
            array: Array::f32(&[found.rows, found.columns], found.values.clone()),
            more: Vec::new(),
            glance: framed(&overlaid),
            caption: format!("{what} {}", amount(-worst.drop)),
            figures,
        })
    }
}

/// The window in pixels of the original.
fn original_window(sight: &Sight, model: &Model, window: Rect) -> RectF {
    model.preprocess().to_original(window.into(), sight.image.width(), sight.image.height())
}

fn fill_words(fill: Fill) -> &'static str {
    match fill {
        Fill::Mean => "filled with the mean color of the training images",
        Fill::Gray => "gray",
        Fill::Black => "black",
        Fill::Blur => "blurred",
    }
}
