//! What the report shows.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longer side of the zoomable map: enough for 16,000 thumbnails at their full size, in about 100 MB.
pub const DEFAULT_ZOOM_PX: u32 = 16_384;

/// What the report shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReportSettings {
    /// Its title; none: the name of the atlas folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Images whose neighbors it shows.
    pub queries: usize,
    /// Images that it shows by every method of `featlas explain`.
    pub explain: Vec<PathBuf>,
    /// Longer side of its zoomable map in pixels; 0 leaves the map out.
    pub zoom_px: u32,
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self { title: None, queries: 6, explain: Vec::new(), zoom_px: DEFAULT_ZOOM_PX }
    }
}
