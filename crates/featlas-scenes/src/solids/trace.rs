//! A small ray caster: solids on a floor under one lamp, a sky's light and a fill light.

use super::material::Material;
use super::shape::{Frame, Shape};
use crate::color::{Rgb, gray, mix, to_display};
use crate::math::{V2, V3, smooth, v3};

/// A solid at its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Solid {
    pub(crate) shape: Shape,
    pub(crate) frame: Frame,
    pub(crate) center: V3,
    pub(crate) material: Material,
}

/// The lamp, the light of the surroundings, and what lies behind everything. Colors are linear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Light {
    /// Toward the lamp.
    pub(crate) toward: V3,
    pub(crate) lamp: Rgb,
    pub(crate) zenith: Rgb,
    pub(crate) horizon: Rgb,
    /// How wide shadows' borders are: 4 is a large soft box, 40 the sun.
    pub(crate) hardness: f32,
}

/// A pinhole camera.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Camera {
    pub(crate) eye: V3,
    right: V3,
    down: V3,
    ahead: V3,
}

impl Camera {
    /// At `eye`, looking at `target`; `zoom` is the distance of the picture plane whose half side is 1.
    pub(crate) fn new(eye: V3, target: V3, zoom: f32) -> Self {
        let ahead = (target - eye).unit();
        let right = ahead.cross(v3(0.0, 1.0, 0.0)).unit();
        Self { eye, right, down: ahead.cross(right), ahead: ahead * zoom }
    }

    pub(crate) fn ray(&self, p: V2) -> V3 {
        (self.ahead + self.right * p.x + self.down * p.y).unit()
    }
}

/// Everything a ray may meet. The floor is the plane `y = 0`.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) solids: Vec<Solid>,
    pub(crate) floor: Material,
    pub(crate) light: Light,
    pub(crate) camera: Camera,
}

const FAR: f32 = 60.0;
/// A march ends this near to a surface.
const TOUCH: f32 = 1e-3;

struct Hit<'a> {
    distance: f32,
    normal: V3,
    color: Rgb,
    material: &'a Material,
}

impl Solid {
    fn distance(&self, p: V3) -> f32 {
        self.shape.distance(self.frame.own(p - self.center))
    }

    /// The part of a ray within the ball of the solid's reach times `slack`.
    fn within_reach(&self, eye: V3, ray: V3, slack: f32) -> Option<(f32, f32)> {
        let from = eye - self.center;
        let reach = self.shape.reach() * slack;
        let middle = -from.dot(ray);
        let spread = middle * middle - from.dot(from) + reach * reach;
        (spread > 0.0 && middle + spread.sqrt() > 0.0)
            .then(|| ((middle - spread.sqrt()).max(0.0), middle + spread.sqrt()))
    }

    /// Where a ray first meets the surface.
    fn meet(&self, eye: V3, ray: V3) -> Option<f32> {
        let (mut at, end) = self.within_reach(eye, ray, 1.001)?;
        if matches!(self.shape, Shape::Sphere { .. }) {
            return (at > 0.0).then_some(at);
        }
        let (eye, ray) = (self.frame.own(eye - self.center), self.frame.own(ray));
        for _ in 0..64 {
            let step = self.shape.distance(eye + ray * at);
            if step < TOUCH {
                return Some(at);
            }
            at += step;
            if at > end {
                return None;
            }
        }
        None
    }

    fn normal(&self, p: V3) -> V3 {
        let p = self.frame.own(p - self.center);
        let slope = |x: f32, y: f32, z: f32| {
            let toward = v3(x, y, z);
            toward * self.shape.distance(p + toward * TOUCH)
        };
        let sum =
            slope(1.0, -1.0, -1.0) + slope(-1.0, -1.0, 1.0) + slope(-1.0, 1.0, -1.0) + slope(1.0, 1.0, 1.0);
        self.frame.world(sum.unit())
    }
}

impl World {
    /// The displayed color that the camera sees at `p`.
    pub(crate) fn look(&self, p: V2) -> Rgb {
        let ray = self.camera.ray(p);
        to_display(self.trace(self.camera.eye, ray, true))
    }

    fn trace(&self, eye: V3, ray: V3, may_mirror: bool) -> Rgb {
        let Some(hit) = self.hit(eye, ray) else { return self.surroundings(ray) };
        let place = eye + ray * hit.distance;
        let above = place + hit.normal * (3.0 * TOUCH);
        let facing = (-ray.dot(hit.normal)).clamp(0.0, 1.0);
        let mirrored = ray + hit.normal * (2.0 * facing);

        let lamp = hit.normal.dot(self.light.toward).max(0.0);
        let lit = if lamp > 0.0 { lamp * self.unshadowed(above) } else { 0.0 };
        let open = self.openness(above, hit.normal);
        let sky = mix(self.light.horizon * 0.55, self.light.zenith, 0.5 + 0.5 * hit.normal.y) * (0.55 * open);
        // Light that comes back up from the floor, in the floor's own color.
        let bounce =
            self.floor.ground() * (0.22 * open * (0.5 - 0.5 * hit.normal.y) * luminance(self.light.lamp));
        let mut color = hit.color.times(self.light.lamp * lit + sky + bounce);

        let material = hit.material;
        let half = (self.light.toward - ray).unit();
        let highlight = half.dot(hit.normal).max(0.0).powf(material.shine) * material.gloss * lit.min(1.0);
        let fresnel =
            material.mirror + (1.0 - material.mirror) * (1.0 - facing).powi(5) * material.gloss * 0.6;
        if fresnel > 0.01 {
            let seen = if may_mirror && material.mirror > 0.03 {
                self.trace(above, mirrored, false)
            } else {
                self.surroundings(mirrored)
            };
            let tint = if material.metal { hit.color + gray(0.12) } else { gray(1.0) };
            color = mix(color, seen.times(tint), fresnel * open.max(0.4));
        }
        color = color + self.light.lamp * (highlight * 1.2);
        // The floor fades into what lies behind it, so no horizon line shows.
        mix(color, self.surroundings(ray), smooth(8.0, 40.0, hit.distance))
    }

    fn hit(&self, eye: V3, ray: V3) -> Option<Hit<'_>> {
        let nearest = self
            .solids
            .iter()
            .filter_map(|solid| Some((solid.meet(eye, ray)?, solid)))
            .min_by(|(a, _), (b, _)| a.total_cmp(b));
        let floor = (ray.y < -1e-4).then(|| -eye.y / ray.y).filter(|at| (0.0..FAR).contains(at));
        match (nearest, floor) {
            (Some((distance, solid)), floor) if floor.is_none_or(|floor| distance < floor) => {
                let place = eye + ray * distance;
                let color = solid.material.color(solid.frame.own(place - solid.center));
                Some(Hit { distance, normal: solid.normal(place), color, material: &solid.material })
            }
            (_, Some(distance)) => {
                let place = eye + ray * distance;
                let color = self.floor.color(v3(place.x, 0.0, place.z));
                Some(Hit { distance, normal: v3(0.0, 1.0, 0.0), color, material: &self.floor })
            }
            _ => None,
        }
    }

    /// The share of the lamp's light that reaches `p`: soft, from how nearly the ray misses each solid.
    fn unshadowed(&self, p: V3) -> f32 {
        let toward = self.light.toward;
        let mut share = 1.0_f32;
        for solid in &self.solids {
            let Some((start, end)) = solid.within_reach(p, toward, 1.35) else { continue };
            let mut at = start.max(0.01);
            for _ in 0..40 {
                let gap = solid.distance(p + toward * at);
                share = share.min(0.5 + 0.5 * self.light.hardness * gap / at);
                at += gap.max(0.015);
                if share <= 0.0 || at > end {
                    break;
                }
            }
        }
        smooth(0.0, 1.0, share)
    }

    /// The share of the sky seen from `p`: each solid and the floor hide some, counted as balls.
    fn openness(&self, p: V3, normal: V3) -> f32 {
        let hidden = self.solids.iter().map(|solid| {
            let toward = solid.center - p;
            let distance = toward.length();
            let size = solid.shape.reach() * 0.8;
            // On its own surface a solid hides nothing: the ball would be under the point.
            (normal.dot(toward) / distance).max(0.0) * (size / distance.max(size)).powi(2)
        });
        (1.0 - hidden.sum::<f32>() * 0.8).clamp(0.15, 1.0)
    }

    /// What a ray that meets nothing sees: a gradient, brighter near the lamp.
    fn surroundings(&self, ray: V3) -> Rgb {
        let glow = ray.dot(self.light.toward).max(0.0).powi(24) * 0.5;
        let up = ray.y.clamp(-0.2, 1.0);
        mix(self.light.horizon, self.light.zenith, smooth(-0.05, 0.75, up)) + self.light.lamp * glow
    }
}

fn luminance(color: Rgb) -> f32 {
    color.dot(v3(0.2126, 0.7152, 0.0722))
}
