//! The two files of an index, format 1. All numbers are little-endian; a BLAKE3 digest of all that precedes ends each file.
//!
//! ```text
//! vectors   magic 8 · version u32 · 0 u32 · n u64 · dim u64
//!           ids n × u64 · unit rows n × dim × f32 · digest 32
//! graph     magic 8 · version u32 · 0 u32 · rows u64 · nodes u64 · slots u64 · links u64
//!           entry u32 · m u32 · ef_construction u32 · ef_search u32 · threads u32 · 0 u32 · seed u64
//!           lost u64 · links_added u64 · still_lost u64 · digest of the vectors 32
//!           node of row rows × u32 · level nodes × u8 · degree slots × u16 · links × u32 · digest 32
//! ```

use crate::graph::{Graph, Parts};
use crate::{Audit, IndexError, IndexParams, Vectors};
use bytemuck::Pod;
use featlas_core::{Digest, Hasher, ImageId, l2_norm};
use std::io::{BufReader, Read, Write};
use std::path::Path;

const FORMAT_VERSION: u32 = 1;
const VECTORS_MAGIC: [u8; 8] = *b"FATLVEC\n";
const GRAPH_MAGIC: [u8; 8] = *b"FATLGRF\n";
const DIGEST_BYTES: u64 = 32;
const VECTORS_HEADER_BYTES: u64 = 32;
const GRAPH_HEADER_BYTES: u64 = 136;
/// How far the length of a stored row may be from 1: rounding, with room.
const UNIT_TOLERANCE: f64 = 1e-4;

/// A stream, its length, and its path for errors.
pub(crate) type Input<'a> = (&'a mut dyn Read, u64, &'a Path);

/// A graph file's contents.
#[derive(Debug)]
pub(crate) struct GraphFile {
    pub(crate) graph: Graph,
    pub(crate) params: IndexParams,
    pub(crate) audit: Audit,
    pub(crate) vectors_digest: Digest,
}

/// Writes `vectors` and returns the digest that ends the file.
pub(crate) fn write_vectors(vectors: &Vectors, out: &mut dyn Write) -> std::io::Result<Digest> {
    let mut seal = Seal { out, hasher: Hasher::new() };
    seal.put(&VECTORS_MAGIC)?;
    seal.numbers(&[FORMAT_VERSION, 0])?;
    seal.numbers(&[vectors.len() as u64, vectors.dim() as u64])?;
    let ids: Vec<u64> = vectors.ids().iter().map(|id| id.0).collect();
    seal.numbers(&ids)?;
    seal.numbers(vectors.values())?;
    seal.close()
}

/// Writes `graph` over the vectors with digest `vectors_digest`.
pub(crate) fn write_graph(
    graph: &Graph,
    params: &IndexParams,
    audit: &Audit,
    vectors_digest: Digest,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let parts = graph.parts();
    let mut seal = Seal { out, hasher: Hasher::new() };
    // `IndexParams::check` bounds the first three; threads beyond 32 bits are a number nobody reads.
    let small = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
    seal.put(&GRAPH_MAGIC)?;
    seal.numbers(&[FORMAT_VERSION, 0])?;
    let counts = [parts.node_of_row.len(), parts.levels.len(), parts.degrees.len(), parts.links.len()];
    seal.numbers(&counts.map(|count| count as u64))?;
    let settings = [params.m, params.ef_construction, params.ef_search, params.threads].map(small);
    seal.numbers(&[parts.entry])?;
    seal.numbers(&settings)?;
    seal.numbers(&[0u32])?;
    seal.numbers(&[params.seed])?;
    seal.numbers(&[audit.lost, audit.links_added, audit.still_lost].map(|count| count as u64))?;
    seal.put(&vectors_digest.0)?;
    seal.numbers(&parts.node_of_row)?;
    seal.put(&parts.levels)?;
    seal.numbers(&parts.degrees)?;
    seal.numbers(&parts.links)?;
    seal.close().map(|_digest| ())
}

/// Opens a regular file and tells its length.
pub(crate) fn open(path: &Path) -> Result<(BufReader<fs_err::File>, u64), IndexError> {
    let read = |source| IndexError::Read { path: path.to_owned(), source };
    // Asked before opening: to open a pipe would wait for its writer.
    let meta = fs_err::metadata(path).map_err(read)?;
    if !meta.is_file() {
        return Err(IndexError::Damaged { reason: "not a regular file".into(), path: path.to_owned() });
    }
    let file = fs_err::File::open(path).map_err(read)?;
    let len = file.metadata().map_err(read)?.len();
    Ok((BufReader::new(file), len))
}

/// Reads and checks a vectors file; returns its digest too.
pub(crate) fn read_vectors((input, len, path): Input<'_>) -> Result<(Vectors, Digest), IndexError> {
    let mut file = Sealed { input, hasher: Hasher::new(), path };
    file.begin(VECTORS_MAGIC, len, VECTORS_HEADER_BYTES)?;
    let [n, dim] = file.numbers::<u64, 2>()?;
    let expected = || {
        n.checked_mul(dim.checked_mul(4)?.checked_add(8)?)?.checked_add(VECTORS_HEADER_BYTES + DIGEST_BYTES)
    };
    let [n, dim] = file.sizes(expected(), len, [n, dim])?;
    let ids: Vec<u64> = file.block(n)?;
    let values: Vec<f32> = file.block(n * dim)?;
    let digest = file.close()?;
    if n == 0 || dim == 0 {
        return Err(file_damaged(path, format!("{n} vectors of {dim} components")));
    }
    for (row, values) in values.chunks_exact(dim).enumerate() {
        let norm = l2_norm(values);
        // NaN is in no range.
        if !(1.0 - UNIT_TOLERANCE..=1.0 + UNIT_TOLERANCE).contains(&norm) {
            return Err(file_damaged(path, format!("row {row} has length {norm}, expected 1")));
        }
    }
    let ids = ids.into_iter().map(ImageId).collect();
    let vectors =
        Vectors::from_unit_rows(ids, values, dim).map_err(|err| file_damaged(path, err.to_string()))?;
    Ok((vectors, digest))
}

/// Reads and checks a graph file.
pub(crate) fn read_graph((input, len, path): Input<'_>) -> Result<GraphFile, IndexError> {
    let mut file = Sealed { input, hasher: Hasher::new(), path };
    file.begin(GRAPH_MAGIC, len, GRAPH_HEADER_BYTES)?;
    let [rows, nodes, slots, links] = file.numbers::<u64, 4>()?;
    let expected = || {
        let bytes = [rows.checked_mul(4)?, nodes, slots.checked_mul(2)?, links.checked_mul(4)?];
        bytes.into_iter().try_fold(GRAPH_HEADER_BYTES + DIGEST_BYTES, u64::checked_add)
    };
    let counts = file.sizes(expected(), len, [rows, nodes, slots, links])?;
    let [entry, m, ef_construction, ef_search, threads, reserved] = file.numbers::<u32, 6>()?;
    let [seed] = file.numbers::<u64, 1>()?;
    let audit = file.numbers::<u64, 3>()?;
    let mut vectors_digest = Digest([0; 32]);
    file.take(&mut vectors_digest.0)?;
    let [rows, nodes, slots, links] = counts;
    let parts = Parts {
        node_of_row: file.block(rows)?,
        levels: file.block(nodes)?,
        degrees: file.block(slots)?,
        links: file.block(links)?,
        entry,
    };
    file.close()?;
    let damaged = |reason: String| file_damaged(path, reason);
    if reserved != 0 {
        return Err(damaged(format!("reserved field holds {reserved}, expected 0")));
    }
    let params = IndexParams {
        m: m as usize,
        ef_construction: ef_construction as usize,
        ef_search: ef_search as usize,
        seed,
        threads: threads as usize,
    };
    params.check().map_err(|err| damaged(err.to_string()))?;
    let [lost, links_added, still_lost] = audit.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    if lost > nodes || still_lost > lost || links_added > links {
        return Err(damaged(format!("{lost} lost, {still_lost} still lost of {nodes} nodes")));
    }
    let audit = Audit { checked: nodes, lost, links_added, still_lost };
    let graph = Graph::new(parts).map_err(damaged)?;
    Ok(GraphFile { graph, params, audit, vectors_digest })
}

fn file_damaged(path: &Path, reason: String) -> IndexError {
    IndexError::Damaged { reason, path: path.to_owned() }
}

/// A number as the files hold it.
trait Number: Pod {
    /// From little-endian to native order, or back.
    fn swap(self) -> Self;
}

macro_rules! numbers {
    ($($int:ty),*) => { $(impl Number for $int { fn swap(self) -> Self { Self::from_le(self) } })* };
}
numbers!(u8, u16, u32, u64);

impl Number for f32 {
    fn swap(self) -> Self {
        Self::from_bits(u32::from_le(self.to_bits()))
    }
}

/// Writes and hashes.
struct Seal<'a> {
    out: &'a mut dyn Write,
    hasher: Hasher,
}

impl Seal<'_> {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }

    fn numbers<T: Number>(&mut self, numbers: &[T]) -> std::io::Result<()> {
        if cfg!(target_endian = "little") {
            return self.put(bytemuck::cast_slice(numbers));
        }
        numbers.iter().try_for_each(|number| self.put(bytemuck::bytes_of(&number.swap())))
    }

    fn close(self) -> std::io::Result<Digest> {
        let digest = self.hasher.finish();
        self.out.write_all(&digest.0)?;
        Ok(digest)
    }
}

/// Reads and hashes.
struct Sealed<'a> {
    input: &'a mut dyn Read,
    hasher: Hasher,
    path: &'a Path,
}

impl Sealed<'_> {
    fn take(&mut self, bytes: &mut [u8]) -> Result<(), IndexError> {
        let read = self.input.read_exact(bytes);
        read.map_err(|source| IndexError::Read { path: self.path.to_owned(), source })?;
        self.hasher.update(bytes);
        Ok(())
    }

    fn numbers<T: Number, const N: usize>(&mut self) -> Result<[T; N], IndexError> {
        let mut numbers = [T::zeroed(); N];
        self.take(bytemuck::cast_slice_mut(&mut numbers))?;
        Ok(numbers.map(T::swap))
    }

    /// `count` numbers; [`Sealed::sizes`] has seen to it that the file holds so many.
    fn block<T: Number>(&mut self, count: usize) -> Result<Vec<T>, IndexError> {
        let mut numbers = vec![T::zeroed(); count];
        self.take(bytemuck::cast_slice_mut(&mut numbers))?;
        if cfg!(target_endian = "big") {
            for number in &mut numbers {
                *number = number.swap();
            }
        }
        Ok(numbers)
    }

    /// Magic and version.
    fn begin(&mut self, magic: [u8; 8], len: u64, header: u64) -> Result<(), IndexError> {
        if len < header + DIGEST_BYTES {
            return Err(file_damaged(self.path, format!("{len} bytes are too few")));
        }
        let mut found = [0u8; 8];
        self.take(&mut found)?;
        if found != magic {
            return Err(file_damaged(self.path, "it does not begin like one".into()));
        }
        let [version, reserved] = self.numbers::<u32, 2>()?;
        if version != FORMAT_VERSION {
            return Err(IndexError::Version {
                expected: FORMAT_VERSION,
                got: version,
                path: self.path.to_owned(),
            });
        }
        if reserved != 0 {
            return Err(file_damaged(self.path, format!("reserved field holds {reserved}, expected 0")));
        }
        Ok(())
    }

    /// The counts of a header, if the file is exactly as long as they say. Nothing is allocated before this.
    fn sizes<const N: usize>(
        &self,
        expected: Option<u64>,
        len: u64,
        counts: [u64; N],
    ) -> Result<[usize; N], IndexError> {
        if expected != Some(len) {
            let expected = expected.map_or("more".into(), |bytes| bytes.to_string());
            return Err(file_damaged(self.path, format!("expected {expected} bytes, got {len}")));
        }
        let mut sizes = [0; N];
        for (size, count) in sizes.iter_mut().zip(counts) {
            *size = usize::try_from(count)
                .map_err(|_too_large| file_damaged(self.path, format!("{count} entries are too many")))?;
        }
        Ok(sizes)
    }

    /// Compares the digest at the end with that of all that was read.
    fn close(self) -> Result<Digest, IndexError> {
        let digest = self.hasher.finish();
        let mut stored = [0u8; 32];
        let read = self.input.read_exact(&mut stored);
        read.map_err(|source| IndexError::Read { path: self.path.to_owned(), source })?;
        if stored != digest.0 {
            return Err(file_damaged(self.path, "its contents do not match their digest".into()));
        }
        Ok(digest)
    }
}

#[cfg(test)]
#[path = "files/tests.rs"]
mod tests;
