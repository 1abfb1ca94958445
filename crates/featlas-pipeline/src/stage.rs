//! When a stage's result is in place, and how a new one takes its place.
//!
//! A derived stage forgets its record first, then writes its files, then records them. A run killed in
//! between leaves files without a record, never a record of files that differ.

use crate::PipelineError;
use featlas_core::{Digest, Hasher};
use featlas_store::{Atlas, FileRecord, StageRecord};
use serde::Serialize;
use std::time::Instant;

/// Names of the stages in `atlas.json`.
pub(crate) mod name {
    pub(crate) const EXTRACT: &str = "extract";
    pub(crate) const INDEX: &str = "index";
    pub(crate) const NEIGHBORS: &str = "neighbors";
    pub(crate) const EMBED: &str = "embed";
    pub(crate) const POSTER: &str = "poster";
    pub(crate) const GALLERY: &str = "gallery";
    pub(crate) const REPORT: &str = "report";
    pub(crate) const ZOOM: &str = "zoom";
}

/// A stage about to run: what it depends on.
#[derive(Debug)]
pub(crate) struct Stage {
    name: String,
    inputs: Digest,
    params: serde_json::Value,
    start: Instant,
}

impl Stage {
    /// A stage that depends on the committed features, on the results of the stages named in `upstream`,
    /// and on `params`.
    pub(crate) fn of(
        atlas: &Atlas,
        name: &str,
        upstream: &[&str],
        params: &impl Serialize,
    ) -> Result<Self, PipelineError> {
        let mut inputs = Hasher::new();
        inputs.field(&atlas.features_digest().0);
        for upstream in upstream {
            inputs.field(upstream.as_bytes());
            if let Some(record) = atlas.manifest().stages.get(*upstream) {
                for output in &record.outputs {
                    inputs.field(output.file.as_bytes()).field(&output.digest.0);
                }
            }
        }
        let params = serde_json::to_value(params).map_err(|err| PipelineError::Io(err.into()))?;
        Ok(Self { name: name.to_owned(), inputs: inputs.finish(), params, start: Instant::now() })
    }

    /// What the stage depends on, without its parameters.
    pub(crate) fn inputs(&self) -> Digest {
        self.inputs
    }

    /// Its parameters.
    pub(crate) fn params(&self) -> &serde_json::Value {
        &self.params
    }

    /// Whether the atlas holds this stage's result, made from the same inputs with the same parameters.
    pub(crate) fn is_fresh(&self, atlas: &Atlas) -> bool {
        atlas.manifest().stages.get(&self.name).is_some_and(|record| {
            record.inputs == self.inputs
                && record.params == self.params
                && record.outputs.iter().all(|output| is_in_place(atlas, output))
        })
    }

    /// Forgets the old result, so that its files may be replaced.
    pub(crate) fn begin(&self, atlas: &mut Atlas) -> Result<(), PipelineError> {
        if atlas.manifest().stages.contains_key(&self.name) {
            atlas.update_manifest(|manifest| {
                manifest.stages.remove(&self.name);
            })?;
        }
        Ok(())
    }

    /// Records the result. Returns the seconds the stage took.
    pub(crate) fn finish(self, atlas: &mut Atlas, outputs: Vec<FileRecord>) -> Result<f64, PipelineError> {
        let secs = self.start.elapsed().as_secs_f64();
        let record = StageRecord { inputs: self.inputs, params: self.params, outputs, secs };
        atlas.update_manifest(|manifest| {
            manifest.stages.insert(self.name, record);
        })?;
        Ok(secs)
    }
}

/// Whether the file is there with its recorded length. Its digest is `featlas check`'s business: a
/// nightly run that reads every byte of the atlas to learn that nothing changed would be no use.
fn is_in_place(atlas: &Atlas, output: &FileRecord) -> bool {
    fs_err::metadata(atlas.root().join(&output.file)).is_ok_and(|file| file.len() == output.bytes)
}
