//! Segmentation without supervision: the saliency seeds a cut of the photo.

use super::drawing::{
    Drawing, Shown, Sight, class_json, class_words, heat_panel, object, percent, reach, short_class,
};
use super::npy::{Array, Values};
use crate::PipelineError;
use featlas_core::{Progress, RgbImage};
use featlas_explain::saliency::SaliencyParams;
use featlas_explain::segment::{GrabCut, GrabCutParams, Mark, SeedParams, grab_cut, seed_marks};
use featlas_explain::{ClassChoice, ClassScore, Gradients, Placement};
use featlas_image::{encode_cut_out, encode_png, resize};
use featlas_net::{Batch, Model};
use featlas_render::figure::{Panel, cut_out, outline, panels};
use featlas_render::{Colormap, HeatmapParams, color};
use serde_json::json;

/// Longer side of the picture that is cut; the cut's border then moves to the photo's own resolution.
const CUT_SIDE_PX: u32 = 400;
/// The saliency is spread by this part of the longer side, since its single pixels are noisy.
const BLUR_SHARE: f64 = 1.0 / 50.0;

/// Cuts what the network saw out of images.
#[derive(Debug)]
pub(super) struct Segmenter {
    pub(super) gradients: Gradients,
    pub(super) choice: ClassChoice,
    pub(super) saliency: SaliencyParams,
    pub(super) seeds: SeedParams,
    pub(super) cut: GrabCutParams,
}

impl Segmenter {
    pub(super) fn explain(
        &self,
        model: &Model,
        sights: &[Sight],
        batch: &Batch,
        progress: &dyn Progress,
        deliver: &mut dyn FnMut(usize, Drawing) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let found = self.gradients.saliency(batch, self.choice, &self.saliency, progress)?;
        for (i, sight) in sights.iter().enumerate() {
            if progress.is_cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let map = (found.maps.channel(i, 0), found.maps.h);
            deliver(i, self.draw(model, sight, found.classes[i], map)?)?;
        }
        Ok(())
    }

    /// Marks, cuts, and brings the mask to the picture's own resolution.
    fn segment(
        &self,
        model: &Model,
        image: &RgbImage,
        (map, px): (&[f32], usize),
    ) -> Result<Cut, PipelineError> {
        let (width, height) = cut_size(image.width(), image.height());
        let small = resize(image, width, height);
        let over = Placement::new(model.preprocess(), width, height).over_original(map, (px, px));
        let size = (height as usize, width as usize);
        let seeds = SeedParams { blur_px: BLUR_SHARE * f64::from(width.max(height)), ..self.seeds };
        let marks = seed_marks(&over, size, &seeds)?;
        let GrabCut { is_foreground, energy } = grab_cut(&small, &marks, &self.cut)?;
        let mask = enlarged_mask(&is_foreground, (width, height), (image.width(), image.height()));
        Ok(Cut { mask, energy, marks, size: (width, height) })
    }

    fn draw(
        &self,
        model: &Model,
        sight: &Sight,
        class: ClassScore,
        map: (&[f32], usize),
    ) -> Result<Drawing, PipelineError> {
        let name = short_class(model, class);
        let cut = self.segment(model, &sight.image, map)?;
        let (width, height) = (sight.image.width(), sight.image.height());
        let share = cut.mask.iter().filter(|inside| **inside).count() as f32 / cut.mask.len() as f32;

        let shown = Shown::new(&sight.image, model.preprocess());
        let drawn_size = (shown.photo.width(), shown.photo.height());
        let drawn_mask = enlarged_mask(&cut.mask, (width, height), drawn_size);
        let over = shown.over(map.0, (map.1, map.1));
        let reach = reach(map.0);
        let range = (0.0, if reach > 0.0 { reach } else { 1.0 });
        let look = HeatmapParams { range: Some(range), opacity: 0.85, ..HeatmapParams::default() };
        let line_px = (drawn_size.0.max(drawn_size.1) / 300).max(1);
        let outlined = outline(&shown.photo, &drawn_mask, line_px, OUTLINE);
        let plain = |image: RgbImage, caption: &str| Panel { image, caption: caption.to_owned(), bar: None };
        let notes = [
            format!("{} · {} · {}", sight.name, model.name(), class_words(model, class)),
            format!(
                "Nobody drew this: pixels above the {:.0} % quantile of the saliency of {name} are taken for foreground, those \
                 below the {:.0} % quantile for background, and GrabCut decides about the rest by color. The cut takes {} of \
                 the image.",
                self.seeds.foreground_quantile * 100.0,
                self.seeds.background_quantile * 100.0,
                percent(share)
            ),
        ];
        let figure = panels(
            &format!("Segmentation by saliency · {name}"),
            &notes,
            &[
                vec![heat_panel(
                    shown.overlay(&over, &look)?,
                    "the saliency".to_owned(),
                    Colormap::Inferno,
                    range,
                )],
                vec![plain(sketch(&shown.photo, &cut), "the seeds: foreground light, background dark")],
                vec![plain(outlined.clone(), "the outline")],
                vec![plain(cut_out(&shown.photo, &drawn_mask, color::PAPER), "the cut-out")],
            ],
        )?;
        let count =
            |mark: Mark| cut.marks.iter().filter(|got| **got == mark).count() as f64 / cut.marks.len() as f64;
        let outline_px = (width.max(height) / 300).max(1);
        Ok(Drawing {
            figure,
            more: vec![
                ("mask", encode_png(&mask_picture(&cut.mask, width, height))?),
                ("cutout", encode_cut_out(&sight.image, &cut.mask)?),
                ("outline", encode_png(&outline(&sight.image, &cut.mask, outline_px, OUTLINE))?),
            ],
            glance: outlined,
            caption: format!("{name} · {}", percent(share)),
            figures: object([
                ("class", class_json(model, class)),
                ("foreground_share", json!(share)),
                ("energy", json!(cut.energy)),
                ("cut_px", json!([cut.size.0, cut.size.1])),
                ("seeded_foreground_share", json!(count(Mark::Foreground))),
                ("seeded_background_share", json!(count(Mark::Background))),
            ]),
            array: Array {
                shape: vec![height as usize, width as usize],
                values: Values::U8(cut.mask.iter().map(|inside| u8::from(*inside)).collect()),
            },
        })
    }
}

const OUTLINE: color::Color = [255, 214, 10];

/// A cut, at the picture's own resolution.
struct Cut {
    mask: Vec<bool>,
    energy: f64,
    /// The sketch, in the size that was cut.
    marks: Vec<Mark>,
    size: (u32, u32),
}

/// The size that is cut: the picture's, or smaller with the longer side at [`CUT_SIDE_PX`].
fn cut_size(width: u32, height: u32) -> (u32, u32) {
    let long = width.max(height);
    if long <= CUT_SIDE_PX {
        return (width, height);
    }
    let scaled = |side: u32| {
        let exact = f64::from(side) * f64::from(CUT_SIDE_PX) / f64::from(long);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 400")]
        let whole = exact.round() as u32;
        whole.max(1)
    };
    (scaled(width), scaled(height))
}

/// A mask in another size: bilinear, and inside where more than half is.
fn enlarged_mask(mask: &[bool], from: (u32, u32), to: (u32, u32)) -> Vec<bool> {
    if from == to {
        return mask.to_vec();
    }
    let picture = resize(&mask_picture(mask, from.0, from.1), to.0, to.1);
    picture.data().chunks_exact(3).map(|pixel| pixel[0] > 127).collect()
}

/// White inside, black outside.
fn mask_picture(mask: &[bool], width: u32, height: u32) -> RgbImage {
    let data = mask.iter().flat_map(|&inside| [if inside { u8::MAX } else { 0 }; 3]).collect();
    RgbImage::new(width, height, data).expect("one value a pixel")
}

/// The photo with the certain marks of the sketch laid over it.
fn sketch(photo: &RgbImage, cut: &Cut) -> RgbImage {
    let of = |wanted: Mark| -> Vec<bool> {
        let marks: Vec<bool> = cut.marks.iter().map(|mark| *mark == wanted).collect();
        enlarged_mask(&marks, cut.size, (photo.width(), photo.height()))
    };
    let (foreground, background) = (of(Mark::Foreground), of(Mark::Background));
    let mut out = photo.clone();
    for ((pixel, light), dark) in out.data_mut().chunks_exact_mut(3).zip(foreground).zip(background) {
        let over = if light { OUTLINE } else { [12, 20, 60] };
        if light || dark {
            let blended = color::mix([pixel[0], pixel[1], pixel[2]], over, 0.65);
            pixel.copy_from_slice(&blended);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_cut_in_a_size_that_is_fast() {
        assert_eq!(
            [(300, 200), (4000, 3000), (500, 375), (30, 9000)].map(|(w, h)| cut_size(w, h)),
            [(300, 200), (400, 300), (400, 300), (1, 400)]
        );
    }

    #[test]
    fn a_mask_keeps_its_place_in_every_size() {
        let mask: Vec<bool> = (0..40 * 30).map(|i| i % 40 >= 10 && i / 40 < 15).collect();
        let large = enlarged_mask(&mask, (40, 30), (121, 91));
        assert!(large[121 * 10 + 60] && !large[121 * 10 + 20] && !large[121 * 80 + 60]);
        assert_eq!(enlarged_mask(&mask, (40, 30), (40, 30)), mask);
    }
}
