//! What the galleries show.

use serde::{Deserialize, Serialize};

/// Patches a channel in a gallery.
pub const DEFAULT_TOP: usize = 9;

/// What the galleries show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GallerySettings {
    /// Tapped conv layer; none: every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Patches a channel.
    pub top: usize,
    /// Whether the guided backpropagation of each patch stands beside it.
    pub guided: bool,
}

impl Default for GallerySettings {
    fn default() -> Self {
        Self { layer: None, top: DEFAULT_TOP, guided: false }
    }
}
