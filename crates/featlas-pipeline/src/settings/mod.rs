//! What a run does: every choice, with its default. The config file is this, in TOML.

mod embed;
mod gallery;
mod index;
mod poster;
mod report;

use featlas_net::{BackendKind, Precision};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub use embed::EmbedSettings;
pub use gallery::{DEFAULT_TOP, GallerySettings};
pub use index::{DEFAULT_ACCURACY_QUERIES, IndexSettings};
pub use poster::{
    DEFAULT_POSTER_SIZE_PX, PosterFit, PosterFormat, PosterKind, PosterSettings, ShowLabels, TileSource,
};
pub use report::{DEFAULT_ZOOM_PX, ReportSettings};

/// Images a forward pass.
pub const DEFAULT_BATCH: usize = 32;
/// Images a shard: what a killed run loses at most.
pub const DEFAULT_SHARD_ROWS: usize = 1024;
/// Share of rejected images above which a run ends with exit code 3.
pub const DEFAULT_MAX_REJECTS: f64 = 0.01;

/// Everything that `featlas run` does. Keys are the long flags of the command line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Folders, lists (csv, tsv, txt, parquet), tar shards or idx files to read.
    pub images: Vec<PathBuf>,
    /// Folder of the atlas.
    pub out: PathBuf,
    /// Architecture.
    pub model: String,
    /// Weights file; the embedded model needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Layers to read: one fully connected layer (or none) and any conv layers. Empty: the model's own.
    pub taps: Vec<String>,
    /// Arithmetic of the network.
    pub precision: Precision,
    /// The program that does it.
    pub backend: BackendKind,
    /// Images a forward pass.
    pub batch: usize,
    /// Threads; 0 uses every core.
    pub threads: usize,
    /// Images a shard.
    pub shard_rows: usize,
    /// Share of rejected images above which the run ends with exit code 3.
    pub max_rejects: f64,
    /// Globs of relative paths to leave out.
    pub exclude: Vec<String>,
    /// Whether symbolic links are followed.
    pub follow_links: bool,
    /// Column of a list that holds the paths.
    pub path_column: String,
    /// Column of a list that holds the labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// Whether images that were rejected before are tried again.
    pub retry_rejects: bool,
    /// The nearest-neighbor index.
    pub index: IndexSettings,
    /// The maps.
    pub embed: EmbedSettings,
    /// The posters.
    pub poster: Vec<PosterSettings>,
    /// The galleries.
    pub gallery: GallerySettings,
    /// The report.
    pub report: ReportSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            images: Vec::new(),
            out: PathBuf::new(),
            model: "alexnet-lite".to_owned(),
            weights: None,
            taps: Vec::new(),
            precision: Precision::F32,
            backend: BackendKind::Cpu,
            batch: DEFAULT_BATCH,
            threads: 0,
            shard_rows: DEFAULT_SHARD_ROWS,
            max_rejects: DEFAULT_MAX_REJECTS,
            exclude: Vec::new(),
            follow_links: false,
            path_column: "path".to_owned(),
            label_column: None,
            retry_rejects: false,
            index: IndexSettings::default(),
            embed: EmbedSettings::default(),
            poster: PosterKind::ALL.map(PosterSettings::of).to_vec(),
            gallery: GallerySettings::default(),
            report: ReportSettings::default(),
        }
    }
}

impl Settings {
    /// Threads to use: as set, or one a core.
    pub fn num_threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.threads == 0 { cores() } else { self.threads }
    }
}

/// What vectors are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// The network's features.
    #[default]
    Fc7,
    /// The raw pixels, 32 x 32 RGB: the lecture's comparison.
    Pixels,
}

impl Space {
    /// A distance with the digits that mean something: cosine distances lie in `[0, 2]`, distances of pixels in
    /// the thousands.
    pub fn distance_text(self, distance: f32) -> String {
        match self {
            Self::Fc7 => format!("{distance:.4}"),
            Self::Pixels => format!("{distance:.0}"),
        }
    }

    /// As written in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fc7 => "fc7",
            Self::Pixels => "pixels",
        }
    }
}
