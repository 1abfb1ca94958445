//! Small atlases with rows that differ from each other in every column.

use featlas_core::{Digest, ImageId, Silent};
use featlas_store::{
    Atlas, ConvColumns, Features, Fingerprint, ImageRecord, KnownImage, Manifest, PIXELS_LEN, RejectRow, Row,
    Schema, ShardWriter, SourceRecord, StageRecord, StoreError, read_map, write_map,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) fn schema() -> Schema {
    let conv = |name: &str, channels, side| ConvColumns {
        name: name.to_owned(),
        channels,
        height: side,
        width: side,
    };
    Schema {
        feature_column: "fc7".to_owned(),
        dim: 16,
        convs: vec![conv("conv3", 6, 13), conv("conv5", 4, 6)],
    }
}

pub(crate) fn fingerprint() -> Fingerprint {
    [
        ("model", "tiny"),
        ("weights", "0a1b"),
        ("preprocess", "shorter side 256, crop 224"),
        ("taps", "conv3 conv5"),
    ]
    .into_iter()
    .collect()
}

pub(crate) fn manifest() -> Manifest {
    let source = SourceRecord::new("folder", Path::new("/photos"), serde_json::json!({"label": "parent"}));
    Manifest::new(fingerprint(), schema(), vec![source])
}

/// An empty atlas, in a folder that goes with the first value.
pub(crate) fn empty_atlas() -> (tempfile::TempDir, Atlas) {
    let folder = tempfile::tempdir().unwrap();
    let atlas = Atlas::create(&folder.path().join("atlas"), &manifest()).unwrap();
    (folder, atlas)
}

/// A seeded stream of numbers; the same on every machine.
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// As after a rectifier: two thirds exact zeros.
    pub(crate) fn rectified(&mut self) -> f32 {
        if self.below(3) > 0 { 0.0 } else { self.below(1 << 20) as f32 / 65_536.0 }
    }
}

pub(crate) fn row(id: u64) -> Row {
    row_of(&schema(), id)
}

pub(crate) fn row_of(schema: &Schema, id: u64) -> Row {
    let mut stream = Stream::new(id);
    let path = match id % 5 {
        0 => format!("classes/a b \"q\" <script>/{id}\n.jpg").into_bytes(),
        1 => [b"caf\xe9/\xff\xfe-".as_slice(), id.to_string().as_bytes()].concat(),
        2 => [vec![b'x'; 255], id.to_string().into_bytes()].concat(),
        _ => format!("é/{id}.png").into_bytes(),
    };
    Row {
        image_id: ImageId(id),
        path,
        label: (!id.is_multiple_of(3)).then(|| format!("label {}", id % 4)),
        content_hash: Digest::of(&id.to_le_bytes()),
        width: 100 + u32::try_from(id).unwrap(),
        height: 7,
        source: 0,
        size_bytes: 1 << 40,
        mtime_ns: -1_000 - i64::try_from(id).unwrap(),
        feature: (0..schema.dim).map(|_| stream.rectified()).collect(),
        conv_max: schema
            .convs
            .iter()
            .map(|c| (0..c.channels).map(|_| stream.rectified()).collect())
            .collect(),
        conv_argmax: schema
            .convs
            .iter()
            .map(|c| {
                (0..c.channels).map(|_| u16::try_from(stream.below(c.cells() as u64)).unwrap()).collect()
            })
            .collect(),
        top_classes: (0..id % 6).map(|i| (u32::try_from(i).unwrap() * 7, stream.rectified())).collect(),
        thumbnail: (0..20 + id % 9).map(|_| stream.next().to_le_bytes()[0]).collect(),
        pixels: (0..PIXELS_LEN).map(|_| stream.next().to_le_bytes()[0]).collect(),
    }
}

pub(crate) fn reject(id: u64) -> RejectRow {
    RejectRow {
        image_id: ImageId(id),
        path: [b"bad-\xf0".as_slice(), id.to_string().as_bytes()].concat(),
        source: 0,
        size_bytes: id,
        mtime_ns: 5,
        reason: "truncated".to_owned(),
        message: format!("the file ends after {id} bytes"),
    }
}

pub(crate) fn writer(atlas: &Atlas) -> ShardWriter {
    ShardWriter::create(atlas, &atlas.manifest().schema, &[("precision".to_owned(), "f32".to_owned())])
        .unwrap()
}

/// Commits good images and rejects of these ids, ending others.
pub(crate) fn commit(atlas: &mut Atlas, rows: &[u64], rejects: &[u64], retired: &[u64]) {
    let mut writer = writer(atlas);
    for &id in rows {
        writer.push(row(id)).unwrap();
    }
    for &id in rejects {
        writer.reject(reject(id)).unwrap();
    }
    writer.commit(atlas, &ids(retired)).unwrap();
}

pub(crate) fn ids(ids: &[u64]) -> Vec<ImageId> {
    ids.iter().map(|&id| ImageId(id)).collect()
}

/// An atlas with everything in it: three commits, rejects, retired images, files of stages, a run.
pub(crate) fn full_atlas() -> (tempfile::TempDir, Atlas) {
    let (folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0, 1, 2, 4, 5], &[3, 6], &[]);
    commit(&mut atlas, &[7, 8, 9], &[], &[1, 6]);
    atlas.retire(&ids(&[8])).unwrap();
    let points: Vec<_> = [0u8, 2, 4].map(|i| (ImageId(u64::from(i)), f32::from(i), -1.5)).to_vec();
    let mut outputs =
        vec![write_map(&atlas, "tsne", &points, &[("perplexity".to_owned(), "30".to_owned())]).unwrap()];
    for (file, bytes) in [
        ("index/graph.bin", b"a graph".repeat(40)),
        ("posters/grid.png", b"a picture".repeat(20)),
        ("galleries/conv5/000.png", b"patches".repeat(30)),
        ("report/index.html", b"<html></html>".to_vec()),
    ] {
        outputs.push(atlas.write_file(file, &bytes).unwrap());
    }
    let inputs = atlas.features_digest();
    let stage = StageRecord { inputs, params: serde_json::json!({"seed": 0}), outputs, secs: 0.25 };
    atlas.update_manifest(|manifest| drop(manifest.stages.insert("all".to_owned(), stage))).unwrap();
    atlas.write_run(&BTreeMap::from([("images", 7), ("rejects", 1)])).unwrap();
    (folder, atlas)
}

/// The maxima and cells of one layer.
type Conv = (String, Vec<ImageId>, Vec<f32>, Vec<u16>);

/// Everything that the reading side of an atlas tells.
#[derive(Debug, PartialEq)]
pub(crate) struct Everything {
    pub(crate) known: Vec<KnownImage>,
    pub(crate) images: Vec<ImageRecord>,
    pub(crate) features: Features,
    pub(crate) convs: Vec<Conv>,
    pub(crate) thumbnails: Vec<(ImageId, Vec<u8>)>,
    pub(crate) pixels: (Vec<ImageId>, Vec<u8>),
    pub(crate) rejects: Vec<RejectRow>,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) maps: Vec<featlas_store::MapData>,
    pub(crate) run: Option<serde_json::Value>,
}

pub(crate) fn read_everything(root: &Path) -> Result<Everything, StoreError> {
    let atlas = Atlas::open(root)?;
    let mut convs = Vec::new();
    for conv in &atlas.manifest().schema.convs {
        let (mut ids, mut max, mut argmax) = (Vec::new(), Vec::new(), Vec::new());
        atlas.for_each_conv_block(&conv.name, |block_ids, block_max, block_argmax| {
            ids.extend_from_slice(block_ids);
            max.extend_from_slice(block_max);
            argmax.extend_from_slice(block_argmax);
            Ok::<_, StoreError>(())
        })?;
        convs.push((conv.name.clone(), ids, max, argmax));
    }
    let mut thumbnails = Vec::new();
    atlas.thumbnails(None, |id, bytes| {
        thumbnails.push((id, bytes.to_vec()));
        Ok::<_, StoreError>(())
    })?;
    let outputs: Vec<String> = atlas.manifest().outputs().map(|record| record.file.clone()).collect();
    let read = |file: &String| Ok::<_, StoreError>((file.clone(), atlas.read_file(file)?));
    let maps = outputs.iter().filter_map(|file| file.strip_prefix("maps/")?.strip_suffix(".parquet"));
    Ok(Everything {
        known: atlas.known_images()?,
        images: atlas.images()?,
        features: atlas.features(&Silent)?,
        convs,
        thumbnails,
        pixels: atlas.pixels()?,
        rejects: atlas.rejects()?,
        files: outputs.iter().map(read).collect::<Result<_, _>>()?,
        maps: maps.map(|name| read_map(&atlas, name)).collect::<Result<_, _>>()?,
        run: atlas.read_run()?,
    })
}

/// All files below a folder with their bytes, by relative path.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn visit(root: &Path, folder: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                visit(root, &path, all);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                all.insert(name, fs_err::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    visit(root, root, &mut all);
    all
}
