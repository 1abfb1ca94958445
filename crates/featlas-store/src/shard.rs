//! Writing one shard: rows pile up in temporary files, and one record makes them all exist.

use crate::atlas::Atlas;
use crate::atomic::{self, AtomicFile};
use crate::commit::{self, Commit, ShardFile};
use crate::encode;
use crate::error::StoreError;
use crate::names;
use crate::rows::{RejectRow, Row};
use crate::schema::{self, Schema};
use crate::seal::{FORMAT_VERSION, seal};
use arrow::datatypes::{Schema as ArrowSchema, SchemaRef};
use featlas_core::{Digest, ImageId};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are encoded together.
const BATCH_ROWS: usize = 64;
/// Fewer, when they are large.
const BATCH_BYTES: usize = 4 << 20;

/// A shard under construction. Nothing of it is visible before [`commit`](Self::commit); dropped without, it
/// leaves nothing behind.
///
/// Holds one row group in memory, 32 MiB encoded, and all of the shard's rejects.
pub struct ShardWriter {
    root: PathBuf,
    schema: Schema,
    fingerprint: Digest,
    key_values: Vec<KeyValue>,
    first_free: ImageId,
    pending: Vec<Row>,
    pending_bytes: usize,
    tables: Option<Tables>,
    rejects: Vec<RejectRow>,
}

/// The two tables that grow together.
struct Tables {
    features: Table,
    thumbs: Table,
}

struct Table {
    writer: ArrowWriter<AtomicFile>,
    schema: SchemaRef,
    span: Option<(ImageId, ImageId)>,
    rows: u64,
    folder: &'static str,
    path: PathBuf,
}

impl fmt::Debug for ShardWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardWriter")
            .field("root", &self.root)
            .field("rows", &self.num_rows())
            .field("rejects", &self.num_rejects())
            .finish_non_exhaustive()
    }
}

impl ShardWriter {
    /// Begins a shard of `atlas` with rows of `schema`. `key_values` go into each file's metadata, beside
    /// `feature_column`, `fingerprint`, `model`, `format_version` and `tool_version`.
    ///
    /// # Errors
    /// [`StoreError::BadSchema`] if the atlas holds other features.
    pub fn create(
        atlas: &Atlas,
        schema: &Schema,
        key_values: &[(String, String)],
    ) -> Result<Self, StoreError> {
        let manifest = atlas.manifest();
        if *schema != manifest.schema {
            let what = format!("expected the atlas's own, {:?}, got {schema:?}", manifest.schema);
            return Err(StoreError::BadSchema { what });
        }
        let mut all = standard_key_values(atlas);
        all.extend(key_values.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
        Ok(Self {
            root: atlas.root().to_owned(),
            schema: schema.clone(),
            fingerprint: manifest.fingerprint_digest,
            key_values: all,
            first_free: atlas.next_image_id(),
            pending: Vec::with_capacity(BATCH_ROWS),
            pending_bytes: 0,
            tables: None,
            rejects: Vec::new(),
        })
    }

    /// Appends a good image.
    ///
    /// # Errors
    /// [`StoreError::BadRow`] if it does not fit the schema, holds a value that is not finite, or its id is
    /// not above those of all rows before it, here and in the atlas; else if the files cannot be written.
    pub fn push(&mut self, row: Row) -> Result<(), StoreError> {
        row.validate(&self.schema)?;
        let last = self.pending.last().map(|row| row.image_id);
        let last = last.or_else(|| Some(self.tables.as_ref()?.features.span?.1));
        self.check_order(row.image_id, last)?;
        self.pending_bytes += row.size();
        self.pending.push(row);
        if self.pending.len() >= BATCH_ROWS || self.pending_bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Appends an image that could not be read.
    ///
    /// # Errors
    /// [`StoreError::BadRow`] if its id is not above those of all rejects before it, here and in the atlas.
    pub fn reject(&mut self, row: RejectRow) -> Result<(), StoreError> {
        self.check_order(row.image_id, self.rejects.last().map(|row| row.image_id))?;
        self.rejects.push(row);
        Ok(())
    }

    /// Good images so far.
    pub fn num_rows(&self) -> u64 {
        self.tables.as_ref().map_or(0, |tables| tables.features.rows) + self.pending.len() as u64
    }

    /// Refused images so far.
    pub fn num_rejects(&self) -> u64 {
        self.rejects.len() as u64
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.num_rows() + self.num_rejects() == 0
    }

    /// Makes all rows exist at once, and those of the images in `retired` (of earlier commits; rejects too)
    /// cease to. The rows are on disk for good when this returns.
    ///
    /// # Errors
    /// [`StoreError::CommitTaken`] if another writer was faster: then nothing of this shard is visible, and
    /// the atlas must be opened again. [`StoreError::UnknownImage`] if an image to be retired has no live row.
    /// [`StoreError::EmptyCommit`] if there is nothing to write. Otherwise a failing disk; nothing of the
    /// shard is visible then.
    pub fn commit(mut self, atlas: &mut Atlas, retired: &[ImageId]) -> Result<Commit, StoreError> {
        let sequence = atlas.commits().len() as u64 + 1;
        let mut commit = Commit::new(sequence, self.fingerprint);
        (commit.retired, commit.retired_rejects) = atlas.classify(retired)?;
        self.flush()?;
        if let Some(Tables { features, thumbs }) = self.tables.take() {
            commit.features = Some(features.close(&self.root, sequence)?);
            commit.thumbs = Some(thumbs.close(&self.root, sequence)?);
        }
        if !self.rejects.is_empty() {
            let properties = encode::properties(self.key_values.clone());
            let mut table = Table::create(&self.root, names::REJECTS, schema::reject_table(), properties)?;
            for rows in self.rejects.chunks(1024) {
                let batch = encode::reject_batch(table.schema.clone(), rows);
                table.write(batch, rows.iter().map(|row| row.image_id))?;
            }
            commit.rejects = Some(table.close(&self.root, sequence)?);
        }
        if let Some((first, _)) = commit.span()
            && first < atlas.next_image_id()
        {
            // Another shard of this process came in between, with ids that this one uses too.
            return Err(StoreError::BadRow { image_id: first, what: "the id was given before".to_owned() });
        }
        publish(&self.root, commit, atlas)
    }

    fn check_order(&self, id: ImageId, last: Option<ImageId>) -> Result<(), StoreError> {
        let what = match last {
            _ if id < self.first_free => format!("the id was given before; the next is {}", self.first_free),
            Some(last) if id <= last => format!("its id does not follow {last}"),
            _ => return Ok(()),
        };
        Err(StoreError::BadRow { image_id: id, what })
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.tables.is_none() {
            let properties = encode::feature_properties(&self.schema, self.key_values.clone());
            let features =
                Table::create(&self.root, names::FEATURES, self.schema.feature_table(), properties)?;
            let properties = encode::properties(self.key_values.clone());
            let thumbs = Table::create(&self.root, names::THUMBS, schema::thumb_table(), properties)?;
            self.tables = Some(Tables { features, thumbs });
        }
        let Tables { features, thumbs } = self.tables.as_mut().expect("just made");
        let ids = self.pending.iter().map(|row| row.image_id);
        let batch = encode::feature_batch(features.schema.clone(), &self.schema, &self.pending);
        features.write(batch, ids.clone())?;
        thumbs.write(encode::thumb_batch(thumbs.schema.clone(), &self.pending), ids)?;
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }
}

impl Table {
    fn create(
        root: &Path,
        folder: &'static str,
        schema: ArrowSchema,
        properties: Result<WriterProperties, ParquetError>,
    ) -> Result<Self, StoreError> {
        let path = root.join(folder);
        let schema = Arc::new(schema);
        let file = AtomicFile::create(&path.join("shard"))?;
        let writer = properties
            .and_then(|properties| ArrowWriter::try_new(file, schema.clone(), Some(properties)))
            .map_err(|source| encode_error(source, &path))?;
        Ok(Self { writer, schema, span: None, rows: 0, folder, path })
    }

    fn write(
        &mut self,
        batch: Result<arrow::array::RecordBatch, ParquetError>,
        ids: impl Iterator<Item = ImageId>,
    ) -> Result<(), StoreError> {
        let batch = batch.map_err(|source| encode_error(source, &self.path))?;
        self.writer.write(&batch).map_err(|source| encode_error(source, &self.path))?;
        for id in ids {
            self.span = Some((self.span.map_or(id, |span| span.0), id));
            self.rows += 1;
        }
        Ok(())
    }

    /// Finishes the file and gives it its name, which its place and its bytes decide: a run that was killed
    /// before its record writes the same name again, over the same bytes.
    fn close(self, root: &Path, sequence: u64) -> Result<ShardFile, StoreError> {
        let file = self.writer.into_inner().map_err(|source| encode_error(source, &self.path))?;
        let finished = file.finish()?;
        let (written, pieces) = (finished.written, finished.pieces.clone());
        let digest: String = written.digest.to_string().chars().take(16).collect();
        let name = format!("{}/{sequence:08}-{digest}.parquet", self.folder);
        finished.persist(&names::resolve(root, &name)?)?;
        atomic::sync_dir(&self.path)?;
        let (first_id, last_id) = self.span.expect("tables are made for their first row");
        Ok(ShardFile {
            file: name,
            bytes: written.bytes,
            rows: self.rows,
            digest: written.digest,
            pieces,
            first_id,
            last_id,
        })
    }
}

/// Creates the record of `commit`, whose files lie in their places, and adds it to the atlas.
pub(crate) fn publish(root: &Path, mut commit: Commit, atlas: &mut Atlas) -> Result<Commit, StoreError> {
    if commit.files().next().is_none() && commit.retired.is_empty() && commit.retired_rejects.is_empty() {
        return Err(StoreError::EmptyCommit { path: root.to_owned() });
    }
    let path = commit::path(root, commit.sequence);
    let (bytes, digest) = seal(&commit);
    commit.digest = digest;
    if !atomic::write_new(&path, &bytes)? {
        discard(root, &commit, &path);
        return Err(StoreError::CommitTaken { sequence: commit.sequence, path });
    }
    atlas.push_commit(commit.clone());
    Ok(commit)
}

/// Removes the files of a commit that lost its race, unless the winner, having the same rows, owns them too.
fn discard(root: &Path, commit: &Commit, path: &Path) {
    let Ok(winner) = Commit::load(path, commit.sequence) else { return };
    for file in commit.files() {
        if winner.files().all(|other| other.file != file.file)
            && fs_err::remove_file(root.join(&file.file)).is_err()
        {
            // It stays as an orphan, which nobody reads and `gc` removes.
        }
    }
}

/// The metadata of every file of a table.
pub(crate) fn standard_key_values(atlas: &Atlas) -> Vec<KeyValue> {
    let manifest = atlas.manifest();
    let mut all = vec![
        KeyValue::new("feature_column".to_owned(), manifest.schema.feature_column.clone()),
        KeyValue::new("fingerprint".to_owned(), manifest.fingerprint_digest.to_string()),
        KeyValue::new("format_version".to_owned(), FORMAT_VERSION.to_string()),
        KeyValue::new("tool_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    if let Some(model) = manifest.fingerprint.get("model") {
        all.push(KeyValue::new("model".to_owned(), model.to_owned()));
    }
    all
}

pub(crate) fn encode_error(source: ParquetError, path: &Path) -> StoreError {
    StoreError::Encode { path: path.to_owned(), source: Box::new(source) }
}
