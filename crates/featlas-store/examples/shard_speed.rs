//! Measures an atlas of `N` rows: writing, planning, loading, checking, and the memory all of it took.
//!
//! `cargo run --release -p featlas-store --example shard_speed -- ATLAS N [fc7.f32]`, where the file holds raw
//! little-endian `f32` rows of 4096, used over and over; without it rows are drawn. `ATLAS` must not exist.

#![expect(clippy::print_stdout, reason = "a measuring program prints what it measured")]

use featlas_core::{Digest, ImageId, Silent};
use featlas_store::{
    Atlas, ConvColumns, Fingerprint, Manifest, PIXELS_LEN, Row, Schema, ShardWriter, SourceRecord,
    StoreError, check,
};
use std::path::Path;
use std::time::Instant;

const DIM: usize = 4096;
const CHANNELS: usize = 128;
const SHARD_ROWS: u64 = 2048;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [root, rows, rest @ ..] = args.as_slice() else { return Err("expected ATLAS and N".into()) };
    let (root, rows) = (Path::new(root), rows.parse::<u64>()?);
    let values: Option<Vec<f32>> = match rest.first() {
        Some(path) => {
            let bytes = fs_err::read(path)?;
            Some(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        }
        None => None,
    };
    let schema = Schema {
        feature_column: "fc7".to_owned(),
        dim: DIM,
        convs: vec![ConvColumns { name: "conv5".to_owned(), channels: CHANNELS, height: 13, width: 13 }],
    };
    let source = SourceRecord::new("folder", Path::new("/photos"), serde_json::Value::Null);
    let manifest = Manifest::new(Fingerprint::new().with("model", "measured"), schema.clone(), vec![source]);

    let mut atlas = timed("create", || Atlas::create(root, &manifest))?;
    timed("write", || {
        for first in (0..rows).step_by(usize::try_from(SHARD_ROWS).unwrap_or(usize::MAX)) {
            let mut writer = ShardWriter::create(&atlas, &schema, &[])?;
            for id in first..(first + SHARD_ROWS).min(rows) {
                writer.push(row(id, values.as_deref()))?;
            }
            writer.commit(&mut atlas, &[])?;
        }
        atlas.update_manifest(|_| {})
    })?;
    let features = atlas.commits().iter().filter_map(|c| c.features.as_ref()).map(|f| f.bytes).sum::<u64>();
    let thumbs = atlas.commits().iter().filter_map(|c| c.thumbs.as_ref()).map(|f| f.bytes).sum::<u64>();
    println!("bytes a row: {} features, {} thumbnails", features / rows.max(1), thumbs / rows.max(1));
    println!("peak memory after writing: {}", peak_memory());

    let atlas = timed("open", || Atlas::open(root))?;
    timed("known_images", || atlas.known_images().map(drop))?;
    timed("images", || atlas.images().map(drop))?;
    timed("conv blocks", || atlas.for_each_conv_block("conv5", |_, _, _| Ok::<_, StoreError>(())))?;
    timed("feature blocks", || atlas.for_each_feature_block(|_, _| Ok::<_, StoreError>(())))?;
    let some: Vec<ImageId> = (0..10).map(|i| ImageId(i * rows / 10)).collect();
    timed("10 thumbnails", || atlas.thumbnails(Some(&some), |_, _| Ok::<_, StoreError>(())))?;
    println!("peak memory after streaming: {}", peak_memory());
    timed("features", || atlas.features(&Silent).map(drop))?;
    let report = timed("check", || check(root, &Silent))?;
    println!(
        "{} rows, {} files, {} bytes, {} problems",
        report.rows,
        report.files,
        report.bytes,
        report.problems.len()
    );
    Ok(())
}

fn timed<T, E>(what: &str, f: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let result = f();
    println!("{what}: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    result
}

fn peak_memory() -> String {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn row(id: u64, values: Option<&[f32]>) -> Row {
    let mut state = id ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut rectified = |len: usize| -> Vec<f32> {
        (0..len).map(|_| if next() % 3 > 0 { 0.0 } else { next() as f32 / (1 << 28) as f32 }).collect()
    };
    let feature = match values {
        Some(values) => {
            let rows = values.len() / DIM;
            let at = usize::try_from(id).unwrap_or(0) % rows.max(1);
            values[at * DIM..(at + 1) * DIM].to_vec()
        }
        None => rectified(DIM),
    };
    let conv_max = vec![rectified(CHANNELS)];
    Row {
        image_id: ImageId(id),
        path: format!("class{:02}/image{id:06}.jpg", id % 20).into_bytes(),
        label: Some(format!("class{:02}", id % 20)),
        content_hash: Digest::of(&id.to_le_bytes()),
        width: 500,
        height: 375,
        source: 0,
        size_bytes: 100_000 + id,
        mtime_ns: 1_700_000_000_000_000_000,
        feature,
        conv_max,
        conv_argmax: vec![(0..CHANNELS).map(|_| u16::try_from(next() % 169).unwrap_or(0)).collect()],
        top_classes: (0..5).map(|i| (u32::try_from(id % 195).unwrap_or(0) + i, 0.2)).collect(),
        thumbnail: (0..3000).map(|_| next().to_le_bytes()[0]).collect(),
        pixels: (0..PIXELS_LEN).map(|i| (i as u64 / 3 + next() % 16).to_le_bytes()[0]).collect(),
    }
}
