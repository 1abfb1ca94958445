//! Buffers for what a task needs while it runs, kept from task to task.

use super::kernels::Aligned;
use std::sync::{Mutex, PoisonError};

/// Buffers that no task holds at the moment. There are never more than tasks at the same time, and they
/// only grow, so after the first batch nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    free: Mutex<Vec<Aligned>>,
}

impl Scratch {
    /// Lends `len` values, whatever they hold.
    pub(crate) fn lend<R>(&self, len: usize, task: impl FnOnce(&mut [f32]) -> R) -> R {
        let mut buffer = self.take(len);
        let result = task(&mut buffer[..len]);
        self.give(buffer);
        result
    }

    /// The buffer that fits best, made larger if none is large enough.
    pub(crate) fn take(&self, len: usize) -> Aligned {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = (0..free.len()).filter(|&i| free[i].len() >= len).min_by_key(|&i| free[i].len());
        let index = fitting.or_else(|| (0..free.len()).max_by_key(|&i| free[i].len()));
        let mut buffer = index.map(|i| free.swap_remove(i)).unwrap_or_default();
        drop(free);
        buffer.reserve(len);
        buffer
    }

    /// Takes a buffer back.
    pub(crate) fn give(&self, buffer: Aligned) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}
