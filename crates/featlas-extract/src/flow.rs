//! The flow: decode pool -> batches -> network -> rows -> shard writer.
//!
//! One bounded queue stands between neighbors, so memory does not grow with the number of images: at
//! most [`window`] images are decoded ahead of the network and two batches of rows ahead of the writer.
//! Rows leave in plan order and batches never cross a shard's border, so a shard holds the same bytes
//! whichever run writes it.

use crate::plan::{Plan, WorkItem};
use crate::prepare::{Prepared, prepare};
use crate::write::{Finished, Writer};
use crate::{ExtractError, ExtractReport};
use crossbeam_channel::{Receiver, Sender, bounded};
use featlas_core::{Progress, Stage};
use featlas_image::{DecodeOptions, Reject, RejectReason, Source};
use featlas_net::{Backend, Batch, Preprocess, Taps, top_k_classes};
use featlas_store::{Atlas, RejectRow, Row, Schema};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Best classes that a row keeps.
pub const TOP_CLASSES: usize = 5;

/// How to extract; every field changes speed or memory, `decode` also values.
#[derive(Debug, Clone)]
pub struct ExtractOptions {
    /// Threads that decode.
    pub threads: usize,
    /// Images a forward pass.
    pub batch: usize,
    /// Images a shard: what a killed run loses at most.
    pub shard_rows: usize,
    /// Limits and orientation.
    pub decode: DecodeOptions,
}

/// What the network's side of the flow needs.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a bundle of borrowed trait objects")]
pub struct Engine<'a> {
    /// Runs the forward pass.
    pub backend: &'a dyn Backend,
    /// Makes its input.
    pub preprocess: &'a Preprocess,
    /// What is read from it.
    pub taps: &'a Taps,
    /// The columns this becomes.
    pub schema: &'a Schema,
    /// The number under which the atlas knows each of the sources.
    pub source_numbers: &'a [u32],
}

/// Computes everything in `plan` and commits it to `atlas`, shard by shard; then retires what is gone.
///
/// # Errors
/// [`ExtractError::Interrupted`] when `progress` is cancelled; faults of the network or the disk. Shards
/// committed until then stay.
pub fn extract(
    atlas: &mut Atlas,
    sources: &[Source],
    plan: &Plan,
    engine: Engine<'_>,
    options: &ExtractOptions,
    progress: &dyn Progress,
) -> Result<ExtractReport, ExtractError> {
    let total = plan.work.len() as u64;
    let mut report = ExtractReport::of_nothing(total + plan.unchanged, plan.unchanged);
    let start = Instant::now();
    if !plan.work.is_empty() {
        progress.begin(Stage::Extract, Some(total));
        let outcome = compute(atlas, sources, &plan.work, engine, options, progress, &mut report);
        progress.end(Stage::Extract);
        outcome?;
    }
    if !plan.removed.is_empty() {
        atlas.retire(&plan.removed)?;
        report.removed = plan.removed.len() as u64;
    }
    report.changed = plan.work.iter().filter(|item| item.replaces.is_some()).count() as u64;
    report.new = total - report.changed;
    report.secs = start.elapsed().as_secs_f64();
    report.judge();
    Ok(report)
}

/// Images that may be decoded ahead of the network.
fn window(options: &ExtractOptions) -> usize {
    2 * options.batch + options.threads
}

fn compute(
    atlas: &mut Atlas,
    sources: &[Source],
    work: &[WorkItem],
    engine: Engine<'_>,
    options: &ExtractOptions,
    progress: &dyn Progress,
    report: &mut ExtractReport,
) -> Result<(), ExtractError> {
    let window = window(options).max(1);
    let (ticket_tx, ticket_rx) = bounded::<usize>(window);
    let (ready_tx, ready_rx) = bounded::<Ready>(window);
    let decode_nanos = AtomicU64::new(0);
    let decoder = Decoder {
        sources,
        work,
        preprocess: engine.preprocess,
        options: &options.decode,
        nanos: &decode_nanos,
    };

    std::thread::scope(|scope| {
        let writer = Writer::spawn(scope, atlas, engine.schema, 2 * options.batch)?;
        for number in 0..options.threads.max(1) {
            let (tickets, ready) = (ticket_rx.clone(), ready_tx.clone());
            Builder::new()
                .name(format!("decode-{number}"))
                .spawn_scoped(scope, move || decoder.run(&tickets, &ready))
                .map_err(|_spawn| ExtractError::ThreadLost { thread: "decode" })?;
        }
        drop((ticket_rx, ready_tx));

        let mut ordered = Ordered::new(ticket_tx, ready_rx, work.len(), window);
        let mut consumer = Consumer { engine, options, progress, work, report, writer: &writer };
        let outcome = consumer.run(&mut ordered);
        report.waited_for_decoding_secs = ordered.waited.as_secs_f64();
        drop(ordered);
        let finished = writer.finish();
        report.decode_secs = Duration::from_nanos(decode_nanos.load(Ordering::Relaxed)).as_secs_f64();
        // A fault of the writer is the cause of the consumer's, so it is the one to tell.
        let Finished { write_secs, waited } = finished?;
        report.write_secs = write_secs;
        report.waited_for_writing_secs = waited.as_secs_f64();
        outcome
    })
}

type Ready = (usize, Result<Prepared, Reject>);

/// What a decoding thread works on.
#[derive(Clone, Copy)]
struct Decoder<'a> {
    sources: &'a [Source],
    work: &'a [WorkItem],
    preprocess: &'a Preprocess,
    options: &'a DecodeOptions,
    nanos: &'a AtomicU64,
}

impl Decoder<'_> {
    fn run(&self, tickets: &Receiver<usize>, ready: &Sender<Ready>) {
        for index in tickets {
            let start = Instant::now();
            let item = &self.work[index];
            let source = &self.sources[item.source];
            // Decoders catch their own panics; this one keeps a bug in resizing from hanging the run.
            let prepared = catch_unwind(AssertUnwindSafe(|| {
                prepare(source, &item.entry, self.preprocess, self.options)
            }))
            .unwrap_or_else(|_panic| Err(Reject::new(RejectReason::DecoderPanic, "preprocessing panicked")));
            let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.nanos.fetch_add(nanos, Ordering::Relaxed);
            if ready.send((index, prepared)).is_err() {
                return;
            }
        }
    }
}

/// Hands out tickets and gives the decoded images back in order.
///
/// A ticket is given only when an image has been taken, so images that wait behind a slow one are
/// bounded by the window too.
struct Ordered {
    tickets: Sender<usize>,
    ready: Receiver<Ready>,
    early: BTreeMap<usize, Result<Prepared, Reject>>,
    next_ticket: usize,
    next: usize,
    len: usize,
    waited: Duration,
}

impl Ordered {
    fn new(tickets: Sender<usize>, ready: Receiver<Ready>, len: usize, window: usize) -> Self {
        let mut ordered = Self {
            tickets,
            ready,
            early: BTreeMap::new(),
            next_ticket: 0,
            next: 0,
            len,
            waited: Duration::ZERO,
        };
        for _ in 0..window {
            ordered.give_ticket();
        }
        ordered
    }

    fn give_ticket(&mut self) {
        // A closed channel shows when the next image does not come.
        if self.next_ticket < self.len && self.tickets.send(self.next_ticket).is_ok() {
            self.next_ticket += 1;
        }
    }

    /// The next image in plan order.
    fn take(&mut self) -> Result<Result<Prepared, Reject>, ExtractError> {
        let start = Instant::now();
        let prepared = loop {
            if let Some(prepared) = self.early.remove(&self.next) {
                break prepared;
            }
            let (index, prepared) =
                self.ready.recv().map_err(|_closed| ExtractError::ThreadLost { thread: "decode" })?;
            self.early.insert(index, prepared);
        };
        self.waited += start.elapsed();
        self.next += 1;
        self.give_ticket();
        Ok(prepared)
    }
}

/// The network's side: fills batches, runs them, turns them into rows.
struct Consumer<'a, 'w> {
    engine: Engine<'a>,
    options: &'a ExtractOptions,
    progress: &'a dyn Progress,
    work: &'a [WorkItem],
    report: &'a mut ExtractReport,
    writer: &'w Writer<'w>,
}

impl Consumer<'_, '_> {
    fn run(&mut self, ordered: &mut Ordered) -> Result<(), ExtractError> {
        let mut committed = 0;
        for shard in self.work.chunks(self.options.shard_rows.max(1)) {
            for items in shard.chunks(self.options.batch.max(1)) {
                if self.progress.is_cancelled() {
                    return Err(ExtractError::Interrupted { committed });
                }
                self.run_batch(items, ordered)?;
                self.progress.advance(Stage::Extract, items.len() as u64);
            }
            let mut retired: Vec<_> = shard.iter().filter_map(|item| item.replaces).collect();
            retired.sort_unstable();
            self.writer.end_shard(retired)?;
            committed += shard.len() as u64;
        }
        Ok(())
    }

    fn run_batch(&mut self, items: &[WorkItem], ordered: &mut Ordered) -> Result<(), ExtractError> {
        let mut good: Vec<(&WorkItem, Prepared)> = Vec::with_capacity(items.len());
        for item in items {
            match ordered.take()? {
                Ok(prepared) => good.push((item, prepared)),
                Err(reject) => self.reject(item, &reject)?,
            }
        }
        if good.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new(good.len(), self.engine.preprocess.input_px());
        for (slot, (_, prepared)) in good.iter_mut().enumerate() {
            batch.slot(slot).copy_from_slice(&prepared.input);
            prepared.input = Vec::new();
        }
        let start = Instant::now();
        let outputs = self.engine.backend.forward(&batch, self.engine.taps)?;
        self.report.net_secs += start.elapsed().as_secs_f64();
        let classes = outputs.logits.len() / good.len();

        for (slot, (item, prepared)) in good.into_iter().enumerate() {
            let feature = row_of(&outputs.features, slot, self.engine.taps.feature.dim).to_vec();
            if feature.iter().any(|v| !v.is_finite()) {
                self.reject(item, &Reject::new(RejectReason::NonFinite, "the feature is not finite"))?;
                continue;
            }
            let row = Row {
                image_id: item.id,
                path: item.entry.path.as_bytes().to_vec(),
                label: item.entry.label.clone(),
                content_hash: prepared.content_hash,
                width: prepared.width,
                height: prepared.height,
                source: self.engine.source_numbers[item.source],
                size_bytes: item.entry.stamp.size_bytes,
                mtime_ns: item.entry.stamp.mtime_ns,
                feature,
                conv_max: self
                    .of_convs(|conv, channels| row_of(&outputs.convs[conv].max, slot, channels).to_vec()),
                conv_argmax: self
                    .of_convs(|conv, channels| row_of(&outputs.convs[conv].argmax, slot, channels).to_vec()),
                top_classes: top_k_classes(row_of(&outputs.logits, slot, classes), TOP_CLASSES),
                thumbnail: prepared.thumbnail,
                pixels: prepared.pixels,
            };
            self.writer.row(row)?;
            self.report.rows += 1;
        }
        Ok(())
    }

    /// One value for each tapped conv layer, given its place and its number of channels.
    fn of_convs<T>(&self, of: impl Fn(usize, usize) -> T) -> Vec<T> {
        self.engine.taps.convs.iter().enumerate().map(|(conv, tap)| of(conv, tap.channels)).collect()
    }

    fn reject(&mut self, item: &WorkItem, reject: &Reject) -> Result<(), ExtractError> {
        self.report.rejects += 1;
        self.writer.reject(RejectRow {
            image_id: item.id,
            path: item.entry.path.as_bytes().to_vec(),
            source: self.engine.source_numbers[item.source],
            size_bytes: item.entry.stamp.size_bytes,
            mtime_ns: item.entry.stamp.mtime_ns,
            reason: reject.reason.code().to_owned(),
            message: reject.message.clone(),
        })
    }
}

/// Row `i` of an `(n, dim)` block.
fn row_of<T>(values: &[T], i: usize, dim: usize) -> &[T] {
    &values[i * dim..(i + 1) * dim]
}
