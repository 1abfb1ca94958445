//! What can go wrong while drawing.

use crate::picture::MAX_SIDE_PX;
use featlas_image::{EncodeError, MAX_JPEG_SIDE_PX};

/// Why a picture was not drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// There is no image to show.
    #[error("nothing to draw: expected at least one image, got none")]
    NoImages,
    /// Two inputs that describe the same images differ in length.
    #[error("expected {expected} {what}, got {got}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A grid without cells.
    #[error("expected a grid of at least one cell, got {columns} columns x {rows} rows")]
    EmptyGrid {
        /// Cells from left to right.
        columns: usize,
        /// Cells from top to bottom.
        rows: usize,
    },
    /// An image was sent to a cell that the grid does not have.
    #[error("image {image} lies outside the grid: expected a cell below {cells}, got {cell}")]
    CellOutside {
        /// Row of the image.
        image: usize,
        /// The cell it was given.
        cell: usize,
        /// Number of cells.
        cells: usize,
    },
    /// Two images share a cell.
    #[error("images {first} and {second} both have cell {cell}")]
    CellTaken {
        /// The cell.
        cell: usize,
        /// Row of the image that came first.
        first: usize,
        /// Row of the image that came second.
        second: usize,
    },
    /// A map coordinate is NaN or infinite.
    #[error("image {image} has no place on the map: its coordinates are ({x}, {y})")]
    NotFinite {
        /// Row of the image.
        image: usize,
        /// Its first coordinate.
        x: f32,
        /// Its second coordinate.
        y: f32,
    },
    /// The picture would be larger than viewers and printers take.
    #[error("a poster of {width}x{height} px is too large: expected at most {MAX_SIDE_PX} px a side")]
    TooLarge {
        /// Width that was asked for, in pixels.
        width: u64,
        /// Height that was asked for, in pixels.
        height: u64,
    },
    /// The picture would be larger than a JPEG can be.
    #[error("a JPEG of {width}x{height} px is too large: expected at most {MAX_JPEG_SIDE_PX} px a side")]
    TooLargeForJpeg {
        /// Width that was asked for, in pixels.
        width: u32,
        /// Height that was asked for, in pixels.
        height: u32,
    },
    /// The picture has no room for what it must show.
    #[error("a poster of {size_px} px is too small: expected at least {needed_px} px for {what}")]
    TooSmall {
        /// Longer side that was asked for, in pixels.
        size_px: u32,
        /// The least that would do, in pixels.
        needed_px: u64,
        /// What needs the room.
        what: String,
    },
    /// The caller asked to stop.
    #[error("interrupted while drawing")]
    Cancelled,
    /// The picture could not be encoded or written; the caller knows where to.
    #[error("cannot write the picture")]
    Write {
        /// What the encoder or the file said.
        #[source]
        source: png::EncodingError,
    },
    /// The same for a JPEG.
    #[error("cannot write the picture")]
    WriteJpeg {
        /// What the encoder or the file said.
        #[source]
        source: EncodeError,
    },
}

impl RenderError {
    /// What the user can do about it, when there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoImages => Some("extract features first, or widen the image source"),
            Self::NotFinite { .. } => Some("compute the map again"),
            Self::TooLarge { .. } => Some("give a smaller `size_px`, or a smaller `tile_px`"),
            Self::TooLargeForJpeg { .. } => Some("write a `.png`, or a `.dzi` for the browser"),
            Self::TooSmall { .. } => Some("give a larger `size_px`, or set a smaller `gap_px`"),
            _ => None,
        }
    }
}

const _: () = assert!(size_of::<RenderError>() <= 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_poster_names_the_limit_and_the_remedy() {
        let err = RenderError::TooLarge { width: 90_000, height: 80_000 };
        assert_eq!(
            err.to_string(),
            "a poster of 90000x80000 px is too large: expected at most 65535 px a side"
        );
        assert!(err.hint().unwrap().contains("size_px"));
    }
}
