//! Posters: every image of an atlas in one picture.
//!
//! Each kind is a [`Picture`](crate::Picture) and a function that writes it as a PNG, in strips.

mod frame;
mod grid;
mod legend;
mod order;
mod place;
mod points;
mod scatter;

pub use grid::{GridPoster, grid_picture, grid_poster};
pub use points::{PointsPoster, points_picture, points_poster};
pub use scatter::{ScatterPoster, scatter_picture, scatter_poster};

/// What was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PosterReport {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Images shown, the missing ones included.
    pub tiles: usize,
    /// Images whose thumbnail could not be read; a placeholder stands in their place.
    pub missing: usize,
}

/// Longer side of a poster when none is asked for, in pixels: 13.5 inches at 300 dots an inch.
pub const DEFAULT_SIZE_PX: u32 = 4_096;
