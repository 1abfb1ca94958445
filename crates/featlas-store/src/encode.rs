//! Rows into Arrow batches, and the Parquet settings they are written with.
//!
//! The settings were measured on real fc7 (`examples/encodings.rs`; the table is in `ARCHITECTURE.md`): after
//! a `ReLU` two thirds of the components are exact zeros, so plain values under zstd are a seventh smaller than
//! with their bytes split, and the lowest level loses 1.5 % to the third at three quarters of its time.

use crate::rows::{RejectRow, Row};
use crate::schema::{PIXELS_LEN, Schema, class_fields, class_item, columns, list_item};
use arrow::array::{
    ArrayRef, BinaryArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Int64Array, ListArray,
    RecordBatch, StringArray, StructArray, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{ArrowNativeType, DataType, SchemaRef};
use featlas_core::ImageId;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::sync::Arc;

/// A row group is closed at this size, encoded: it bounds the memory of writers.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// A page holds about sixteen fc7 features, so that one row can be had without reading many.
const PAGE_BYTES: usize = 256 << 10;
/// Pages of thumbnails: a dozen or so.
const THUMB_PAGE_BYTES: usize = 64 << 10;

pub(crate) fn properties(key_values: Vec<KeyValue>) -> Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("featlas ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(key_values))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES));
    let path = |parts: &[&str]| ColumnPath::new(parts.iter().map(|&part| part.to_owned()).collect());
    // Few different values: a dictionary of them is far smaller than the rows.
    let top_class = [columns::TOP_CLASSES, "list", "element", columns::CLASS];
    for column in [&[columns::LABEL][..], &[columns::SOURCE], &[columns::REASON], &top_class] {
        properties = properties.set_column_dictionary_enabled(path(column), true);
    }
    // Engines that look for one image skip the other row groups.
    properties =
        properties.set_column_statistics_enabled(path(&[columns::IMAGE_ID]), EnabledStatistics::Chunk);
    // A JPEG does not get smaller.
    let thumbnail = path(&[columns::THUMBNAIL]);
    properties = properties
        .set_column_compression(thumbnail.clone(), Compression::UNCOMPRESSED)
        .set_column_data_page_size_limit(thumbnail, THUMB_PAGE_BYTES)
        .set_column_data_page_size_limit(path(&[columns::PIXELS]), THUMB_PAGE_BYTES);
    Ok(properties.build())
}

/// The same, with the cells of the tapped layers in dictionaries: there are few cells.
pub(crate) fn feature_properties(schema: &Schema, key_values: Vec<KeyValue>) -> Result<WriterProperties> {
    let mut properties = properties(key_values)?.into_builder();
    for conv in &schema.convs {
        let parts = [columns::conv_argmax_column(&conv.name), "list".to_owned(), "element".to_owned()];
        properties = properties.set_column_dictionary_enabled(ColumnPath::new(parts.to_vec()), true);
    }
    Ok(properties.build())
}

pub(crate) fn feature_batch(table: SchemaRef, schema: &Schema, rows: &[Row]) -> Result<RecordBatch> {
    let (path, path_bytes) = paths(rows.iter().map(|row| row.path.as_slice()));
    let hashes = rows.iter().flat_map(|row| row.content_hash.0).collect::<Vec<u8>>();
    let mut columns: Vec<ArrayRef> = vec![
        ids(rows.iter().map(|row| row.image_id)),
        path,
        path_bytes,
        Arc::new(rows.iter().map(|row| row.label.as_deref()).collect::<StringArray>()),
        Arc::new(FixedSizeBinaryArray::try_new(32, Buffer::from_vec(hashes), None)?),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.width))),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.height))),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.source))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.size_bytes))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.mtime_ns))),
        fixed_list(Arc::new(Float32Array::from(flat(rows, schema.dim, |row| &row.feature))), schema.dim)?,
    ];
    for (i, conv) in schema.convs.iter().enumerate() {
        let max = Float32Array::from(flat(rows, conv.channels, |row| &row.conv_max[i]));
        let argmax = UInt16Array::from(flat(rows, conv.channels, |row| &row.conv_argmax[i]));
        columns.push(fixed_list(Arc::new(max), conv.channels)?);
        columns.push(fixed_list(Arc::new(argmax), conv.channels)?);
    }
    let classes = rows.iter().flat_map(|row| &row.top_classes);
    let class = UInt32Array::from_iter_values(classes.clone().map(|(class, _)| *class));
    let score = Float32Array::from_iter_values(classes.map(|(_, score)| *score));
    let items = StructArray::try_new(class_fields(), vec![Arc::new(class), Arc::new(score)], None)?;
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.top_classes.len()));
    columns.push(Arc::new(ListArray::try_new(class_item(), offsets, Arc::new(items), None)?));
    Ok(RecordBatch::try_new(table, columns)?)
}

pub(crate) fn thumb_batch(table: SchemaRef, rows: &[Row]) -> Result<RecordBatch> {
    let pixels = flat(rows, PIXELS_LEN, |row| &row.pixels);
    let len = i32::try_from(PIXELS_LEN).expect("3072 fits");
    let columns: Vec<ArrayRef> = vec![
        ids(rows.iter().map(|row| row.image_id)),
        Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.thumbnail))),
        Arc::new(FixedSizeBinaryArray::try_new(len, Buffer::from_vec(pixels), None)?),
    ];
    Ok(RecordBatch::try_new(table, columns)?)
}

pub(crate) fn reject_batch(table: SchemaRef, rows: &[RejectRow]) -> Result<RecordBatch> {
    let (path, path_bytes) = paths(rows.iter().map(|row| row.path.as_slice()));
    let columns: Vec<ArrayRef> = vec![
        ids(rows.iter().map(|row| row.image_id)),
        path,
        path_bytes,
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.source))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.size_bytes))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.mtime_ns))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.reason))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.message))),
    ];
    Ok(RecordBatch::try_new(table, columns)?)
}

pub(crate) fn map_batch(table: SchemaRef, points: &[(ImageId, f32, f32)]) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        ids(points.iter().map(|point| point.0)),
        Arc::new(Float32Array::from_iter_values(points.iter().map(|point| point.1))),
        Arc::new(Float32Array::from_iter_values(points.iter().map(|point| point.2))),
    ];
    Ok(RecordBatch::try_new(table, columns)?)
}

pub(crate) fn map_3d_batch(table: SchemaRef, points: &[(ImageId, [f32; 3])]) -> Result<RecordBatch> {
    let axis = |axis: usize| -> ArrayRef {
        Arc::new(Float32Array::from_iter_values(points.iter().map(|point| point.1[axis])))
    };
    let columns = vec![ids(points.iter().map(|point| point.0)), axis(0), axis(1), axis(2)];
    Ok(RecordBatch::try_new(table, columns)?)
}

fn ids(ids: impl Iterator<Item = ImageId>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(ids.map(|id| id.0)))
}

/// The text that everybody reads, and the bytes where the text cannot say them.
fn paths<'a>(paths: impl Iterator<Item = &'a [u8]> + Clone) -> (ArrayRef, ArrayRef) {
    let text = StringArray::from_iter_values(paths.clone().map(String::from_utf8_lossy));
    let bytes: BinaryArray = paths.map(|path| str::from_utf8(path).is_err().then_some(path)).collect();
    (Arc::new(text), Arc::new(bytes))
}

fn flat<'a, T: ArrowNativeType>(rows: &'a [Row], len: usize, of: impl Fn(&'a Row) -> &'a Vec<T>) -> Vec<T> {
    let mut values = Vec::with_capacity(rows.len() * len);
    for row in rows {
        values.extend_from_slice(of(row));
    }
    values
}

fn fixed_list(items: ArrayRef, len: usize) -> Result<ArrayRef, ParquetError> {
    let item: DataType = items.data_type().clone();
    let len = i32::try_from(len).expect("the schema is validated");
    Ok(Arc::new(FixedSizeListArray::try_new(list_item(item), len, items, None)?))
}
