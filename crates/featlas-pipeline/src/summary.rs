//! `run.json`: what the last run did, for the one who looks in the morning.

use featlas_core::Digest;
use featlas_extract::ExtractReport;
use serde::{Deserialize, Serialize};

/// One stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSummary {
    /// Its name.
    pub name: String,
    /// Whether everything was in place already.
    pub fresh: bool,
    /// Wall seconds.
    pub secs: f64,
    /// Units of work done: images, channels, posters.
    pub items: u64,
    /// What a unit is.
    pub unit: String,
    /// Units a second.
    pub per_sec: f64,
    /// Figures of this stage.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub figures: serde_json::Value,
}

impl StageSummary {
    /// A stage that found everything in place.
    pub(crate) fn fresh(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            fresh: true,
            secs: 0.0,
            items: 0,
            unit: String::new(),
            per_sec: 0.0,
            figures: serde_json::Value::Null,
        }
    }

    /// A stage that did `items` units of work in `secs`.
    pub(crate) fn done(name: &str, secs: f64, items: u64, unit: &str, figures: serde_json::Value) -> Self {
        let per_sec = if secs > 0.0 { items as f64 / secs } else { 0.0 };
        Self { name: name.to_owned(), fresh: false, secs, items, unit: unit.to_owned(), per_sec, figures }
    }
}

/// All of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Version of featlas.
    pub featlas: String,
    /// When it began, in seconds since 1970, by the machine's clock.
    pub started_unix_secs: u64,
    /// Wall seconds.
    pub secs: f64,
    /// Architecture.
    pub model: String,
    /// Digest of everything that decides a feature's value.
    pub fingerprint: Digest,
    /// Threads that were allowed.
    pub threads: usize,
    /// Images with a feature row.
    pub images: u64,
    /// Images with a reject row.
    pub rejects: u64,
    /// Share of the sources' images that were rejected.
    pub reject_share: f64,
    /// Whether that share is above the limit.
    pub too_many_rejects: bool,
    /// Recall@10 of the index against exact search, when it was measured.
    pub recall_at_10: Option<f64>,
    /// Peak resident memory of the process.
    pub peak_memory_bytes: Option<u64>,
    /// What the extraction did.
    pub extract: Option<ExtractReport>,
    /// The stages in order.
    pub stages: Vec<StageSummary>,
}

impl RunSummary {
    /// Whether any stage changed the atlas.
    pub fn did_work(&self) -> bool {
        self.stages.iter().any(|stage| !stage.fresh)
    }
}
