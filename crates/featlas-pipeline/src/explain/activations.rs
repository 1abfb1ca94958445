//! Figures of a layer's maps.

use super::drawing::{Drawing, Shown, Sight, heat_panel, object};
use super::npy::Array;
use crate::PipelineError;
use featlas_core::RgbImage;
use featlas_explain::ReadLayer;
use featlas_explain::activations::{LayerActivations, activations};
use featlas_image::resize_nearest_up;
use featlas_net::{Batch, CpuBackend, Model};
use featlas_render::figure::{Mosaic, TileGroup, gray_picture, mosaic, panels, whole_factor};
use featlas_render::{Colormap, HeatmapParams};
use serde_json::json;

/// Side that a map comes near to on the sheet, in pixels.
const TILE_PX: usize = 70;
/// Side that a cell of a layer without maps comes near to, in pixels.
const CELL_PX: usize = 640;
/// Strongest channels that programs are told of.
const LISTED: usize = 10;

/// What is drawn of a layer.
#[derive(Debug)]
pub(super) struct Activations {
    pub(super) backend: CpuBackend,
    pub(super) layer: ReadLayer,
    pub(super) channel: Option<usize>,
    pub(super) shared_scale: bool,
}

impl Activations {
    pub(super) fn explain(
        &self,
        model: &Model,
        sights: &[Sight],
        batch: &Batch,
        deliver: &mut dyn FnMut(usize, Drawing) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let found = activations(model, &self.backend, batch, &self.layer.name)?;
        for (i, sight) in sights.iter().enumerate() {
            let drawing = match self.channel {
                Some(channel) => self.draw_channel(model, sight, &found, i, channel)?,
                None => self.draw_all(model, sight, &found, i)?,
            };
            deliver(i, drawing)?;
        }
        Ok(())
    }

    fn draw_all(
        &self,
        model: &Model,
        sight: &Sight,
        found: &LayerActivations,
        i: usize,
    ) -> Result<Drawing, PipelineError> {
        let maps = &found.maps;
        let layer = &self.layer.name;
        let dead = found.dead(i);
        let most = maps.image(i).iter().copied().fold(0.0, f32::max);
        let mut notes = vec![
            format!("{} · {}", sight.name, model.name()),
            if self.shared_scale {
                format!("All maps on one scale: black is 0, white {most:.2}.")
            } else {
                "Each map on its own scale: black is 0, white its largest value.".to_owned()
            },
        ];
        notes.push(match dead.len() {
            0 => "Every channel answers somewhere.".to_owned(),
            1 => "1 channel answers nowhere and is black.".to_owned(),
            n => format!("{n} of {} channels answer nowhere and are black.", maps.c),
        });
        let groups = if maps.h * maps.w == 1 {
            vec![all_in_one(maps.image(i), most)]
        } else {
            let group = |channel: usize| {
                let values = maps.channel(i, channel);
                let is_dead = found.is_dead(i, channel);
                let top = if self.shared_scale { most } else { values.iter().copied().fold(0.0, f32::max) };
                // A dead map has no range of its own; over any it is black.
                let range = (0.0, if is_dead { 1.0 } else { top });
                let tile = gray_picture(values, maps.w, maps.h, range);
                TileGroup { label: channel.to_string(), tiles: vec![tile], is_muted: is_dead }
            };
            (0..maps.c).map(group).collect()
        };
        let shape = format!("{} maps of {} x {}", maps.c, maps.h, maps.w);
        let (side, wanted) =
            if maps.h * maps.w == 1 { (maps.c.isqrt(), CELL_PX) } else { (maps.w.max(maps.h), TILE_PX) };
        let figure = mosaic(&Mosaic {
            title: format!("{layer} · {shape}"),
            notes,
            groups,
            scale: whole_factor(side, side, wanted),
        })?;
        let strongest = found.strongest(i, LISTED);
        // The sheet is too fine to be recognized among those of other images.
        let (glance, caption) = match strongest.first() {
            Some(peak) if maps.h * maps.w > 1 => {
                let range = (0.0, peak.value);
                let overlaid =
                    overlaid(&Shown::new(&sight.image, model.preprocess()), found, i, peak.channel, range)?;
                (overlaid, format!("channel {}: {:.2}", peak.channel, peak.value))
            }
            _ => (figure.clone(), format!("{} of {} answer", maps.c - dead.len(), maps.c)),
        };
        let strongest: Vec<_> = strongest
            .iter()
            .map(|peak| json!({ "channel": peak.channel, "cell": [peak.cell.0, peak.cell.1], "activation": peak.value }))
            .collect();
        Ok(Drawing {
            glance,
            caption,
            figures: object([
                ("layer", json!(layer)),
                ("max", json!(most)),
                ("strongest", json!(strongest)),
                ("dead_channels", json!(dead)),
            ]),
            array: Array::f32(&[maps.c, maps.h, maps.w], maps.image(i).to_vec()),
            figure,
            more: Vec::new(),
        })
    }

    fn draw_channel(
        &self,
        model: &Model,
        sight: &Sight,
        found: &LayerActivations,
        i: usize,
        channel: usize,
    ) -> Result<Drawing, PipelineError> {
        let maps = &found.maps;
        let shown = Shown::new(&sight.image, model.preprocess());
        let values = maps.channel(i, channel);
        let peak = found.peak(i, channel);
        let range = (0.0, if peak.value > 0.0 { peak.value } else { 1.0 });
        let photo_px = (shown.photo.width().min(shown.photo.height())) as usize;
        let map = gray_picture(values, maps.w, maps.h, range);
        let map = resize_nearest_up(&map, whole_factor(maps.w, maps.h, photo_px));
        let overlaid = overlaid(&shown, found, i, channel, range)?;
        let answer = if peak.value > 0.0 {
            format!("Largest at cell {},{} (y,x): {:.3}.", peak.cell.0, peak.cell.1, peak.value)
        } else {
            "It answers nowhere in this image.".to_owned()
        };
        let layer = &self.layer.name;
        let figure = panels(
            &format!("{layer} · channel {channel}"),
            &[format!("{} · {}", sight.name, model.name()), answer],
            &[
                vec![shown.panel("the image")],
                vec![heat_panel(
                    map,
                    format!("the map, {} x {} cells", maps.h, maps.w),
                    Colormap::Gray,
                    range,
                )],
                vec![heat_panel(
                    overlaid.clone(),
                    "the map over the image".to_owned(),
                    Colormap::Inferno,
                    range,
                )],
            ],
        )?;
        Ok(Drawing {
            figure,
            array: Array::f32(&[maps.h, maps.w], values.to_vec()),
            more: Vec::new(),
            glance: overlaid,
            caption: format!("{layer} {channel}: {:.2}", peak.value),
            figures: object([
                ("layer", json!(layer)),
                ("channel", json!(channel)),
                ("cell", json!([peak.cell.0, peak.cell.1])),
                ("max", json!(peak.value)),
                ("dead", json!(found.is_dead(i, channel))),
            ]),
        })
    }
}

/// A channel's map over the photograph.
fn overlaid(
    shown: &Shown,
    found: &LayerActivations,
    i: usize,
    channel: usize,
    range: (f32, f32),
) -> Result<RgbImage, PipelineError> {
    let over = shown.over(found.maps.channel(i, channel), (found.maps.h, found.maps.w));
    let params =
        HeatmapParams { colormap: Colormap::Inferno, range: Some(range), ..HeatmapParams::default() };
    shown.overlay(&over, &params)
}

/// The values of a layer without maps as one tile, a cell each; cells that are left over are black.
fn all_in_one(values: &[f32], most: f32) -> TileGroup {
    let width = values.len().isqrt().max(1);
    let height = values.len().div_ceil(width);
    let mut cells = values.to_vec();
    cells.resize(width * height, 0.0);
    let tile: RgbImage = gray_picture(&cells, width, height, (0.0, if most > 0.0 { most } else { 1.0 }));
    TileGroup { label: String::new(), tiles: vec![tile], is_muted: false }
}
