//! The extraction stage: the atlas made or opened, the difference computed, the rows written.

use crate::atlas::{decode_options, fingerprint_of, open_settings_sources, schema_of};
use crate::stage::name;
use crate::{PipelineError, Settings, StageSummary, calibration};
use featlas_core::{Digest, ImageId, Progress};
use featlas_extract::{Engine, ExtractError, ExtractOptions, ExtractReport, plan};
use featlas_image::Source;
use featlas_net::{BackendKind, Model, Precision};
use featlas_store::{Atlas, Manifest, SourceRecord, StageRecord, StoreError};
use std::path::{Path, PathBuf};

/// Brings the features of the atlas up to date with the sources; makes the atlas if there is none.
///
/// # Errors
/// Sources, weights or an atlas that do not fit, each before any work; faults of the disk.
pub fn extract(
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<(Atlas, StageSummary, ExtractReport), PipelineError> {
    let settings = &absolute(settings)?;
    validate(settings)?;
    let sources = open_settings_sources(settings)?;
    let mut model = Model::open(&settings.model, settings.weights.as_deref())?;
    let taps = model.resolve_taps(&settings.taps)?;
    let schema = schema_of(&taps);
    let integers = settings.precision == Precision::Int8;

    let existing = open_existing(&settings.out)?;
    // An atlas keeps the scales that its first run measured.
    let mut ranges = match &existing {
        Some(atlas) if integers => calibration::stored_in(atlas)?,
        _ => None,
    };
    if let Some(atlas) = &existing {
        atlas.require_fingerprint(&fingerprint_of(&model, &taps, settings, ranges.as_ref()))?;
    }
    let mut known = existing.as_ref().map(Atlas::known_images).transpose()?.unwrap_or_default();
    if settings.retry_rejects {
        forget_rejects(&mut known);
    }
    let next_id = existing.as_ref().map_or(ImageId(0), Atlas::next_image_id);
    let plan = plan(&sources, known, next_id, progress)?;
    if plan.work.is_empty() && plan.unchanged == 0 {
        // An unmounted disk looks like this; retiring every row would be the wrong answer to it.
        let sources: Vec<String> =
            settings.images.iter().map(|path| format!("`{}`", path.display())).collect();
        return Err(ExtractError::NoImages { sources: sources.join(", ") }.into());
    }

    let measured = if integers && !plan.work.is_empty() {
        let images = (&sources[..], &plan.work[..]);
        Some(calibration::measure(&model, &taps, images, ranges.take(), progress)?)
    } else {
        None
    };
    let ranges = measured.as_ref().map(|measured| &measured.ranges).or(ranges.as_ref());
    let fingerprint = fingerprint_of(&model, &taps, settings, ranges);

    let records = source_records(&sources);
    let mut atlas = match existing {
        Some(atlas) => atlas,
        None => create(&settings.out, &Manifest::new(fingerprint, schema.clone(), records.clone()))?,
    };
    let params = extract_params(settings)?;
    let nothing_to_do = plan.work.is_empty() && plan.removed.is_empty();
    let same_params = atlas.manifest().stages.get(name::EXTRACT).is_some_and(|stage| stage.params == params);
    if nothing_to_do && same_params {
        let report = ExtractReport::of_nothing(plan.unchanged, plan.unchanged);
        return Ok((atlas, StageSummary::fresh(name::EXTRACT), report));
    }
    let lock = atlas.lock()?;
    // Recorded before the first row, so that a killed run's rows know their sources.
    let source_numbers = register_sources(&mut atlas, &records, params.clone())?;

    let backend = settings.backend.open(&model, ranges)?;
    model.release_weights();
    let figures = match &measured {
        Some(measured) => measured.compare(&*backend, &taps)?,
        None => serde_json::Value::Null,
    };
    drop(measured);
    let engine = Engine {
        backend: &*backend,
        preprocess: model.preprocess(),
        taps: &taps,
        schema: &schema,
        source_numbers: &source_numbers,
    };
    let options = ExtractOptions {
        threads: settings.num_threads(),
        batch: settings.batch,
        shard_rows: settings.shard_rows,
        decode: decode_options(),
    };
    let report = featlas_extract::extract(&mut atlas, &sources, &plan, engine, &options, progress)?;
    record(&mut atlas, params, report.secs)?;
    drop(lock);
    let items = report.rows + report.rejects;
    let summary = StageSummary::done(name::EXTRACT, report.secs, items, "images", figures);
    Ok((atlas, summary, report))
}

/// Opens the atlas at `root`, if there is one.
fn open_existing(root: &Path) -> Result<Option<Atlas>, PipelineError> {
    match Atlas::open(root) {
        Ok(atlas) => Ok(Some(atlas)),
        Err(StoreError::NotAnAtlas { .. }) => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// Makes the atlas. Another run may have made it since we looked; then that run has it in hand.
fn create(root: &Path, manifest: &Manifest) -> Result<Atlas, PipelineError> {
    match Atlas::create(root, manifest) {
        Err(StoreError::AlreadyAnAtlas { path }) => {
            let holder = "another run, which has just made it".to_owned();
            Err(StoreError::Locked { holder, path }.into())
        }
        made => Ok(made?),
    }
}

fn source_records(sources: &[Source]) -> Vec<SourceRecord> {
    let record =
        |source: &Source| SourceRecord::new(source.kind(), source.location(), serde_json::Value::Null);
    sources.iter().map(record).collect()
}

/// Makes the atlas know the sources and the settings; returns the number it has for each source. Numbers
/// are never given again, so rows of an earlier run keep theirs.
fn register_sources(
    atlas: &mut Atlas,
    records: &[SourceRecord],
    params: serde_json::Value,
) -> Result<Vec<u32>, PipelineError> {
    let mut known = atlas.manifest().sources.clone();
    let mut numbers = Vec::with_capacity(records.len());
    for record in records {
        let number = known.iter().position(|other| other == record).unwrap_or_else(|| {
            known.push(record.clone());
            known.len() - 1
        });
        numbers.push(u32::try_from(number).expect("far fewer than 2^32 sources are named"));
    }
    let secs = atlas.manifest().stages.get(name::EXTRACT).map_or(0.0, |stage| stage.secs);
    atlas.update_manifest(|manifest| manifest.sources = known)?;
    record(atlas, params, secs)?;
    Ok(numbers)
}

fn record(atlas: &mut Atlas, params: serde_json::Value, secs: f64) -> Result<(), PipelineError> {
    let record = StageRecord { inputs: Digest::of(b""), params, outputs: Vec::new(), secs };
    atlas.update_manifest(|manifest| {
        manifest.stages.insert(name::EXTRACT.to_owned(), record);
    })?;
    Ok(())
}

/// What later stages must know of the extraction: all settings but those of the later stages.
fn extract_params(settings: &Settings) -> Result<serde_json::Value, PipelineError> {
    let kept = Settings {
        images: settings.images.clone(),
        out: PathBuf::new(),
        model: settings.model.clone(),
        weights: settings.weights.clone(),
        taps: settings.taps.clone(),
        exclude: settings.exclude.clone(),
        follow_links: settings.follow_links,
        path_column: settings.path_column.clone(),
        label_column: settings.label_column.clone(),
        precision: settings.precision,
        backend: settings.backend,
        max_rejects: settings.max_rejects,
        ..Settings::default()
    };
    serde_json::to_value(kept).map_err(|err| PipelineError::Io(err.into()))
}

/// Paths made absolute, since the atlas is opened from other folders later.
fn absolute(settings: &Settings) -> Result<Settings, PipelineError> {
    let whole = |path: &Path| std::path::absolute(path);
    let mut settings = settings.clone();
    settings.images = settings.images.iter().map(|path| whole(path)).collect::<Result<_, _>>()?;
    settings.weights = settings.weights.as_deref().map(whole).transpose()?;
    Ok(settings)
}

fn validate(settings: &Settings) -> Result<(), PipelineError> {
    let wrong = |setting, problem: &str| Err(PipelineError::Setting { setting, problem: problem.to_owned() });
    if settings.images.is_empty() {
        return wrong("images", "names no source; give a folder, a list, a tar shard or an idx file");
    }
    if settings.out.as_os_str().is_empty() {
        return wrong("out", "is missing; give the folder of the atlas");
    }
    if settings.batch == 0 {
        return wrong("batch", "must be at least 1");
    }
    if settings.shard_rows == 0 {
        return wrong("shard-rows", "must be at least 1");
    }
    if settings.precision == Precision::Int8 && settings.backend != BackendKind::Cpu {
        return wrong("precision", "is int8, which the backend `cpu` alone computes in");
    }
    if !(0.0..=1.0).contains(&settings.max_rejects) {
        return wrong("max-rejects", "is a share: expected a number from 0 to 1");
    }
    Ok(())
}

/// Makes every rejected image look changed, so that the plan computes it again.
fn forget_rejects(known: &mut [featlas_store::KnownImage]) {
    for image in known.iter_mut().filter(|image| image.rejected) {
        image.size_bytes = u64::MAX;
    }
}
