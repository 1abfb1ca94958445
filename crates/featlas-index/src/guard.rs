//! Keeps a parallel build from standing still for ever.
//!
//! `hnsw_rs` takes the locks of several nodes at once while it links a new one back, and three threads can, in theory,
//! wait for each other in a ring. Nobody watches a nightly run, so we do: work that makes no step for a long
//! time is left behind, and the caller does it again on one thread, where no ring can form.

use rayon::prelude::*;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How often the caller looks at the work.
const POLL: Duration = Duration::from_millis(50);

/// How watched work ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every item is done.
    Done,
    /// `on_steps` said to stop; what was begun is finished, the rest was left out.
    Stopped,
    /// No item was finished for as long as `patience`. Its threads still hold what they held.
    Stalled,
}

/// Runs `step` on every item, on a pool of `threads`, while the calling thread watches.
///
/// `on_steps(n)` hears of `n` more finished items and says whether to go on.
/// A panic in `step` is passed on to the caller.
pub(crate) fn watched<T: Send + 'static>(
    items: Vec<T>,
    threads: usize,
    patience: Duration,
    step: impl Fn(T) + Send + Sync + 'static,
    mut on_steps: impl FnMut(u64) -> bool,
) -> Result<Outcome, Box<dyn std::error::Error + Send + Sync>> {
    let name = |i| format!("index-{i}");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build()?;
    let (steps, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (finished, wait) = sync_channel::<()>(1);
    let worker = {
        let (steps, stop) = (Arc::clone(&steps), Arc::clone(&stop));
        std::thread::Builder::new().name("index-build".into()).spawn(move || {
            pool.install(|| {
                items.into_par_iter().filter(|_| !stop.load(Ordering::Relaxed)).for_each(|item| {
                    step(item);
                    steps.fetch_add(1, Ordering::Relaxed);
                });
            });
            // Dropped, not sent: the end of the channel is the message, also after a panic.
            drop(finished);
        })?
    };
    let (mut told, mut last_step) = (0, Instant::now());
    loop {
        let over = matches!(wait.recv_timeout(POLL), Ok(()) | Err(RecvTimeoutError::Disconnected));
        let now = steps.load(Ordering::Relaxed);
        if now > told {
            last_step = Instant::now();
        }
        if !on_steps(now - told) {
            stop.store(true, Ordering::Relaxed);
        }
        told = now;
        if over {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            let stopped = stop.load(Ordering::Relaxed);
            return Ok(if stopped { Outcome::Stopped } else { Outcome::Done });
        }
        if last_step.elapsed() > patience {
            stop.store(true, Ordering::Relaxed);
            return Ok(Outcome::Stalled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const LONG: Duration = Duration::from_mins(10);

    #[test]
    fn every_item_is_done_once_and_counted() {
        let seen = Arc::new(Mutex::new(vec![0; 500]));
        let counts = Arc::clone(&seen);
        let mut told = 0;
        let outcome = watched(
            (0..500).collect(),
            2,
            LONG,
            move |i: usize| counts.lock().unwrap()[i] += 1,
            |n| {
                told += n;
                true
            },
        );
        assert_eq!(outcome.unwrap(), Outcome::Done);
        assert_eq!(told, 500);
        assert!(seen.lock().unwrap().iter().all(|&count| count == 1));
    }

    #[test]
    fn work_that_stands_still_is_left_behind() {
        // The lock stands for the ring of locks: it is released only after the verdict.
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        let theirs = Arc::clone(&lock);
        let step = move |_: usize| drop(theirs.lock());
        let outcome = watched(vec![1, 2, 3], 2, Duration::from_millis(120), step, |_| true);
        drop(held);
        assert_eq!(outcome.unwrap(), Outcome::Stalled);
    }

    #[test]
    fn stopping_leaves_the_rest_out() {
        // Items wait at the gate until the watcher has said to stop.
        let gate = Arc::new(Mutex::new(()));
        let mut held = Some(gate.lock().unwrap());
        let (theirs, done) = (Arc::clone(&gate), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&done);
        let step = move |_: usize| {
            drop(theirs.lock());
            count.fetch_add(1, Ordering::Relaxed);
        };
        let mut calls = 0;
        let outcome = watched((0..1000).collect(), 2, LONG, step, |_| {
            calls += 1;
            // The second call comes after the first one's stop was stored.
            if calls == 2 {
                held = None;
            }
            false
        });
        assert_eq!(outcome.unwrap(), Outcome::Stopped);
        assert!(done.load(Ordering::Relaxed) < 1000);
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let step = |_: usize| std::panic::resume_unwind(Box::new("our bug"));
        let caught = std::panic::catch_unwind(|| watched(vec![1], 1, LONG, step, |_| true).is_ok());
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "our bug");
    }
}
