//! 2-D maps: a place for each image.

use crate::atlas::Atlas;
use crate::atomic::{FileRecord, Written};
use crate::encode;
use crate::error::StoreError;
use crate::names;
use crate::read::Table;
use crate::schema::{columns, map_3d_table, map_table};
use crate::shard::{encode_error, standard_key_values};
use arrow::array::RecordBatch;
use arrow::datatypes::{Float32Type, Schema as ArrowSchema, SchemaRef};
use featlas_core::ImageId;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use std::sync::Arc;

/// A map as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct MapData {
    /// Image, x, y, in the order in which they were written.
    pub points: Vec<(ImageId, f32, f32)>,
    /// The parameters it was made with, among the metadata of every file of an atlas.
    pub params: Vec<(String, String)>,
}

/// The file of the map `name`, relative to the atlas.
pub fn map_file(name: &str) -> String {
    format!("{}/{name}.parquet", names::MAPS)
}

/// Writes `maps/<name>.parquet`: `image_id`, `x`, `y`, with `params` in its key-value metadata. The record
/// belongs into the manifest; only then can the map be read.
///
/// # Errors
/// [`StoreError::BadName`], [`StoreError::BadRow`] if a coordinate is not finite, or a failing disk.
pub fn write_map(
    atlas: &Atlas,
    name: &str,
    points: &[(ImageId, f32, f32)],
    params: &[(String, String)],
) -> Result<FileRecord, StoreError> {
    if let Some(point) = points.iter().find(|point| !point.1.is_finite() || !point.2.is_finite()) {
        let what = format!("its place ({}, {}) on the map `{name}` is not finite", point.1, point.2);
        return Err(StoreError::BadRow { image_id: point.0, what });
    }
    write_points(atlas, name, map_table(), points, params, encode::map_batch)
}

/// Writes `maps/<name>.parquet` with a third axis, `z`: for other programs, as nothing here draws it.
///
/// # Errors
/// As [`write_map`].
pub fn write_map_3d(
    atlas: &Atlas,
    name: &str,
    points: &[(ImageId, [f32; 3])],
    params: &[(String, String)],
) -> Result<FileRecord, StoreError> {
    if let Some((id, place)) = points.iter().find(|(_, place)| !place.iter().all(|v| v.is_finite())) {
        let what = format!("its place {place:?} on the map `{name}` is not finite");
        return Err(StoreError::BadRow { image_id: *id, what });
    }
    write_points(atlas, name, map_3d_table(), points, params, encode::map_3d_batch)
}

fn write_points<P>(
    atlas: &Atlas,
    name: &str,
    table: ArrowSchema,
    points: &[P],
    params: &[(String, String)],
    batch: impl Fn(SchemaRef, &[P]) -> Result<RecordBatch, ParquetError>,
) -> Result<FileRecord, StoreError> {
    let mut key_values = standard_key_values(atlas);
    key_values.extend(params.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
    let file = atlas.create_file(&map_file(name))?;
    let path = atlas.root().join(map_file(name));
    let encode = |file| {
        let table = Arc::new(table);
        let properties = encode::properties(key_values)?;
        let mut writer = ArrowWriter::try_new(file, table.clone(), Some(properties))?;
        for points in points.chunks(1 << 16) {
            writer.write(&batch(table.clone(), points)?)?;
        }
        writer.into_inner()
    };
    encode(file).map_err(|source| encode_error(source, &path))?.commit()
}

/// Reads a map that a stage recorded.
///
/// # Errors
/// [`StoreError::NotRecorded`], or what is damaged or missing.
pub fn read_map(atlas: &Atlas, name: &str) -> Result<MapData, StoreError> {
    let record = atlas.output(&map_file(name))?;
    let written = Written { bytes: record.bytes, digest: record.digest };
    let table = Table::open(atlas.root(), &record.file, written, &map_table(), &atlas.verified)?;
    let mut points = Vec::new();
    table.for_each(&[columns::IMAGE_ID, columns::X, columns::Y], 1 << 16, None, |batch| {
        let x = batch.numbers::<Float32Type>(columns::X)?;
        let y = batch.numbers::<Float32Type>(columns::Y)?;
        points.extend(batch.ids()?.zip(x).zip(y).map(|((id, &x), &y)| (id, x, y)));
        Ok::<_, StoreError>(())
    })?;
    Ok(MapData { points, params: table.key_values() })
}
