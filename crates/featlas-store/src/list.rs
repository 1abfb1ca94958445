//! Lists of images in Parquet files that somebody else made.

use crate::error::StoreError;
use arrow::array::{Array as _, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Path bytes and label of each row of a list.
pub type PathList = Vec<(Vec<u8>, Option<String>)>;

/// Reads a list of images: the path column holds text or binary; labels may also be numbers, read as text.
///
/// # Errors
/// [`StoreError::NoColumn`] names the columns there are; [`StoreError::NotText`]; [`StoreError::Content`] for
/// a row without a path; [`StoreError::Missing`] or [`StoreError::Parquet`] if the file cannot be read.
pub fn read_path_list(
    file: &Path,
    path_column: &str,
    label_column: Option<&str>,
) -> Result<PathList, StoreError> {
    // The file is a stranger's and carries no digest of ours: should the parser panic over it, the list is
    // unreadable, and the run goes on to say so.
    catch_unwind(AssertUnwindSafe(|| read(file, path_column, label_column))).unwrap_or_else(|_panic| {
        let source = Box::new(ParquetError::General("the parser gave up".to_owned()));
        Err(StoreError::Parquet { path: file.to_owned(), source })
    })
}

fn read(file: &Path, path_column: &str, label_column: Option<&str>) -> Result<PathList, StoreError> {
    let parquet = StoreError::parquet(file);
    let (open, _) = fs_err::File::open(file).map_err(StoreError::reading(file))?.into_parts();
    let builder = ParquetRecordBatchReaderBuilder::try_new(open).map_err(&parquet)?;
    let schema = builder.schema().clone();
    let index = |column: &str| {
        schema.index_of(column).map_err(|_absent| StoreError::NoColumn {
            column: column.to_owned(),
            columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
            path: file.to_owned(),
        })
    };
    let path_index = index(path_column)?;
    let label_index = label_column.map(index).transpose()?;
    let path_type = schema.field(path_index).data_type();
    if !is_text(path_type) {
        return Err(not_text(file, path_column, path_type));
    }
    let mask = ProjectionMask::roots(builder.parquet_schema(), [path_index].into_iter().chain(label_index));
    let mut list = PathList::new();
    for batch in builder.with_projection(mask).build().map_err(&parquet)? {
        let batch = batch.map_err(|err| parquet(err.into()))?;
        let paths = column_as(&batch, path_column, &DataType::LargeBinary, file)?;
        let labels = match label_column {
            Some(column) => Some(column_as(&batch, column, &DataType::LargeUtf8, file)?),
            None => None,
        };
        let paths = paths.as_binary::<i64>();
        let labels = labels.as_ref().map(AsArray::as_string::<i64>);
        for row in 0..batch.num_rows() {
            if paths.is_null(row) || paths.value(row).is_empty() {
                let what = format!("row {} has no `{path_column}`", list.len() + 1);
                return Err(StoreError::content(file, what));
            }
            let label = labels.filter(|labels| labels.is_valid(row));
            list.push((paths.value(row).to_vec(), label.map(|labels| labels.value(row).to_owned())));
        }
    }
    Ok(list)
}

fn column_as(
    batch: &RecordBatch,
    column: &str,
    target: &DataType,
    file: &Path,
) -> Result<ArrayRef, StoreError> {
    let array = batch.column_by_name(column).expect("the projection kept it");
    let source = array.data_type().clone();
    // Text and binary cast into each other by way of the text's own kind, dictionaries by way of their values.
    let plain = match &source {
        DataType::Dictionary(_, values) => cast(array, values),
        _ => Ok(array.clone()),
    };
    let plain = plain.and_then(|array| match (array.data_type(), target) {
        (DataType::Utf8View, DataType::LargeBinary) => cast(&cast(&array, &DataType::LargeUtf8)?, target),
        _ => cast(&array, target),
    });
    plain.map_err(|_unsupported| not_text(file, column, &source))
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn not_text(file: &Path, column: &str, got: &DataType) -> StoreError {
    StoreError::NotText { column: column.to_owned(), got: got.to_string(), path: file.to_owned() }
}
