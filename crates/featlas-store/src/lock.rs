//! One writer at a time, politely.
//!
//! The lock saves work, not correctness: two writers without it, as on a network file system that ignores
//! locks, still make each commit exactly once.

use crate::atomic;
use crate::error::StoreError;
use crate::names::LOCK_FILE;
use std::fs::TryLockError;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

/// Holds the atlas for one process; lets go when dropped, and when the process dies.
#[derive(Debug)]
pub struct AtlasLock {
    file: fs_err::File,
}

impl AtlasLock {
    /// Takes the lock of the atlas at `root`, or says who has it.
    pub(crate) fn take(root: &Path) -> Result<Self, StoreError> {
        let path = root.join(LOCK_FILE);
        let mut options = fs_err::OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { holder: holder(&mut file), path });
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::io(source)),
        }
        file.set_len(0)
            .and_then(|()| write!(file, "process {} on {}", std::process::id(), host()))
            .map_err(StoreError::io)?;
        atomic::sync_dir(root)?;
        Ok(Self { file })
    }
}

impl Drop for AtlasLock {
    fn drop(&mut self) {
        // The file stays, empty: removing it would let two others lock two different files of one name.
        if self.file.set_len(0).is_err() {
            // Stale text in a lock file misleads nobody: it is read only while somebody holds the lock.
        }
    }
}

fn holder(file: &mut fs_err::File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut text));
    match read {
        Ok(_) if !text.is_empty() => text,
        _ => "another process".to_owned(),
    }
}

fn host() -> String {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .into_iter()
        .find_map(|path| fs_err::read_to_string(path).ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .map_or_else(|| "an unnamed host".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_learns_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let lock = AtlasLock::take(folder.path()).unwrap();
        let err = AtlasLock::take(folder.path()).unwrap_err();
        assert!(err.to_string().contains(&format!("process {} on ", std::process::id())), "{err}");
        drop(lock);
        AtlasLock::take(folder.path()).unwrap();
    }

    #[test]
    fn a_released_lock_leaves_an_empty_file() {
        let folder = tempfile::tempdir().unwrap();
        drop(AtlasLock::take(folder.path()).unwrap());
        assert_eq!(fs_err::read(folder.path().join(LOCK_FILE)).unwrap(), b"");
    }

    #[test]
    fn text_left_by_a_killed_process_does_not_lock() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join(LOCK_FILE), "process 1 on a host that burnt down").unwrap();
        AtlasLock::take(folder.path()).unwrap();
    }
}
