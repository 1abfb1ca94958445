//! From flags and the config file to settings in which nothing is left open.

use crate::args::{BackendArg, ExtractFlags, PrecisionArg, SpaceArg};
use crate::errors::InputError;
use featlas_net::BackendKind;
use featlas_pipeline::{Precision, Settings, Space};
use std::path::Path;

/// Reads a config file; relative paths in it are relative to its folder.
pub(crate) fn read_config(path: &Path) -> anyhow::Result<Settings> {
    let text = fs_err::read_to_string(path)?;
    let mut settings: Settings = toml::from_str(&text).map_err(|err| {
        InputError::with_hint(
            format!("cannot understand the config `{}`\n{}", path.display(), err.to_string().trim_end()),
            "`featlas run --print-config CONFIG.toml` prints the settings in force, with every key",
        )
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    settings.images = settings.images.iter().map(|image| folder.join(image)).collect();
    settings.weights = settings.weights.map(|weights| folder.join(weights));
    settings.report.explain = settings.report.explain.iter().map(|image| folder.join(image)).collect();
    if !settings.out.as_os_str().is_empty() {
        settings.out = folder.join(&settings.out);
    }
    Ok(settings)
}

/// Lays flags over settings; a flag wins.
pub(crate) fn apply(flags: &ExtractFlags, settings: &mut Settings) {
    fn set<T: Clone>(flag: Option<&T>, setting: &mut T) {
        if let Some(value) = flag {
            *setting = value.clone();
        }
    }
    if !flags.images.is_empty() {
        settings.images.clone_from(&flags.images);
    }
    set(flags.out.as_ref(), &mut settings.out);
    set(flags.model.as_ref(), &mut settings.model);
    if flags.weights.is_some() {
        settings.weights.clone_from(&flags.weights);
    }
    set(flags.taps.as_ref(), &mut settings.taps);
    set(flags.precision.map(Precision::from).as_ref(), &mut settings.precision);
    set(flags.backend.map(BackendKind::from).as_ref(), &mut settings.backend);
    set(flags.batch.map(count).as_ref(), &mut settings.batch);
    set(flags.threads.map(count).as_ref(), &mut settings.threads);
    set(flags.shard_rows.map(count).as_ref(), &mut settings.shard_rows);
    set(flags.max_rejects.as_ref(), &mut settings.max_rejects);
    if !flags.exclude.is_empty() {
        settings.exclude.clone_from(&flags.exclude);
    }
    settings.follow_links |= flags.follow_links;
    set(flags.path_column.as_ref(), &mut settings.path_column);
    if flags.label_column.is_some() {
        settings.label_column.clone_from(&flags.label_column);
    }
    settings.retry_rejects |= flags.retry_rejects;
}

/// A count from the command line, whose parser has bounded it.
pub(crate) fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl From<PrecisionArg> for Precision {
    fn from(precision: PrecisionArg) -> Self {
        match precision {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::Int8 => Self::Int8,
        }
    }
}

impl From<BackendArg> for BackendKind {
    fn from(backend: BackendArg) -> Self {
        match backend {
            BackendArg::Cpu => Self::Cpu,
            BackendArg::Candle => Self::Candle,
        }
    }
}

impl From<SpaceArg> for Space {
    fn from(space: SpaceArg) -> Self {
        match space {
            SpaceArg::Fc7 => Self::Fc7,
            SpaceArg::Pixels => Self::Pixels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser as _;

    fn flags(args: &[&str]) -> ExtractFlags {
        let line = ["featlas", "extract"].iter().chain(args);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Extract(extract) => extract.flags,
            other => panic!("expected extract, got {other:?}"),
        }
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let mut settings: Settings =
            toml::from_str("batch = 8\nmodel = \"vgg16\"\nmax-rejects = 0.5").unwrap();
        apply(&flags(&["--batch", "64", "--taps", "conv5,conv3", "--images", "a", "b"]), &mut settings);
        assert_eq!(settings.batch, 64);
        assert_eq!(settings.model, "vgg16");
        assert_eq!(settings.taps, ["conv5", "conv3"]);
        assert_eq!(settings.images.len(), 2);
        assert!((settings.max_rejects - 0.5).abs() < 1e-12);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let err = toml::from_str::<Settings>("bacth = 8").unwrap_err().to_string();
        assert!(err.contains("bacth") && err.contains("`batch`"), "{err}");
        assert!(toml::from_str::<Settings>("[index]\nef = 3").is_err());
    }

    #[test]
    fn every_extraction_flag_is_a_config_key() {
        use clap::CommandFactory as _;
        let settings = toml::Table::try_from(Settings {
            weights: Some("w".into()),
            label_column: Some("label".to_owned()),
            ..Settings::default()
        })
        .unwrap();
        let command = Cli::command();
        let extract = command.find_subcommand("extract").unwrap();
        for flag in extract.get_opts().filter_map(|arg| arg.get_long()) {
            let global = ["quiet", "no-progress", "help"].contains(&flag);
            assert!(global || settings.contains_key(flag), "`--{flag}` has no config key");
        }
    }

    #[test]
    fn clap_accepts_its_own_definition() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
