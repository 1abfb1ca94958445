//! What landscapes share: outlines of hills, still water that mirrors what stands above it.

use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, mix};
use crate::math::{V2, index, lerp, smooth, v2};
use crate::noise::Noise;

/// A height for every column of the picture, kept so that no pixel computes it again.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    heights: Vec<f32>,
    left: f32,
    step: f32,
}

impl Outline {
    /// The outline `y = height(x)` over the width of `canvas` and a bit beyond.
    pub(crate) fn new(canvas: &Canvas, height: impl Fn(f32) -> f32) -> Self {
        let (step, left) = (canvas.pixel(), -canvas.half().x - 0.1);
        let count = index((0.2 + 2.0 * canvas.half().x) / step) + 2;
        Self { heights: (0..count).map(|i| height(left + i as f32 * step)).collect(), left, step }
    }

    /// The outline's `y` at `x`.
    pub(crate) fn at(&self, x: f32) -> f32 {
        let place = ((x - self.left) / self.step).clamp(0.0, (self.heights.len() - 1) as f32);
        let left = index(place);
        let right = (left + 1).min(self.heights.len() - 1);
        lerp(self.heights[left], self.heights[right], place - left as f32)
    }

    /// The highest place: the least `y`.
    pub(crate) fn top(&self) -> f32 {
        self.heights.iter().copied().fold(f32::MAX, f32::min)
    }

    /// Fills everything below; `paint` gets the place and how far it lies below the outline.
    pub(crate) fn fill(&self, canvas: &mut Canvas, paint: impl Fn(V2, f32) -> Rgb) {
        let half = canvas.half();
        let bounds = Bounds { low: v2(-half.x, self.top()), high: half };
        // On slopes the vertical gap is longer than the distance, so steep edges come out a little softer.
        canvas.fill(bounds, |p| self.at(p.x) - p.y, |p| paint(p, p.y - self.at(p.x)));
    }
}

/// The softness of the shore line, in units.
const SHORE: f32 = 0.01;

/// Still water from `shore` down: it mirrors what stands above, broken by ripples that grow toward the viewer.
pub(crate) fn mirror(canvas: &mut Canvas, shore: f32, noise: Noise, ripple: f32, (water, share): (Rgb, f32)) {
    let above = canvas.clone();
    let half = canvas.half();
    let bounds = Bounds { low: v2(-half.x, shore), high: half };
    canvas.glaze(bounds, |p| {
        let depth = (p.y - shore).max(0.0);
        let far = 1.0 / (0.05 + depth);
        let wave = noise.fbm(v2(p.x * far * 0.35, far * 1.6), 2);
        let moved = v2(p.x + wave * ripple * depth * 0.4, shore - depth * (1.0 + wave * ripple));
        let seen = above.sample(moved);
        // Looking down one sees into the water, along it only the mirror.
        let share = (share * smooth(-0.2, 1.2, depth) + 0.12).min(1.0);
        (mix(seen, water, share), smooth(0.0, SHORE, depth))
    });
}
