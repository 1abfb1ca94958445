//! What the report shows.

use serde::{Deserialize, Serialize};

/// What the report shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReportSettings {
    /// Its title; none: the name of the atlas folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Images whose neighbors it shows.
    pub queries: usize,
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self { title: None, queries: 6 }
    }
}
