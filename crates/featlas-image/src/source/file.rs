//! Careful access to files that somebody else owns.

use super::Stamp;
use crate::limits::Limits;
use crate::reject::{Reject, RejectReason};
use rustix::fs::{Mode, OFlags};
use std::fs::{File, FileType, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What to do about symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Follow,
    Refuse,
}

impl Links {
    /// Examines what stands at `path`, through a link or not.
    pub(super) fn metadata(self, path: &Path) -> io::Result<Metadata> {
        match self {
            Self::Follow => path.metadata(),
            Self::Refuse => path.symlink_metadata(),
        }
    }
}

/// Opens without ever blocking: a FIFO with no writer would otherwise hold the thread for good.
pub(super) fn open(path: &Path, links: Links) -> io::Result<File> {
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Reads a file that belongs to the source itself, such as a list, whole.
pub(super) fn read_all(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path, Links::Follow)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Asks the system to fetch `len` bytes from `offset` on into its cache.
pub(super) fn advise(file: &File, offset: u64, len: u64) {
    #[cfg(target_os = "linux")]
    if let Some(len) = std::num::NonZeroU64::new(len) {
        // Advice that is not taken costs nothing but time.
        rustix::fs::fadvise(file, offset, Some(len), rustix::fs::Advice::WillNeed).ok();
    }
    #[cfg(not(target_os = "linux"))]
    let _unused = (file, offset, len);
}

pub(super) fn mtime_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

pub(super) fn stamp(metadata: &Metadata) -> Stamp {
    Stamp { size_bytes: metadata.len(), mtime_ns: mtime_ns(metadata) }
}

/// One image that is a file.
pub(super) struct DiskFile {
    pub(super) path: PathBuf,
    pub(super) links: Links,
}

impl DiskFile {
    /// The stamp of what stands there now; zeros if nothing can be learned.
    pub(super) fn stamp(&self) -> Stamp {
        self.links.metadata(&self.path).map_or(Stamp { size_bytes: 0, mtime_ns: 0 }, |m| stamp(&m))
    }

    /// Asks the system to fetch the file, if it is one that will be read.
    pub(super) fn read_ahead(&self, limits: Limits) {
        let Ok(metadata) = self.links.metadata(&self.path) else { return };
        // Opening anything else may have an effect, and what is too large is never read.
        if metadata.is_file()
            && limits.check_bytes(metadata.len()).is_ok()
            && let Ok(file) = open(&self.path, self.links)
        {
            advise(&file, 0, metadata.len());
        }
    }

    /// Reads the whole file into an empty buffer if it is regular and `expected` bytes long.
    pub(super) fn read(&self, expected: u64, limits: Limits, bytes: &mut Vec<u8>) -> Result<(), Reject> {
        let metadata = self.links.metadata(&self.path).map_err(|err| self.reject(&err))?;
        check_regular(metadata.file_type())?;
        let mut file = open(&self.path, self.links).map_err(|err| self.reject(&err))?;
        // What was opened need not be what was examined a moment ago.
        let metadata = file.metadata().map_err(|err| self.reject(&err))?;
        check_regular(metadata.file_type())?;
        let len = metadata.len();
        if len != expected {
            return Err(changed(expected, len));
        }
        limits.check_bytes(len)?;
        bytes.reserve(usize::try_from(len).unwrap_or(0).saturating_add(1));
        file.by_ref().take(len + 1).read_to_end(bytes).map_err(|err| self.reject(&err))?;
        if bytes.len() as u64 != len {
            return Err(Reject::new(RejectReason::InputChanged, "the file changed while it was read"));
        }
        Ok(())
    }

    fn reject(&self, err: &io::Error) -> Reject {
        if err.kind() != io::ErrorKind::NotFound {
            return Reject::new(RejectReason::Unreadable, err.to_string());
        }
        match self.path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => {
                Reject::new(RejectReason::NotRegular, "a symbolic link to nothing")
            }
            _ => Reject::new(RejectReason::Vanished, "the file is not there any more"),
        }
    }
}

pub(super) fn changed(expected: u64, got: u64) -> Reject {
    Reject::new(RejectReason::InputChanged, format!("expected {expected} bytes as listed, got {got}"))
}

fn check_regular(kind: FileType) -> Result<(), Reject> {
    if kind.is_file() {
        return Ok(());
    }
    let name = if kind.is_symlink() {
        "a symbolic link, and `follow_links` is off"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Reject::new(RejectReason::NotRegular, format!("expected a regular file, got {name}")))
}
