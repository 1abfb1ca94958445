//! What an extraction did, and what held it back.

use serde::{Deserialize, Serialize};

/// The part of the flow that decides how long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Nothing was computed.
    Nothing,
    /// Reading files: the processors waited for them.
    Reading,
    /// Decoding images and making them the network's input.
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
    /// What ran the network, as [`Backend::name`](featlas_net::Backend::name) has it; empty if nothing did.
    #[serde(default)]
    pub backend: String,
    /// Threads that decoded and ran the network.
    pub threads: usize,
    /// Processor seconds of decoding and preprocessing, digests and thumbnails.
    pub decode_secs: f64,
    /// Processor seconds of the network, and of the little that is none of the others.
    pub net_secs: f64,
    /// Processor seconds of encoding and writing shards.
    pub write_secs: f64,
    /// Seconds in which decoding threads waited, for files or for a processor, summed over threads.
    pub waited_for_files_secs: f64,
    /// Seconds in which the network waited for the writer.
    pub waited_for_writing_secs: f64,
    /// The three kinds of processor seconds as shares of their sum.
    pub shares: Shares,
    /// Processor seconds over what `threads` processors had to give; the writer's thread can take it above 1.
    pub cores_busy: f64,
    /// What decides how long an extraction like this takes.
    pub limited_by: Limit,
}

/// Shares of the processor time; they add up to 1 where anything was computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Decoding and preprocessing.
    pub decoding: f64,
    /// The network.
    pub network: f64,
    /// Encoding and writing shards.
    pub writing: f64,
}

/// A wait is what limits a run when it takes more than this share of the time.
const LIMITING_WAIT: f64 = 0.25;

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
            backend: String::new(),
            threads: 0,
            decode_secs: 0.0,
            net_secs: 0.0,
            write_secs: 0.0,
            waited_for_files_secs: 0.0,
            waited_for_writing_secs: 0.0,
            shares: Shares::default(),
            cores_busy: 0.0,
            limited_by: Limit::Nothing,
        }
    }

    /// Whether the run changed the atlas.
    pub fn did_work(&self) -> bool {
        self.rows + self.rejects + self.removed > 0
    }

    /// Works out rates and shares, and names what held the run back: a wait if there was a long one, else
    /// the stage that the processors spent most of their time on.
    pub(crate) fn judge(&mut self) {
        let computed = self.rows + self.rejects;
        if computed == 0 {
            return;
        }
        let over = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let busy = self.decode_secs + self.net_secs + self.write_secs;
        let available = self.secs * self.threads as f64;
        self.images_per_sec = over(computed as f64, self.secs);
        self.shares = Shares {
            decoding: over(self.decode_secs, busy),
            network: over(self.net_secs, busy),
            writing: over(self.write_secs, busy),
        };
        self.cores_busy = over(busy, available);
        self.limited_by = if over(self.waited_for_writing_secs, self.secs) > LIMITING_WAIT {
            Limit::Writing
        } else if over(self.waited_for_files_secs, available) > LIMITING_WAIT {
            Limit::Reading
        } else if self.shares.decoding > self.shares.network.max(self.shares.writing) {
            Limit::Decoding
        } else if self.shares.writing > self.shares.network {
            Limit::Writing
        } else {
            Limit::Network
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(change: impl FnOnce(&mut ExtractReport)) -> ExtractReport {
        let mut report = ExtractReport {
            rows: 90,
            rejects: 10,
            secs: 10.0,
            threads: 2,
            decode_secs: 4.0,
            net_secs: 15.0,
            write_secs: 1.0,
            ..ExtractReport::of_nothing(100, 0)
        };
        change(&mut report);
        report.judge();
        report
    }

    #[test]
    fn shares_and_rates_follow_from_the_seconds() {
        let report = judged(|_| ());
        assert_eq!(report.shares, Shares { decoding: 0.2, network: 0.75, writing: 0.05 });
        assert!((report.cores_busy - 1.0).abs() < 1e-12);
        assert!((report.images_per_sec - 10.0).abs() < 1e-12);
    }

    #[test]
    fn what_limits_is_the_long_wait_or_the_largest_share() {
        assert_eq!(judged(|_| ()).limited_by, Limit::Network);
        assert_eq!(judged(|r| r.decode_secs = 16.0).limited_by, Limit::Decoding);
        assert_eq!(judged(|r| r.write_secs = 16.0).limited_by, Limit::Writing);
        assert_eq!(judged(|r| r.waited_for_writing_secs = 3.0).limited_by, Limit::Writing);
        assert_eq!(judged(|r| r.waited_for_files_secs = 6.0).limited_by, Limit::Reading);
        let nothing = judged(|r| (r.rows, r.rejects) = (0, 0));
        assert_eq!((nothing.limited_by, nothing.images_per_sec), (Limit::Nothing, 0.0));
    }
}
