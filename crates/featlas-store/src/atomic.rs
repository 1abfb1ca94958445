//! Files that appear whole or not at all, and stay after a power cut.

use crate::error::StoreError;
use crate::pieces::PieceHasher;
use featlas_core::Digest;
use serde::{Deserialize, Serialize};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How the names of unfinished files begin. They are never read, and `gc` removes them.
pub const TEMP_PREFIX: &str = ".tmp-";

/// A finished file of an atlas: where it is, how long it is, what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Path relative to the atlas, with `/` between its parts.
    pub file: String,
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 digest of its bytes.
    pub digest: Digest,
}

/// Length and digest of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 digest of the bytes.
    pub digest: Digest,
}

/// A file under construction. It takes its place when [`commit`](Self::commit) returns: before, and after a
/// drop or a crash, whatever was at that place is still there, whole.
#[derive(Debug)]
pub struct AtomicFile {
    out: BufWriter<Sink>,
    dest: PathBuf,
}

/// A file whose bytes are on disk under a temporary name.
#[derive(Debug)]
pub(crate) struct Finished {
    temp: NamedTempFile,
    pub(crate) written: Written,
    /// Digests of its pieces, unless one is all.
    pub(crate) pieces: Vec<Digest>,
}

#[derive(Debug)]
struct Sink {
    temp: NamedTempFile,
    hasher: PieceHasher,
    bytes: u64,
}

impl Write for Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let taken = self.temp.write(buf)?;
        self.hasher.update(&buf[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temp.flush()
    }
}

impl AtomicFile {
    /// Begins a file that is to stand at `dest`; makes its folder if need be.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn create(dest: &Path) -> Result<Self, StoreError> {
        let folder = parent(dest);
        create_dirs(folder)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMP_PREFIX).rand_bytes(12);
        // Other users of the machine may read an atlas as far as the umask lets them.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let temp = builder.tempfile_in(folder).map_err(StoreError::io)?;
        let sink = Sink { temp, hasher: PieceHasher::default(), bytes: 0 };
        Ok(Self { out: BufWriter::new(sink), dest: dest.to_owned() })
    }

    /// Puts the file in its place, over what was there, and makes that last.
    ///
    /// # Errors
    /// [`StoreError::Io`]; then the place is as it was.
    pub fn commit(self) -> Result<Written, StoreError> {
        let dest = self.dest.clone();
        let finished = self.finish()?;
        let written = finished.written;
        finished.persist(&dest)?;
        sync_dir(parent(&dest))?;
        Ok(written)
    }

    /// Flushes and syncs the bytes; the file still has its temporary name.
    pub(crate) fn finish(self) -> Result<Finished, StoreError> {
        let sink = self.out.into_inner().map_err(|err| StoreError::io(err.into_error()))?;
        sink.temp.as_file().sync_all().map_err(|source| with_path(&source, sink.temp.path()))?;
        let (digest, pieces) = sink.hasher.finish();
        let written = Written { bytes: sink.bytes, digest };
        Ok(Finished { temp: sink.temp, written, pieces })
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.out.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Finished {
    /// Renames over `dest`. The folder is not synced yet.
    pub(crate) fn persist(self, dest: &Path) -> Result<(), StoreError> {
        self.temp.persist(dest).map_err(|err| with_path(&err.error, dest))?;
        Ok(())
    }

    /// Gives the file the name `dest` unless something has it already: `false` then, and the file is gone.
    pub(crate) fn persist_new(self, dest: &Path) -> Result<bool, StoreError> {
        match self.temp.persist_noclobber(dest) {
            Ok(_file) => Ok(true),
            Err(err) if err.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(err) => Err(with_path(&err.error, dest)),
        }
    }
}

/// Writes a whole file atomically, over what was there; makes its folder if need be.
///
/// # Errors
/// [`StoreError::Io`]; then the place is as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<Written, StoreError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(StoreError::io)?;
    file.commit()
}

/// Writes a whole file unless one is there already; tells whether it was written.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, StoreError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(StoreError::io)?;
    let written = file.finish()?.persist_new(path)?;
    sync_dir(parent(path))?;
    Ok(written)
}

/// Makes `folder` and what is missing above it, each synced into its parent.
pub(crate) fn create_dirs(folder: &Path) -> Result<(), StoreError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    create_dirs(parent(folder))?;
    match fs_err::create_dir(folder) {
        // Somebody else made it in between.
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        result => result.map_err(StoreError::io)?,
    }
    sync_dir(parent(folder))
}

/// Makes renames and new names inside `folder` last. Only Unix has, and needs, such a call.
pub(crate) fn sync_dir(folder: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        fs_err::File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::io)?;
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn with_path(source: &io::Error, path: &Path) -> StoreError {
    let kind = source.kind();
    StoreError::io(io::Error::new(kind, format!("cannot write `{}`: {source}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs_err::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_dropped_file_leaves_the_old_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(fs_err::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn what_was_written_is_what_the_digest_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/a.bin");
        let bytes: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let written = write_atomic(&path, &bytes).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), bytes);
        assert_eq!(written, Written { bytes: bytes.len() as u64, digest: Digest::of(&bytes) });
    }

    #[test]
    fn a_new_file_never_replaces_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(write_new(&path, b"first").unwrap());
        assert!(!write_new(&path, b"second").unwrap());
        assert_eq!(fs_err::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn files_are_as_readable_as_the_umask_allows() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        let ours = folder.path().join("ours");
        fs_err::write(&plain, b"").unwrap();
        write_atomic(&ours, b"").unwrap();
        let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
