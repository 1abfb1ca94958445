//! Words everybody shares: ids, digests, feature rows, pixels, top-k, progress.
//!
//! This crate knows no files, no threads and no heavy dependency; every other crate may use it.

mod digest;
mod id;
mod neighbor;
mod pixels;
mod progress;
mod rect;
mod rows;
mod topk;

pub use digest::{Digest, Hasher, ParseDigestError};
pub use id::ImageId;
pub use neighbor::Neighbor;
pub use pixels::{PixelsError, RgbImage};
pub use progress::{Progress, Silent, Stage, Stopped};
pub use rect::{Rect, RectF};
pub use rows::{RowsError, RowsView, l2_norm};
pub use topk::TopK;
