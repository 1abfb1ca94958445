//! What "near" means.

use serde::{Deserialize, Serialize};

/// How two rows are compared. It is fixed when an index is built, and written into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// `1 - cos(a, b)`, in `[0, 2]`. Rows are scaled to length 1 when they come in, and the distance is then
    /// `|a - b|² / 2`: the same number, never negative, exactly zero between equal rows.
    #[default]
    Cosine,
    /// `|a - b|`, Euclid's, never negative. A row of zeros is a row like any other.
    L2,
}

impl Metric {
    /// From the squared difference of two stored rows to the distance that people see.
    pub(crate) fn distance(self, squared: f32) -> f32 {
        match self {
            // Rounding may carry opposite rows a hair past 2.
            Self::Cosine => (squared / 2.0).min(2.0),
            Self::L2 => squared.sqrt(),
        }
    }

    /// As files write it.
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Cosine => 0,
            Self::L2 => 1,
        }
    }

    /// From a file.
    pub(crate) fn of_code(code: u32) -> Option<Self> {
        [Self::Cosine, Self::L2].into_iter().find(|metric| metric.code() == code)
    }

    /// As settings write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
        }
    }
}
