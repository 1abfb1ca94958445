//! Images to feature rows: what is to be computed, the flow that computes it, and the patches that
//! excite each channel most.
//!
//! Knows sources, the network and the store; never colors, HTTP or the terminal.

mod cpu;
mod error;
mod flow;
mod load;
mod open;
mod patches;
mod plan;
mod prepare;
mod read_ahead;
mod report;
mod topk_patches;
mod write;

pub use error::ExtractError;
pub use flow::{Engine, ExtractOptions, TOP_CLASSES, extract};
pub use open::{SourceSpec, open_sources};
pub use patches::{CutPatch, PatchCutter, open_original};
pub use plan::{Plan, WorkItem, plan};
pub use prepare::{PIXELS_SIDE_PX, THUMBNAIL_SIDE_PX, pixels_of};
pub use report::{ExtractReport, Limit, Shares};
pub use topk_patches::{ChannelTop, PatchPlace, top_patches};
