//! The format of `torch.save` before version 1.6: five pickles, then the storages one behind the other.

use super::pickle::{self, Pickle, Storage, Value};
use super::{MAX_PICKLE_BYTES, Storages};
use crate::error::PthError;
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

/// `0x1950a86a20f9469cfc6c`, the first pickle of every file, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL: i64 = 1001;

/// The storages of an open file.
pub(super) struct Archive<R> {
    reader: R,
    /// Where each storage's first element lies in the file.
    offsets: HashMap<String, u64>,
}

/// The part of the file that can hold pickles.
pub(super) fn head(reader: &mut impl Read) -> Result<Vec<u8>, PthError> {
    let mut head = Vec::new();
    reader.take(MAX_PICKLE_BYTES).read_to_end(&mut head).map_err(|source| PthError::Io { source })?;
    Ok(head)
}

/// Reads the five pickles in `head` and finds the storages behind them.
pub(super) fn open<R: Read + Seek>(mut reader: R, head: &[u8]) -> Result<(Pickle<'_>, Archive<R>), PthError> {
    // Anything else at the beginning is another kind of file, however far it parses.
    let magic = pickle::read(head, 0).map_err(|_no_pickle| PthError::NotACheckpoint)?;
    if magic.long(magic.root()) != Some(&MAGIC) {
        return Err(PthError::NotACheckpoint);
    }
    let malformed = |what, offset| PthError::Malformed { what, offset };
    let version = pickle::read(head, magic.end)?;
    if *version.root() != Value::Int(PROTOCOL) {
        return Err(malformed("its version is not 1001", magic.end));
    }
    let system = pickle::read(head, version.end)?;
    if !is_little_endian(&system) {
        return Err(PthError::BigEndian);
    }
    let object = pickle::read(head, system.end)?;
    let keys = pickle::read(head, object.end)?;
    let offsets = find_storages(&mut reader, &object, &keys)?;
    Ok((object, Archive { reader, offsets }))
}

fn is_little_endian(system: &Pickle<'_>) -> bool {
    let Value::Dict(entries) = system.root() else { return false };
    entries.iter().any(|(key, value)| {
        system.text(system.get(*key)) == Some("little_endian") && *system.get(*value) == Value::Bool(true)
    })
}

/// Walks over the storages, each a count of elements and then the elements, in the order of `keys`.
fn find_storages<R: Read + Seek>(
    reader: &mut R,
    object: &Pickle<'_>,
    keys: &Pickle<'_>,
) -> Result<HashMap<String, u64>, PthError> {
    let io = |source| PthError::Io { source };
    let mut known: HashMap<&str, &Storage> = HashMap::new();
    for storage in object.storages() {
        known.insert(object.str(&storage.key).unwrap_or_default(), storage);
    }
    let Value::List(order) = keys.root() else {
        return Err(PthError::Malformed { what: "the storage keys are no list", offset: object.end });
    };
    let file_len = reader.seek(SeekFrom::End(0)).map_err(io)?;
    let mut at = keys.end as u64;
    let mut offsets = HashMap::new();
    for key in order {
        let key = keys.text(keys.get(*key)).unwrap_or_default();
        let storage = *known
            .get(key)
            .ok_or(PthError::Malformed { what: "a storage key belongs to no tensor", offset: object.end })?;
        let truncated = |offset: u64| PthError::Truncated {
            what: "checkpoint",
            offset: usize::try_from(offset).unwrap_or(usize::MAX),
        };
        if at + 8 > file_len {
            return Err(truncated(file_len));
        }
        reader.seek(SeekFrom::Start(at)).map_err(io)?;
        let mut count = [0; 8];
        reader.read_exact(&mut count).map_err(io)?;
        let size = storage.element.size() as u64;
        let expected = (storage.num_elements as u64).saturating_mul(size);
        let got = u64::from_le_bytes(count).saturating_mul(size);
        if got != expected {
            return Err(PthError::StorageLength { key: key.to_owned(), expected, got });
        }
        offsets.insert(key.to_owned(), at + 8);
        at = (at + 8).saturating_add(expected);
        if at > file_len {
            return Err(truncated(file_len));
        }
    }
    Ok(offsets)
}

impl<R: Read + Seek> Storages for Archive<R> {
    fn read_span(&mut self, storage: &Storage, key: &str, span: Range<usize>) -> Result<Vec<u8>, PthError> {
        let io = |source| PthError::Io { source };
        let start = *self.offsets.get(key).ok_or_else(|| PthError::NoMember { name: key.to_owned() })?;
        let size = storage.element.size() as u64;
        self.reader.seek(SeekFrom::Start(start + span.start as u64 * size)).map_err(io)?;
        let wanted = span.len() as u64 * size;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(wanted).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 == wanted {
            return Ok(bytes);
        }
        let expected = (storage.num_elements as u64).saturating_mul(size);
        Err(PthError::StorageLength { key: key.to_owned(), expected, got: bytes.len() as u64 })
    }
}
