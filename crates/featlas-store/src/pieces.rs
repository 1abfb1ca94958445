//! Files verified piece by piece: what is read is digested first, and what is not read costs nothing.
//!
//! A shard's record holds the digest of each [`PIECE_BYTES`] of it beside that of the whole. So the paths of ten neighbors,
//! which lie in shards of megabytes of features, cost a few pieces of each instead of every byte.

use crate::error::StoreError;
use crate::read::check_digest;
use bytes::Bytes;
use featlas_core::{Digest, Hasher};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a piece; the last of a file may be shorter.
pub(crate) const PIECE_BYTES: usize = 128 << 10;

/// Pieces of a file of `bytes`. One that is a single piece needs no digests but its own.
pub(crate) fn num_pieces(bytes: u64) -> u64 {
    match bytes.div_ceil(PIECE_BYTES as u64) {
        0 | 1 => 0,
        pieces => pieces,
    }
}

/// Digests a stream and each piece of it.
#[derive(Debug, Default)]
pub(crate) struct PieceHasher {
    whole: Hasher,
    piece: Hasher,
    bytes: usize,
    digests: Vec<Digest>,
}

impl PieceHasher {
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.bytes));
            self.piece.update(now);
            self.bytes += now.len();
            if self.bytes == PIECE_BYTES {
                self.close();
            }
            bytes = rest;
        }
    }

    fn close(&mut self) {
        self.digests.push(std::mem::take(&mut self.piece).finish());
        self.bytes = 0;
    }

    /// The digest of the whole, and those of the pieces unless one is all.
    pub(crate) fn finish(mut self) -> (Digest, Vec<Digest>) {
        if self.bytes > 0 {
            self.close();
        }
        if self.digests.len() == 1 {
            self.digests.clear();
        }
        (self.whole.finish(), self.digests)
    }
}

/// Digests of the pieces of a file, and which of them were compared already.
#[derive(Debug)]
pub(crate) struct Pieces {
    digests: Vec<Digest>,
    verified: Vec<AtomicBool>,
}

impl Pieces {
    pub(crate) fn new(digests: &[Digest]) -> Self {
        let verified = digests.iter().map(|_| AtomicBool::new(false)).collect();
        Self { digests: digests.to_vec(), verified }
    }
}

/// A Parquet file of which no byte is handed out before its piece was verified.
#[derive(Debug, Clone)]
pub(crate) struct PieceReader {
    file: Arc<fs_err::File>,
    len: u64,
    // None: the whole file was verified.
    pieces: Option<Arc<Pieces>>,
    // The first damage that was met, which Parquet's errors cannot carry.
    damage: Arc<Mutex<Option<StoreError>>>,
}

impl PieceReader {
    /// A reader of a file of `len` bytes; `pieces` are those of a file of that length.
    pub(crate) fn new(file: fs_err::File, len: u64, pieces: Option<Arc<Pieces>>) -> Self {
        Self { file: Arc::new(file), len, pieces, damage: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The damage that made the last read fail, if that is why it failed.
    pub(crate) fn take_damage(&self) -> Option<StoreError> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let too_long = |_| io::Error::other("a range longer than memory");
        let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(too_long)?];
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(range.start))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of `range`, which lies in the file. Pieces not seen before are read whole, and compared as they were read.
    fn read_verified(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let size = PIECE_BYTES as u64;
        let first = range.start / size;
        let touched = usize::try_from(first)?..usize::try_from(range.end.div_ceil(size))?;
        let Some(pieces) = &self.pieces else { return Ok(self.read_at(range)?.into()) };
        let known = pieces
            .verified
            .get(touched.clone())
            .is_some_and(|verified| verified.iter().all(|verified| verified.load(Ordering::Acquire)));
        if known || range.is_empty() {
            return Ok(self.read_at(range)?.into());
        }
        let from = first * size;
        let bytes = self.read_at(from..(touched.end as u64 * size).min(self.len))?;
        for (piece, index) in bytes.chunks(PIECE_BYTES).zip(touched) {
            // A file longer than its pieces would have been refused when its record was read.
            let expected = pieces.digests.get(index).copied().unwrap_or(Digest([0; 32]));
            if let Err(damage) = check_digest(expected, Digest::of(piece), self.path()) {
                self.damage.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(damage);
                return Err(ParquetError::General("a piece of the file is damaged".to_owned()));
            }
            pieces.verified[index].store(true, Ordering::Release);
        }
        let start = usize::try_from(range.start - from)?;
        Ok(Bytes::from(bytes).slice(start..start + usize::try_from(range.end - range.start)?))
    }

    fn bounded(&self, start: u64, length: u64) -> Result<Range<u64>, ParquetError> {
        let end = start.checked_add(length).filter(|end| *end <= self.len);
        let beyond = || ParquetError::EOF(format!("{length} bytes from {start} of {}", self.len));
        Ok(start..end.ok_or_else(beyond)?)
    }
}

impl Length for PieceReader {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for PieceReader {
    type T = BufReader<Stream>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let at = self.bounded(start, 0)?.start;
        Ok(BufReader::new(Stream { reader: self.clone(), at }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.read_verified(self.bounded(start, length as u64)?)
    }
}

/// Reads on from a place.
#[derive(Debug)]
pub(crate) struct Stream {
    reader: PieceReader,
    at: u64,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.at.saturating_add(buffer.len() as u64).min(self.reader.len);
        let bytes = self.reader.read_verified(self.at..end).map_err(io::Error::other)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.at = end;
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn stored(bytes: &[u8]) -> (tempfile::NamedTempFile, Vec<Digest>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut hasher = PieceHasher::default();
        // Cut anywhere: the pieces do not depend on it.
        bytes.chunks(77_777).for_each(|chunk| hasher.update(chunk));
        let (whole, digests) = hasher.finish();
        assert_eq!(whole, Digest::of(bytes));
        assert_eq!(digests.len() as u64, num_pieces(bytes.len() as u64));
        (file, digests)
    }

    fn open(file: &tempfile::NamedTempFile, digests: &[Digest]) -> PieceReader {
        let open = fs_err::File::open(file.path()).unwrap();
        let len = open.metadata().unwrap().len();
        PieceReader::new(open, len, Some(Arc::new(Pieces::new(digests))))
    }

    fn noise(len: usize) -> Vec<u8> {
        (0..len as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56).to_le_bytes()[0]).collect()
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let bytes = noise(5 * PIECE_BYTES + 1234);
        let (file, digests) = stored(&bytes);
        assert_eq!(digests[2], Digest::of(&bytes[2 * PIECE_BYTES..3 * PIECE_BYTES]));
        let reader = open(&file, &digests);
        for (start, len) in [
            (0, 1),
            (PIECE_BYTES - 1, 2),
            (PIECE_BYTES, PIECE_BYTES),
            (3, bytes.len() - 3),
            (bytes.len() - 9, 9),
            (7, 0),
        ] {
            assert_eq!(reader.get_bytes(start as u64, len).unwrap(), bytes[start..start + len]);
        }
        let mut rest = Vec::new();
        reader.get_read(PIECE_BYTES as u64 - 5).unwrap().read_to_end(&mut rest).unwrap();
        assert_eq!(rest, bytes[PIECE_BYTES - 5..]);
        for (start, len) in [(bytes.len() as u64, 1), (u64::MAX, 1), (1, usize::MAX)] {
            assert!(matches!(reader.get_bytes(start, len), Err(ParquetError::EOF(_))), "{start} {len}");
        }
    }

    #[test]
    fn damage_is_met_by_whoever_reads_its_piece_and_by_nobody_else() {
        let mut bytes = noise(3 * PIECE_BYTES);
        let (_, digests) = stored(&bytes);
        bytes[PIECE_BYTES + 17] ^= 4;
        let file = stored(&bytes).0;
        let reader = open(&file, &digests);
        assert_eq!(reader.get_bytes(5, 100).unwrap(), bytes[5..105]);
        assert_eq!(reader.get_bytes(2 * PIECE_BYTES as u64, 9).unwrap(), bytes[2 * PIECE_BYTES..][..9]);
        assert!(reader.take_damage().is_none());
        for range in [(PIECE_BYTES, 1), (PIECE_BYTES - 1, 2), (0, bytes.len()), (2 * PIECE_BYTES - 1, 1)] {
            reader.get_bytes(range.0 as u64, range.1).unwrap_err();
            assert!(matches!(reader.take_damage(), Some(StoreError::Digest { .. })), "{range:?}");
        }
        reader.get_read(PIECE_BYTES as u64).unwrap().read_exact(&mut [0]).unwrap_err();
        assert!(reader.take_damage().is_some());
    }
}
