//! A whole run: every stage in order, then `run.json`.

use crate::index::RECALL_AT_10;
use crate::stage::name;
use crate::{
    PipelineError, RunSummary, Settings, StageSummary, embed, extract, gallery, index, memory, posters,
    report,
};
use featlas_core::Progress;
use featlas_extract::ExtractReport;
use featlas_store::Atlas;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A stage that works on an atlas.
type Step<'a> = &'a dyn Fn(&mut Atlas) -> Result<StageSummary, PipelineError>;

/// Runs every stage; those whose inputs and settings are unchanged do nothing. A run that changed
/// nothing writes nothing.
///
/// # Errors
/// The first fault of a stage; what earlier stages committed stays.
pub fn run(
    settings: &Settings,
    progress: &dyn Progress,
    done: &mut dyn FnMut(&StageSummary),
) -> Result<RunSummary, PipelineError> {
    let clock = Clock::start();
    let threads = settings.num_threads();
    let (mut atlas, extracted, extract_report) = extract(settings, progress)?;
    let mut stages = vec![extracted];
    done(&stages[0]);
    let steps: [Step<'_>; 5] = [
        &|atlas| index(atlas, &settings.index, threads, progress),
        &|atlas| embed(atlas, &settings.embed, progress),
        &|atlas| posters(atlas, &settings.poster, progress),
        &|atlas| gallery(atlas, &settings.gallery, progress),
        &|atlas| report(atlas, &settings.report, progress),
    ];
    for step in steps {
        if progress.is_cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let stage = step(&mut atlas)?;
        done(&stage);
        stages.push(stage);
    }
    clock.finish(&mut atlas, settings, stages, Some(extract_report))
}

/// Records a single stage that was called on its own as the last run.
///
/// # Errors
/// A disk that cannot be written.
pub fn run_one(
    atlas: &mut Atlas,
    settings: &Settings,
    act: impl FnOnce(&mut Atlas) -> Result<StageSummary, PipelineError>,
) -> Result<RunSummary, PipelineError> {
    let clock = Clock::start();
    let stage = act(atlas)?;
    clock.finish(atlas, settings, vec![stage], None)
}

/// Runs the extraction alone.
///
/// # Errors
/// As [`extract()`].
pub fn run_extract(settings: &Settings, progress: &dyn Progress) -> Result<RunSummary, PipelineError> {
    let clock = Clock::start();
    let (mut atlas, stage, report) = extract(settings, progress)?;
    clock.finish(&mut atlas, settings, vec![stage], Some(report))
}

struct Clock {
    start: Instant,
    started_unix_secs: u64,
}

impl Clock {
    fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self { start: Instant::now(), started_unix_secs: since_epoch.map_or(0, |d| d.as_secs()) }
    }

    fn finish(
        self,
        atlas: &mut Atlas,
        settings: &Settings,
        stages: Vec<StageSummary>,
        extract: Option<ExtractReport>,
    ) -> Result<RunSummary, PipelineError> {
        let (images, rejects) = (atlas.num_images(), atlas.num_rejects());
        let known = images + rejects;
        let reject_share = if known == 0 { 0.0 } else { rejects as f64 / known as f64 };
        let manifest = atlas.manifest();
        let summary = RunSummary {
            featlas: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_secs: self.started_unix_secs,
            secs: self.start.elapsed().as_secs_f64(),
            model: manifest.fingerprint.get("model").unwrap_or_default().to_owned(),
            fingerprint: manifest.fingerprint.digest(),
            threads: settings.num_threads(),
            images,
            rejects,
            reject_share,
            too_many_rejects: reject_share > settings.max_rejects,
            recall_at_10: recall_of(&stages),
            peak_memory_bytes: memory::peak_memory_bytes(),
            extract,
            stages,
        };
        if summary.did_work() {
            atlas.write_run(&summary)?;
        }
        Ok(summary)
    }
}

fn recall_of(stages: &[StageSummary]) -> Option<f64> {
    stages.iter().find(|stage| stage.name == name::INDEX)?.figures.get(RECALL_AT_10)?.as_f64()
}
