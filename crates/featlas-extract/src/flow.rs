//! The flow: decoding -> batches -> network -> rows -> shard writer.
//!
//! Decoding and the network share one pool of threads: while a batch runs, the images of the next one are
//! decoded by whichever thread has nothing else to do, so no core idles and none is fought over. Two
//! batches exist, and two batches of rows may wait for the writer; their memory is used again and again,
//! so it does not grow with the number of images. Rows leave in plan order and batches never cross a
//! shard's border, so a shard holds the same bytes whichever run writes it.

use crate::load::{Decoder, Load};
use crate::plan::{Plan, WorkItem};
use crate::prepare::Prepared;
use crate::read_ahead::ReadAhead;
use crate::write::{Finished, Writer};
use crate::{ExtractError, ExtractReport, cpu};
use featlas_core::{Progress, Stage};
use featlas_image::{DecodeOptions, Reject, RejectReason, Source};
use featlas_net::{Backend, Outputs, Preprocess, Taps, top_k_classes};
use featlas_store::{Atlas, RejectRow, Row, Schema};
use rayon::ThreadPoolBuilder;
use std::time::Instant;

/// Best classes that a row keeps.
pub const TOP_CLASSES: usize = 5;

/// How to extract; every field changes speed or memory, `decode` also values.
#[derive(Debug, Clone)]
pub struct ExtractOptions {
    /// Threads that decode and run the network.
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
        report.backend = engine.backend.name();
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

fn compute(
    atlas: &mut Atlas,
    sources: &[Source],
    work: &[WorkItem],
    engine: Engine<'_>,
    options: &ExtractOptions,
    progress: &dyn Progress,
    report: &mut ExtractReport,
) -> Result<(), ExtractError> {
    let threads = options.threads.max(1);
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|number| format!("work-{number}"));
    let pool = pool.build().map_err(|_build| ExtractError::ThreadLost { thread: "work" })?;
    let decoder = Decoder::new(sources, engine.preprocess, &options.decode);
    let cpu_start = cpu::of_process();
    report.threads = threads;
    std::thread::scope(|scope| {
        let writer = Writer::spawn(scope, atlas, engine.schema, 2 * options.batch)?;
        let read_ahead = ReadAhead::spawn(scope, sources)?;
        let mut flow = Flow { engine, options, progress, report, writer: &writer, decoder: &decoder };
        let outcome = pool.install(|| flow.run(work, &read_ahead));
        drop(read_ahead);
        let finished = writer.finish();
        let (decode_cpu, decode_wall) = decoder.times();
        report.decode_secs = decode_cpu.as_secs_f64();
        report.waited_for_files_secs = decode_wall.saturating_sub(decode_cpu).as_secs_f64();
        // A fault of the writer is the cause of the flow's, so it is the one to tell.
        let Finished { cpu, waited } = finished?;
        report.write_secs = cpu.as_secs_f64();
        report.waited_for_writing_secs = waited.as_secs_f64();
        let all = cpu::of_process().saturating_sub(cpu_start);
        report.net_secs = all.saturating_sub(decode_cpu).saturating_sub(cpu).as_secs_f64();
        outcome
    })
}

/// One batch, and the shard that ends with it.
struct Step<'a> {
    items: &'a [WorkItem],
    ends: Option<&'a [WorkItem]>,
}

fn steps<'a>(work: &'a [WorkItem], options: &ExtractOptions) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for shard in work.chunks(options.shard_rows.max(1)) {
        steps.extend(shard.chunks(options.batch.max(1)).map(|items| Step { items, ends: None }));
        if let Some(last) = steps.last_mut() {
            last.ends = Some(shard);
        }
    }
    steps
}

/// The side of the flow that runs batches and turns them into rows.
struct Flow<'a, 'w> {
    engine: Engine<'a>,
    options: &'a ExtractOptions,
    progress: &'a dyn Progress,
    report: &'a mut ExtractReport,
    writer: &'w Writer<'w>,
    decoder: &'a Decoder<'a>,
}

impl Flow<'_, '_> {
    /// Runs on a thread of the pool, so that `scope` and the network use that pool.
    fn run<'work>(
        &mut self,
        work: &'work [WorkItem],
        read_ahead: &ReadAhead<'work>,
    ) -> Result<(), ExtractError> {
        let steps = steps(work, self.options);
        let px = self.engine.preprocess.input_px();
        let (mut now, mut next) = (Load::new(px), Load::new(px));
        let (mut committed, mut following) = (0, steps.iter().skip(1).peekable());
        if let Some(first) = steps.first() {
            following.peek().inspect(|step| read_ahead.want(step.items));
            rayon::scope(|scope| now.fill(scope, self.decoder, first.items));
        }
        for step in &steps {
            if self.progress.is_cancelled() {
                return Err(ExtractError::Interrupted { committed });
            }
            let outcomes = now.settle();
            let follower = following.next();
            following.peek().inspect(|step| read_ahead.want(step.items));
            let outputs = rayon::scope(|scope| {
                if let Some(follower) = follower {
                    next.fill(scope, self.decoder, follower.items);
                }
                self.forward(&now)
            })?;
            self.finish_batch(step.items, outcomes, outputs.as_ref())?;
            self.progress.advance(Stage::Extract, step.items.len() as u64);
            if let Some(shard) = step.ends {
                let mut retired: Vec<_> = shard.iter().filter_map(|item| item.replaces).collect();
                retired.sort_unstable();
                self.writer.end_shard(retired)?;
                committed += shard.len() as u64;
            }
            std::mem::swap(&mut now, &mut next);
        }
        Ok(())
    }

    fn forward(&self, load: &Load) -> Result<Option<Outputs>, ExtractError> {
        if load.batch().is_empty() {
            return Ok(None);
        }
        Ok(Some(self.engine.backend.forward(load.batch(), self.engine.taps)?))
    }

    /// Sends the rows and rejects of a batch to the writer; row `i` of `outputs` is the `i`-th good image.
    fn finish_batch(
        &mut self,
        items: &[WorkItem],
        outcomes: Vec<Result<Prepared, Reject>>,
        outputs: Option<&Outputs>,
    ) -> Result<(), ExtractError> {
        let mut slots = 0..;
        for (item, outcome) in items.iter().zip(outcomes) {
            let prepared = match outcome {
                Ok(prepared) => prepared,
                Err(reject) => {
                    self.reject(item, &reject)?;
                    continue;
                }
            };
            let (Some(outputs), Some(slot)) = (outputs, slots.next()) else {
                unreachable!("a batch with a good image was run");
            };
            let feature = row_of(&outputs.features, slot, self.engine.taps.feature.dim).to_vec();
            if feature.iter().any(|v| !v.is_finite()) {
                self.reject(item, &Reject::new(RejectReason::NonFinite, "the feature is not finite"))?;
                continue;
            }
            let row = self.row(item, prepared, feature, outputs, slot);
            self.writer.row(row)?;
            self.report.rows += 1;
        }
        Ok(())
    }

    fn row(
        &self,
        item: &WorkItem,
        prepared: Prepared,
        feature: Vec<f32>,
        outputs: &Outputs,
        slot: usize,
    ) -> Row {
        let classes = outputs.logits.len() / (outputs.features.len() / feature.len());
        let convs = || outputs.convs.iter().zip(&self.engine.taps.convs);
        Row {
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
            conv_max: convs().map(|(conv, tap)| row_of(&conv.max, slot, tap.channels).to_vec()).collect(),
            conv_argmax: convs()
                .map(|(conv, tap)| row_of(&conv.argmax, slot, tap.channels).to_vec())
                .collect(),
            top_classes: top_k_classes(row_of(&outputs.logits, slot, classes), TOP_CLASSES),
            thumbnail: prepared.thumbnail,
            pixels: prepared.pixels,
        }
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
