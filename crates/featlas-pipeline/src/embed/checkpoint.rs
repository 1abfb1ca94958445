//! Where t-SNE goes on after a kill: a file beside the maps that nothing refers to, removed when the map is done.

use crate::stage::Stage;
use featlas_core::{Digest, Hasher, Progress};
use featlas_embed::TsneState;
use featlas_store::Atlas;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time between two writings.
const EVERY: Duration = Duration::from_secs(5);

/// The checkpoint of one map.
pub(super) struct Checkpoint<'a> {
    atlas: &'a Atlas,
    file: String,
    /// Of all that decides the map: a checkpoint of anything else is of no use.
    key: Digest,
    last: Instant,
}

impl<'a> Checkpoint<'a> {
    pub(super) fn of(atlas: &'a Atlas, stage: &Stage, map: &str) -> Self {
        let mut key = Hasher::new();
        key.field(&stage.inputs().0).field(stage.params().to_string().as_bytes());
        Self { atlas, file: file(map), key: key.finish(), last: Instant::now() }
    }

    /// The state that a killed run left, if it was after the same map and the file is whole.
    pub(super) fn load(&self) -> Option<TsneState> {
        let bytes = fs_err::read(path(self.atlas, &self.file)).ok()?;
        let rest = bytes.strip_prefix(&self.key.0)?;
        let (digest, state) = rest.split_at_checked(self.key.0.len())?;
        if Digest::of(state).0 != *digest {
            return None;
        }
        TsneState::from_bytes(state)
    }

    /// Writes the state, unless that was done a moment ago. A disk that will not take it costs no map.
    pub(super) fn keep(&mut self, state: &TsneState, progress: &dyn Progress) {
        if self.last.elapsed() < EVERY {
            return;
        }
        self.last = Instant::now();
        let state = state.to_bytes();
        let bytes = [&self.key.0[..], &Digest::of(&state).0, &state].concat();
        if let Err(err) = self.atlas.write_file(&self.file, &bytes) {
            progress.warn(&format!("cannot write a checkpoint of t-SNE: {err}"));
        }
    }

    /// Removes what an earlier run left.
    pub(super) fn remove(atlas: &Atlas, map: &str) {
        // Absent is as good as removed, and `featlas gc` finds what stays.
        drop(fs_err::remove_file(path(atlas, &file(map))));
    }
}

fn file(map: &str) -> String {
    format!("maps/{map}.checkpoint")
}

fn path(atlas: &Atlas, file: &str) -> PathBuf {
    atlas.root().join(file)
}
