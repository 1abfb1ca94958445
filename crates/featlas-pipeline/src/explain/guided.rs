//! Figures of backward passes: what of the image excites a channel, or a class.

use super::drawing::{
    Drawing, Shown, Sight, class_json, class_words, object, part, percent, reach, rect_json, short_class,
};
use super::npy::Array;
use crate::PipelineError;
use featlas_core::{Progress, Rect, RgbImage};
use featlas_explain::activations::activations;
use featlas_explain::guided::{Excited, GuidedUnits, Unit, top_channels};
use featlas_explain::{ClassChoice, Gradients, Maps, ReadLayer, ReluRule};
use featlas_net::{Batch, CpuBackend, Model};
use featlas_render::figure::{Panel, panels, rgb_picture};
use featlas_render::{Canvas, color};
use serde_json::json;

/// Backward passes by one rule or several.
#[derive(Debug)]
pub(super) struct Guided {
    pub(super) gradients: Gradients,
    pub(super) rules: Vec<ReluRule>,
    pub(super) from: From,
}

/// Where they begin.
#[derive(Debug)]
pub(super) enum From {
    Class(ClassChoice),
    Channel(ReadLayer, usize, Option<(usize, usize)>),
    /// The strongest channels; the backend finds them.
    Top(ReadLayer, usize, Box<CpuBackend>),
}

type Deliver<'a> = &'a mut dyn FnMut(usize, Drawing) -> Result<(), PipelineError>;

impl Guided {
    pub(super) fn explain(
        &self,
        model: &Model,
        sights: &[Sight],
        batch: &Batch,
        progress: &dyn Progress,
        deliver: Deliver<'_>,
    ) -> Result<(), PipelineError> {
        match &self.from {
            From::Class(choice) => self.classes(model, sights, batch, *choice, progress, deliver),
            From::Channel(layer, channel, cell) => {
                let unit = |image| Unit { image, channel: *channel, cell: *cell };
                let units: Vec<Vec<Unit>> = (0..sights.len()).map(|image| vec![unit(image)]).collect();
                self.units(model, sights, batch, layer, &units, progress, deliver)
            }
            From::Top(layer, count, backend) => {
                let found = activations(model, &**backend, batch, &layer.name)?;
                let units: Vec<Vec<Unit>> =
                    (0..sights.len()).map(|image| top_channels(&found, image, *count)).collect();
                self.units(model, sights, batch, layer, &units, progress, deliver)
            }
        }
    }

    fn classes(
        &self,
        model: &Model,
        sights: &[Sight],
        batch: &Batch,
        choice: ClassChoice,
        progress: &dyn Progress,
        deliver: Deliver<'_>,
    ) -> Result<(), PipelineError> {
        let found = self.gradients.guided_classes(batch, choice, &self.rules, progress)?;
        for (i, sight) in sights.iter().enumerate() {
            let class = found.classes[i];
            let name = short_class(model, class);
            let shown = Shown::new(&sight.image, model.preprocess());
            let mut all = vec![vec![shown.panel("the image")]];
            for (rule, maps) in self.rules.iter().zip(&found.maps) {
                let caption = rule_caption(*rule, maps, i);
                all.push(vec![Panel { image: colors(&shown, maps, i), caption, bar: None }]);
            }
            let glance = all[all.len() - 1][0].image.clone();
            let notes = [
                format!("{} · {} · {}", sight.name, model.name(), class_words(model, class)),
                format!(
                    "What of the image speaks for {name}: the unnormalized score, carried back to the pixels. {GRAY}"
                ),
            ];
            let figure = panels(&format!("{} · {name}", self.title()), &notes, &all)?;
            deliver(
                i,
                Drawing {
                    figure,
                    array: array(&self.rules, &found.maps, i..i + 1),
                    more: Vec::new(),
                    glance,
                    caption: format!("{name} {}", percent(class.probability)),
                    figures: object([
                        ("class", class_json(model, class)),
                        ("rules", json!(self.rules.iter().map(|rule| rule.name()).collect::<Vec<_>>())),
                    ]),
                },
            )?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a batch, what to ask of it, and two listeners")]
    fn units(
        &self,
        model: &Model,
        sights: &[Sight],
        batch: &Batch,
        layer: &ReadLayer,
        units: &[Vec<Unit>],
        progress: &dyn Progress,
        deliver: Deliver<'_>,
    ) -> Result<(), PipelineError> {
        let flat: Vec<Unit> = units.iter().flatten().copied().collect();
        let found = self.gradients.guided_units(batch, layer, &flat, &self.rules, progress)?;
        let mut first = 0;
        for ((i, sight), units) in sights.iter().enumerate().zip(units) {
            let range = first..first + units.len();
            first = range.end;
            deliver(i, self.draw_units(model, sight, layer, &found, range)?)?;
        }
        Ok(())
    }

    fn draw_units(
        &self,
        model: &Model,
        sight: &Sight,
        layer: &ReadLayer,
        found: &GuidedUnits,
        range: std::ops::Range<usize>,
    ) -> Result<Drawing, PipelineError> {
        let shown = Shown::new(&sight.image, model.preprocess());
        let fields: Vec<Rect> =
            found.units[range.clone()].iter().map(|unit| shown.on_photo(field(model, layer, unit))).collect();
        let mut all = vec![vec![Panel {
            image: framed(&shown.photo, &fields),
            ..shown.panel("the image and the fields")
        }]];
        for (i, &inside) in range.clone().zip(&fields) {
            let unit = &found.units[i];
            let caption = format!("channel {}: {:.2}", unit.channel, unit.activation);
            let mut group = vec![Panel { image: part(&shown.photo, inside), caption, bar: None }];
            for (rule, maps) in self.rules.iter().zip(&found.maps) {
                let caption =
                    if fields.len() == 1 { rule_caption(*rule, maps, i) } else { rule.name().to_owned() };
                let image = part(&colors(&shown, maps, i), inside);
                group.push(Panel { image, caption, bar: None });
            }
            all.push(group);
        }
        // The strongest channel's.
        let glance = all.get(1).and_then(|group| group.last()).unwrap_or(&all[0][0]).image.clone();
        let title = match &found.units[range.clone()] {
            [only] => format!("{} · {} · channel {}", self.title(), layer.name, only.channel),
            several => {
                format!("{} · {} · the {} strongest channels", self.title(), layer.name, several.len())
            }
        };
        let answer = match &found.units[range.clone()] {
            [] => "No channel answers to this image. ".to_owned(),
            [Excited { activation, cell, .. }] if *activation > 0.0 => {
                format!(
                    "The activation {activation:.3} at cell {},{} (y,x), carried back to the pixels. ",
                    cell.0, cell.1
                )
            }
            [Excited { cell, .. }] => {
                format!(
                    "The channel does not answer at cell {},{} (y,x), so nothing is carried back. ",
                    cell.0, cell.1
                )
            }
            _ => "Each channel's largest activation, carried back to the pixels of its field. ".to_owned(),
        };
        let notes = [format!("{} · {}", sight.name, model.name()), format!("{answer}{GRAY}")];
        let figure = panels(&title, &notes, &all)?;
        let channels: Vec<_> = found.units[range.clone()]
            .iter()
            .map(|unit| {
                let original = model.preprocess().to_original(
                    clipped(model, field(model, layer, unit)).into(),
                    sight.image.width(),
                    sight.image.height(),
                );
                json!({
                    "channel": unit.channel,
                    "cell": [unit.cell.0, unit.cell.1],
                    "activation": unit.activation,
                    "field": rect_json(original),
                })
            })
            .collect();
        let caption = found.units[range.clone()].first().map_or_else(
            || "no channel answers".to_owned(),
            |unit| format!("{} {}: {:.2}", layer.name, unit.channel, unit.activation),
        );
        Ok(Drawing {
            figure,
            array: array(&self.rules, &found.maps, range),
            more: Vec::new(),
            glance,
            caption,
            figures: object([
                ("layer", json!(layer.name)),
                ("channels", json!(channels)),
                ("rules", json!(self.rules.iter().map(|rule| rule.name()).collect::<Vec<_>>())),
            ]),
        })
    }

    fn title(&self) -> &'static str {
        match self.rules.as_slice() {
            [ReluRule::Guided] => "Guided backpropagation",
            [ReluRule::Deconv] => "Deconvolution",
            [ReluRule::Plain] => "Gradient",
            _ => "Three ways back",
        }
    }
}

const GRAY: &str = "Gray is zero; lighter and darker colors push it up and down.";

fn rule_words(rule: ReluRule) -> &'static str {
    match rule {
        ReluRule::Plain => "plain: the gradient, where the unit fired",
        ReluRule::Deconv => "deconv: only positive gradients",
        ReluRule::Guided => "guided: only positive gradients, where the unit fired",
    }
}

/// What a rule does, and whether anything of map `i` is left.
fn rule_caption(rule: ReluRule, maps: &Maps, i: usize) -> String {
    let nothing = maps.image(i).iter().all(|value| value.abs() <= 0.0);
    format!("{}{}", rule_words(rule), if nothing { "; nothing reaches the pixels" } else { "" })
}

/// The unit's receptive field, in pixels of the network's input.
fn field(model: &Model, layer: &ReadLayer, unit: &Excited) -> Rect {
    clipped(model, model.receptive_field(&layer.name, unit.cell.0, unit.cell.1))
}

fn clipped(model: &Model, field: Rect) -> Rect {
    let px = model.preprocess().input_px();
    field.clipped(px, px)
}

/// The three planes of map `i` over the photo; zero is gray.
fn colors(shown: &Shown, maps: &Maps, i: usize) -> RgbImage {
    let planes: Vec<f32> =
        (0..maps.c).flat_map(|c| shown.over(maps.channel(i, c), (maps.h, maps.w))).collect();
    let reach = reach(maps.image(i));
    let reach = if reach > 0.0 { reach } else { 1.0 };
    // What the network did not see is zero as well.
    let planes: Vec<f32> = planes.into_iter().map(|value| if value.is_nan() { 0.0 } else { value }).collect();
    rgb_picture(&planes, shown.photo.width() as usize, shown.photo.height() as usize, (-reach, reach))
}

fn framed(photo: &RgbImage, fields: &[Rect]) -> RgbImage {
    let stroke = i64::from(photo.width().max(photo.height()) / 200).max(2);
    let mut canvas = Canvas::new(photo.width(), photo.height(), color::PAPER);
    canvas.paste(photo, 0, 0);
    for field in fields {
        canvas.frame(*field, stroke, color::ACCENT);
    }
    canvas.into_image()
}

/// The maps of an image: `(3, px, px)`, with an axis for several units and one for several rules before it.
fn array(rules: &[ReluRule], maps: &[Maps], range: std::ops::Range<usize>) -> Array {
    let Maps { c, h, w, .. } = maps[0];
    let mut shape = Vec::new();
    if rules.len() > 1 {
        shape.push(rules.len());
    }
    if range.len() != 1 {
        shape.push(range.len());
    }
    shape.extend([c, h, w]);
    let values = maps.iter().flat_map(|maps| &maps.values[range.start * c * h * w..range.end * c * h * w]);
    Array::f32(&shape, values.copied().collect())
}
