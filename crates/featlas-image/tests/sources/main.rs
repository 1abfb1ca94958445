//! Sources: what they list, what they refuse, and what reading gives.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod folder;
mod idx;
mod lists;
mod shared;
mod tars;

use featlas_core::{Progress, Silent, Stage};
use featlas_image::{
    DecodeOptions, Entry, Format, ImagePath, Limits, ListRow, RejectReason, Source, SourceError,
    SourceOptions, decode, encode_png,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tempfile::{TempDir, tempdir};

fn options() -> SourceOptions {
    SourceOptions::default()
}

fn png(value: u8) -> Vec<u8> {
    encode_png(&featlas_core::RgbImage::filled(3, 2, [value; 3])).unwrap()
}

fn write(folder: &Path, name: impl AsRef<OsStr>, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name.as_ref());
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, bytes).unwrap();
    path
}

fn list(source: &Source) -> Vec<Entry> {
    source.entries(&Silent).unwrap()
}

fn names(source: &Source) -> Vec<String> {
    list(source).iter().map(|entry| entry.path.display()).collect()
}

fn open(location: &Path) -> Source {
    Source::open(location, &options()).unwrap()
}

fn refusal(location: &Path) -> String {
    let text = match Source::open(location, &options()) {
        Ok(source) => source.entries(&Silent).unwrap_err().to_string(),
        Err(err) => err.to_string(),
    };
    text.replace(location.parent().unwrap().to_str().unwrap(), "…")
}

fn reason(source: &Source, name: &str) -> RejectReason {
    let entries = list(source);
    let entry = entries.iter().find(|entry| entry.path.display() == name);
    source.read(entry.unwrap_or_else(|| panic!("no `{name}`"))).unwrap_err().reason
}

/// Remembers what it is told.
#[derive(Default)]
struct Watch {
    advanced: AtomicU64,
    warnings: Mutex<Vec<String>>,
    cancelled: AtomicBool,
}

impl Progress for Watch {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
    fn advance(&self, _stage: Stage, n: u64) {
        self.advanced.fetch_add(n, Ordering::Relaxed);
    }
    fn end(&self, _stage: Stage) {}
    fn warn(&self, text: &str) {
        self.warnings.lock().unwrap().push(text.to_owned());
    }
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
