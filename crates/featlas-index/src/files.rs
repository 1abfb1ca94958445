//! The index file, format 2: mapped as it lies. All numbers are little-endian; a BLAKE3 digest of all before it ends the file.
//!
//! ```text
//! head      256 bytes, see `Head::pack`
//! sections  each at a multiple of 64 bytes, in this order:
//!           ids n × u64 · places n × 3 u64 · node of row n × u32 · removed ⌈n/64⌉ × u64
//!           levels v × u8 · slots v × u32 · bottom v × 2m × u32 · upper slots × m × u32 · codes v × rank
//!           matrix dim × rank × u16 · offset rank × f32 · rows files × 64 bytes
//! digest    32 bytes
//! ```

use crate::blob::{ALIGNMENT, Blob, Section};
use crate::compact::{MAX_RANK, Projection};
use crate::graph::Audit;
use crate::index::{Members, Parts};
use crate::segment::{PackedPlace, RowsFile};
use crate::vectors::MAX_ROWS;
use crate::{IndexError, IndexParams, Metric};
use bytemuck::Pod;
use featlas_core::{Digest, Hasher};
use std::io::Write;
use std::path::Path;

#[cfg(target_endian = "big")]
compile_error!("index files are little-endian and mapped as they lie");

const FORMAT_VERSION: u32 = 2;
const MAGIC: [u8; 8] = *b"FATLIDX\n";
const DIGEST_BYTES: usize = 32;
const HEAD_BYTES: usize = 256;
/// Bytes of a rows file's record: its name, then its length.
const FILE_BYTES: usize = 64;
const NAME_BYTES: usize = FILE_BYTES - 8;
/// Components that a row may have: enough for any layer, and no reason to run out of memory.
const MAX_DIM: u64 = 1 << 24;

/// What an index file says about itself, apart from the sections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Head {
    pub(crate) metric: Metric,
    pub(crate) params: IndexParams,
    pub(crate) ef_search: usize,
    /// Candidates that are compared exactly, for each neighbor asked for.
    pub(crate) rerank: usize,
    pub(crate) entry: u32,
    /// Rows at the last full build: what the basis was fitted to.
    pub(crate) built_rows: u64,
    pub(crate) audit: Audit,
    /// What the index was made from, in the words of whoever made it.
    pub(crate) tag: Digest,
}

/// The counts that decide where the sections lie.
#[derive(Debug, Clone, Copy)]
struct Counts {
    rows: usize,
    nodes: usize,
    slots: usize,
    files: usize,
    m: usize,
    rank: usize,
    dim: usize,
}

impl Counts {
    /// Bytes of each section, in order; none if they do not fit.
    fn section_bytes(&self) -> Option<[usize; 12]> {
        let Self { rows, nodes, slots, files, m, rank, dim } = *self;
        Some([
            rows.checked_mul(8)?,
            rows.checked_mul(24)?,
            rows.checked_mul(4)?,
            rows.div_ceil(64).checked_mul(8)?,
            nodes,
            nodes.checked_mul(4)?,
            nodes.checked_mul(m)?.checked_mul(8)?,
            slots.checked_mul(m)?.checked_mul(4)?,
            nodes.checked_mul(rank)?,
            dim.checked_mul(rank)?.checked_mul(2)?,
            rank.checked_mul(4)?,
            files.checked_mul(FILE_BYTES)?,
        ])
    }

    /// First byte of each section, and the length of the file.
    fn layout(&self) -> Option<([usize; 12], usize)> {
        let mut at = HEAD_BYTES;
        let mut starts = [0; 12];
        for (start, bytes) in starts.iter_mut().zip(self.section_bytes()?) {
            *start = at;
            at = at.checked_add(bytes)?.checked_next_multiple_of(ALIGNMENT)?;
        }
        Some((starts, at.checked_add(DIGEST_BYTES)?))
    }
}

fn pack(head: &Head, counts: &Counts, step: f32) -> Vec<u8> {
    let params = &head.params;
    let mut out = Vec::with_capacity(HEAD_BYTES);
    let small = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
    out.extend(MAGIC);
    for number in [
        FORMAT_VERSION,
        head.metric.code(),
        small(params.m),
        small(params.ef_construction),
        small(head.ef_search),
        small(head.rerank),
        head.entry,
        step.to_bits(),
        small(counts.rank),
        small(params.rank.unwrap_or(0)),
    ] {
        out.extend(number.to_le_bytes());
    }
    for number in [
        counts.rows as u64,
        counts.nodes as u64,
        counts.slots as u64,
        counts.files as u64,
        counts.dim as u64,
        head.built_rows,
        params.seed,
        params.recall.to_bits(),
        head.audit.lost as u64,
        head.audit.links_added as u64,
        head.audit.still_lost as u64,
    ] {
        out.extend(number.to_le_bytes());
    }
    out.extend(head.tag.0);
    out.resize(HEAD_BYTES, 0);
    out
}

/// Takes numbers from the front of the head.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        // The head is longer than all its fields, so the default is never used.
        let (field, rest) = self.0.split_first_chunk::<N>().map_or(([0; N], &[][..]), |(a, b)| (*a, b));
        self.0 = rest;
        field
    }

    fn small(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn large(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// Writes an index.
pub(crate) fn write(head: &Head, parts: &Parts, out: &mut dyn Write) -> std::io::Result<()> {
    let counts = Counts {
        rows: parts.ids.len(),
        nodes: parts.levels.len(),
        slots: parts.upper.len() / head.params.m,
        files: parts.files.len(),
        m: head.params.m,
        rank: parts.projection.rank(),
        dim: parts.projection.dim(),
    };
    let mut seal = Seal { out, hasher: Hasher::new(), at: 0 };
    seal.put(&pack(head, &counts, parts.projection.step()))?;
    seal.section(&parts.ids)?;
    seal.section(&parts.places)?;
    seal.section(&parts.node_of_row)?;
    seal.section(&parts.removed)?;
    seal.section(&parts.levels)?;
    seal.section(&parts.slots)?;
    seal.section(&parts.bottom)?;
    seal.section(&parts.upper)?;
    seal.section(&parts.codes)?;
    seal.section(parts.projection.matrix())?;
    seal.section(parts.projection.offset())?;
    let mut files = Vec::new();
    for file in &parts.files {
        let mut name = file.name.clone().into_bytes();
        name.resize(NAME_BYTES, 0);
        files.extend(name);
        files.extend(file.bytes.to_le_bytes());
    }
    seal.section(&files)?;
    seal.close()
}

/// Reads and checks an index from its bytes.
pub(crate) fn read(blob: &Blob, path: &Path) -> Result<(Head, Parts), IndexError> {
    let damaged = |reason: String| IndexError::Damaged { reason, path: path.to_owned() };
    let bytes = blob.bytes();
    if bytes.len() < HEAD_BYTES + DIGEST_BYTES {
        return Err(damaged(format!("{} bytes are too few", bytes.len())));
    }
    if !bytes.starts_with(&MAGIC) {
        return Err(damaged("it does not begin like one".to_owned()));
    }
    let (body, stored) = bytes.split_at(bytes.len() - DIGEST_BYTES);
    let mut fields = Fields(&body[MAGIC.len()..HEAD_BYTES]);
    let version = fields.small();
    if version != FORMAT_VERSION {
        return Err(IndexError::Version { expected: FORMAT_VERSION, got: version, path: path.to_owned() });
    }
    if Digest::of(body).0 != stored {
        return Err(damaged("its contents do not match their digest".to_owned()));
    }
    let metric =
        Metric::of_code(fields.small()).ok_or_else(|| damaged("its metric is unknown".to_owned()))?;
    let [m, ef_construction, ef_search, rerank] = [(); 4].map(|()| fields.small() as usize);
    let (entry, step, rank) = (fields.small(), f32::from_bits(fields.small()), fields.small() as usize);
    let asked_rank = fields.small() as usize;
    let [rows, nodes, slots, files, dim] = [(); 5].map(|()| fields.large());
    let (built_rows, seed, recall) = (fields.large(), fields.large(), f64::from_bits(fields.large()));
    let [lost, links_added, still_lost] =
        [(); 3].map(|()| usize::try_from(fields.large()).unwrap_or(usize::MAX));
    let tag = Digest(fields.take());
    let params = IndexParams {
        m,
        ef_construction,
        rank: (asked_rank > 0).then_some(asked_rank),
        recall,
        seed,
        threads: 0,
    };
    params.check().map_err(|err| damaged(err.to_string()))?;
    let bounded = |what: &str, count: u64, limit: u64| {
        let fits = (1..=limit).contains(&count);
        usize::try_from(count).ok().filter(|_| fits).ok_or_else(|| damaged(format!("{count} {what}")))
    };
    let rows = bounded("rows", rows, MAX_ROWS as u64)?;
    let counts = Counts {
        rows,
        nodes: bounded("nodes", nodes, rows as u64)?,
        slots: usize::try_from(slots).map_err(|_many| damaged(format!("{slots} slots")))?,
        files: bounded("rows files", files, 1 << 16)?,
        m,
        rank: bounded("directions", rank as u64, MAX_RANK as u64)?,
        dim: bounded("components", dim, MAX_DIM)?,
    };
    let (starts, expected) =
        counts.layout().ok_or_else(|| damaged("its sections do not fit any file".to_owned()))?;
    if expected != bytes.len() {
        return Err(damaged(format!("expected {expected} bytes, got {}", bytes.len())));
    }
    if ef_search == 0 || rerank == 0 {
        return Err(damaged("it keeps no candidates".to_owned()));
    }
    let audit = Audit { checked: counts.nodes, lost, links_added, still_lost };
    let head = Head { metric, params, ef_search, rerank, entry, built_rows, audit, tag };
    let parts = sections(blob, &counts, &starts, step).map_err(damaged)?;
    Ok((head, parts))
}

fn sections(blob: &Blob, counts: &Counts, starts: &[usize; 12], step: f32) -> Result<Parts, String> {
    fn section<T: Pod>(blob: &Blob, at: usize, count: usize) -> Result<Section<T>, String> {
        blob.section(at, count).ok_or_else(|| "a section lies outside of it".to_owned())
    }
    let Counts { rows, nodes, slots, files, m, rank, dim } = *counts;
    let matrix = section::<u16>(blob, starts[9], dim * rank)?.to_vec();
    let offset = section::<f32>(blob, starts[10], rank)?.to_vec();
    let projection = Projection::from_parts(dim, rank, matrix, offset, step)?;
    let records = section::<u8>(blob, starts[11], files * FILE_BYTES)?;
    let files = records.as_chunks::<FILE_BYTES>().0.iter().map(file_of).collect::<Result<Vec<_>, _>>()?;
    let ids: Section<u64> = section(blob, starts[0], rows)?;
    if !ids.is_sorted_by(|a, b| a < b) {
        return Err("its ids do not ascend".to_owned());
    }
    let places: Section<PackedPlace> = section(blob, starts[1], rows)?;
    let node_of_row: Section<u32> = section(blob, starts[2], rows)?;
    let members = Members::of(&node_of_row, nodes)?;
    Ok(Parts {
        ids,
        places,
        node_of_row,
        members,
        removed: section(blob, starts[3], rows.div_ceil(64))?,
        levels: section(blob, starts[4], nodes)?,
        slots: section(blob, starts[5], nodes)?,
        bottom: section(blob, starts[6], nodes * m * 2)?,
        upper: section(blob, starts[7], slots * m)?,
        codes: section(blob, starts[8], nodes * rank)?,
        projection,
        files,
    })
}

/// A rows file's name is a plain name: it never leads out of the index's folder.
fn file_of(record: &[u8; FILE_BYTES]) -> Result<RowsFile, String> {
    let (name, bytes) = record.split_at(NAME_BYTES);
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES);
    let plain = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let (name, rest) = name.split_at(end);
    if name.is_empty()
        || name.starts_with(b".")
        || !name.iter().all(plain)
        || rest.iter().any(|&byte| byte != 0)
    {
        return Err("the name of a rows file is not plain".to_owned());
    }
    let bytes = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Ok(RowsFile { name: String::from_utf8_lossy(name).into_owned(), bytes })
}

/// Whether `name` may name a rows file.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let mut record = [0; FILE_BYTES];
    name.len() <= NAME_BYTES && {
        record[..name.len()].copy_from_slice(name.as_bytes());
        file_of(&record).is_ok()
    }
}

/// Writes and hashes.
struct Seal<'a> {
    out: &'a mut dyn Write,
    hasher: Hasher,
    at: usize,
}

impl Seal<'_> {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.at += bytes.len();
        self.out.write_all(bytes)
    }

    fn section<T: Pod>(&mut self, numbers: &[T]) -> std::io::Result<()> {
        self.put(bytemuck::cast_slice(numbers))?;
        let padding = self.at.next_multiple_of(ALIGNMENT) - self.at;
        self.put(&[0; ALIGNMENT][..padding])
    }

    fn close(self) -> std::io::Result<()> {
        self.out.write_all(&self.hasher.finish().0)
    }
}

#[cfg(test)]
mod tests;
