//! The figure of a convolution's kernels.

use super::drawing::{Drawing, object};
use super::npy::Array;
use crate::PipelineError;
use featlas_explain::filters::{Filters, filters};
use featlas_net::Model;
use featlas_render::figure::{Mosaic, TileGroup, gray_picture, mosaic, rgb_picture, whole_factor};
use serde_json::json;

/// Side that a kernel of three colors comes near to, in pixels.
const COLOR_TILE_PX: usize = 78;
/// Side that a gray tile of a deeper kernel comes near to, in pixels.
const GRAY_TILE_PX: usize = 12;

/// Draws the kernels of `layer`, or of the first convolution.
pub(super) fn draw(
    model: &Model,
    layer: Option<&str>,
    shared_scale: bool,
    sort: bool,
) -> Result<Drawing, PipelineError> {
    let found = filters(model, layer)?;
    let order = if sort { found.by_norm() } else { (0..found.outputs).collect() };
    let side = found.side;
    let tile_px = if found.is_first { COLOR_TILE_PX } else { GRAY_TILE_PX };
    let range_of = |output: usize| if shared_scale { found.range() } else { found.range_of(output) };
    let group = |&output: &usize| TileGroup {
        label: output.to_string(),
        is_muted: false,
        tiles: if found.is_first && found.inputs == 3 {
            vec![rgb_picture(found.kernel(output), side, side, range_of(output))]
        } else {
            let gray = |input| gray_picture(found.tile(output, input), side, side, range_of(output));
            (0..found.inputs).map(gray).collect()
        },
    };
    let sheet = Mosaic {
        title: format!("{} · {} · {} kernels of {side} x {side}", model.name(), found.layer, found.outputs),
        notes: notes(&found, shared_scale, sort),
        groups: order.iter().map(group).collect(),
        scale: whole_factor(side, side, tile_px),
    };
    let figure = mosaic(&sheet)?;
    let (low, high) = found.range();
    Ok(Drawing {
        glance: figure.clone(),
        caption: found.layer.clone(),
        figures: object([
            ("layer", json!(found.layer)),
            ("kernels", json!(found.outputs)),
            ("inputs", json!(found.inputs)),
            ("side", json!(side)),
            ("range", json!([low, high])),
            ("order", json!(order)),
            ("norms", json!(found.norms)),
        ]),
        array: Array::f32(&[found.outputs, found.inputs, side, side], found.values),
        figure,
        more: Vec::new(),
    })
}

fn notes(found: &Filters, shared_scale: bool, sort: bool) -> Vec<String> {
    let order = if sort { "Strongest first, by Euclidean norm. " } else { "" };
    let scale = if shared_scale {
        let (low, high) = found.range();
        format!("All on one scale, from {low:.3} (dark) to {high:.3} (light).")
    } else {
        "Each over its own range of values, so that weak kernels are seen as well as strong ones.".to_owned()
    };
    let mut notes = vec![format!("{order}{scale}")];
    if !found.is_first {
        notes.push(format!(
            "Hard to read, and for a reason: these kernels look at the {} channels of the layer before, not at colors. \
             Each block is one output channel, each gray tile in it the weights for one input channel, and what an input \
             channel stands for cannot be seen here.",
            found.inputs
        ));
    }
    notes
}
