//! What the posters show.

use serde::{Deserialize, Serialize};

/// Longer side of a poster.
pub const DEFAULT_POSTER_SIZE_PX: u32 = 4000;

/// The kinds of poster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PosterKind {
    /// Every image in a cell of its own, neighbors side by side.
    Grid,
    /// Every image at its place on the map.
    Scatter,
    /// Every cell shows the image nearest to it.
    Fill,
    /// A dot an image, colored by label.
    Points,
}

impl PosterKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Grid, Self::Scatter, Self::Fill, Self::Points];

    /// As written in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Scatter => "scatter",
            Self::Fill => "fill",
            Self::Points => "points",
        }
    }
}

/// One poster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PosterSettings {
    /// Its kind.
    pub kind: PosterKind,
    /// Longer side in pixels.
    #[serde(default = "default_poster_size_px")]
    pub size_px: u32,
    /// A line above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl PosterSettings {
    /// A poster of `kind` with default size.
    pub fn of(kind: PosterKind) -> Self {
        Self { kind, size_px: DEFAULT_POSTER_SIZE_PX, title: None }
    }
}

fn default_poster_size_px() -> u32 {
    DEFAULT_POSTER_SIZE_PX
}
