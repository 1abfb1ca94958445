//! The one place that writes to stdout and stderr, and draws progress bars.

use crate::args::OutputArgs;
use featlas_core::{Progress, Stage};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Set by the first Ctrl-C; the second ends the program at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Listens for SIGINT, SIGTERM and SIGHUP.
    pub(crate) fn listen() -> Result<Self, ctrlc::Error> {
        let cancel = Self::default();
        let (flag, presses) = (Arc::clone(&cancel.0), AtomicUsize::new(0));
        ctrlc::set_handler(move || {
            flag.store(true, Ordering::Relaxed);
            if presses.fetch_add(1, Ordering::Relaxed) > 0 {
                std::process::exit(crate::exit::INTERRUPTED.into());
            }
            to_stderr("\nstopping after the batch in hand; once more to stop at once");
        })?;
        Ok(cancel)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Decides once who may draw; stdout is for data, stderr for people.
#[derive(Debug)]
pub(crate) struct Printer {
    quiet: bool,
    bars: MultiProgress,
    drawn: Mutex<BTreeMap<Stage, ProgressBar>>,
    cancel: Cancel,
}

impl Printer {
    pub(crate) fn new(args: OutputArgs, cancel: Cancel) -> Self {
        let draws = !args.quiet && !args.no_progress && std::io::stderr().is_terminal();
        let target = if draws { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        Self {
            quiet: args.quiet,
            bars: MultiProgress::with_draw_target(target),
            drawn: Mutex::new(BTreeMap::new()),
            cancel,
        }
    }

    /// A line of data on stdout. A reader that went away ends the program's wish to print, no more.
    pub(crate) fn data(text: &str) {
        let mut stdout = std::io::stdout().lock();
        drop(writeln!(stdout, "{text}"));
    }

    /// A line for people on stderr.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            self.bars.suspend(|| to_stderr(text));
        }
    }

    fn with_bar(&self, stage: Stage, act: impl FnOnce(&ProgressBar)) {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = drawn.get(&stage) {
            act(bar);
        }
    }
}

/// An error for people: what, why, and what to do.
pub(crate) fn print_error(text: &str) {
    to_stderr(text);
}

/// A line on stderr. As with stdout, a reader that went away is no reason to end.
fn to_stderr(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

impl Progress for Printer {
    fn begin(&self, stage: Stage, total: Option<u64>) {
        let bar = match total {
            Some(total) => ProgressBar::new(total).with_style(style(
                "{prefix:>10} {wide_bar:.dim} {human_pos}/{human_len}  {per_sec}  {eta} left  {msg}",
            )),
            None => ProgressBar::no_length()
                .with_style(style("{prefix:>10} {spinner} {human_pos}  {elapsed}  {msg}")),
        };
        let bar = self.bars.add(bar.with_prefix(stage.name()));
        bar.enable_steady_tick(Duration::from_millis(250));
        let before = self.drawn.lock().unwrap_or_else(PoisonError::into_inner).insert(stage, bar);
        if let Some(before) = before {
            before.finish_and_clear();
        }
    }

    fn advance(&self, stage: Stage, n: u64) {
        self.with_bar(stage, |bar| bar.inc(n));
    }

    fn note(&self, stage: Stage, text: &str) {
        self.with_bar(stage, |bar| bar.set_message(text.to_owned()));
    }

    fn end(&self, stage: Stage) {
        let bar = self.drawn.lock().unwrap_or_else(PoisonError::into_inner).remove(&stage);
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }

    fn warn(&self, text: &str) {
        self.say(&format!("warning: {text}"));
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_set()
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are literals of ours").progress_chars("━━╌")
}
