//! The atlas on disk: schema, shards, commits, manifest, check, garbage collection.
//!
//! A table that only grows by whole shards, each made visible by one record that is created atomically; files
//! never change, and each is verified against its digest before it is parsed. This crate knows Parquet; it
//! does not know networks, pixels, or what a stage computes.
//!
//! In reading order: [`Manifest`] and [`Schema`] say what an atlas holds, [`Atlas`] opens one,
//! [`ShardWriter`] adds rows, the methods of [`Atlas`] read them, [`check()`] and [`gc()`] look after it.

mod atlas;
mod atomic;
mod check;
mod commit;
mod encode;
mod error;
mod fingerprint;
mod gc;
mod list;
mod lock;
mod manifest;
mod map;
mod names;
mod neighbors;
mod pieces;
mod read;
mod rows;
mod schema;
mod seal;
mod select;
mod shard;
mod table;
mod walk;

pub use atlas::{Atlas, AtlasFile};
pub use atomic::{AtomicFile, FileRecord, TEMP_PREFIX, Written, write_atomic};
pub use check::{CheckReport, Problem, check};
pub use commit::{Commit, ShardFile};
pub use error::StoreError;
pub use fingerprint::{Difference, Fingerprint};
pub use gc::{DEFAULT_GC_AGE, GcReport, gc};
pub use list::{PathList, read_path_list};
pub use lock::AtlasLock;
pub use manifest::{Manifest, SourceRecord, StageRecord};
pub use map::{MapData, map_file, read_map, write_map, write_map_3d};
pub use neighbors::{
    AnswerRow, NeighborRow, read_neighbors, write_answers, write_neighbor_rows, write_neighbors,
};
pub use rows::{Features, ImageRecord, KnownImage, RejectRow, Row};
pub use schema::{ConvColumns, PIXELS_LEN, PIXELS_SIDE_PX, Schema, columns};
pub use seal::FORMAT_VERSION;
pub use shard::ShardWriter;
