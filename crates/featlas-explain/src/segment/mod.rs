//! Segmentation without supervision: what matters to the network seeds a cut of the picture in two.

mod grabcut;
mod maxflow;
mod mixture;
mod seeds;

pub use grabcut::{DEFAULT_GAMMA, DEFAULT_ITERATIONS, GrabCut, GrabCutParams, Mark, grab_cut};
pub use seeds::{DEFAULT_BACKGROUND_QUANTILE, DEFAULT_FOREGROUND_QUANTILE, SeedParams, seed_marks};
