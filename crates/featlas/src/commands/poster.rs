//! `featlas poster`.

use super::build::one_stage;
use crate::args::{PosterArgs, PosterFitArg, PosterFormatArg, PosterKindArg, ShowLabelsArg, TileSourceArg};
use crate::printer::Printer;
use crate::settings::count;
use featlas_pipeline::{
    PosterFit, PosterFormat, PosterKind, PosterSettings, Settings, ShowLabels, TileSource, draw_poster,
};
use featlas_store::Atlas;

pub(crate) fn poster(args: &PosterArgs, printer: &Printer) -> anyhow::Result<()> {
    if let (Some(kind), Some(out)) = (args.kind, &args.out) {
        let atlas = Atlas::open(&args.atlas)?;
        let drawn = draw_poster(&atlas, &settings(args, kind.into()), out, printer)?;
        printer.say(&drawn);
        return Ok(());
    }
    let kinds = args.kind.map_or(PosterKind::ALL.to_vec(), |kind| vec![kind.into()]);
    let posters: Vec<PosterSettings> = kinds.into_iter().map(|kind| settings(args, kind)).collect();
    one_stage(&args.atlas, &Settings::default(), printer, |atlas| {
        featlas_pipeline::posters(atlas, &posters, printer)
    })
}

/// The settings of a poster of `kind`; what no flag says is as by default.
fn settings(args: &PosterArgs, kind: PosterKind) -> PosterSettings {
    let default = PosterSettings::of(kind);
    PosterSettings {
        kind,
        size_px: args.size_px.unwrap_or(default.size_px),
        title: args.title.clone(),
        format: args.format.map_or(default.format, Into::into),
        space: args.space.map_or(default.space, Into::into),
        columns: args.columns.map(count),
        rows: args.rows.map(count),
        aspect: args.aspect,
        background: args.background.clone(),
        gap_px: args.gap_px,
        labels: args.labels.map_or(default.labels, Into::into),
        legend: args.legend.unwrap_or(default.legend),
        fit: args.fit.map(Into::into),
        seam: args.seam,
        tiles: args.tiles.map_or(default.tiles, Into::into),
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

impl From<PosterFormatArg> for PosterFormat {
    fn from(format: PosterFormatArg) -> Self {
        match format {
            PosterFormatArg::Png => Self::Png,
            PosterFormatArg::Jpeg => Self::Jpeg,
            PosterFormatArg::Dzi => Self::Dzi,
        }
    }
}

impl From<ShowLabelsArg> for ShowLabels {
    fn from(labels: ShowLabelsArg) -> Self {
        match labels {
            ShowLabelsArg::None => Self::None,
            ShowLabelsArg::Border => Self::Border,
            ShowLabelsArg::Tint => Self::Tint,
        }
    }
}

impl From<PosterFitArg> for PosterFit {
    fn from(fit: PosterFitArg) -> Self {
        match fit {
            PosterFitArg::Crop => Self::Crop,
            PosterFitArg::Letterbox => Self::Letterbox,
        }
    }
}

impl From<TileSourceArg> for TileSource {
    fn from(tiles: TileSourceArg) -> Self {
        match tiles {
            TileSourceArg::Auto => Self::Auto,
            TileSourceArg::Thumbs => Self::Thumbs,
            TileSourceArg::Originals => Self::Originals,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn every_flag_of_a_poster_is_a_config_key() {
        let all = PosterSettings {
            title: Some(String::new()),
            format: PosterFormat::Jpeg,
            space: featlas_pipeline::Space::Pixels,
            columns: Some(1),
            rows: Some(1),
            aspect: Some(1.0),
            background: Some(String::new()),
            gap_px: Some(0),
            labels: ShowLabels::Border,
            legend: false,
            fit: Some(PosterFit::Crop),
            seam: true,
            tiles: TileSource::Thumbs,
            ..PosterSettings::of(PosterKind::Grid)
        };
        let keys = toml::Table::try_from(&all).unwrap();
        let command = Cli::command();
        let poster = command.find_subcommand("poster").unwrap();
        for flag in poster.get_opts().filter_map(|arg| arg.get_long()) {
            let other = ["quiet", "no-progress", "help", "out"].contains(&flag);
            assert!(other || keys.contains_key(flag), "`--{flag}` has no config key");
        }
        let back: PosterSettings = keys.try_into().unwrap();
        assert_eq!(back, all);
    }
}
