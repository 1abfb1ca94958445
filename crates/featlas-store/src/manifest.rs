//! `atlas.json`: what an atlas is made of, and which stages have run on it.

use crate::atomic::FileRecord;
use crate::error::StoreError;
use crate::fingerprint::Fingerprint;
use crate::schema::Schema;
use crate::seal::{FORMAT_VERSION, unseal};
use featlas_core::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The manifest of an atlas. It changes last, and atomically.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format.
    pub format_version: u32,
    /// Counts the changes of the manifest; the first is 0.
    pub generation: u64,
    /// What decides a feature's value: model, weights, preprocessing, taps. Never changes.
    pub fingerprint: Fingerprint,
    /// Digest of the fingerprint.
    pub fingerprint_digest: Digest,
    /// The feature column and the tapped layers. Never changes.
    pub schema: Schema,
    /// Where the images come from; a row names its source by its place in this list.
    pub sources: Vec<SourceRecord>,
    /// Commits that exist at least; later ones may not have reached the manifest.
    pub num_commits: u64,
    /// The stages that have run, by name.
    pub stages: BTreeMap<String, StageRecord>,
}

/// One place that images come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// `folder`, `list`, `tar`, `idx`, …
    pub kind: String,
    /// Absolute path, as the bytes the system uses; written as text where it is UTF-8.
    #[serde(with = "text_or_bytes")]
    pub location: Vec<u8>,
    /// What else was set, such as the label column.
    pub options: serde_json::Value,
}

impl SourceRecord {
    /// A source of some kind at an absolute path.
    pub fn new(kind: &str, location: &Path, options: serde_json::Value) -> Self {
        Self { kind: kind.to_owned(), location: path_to_bytes(location), options }
    }

    /// The path it lies at.
    pub fn path(&self) -> PathBuf {
        path_from_bytes(&self.location)
    }
}

/// One run of a stage: what it depended on, and what it left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Digest of all it read, such as [`Atlas::features_digest`](crate::Atlas::features_digest).
    pub inputs: Digest,
    /// Its parameters.
    pub params: serde_json::Value,
    /// The files it wrote.
    pub outputs: Vec<FileRecord>,
    /// How long it took.
    pub secs: f64,
}

impl Manifest {
    /// The manifest of a new, empty atlas.
    pub fn new(fingerprint: Fingerprint, schema: Schema, sources: Vec<SourceRecord>) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            generation: 0,
            fingerprint_digest: fingerprint.digest(),
            fingerprint,
            schema,
            sources,
            num_commits: 0,
            stages: BTreeMap::new(),
        }
    }

    /// The record of a file that some stage wrote.
    pub fn output(&self, file: &str) -> Option<&FileRecord> {
        self.outputs().find(|record| record.file == file)
    }

    /// Every file that a stage wrote, in the order of the stages' names.
    pub fn outputs(&self) -> impl Iterator<Item = &FileRecord> {
        self.stages.values().flat_map(|stage| &stage.outputs)
    }

    /// Verifies and parses the manifest's bytes; the digest is the one at their end.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<(Self, Digest), StoreError> {
        let (manifest, digest): (Self, _) = unseal(bytes, path, "a manifest")?;
        if manifest.fingerprint.digest() != manifest.fingerprint_digest {
            return Err(StoreError::content(path, "the digest of the fingerprint does not fit its fields"));
        }
        manifest.schema.validate()?;
        Ok((manifest, digest))
    }
}

#[cfg(unix)]
fn path_to_bytes(path: &Path) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec()
}

#[cfg(unix)]
fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_to_bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Bytes as text where they are UTF-8, as a list of numbers where they are not: readable, and lossless.
mod text_or_bytes {
    use super::{Deserialize, Deserializer, Serialize as _, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(bytes) {
            Ok(text) => text.serialize(serializer),
            Err(_) => bytes.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(match Either::deserialize(deserializer)? {
            Either::Text(text) => text.into_bytes(),
            Either::Bytes(bytes) => bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::seal;

    fn manifest() -> Manifest {
        let schema = Schema { feature_column: "fc7".into(), dim: 4, convs: Vec::new() };
        let source =
            SourceRecord::new("folder", Path::new("/photos"), serde_json::json!({"label": "parent"}));
        let mut manifest = Manifest::new(Fingerprint::new().with("model", "tiny"), schema, vec![source]);
        manifest.stages.insert(
            "embed".into(),
            StageRecord {
                inputs: Digest::of(b"in"),
                params: serde_json::json!({"perplexity": 30.000_000_000_000_004}),
                outputs: vec![FileRecord {
                    file: "maps/pca.parquet".into(),
                    bytes: 1,
                    digest: Digest::of(b"o"),
                }],
                secs: 0.1 + 0.2,
            },
        );
        manifest
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, digest) = seal(&manifest());
        assert_eq!(Manifest::parse(&bytes, Path::new("atlas.json")).unwrap(), (manifest(), digest));
    }

    #[test]
    fn a_source_path_need_not_be_utf8() {
        let mut manifest = manifest();
        manifest.sources[0].location = b"/a/\xff\xfe".to_vec();
        let (back, _) = Manifest::parse(&seal(&manifest).0, Path::new("atlas.json")).unwrap();
        assert_eq!(back.sources[0].location, b"/a/\xff\xfe");
        assert_eq!(path_to_bytes(&back.sources[0].path()), b"/a/\xff\xfe");
    }

    #[test]
    fn outputs_are_found_by_name() {
        assert!(manifest().output("maps/pca.parquet").is_some());
        assert!(manifest().output("maps/tsne.parquet").is_none());
    }
}
