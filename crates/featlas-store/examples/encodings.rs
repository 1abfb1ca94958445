//! Measures how a block of features is best written: bytes a row, write and read time.
//!
//! `cargo run --release -p featlas-store --example encodings -- fc7.f32 4096`, where the file holds raw
//! little-endian `f32` rows. Without arguments it draws rows that look like fc7 after its `ReLU`.
//! `ARCHITECTURE.md` holds the table that decided the settings of the shard writer.

#![expect(clippy::print_stdout, reason = "a measuring program prints its table")]

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, UInt16Array};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::sync::Arc;
use std::time::Instant;

const ROWS_PER_BATCH: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dim: usize = args.get(1).map_or(Ok(4096), |text| text.parse())?;
    let items: Arc<dyn arrow::array::Array> = match args.first() {
        Some(path) if path.ends_with("u16") => {
            let bytes = fs_err::read(path)?;
            Arc::new(bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect::<UInt16Array>())
        }
        Some(path) => {
            let bytes = fs_err::read(path)?;
            Arc::new(Float32Array::from_iter_values(
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            ))
        }
        None => Arc::new(Float32Array::from(rectified(2000 * dim))),
    };
    let rows = items.len() / dim;
    let items = items.slice(0, rows * dim);
    println!("{rows} rows of {dim} {}", items.data_type());
    println!("| encoding | compression | bytes a row | write ms | read ms |\n|---|---|---|---|---|");
    for (name, encoding) in [
        ("plain", Some(Encoding::PLAIN)),
        ("byte-stream-split", Some(Encoding::BYTE_STREAM_SPLIT)),
        ("dictionary", None),
        ("delta", Some(Encoding::DELTA_BINARY_PACKED)),
    ] {
        let is_float = items.data_type() == &DataType::Float32;
        if is_float && name == "delta" {
            continue;
        }
        let mut compressions =
            vec![("none".to_owned(), Compression::UNCOMPRESSED), ("snappy".to_owned(), Compression::SNAPPY)];
        for level in [1, 3, 6, 9] {
            compressions.push((format!("zstd {level}"), Compression::ZSTD(ZstdLevel::try_new(level)?)));
        }
        for (compression_name, compression) in compressions {
            let mut properties = WriterProperties::builder()
                .set_compression(compression)
                .set_statistics_enabled(EnabledStatistics::None)
                .set_data_page_size_limit(256 << 10)
                .set_max_row_group_bytes(Some(32 << 20))
                .set_dictionary_enabled(encoding.is_none());
            if let Some(encoding) = encoding {
                properties = properties.set_encoding(encoding);
            }
            let start = Instant::now();
            let bytes = write(&items, dim, properties.build())?;
            let write_ms = start.elapsed().as_secs_f64() * 1e3;
            let start = Instant::now();
            let size = bytes.len();
            let read_rows = read(bytes)?;
            let read_ms = start.elapsed().as_secs_f64() * 1e3;
            assert_eq!(read_rows, rows, "every row comes back");
            let per_row = size as f64 / rows as f64;
            println!("| {name} | {compression_name} | {per_row:.0} | {write_ms:.0} | {read_ms:.0} |");
        }
    }
    Ok(())
}

fn write(items: &ArrayRef, dim: usize, properties: WriterProperties) -> Result<Vec<u8>> {
    let item = Arc::new(Field::new("item", items.data_type().clone(), false));
    let width = i32::try_from(dim).expect("a row is short");
    let list = DataType::FixedSizeList(item.clone(), width);
    let schema = Arc::new(Schema::new(vec![Field::new("feature", list, false)]));
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    for first in (0..items.len()).step_by(ROWS_PER_BATCH * dim) {
        let part = items.slice(first, (ROWS_PER_BATCH * dim).min(items.len() - first));
        let column = FixedSizeListArray::try_new(item.clone(), width, part, None)?;
        writer.write(&RecordBatch::try_new(schema.clone(), vec![Arc::new(column)])?)?;
    }
    writer.into_inner()
}

fn read(bytes: Vec<u8>) -> Result<usize> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))?.with_batch_size(256).build()?;
    let mut rows = 0;
    for batch in reader {
        rows += batch?.num_rows();
    }
    Ok(rows)
}

/// Values as after a `ReLU`: two thirds exact zeros, the rest a half-normal, by a small fixed generator.
fn rectified(len: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..len)
        .map(|_| {
            let normal = (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
            (normal - 0.45).max(0.0)
        })
        .collect()
}
