//! Solids as signed distance functions, placed in space.

use crate::math::{V2, V3, v2, v3};

/// A solid round the origin, its axis along y. Lengths are in world units.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A ball.
    Sphere { radius: f32 },
    /// A box with rounded edges.
    Block { half: V3, round: f32 },
    /// A cone with its tip up, edges rounded; the base at `-height / 2`.
    Cone { height: f32, radius: f32, round: f32 },
    /// A ring of tube radius `tube` round the y axis.
    Torus { radius: f32, tube: f32 },
}

impl Shape {
    /// The signed distance from `p` to the surface, negative inside.
    pub(crate) fn distance(&self, p: V3) -> f32 {
        match *self {
            Self::Sphere { radius } => p.length() - radius,
            Self::Block { half, round } => {
                let q = v3(p.x.abs(), p.y.abs(), p.z.abs()) - half + v3(round, round, round);
                q.map(|x| x.max(0.0)).length() + q.max_component().min(0.0) - round
            }
            Self::Cone { height, radius, round } => cone(p, height - 2.0 * round, radius - round) - round,
            Self::Torus { radius, tube } => {
                let ring = v2(p.x, p.z).length() - radius;
                v2(ring, p.y).length() - tube
            }
        }
    }

    /// The radius of a ball round the origin that holds the whole solid.
    pub(crate) fn reach(&self) -> f32 {
        match *self {
            Self::Sphere { radius } => radius,
            Self::Block { half, .. } => half.length(),
            Self::Cone { height, radius, .. } => v2(height * 0.5, radius).length(),
            Self::Torus { radius, tube } => radius + tube,
        }
    }

    /// How far the solid reaches in the unit direction `toward`.
    pub(crate) fn support(&self, toward: V3) -> f32 {
        let across = (1.0 - toward.y * toward.y).max(0.0).sqrt();
        match *self {
            Self::Sphere { radius } => radius,
            Self::Block { half, round } => {
                let inner = half - v3(round, round, round);
                toward.map(f32::abs).dot(inner) + round
            }
            Self::Cone { height, radius, round } => {
                let (tip, base) = (height * 0.5 - round, -height * 0.5 + round);
                (toward.y * tip).max(toward.y * base + across * (radius - round)) + round
            }
            Self::Torus { radius, tube } => across * radius + tube,
        }
    }
}

/// The distance to a sharp cone of height `height` about the origin with base radius `radius`.
fn cone(p: V3, height: f32, radius: f32) -> f32 {
    let tip = v2(radius, -height);
    let w = v2(v2(p.x, p.z).length(), p.y - height * 0.5);
    let along = (w.dot(tip) / tip.dot(tip)).clamp(0.0, 1.0);
    let side = w - tip * along;
    let base = w - v2((w.x / radius).clamp(0.0, 1.0) * radius, -height);
    let nearest = side.dot(side).min(base.dot(base)).sqrt();
    let outside = (w.y * tip.x - w.x * tip.y).max(-w.y - height) > 0.0;
    // Above the axis' tip and beside the flank the first term is positive; below the base the second.
    if outside { nearest } else { -nearest }
}

/// An orthonormal frame: where the solid's own axes point in the world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    x: V3,
    y: V3,
    z: V3,
}

impl Frame {
    /// The y axis tilted by `tilt` turns toward the azimuth `toward`, after a spin by `spin` turns about it.
    pub(crate) fn new(spin: f32, tilt: f32, toward: f32) -> Self {
        let turn = |p: V3, turns: f32| {
            let flat = v2(p.x, p.z).turned(turns);
            v3(flat.x, p.y, flat.y)
        };
        let tip = |p: V3| {
            let flat: V2 = v2(p.x, p.y).turned(-tilt);
            v3(flat.x, flat.y, p.z)
        };
        let axis = |p| turn(tip(turn(p, spin - toward)), toward);
        Self { x: axis(v3(1.0, 0.0, 0.0)), y: axis(v3(0.0, 1.0, 0.0)), z: axis(v3(0.0, 0.0, 1.0)) }
    }

    /// A world direction in the solid's own coordinates.
    pub(crate) fn own(&self, p: V3) -> V3 {
        v3(p.dot(self.x), p.dot(self.y), p.dot(self.z))
    }

    /// An own direction in world coordinates.
    pub(crate) fn world(&self, p: V3) -> V3 {
        self.x * p.x + self.y * p.y + self.z * p.z
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes() -> [Shape; 4] {
        [
            Shape::Sphere { radius: 0.8 },
            Shape::Block { half: v3(0.5, 0.7, 0.4), round: 0.05 },
            Shape::Cone { height: 1.6, radius: 0.6, round: 0.04 },
            Shape::Torus { radius: 0.7, tube: 0.25 },
        ]
    }

    fn directions() -> impl Iterator<Item = V3> {
        (0..200).map(|i| {
            let y = (i as f32 + 0.5) / 100.0 - 1.0;
            let flat = V2::polar(i as f32 * 0.618_034) * (1.0 - y * y).sqrt();
            v3(flat.x, y, flat.y)
        })
    }

    #[test]
    fn solids_lie_within_their_reach_and_support() {
        for shape in shapes() {
            for toward in directions() {
                assert!(shape.distance(toward * (shape.reach() + 0.02)) > 0.0, "{shape:?}");
                // A plane just beyond the support touches nothing; one just inside cuts the solid.
                let support = shape.support(toward);
                let farthest = directions()
                    .flat_map(|d| (0..150).map(move |step| d * (step as f32 * 0.01)))
                    .filter(|p| shape.distance(*p) <= 0.0)
                    .map(|p| p.dot(toward))
                    .fold(0.0, f32::max);
                assert!(farthest <= support + 0.02, "{shape:?} toward {toward:?}: {farthest} > {support}");
                assert!(farthest > support - 0.2, "{shape:?} toward {toward:?}: {farthest} < {support}");
            }
        }
    }

    #[test]
    fn distances_never_promise_too_much() {
        // A march of the stated length must not jump through a surface: the function is 1-Lipschitz.
        for shape in shapes() {
            for (a, b) in directions().zip(directions().skip(3)) {
                let (a, b) = (a * 0.9, b * 1.1);
                let slope = (shape.distance(a) - shape.distance(b)).abs() / (a - b).length();
                assert!(slope < 1.001, "{shape:?}: {slope}");
            }
        }
    }

    #[test]
    fn frames_turn_back_and_forth() {
        let frame = Frame::new(0.13, 0.2, 0.4);
        let p = v3(0.3, -0.8, 0.5);
        assert!((frame.own(frame.world(p)) - p).length() < 1e-5);
        let lying = Frame::new(0.1, 0.25, 0.0).world(v3(0.0, 1.0, 0.0));
        assert!((lying - v3(1.0, 0.0, 0.0)).length() < 1e-5, "{lying:?}");
    }
}
