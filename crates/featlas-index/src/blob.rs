//! Files mapped into memory: the one place of this crate with `unsafe` code.

#![expect(
    unsafe_code,
    reason = "a map of a file is memory that the compiler cannot vouch for; the proof is below"
)]

use crate::IndexError;
use bytemuck::Pod;
use memmap2::Mmap;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

/// Every section begins at a multiple of this: a cache line, and a whole number of every type that sections hold.
pub(crate) const ALIGNMENT: usize = 64;

/// The bytes of a file, mapped or in memory. They begin at a page, so sections are aligned.
#[derive(Debug, Clone)]
pub(crate) struct Blob(Arc<Mmap>);

impl Blob {
    /// Maps a regular file.
    ///
    /// # Errors
    /// [`IndexError::Read`]; [`IndexError::Damaged`] for what is no regular file.
    pub(crate) fn open(path: &Path) -> Result<Self, IndexError> {
        let read = |source| IndexError::Read { path: path.to_owned(), source };
        // Asked before opening: to open a pipe would wait for its writer.
        if !fs_err::metadata(path).map_err(read)?.is_file() {
            return Err(IndexError::Damaged { reason: "not a regular file".into(), path: path.to_owned() });
        }
        let file = fs_err::File::open(path).map_err(read)?;
        if file.metadata().map_err(read)?.len() == 0 {
            return Err(IndexError::Damaged { reason: "it is empty".into(), path: path.to_owned() });
        }
        // SAFETY: a map is sound while nobody changes or cuts the file under it. Files of an index are never changed in place:
        // they are written under a name of their own, synced, and then only read or unlinked, which leaves a map whole.
        // What another program might do to them meanwhile is beyond any reader of files; the map is private and
        // read-only, every access is bounds-checked against its length, and all types read from it accept any bits.
        let map = unsafe { Mmap::map(file.file()) }.map_err(read)?;
        Ok(Self(Arc::new(map)))
    }

    /// Copies bytes into memory of their own, aligned as a map is.
    ///
    /// # Errors
    /// [`IndexError::Read`] if there is no memory.
    pub(crate) fn copy_of(bytes: &[u8], path: &Path) -> Result<Self, IndexError> {
        let read = |source| IndexError::Read { path: path.to_owned(), source };
        if bytes.is_empty() {
            return Err(IndexError::Damaged { reason: "it is empty".into(), path: path.to_owned() });
        }
        let mut map = memmap2::MmapMut::map_anon(bytes.len()).map_err(read)?;
        map.copy_from_slice(bytes);
        Ok(Self(Arc::new(map.make_read_only().map_err(read)?)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Asks the system to fetch bytes before they are read, where it can be asked: bytes that lie apart then come together.
    #[cfg_attr(not(unix), expect(unused_variables, reason = "only Unix can be asked"))]
    pub(crate) fn will_need(&self, from: usize, len: usize) {
        #[cfg(unix)]
        // Refused or not, reading finds the bytes.
        drop(self.0.advise_range(memmap2::Advice::WillNeed, from, len));
    }

    /// `count` numbers from byte `at` on, if there are so many and they are aligned.
    pub(crate) fn section<T: Pod>(&self, at: usize, count: usize) -> Option<Section<T>> {
        let end = at.checked_add(count.checked_mul(size_of::<T>())?)?;
        bytemuck::try_cast_slice::<u8, T>(self.bytes().get(at..end)?).ok()?;
        Some(Section::Mapped(self.clone(), at, end, PhantomData))
    }
}

/// Numbers, owned or inside a [`Blob`].
#[derive(Debug, Clone)]
pub(crate) enum Section<T> {
    Owned(Vec<T>),
    Mapped(Blob, usize, usize, PhantomData<T>),
}

impl<T: Pod> std::ops::Deref for Section<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            Self::Mapped(blob, from, to, _) => bytemuck::cast_slice(&blob.bytes()[*from..*to]),
        }
    }
}

impl<T> From<Vec<T>> for Section<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Owned(values)
    }
}
