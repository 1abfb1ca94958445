//! An open atlas: its manifest, its commits, and what follows from them.

use crate::atomic::{self, AtomicFile, FileRecord, TEMP_PREFIX, Written};
use crate::commit::{self, Commit, ShardFile};
use crate::error::StoreError;
use crate::fingerprint::Fingerprint;
use crate::lock::AtlasLock;
use crate::manifest::Manifest;
use crate::names;
use crate::read::{self, Table, Verified};
use crate::schema;
use crate::seal::{FORMAT_VERSION, seal, try_seal, unseal};
use crate::shard;
use featlas_core::{Digest, Hasher, ImageId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

/// An atlas as it was when it was opened, and as this process changes it.
///
/// Rows come from the commit records alone; later commits of others are seen when it is opened again.
#[derive(Debug)]
pub struct Atlas {
    root: PathBuf,
    manifest: Manifest,
    manifest_digest: Digest,
    commits: Vec<Commit>,
    // Ascending; feature rows and reject rows that later commits ended.
    retired: Vec<ImageId>,
    pub(crate) verified: Verified,
}

impl Atlas {
    /// Makes an atlas without images in a new or empty folder.
    ///
    /// # Errors
    /// [`StoreError::AlreadyAnAtlas`], [`StoreError::NotEmpty`], [`StoreError::BadSchema`],
    /// [`StoreError::FormatVersion`], or a failing disk.
    pub fn create(root: &Path, manifest: &Manifest) -> Result<Self, StoreError> {
        manifest.schema.validate()?;
        let path = root.join(names::MANIFEST_FILE);
        if manifest.format_version != FORMAT_VERSION {
            let got = u64::from(manifest.format_version);
            return Err(StoreError::FormatVersion { expected: FORMAT_VERSION, got, path });
        }
        atomic::create_dirs(root)?;
        for entry in fs_err::read_dir(root).map_err(StoreError::io)? {
            let name = entry.map_err(StoreError::io)?.file_name();
            let name = name.to_string_lossy();
            // What a run leaves that was killed while it made the atlas does not count.
            let ours = [names::COMMITS, names::LOCK_FILE].contains(&&*name) || name.starts_with(TEMP_PREFIX);
            if name == names::MANIFEST_FILE {
                return Err(StoreError::AlreadyAnAtlas { path: root.to_owned() });
            } else if !ours {
                return Err(StoreError::NotEmpty { found: name.into_owned(), path: root.to_owned() });
            }
        }
        atomic::create_dirs(&root.join(names::COMMITS))?;
        if !commit::list(root)?.is_empty() {
            return Err(StoreError::NotEmpty { found: names::COMMITS.to_owned(), path: root.to_owned() });
        }
        if !atomic::write_new(&path, &seal(manifest).0)? {
            return Err(StoreError::AlreadyAnAtlas { path: root.to_owned() });
        }
        Self::open(root)
    }

    /// Opens an atlas; verifies its manifest and the record of every commit, not the shards themselves.
    ///
    /// # Errors
    /// [`StoreError::NotAnAtlas`], [`StoreError::FormatVersion`], or what is damaged.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let (manifest, manifest_digest) = read_manifest(root)?;
        let last = commit::list(root)?.last().copied().unwrap_or(0).max(manifest.num_commits);
        let mut atlas = Self {
            root: root.to_owned(),
            manifest,
            manifest_digest,
            commits: Vec::new(),
            retired: Vec::new(),
            verified: Verified::default(),
        };
        for sequence in 1..=last {
            let path = commit::path(root, sequence);
            let commit = Commit::load(&path, sequence)?;
            if commit.fingerprint != atlas.manifest.fingerprint_digest {
                return Err(StoreError::content(&path, "the commit was made with another fingerprint"));
            }
            if commit.span().is_some_and(|(first, _)| first < atlas.next_image_id()) {
                return Err(StoreError::content(&path, "the commit gives ids that were given before"));
            }
            atlas.push_commit(commit);
        }
        Ok(atlas)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// All commits, the first first.
    pub fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// The manifest's generation.
    pub fn generation(&self) -> u64 {
        self.manifest.generation
    }

    /// Number of live feature rows.
    pub fn num_images(&self) -> u64 {
        let retired: usize = self.commits.iter().map(|commit| commit.retired.len()).sum();
        let rows = self.commits.iter().filter_map(|commit| commit.features.as_ref()).map(|file| file.rows);
        rows.sum::<u64>().saturating_sub(retired as u64)
    }

    /// Number of live rejects.
    pub fn num_rejects(&self) -> u64 {
        let retired: usize = self.commits.iter().map(|commit| commit.retired_rejects.len()).sum();
        let rows = self.commits.iter().filter_map(|commit| commit.rejects.as_ref()).map(|file| file.rows);
        rows.sum::<u64>().saturating_sub(retired as u64)
    }

    /// The id for the next new image: above all that were ever given.
    pub fn next_image_id(&self) -> ImageId {
        let last = self.commits.iter().filter_map(Commit::span).map(|(_, last)| last).max();
        last.map_or(ImageId(0), |last| ImageId(last.0.saturating_add(1)))
    }

    /// Digest of the live features: what the index, maps and galleries depend on.
    ///
    /// Rejects do not enter it: an unreadable image that comes or goes makes no map stale.
    pub fn features_digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(&self.manifest.fingerprint_digest.0);
        for commit in &self.commits {
            if let Some(features) = &commit.features {
                hasher.field(b"rows").field(&features.digest.0);
            }
            for id in &commit.retired {
                hasher.field(b"retired").field(&id.0.to_le_bytes());
            }
        }
        hasher.finish()
    }

    /// Refuses features that would be made in another way than the atlas's.
    ///
    /// # Errors
    /// [`StoreError::Fingerprint`] names each field that differs, with both values.
    pub fn require_fingerprint(&self, fingerprint: &Fingerprint) -> Result<(), StoreError> {
        let differences = fingerprint.differences(&self.manifest.fingerprint);
        if differences.is_empty() {
            return Ok(());
        }
        Err(StoreError::Fingerprint { differences, path: self.root.clone() })
    }

    /// Takes the atlas for this process alone.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the process that has it.
    pub fn lock(&self) -> Result<AtlasLock, StoreError> {
        AtlasLock::take(&self.root)
    }

    /// Changes the manifest, and brings its number of commits up to date. Where `f` changes nothing, and no
    /// commit is new, nothing is written.
    ///
    /// # Errors
    /// [`StoreError::ManifestFixed`] if `f` changes the fingerprint or the schema;
    /// [`StoreError::ManifestChanged`] if somebody else wrote it since it was opened.
    pub fn update_manifest(&mut self, f: impl FnOnce(&mut Manifest)) -> Result<(), StoreError> {
        let path = self.root.join(names::MANIFEST_FILE);
        let mut manifest = self.manifest.clone();
        f(&mut manifest);
        let old = &self.manifest;
        let fixed = [
            ("fingerprint", manifest.fingerprint == old.fingerprint),
            ("fingerprint_digest", manifest.fingerprint_digest == old.fingerprint_digest),
            ("schema", manifest.schema == old.schema),
            ("format_version", manifest.format_version == old.format_version),
        ];
        if let Some((field, _)) = fixed.into_iter().find(|(_, same)| !same) {
            return Err(StoreError::ManifestFixed { field, path });
        }
        manifest.num_commits = self.commits.len() as u64;
        manifest.generation = old.generation;
        if manifest == *old {
            return Ok(());
        }
        for record in manifest.outputs() {
            names::resolve_output(&self.root, &record.file)?;
        }
        if read_manifest(&self.root)?.1 != self.manifest_digest {
            return Err(StoreError::ManifestChanged { path });
        }
        manifest.generation += 1;
        let (bytes, digest) = seal(&manifest);
        atomic::write_atomic(&path, &bytes)?;
        self.manifest_digest = digest;
        self.manifest = manifest;
        Ok(())
    }

    /// Begins a file of a stage, such as `posters/grid.png`; what stood there stays until it is committed.
    ///
    /// # Errors
    /// [`StoreError::BadName`] if the name leaves the atlas or belongs to the table itself.
    pub fn create_file(&self, file: &str) -> Result<AtlasFile, StoreError> {
        let path = names::resolve_output(&self.root, file)?;
        Ok(AtlasFile { inner: AtomicFile::create(&path)?, file: file.to_owned() })
    }

    /// Writes a whole file of a stage.
    ///
    /// # Errors
    /// As [`create_file`](Self::create_file), or a failing disk.
    pub fn write_file(&self, file: &str, bytes: &[u8]) -> Result<FileRecord, StoreError> {
        let mut out = self.create_file(file)?;
        out.write_all(bytes).map_err(StoreError::io)?;
        out.commit()
    }

    /// Records a file that something else wrote into the atlas, after syncing it.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::BadName`], or a failing disk.
    pub fn record_file(&self, file: &str) -> Result<FileRecord, StoreError> {
        let path = names::resolve_output(&self.root, file)?;
        let mut open = fs_err::File::open(&path).map_err(StoreError::reading(&path))?;
        open.sync_all().map_err(StoreError::io)?;
        let (Written { bytes, digest }, _) = read::digest_of(&mut open)?;
        if let Some(folder) = path.parent() {
            atomic::sync_dir(folder)?;
        }
        Ok(FileRecord { file: file.to_owned(), bytes, digest })
    }

    /// Opens a file that a stage recorded, after verifying its digest.
    ///
    /// # Errors
    /// [`StoreError::NotRecorded`], [`StoreError::Missing`], or what is damaged.
    pub fn open_file(&self, file: &str) -> Result<fs_err::File, StoreError> {
        let record = self.output(file)?;
        let written = Written { bytes: record.bytes, digest: record.digest };
        read::open_whole(&self.root, file, written, &[], &self.verified)
    }

    /// Reads a whole file that a stage recorded, and verifies the very bytes it returns.
    ///
    /// # Errors
    /// As [`open_file`](Self::open_file).
    pub fn read_file(&self, file: &str) -> Result<Vec<u8>, StoreError> {
        let record = self.output(file)?;
        let path = names::resolve(&self.root, file)?;
        let open = fs_err::File::open(&path).map_err(StoreError::reading(&path))?;
        let mut bytes = Vec::new();
        // One byte more than recorded tells a longer file without reading all of it.
        open.take(record.bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(StoreError::io)?;
        let got = bytes.len() as u64;
        if got != record.bytes {
            return Err(StoreError::Length { expected: record.bytes, got, path });
        }
        read::check_digest(record.digest, Digest::of(&bytes), &path)?;
        Ok(bytes)
    }

    pub(crate) fn output(&self, file: &str) -> Result<&FileRecord, StoreError> {
        let record = self.manifest.output(file);
        record.ok_or_else(|| StoreError::NotRecorded { path: self.root.join(file) })
    }

    /// Writes `run.json`, sealed: the account of the last run. `run` must be a struct or map, without members
    /// named `format_version` or `digest`.
    ///
    /// # Errors
    /// [`StoreError::Json`] if `run` is something else, or a failing disk.
    pub fn write_run(&self, run: &impl Serialize) -> Result<(), StoreError> {
        let path = self.root.join(names::RUN_FILE);
        let wrong = |source| StoreError::Json { what: "a run", path: path.clone(), source };
        let (bytes, _) = try_seal(&Versioned { format_version: FORMAT_VERSION, run }).map_err(wrong)?;
        atomic::write_atomic(&path, &bytes)?;
        Ok(())
    }

    /// Reads `run.json`; `None` if there was no run yet.
    ///
    /// # Errors
    /// [`StoreError::BrokenSeal`], [`StoreError::FormatVersion`], [`StoreError::Json`].
    pub fn read_run<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        let path = self.root.join(names::RUN_FILE);
        match fs_err::read(&path) {
            Ok(bytes) => Ok(Some(unseal(&bytes, &path, "a run")?.0)),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(StoreError::io(err)),
        }
    }

    /// Ends the rows of `ids`, and rejects too, by a commit that adds nothing.
    ///
    /// # Errors
    /// As [`ShardWriter::commit`](crate::ShardWriter::commit).
    pub fn retire(&mut self, ids: &[ImageId]) -> Result<Commit, StoreError> {
        let sequence = self.commits.len() as u64 + 1;
        let mut commit = Commit::new(sequence, self.manifest.fingerprint_digest);
        (commit.retired, commit.retired_rejects) = self.classify(ids)?;
        let root = self.root.clone();
        shard::publish(&root, commit, self)
    }

    /// Whether a later commit ended the row of that image.
    pub(crate) fn is_retired(&self, id: ImageId) -> bool {
        self.retired.binary_search(&id).is_ok()
    }

    /// Splits images into those with feature rows and those with rejects, each ascending; all must be live.
    pub(crate) fn classify(&self, ids: &[ImageId]) -> Result<(Vec<ImageId>, Vec<ImageId>), StoreError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let unknown = |image_id| StoreError::UnknownImage { image_id, path: self.root.clone() };
        if let Some(&id) = ids.iter().find(|&&id| self.is_retired(id)) {
            return Err(unknown(id));
        }
        let (mut features, mut rejects) = (Vec::new(), Vec::new());
        for commit in &self.commits {
            if let Some(shard) = &commit.features {
                let open = || {
                    Table::open_shard(
                        &self.root,
                        shard,
                        &self.manifest.schema.feature_table(),
                        &self.verified,
                    )
                };
                features.extend(ids_within(&ids, shard, open)?);
            }
            if let Some(shard) = &commit.rejects {
                let open = || Table::open_shard(&self.root, shard, &schema::reject_table(), &self.verified);
                rejects.extend(ids_within(&ids, shard, open)?);
            }
        }
        let known = |id: &ImageId| features.binary_search(id).is_ok() || rejects.binary_search(id).is_ok();
        if let Some(&id) = ids.iter().find(|&id| !known(id)) {
            return Err(unknown(id));
        }
        Ok((features, rejects))
    }

    pub(crate) fn push_commit(&mut self, commit: Commit) {
        self.retired.extend(commit.retired.iter().chain(&commit.retired_rejects));
        self.retired.sort_unstable();
        self.commits.push(commit);
    }
}

/// Those of `ids` that are rows of a shard; opens it only if its range makes that possible.
fn ids_within(
    ids: &[ImageId],
    shard: &ShardFile,
    open: impl FnOnce() -> Result<Table, StoreError>,
) -> Result<Vec<ImageId>, StoreError> {
    let from = ids.partition_point(|id| *id < shard.first_id);
    let to = ids.partition_point(|id| *id <= shard.last_id);
    if from == to {
        return Ok(Vec::new());
    }
    let rows = open()?.ids()?;
    Ok(ids[from..to].iter().copied().filter(|id| rows.binary_search(id).is_ok()).collect())
}

fn read_manifest(root: &Path) -> Result<(Manifest, Digest), StoreError> {
    let path = root.join(names::MANIFEST_FILE);
    let bytes = fs_err::read(&path).map_err(|err| match err.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            StoreError::NotAnAtlas { path: root.to_owned() }
        }
        _ => StoreError::io(err),
    })?;
    Manifest::parse(&bytes, &path)
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    format_version: u32,
    #[serde(flatten)]
    run: &'a T,
}

/// A file of a stage under construction; see [`Atlas::create_file`].
#[derive(Debug)]
pub struct AtlasFile {
    inner: AtomicFile,
    file: String,
}

impl AtlasFile {
    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`StoreError::Io`]; then the place is as it was.
    pub fn commit(self) -> Result<FileRecord, StoreError> {
        let Written { bytes, digest } = self.inner.commit()?;
        Ok(FileRecord { file: self.file, bytes, digest })
    }
}

impl Write for AtlasFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.inner.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
