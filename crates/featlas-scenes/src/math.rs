//! Small vectors, blending helpers and the few float-to-integer conversions the crate needs.

use std::ops::{Add, Mul, Neg, Sub};

/// A point or direction of the picture plane; x to the right, y down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct V2 {
    pub(crate) x: f32,
    pub(crate) y: f32,
}

/// A point or direction of space (y up), or a color (see [`crate::color`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct V3 {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) z: f32,
}

pub(crate) const fn v2(x: f32, y: f32) -> V2 {
    V2 { x, y }
}

pub(crate) const fn v3(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

impl V2 {
    pub(crate) fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }

    pub(crate) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The unit vector at `turns` full turns from the x axis.
    pub(crate) fn polar(turns: f32) -> Self {
        let (sin, cos) = (turns * std::f32::consts::TAU).sin_cos();
        v2(cos, sin)
    }

    /// Turns by `turns` full turns.
    pub(crate) fn turned(self, turns: f32) -> Self {
        let axis = Self::polar(turns);
        v2(self.x * axis.x - self.y * axis.y, self.x * axis.y + self.y * axis.x)
    }

    /// The angle from the x axis in full turns, within `[-0.5, 0.5]`.
    pub(crate) fn turns(self) -> f32 {
        self.y.atan2(self.x) / std::f32::consts::TAU
    }

    /// Component-wise product.
    pub(crate) fn scaled(self, x: f32, y: f32) -> Self {
        v2(self.x * x, self.y * y)
    }
}

impl V3 {
    pub(crate) fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub(crate) fn cross(self, other: Self) -> Self {
        v3(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    pub(crate) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    pub(crate) fn unit(self) -> Self {
        self * (1.0 / self.length().max(1e-12))
    }

    /// Component-wise product: a surface's color times a light's.
    pub(crate) fn times(self, other: Self) -> Self {
        v3(self.x * other.x, self.y * other.y, self.z * other.z)
    }

    pub(crate) fn map(self, f: impl Fn(f32) -> f32) -> Self {
        v3(f(self.x), f(self.y), f(self.z))
    }

    pub(crate) fn max_component(self) -> f32 {
        self.x.max(self.y).max(self.z)
    }
}

macro_rules! vector_operators {
    ($vector:ident, $($field:ident),+) => {
        impl Add for $vector {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self { $($field: self.$field + other.$field),+ }
            }
        }
        impl Sub for $vector {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self { $($field: self.$field - other.$field),+ }
            }
        }
        impl Mul<f32> for $vector {
            type Output = Self;
            fn mul(self, factor: f32) -> Self {
                Self { $($field: self.$field * factor),+ }
            }
        }
        impl Neg for $vector {
            type Output = Self;
            fn neg(self) -> Self {
                Self { $($field: -self.$field),+ }
            }
        }
    };
}
vector_operators!(V2, x, y);
vector_operators!(V3, x, y, z);

/// `a` at `t = 0`, `b` at `t = 1`, the straight line between and beyond.
pub(crate) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 up to `from`, 1 from `to` on, the cubic S between; `from > to` gives the falling S.
pub(crate) fn smooth(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The largest whole number not above `x`.
///
/// Without SSE 4.1 `f32::floor` is a call into the C library, and noise asks for millions of floors.
#[expect(clippy::cast_possible_truncation, reason = "noise coordinates stay far inside i32; `as` saturates")]
pub(crate) fn floor(x: f32) -> i32 {
    let whole = x as i32;
    whole - i32::from(whole as f32 > x)
}

/// A pixel index or count; negative numbers become 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped at 0; `as` saturates")]
pub(crate) fn index(x: f32) -> usize {
    x.max(0.0) as usize
}

/// A displayed value in `[0, 1]` as a byte.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the byte's range")]
pub(crate) fn byte(x: f32) -> u8 {
    (x.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// The distance from `p` to the segment from `a` to `b`, and how far along it (0 to 1) the nearest point lies.
pub(crate) fn segment(p: V2, a: V2, b: V2) -> (f32, f32) {
    let (along, line) = (p - a, b - a);
    let t = (along.dot(line) / line.dot(line).max(1e-12)).clamp(0.0, 1.0);
    ((along - line * t).length(), t)
}

/// About the signed distance (negative inside) from `p` to the ellipse of half axes `radii` round the origin.
///
/// Exact on the outline, and good enough near it for soft edges.
pub(crate) fn ellipse(p: V2, radii: V2) -> f32 {
    let unit = v2(p.x / radii.x, p.y / radii.y);
    let slope = v2(unit.x / radii.x, unit.y / radii.y).length().max(1e-6);
    let length = unit.length();
    length * (length - 1.0) / slope
}

/// The signed distance from `p` to the box of half sides `half` round the origin, corners rounded by `round`.
pub(crate) fn rectangle(p: V2, half: V2, round: f32) -> f32 {
    let (x, y) = (p.x.abs() - half.x + round, p.y.abs() - half.y + round);
    v2(x.max(0.0), y.max(0.0)).length() + x.max(y).min(0.0) - round
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlines_are_at_distance_zero() {
        assert!(ellipse(v2(0.0, 2.0), v2(3.0, 2.0)).abs() < 1e-6);
        assert!(ellipse(v2(0.0, 0.5), v2(3.0, 2.0)) < 0.0);
        assert!(rectangle(v2(1.0, 0.2), v2(1.0, 1.0), 0.1).abs() < 1e-6);
        assert!((rectangle(v2(3.0, 0.0), v2(1.0, 1.0), 0.1) - 2.0).abs() < 1e-6);
        assert!((segment(v2(0.5, 2.0), v2(0.0, 0.0), v2(1.0, 0.0)).0 - 2.0).abs() < 1e-6);
    }

    #[test]
    fn smooth_steps_fall_too() {
        assert!((smooth(1.0, 0.0, 0.25) - (1.0 - smooth(0.0, 1.0, 0.25))).abs() < 1e-6);
        assert!(smooth(2.0, 1.0, 3.0).abs() < 1e-6 && smooth(2.0, 1.0, 0.0) > 0.999);
    }

    #[test]
    fn floor_rounds_down_on_both_sides_of_zero() {
        assert_eq!([-1.5, -1.0, -0.1, 0.0, 0.9, 1.0, 7.999].map(floor), [-2, -1, -1, 0, 0, 1, 7]);
    }

    #[test]
    fn bytes_are_clamped() {
        assert_eq!([byte(-1.0), byte(0.5), byte(7.0), byte(f32::NAN)], [0, 128, 255, 0]);
    }
}
