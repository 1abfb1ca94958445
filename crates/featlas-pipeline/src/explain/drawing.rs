//! What every method's figures share: the photo and the network's view of it, heat over it, words about classes.

use super::npy::Array;
use crate::PipelineError;
use featlas_core::{Rect, RectF, RgbImage};
use featlas_explain::{ClassScore, Placement};
use featlas_image::{crop, resize_nearest_up};
use featlas_net::{Model, Preprocess};
use featlas_render::figure::{Bar, Panel, whole_factor};
use featlas_render::{Colormap, Heat, HeatmapParams, heatmap, overlay};
use serde_json::{Value, json};

/// Pictures with smaller sides are enlarged by a whole factor, so that words fit beside them.
const LEAST_SIDE_PX: usize = 320;
/// Colors end at this quantile of the magnitudes: a few pixels of a gradient are far larger than all others.
const REACH_QUANTILE: f64 = 0.995;

/// A decoded image and its name.
#[derive(Debug)]
pub(super) struct Sight {
    /// Its file name.
    pub(super) name: String,
    pub(super) image: RgbImage,
}

/// What a method made of one image.
#[derive(Debug)]
pub(super) struct Drawing {
    /// The figure, with its words.
    pub(super) figure: RgbImage,
    /// The numbers behind it.
    pub(super) array: Array,
    /// More files: what stands between the stem and `.png`, and the PNG.
    pub(super) more: Vec<(&'static str, Vec<u8>)>,
    /// The picture that the contact sheet shows.
    pub(super) glance: RgbImage,
    /// The line beneath it.
    pub(super) caption: String,
    /// The figures that matter, for programs.
    pub(super) figures: serde_json::Map<String, Value>,
}

/// A photo as it is drawn, at its full resolution, and where the network's input lies on it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) photo: RgbImage,
    pub(super) placement: Placement,
}

impl Shown {
    pub(super) fn new(image: &RgbImage, preprocess: &Preprocess) -> Self {
        let factor = whole_factor(image.width() as usize, image.height() as usize, LEAST_SIDE_PX);
        let photo = resize_nearest_up(image, factor);
        let placement = Placement::new(preprocess, photo.width(), photo.height());
        Self { photo, placement }
    }

    /// The photo itself.
    pub(super) fn panel(&self, caption: &str) -> Panel {
        Panel { image: self.photo.clone(), caption: caption.to_owned(), bar: None }
    }

    /// Lays a map of `(h, w)` cells of the network's input over the photo.
    pub(super) fn over(&self, map: &[f32], size: (usize, usize)) -> Vec<f32> {
        self.placement.over_original(map, size)
    }

    /// The map over the photo, which shows through where it is cold.
    pub(super) fn overlay(&self, over: &[f32], params: &HeatmapParams) -> Result<RgbImage, PipelineError> {
        Ok(overlay(&self.photo, &self.heat(over)?, params))
    }

    /// The map alone.
    pub(super) fn alone(&self, over: &[f32], params: &HeatmapParams) -> Result<RgbImage, PipelineError> {
        Ok(heatmap(&self.heat(over)?, self.photo.width(), self.photo.height(), params)?)
    }

    fn heat<'a>(&self, over: &'a [f32]) -> Result<Heat<'a>, PipelineError> {
        Ok(Heat::new(over, self.photo.width() as usize, self.photo.height() as usize)?)
    }

    /// A rectangle of the network's input on the photo, clipped to it; at least one pixel.
    pub(super) fn on_photo(&self, input: Rect) -> Rect {
        let rect = self.placement.to_original(RectF::from(input)).rounded();
        let (width, height) = (i64::from(self.photo.width()), i64::from(self.photo.height()));
        let span = |from: i64, to: i64, most: i64| {
            let from = from.clamp(0, most - 1);
            (from, to.clamp(from + 1, most))
        };
        let ((left, right), (top, bottom)) =
            (span(rect.left, rect.right, width), span(rect.top, rect.bottom, height));
        Rect { left, top, right, bottom }
    }
}

/// Cuts a rectangle that lies inside out of a picture, enlarged by a whole factor if it is small.
pub(super) fn part(picture: &RgbImage, inside: Rect) -> RgbImage {
    let px = |side: i64| u32::try_from(side).expect("the rectangle lies inside the picture");
    let (width, height) = (px(inside.width()), px(inside.height()));
    let cut = crop(picture, px(inside.left), px(inside.top), width, height);
    resize_nearest_up(&cut, whole_factor(width as usize, height as usize, LEAST_SIDE_PX))
}

/// A panel whose colors mean values.
pub(super) fn heat_panel(image: RgbImage, caption: String, colormap: Colormap, range: (f32, f32)) -> Panel {
    Panel { image, caption, bar: Some(Bar { colormap, range }) }
}

/// The magnitude that all but the few largest values stay below; the largest one if that is zero.
pub(super) fn reach(values: &[f32]) -> f32 {
    let mut sizes: Vec<f32> =
        values.iter().map(|value| value.abs()).filter(|size| size.is_finite()).collect();
    sizes.sort_unstable_by(f32::total_cmp);
    let Some(last) = sizes.len().checked_sub(1) else { return 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the values")]
    let at = (REACH_QUANTILE * last as f64).round() as usize;
    if sizes[at] > 0.0 { sizes[at] } else { sizes[last] }
}

/// The first of a class's names, which are synonyms with commas between them.
pub(super) fn short_class(model: &Model, class: ClassScore) -> String {
    let label = model.class_label(class.class);
    label.split(", ").next().unwrap_or_default().to_owned()
}

/// A class and what the network thinks of it.
pub(super) fn class_words(model: &Model, class: ClassScore) -> String {
    format!("{}: {}, score {:.2}", model.class_label(class.class), percent(class.probability), class.score)
}

/// The same for programs.
pub(super) fn class_json(model: &Model, class: ClassScore) -> Value {
    json!({
        "index": class.class,
        "name": model.class_label(class.class),
        "score": class.score,
        "probability": class.probability,
    })
}

/// A probability for people.
pub(super) fn percent(share: f32) -> String {
    let percent = share * 100.0;
    if percent.abs() >= 0.1 || percent.abs() <= 0.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.1e} %")
    }
}

/// A JSON object out of pairs.
pub(super) fn object<const N: usize>(pairs: [(&str, Value); N]) -> serde_json::Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A rectangle of the original for programs: left, top, right, bottom.
pub(super) fn rect_json(rect: RectF) -> Value {
    json!([rect.left, rect.top, rect.right, rect.bottom])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_leaves_out_the_few_largest() {
        let mut values = vec![1.0; 1000];
        values[3] = -900.0;
        assert!((reach(&values) - 1.0).abs() < 1e-6);
        let mut sparse = vec![0.0; 1000];
        sparse[5] = -2.0;
        assert!((reach(&sparse) - 2.0).abs() < 1e-6);
        assert!(reach(&[f32::NAN]).abs() < 1e-6);
    }

    #[test]
    fn small_probabilities_keep_their_digits() {
        assert_eq!([0.987, 0.0, 0.001, 0.000_012].map(percent), ["98.7 %", "0.0 %", "0.1 %", "1.2e-3 %"]);
    }
}
