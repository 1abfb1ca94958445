//! A batch on its way to the network: every image is decoded straight into its slot.
//!
//! The buffers of a load and of its decoders are used again for every batch, so an extraction holds the
//! same memory after ten images and after ten million.

use crate::cpu;
use crate::plan::WorkItem;
use crate::prepare::{Prepared, Scratch, prepare};
use featlas_image::{DecodeOptions, Reject, RejectReason, Source};
use featlas_net::{Batch, Preprocess};
use rayon::Scope;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Decodes images on whichever thread has time.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    sources: &'a [Source],
    preprocess: &'a Preprocess,
    options: &'a DecodeOptions,
    /// Buffers that no thread uses at the moment; never more than there are threads.
    idle: Mutex<Vec<Scratch>>,
    cpu_nanos: AtomicU64,
    wall_nanos: AtomicU64,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(sources: &'a [Source], preprocess: &'a Preprocess, options: &'a DecodeOptions) -> Self {
        let idle = Mutex::new(Vec::new());
        let (cpu_nanos, wall_nanos) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { sources, preprocess, options, idle, cpu_nanos, wall_nanos }
    }

    /// Time of processors spent here, and time that passed, both summed over threads.
    pub(crate) fn times(&self) -> (Duration, Duration) {
        let load = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed));
        (load(&self.cpu_nanos), load(&self.wall_nanos))
    }

    fn decode(&self, item: &WorkItem, input: &mut [f32]) -> Result<Prepared, Reject> {
        let (start, cpu_start) = (Instant::now(), cpu::of_thread());
        let mut scratch = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        // Decoders catch their own panics; this one keeps a bug in resizing from ending the run.
        let prepared = catch_unwind(AssertUnwindSafe(|| {
            let source = &self.sources[item.source];
            prepare(source, &item.entry, self.preprocess, self.options, &mut scratch, input)
        }))
        .unwrap_or_else(|_panic| Err(Reject::new(RejectReason::DecoderPanic, "preprocessing panicked")));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.wall_nanos.fetch_add(nanos(start.elapsed()), Ordering::Relaxed);
        self.cpu_nanos.fetch_add(nanos(cpu::of_thread().saturating_sub(cpu_start)), Ordering::Relaxed);
        prepared
    }
}

/// The inputs of one batch and what became of each of its images.
#[derive(Debug)]
pub(crate) struct Load {
    batch: Batch,
    outcomes: Vec<Option<Result<Prepared, Reject>>>,
}

impl Load {
    /// An empty load for inputs of `px` x `px`.
    pub(crate) fn new(px: u32) -> Self {
        Self { batch: Batch::new(0, px), outcomes: Vec::new() }
    }

    /// Lets the threads of `scope` decode `items`, each into its slot.
    pub(crate) fn fill<'scope>(
        &'scope mut self,
        scope: &Scope<'scope>,
        decoder: &'scope Decoder<'_>,
        items: &'scope [WorkItem],
    ) {
        self.batch.resize(items.len());
        self.outcomes.clear();
        self.outcomes.resize_with(items.len(), || None);
        for ((item, slot), outcome) in items.iter().zip(self.batch.slots()).zip(&mut self.outcomes) {
            scope.spawn(move |_| *outcome = Some(decoder.decode(item, slot)));
        }
    }

    /// Once filled: moves the good images to the front, in order, and drops the slots of the others.
    ///
    /// Returns what became of each item; the batch then holds as many images as there are good ones.
    pub(crate) fn settle(&mut self) -> Vec<Result<Prepared, Reject>> {
        let outcomes: Vec<_> = self
            .outcomes
            .drain(..)
            .map(|outcome| outcome.expect("the scope ends when every image has been tried"))
            .collect();
        let mut good = 0;
        for (slot, outcome) in outcomes.iter().enumerate() {
            if outcome.is_err() {
                continue;
            }
            if good < slot {
                // Rare, so that a copy by way of the heap does no harm.
                let values = self.batch.slot(slot).to_vec();
                self.batch.slot(good).copy_from_slice(&values);
            }
            good += 1;
        }
        self.batch.truncate(good);
        outcomes
    }

    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }
}
