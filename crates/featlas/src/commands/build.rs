//! The commands that build an atlas.

use super::TooManyRejects;
use crate::args::{EmbedArgs, ExtractArgs, GalleryArgs, IndexArgs, MetricArg, ReportArgs, RunArgs};
use crate::printer::Printer;
use crate::settings::{apply, count, read_config};
use featlas_pipeline::{
    EmbedSettings, GallerySettings, IndexSettings, ReportSettings, RunSummary, Settings, StageSummary,
    run_one,
};
use featlas_store::Atlas;
use std::path::Path;

pub(crate) fn run(args: &RunArgs, printer: &Printer) -> anyhow::Result<()> {
    let mut settings = read_config(&args.config)?;
    apply(&args.extract, &mut settings);
    if args.print_config {
        Printer::data(toml::to_string_pretty(&settings)?.trim_end());
        return Ok(());
    }
    run_all(&settings, printer)
}

/// Runs every stage and tells what was done.
pub(crate) fn run_all(settings: &Settings, printer: &Printer) -> anyhow::Result<()> {
    let summary = featlas_pipeline::run(settings, printer, &mut |stage| printer.say(&stage_line(stage)))?;
    printer.say(&final_line(&summary, &settings.out));
    judge(&summary, settings, &settings.out)
}

pub(crate) fn extract(args: &ExtractArgs, printer: &Printer) -> anyhow::Result<()> {
    let mut settings = Settings::default();
    apply(&args.flags, &mut settings);
    let summary = featlas_pipeline::run_extract(&settings, printer)?;
    printer.say(&stage_line(&summary.stages[0]));
    printer.say(&final_line(&summary, &settings.out));
    judge(&summary, &settings, &settings.out)
}

pub(crate) fn index(args: &IndexArgs, printer: &Printer) -> anyhow::Result<()> {
    let defaults = IndexSettings::default();
    let settings = IndexSettings {
        metric: args.metric.map_or(defaults.metric, Into::into),
        recall: args.recall.unwrap_or(defaults.recall),
        m: args.m.map_or(defaults.m, count),
        ef_construction: args.ef_construction.map_or(defaults.ef_construction, count),
        ef_search: args.ef_search.map(count),
        rank: args.rank.map(count),
        seed: args.seed.unwrap_or(defaults.seed),
        accuracy_queries: args.accuracy_queries.map_or(defaults.accuracy_queries, count),
    };
    let whole = Settings { index: settings.clone(), threads: count(args.threads), ..Settings::default() };
    one_stage(&args.atlas, &whole, printer, |atlas| {
        featlas_pipeline::index(atlas, &settings, whole.num_threads(), printer)
    })
}

/// The recall curve and what was chosen from it, a line a number of candidates.
fn recall_lines(figures: &serde_json::Value) -> Option<String> {
    let recall = figures.get("recall")?;
    let number = |of: &serde_json::Value, name: &str| of.get(name).and_then(serde_json::Value::as_f64);
    let mut lines = vec![format!(
        "{:>10}  {:>9}  {:>8}  {:>9}  {:>10}  {:>9}",
        "recall", "ef_search", "recall@1", "recall@10", "recall@100", "us/query"
    )];
    for point in recall.get("curve")?.as_array()? {
        let ef = number(point, "ef_search")?;
        let mark = if Some(ef) == number(figures, "ef_search") { "*" } else { "" };
        lines.push(format!(
            "{mark:>10}  {ef:>9}  {:>8.4}  {:>9.4}  {:>10.4}  {:>9.0}",
            number(point, "recall_at_1")?,
            number(point, "recall_at_10")?,
            number(point, "recall_at_100")?,
            number(point, "micros_per_query")?,
        ));
    }
    lines.push(format!(
        "{:>10}  {:.0} us/query exactly; {} bytes a compact vector, {:.0} bytes an image in all",
        "",
        number(recall, "exact_micros_per_query")?,
        number(recall, "rank")?,
        number(recall, "bytes_per_image")?,
    ));
    if let (Some(features), Some(pixels)) =
        (number(figures, "label_accuracy_features"), number(figures, "label_accuracy_pixels"))
    {
        lines.push(format!(
            "{:>10}  neighbors share the label: {:.1} % by features, {:.1} % by raw pixels",
            "labels",
            features * 100.0,
            pixels * 100.0
        ));
    }
    Some(lines.join("\n"))
}

pub(crate) fn embed(args: &EmbedArgs, printer: &Printer) -> anyhow::Result<()> {
    let defaults = EmbedSettings::default();
    let settings = EmbedSettings {
        space: args.space.map_or(defaults.space, Into::into),
        perplexity: args.perplexity.unwrap_or(defaults.perplexity),
        iterations: args.iterations.map_or(defaults.iterations, count),
        exaggeration: args.exaggeration.unwrap_or(defaults.exaggeration),
        late_exaggeration: args.late_exaggeration.unwrap_or(defaults.late_exaggeration),
        dims: args.dims.map_or(defaults.dims, count),
        seed: args.seed.unwrap_or(defaults.seed),
        fresh: args.fresh,
    };
    one_stage(&args.atlas, &Settings::default(), printer, |atlas| {
        featlas_pipeline::embed(atlas, &settings, printer)
    })
}

pub(crate) fn gallery(args: &GalleryArgs, printer: &Printer) -> anyhow::Result<()> {
    let settings = GallerySettings {
        layer: args.layer.clone(),
        top: args.top.map_or(GallerySettings::default().top, count),
        guided: args.guided,
    };
    one_stage(&args.atlas, &Settings::default(), printer, |atlas| {
        featlas_pipeline::gallery(atlas, &settings, printer)
    })
}

pub(crate) fn report(args: &ReportArgs, printer: &Printer) -> anyhow::Result<()> {
    let defaults = ReportSettings::default();
    let settings = ReportSettings {
        title: args.title.clone(),
        explain: args.explain.clone(),
        zoom_px: args.zoom_px.unwrap_or(defaults.zoom_px),
        ..defaults
    };
    one_stage(&args.atlas, &Settings::default(), printer, |atlas| {
        featlas_pipeline::report(atlas, &settings, printer)
    })
}

pub(crate) fn one_stage(
    root: &Path,
    settings: &Settings,
    printer: &Printer,
    act: impl FnOnce(&mut Atlas) -> Result<StageSummary, featlas_pipeline::PipelineError>,
) -> anyhow::Result<()> {
    let mut atlas = Atlas::open(root)?;
    let summary = run_one(&mut atlas, settings, act)?;
    printer.say(&stage_line(&summary.stages[0]));
    if let Some(lines) = recall_lines(&summary.stages[0].figures) {
        printer.say(&lines);
    }
    Ok(())
}

fn judge(summary: &RunSummary, settings: &Settings, atlas: &Path) -> anyhow::Result<()> {
    if !summary.too_many_rejects {
        return Ok(());
    }
    Err(TooManyRejects {
        rejects: summary.rejects,
        images: summary.images + summary.rejects,
        share: summary.reject_share,
        limit: settings.max_rejects,
        folder: atlas.join("rejects"),
    }
    .into())
}

/// One fact a stage: what was done, how long it took, how fast.
fn stage_line(stage: &StageSummary) -> String {
    if stage.fresh {
        return format!("{:>10}  up to date", stage.name);
    }
    let StageSummary { name, items, unit, secs, per_sec, .. } = stage;
    format!("{name:>10}  {items} {unit} in {} ({per_sec:.1}/s)", duration(*secs))
}

fn final_line(summary: &RunSummary, atlas: &Path) -> String {
    let memory = summary
        .peak_memory_bytes
        .map_or(String::new(), |bytes| format!(", peak memory {} MB", bytes / 1_000_000));
    // A GPU that was meant and not found must not go unnoticed.
    let device = summary.extract.as_ref().map_or("", |extract| &extract.backend);
    let device = if device.is_empty() || device == "cpu" { String::new() } else { format!(", {device}") };
    format!(
        "{:>10}  {} images, {} rejected -> {} in {}{memory}{device}",
        "atlas",
        summary.images,
        summary.rejects,
        atlas.display(),
        duration(summary.secs),
    )
}

/// Seconds for people.
pub(crate) fn duration(secs: f64) -> String {
    if secs < 60.0 {
        return format!("{secs:.1} s");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a run's seconds")]
    let whole = secs.round() as u64;
    if whole < 3600 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else {
        format!("{} h {} min", whole / 3600, whole % 3600 / 60)
    }
}

impl From<MetricArg> for featlas_pipeline::Metric {
    fn from(metric: MetricArg) -> Self {
        match metric {
            MetricArg::Cosine => Self::Cosine,
            MetricArg::L2 => Self::L2,
        }
    }
}
