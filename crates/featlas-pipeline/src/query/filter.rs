//! Which images may be answers, and what is known of them.

use super::ask::{Ask, Subject};
use super::{QuerySettings, Records};
use crate::PipelineError;
use featlas_core::{Digest, ImageId};
use featlas_store::{Atlas, ImageRecord};
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::collections::{BTreeMap, BTreeSet};

/// What restricts the answers. The records of all images are read only if something does.
pub(super) struct Filter {
    records: Option<Records>,
    passing: Option<BTreeSet<ImageId>>,
    by_hash: Option<BTreeMap<Digest, Vec<ImageId>>>,
}

impl Filter {
    pub(super) fn new(atlas: &Atlas, settings: &QuerySettings, asked: &[Ask]) -> Result<Self, PipelineError> {
        let globs = globs(&settings.only)?;
        let restricts = settings.label.is_some() || !settings.only.is_empty();
        if !restricts && !settings.exclude_self && !asked.iter().any(Ask::needs_records) {
            return Ok(Self { records: None, passing: None, by_hash: None });
        }
        let records: Records = atlas.images()?.into_iter().map(|record| (record.image_id, record)).collect();
        if let Some(label) = &settings.label {
            check_label(atlas, &records, label)?;
        }
        let passes = |record: &ImageRecord| {
            let label = record.label.as_deref();
            settings.label.as_deref().is_none_or(|wanted| label == Some(wanted))
                && (settings.only.is_empty()
                    || globs.is_match(&record.display_path)
                    || label.is_some_and(|label| globs.is_match(label)))
        };
        let passing: Option<BTreeSet<ImageId>> = restricts.then(|| {
            records.values().filter(|record| passes(record)).map(|record| record.image_id).collect()
        });
        if passing.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(PipelineError::NonePasses { filter: told(settings), atlas: atlas.root().to_owned() });
        }
        let by_hash = settings.exclude_self.then(|| {
            let mut by_hash: BTreeMap<Digest, Vec<ImageId>> = BTreeMap::new();
            for record in records.values() {
                by_hash.entry(record.content_hash).or_default().push(record.image_id);
            }
            by_hash
        });
        Ok(Self { records: Some(records), passing, by_hash })
    }

    /// The images that may be answers; none: all of them.
    pub(super) fn passing(&self) -> Option<&BTreeSet<ImageId>> {
        self.passing.as_ref()
    }

    /// The images that have the bytes of `subject`, if it is to be left out of its own answer.
    pub(super) fn selves(&self, subject: &Subject) -> BTreeSet<ImageId> {
        let same = self.by_hash.as_ref().and_then(|by_hash| by_hash.get(&subject.hash()));
        same.into_iter().flatten().copied().collect()
    }

    /// The records of `ids`.
    pub(super) fn records(self, atlas: &Atlas, ids: &BTreeSet<ImageId>) -> Result<Records, PipelineError> {
        if let Some(records) = self.records {
            Ok(records)
        } else {
            let ids: Vec<ImageId> = ids.iter().copied().collect();
            let records = atlas.images_of(&ids)?.into_iter();
            Ok(records.map(|record| (record.image_id, record)).collect())
        }
    }
}

/// The filter in the words of the command line.
fn told(settings: &QuerySettings) -> String {
    let label = settings.label.iter().map(|label| format!("`--label {label}`"));
    let only = settings.only.iter().map(|glob| format!("`--where {glob}`"));
    label.chain(only).collect::<Vec<_>>().join(" ")
}

/// Labels that an error tells.
const TOLD_LABELS: usize = 5;

/// Refuses a label that no image has: an empty answer would say that nothing is near.
fn check_label(atlas: &Atlas, records: &Records, label: &str) -> Result<(), PipelineError> {
    let labels: BTreeSet<&str> = records.values().filter_map(|record| record.label.as_deref()).collect();
    if labels.contains(label) {
        return Ok(());
    }
    let some = labels.into_iter().take(TOLD_LABELS).map(str::to_owned).collect();
    Err(PipelineError::UnknownLabel { label: label.to_owned(), some, atlas: atlas.root().to_owned() })
}

fn globs(patterns: &[String]) -> Result<GlobSet, PipelineError> {
    let bad = |err: globset::Error| PipelineError::Setting {
        setting: "--where",
        problem: format!("is no pattern: {err}"),
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(bad)?);
    }
    set.build().map_err(bad)
}
