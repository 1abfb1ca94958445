//! The commands that build an atlas.

use super::TooManyRejects;
use crate::args::{
    EmbedArgs, ExtractArgs, GalleryArgs, IndexArgs, PosterArgs, PosterKindArg, ReportArgs, RunArgs,
};
use crate::printer::Printer;
use crate::settings::{apply, count, read_config};
use featlas_pipeline::{
    EmbedSettings, GallerySettings, IndexSettings, PosterKind, PosterSettings, ReportSettings, RunSummary,
    Settings, StageSummary, draw_poster, run_one,
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
        m: args.m.map_or(defaults.m, count),
        ef_construction: args.ef_construction.map_or(defaults.ef_construction, count),
        ef_search: args.ef_search.map_or(defaults.ef_search, count),
        seed: args.seed.unwrap_or(defaults.seed),
    };
    let whole = Settings { index: settings.clone(), threads: args.threads, ..Settings::default() };
    one_stage(&args.atlas, &whole, printer, |atlas| {
        featlas_pipeline::index(atlas, &settings, whole.num_threads(), printer)
    })
}

pub(crate) fn embed(args: &EmbedArgs, printer: &Printer) -> anyhow::Result<()> {
    let defaults = EmbedSettings::default();
    let settings = EmbedSettings {
        space: args.space.map_or(defaults.space, Into::into),
        perplexity: args.perplexity.unwrap_or(defaults.perplexity),
        iterations: args.iterations.map_or(defaults.iterations, count),
        seed: args.seed.unwrap_or(defaults.seed),
    };
    one_stage(&args.atlas, &Settings::default(), printer, |atlas| {
        featlas_pipeline::embed(atlas, &settings, printer)
    })
}

pub(crate) fn poster(args: &PosterArgs, printer: &Printer) -> anyhow::Result<()> {
    let make = |kind| PosterSettings {
        size_px: args.size_px.unwrap_or(featlas_pipeline::DEFAULT_POSTER_SIZE_PX),
        title: args.title.clone(),
        ..PosterSettings::of(kind)
    };
    if let (Some(kind), Some(out)) = (args.kind, &args.out) {
        let atlas = Atlas::open(&args.atlas)?;
        let drawn = draw_poster(&atlas, &make(kind.into()), out, printer)?;
        printer.say(&drawn);
        return Ok(());
    }
    let kinds = args.kind.map_or(PosterKind::ALL.to_vec(), |kind| vec![kind.into()]);
    let posters: Vec<PosterSettings> = kinds.into_iter().map(make).collect();
    one_stage(&args.atlas, &Settings::default(), printer, |atlas| {
        featlas_pipeline::posters(atlas, &posters, printer)
    })
}

pub(crate) fn gallery(args: &GalleryArgs, printer: &Printer) -> anyhow::Result<()> {
    let settings = GallerySettings {
        layer: args.layer.clone(),
        top: args.top.map_or(GallerySettings::default().top, count),
    };
    one_stage(&args.atlas, &Settings::default(), printer, |atlas| {
        featlas_pipeline::gallery(atlas, &settings, printer)
    })
}

pub(crate) fn report(args: &ReportArgs, printer: &Printer) -> anyhow::Result<()> {
    let settings = ReportSettings { title: args.title.clone(), ..ReportSettings::default() };
    one_stage(&args.atlas, &Settings::default(), printer, |atlas| {
        featlas_pipeline::report(atlas, &settings, printer)
    })
}

fn one_stage(
    root: &Path,
    settings: &Settings,
    printer: &Printer,
    act: impl FnOnce(&mut Atlas) -> Result<StageSummary, featlas_pipeline::PipelineError>,
) -> anyhow::Result<()> {
    let mut atlas = Atlas::open(root)?;
    let summary = run_one(&mut atlas, settings, act)?;
    printer.say(&stage_line(&summary.stages[0]));
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
    format!(
        "{:>10}  {} images, {} rejected -> {} in {}{memory}",
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

impl From<PosterKindArg> for PosterKind {
    fn from(kind: PosterKindArg) -> Self {
        match kind {
            PosterKindArg::Grid => Self::Grid,
            PosterKindArg::Scatter => Self::Scatter,
            PosterKindArg::Fill => Self::Fill,
            PosterKindArg::Points => Self::Points,
        }
    }
}
