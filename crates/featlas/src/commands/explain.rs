//! `featlas explain`.

use crate::args::{
    ActivationsArgs, BaselineArg, CommonArgs, ExplainArgs, FillArg, GradientArgs, GradientPrecisionArg,
    GuidedArgs, MethodArgs, OcclusionArgs, RuleArg, SightArgs,
};
use crate::printer::Printer;
use crate::settings::count;
use featlas_pipeline::{
    Baseline, DEFAULT_EXPLAIN_BATCH, ExplainSettings, Explained, Fill, GradientPrecision, Method, ReluRule,
    SegmentSettings, Target, Unreadable, Watched, explain as run,
};
use serde_json::json;

/// Runs a method over the images. An image that the user named and that cannot be read makes the run end with
/// the exit code of rejects, after all others are done.
pub(crate) fn explain(args: &ExplainArgs, printer: &Printer) -> anyhow::Result<()> {
    let (settings, json) = settings(&args.method);
    let method = settings.method.name();
    let summary = run(&settings, printer, &mut |explained| {
        Printer::data(&if json { json_line(method, explained) } else { explained.png.display().to_string() });
    })?;
    if json {
        for unreadable in &summary.unreadable {
            Printer::data(&reject_line(method, unreadable));
        }
    }
    if let Some(sheet) = &summary.sheet {
        let line = json!({ "method": method, "sheet": sheet, "images": summary.explained });
        Printer::data(&if json { line.to_string() } else { sheet.display().to_string() });
    }
    let left_out = summary.unreadable.len();
    if left_out > 0 {
        printer.say(&format!("{} images explained, {left_out} left out", summary.explained));
    }
    if summary.unreadable.iter().any(|unreadable| unreadable.named) {
        return Err(SomeUnreadable { left_out, images: summary.explained + left_out as u64 }.into());
    }
    Ok(())
}

/// Images that the user named could not be read; the others are done.
#[derive(Debug, thiserror::Error)]
#[error("error: {left_out} of {images} images could not be read; everything else is done")]
pub(crate) struct SomeUnreadable {
    left_out: usize,
    images: u64,
}

/// One line for programs: what was written, and the figures that matter.
fn json_line(method: &str, explained: &Explained) -> String {
    let mut line = serde_json::Map::new();
    line.insert("method".to_owned(), json!(method));
    if let Some(image) = &explained.image {
        line.insert("image".to_owned(), json!(image.to_string_lossy()));
    }
    line.insert("png".to_owned(), json!(explained.png.to_string_lossy()));
    line.insert("npy".to_owned(), json!(explained.npy.to_string_lossy()));
    line.insert("shape".to_owned(), json!(explained.shape));
    if !explained.more.is_empty() {
        let more: Vec<_> = explained.more.iter().map(|path| path.to_string_lossy()).collect();
        line.insert("more".to_owned(), json!(more));
    }
    line.extend(explained.figures.clone());
    serde_json::Value::Object(line).to_string()
}

fn reject_line(method: &str, unreadable: &Unreadable) -> String {
    json!({
        "method": method,
        "image": unreadable.image.to_string_lossy(),
        "reason": unreadable.reject.reason.to_string(),
        "message": unreadable.reject.message,
    })
    .to_string()
}

/// What the flags ask for, and whether programs read the answer.
fn settings(method: &MethodArgs) -> (ExplainSettings, bool) {
    let of = |common: &CommonArgs, images: &[std::path::PathBuf], batch: usize, method: Method| {
        let settings = ExplainSettings {
            method,
            images: images.to_vec(),
            model: common.model.clone(),
            weights: common.weights.clone(),
            out: common.out.clone(),
            precision: GradientPrecision::default(),
            batch,
        };
        (settings, common.json)
    };
    let seen = |sight: &SightArgs, method| of(&sight.common, &sight.images, count(sight.batch), method);
    let back = |sight: &SightArgs, gradients: &GradientArgs, method| {
        let (settings, json) = seen(sight, method);
        let precision = match gradients.precision {
            GradientPrecisionArg::F32 => GradientPrecision::F32,
            GradientPrecisionArg::F64 => GradientPrecision::F64,
        };
        (ExplainSettings { precision, ..settings }, json)
    };
    match method {
        MethodArgs::Filters(args) => {
            let method = Method::Filters {
                layer: args.layer.clone(),
                shared_scale: args.shared_scale,
                sort: args.sort,
            };
            of(&args.common, &args.images, DEFAULT_EXPLAIN_BATCH, method)
        }
        MethodArgs::Activations(args) => seen(&args.sight, activations(args)),
        MethodArgs::Occlusion(args) => seen(&args.sight, occlusion(args)),
        MethodArgs::Saliency(args) => {
            let method = Method::Saliency {
                class: args.class.clone(),
                signed: args.signed,
                smooth: args.smooth,
                times_input: args.times_input,
            };
            back(&args.sight, &args.gradients, method)
        }
        MethodArgs::Segment(args) => {
            let method = Method::Segment(SegmentSettings {
                class: args.class.clone(),
                smooth: args.smooth,
                foreground: args.foreground,
                background: args.background,
                iterations: count(args.iterations),
            });
            back(&args.sight, &args.gradients, method)
        }
        MethodArgs::Guided(args) => back(&args.sight, &args.gradients, guided(args)),
        MethodArgs::Gradcam(args) => {
            let method = Method::GradCam { class: args.class.clone(), layer: args.layer.clone() };
            back(&args.sight, &args.gradients, method)
        }
        MethodArgs::Integrated(args) => {
            let baseline = match args.baseline {
                BaselineArg::Mean => Baseline::Mean,
                BaselineArg::Black => Baseline::Black,
            };
            let method = Method::Integrated { class: args.class.clone(), steps: count(args.steps), baseline };
            back(&args.sight, &args.gradients, method)
        }
    }
}

fn activations(args: &ActivationsArgs) -> Method {
    Method::Activations { layer: args.layer.clone(), channel: args.channel, shared_scale: args.shared_scale }
}

fn occlusion(args: &OcclusionArgs) -> Method {
    let watch = match args.channel {
        Some(channel) => Watched::Channel { layer: args.layer.clone(), channel },
        None => Watched::Class(args.class.clone()),
    };
    let fill = match args.fill {
        FillArg::Mean => Fill::Mean,
        FillArg::Gray => Fill::Gray,
        FillArg::Black => Fill::Black,
        FillArg::Blur => Fill::Blur,
    };
    Method::Occlusion { watch, window_px: args.window, stride_px: args.stride, fill }
}

fn guided(args: &GuidedArgs) -> Method {
    let layer = args.layer.clone();
    let target = match (args.channel, args.top_channels) {
        (Some(channel), _) => Target::Channel { layer, channel, cell: args.cell },
        (None, Some(n)) => Target::TopChannels { layer, count: count(n) },
        (None, None) if layer.is_some() => Target::TopChannels { layer, count: 1 },
        (None, None) => Target::Class(args.class.clone()),
    };
    let rule = match args.rule {
        RuleArg::Guided => ReluRule::Guided,
        RuleArg::Deconv => ReluRule::Deconv,
        RuleArg::Plain => ReluRule::Plain,
    };
    Method::Guided { target, rule, compare: args.compare }
}
