//! Reading Parquet files of an atlas: the footer, then only the columns asked for, each part after its digest.

use crate::atomic::Written;
use crate::commit::ShardFile;
use crate::error::StoreError;
use crate::names;
use crate::pieces::{PieceHasher, PieceReader, Pieces};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, FixedSizeBinaryArray, FixedSizeListArray,
    PrimitiveArray, RecordBatch, StringArray,
};
use arrow::datatypes::{Schema as ArrowSchema, UInt64Type};
use featlas_core::{Digest, ImageId};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use std::any::type_name;
use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const HASH_BUFFER_BYTES: usize = 1 << 20;

/// What was verified since the atlas was opened, by the name of the file.
#[derive(Debug, Default)]
pub(crate) struct Verified(Mutex<BTreeMap<String, Extent>>);

/// How much of a file was verified.
#[derive(Debug, Clone)]
enum Extent {
    Whole,
    Pieces(Arc<Pieces>),
}

impl Verified {
    fn of(&self, file: &str) -> Option<Extent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(file).cloned()
    }

    fn insert(&self, file: &str, extent: Extent) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned(), extent);
    }
}

/// Length and digest of the rest of an open file, and the digests of its pieces.
pub(crate) fn digest_of(file: &mut fs_err::File) -> Result<(Written, Vec<Digest>), StoreError> {
    let mut hasher = PieceHasher::default();
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.map_err(StoreError::io)?,
        };
        if read == 0 {
            let (digest, pieces) = hasher.finish();
            return Ok((Written { bytes, digest }, pieces));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// Opens a file of the atlas that must be as long as recorded.
fn open_of_length(root: &Path, file: &str, expected: u64) -> Result<fs_err::File, StoreError> {
    let path = names::resolve(root, file)?;
    let open = fs_err::File::open(&path).map_err(StoreError::reading(&path))?;
    let got = open.metadata().map_err(StoreError::io)?.len();
    if got != expected {
        return Err(StoreError::Length { expected, got, path });
    }
    Ok(open)
}

/// Opens a file of the atlas, and verifies all of it against its record unless that was done before: the digest of the whole,
/// and those of its pieces if there are any.
pub(crate) fn open_whole(
    root: &Path,
    file: &str,
    expected: Written,
    pieces: &[Digest],
    verified: &Verified,
) -> Result<fs_err::File, StoreError> {
    let mut open = open_of_length(root, file, expected.bytes)?;
    if !matches!(verified.of(file), Some(Extent::Whole)) {
        let (got, of_pieces) = digest_of(&mut open)?;
        check_digest(expected.digest, got.digest, open.path())?;
        if !pieces.is_empty() && of_pieces != pieces {
            return Err(StoreError::content(
                open.path(),
                "the digests of its pieces are not the recorded ones",
            ));
        }
        open.rewind().map_err(StoreError::io)?;
        verified.insert(file, Extent::Whole);
    }
    Ok(open)
}

/// Opens a shard to be read in parts, each verified when it is read; one without digests of its pieces is verified whole.
fn open_in_pieces(root: &Path, shard: &ShardFile, verified: &Verified) -> Result<PieceReader, StoreError> {
    let ShardFile { file, bytes, digest, .. } = shard;
    let known = verified.of(file);
    if shard.pieces.is_empty() || matches!(known, Some(Extent::Whole)) {
        let written = Written { bytes: *bytes, digest: *digest };
        return Ok(PieceReader::new(open_whole(root, file, written, &[], verified)?, *bytes, None));
    }
    let pieces = if let Some(Extent::Pieces(pieces)) = known {
        pieces
    } else {
        let pieces = Arc::new(Pieces::new(&shard.pieces));
        verified.insert(file, Extent::Pieces(pieces.clone()));
        pieces
    };
    Ok(PieceReader::new(open_of_length(root, file, *bytes)?, *bytes, Some(pieces)))
}

pub(crate) fn check_digest(expected: Digest, got: Digest, path: &Path) -> Result<(), StoreError> {
    if expected == got {
        return Ok(());
    }
    Err(StoreError::Digest { expected: expected.short(), got: got.short(), path: path.to_owned() })
}

/// A verified Parquet file with the columns it should have.
pub(crate) struct Table {
    reader: PieceReader,
    metadata: ArrowReaderMetadata,
    path: PathBuf,
}

impl Table {
    /// Opens a shard and checks its columns and number of rows.
    pub(crate) fn open_shard(
        root: &Path,
        shard: &ShardFile,
        columns: &ArrowSchema,
        verified: &Verified,
    ) -> Result<Self, StoreError> {
        let table = Self::of_reader(open_in_pieces(root, shard, verified)?, columns)?;
        if table.num_rows() != shard.rows {
            let what = format!("expected {} rows, got {}", shard.rows, table.num_rows());
            return Err(StoreError::content(&table.path, what));
        }
        Ok(table)
    }

    pub(crate) fn open(
        root: &Path,
        file: &str,
        written: Written,
        columns: &ArrowSchema,
        verified: &Verified,
    ) -> Result<Self, StoreError> {
        let file = open_whole(root, file, written, &[], verified)?;
        Self::of_reader(PieceReader::new(file, written.bytes, None), columns)
    }

    fn of_reader(reader: PieceReader, columns: &ArrowSchema) -> Result<Self, StoreError> {
        let path = reader.path().to_owned();
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&reader, options).map_err(|err| error_of(&reader, err))?;
        let got = metadata.schema().fields();
        let same = got.len() == columns.fields().len()
            && got.iter().zip(columns.fields()).all(|(got, expected)| {
                got.name() == expected.name() && got.data_type() == expected.data_type()
            });
        if !same {
            let describe = |schema: &ArrowSchema| {
                let fields = schema.fields().iter();
                fields.map(|f| format!("`{}` {}", f.name(), f.data_type())).collect::<Vec<_>>().join(", ")
            };
            let what = format!("expected columns {}, got {}", describe(columns), describe(metadata.schema()));
            return Err(StoreError::content(&path, what));
        }
        Ok(Self { reader, metadata, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn num_rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    pub(crate) fn key_values(&self) -> Vec<(String, String)> {
        let all = self.metadata.metadata().file_metadata().key_value_metadata();
        let all = all.into_iter().flatten().filter(|kv| kv.key != parquet::arrow::ARROW_SCHEMA_META_KEY);
        all.map(|kv| (kv.key.clone(), kv.value.clone().unwrap_or_default())).collect()
    }

    /// Hands out the named columns, in the order of the file, `batch_rows` rows at a time; only `rows` if given.
    pub(crate) fn for_each<E: From<StoreError>>(
        &self,
        columns: &[&str],
        batch_rows: usize,
        rows: Option<&[Range<usize>]>,
        mut f: impl FnMut(&Batch<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let parquet = |err| error_of(&self.reader, err);
        let reader = self.reader.clone();
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(reader, self.metadata.clone());
        let roots = self.metadata.schema().fields().iter().enumerate();
        let roots = roots.filter(|(_, field)| columns.contains(&field.name().as_str())).map(|(i, _)| i);
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let mut builder = builder.with_projection(mask).with_batch_size(batch_rows);
        if let Some(rows) = rows {
            let total = usize::try_from(self.num_rows()).unwrap_or(usize::MAX);
            builder = builder
                .with_row_selection(RowSelection::from_consecutive_ranges(rows.iter().cloned(), total));
        }
        for batch in builder.build().map_err(parquet)? {
            let batch = batch.map_err(|err| parquet(err.into()))?;
            f(&Batch { batch, path: &self.path })?;
        }
        Ok(())
    }

    /// The ids of all rows, which are ascending.
    pub(crate) fn ids(&self) -> Result<Vec<ImageId>, StoreError> {
        let mut ids: Vec<ImageId> = Vec::new();
        self.for_each(&[crate::columns::IMAGE_ID], 1 << 16, None, |batch| {
            ids.extend(batch.ids()?);
            Ok::<_, StoreError>(())
        })?;
        if !ids.is_sorted_by(|a, b| a < b) {
            return Err(StoreError::content(&self.path, "the images are not in order"));
        }
        Ok(ids)
    }
}

/// Why a file could not be read: it is damaged, or does not read as Parquet.
fn error_of(reader: &PieceReader, err: ParquetError) -> StoreError {
    reader.take_damage().unwrap_or_else(|| StoreError::parquet(reader.path())(err))
}

/// Some rows of a table.
pub(crate) struct Batch<'a> {
    batch: RecordBatch,
    path: &'a Path,
}

impl Batch<'_> {
    pub(crate) fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn array(&self, column: &str) -> Result<&ArrayRef, StoreError> {
        let array = self.batch.column_by_name(column);
        array.ok_or_else(|| StoreError::content(self.path, format!("no column `{column}`")))
    }

    /// The column as an array of type `A`, nulls and all.
    pub(crate) fn nullable<A: Array + 'static>(&self, column: &str) -> Result<&A, StoreError> {
        self.array(column)?.as_any().downcast_ref().ok_or_else(|| {
            StoreError::content(self.path, format!("column `{column}` is no {}", type_name::<A>()))
        })
    }

    /// The same for a column that has a value in each row.
    pub(crate) fn column<A: Array + 'static>(&self, column: &str) -> Result<&A, StoreError> {
        let array: &A = self.nullable(column)?;
        if array.null_count() > 0 {
            return Err(StoreError::content(self.path, format!("column `{column}` has a row without value")));
        }
        Ok(array)
    }

    /// The values of a column of numbers.
    pub(crate) fn numbers<T: ArrowPrimitiveType>(&self, column: &str) -> Result<&[T::Native], StoreError> {
        Ok(self.column::<PrimitiveArray<T>>(column)?.values())
    }

    /// All items of a column of fixed-size lists, row after row.
    pub(crate) fn items<T: ArrowPrimitiveType>(
        &self,
        column: &str,
        len: usize,
    ) -> Result<&[T::Native], StoreError> {
        let lists: &FixedSizeListArray = self.column(column)?;
        let items = lists.values().as_any().downcast_ref::<PrimitiveArray<T>>();
        items
            .filter(|items| items.null_count() == 0)
            .and_then(|items| items.values().get(..lists.len().checked_mul(len)?))
            .ok_or_else(|| {
                StoreError::content(self.path, format!("column `{column}` has no rows of {len} items"))
            })
    }

    pub(crate) fn ids(&self) -> Result<impl Iterator<Item = ImageId> + Clone, StoreError> {
        Ok(self.numbers::<UInt64Type>(crate::columns::IMAGE_ID)?.iter().map(|&id| ImageId(id)))
    }

    /// The 32-byte values of a column.
    pub(crate) fn digests(&self, column: &str) -> Result<Vec<Digest>, StoreError> {
        let values: &FixedSizeBinaryArray = self.column(column)?;
        let digest = |value: &[u8]| {
            let wrong =
                |_| StoreError::content(self.path, format!("column `{column}` has no 32 bytes a row"));
            Ok(Digest(value.try_into().map_err(wrong)?))
        };
        values.iter().flatten().map(digest).collect()
    }

    /// Each row's path as the system's bytes, and as text.
    pub(crate) fn paths(&self) -> Result<Vec<(Vec<u8>, String)>, StoreError> {
        let text: &StringArray = self.column(crate::columns::PATH)?;
        let bytes: &BinaryArray = self.nullable(crate::columns::PATH_BYTES)?;
        let pairs = text.iter().flatten().zip(bytes);
        Ok(pairs.map(|(text, bytes)| (bytes.unwrap_or(text.as_bytes()).to_vec(), text.to_owned())).collect())
    }
}
