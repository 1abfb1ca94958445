//! Posters: every image of an atlas in one picture.
//!
//! Each kind is described by plain values and becomes a [`Picture`](crate::Picture), which is written by
//! [`write_png`](crate::write_png), [`write_jpeg`](crate::write_jpeg) or as a [`Pyramid`](crate::Pyramid).

mod frame;
mod grid;
mod legend;
mod mark;
mod order;
mod place;
mod points;
mod room;
mod scatter;
mod seam;
mod spread;

pub use grid::{GridPoster, grid_picture};
pub use mark::LabelMark;
pub use points::{PointsPoster, points_picture};
pub use scatter::{ScatterPoster, scatter_picture};
pub use seam::{Seam, Seams};

/// Longer side of a poster when none is asked for, in pixels: 13.5 inches at 300 dots an inch.
pub const DEFAULT_SIZE_PX: u32 = 4_096;
