//! The stages of an atlas, their order, what is stale, and what a run reports.
//!
//! Knows every crate that computes; never clap nor the terminal.

mod atlas;
mod basis;
mod calibration;
mod demo;
mod embed;
mod error;
mod explain;
mod extract;
mod gallery;
mod index;
mod insights;
mod memory;
mod neighbors;
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
mod zoom;

pub use basis::fit_basis;
pub use demo::{DEFAULT_DEMO_IMAGES_PER_CLASS, DemoSettings, Drawn, draw_demo};
pub use embed::embed;
pub use error::PipelineError;
pub use explain::{
    Array, Baseline, DEFAULT_BACKGROUND_QUANTILE, DEFAULT_CUT_ITERATIONS, DEFAULT_EXPLAIN_BATCH,
    DEFAULT_FOREGROUND_QUANTILE, ExplainSettings, ExplainSummary, Explained, Fill, GradientPrecision, Method,
    ReluRule, SegmentSettings, Target, Unreadable, Values, Watched, explain,
};
pub use extract::extract;
pub use featlas_index::Metric;
pub use featlas_net::Precision;
pub use gallery::gallery;
pub use index::index;
pub use insights::{DEFAULT_DUPLICATE_LIMIT, Insights};
pub use neighbors::{
    DEFAULT_NEIGHBORS, DuplicateGroup, duplicates, neighbor_graph, neighbors, write_neighbors_to,
};
pub use picture::write_picture;
pub use poster::{draw_poster, posters};
pub use query::{Answer, Ask, Found, QuerySettings, query, query_sheet, write_answers_to};
pub use report::report;
pub use run::{run, run_extract, run_one};
pub use settings::{
    DEFAULT_ACCURACY_QUERIES, DEFAULT_BATCH, DEFAULT_MAX_REJECTS, DEFAULT_POSTER_SIZE_PX, DEFAULT_SHARD_ROWS,
    DEFAULT_TOP, DEFAULT_ZOOM_PX, EmbedSettings, GallerySettings, IndexSettings, PosterFit, PosterFormat,
    PosterKind, PosterSettings, ReportSettings, Settings, ShowLabels, Space, TileSource,
};
pub use summary::{RunSummary, StageSummary};
