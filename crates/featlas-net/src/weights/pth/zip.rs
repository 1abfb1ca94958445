//! The zip container that `torch.save` writes since version 1.6: `NAME/data.pkl`, `NAME/data/KEY`.

use super::pickle::Storage;
use super::{MAX_PICKLE_BYTES, Storages};
use crate::error::PthError;
use std::io::{Read, Seek};
use std::ops::Range;

/// An open container. Members are only ever looked up by name; nothing is unpacked to disk.
pub(super) struct Archive<R> {
    zip: zip::ZipArchive<R>,
    /// The folder that all members lie in.
    root: String,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens the container and reads its pickle.
    pub(super) fn open(reader: R) -> Result<(Self, Vec<u8>), PthError> {
        let broken = |source| PthError::Zip { source };
        let mut zip = zip::ZipArchive::new(reader).map_err(broken)?;
        let pickle_name = zip
            .file_names()
            .filter_map(|name| Some(name.ok()?.into_owned()))
            .find(|name| name.split('/').count() == 2 && name.ends_with("/data.pkl"))
            .ok_or_else(|| PthError::NoMember { name: "data.pkl".to_owned() })?;
        let root = pickle_name[..pickle_name.len() - "data.pkl".len()].to_owned();
        if let Ok(member) = zip.by_name(&format!("{root}byteorder")) {
            let mut order = String::new();
            member.take(16).read_to_string(&mut order).map_err(|source| PthError::Io { source })?;
            if order.trim() != "little" {
                return Err(PthError::BigEndian);
            }
        }
        let member = zip.by_name(&pickle_name).map_err(broken)?;
        let mut pickle = Vec::new();
        // The declared size may lie; what counts is what comes out.
        let read = member.take(MAX_PICKLE_BYTES + 1).read_to_end(&mut pickle);
        read.map_err(|source| PthError::Io { source })?;
        if pickle.len() as u64 > MAX_PICKLE_BYTES {
            return Err(PthError::Limit { what: "bytes in the pickle", limit: MAX_PICKLE_BYTES });
        }
        Ok((Self { zip, root }, pickle))
    }
}

impl<R: Read + Seek> Storages for Archive<R> {
    fn read_span(&mut self, storage: &Storage, key: &str, span: Range<usize>) -> Result<Vec<u8>, PthError> {
        let io = |source| PthError::Io { source };
        let name = format!("{}data/{key}", self.root);
        let mut member = match self.zip.by_name(&name) {
            Ok(member) => member,
            Err(zip::result::ZipError::FileNotFound) => return Err(PthError::NoMember { name }),
            Err(source) => return Err(PthError::Zip { source }),
        };
        let size = storage.element.size() as u64;
        let expected = (storage.num_elements as u64).saturating_mul(size);
        if member.size() != expected {
            return Err(PthError::StorageLength { key: key.to_owned(), expected, got: member.size() });
        }
        let skip = span.start as u64 * size;
        std::io::copy(&mut member.by_ref().take(skip), &mut std::io::sink()).map_err(io)?;
        let wanted = span.len() as u64 * size;
        let mut bytes = Vec::new();
        member.by_ref().take(wanted).read_to_end(&mut bytes).map_err(io)?;
        // Reading to the end of a member is what checks its CRC; one byte more would be too many.
        if span.end == storage.num_elements {
            let more = std::io::copy(&mut member.by_ref().take(1), &mut std::io::sink()).map_err(io)?;
            if more > 0 {
                return Err(PthError::StorageLength { key: key.to_owned(), expected, got: expected + more });
            }
        }
        if bytes.len() as u64 != wanted {
            let got = skip + bytes.len() as u64;
            return Err(PthError::StorageLength { key: key.to_owned(), expected, got });
        }
        Ok(bytes)
    }
}
