//! From map coordinates to pixels.

use crate::RenderError;

/// The places of a map's points, scaled to a box and centered in it; one scale for both axes.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Pixel coordinates of each point.
    pub(crate) at: Vec<(f32, f32)>,
}

/// The box in which centers must lie, in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) width: f32,
    pub(crate) height: f32,
}

impl Bounds {
    /// The box without a rim of `by`.
    pub(crate) fn inset(self, by: f32) -> Self {
        let Self { left, top, width, height } = self;
        Self { left: left + by, top: top + by, width: width - 2.0 * by, height: height - 2.0 * by }
    }

    /// The nearest place inside.
    pub(crate) fn clamp(self, (x, y): (f32, f32)) -> (f32, f32) {
        (x.clamp(self.left, self.left + self.width), y.clamp(self.top, self.top + self.height))
    }
}

/// The extent of a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    low: (f32, f32),
    size: (f32, f32),
}

impl Extent {
    /// Measures `points`, `(n, 2)` row-major; `y` grows upward, as on paper.
    pub(crate) fn of(points: &[f32], expected: usize) -> Result<Self, RenderError> {
        if points.len() != expected * 2 {
            return Err(RenderError::Count {
                what: "map coordinates",
                expected: expected * 2,
                got: points.len(),
            });
        }
        if expected == 0 {
            return Err(RenderError::NoImages);
        }
        let (mut low, mut high) = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
        for (image, point) in points.chunks_exact(2).enumerate() {
            let (x, y) = (point[0], point[1]);
            if !(x.is_finite() && y.is_finite()) {
                return Err(RenderError::NotFinite { image, x, y });
            }
            low = (low.0.min(x), low.1.min(y));
            high = (high.0.max(x), high.1.max(y));
        }
        Ok(Self { low, size: (high.0 / 2.0 - low.0 / 2.0, high.1 / 2.0 - low.1 / 2.0) })
    }

    /// Height over width, held within what looks good on a wall.
    pub(crate) fn aspect(&self) -> f32 {
        let (w, h) = self.size;
        if w > 0.0 && h > 0.0 { (h / w).clamp(0.62, 1.3) } else { 1.0 }
    }

    /// Puts `points` into the middle of `bounds`.
    pub(crate) fn place(&self, points: &[f32], bounds: Bounds) -> Places {
        let Bounds { left, top, width, height } = bounds;
        // Halved, because the difference of two finite coordinates need not be finite.
        let scale_of = |room: f32, size: f32| if size > 0.0 { room / size } else { f32::INFINITY };
        let scale = scale_of(width, self.size.0).min(scale_of(height, self.size.1));
        let scale = if scale.is_finite() { scale } else { 0.0 };
        let spare = (width - self.size.0 * scale, height - self.size.1 * scale);
        let at = points
            .chunks_exact(2)
            .map(|point| {
                let x = (point[0] / 2.0 - self.low.0 / 2.0) * scale;
                let y = height - spare.1 - (point[1] / 2.0 - self.low.1 / 2.0) * scale;
                bounds.clamp((left + spare.0 / 2.0 + x, top + spare.1 / 2.0 + y))
            })
            .collect();
        Places { at }
    }
}

impl Places {
    /// The area, in square pixels, that the points really cover: maps leave much of their box empty.
    pub(crate) fn covered_area(&self, bounds: Bounds) -> f32 {
        const POINTS_PER_CELL: f32 = 4.0;
        let Bounds { width, height, .. } = bounds;
        let n = self.at.len() as f32;
        let cell = (width * height * POINTS_PER_CELL / n).sqrt().max(1.0);
        #[expect(clippy::cast_possible_truncation, reason = "places lie inside the picture")]
        let mut cells: Vec<(i64, i64)> =
            self.at.iter().map(|(x, y)| ((x / cell) as i64, (y / cell) as i64)).collect();
        cells.sort_unstable();
        cells.dedup();
        (cells.len() as f32 * cell * cell).min(width * height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bounds(left: f32, top: f32, width: f32, height: f32) -> Bounds {
        Bounds { left, top, width, height }
    }

    #[test]
    fn up_on_the_map_is_up_on_the_paper() {
        let points = [0.0, 0.0, 1.0, 1.0];
        let places = Extent::of(&points, 2).unwrap().place(&points, bounds(0.0, 0.0, 100.0, 100.0));
        assert_eq!(places.at, [(0.0, 100.0), (100.0, 0.0)]);
    }

    #[test]
    fn one_scale_serves_both_axes() {
        let points = [0.0, 0.0, 4.0, 0.0, 0.0, 1.0];
        let places = Extent::of(&points, 3).unwrap().place(&points, bounds(0.0, 0.0, 100.0, 100.0));
        let (dx, dy) = (places.at[1].0 - places.at[0].0, places.at[0].1 - places.at[2].1);
        assert!((dx - 100.0).abs() < 1e-3 && (dy - 25.0).abs() < 1e-3, "{dx} {dy}");
    }

    #[test]
    fn identical_points_go_to_the_middle() {
        let points = [3.0; 8];
        let extent = Extent::of(&points, 4).unwrap();
        assert_eq!(extent.place(&points, bounds(10.0, 20.0, 80.0, 40.0)).at, [(50.0, 40.0); 4]);
    }

    #[test]
    fn a_point_nowhere_is_named() {
        let err = Extent::of(&[0.0, 1.0, f32::NAN, 2.0], 2).unwrap_err();
        assert_eq!(err.to_string(), "image 1 has no place on the map: its coordinates are (NaN, 2)");
        assert!(matches!(Extent::of(&[0.0; 3], 2), Err(RenderError::Count { expected: 4, got: 3, .. })));
        assert!(matches!(Extent::of(&[], 0), Err(RenderError::NoImages)));
    }

    proptest! {
        #[test]
        fn all_points_lie_inside(
            points in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::ZERO, 2..60),
            width in 1.0_f32..4000.0, height in 1.0_f32..4000.0,
        ) {
            let points = &points[..points.len() / 2 * 2];
            let extent = Extent::of(points, points.len() / 2).unwrap();
            let places = extent.place(points, bounds(7.0, 9.0, width, height));
            for (x, y) in places.at {
                prop_assert!((7.0..=7.0 + width).contains(&x), "{x}");
                prop_assert!((9.0..=9.0 + height).contains(&y), "{y}");
            }
        }
    }
}
