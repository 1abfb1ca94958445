//! Rectangles in pixel grids.

use serde::{Deserialize, Serialize};

/// Whole pixels: `left <= x < right`, `top <= y < bottom`. May reach outside its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the four sides name themselves")]
pub struct Rect {
    pub left: i64,
    pub top: i64,
    pub right: i64,
    pub bottom: i64,
}

impl Rect {
    /// Width in pixels; zero when empty.
    pub fn width(&self) -> i64 {
        (self.right - self.left).max(0)
    }

    /// Height in pixels; zero when empty.
    pub fn height(&self) -> i64 {
        (self.bottom - self.top).max(0)
    }

    /// The part of it inside `(0, 0)..(width, height)`.
    #[must_use]
    pub fn clipped(&self, width: u32, height: u32) -> Self {
        Self {
            left: self.left.clamp(0, i64::from(width)),
            top: self.top.clamp(0, i64::from(height)),
            right: self.right.clamp(0, i64::from(width)),
            bottom: self.bottom.clamp(0, i64::from(height)),
        }
    }
}

/// The same with fractional sides: pixel `i` covers `[i, i + 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the four sides name themselves")]
pub struct RectF {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl RectF {
    /// The whole pixels nearest to it, at least one pixel wide and high.
    pub fn rounded(&self) -> Rect {
        #[expect(clippy::cast_possible_truncation, reason = "sides of pictures are far below 2^53")]
        let round = |v: f64| v.round() as i64;
        let (left, top) = (round(self.left), round(self.top));
        Rect { left, top, right: round(self.right).max(left + 1), bottom: round(self.bottom).max(top + 1) }
    }
}

impl From<Rect> for RectF {
    fn from(rect: Rect) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "sides of pictures are far below 2^53")]
        let float = |v: i64| v as f64;
        Self {
            left: float(rect.left),
            top: float(rect.top),
            right: float(rect.right),
            bottom: float(rect.bottom),
        }
    }
}
