//! The stages of an atlas, their order, what is stale, and what a run reports.
//!
//! Knows every crate that computes; never clap nor the terminal.

mod atlas;
mod demo;
mod embed;
mod error;
mod extract;
mod gallery;
mod index;
mod memory;
mod picture;
mod poster;
mod query;
mod report;
mod run;
mod settings;
mod sheet;
mod stage;
mod summary;
mod vectors;

pub use demo::{DEFAULT_DEMO_IMAGES_PER_CLASS, DemoSettings, Drawn, draw_demo};
pub use embed::embed;
pub use error::PipelineError;
pub use extract::extract;
pub use gallery::gallery;
pub use index::index;
pub use picture::write_picture;
pub use poster::{draw_poster, posters};
pub use query::{Answer, Found, QuerySettings, query, query_sheet};
pub use report::report;
pub use run::{run, run_extract, run_one};
pub use settings::{
    DEFAULT_BATCH, DEFAULT_MAX_REJECTS, DEFAULT_POSTER_SIZE_PX, DEFAULT_SHARD_ROWS, DEFAULT_TOP,
    EmbedSettings, GallerySettings, IndexSettings, PosterKind, PosterSettings, Precision, ReportSettings,
    Settings, Space,
};
pub use summary::{RunSummary, StageSummary};
