//! Where the network's input lies on the original picture.

use featlas_core::RectF;
use featlas_net::Preprocess;

/// The way from the pixels of an original back to the network's input, through its resize and crop.
///
/// A map drawn through it lies over the original at full resolution and is never stretched: a warp of the
/// preprocessing is undone, and what the crop cut off stays without values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// The original's size.
    width: u32,
    height: u32,
    /// The input's side.
    px: usize,
    /// The original's part that the network saw, in its pixels; may reach outside where the input was
    /// padded.
    seen: RectF,
}

impl Placement {
    /// For an original of `width` x `height` pixels.
    pub fn new(preprocess: &Preprocess, width: u32, height: u32) -> Self {
        let side = f64::from(preprocess.input_px());
        let whole = RectF { left: 0.0, top: 0.0, right: side, bottom: side };
        let seen = preprocess.to_original(whole, width, height);
        Self { width, height, px: preprocess.input_px() as usize, seen }
    }

    /// The part of the original that the network saw, in pixels of the original. Reaches outside it where
    /// the input was padded.
    pub fn seen(&self) -> RectF {
        self.seen
    }

    /// Takes a rectangle of the input to the original; not clipped.
    pub fn to_original(&self, input: RectF) -> RectF {
        let px = self.px as f64;
        let x = |v: f64| self.seen.left + v / px * (self.seen.right - self.seen.left);
        let y = |v: f64| self.seen.top + v / px * (self.seen.bottom - self.seen.top);
        RectF { left: x(input.left), top: y(input.top), right: x(input.right), bottom: y(input.bottom) }
    }

    /// Lays a map over the original: `(height, width)` values, row-major, bilinear between the centers of
    /// the map's cells; NaN for pixels that the network did not see.
    ///
    /// `map` has `map_h` rows of `map_w` cells that divide the network's input evenly: `px` x `px` for
    /// pixels, a layer's own size for its cells.
    ///
    /// # Panics
    /// If `map` does not have that size, or is empty.
    pub fn over_original(&self, map: &[f32], (map_h, map_w): (usize, usize)) -> Vec<f32> {
        assert!(!map.is_empty() && map.len() == map_h * map_w, "a map of {map_h} x {map_w} cells");
        let columns = axis(self.width, self.seen.left, self.seen.right, map_w);
        let rows = axis(self.height, self.seen.top, self.seen.bottom, map_h);
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        for row in &rows {
            let Some((top, bottom, dy)) = *row else {
                values.resize(values.len() + columns.len(), f32::NAN);
                continue;
            };
            let (top, bottom) = (&map[top * map_w..][..map_w], &map[bottom * map_w..][..map_w]);
            values.extend(columns.iter().map(|column| {
                let Some((left, right, dx)) = *column else { return f32::NAN };
                let along = |row: &[f32]| row[left] * (1.0 - dx) + row[right] * dx;
                along(top) * (1.0 - dy) + along(bottom) * dy
            }));
        }
        values
    }
}

/// For each of `len` pixels: the two cells that its center lies between, and how far from the first;
/// `None` outside `[start, end)`.
fn axis(len: u32, start: f64, end: f64, cells: usize) -> Vec<Option<(usize, usize, f32)>> {
    (0..len)
        .map(|pixel| {
            let center = f64::from(pixel) + 0.5;
            if center < start || center >= end {
                return None;
            }
            let last = (cells - 1) as f64;
            let at = ((center - start) / (end - start) * cells as f64 - 0.5).clamp(0.0, last);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to the cells"
            )]
            let (low, between) = (at as usize, (at - at.floor()) as f32);
            Some((low, (low + 1).min(cells - 1), between))
        })
        .collect()
}
