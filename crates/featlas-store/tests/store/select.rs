//! Some rows by id, and tables of neighbors.

use crate::support::*;
use featlas_core::ImageId;
use featlas_store::{
    AnswerRow, NeighborRow, StageRecord, StoreError, read_neighbors, write_answers, write_neighbors,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

#[test]
fn live_rows_are_picked_by_id_and_no_shard_is_opened_in_vain() {
    // Live: 0 2 4 5 in the first shard, 7 9 in the second; 3 is a reject, 1 and 8 are retired.
    let (_folder, atlas) = full_atlas();
    assert_eq!(atlas.live_ids().unwrap(), ids(&[0, 2, 4, 5, 7, 9]));
    let wanted = ids(&[1, 2, 3, 5, 8, 9, 77]);
    let all = atlas.images().unwrap();
    let picked = atlas.images_of(&wanted).unwrap();
    let expected: Vec<_> = all.iter().filter(|image| wanted.contains(&image.image_id)).cloned().collect();
    assert_eq!(picked, expected);
    assert_eq!(picked.len(), 3);
    let mut features = Vec::new();
    let mut take = |id: ImageId, row: &[f32]| {
        features.push((id, row.to_vec()));
        Ok::<_, StoreError>(())
    };
    atlas.for_each_feature_of(&wanted, &mut take).unwrap();
    assert_eq!(features, [2, 5, 9].map(|id| (ImageId(id), row(id).feature)));
    assert!(atlas.images_of(&[]).unwrap().is_empty());

    // The first shard goes; rows of the second are found all the same.
    let first = &atlas.commits()[0].features.as_ref().unwrap().file;
    fs_err::remove_file(atlas.root().join(first)).unwrap();
    let atlas = featlas_store::Atlas::open(atlas.root()).unwrap();
    assert_eq!(atlas.images_of(&ids(&[7, 9])).unwrap(), all[4..]);
    assert!(atlas.images_of(&ids(&[2])).is_err());
}

#[test]
fn neighbors_come_back_as_they_were_written() {
    let (_folder, mut atlas) = full_atlas();
    let rows: Vec<NeighborRow> = (0..200_000u64)
        .map(|i| NeighborRow {
            image_id: ImageId(i / 2),
            rank: u32::try_from(i % 2).unwrap() + 1,
            neighbor_id: ImageId(i * 7 % 100_000),
            distance: (i % 97) as f32 / 97.0,
        })
        .collect();
    let params = [("parameters".to_owned(), "k 2".to_owned())];
    let record = write_neighbors(&atlas, "index/neighbors.parquet", rows.iter().copied(), &params).unwrap();
    let unrecorded = read_neighbors(&atlas, "index/neighbors.parquet").unwrap_err();
    assert!(matches!(unrecorded, StoreError::NotRecorded { .. }), "{unrecorded}");
    let inputs = atlas.features_digest();
    let stage = StageRecord { inputs, params: serde_json::json!({}), outputs: vec![record], secs: 0.1 };
    atlas.update_manifest(|manifest| drop(manifest.stages.insert("neighbors".to_owned(), stage))).unwrap();
    assert_eq!(read_neighbors(&atlas, "index/neighbors.parquet").unwrap(), rows);
}

#[test]
fn answers_are_a_plain_table() {
    let (folder, atlas) = full_atlas();
    let path = folder.path().join("answers.parquet");
    let answer = |rank, label: Option<&str>| AnswerRow {
        query: "a.jpg".to_owned(),
        space: "fc7".to_owned(),
        rank,
        image_id: ImageId(9),
        path: "b \"quoted\"\n.jpg".to_owned(),
        label: label.map(str::to_owned),
        distance: 0.25,
    };
    let out = fs_err::File::create(&path).unwrap();
    write_answers(&atlas, out, &path, &[answer(1, None), answer(2, Some("cat"))]).unwrap();
    let file = fs_err::File::open(&path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.into_parts().0).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!((batches.len(), batches[0].num_rows()), (1, 2));
    let names: Vec<_> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["query", "space", "rank", "image_id", "path", "label", "distance"]);
    let text = format!("{:?}", batches[0].column(5));
    assert!(text.contains("null") && text.contains("cat"), "{text}");
}
