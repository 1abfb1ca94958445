//! Tables of neighbors: of all images of an atlas, and of the answers to queries.

use crate::atlas::Atlas;
use crate::atomic::{FileRecord, Written};
use crate::encode;
use crate::error::StoreError;
use crate::read::Table;
use crate::schema::columns;
use crate::shard::{encode_error, standard_key_values};
use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Float32Type, Schema as ArrowSchema, UInt32Type, UInt64Type};
use featlas_core::ImageId;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Rows encoded at a time.
const CHUNK: usize = 1 << 16;

const RANK: &str = "rank";
const NEIGHBOR_ID: &str = "neighbor_id";
const DISTANCE: &str = "distance";
const QUERY: &str = "query";
const SPACE: &str = "space";

/// One neighbor of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NeighborRow {
    /// The image.
    pub image_id: ImageId,
    /// 1 for its nearest neighbor.
    pub rank: u32,
    /// The neighbor.
    pub neighbor_id: ImageId,
    /// How far apart they are.
    pub distance: f32,
}

/// One neighbor of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerRow {
    /// What was asked.
    pub query: String,
    /// What was compared: `fc7` or `pixels`.
    pub space: String,
    /// 1 for the nearest.
    pub rank: u32,
    /// The image found.
    pub image_id: ImageId,
    /// Its path.
    pub path: String,
    /// Its label.
    pub label: Option<String>,
    /// How far it is.
    pub distance: f32,
}

fn neighbor_table() -> ArrowSchema {
    ArrowSchema::new(vec![
        Field::new(columns::IMAGE_ID, DataType::UInt64, false),
        Field::new(RANK, DataType::UInt32, false),
        Field::new(NEIGHBOR_ID, DataType::UInt64, false),
        Field::new(DISTANCE, DataType::Float32, false),
    ])
}

fn answer_table() -> ArrowSchema {
    ArrowSchema::new(vec![
        Field::new(QUERY, DataType::Utf8, false),
        Field::new(SPACE, DataType::Utf8, false),
        Field::new(RANK, DataType::UInt32, false),
        Field::new(columns::IMAGE_ID, DataType::UInt64, false),
        Field::new(columns::PATH, DataType::Utf8, false),
        Field::new(columns::LABEL, DataType::Utf8, true),
        Field::new(DISTANCE, DataType::Float32, false),
    ])
}

/// Writes the neighbors of an atlas's images into `file` of the atlas, `params` in its metadata.
///
/// Columns: `image_id`, `rank`, `neighbor_id`, `distance`. The record belongs into the manifest; only then can the table be read.
///
/// # Errors
/// [`StoreError::BadName`], or a failing disk.
pub fn write_neighbors(
    atlas: &Atlas,
    file: &str,
    rows: impl Iterator<Item = NeighborRow>,
    params: &[(String, String)],
) -> Result<FileRecord, StoreError> {
    let out = write_neighbor_rows(atlas, atlas.create_file(file)?, &atlas.root().join(file), rows, params)?;
    out.commit()
}

/// Writes the same table to `out`, a file at `path` for the sake of errors.
///
/// # Errors
/// [`StoreError::Encode`].
pub fn write_neighbor_rows<W: Write + Send>(
    atlas: &Atlas,
    out: W,
    path: &Path,
    mut rows: impl Iterator<Item = NeighborRow>,
    params: &[(String, String)],
) -> Result<W, StoreError> {
    let encode = || {
        let table = Arc::new(neighbor_table());
        let mut writer = begin(atlas, out, &table, params)?;
        loop {
            let chunk: Vec<NeighborRow> = rows.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                return writer.into_inner();
            }
            let columns: Vec<ArrayRef> = vec![
                Arc::new(UInt64Array::from_iter_values(chunk.iter().map(|row| row.image_id.0))),
                Arc::new(UInt32Array::from_iter_values(chunk.iter().map(|row| row.rank))),
                Arc::new(UInt64Array::from_iter_values(chunk.iter().map(|row| row.neighbor_id.0))),
                Arc::new(Float32Array::from_iter_values(chunk.iter().map(|row| row.distance))),
            ];
            writer.write(&RecordBatch::try_new(table.clone(), columns)?)?;
        }
    };
    encode().map_err(|source| encode_error(source, path))
}

/// Writes answers to `out`, a file at `path` for the sake of errors: `query`, `space`, `rank`, `image_id`, `path`, `label`,
/// `distance`.
///
/// # Errors
/// [`StoreError::Encode`].
pub fn write_answers<W: Write + Send>(
    atlas: &Atlas,
    out: W,
    path: &Path,
    answers: &[AnswerRow],
) -> Result<W, StoreError> {
    let encode = || {
        let table = Arc::new(answer_table());
        let mut writer = begin(atlas, out, &table, &[])?;
        for chunk in answers.chunks(CHUNK) {
            let text = |of: fn(&AnswerRow) -> &str| StringArray::from_iter_values(chunk.iter().map(of));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(text(|row| &row.query)),
                Arc::new(text(|row| &row.space)),
                Arc::new(UInt32Array::from_iter_values(chunk.iter().map(|row| row.rank))),
                Arc::new(UInt64Array::from_iter_values(chunk.iter().map(|row| row.image_id.0))),
                Arc::new(text(|row| &row.path)),
                Arc::new(chunk.iter().map(|row| row.label.as_deref()).collect::<StringArray>()),
                Arc::new(Float32Array::from_iter_values(chunk.iter().map(|row| row.distance))),
            ];
            writer.write(&RecordBatch::try_new(table.clone(), columns)?)?;
        }
        writer.into_inner()
    };
    encode().map_err(|source| encode_error(source, path))
}

fn begin<W: Write + Send>(
    atlas: &Atlas,
    out: W,
    table: &Arc<ArrowSchema>,
    params: &[(String, String)],
) -> Result<ArrowWriter<W>, ParquetError> {
    let mut key_values = standard_key_values(atlas);
    key_values.extend(params.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
    ArrowWriter::try_new(out, table.clone(), Some(encode::properties(key_values)?))
}

/// Reads a table of neighbors that a stage recorded: image by image, the nearest first, and `rank` counts up from 1.
///
/// # Errors
/// [`StoreError::NotRecorded`], or what is damaged or missing.
pub fn read_neighbors(atlas: &Atlas, file: &str) -> Result<Vec<NeighborRow>, StoreError> {
    let record = atlas.output(file)?;
    let written = Written { bytes: record.bytes, digest: record.digest };
    let table = Table::open(atlas.root(), &record.file, written, &neighbor_table(), &atlas.verified)?;
    let mut rows = Vec::new();
    table.for_each(&[columns::IMAGE_ID, RANK, NEIGHBOR_ID, DISTANCE], CHUNK, None, |batch| {
        let (rank, neighbor) =
            (batch.numbers::<UInt32Type>(RANK)?, batch.numbers::<UInt64Type>(NEIGHBOR_ID)?);
        let distance = batch.numbers::<Float32Type>(DISTANCE)?;
        for (((image_id, &rank), &neighbor), &distance) in batch.ids()?.zip(rank).zip(neighbor).zip(distance)
        {
            rows.push(NeighborRow { image_id, rank, neighbor_id: ImageId(neighbor), distance });
        }
        Ok::<_, StoreError>(())
    })?;
    Ok(rows)
}
