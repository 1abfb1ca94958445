//! What an extraction did, and what held it back.

use serde::{Deserialize, Serialize};

/// The part of the flow that the others waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Nothing was computed.
    Nothing,
    /// Reading and decoding images.
    Decoding,
    /// The network.
    Network,
    /// Encoding and writing shards.
    Writing,
}

/// Counts and seconds of one extraction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtractReport {
    /// Images that the sources hold.
    pub planned: u64,
    /// Images computed because they are new.
    pub new: u64,
    /// Images computed again because their content or label changed.
    pub changed: u64,
    /// Images that vanished from the sources and were retired.
    pub removed: u64,
    /// Images that were already done.
    pub unchanged: u64,
    /// Feature rows written.
    pub rows: u64,
    /// Reject rows written.
    pub rejects: u64,
    /// Wall seconds.
    pub secs: f64,
    /// Images per second, rejects included.
    pub images_per_sec: f64,
    /// Seconds of reading and decoding, summed over threads.
    pub decode_secs: f64,
    /// Seconds inside the network.
    pub net_secs: f64,
    /// Seconds of encoding and writing.
    pub write_secs: f64,
    /// Seconds in which the network waited for decoded images.
    pub waited_for_decoding_secs: f64,
    /// Seconds in which the network waited for the writer.
    pub waited_for_writing_secs: f64,
    /// What held the run back.
    pub limited_by: Limit,
}

impl ExtractReport {
    /// A report of nothing done over `planned` images, of which `unchanged` were done before.
    pub fn of_nothing(planned: u64, unchanged: u64) -> Self {
        Self {
            planned,
            new: 0,
            changed: 0,
            removed: 0,
            unchanged,
            rows: 0,
            rejects: 0,
            secs: 0.0,
            images_per_sec: 0.0,
            decode_secs: 0.0,
            net_secs: 0.0,
            write_secs: 0.0,
            waited_for_decoding_secs: 0.0,
            waited_for_writing_secs: 0.0,
            limited_by: Limit::Nothing,
        }
    }

    /// Whether the run changed the atlas.
    pub fn did_work(&self) -> bool {
        self.rows + self.rejects + self.removed > 0
    }

    /// Names the part that the network's thread waited for most, or the network itself.
    pub(crate) fn judge(&mut self) {
        let computed = self.rows + self.rejects;
        self.images_per_sec = if self.secs > 0.0 { computed as f64 / self.secs } else { 0.0 };
        self.limited_by = if computed == 0 {
            Limit::Nothing
        } else if self.net_secs >= self.waited_for_decoding_secs.max(self.waited_for_writing_secs) {
            Limit::Network
        } else if self.waited_for_decoding_secs >= self.waited_for_writing_secs {
            Limit::Decoding
        } else {
            Limit::Writing
        };
    }
}
