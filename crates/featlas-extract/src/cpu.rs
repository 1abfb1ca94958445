//! How much processor time was used: what tells a busy stage from one that waits.

use std::time::Duration;

/// Processor time of the calling thread; zero where the system does not tell.
pub(crate) fn of_thread() -> Duration {
    of(rustix::time::ClockId::ThreadCPUTime)
}

/// Processor time of all threads of this process; zero where the system does not tell.
pub(crate) fn of_process() -> Duration {
    of(rustix::time::ClockId::ProcessCPUTime)
}

fn of(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    let (secs, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(secs.unwrap_or(0), nanos.unwrap_or(0))
}
