//! Full rows on disk, one by one: what distances are computed from in the end.
//!
//! A rows file is a magic number, then record after record; it is written once and never changed. Where each record
//! lies, and its digest, stands in the index file, so a row is verified when it is first read and nobody reads
//! the rest. Little-endian, as everything here.

use crate::blob::Blob;
use crate::exact::Rows;
use crate::kernel::prefetch;
use crate::record::{self, Prepared};
use crate::{IndexError, Metric};
use featlas_core::{Digest, ImageId};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows that are kept in memory to fit a basis to.
pub const SAMPLE_ROWS: usize = 4096;
const SAMPLE_SEED: u64 = 0x5A3;
pub(crate) const ROWS_MAGIC: [u8; 8] = *b"FATLROW\n";
/// Where the first record begins.
const FIRST_BYTES: usize = 64;
const FIRST: u64 = FIRST_BYTES as u64;

/// Where a row lies: the place of its rows file in the list, its first byte there and its length in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Byte of the rows file.
    pub(crate) at: u64,
    /// The first eight bytes of the record's BLAKE3 digest.
    pub(crate) digest: u64,
    /// 32-bit words.
    pub(crate) words: u32,
    /// Number of the rows file.
    pub(crate) segment: u32,
}

/// A [`Place`] as the index file holds it.
pub(crate) type PackedPlace = [u64; 3];

impl Place {
    pub(crate) fn pack(self) -> PackedPlace {
        [self.at, self.digest, u64::from(self.segment) << 32 | u64::from(self.words)]
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
    pub(crate) fn unpack([at, digest, rest]: PackedPlace) -> Self {
        Self { at, digest, words: rest as u32, segment: (rest >> 32) as u32 }
    }
}

/// A rows file under construction.
///
/// Rows are prepared for the metric, stored losslessly and counted; a row of zeros has no direction and is left out under
/// the cosine. Memory: 32 bytes a row, and the sample. Dropped before [`build`](crate::build()) took it, it leaves an
/// orphan.
#[derive(Debug)]
pub struct RowsWriter {
    out: BufWriter<fs_err::File>,
    path: PathBuf,
    name: String,
    dim: usize,
    metric: Metric,
    segment: u32,
    written: u64,
    pub(crate) ids: Vec<ImageId>,
    pub(crate) places: Vec<Place>,
    zero: Vec<ImageId>,
    sample: Sample,
    row: Vec<f32>,
    record: Vec<u32>,
}

impl RowsWriter {
    /// Begins the rows file `name` in `folder`; it must not be there yet. `dim` is the length of a row.
    ///
    /// # Errors
    /// [`IndexError::WriteRows`], [`IndexError::Shape`] if `dim` is 0.
    pub fn create(folder: &Path, name: &str, dim: usize, metric: Metric) -> Result<Self, IndexError> {
        if dim == 0 {
            return Err(IndexError::Shape { ids: 0, dim, expected: 0, got: 0 });
        }
        let path = folder.join(name);
        let wrong = |source| IndexError::WriteRows { path: path.clone(), source };
        let file = fs_err::OpenOptions::new().write(true).create_new(true).open(&path).map_err(wrong)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&head()).map_err(wrong)?;
        Ok(Self {
            out,
            name: name.to_owned(),
            dim,
            metric,
            segment: 0,
            written: FIRST,
            ids: Vec::new(),
            places: Vec::new(),
            zero: Vec::new(),
            sample: Sample { values: Vec::new(), seen: 0, rng: ChaCha8Rng::seed_from_u64(SAMPLE_SEED) },
            row: vec![0.0; dim],
            record: Vec::new(),
            path,
        })
    }

    /// Adds the row of image `id`, whose number is above all before it.
    ///
    /// # Errors
    /// [`IndexError::Shape`], [`IndexError::NonFinite`], [`IndexError::Order`], [`IndexError::WriteRows`].
    pub fn push(&mut self, id: ImageId, row: &[f32]) -> Result<(), IndexError> {
        if row.len() != self.dim {
            return Err(IndexError::Shape { ids: 1, dim: self.dim, expected: self.dim, got: row.len() });
        }
        if self.ids.last().is_some_and(|last| *last >= id) {
            return Err(IndexError::Order { id });
        }
        self.row.copy_from_slice(row);
        match record::prepare(&mut self.row, self.metric) {
            Prepared::NonFinite => return Err(IndexError::NonFinite { id }),
            Prepared::Zero => {
                self.zero.push(id);
                return Ok(());
            }
            Prepared::Ready => {}
        }
        self.record.clear();
        record::encode(&self.row, &mut self.record);
        let bytes: &[u8] = bytemuck::cast_slice(&self.record);
        let digest = Digest::of(bytes);
        self.out
            .write_all(bytes)
            .map_err(|source| IndexError::WriteRows { path: self.path.clone(), source })?;
        let words = u32::try_from(self.record.len()).map_err(|_long| IndexError::Shape {
            ids: 1,
            dim: self.dim,
            expected: self.dim,
            got: row.len(),
        })?;
        self.places.push(Place { at: self.written, digest: short(&digest), words, segment: self.segment });
        self.written += bytes.len() as u64;
        self.sample.offer(&self.row);
        self.ids.push(id);
        Ok(())
    }

    /// Rows taken so far.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no row was taken.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Images whose row is all zero; they were left out.
    pub fn zero(&self) -> &[ImageId] {
        &self.zero
    }

    /// A fair sample of the rows taken so far, as they are stored, row-major: what a basis can be fitted to. At most
    /// [`SAMPLE_ROWS`] rows; the same rows give the same sample.
    pub fn sample(&self) -> &[f32] {
        &self.sample.values
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The metric that rows are prepared for.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Numbers the file among those of an index.
    pub(crate) fn number(&mut self, segment: usize) {
        self.segment = u32::try_from(segment).expect("an index has at most 2^16 rows files");
        for place in &mut self.places {
            place.segment = self.segment;
        }
    }

    /// Ends and syncs the file.
    pub(crate) fn finish(self) -> Result<Written, IndexError> {
        let wrong = |source: std::io::Error| IndexError::WriteRows { path: self.path.clone(), source };
        let file = self.out.into_inner().map_err(|err| wrong(err.into_error()))?;
        file.sync_all().map_err(wrong)?;
        Ok(Written {
            file: RowsFile { name: self.name, bytes: self.written },
            ids: self.ids,
            places: self.places,
        })
    }
}

/// What a finished rows file holds.
pub(crate) struct Written {
    pub(crate) file: RowsFile,
    pub(crate) ids: Vec<ImageId>,
    pub(crate) places: Vec<Place>,
}

/// Rows drawn fairly from a stream whose length is not known before (Vitter 1985, algorithm R).
#[derive(Debug)]
struct Sample {
    values: Vec<f32>,
    seen: usize,
    rng: ChaCha8Rng,
}

impl Sample {
    fn offer(&mut self, row: &[f32]) {
        self.seen += 1;
        if self.seen <= SAMPLE_ROWS {
            self.values.extend_from_slice(row);
            return;
        }
        let place = self.rng.random_range(0..self.seen);
        if place < SAMPLE_ROWS {
            self.values[place * row.len()..][..row.len()].copy_from_slice(row);
        }
    }
}

/// A rows file as the index names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsFile {
    /// Its name, in the folder of the index.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// What a rows file begins with: the magic number, then zeros up to the first record.
fn head() -> [u8; FIRST_BYTES] {
    let mut head = [0; FIRST_BYTES];
    head[..ROWS_MAGIC.len()].copy_from_slice(&ROWS_MAGIC);
    head
}

fn short(digest: &Digest) -> u64 {
    digest.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The rows of an index, read one by one.
#[derive(Debug)]
pub(crate) struct RowStore {
    segments: Vec<(PathBuf, Blob)>,
    dim: usize,
    // A bit a row: whether its digest was compared since the files were opened.
    verified: Vec<AtomicU64>,
}

impl RowStore {
    /// Maps the files in `folder`, whose lengths must be those recorded.
    pub(crate) fn open(
        folder: &Path,
        files: &[RowsFile],
        rows: usize,
        dim: usize,
    ) -> Result<Self, IndexError> {
        let open = |file: &RowsFile| {
            let path = folder.join(&file.name);
            let blob = Blob::open(&path)?;
            let damaged = |reason: String| Err(IndexError::Damaged { reason, path: path.clone() });
            let got = blob.bytes().len() as u64;
            if got != file.bytes {
                return damaged(format!("expected {} bytes, got {got}", file.bytes));
            }
            if !blob.bytes().starts_with(&head()) {
                return damaged("it does not begin like one".to_owned());
            }
            Ok((path, blob))
        };
        let segments = files.iter().map(open).collect::<Result<_, _>>()?;
        let verified = std::iter::repeat_with(AtomicU64::default).take(rows.div_ceil(64)).collect();
        Ok(Self { segments, dim, verified })
    }

    fn damaged(&self, place: &Place, id: ImageId) -> IndexError {
        let path = self.segments.get(place.segment as usize).map(|(path, _)| path.clone());
        IndexError::DamagedRow { id, path: path.unwrap_or_default() }
    }

    /// The words at `place`, whatever they are.
    fn words(&self, place: &Place) -> Option<&[u32]> {
        let (_, blob) = self.segments.get(place.segment as usize)?;
        let from = usize::try_from(place.at).ok()?;
        let bytes = blob.bytes().get(from..from.checked_add(place.words as usize * 4)?)?;
        bytemuck::try_cast_slice(bytes).ok()
    }

    /// Asks for the record of a row that was not read since the files were opened, and so may still be on the disk.
    fn will_need(&self, row: usize, place: &Place) {
        let is_known = self.verified[row / 64].load(Ordering::Relaxed) >> (row % 64) & 1 == 1;
        // Only what lies in the file is asked for.
        if !is_known
            && self.words(place).is_some()
            && let Some((_, blob)) = self.segments.get(place.segment as usize)
            && let Ok(from) = usize::try_from(place.at)
        {
            blob.will_need(from, place.words as usize * 4);
        }
    }

    /// The record of row `row`, which lies at `place`; its digest is compared when it is first asked for.
    fn record(&self, row: usize, place: &Place) -> Option<&[u32]> {
        let words = self.words(place)?;
        let (word, bit) = (&self.verified[row / 64], 1u64 << (row % 64));
        if word.load(Ordering::Relaxed) & bit == 0 {
            if short(&Digest::of(bytemuck::cast_slice(words))) != place.digest {
                return None;
            }
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Some(words)
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }
}

/// Rows of a store by number: what a search compares with.
pub(crate) struct StoredRows<'a> {
    pub(crate) store: &'a RowStore,
    pub(crate) ids: &'a [u64],
    pub(crate) places: &'a [PackedPlace],
}

impl Rows for StoredRows<'_> {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn dim(&self) -> usize {
        self.store.dim()
    }

    fn id(&self, row: usize) -> ImageId {
        ImageId(self.ids[row])
    }

    fn row<'a>(&'a self, row: usize, buffer: &'a mut Vec<f32>) -> Result<&'a [f32], IndexError> {
        buffer.resize(self.dim(), 0.0);
        let place = Place::unpack(self.places[row]);
        let unpacked = self.store.record(row, &place).is_some_and(|record| record::decode(record, buffer));
        if unpacked { Ok(buffer) } else { Err(self.store.damaged(&place, self.id(row))) }
    }
}

impl StoredRows<'_> {
    /// Calls `take` with each of `rows` and `|row - query|²`, without unpacking rows where the processor allows.
    pub(crate) fn squared_to(
        &self,
        rows: &[u32],
        query: &[f32],
        buffer: &mut Vec<f32>,
        mut take: impl FnMut(usize, f32),
    ) -> Result<(), IndexError> {
        let place = |row: u32| Place::unpack(self.places[row as usize]);
        let words = |row: &u32| self.store.words(&place(*row)).unwrap_or_default();
        for &row in rows {
            prefetch(bytemuck::bytes_of(&self.places[row as usize]));
        }
        for &row in rows {
            self.store.will_need(row as usize, &place(row));
        }
        prefetch(bytemuck::cast_slice(rows.first().map_or(&[], words)));
        for (at, &row) in rows.iter().enumerate() {
            let (place, ahead) = (place(row), rows.get(at + 1).map_or(&[][..], words));
            let row = row as usize;
            let record = self.store.record(row, &place);
            let squared = record.and_then(|record| record::squared_to(record, query, ahead, buffer));
            take(row, squared.ok_or_else(|| self.store.damaged(&place, self.id(row)))?);
        }
        Ok(())
    }
}
