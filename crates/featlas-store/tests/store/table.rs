//! Rows in, rows out.

use crate::support::*;
use featlas_core::{ImageId, Progress, Silent, Stage, Stopped};
use featlas_store::{Atlas, PIXELS_LEN, Row, ShardWriter, StoreError, columns};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::path::Path;

fn expect_rows(root: &Path, live: &[u64], rejects: &[u64]) {
    let got = read_everything(root).unwrap();
    let rows: Vec<Row> = live.iter().map(|&id| row(id)).collect();
    assert_eq!(got.features.ids, ids(live));
    assert_eq!(got.features.dim, 16);
    assert_eq!(got.features.values, rows.iter().flat_map(|row| row.feature.clone()).collect::<Vec<_>>());
    for (i, (_, conv_ids, max, argmax)) in got.convs.iter().enumerate() {
        assert_eq!(*conv_ids, ids(live));
        assert_eq!(*max, rows.iter().flat_map(|row| row.conv_max[i].clone()).collect::<Vec<_>>());
        assert_eq!(*argmax, rows.iter().flat_map(|row| row.conv_argmax[i].clone()).collect::<Vec<_>>());
    }
    let thumbnails: Vec<_> = rows.iter().map(|row| (row.image_id, row.thumbnail.clone())).collect();
    assert_eq!(got.thumbnails, thumbnails);
    assert_eq!(got.pixels.0, ids(live));
    assert_eq!(got.pixels.1, rows.iter().flat_map(|row| row.pixels.clone()).collect::<Vec<_>>());
    assert_eq!(got.images.len(), rows.len());
    for (image, row) in got.images.iter().zip(&rows) {
        assert_eq!(image.image_id, row.image_id);
        assert_eq!(image.path, row.path);
        assert_eq!(image.display_path, String::from_utf8_lossy(&row.path));
        assert_eq!(image.label, row.label);
        assert_eq!((image.width, image.height, image.source), (row.width, row.height, row.source));
        assert_eq!(image.content_hash, row.content_hash);
        assert_eq!(image.top_classes, row.top_classes);
    }
    assert_eq!(got.rejects, rejects.iter().map(|&id| reject(id)).collect::<Vec<_>>());

    let mut all: Vec<(u64, bool)> = live.iter().map(|&id| (id, false)).collect();
    all.extend(rejects.iter().map(|&id| (id, true)));
    all.sort_unstable();
    assert_eq!(got.known.len(), all.len());
    for (known, (id, rejected)) in got.known.iter().zip(all) {
        assert_eq!((known.image_id, known.rejected), (ImageId(id), rejected));
        if rejected {
            let row = reject(id);
            assert_eq!(
                (&known.path, known.size_bytes, known.mtime_ns),
                (&row.path, row.size_bytes, row.mtime_ns)
            );
            assert_eq!((known.content_hash, &known.label), (None, &None));
        } else {
            let row = row(id);
            assert_eq!(
                (&known.path, known.size_bytes, known.mtime_ns),
                (&row.path, row.size_bytes, row.mtime_ns)
            );
            assert_eq!((known.content_hash, &known.label), (Some(row.content_hash), &row.label));
        }
    }
    let atlas = Atlas::open(root).unwrap();
    assert_eq!((atlas.num_images(), atlas.num_rejects()), (live.len() as u64, rejects.len() as u64));
}

#[test]
fn an_empty_atlas_has_no_rows() {
    let (_folder, atlas) = empty_atlas();
    expect_rows(atlas.root(), &[], &[]);
    assert_eq!(atlas.next_image_id(), ImageId(0));
}

#[test]
fn every_column_comes_back_whatever_the_path() {
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0, 1, 2, 3, 4, 9], &[5, 7], &[]);
    commit(&mut atlas, &[11, 12], &[], &[]);
    commit(&mut atlas, &[], &[13], &[]);
    expect_rows(atlas.root(), &[0, 1, 2, 3, 4, 9, 11, 12], &[5, 7, 13]);
    assert_eq!(atlas.next_image_id(), ImageId(14));
}

#[test]
fn a_shard_of_many_batches_comes_back_in_order() {
    let (_folder, mut atlas) = empty_atlas();
    let all: Vec<u64> = (0..1000).map(|i| i * 3).collect();
    commit(&mut atlas, &all, &[], &[]);
    expect_rows(atlas.root(), &all, &[]);
}

#[test]
fn a_shard_spans_row_groups_and_pages() {
    // Numbers without pattern, so that compression does not fold them into one row group.
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest();
    manifest.schema.dim = 65_536;
    let mut atlas = Atlas::create(&folder.path().join("atlas"), &manifest).unwrap();
    let schema = manifest.schema;
    let row = |id| {
        let mut stream = Stream::new(id);
        let feature = (0..schema.dim).map(|_| stream.next() as f32).collect();
        Row { feature, ..row_of(&schema, id) }
    };
    let mut writer = writer(&atlas);
    (0..160).for_each(|id| writer.push(row(id)).unwrap());
    let committed = writer.commit(&mut atlas, &[]).unwrap();
    let file = atlas.root().join(&committed.features.unwrap().file);
    let (file, _) = fs_err::File::open(file).unwrap().into_parts();
    let groups = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().num_row_groups();
    assert!(groups > 1, "{groups}");

    atlas.retire(&ids(&[0, 77, 159])).unwrap();
    let mut got = Vec::new();
    atlas
        .for_each_feature_block(|ids, rows| {
            assert!(rows.values().len() * 4 <= 8 << 20, "blocks stay small");
            for (id, feature) in ids.iter().zip(rows) {
                assert_eq!(feature, row(id.0).feature);
                got.push(id.0);
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let live: Vec<u64> = (0..160).filter(|id| ![0, 77, 159].contains(id)).collect();
    assert_eq!(got, live);
}

#[test]
fn retired_images_are_gone_from_every_reading() {
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0, 1, 2, 3, 4], &[5, 6], &[]);
    commit(&mut atlas, &[7, 8], &[9], &[1, 5]);
    expect_rows(atlas.root(), &[0, 2, 3, 4, 7, 8], &[6, 9]);
    atlas.retire(&ids(&[8, 0, 9])).unwrap();
    expect_rows(atlas.root(), &[2, 3, 4, 7], &[6]);
    atlas.retire(&ids(&[2, 3, 4, 6, 7])).unwrap();
    expect_rows(atlas.root(), &[], &[]);
}

#[test]
fn ids_are_never_given_twice() {
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0, 1], &[2], &[]);
    atlas.retire(&ids(&[0, 1, 2])).unwrap();
    assert_eq!(atlas.next_image_id(), ImageId(3));
    let err = writer(&atlas).push(row(2)).unwrap_err();
    assert_eq!(err.to_string(), "row of image 2: the id was given before; the next is 3");
    let err = writer(&atlas).reject(reject(1)).unwrap_err();
    assert!(matches!(err, StoreError::BadRow { .. }), "{err}");
}

#[test]
fn rows_come_in_the_order_of_their_ids() {
    let (_folder, atlas) = empty_atlas();
    let mut writer = writer(&atlas);
    writer.push(row(70)).unwrap();
    for id in [70, 69] {
        let err = writer.push(row(id)).unwrap_err();
        assert_eq!(err.to_string(), format!("row of image {id}: its id does not follow 70"));
    }
    (71..200).for_each(|id| writer.push(row(id)).unwrap());
    assert!(writer.push(row(199)).is_err(), "also after rows went to the file");
    assert_eq!(writer.num_rows(), 130);
}

#[test]
fn a_second_writer_of_this_process_cannot_give_the_same_ids() {
    let (_folder, mut atlas) = empty_atlas();
    let (mut first, mut second) = (writer(&atlas), writer(&atlas));
    first.push(row(0)).unwrap();
    second.push(row(0)).unwrap();
    first.commit(&mut atlas, &[]).unwrap();
    let err = second.commit(&mut atlas, &[]).unwrap_err();
    assert_eq!(err.to_string(), "row of image 0: the id was given before");
    expect_rows(atlas.root(), &[0], &[]);
}

#[test]
fn rows_that_do_not_fit_are_refused_by_name() {
    type Change = fn(&mut Row);
    let (_folder, atlas) = empty_atlas();
    let mut writer = writer(&atlas);
    let cases: [(&str, Change); 9] = [
        ("expected 16 components, got 15", |row| row.feature.truncate(15)),
        ("a component or score is not finite", |row| row.feature[3] = f32::NAN),
        ("a component or score is not finite", |row| row.top_classes = vec![(0, f32::INFINITY)]),
        ("layer `conv5` has a maximum that is not finite", |row| row.conv_max[1][0] = f32::NEG_INFINITY),
        ("layer `conv5`: cell 36 of 36", |row| row.conv_argmax[1][2] = 36),
        ("layer `conv3`: expected 6 channels, got 7", |row| row.conv_argmax[0].push(0)),
        ("layer `conv3`: expected 6 channels, got 5", |row| row.conv_max[0].truncate(5)),
        ("expected 2 tapped layers, got 1 of maxima and 2 of cells", |row| row.conv_max.truncate(1)),
        ("expected 3072 bytes of pixels, got 3071", |row| row.pixels.truncate(3071)),
    ];
    for (what, change) in cases {
        let mut row = row(1);
        change(&mut row);
        let err = writer.push(row).unwrap_err();
        assert_eq!(err.to_string(), format!("row of image 1: {what}"));
    }
    writer.push(row(1)).unwrap();
}

#[test]
fn only_live_images_can_be_retired() {
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0, 1, 9], &[4], &[]);
    commit(&mut atlas, &[10], &[], &[1]);
    for id in [1, 2, 5, 11] {
        let err = atlas.retire(&ids(&[0, id])).unwrap_err();
        assert!(matches!(err, StoreError::UnknownImage { image_id, .. } if image_id.0 == id), "{id}: {err}");
        let mut writer = writer(&atlas);
        writer.push(row(11)).unwrap();
        assert!(writer.commit(&mut atlas, &ids(&[id])).is_err());
    }
    expect_rows(atlas.root(), &[0, 9, 10], &[4]);
}

#[test]
fn nothing_is_not_committed() {
    let (_folder, mut atlas) = empty_atlas();
    assert!(matches!(atlas.retire(&[]), Err(StoreError::EmptyCommit { .. })));
    let writer = writer(&atlas);
    assert!(writer.is_empty());
    assert!(matches!(writer.commit(&mut atlas, &[]), Err(StoreError::EmptyCommit { .. })));
    assert!(atlas.commits().is_empty());
}

#[test]
fn chosen_thumbnails_are_read_alone_and_by_id() {
    let (_folder, mut atlas) = empty_atlas();
    let all: Vec<u64> = (0..700).collect();
    commit(&mut atlas, &all[..400], &[], &[]);
    commit(&mut atlas, &all[400..], &[], &[3]);
    let wanted = [699, 0, 1, 2, 255, 256, 399, 400, 650];
    let mut got = Vec::new();
    atlas
        .thumbnails(Some(&ids(&wanted)), |id, bytes| {
            assert_eq!(bytes, row(id.0).thumbnail);
            got.push(id.0);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    assert_eq!(got, [0, 1, 2, 255, 256, 399, 400, 650, 699]);
    for unknown in [3, 700] {
        let mut seen = 0;
        let result = atlas.thumbnails(Some(&ids(&[0, unknown])), |_, _| {
            seen += 1;
            Ok::<_, StoreError>(())
        });
        assert!(matches!(result, Err(StoreError::UnknownImage { .. })));
        assert_eq!(seen, 0);
    }
}

#[test]
fn an_unknown_layer_is_named_with_those_there_are() {
    let (_folder, atlas) = empty_atlas();
    let err = atlas.for_each_conv_block("conv9", |_, _, _| Ok::<_, StoreError>(())).unwrap_err();
    let text = err.to_string();
    assert!(
        text.starts_with("layer `conv9` is not in the atlas; its layers are `conv3`, `conv5`: "),
        "{text}"
    );
}

#[test]
fn the_reader_of_blocks_can_stop_with_its_own_error() {
    #[derive(Debug)]
    enum Mine {
        Store,
        Enough,
    }
    impl From<StoreError> for Mine {
        fn from(_: StoreError) -> Self {
            Self::Store
        }
    }
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0], &[], &[]);
    let result = atlas.for_each_feature_block(|_, _| Err(Mine::Enough));
    assert!(matches!(result, Err(Mine::Enough)));
}

#[test]
fn loading_stops_on_request() {
    let (_folder, atlas) = full_atlas();
    assert!(matches!(atlas.features(&Stopped), Err(StoreError::Cancelled)));
    assert!(matches!(featlas_store::check(atlas.root(), &Stopped), Err(StoreError::Cancelled)));
}

#[test]
fn the_features_digest_follows_the_live_features_and_nothing_else() {
    let (_folder, mut atlas) = empty_atlas();
    let mut digests = vec![atlas.features_digest()];
    commit(&mut atlas, &[0, 1], &[2], &[]);
    digests.push(atlas.features_digest());
    commit(&mut atlas, &[3], &[], &[]);
    digests.push(atlas.features_digest());
    atlas.retire(&ids(&[0])).unwrap();
    digests.push(atlas.features_digest());
    for (i, digest) in digests.iter().enumerate() {
        assert!(!digests[..i].contains(digest), "change {i}");
    }
    commit(&mut atlas, &[], &[4], &[]);
    atlas.retire(&ids(&[2])).unwrap();
    atlas.update_manifest(|_| {}).unwrap();
    assert_eq!(atlas.features_digest(), digests[3]);
    assert_eq!(Atlas::open(atlas.root()).unwrap().features_digest(), digests[3]);
}

#[test]
fn the_same_rows_make_the_same_bytes() {
    let (_a, first) = full_atlas();
    let (_b, second) = full_atlas();
    assert_eq!(files(first.root()), files(second.root()));
}

#[test]
fn a_shard_of_another_schema_is_refused() {
    let (_folder, atlas) = empty_atlas();
    let mut other = schema();
    other.dim += 1;
    assert!(matches!(ShardWriter::create(&atlas, &other, &[]), Err(StoreError::BadSchema { .. })));
}

#[test]
fn the_file_says_what_it_is() {
    let (_folder, mut atlas) = empty_atlas();
    let mut writer = writer(&atlas);
    writer.push(row(0)).unwrap();
    let committed = writer.commit(&mut atlas, &[]).unwrap();
    let (file, _) =
        fs_err::File::open(atlas.root().join(&committed.features.unwrap().file)).unwrap().into_parts();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let key_values = builder.metadata().file_metadata().key_value_metadata().unwrap();
    let value = |key: &str| key_values.iter().find(|kv| kv.key == key).unwrap().value.clone().unwrap();
    assert_eq!(value("feature_column"), "fc7");
    assert_eq!(value("model"), "tiny");
    assert_eq!(value("fingerprint"), fingerprint().digest().to_string());
    assert_eq!(value("format_version"), "1");
    assert_eq!(value("precision"), "f32");

    let columns: Vec<String> = builder
        .schema()
        .fields()
        .iter()
        .map(|f| format!("{} {}{}", f.name(), f.data_type(), if f.is_nullable() { "?" } else { "" }))
        .collect();
    assert_eq!(
        columns,
        [
            "image_id UInt64",
            "path Utf8",
            "path_bytes Binary?",
            "label Utf8?",
            "content_hash FixedSizeBinary(32)",
            "width UInt32",
            "height UInt32",
            "source UInt32",
            "size_bytes UInt64",
            "mtime_ns Int64",
            "fc7 FixedSizeList(16 x non-null Float32, field: 'element')",
            "conv3_max FixedSizeList(6 x non-null Float32, field: 'element')",
            "conv3_argmax FixedSizeList(6 x non-null UInt16, field: 'element')",
            "conv5_max FixedSizeList(4 x non-null Float32, field: 'element')",
            "conv5_argmax FixedSizeList(4 x non-null UInt16, field: 'element')",
            "top_classes List(non-null Struct(\"class\": non-null UInt32, \"score\": non-null Float32), field: 'element')",
        ]
    );
    let leaf = |path: &str| {
        let group = builder.metadata().row_group(0);
        group.columns().iter().find(|c| c.column_path().string() == path).unwrap().clone()
    };
    let dictionary = |path: &str| leaf(path).dictionary_page_offset().is_some();
    assert!(!dictionary("fc7.list.element") && !dictionary("conv5_max.list.element"));
    assert!(dictionary("conv5_argmax.list.element") && dictionary("label"));
    assert!(dictionary("top_classes.list.element.class"));
    assert_eq!(columns::conv_max_column("conv5"), "conv5_max");
}

#[test]
fn progress_counts_every_image_once() {
    use std::sync::atomic::{AtomicU64, Ordering};
    #[derive(Default)]
    struct Count(AtomicU64, AtomicU64);
    impl Progress for Count {
        fn begin(&self, _: Stage, total: Option<u64>) {
            self.0.store(total.unwrap(), Ordering::Relaxed);
        }
        fn advance(&self, _: Stage, n: u64) {
            self.1.fetch_add(n, Ordering::Relaxed);
        }
        fn end(&self, _: Stage) {}
        fn warn(&self, _: &str) {}
    }
    let (_folder, atlas) = full_atlas();
    let count = Count::default();
    atlas.features(&count).unwrap();
    assert_eq!((count.0.into_inner(), count.1.into_inner()), (6, 6));
    let count = Count::default();
    let report = featlas_store::check(atlas.root(), &count).unwrap();
    assert_eq!((count.0.into_inner(), count.1.into_inner()), (report.bytes, report.bytes));
    assert_eq!(PIXELS_LEN, 3072);
    assert!(atlas.features(&Silent).is_ok());
}
