//! `featlas models`: list, info, import, pull.

use super::fetch;
use crate::args::{ModelsArgs, ModelsCommand};
use crate::errors::InputError;
use crate::printer::Printer;
use featlas_net::arch::Pooling;
use featlas_net::{Architecture, EMBEDDED_MODEL, Model, Op};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) fn models(args: &ModelsArgs, printer: &Printer) -> anyhow::Result<()> {
    match &args.command {
        None => list(false),
        Some(ModelsCommand::List { json }) => list(*json),
        Some(ModelsCommand::Info { name, weights, json }) => info(name, weights.as_deref(), *json),
        Some(ModelsCommand::Import { input, model, out }) => import(input, model, out, printer),
        Some(ModelsCommand::Pull { name, out, url }) => {
            let out = out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.safetensors")));
            pull(name, url.as_deref(), &out, printer)
        }
    }
}

fn is_embedded(name: &str) -> bool {
    name == EMBEDDED_MODEL
}

fn list(json: bool) -> anyhow::Result<()> {
    if !json {
        Printer::data(&format!(
            "{:<14} {:>6} {:>8} {:>14} {:>8}  weights",
            "model", "input", "classes", "feature", "params"
        ));
    }
    for name in featlas_net::architectures() {
        let arch = featlas_net::architecture(name)?;
        let weights = if is_embedded(name) {
            "embedded".to_owned()
        } else if featlas_net::known_weights(name).is_some() {
            format!("featlas models pull {name}")
        } else {
            "bring your own: --weights FILE".to_owned()
        };
        let parameters = arch.num_parameters()?;
        let shapes = arch.shapes(arch.preprocess.input_px())?;
        let (layer, pooling) = &arch.feature;
        let shape = arch.find(layer).and_then(|id| shapes.get(id.index()?)).copied();
        let dim = shape.map_or(0, |shape| if *pooling == Pooling::Mean { shape.c } else { shape.len() });
        let column = arch.default_taps().pop().unwrap_or_default();
        if json {
            Printer::data(
                &json!({
                    "model": name, "input_px": arch.preprocess.input_px(), "classes": arch.num_classes,
                    "feature": column, "dim": dim, "parameters": parameters, "weights": weights,
                })
                .to_string(),
            );
        } else {
            let (px, feature) = (arch.preprocess.input_px(), format!("{column} {dim}"));
            let millions = parameters as f64 / 1e6;
            Printer::data(&format!(
                "{name:<14} {px:>6} {:>8} {feature:>14} {millions:>7.1}M  {weights}",
                arch.num_classes
            ));
        }
    }
    Ok(())
}

fn info(name: &str, weights: Option<&Path>, json: bool) -> anyhow::Result<()> {
    let arch = featlas_net::architecture(name)?;
    // Weights may change the preprocessing and a layer's padding, so they come first.
    let model = if weights.is_some() || is_embedded(name) { Some(Model::open(name, weights)?) } else { None };
    let arch = model.as_ref().map_or(&arch, Model::architecture);
    let preprocess = model.as_ref().map_or(&arch.preprocess, Model::preprocess);
    let rows = layer_rows(arch, preprocess.input_px())?;
    if json {
        let layers: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({ "layer": row.name, "op": row.op, "shape": row.shape, "receptive_field_px": row.field, "stride_px": row.stride })
            })
            .collect();
        let digest = model.as_ref().map(|model| model.weights_digest().to_string());
        let line = json!({ "model": name, "preprocess": preprocess.describe(), "weights_digest": digest, "layers": layers });
        Printer::data(&line.to_string());
        return Ok(());
    }
    Printer::data(&format!("{name}: {}", preprocess.describe()));
    if let Some(model) = &model {
        Printer::data(&format!("weights: {} (every name, shape and value checked)", model.weights_digest()));
    }
    Printer::data(&format!("{:<22} {:<28} {:>14} {:>7} {:>7}", "layer", "op", "shape", "field", "stride"));
    for row in rows {
        let shape = row.shape.map(|n| n.to_string()).join("x");
        let (field, stride) = (px(row.field), px(row.stride));
        Printer::data(&format!("{:<22} {:<28} {shape:>14} {field:>7} {stride:>7}", row.name, row.op));
    }
    Ok(())
}

struct LayerRow {
    name: String,
    op: String,
    shape: [usize; 3],
    field: Option<i64>,
    stride: Option<i64>,
}

fn layer_rows(arch: &Architecture, input_px: u32) -> anyhow::Result<Vec<LayerRow>> {
    let shapes = arch.shapes(input_px)?;
    let rows = arch.layers.iter().zip(&shapes).map(|(layer, shape)| {
        // Cells in the middle: those at the border hang over by less where pools round up.
        let middle = (shape.h / 2, shape.w / 2);
        let id = arch.find(&layer.name).filter(|_| shape.h > 1 && shape.w > 1);
        let field = |x| id.map(|id| arch.receptive_field(id, (middle.0, x), input_px, &shapes));
        let (first, second) = (field(middle.1 - middle.1.min(1)), field(middle.1));
        LayerRow {
            name: layer.name.clone(),
            op: op_text(&layer.op),
            shape: [shape.c, shape.h, shape.w],
            field: second.map(|field| field.width()),
            stride: first.zip(second).map(|(first, second)| second.left - first.left),
        }
    });
    Ok(rows.collect())
}

/// A layer in a few words, as papers write it.
fn op_text(op: &Op) -> String {
    let padded = |padding: usize| if padding > 0 { format!(" pad {padding}") } else { String::new() };
    match *op {
        Op::Conv { out_channels, kernel, stride, padding, groups } => {
            let stride = if stride > 1 { format!("/{stride}") } else { String::new() };
            let groups = if groups > 1 { format!(" groups {groups}") } else { String::new() };
            format!("conv {out_channels} {kernel}x{kernel}{stride}{}{groups}", padded(padding))
        }
        Op::Relu => "relu".to_owned(),
        Op::Lrn { size, .. } => format!("lrn over {size}"),
        Op::MaxPool { kernel, stride, padding, ceil } => {
            format!(
                "max-pool {kernel}x{kernel}/{stride}{}{}",
                padded(padding),
                if ceil { " ceil" } else { "" }
            )
        }
        Op::AvgPool { out } => format!("average to {out}x{out}"),
        Op::Linear { out } => format!("linear {out}"),
        Op::LowRankLinear { rank, out } => format!("linear {out} of rank {rank}"),
        Op::Concat => "concat".to_owned(),
        Op::Flatten => "flatten".to_owned(),
    }
}

fn px(size: Option<i64>) -> String {
    size.map_or("-".to_owned(), |size| size.to_string())
}

fn import(input: &Path, model: &str, out: &Path, printer: &Printer) -> anyhow::Result<()> {
    let report = featlas_net::weights::import_pth(input, model, out)?;
    printer.say(&format!(
        "{} tensors, {} values, {} format -> {}",
        report.num_tensors,
        report.num_parameters,
        report.format,
        out.display()
    ));
    Ok(())
}

fn pull(name: &str, url: Option<&str>, out: &Path, printer: &Printer) -> anyhow::Result<()> {
    featlas_net::architecture(name)?;
    if is_embedded(name) {
        return Err(
            InputError::new(format!("`{name}` is embedded in featlas; there is nothing to fetch")).into()
        );
    }
    let known = featlas_net::known_weights(name).ok_or_else(|| {
        InputError::with_hint(
            format!("no public weights are known for `{name}`"),
            "convert your own with `featlas models import IN.pth --model NAME --out OUT.safetensors`",
        )
    })?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let pth = folder.join(known.file);
    fetch::fetch(url.unwrap_or(known.url), known.sha256_prefix, &pth, printer)?;
    import(&pth, name, out, printer)?;
    fs_err::remove_file(&pth)?;
    Ok(())
}
