//! The shard writer on its own thread, so that encoding never holds up the network.

use crate::{ExtractError, cpu};
use crossbeam_channel::{Receiver, Sender, bounded};
use featlas_core::ImageId;
use featlas_store::{Atlas, RejectRow, Row, Schema, ShardWriter, StoreError};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

enum Message {
    Row(Box<Row>),
    Reject(RejectRow),
    EndShard(Vec<ImageId>),
}

/// A handle to the writing thread. Dropping it before a shard's end leaves nothing of that shard.
pub(crate) struct Writer<'scope> {
    messages: Sender<Message>,
    thread: ScopedJoinHandle<'scope, Result<Duration, StoreError>>,
    waited_nanos: AtomicU64,
}

/// What the writer did.
pub(crate) struct Finished {
    /// Processor time of encoding and writing.
    pub(crate) cpu: Duration,
    /// Time in which senders waited for room in the queue.
    pub(crate) waited: Duration,
}

impl<'scope> Writer<'scope> {
    /// Starts the thread; `queue` rows may wait for it.
    pub(crate) fn spawn<'env, 'atlas: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        atlas: &'atlas mut Atlas,
        schema: &'atlas Schema,
        queue: usize,
    ) -> Result<Self, ExtractError> {
        let (messages, inbox) = bounded(queue.max(1));
        let thread = Builder::new()
            .name("write".to_owned())
            .spawn_scoped(scope, move || write_shards(atlas, schema, &inbox))
            .map_err(|_spawn| ExtractError::ThreadLost { thread: "write" })?;
        Ok(Self { messages, thread, waited_nanos: AtomicU64::new(0) })
    }

    pub(crate) fn row(&self, row: Row) -> Result<(), ExtractError> {
        self.send(Message::Row(Box::new(row)))
    }

    pub(crate) fn reject(&self, row: RejectRow) -> Result<(), ExtractError> {
        self.send(Message::Reject(row))
    }

    /// Commits what was sent since the last shard's end and retires `retired` in the same step.
    pub(crate) fn end_shard(&self, retired: Vec<ImageId>) -> Result<(), ExtractError> {
        self.send(Message::EndShard(retired))
    }

    /// Waits until all is written.
    pub(crate) fn finish(self) -> Result<Finished, ExtractError> {
        drop(self.messages);
        let cpu = self.thread.join().map_err(|_panic| ExtractError::ThreadLost { thread: "write" })??;
        let waited = Duration::from_nanos(self.waited_nanos.load(Ordering::Relaxed));
        Ok(Finished { cpu, waited })
    }

    fn send(&self, message: Message) -> Result<(), ExtractError> {
        let start = Instant::now();
        let sent = self.messages.send(message);
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waited_nanos.fetch_add(nanos, Ordering::Relaxed);
        // The thread's own error is told by `finish`.
        sent.map_err(|_closed| ExtractError::ThreadLost { thread: "write" })
    }
}

/// Writes all shards on this thread; returns the processor time that took.
fn write_shards(
    atlas: &mut Atlas,
    schema: &Schema,
    inbox: &Receiver<Message>,
) -> Result<Duration, StoreError> {
    let mut shard: Option<ShardWriter> = None;
    for message in inbox {
        let mut open = match shard.take() {
            Some(open) => open,
            None => ShardWriter::create(atlas, schema, &[])?,
        };
        match message {
            Message::Row(row) => open.push(*row)?,
            Message::Reject(row) => open.reject(row)?,
            Message::EndShard(retired) => {
                open.commit(atlas, &retired)?;
                continue;
            }
        }
        shard = Some(open);
    }
    Ok(cpu::of_thread())
}
