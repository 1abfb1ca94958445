//! Smooth random fields: gradient noise, its octave sums, and cells.

use crate::math::{V2, V3, floor, lerp, v2, v3};

/// A random field over the plane and over space, fixed by one number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    seed: u32,
}

/// Where a point lies among randomly scattered cell centers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// Distance to the nearest center.
    pub(crate) nearest: f32,
    /// Distance to the second nearest; equal to `nearest` on the borders between cells.
    pub(crate) second: f32,
    /// From the nearest center to the point.
    pub(crate) offset: V2,
    /// A random number of the nearest cell.
    pub(crate) id: u32,
}

impl Cell {
    /// A number in `[0, 1)` that is the cell's own; each `salt` gives another.
    pub(crate) fn unit(&self, salt: u32) -> f32 {
        unit(hash(self.id, salt, 7, 11))
    }
}

impl Noise {
    pub(crate) fn new(seed: u32) -> Self {
        Self { seed }
    }

    /// A number in `[0, 1)` for a lattice point.
    pub(crate) fn lattice(self, x: i32, y: i32) -> f32 {
        unit(hash(self.seed, x.cast_unsigned(), y.cast_unsigned(), 3))
    }

    /// Gradient noise (Perlin 2002): smooth, mean 0, within about `[-1, 1]`, features about 1 apart.
    pub(crate) fn plane(self, p: V2) -> f32 {
        let (x, y) = (floor(p.x), floor(p.y));
        let f = v2(p.x - x as f32, p.y - y as f32);
        let corner = |dx: i32, dy: i32| {
            let h = hash(self.seed, (x + dx).cast_unsigned(), (y + dy).cast_unsigned(), 0);
            let (gx, gy) = GRADIENTS[(h >> 29) as usize];
            gx * (f.x - dx as f32) + gy * (f.y - dy as f32)
        };
        let (u, v) = (fade(f.x), fade(f.y));
        1.4 * lerp(lerp(corner(0, 0), corner(1, 0), u), lerp(corner(0, 1), corner(1, 1), u), v)
    }

    /// Gradient noise over space.
    pub(crate) fn space(self, p: V3) -> f32 {
        let (x, y, z) = (floor(p.x), floor(p.y), floor(p.z));
        let f = v3(p.x - x as f32, p.y - y as f32, p.z - z as f32);
        let corner = |dx: i32, dy: i32, dz: i32| {
            let (cx, cy, cz) = (x + dx, y + dy, z + dz);
            let h = hash(self.seed, cx.cast_unsigned(), cy.cast_unsigned(), cz.cast_unsigned());
            let d = v3(f.x - dx as f32, f.y - dy as f32, f.z - dz as f32);
            // The twelve edge directions of a cube, four of them twice.
            let u = if h >> 31 == 0 { d.x } else { d.y };
            let v = match h >> 28 {
                0..4 => d.y,
                12 | 14 => d.x,
                _ => d.z,
            };
            (if h & 1 << 27 == 0 { u } else { -u }) + if h & 1 << 26 == 0 { v } else { -v }
        };
        let (u, v) = (fade(f.x), fade(f.y));
        let slice = |dz| {
            let near = lerp(corner(0, 0, dz), corner(1, 0, dz), u);
            lerp(near, lerp(corner(0, 1, dz), corner(1, 1, dz), u), v)
        };
        lerp(slice(0), slice(1), fade(f.z))
    }

    /// Noise along a line.
    pub(crate) fn line(self, x: f32) -> f32 {
        self.plane(v2(x, 0.37))
    }

    /// Octaves of noise, each half as large and twice as fine: clouds, stains, soft relief. About `[-1, 1]`.
    pub(crate) fn fbm(self, p: V2, octaves: u32) -> f32 {
        let mut sum = 0.0;
        let (mut p, mut amplitude) = (p, 0.53);
        for octave in 0..octaves {
            sum += amplitude * Self::new(self.seed.wrapping_add(octave)).plane(p);
            // Turned between octaves, so that the lattices do not line up.
            p = v2(1.6 * p.x - 1.2 * p.y + 17.3, 1.2 * p.x + 1.6 * p.y + 5.1);
            amplitude *= 0.5;
        }
        sum
    }

    /// [`Noise::fbm`] along a line.
    pub(crate) fn fbm_line(self, x: f32, octaves: u32) -> f32 {
        self.fbm(v2(x, 0.37), octaves)
    }

    /// Octaves of noise over space.
    pub(crate) fn fbm_space(self, p: V3, octaves: u32) -> f32 {
        let mut sum = 0.0;
        let (mut p, mut amplitude) = (p, 0.53);
        for octave in 0..octaves {
            sum += amplitude * Self::new(self.seed.wrapping_add(octave)).space(p);
            p = v3(2.03 * p.y + 3.1, 2.01 * p.z + 9.7, 2.02 * p.x + 5.3);
            amplitude *= 0.5;
        }
        sum
    }

    /// Octaves of folded noise: sharp crests, smooth valleys, within about `[0, 1]`.
    pub(crate) fn ridges(self, p: V2, octaves: u32) -> f32 {
        let mut sum = 0.0;
        let (mut p, mut amplitude, mut carry) = (p, 0.5, 1.0);
        for octave in 0..octaves {
            let crest = 1.0 - Self::new(self.seed.wrapping_add(octave)).plane(p).abs();
            let crest = crest * crest * carry;
            sum += amplitude * crest;
            carry = crest.clamp(0.0, 1.0);
            p = v2(1.6 * p.x - 1.2 * p.y + 17.3, 1.2 * p.x + 1.6 * p.y + 5.1);
            amplitude *= 0.5;
        }
        sum
    }

    /// `p` moved by up to about `amount` by two noise fields of the scale 1.
    pub(crate) fn warp(self, p: V2, amount: f32, octaves: u32) -> V2 {
        let aside = v2(p.x + 31.7, p.y - 11.3);
        p + v2(self.fbm(p, octaves), self.fbm(aside, octaves)) * amount
    }

    /// The cells of one random center per unit square (Worley 1996), jittered by up to half of `jitter`.
    pub(crate) fn cell(self, p: V2, jitter: f32) -> Cell {
        let (x, y) = (floor(p.x), floor(p.y));
        let mut cell = Cell { nearest: f32::MAX, second: f32::MAX, offset: v2(0.0, 0.0), id: 0 };
        for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
            let id = hash(self.seed, (x + dx).cast_unsigned(), (y + dy).cast_unsigned(), 1);
            let jittered = |salt| 0.5 + jitter * (unit(hash(id, salt, 0, 0)) - 0.5);
            let center = v2((x + dx) as f32 + jittered(1), (y + dy) as f32 + jittered(2));
            let offset = p - center;
            let distance = offset.length();
            if distance < cell.nearest {
                cell = Cell { nearest: distance, second: cell.nearest, offset, id };
            } else if distance < cell.second {
                cell.second = distance;
            }
        }
        cell
    }
}

const GRADIENTS: [(f32, f32); 8] = {
    const D: f32 = std::f32::consts::FRAC_1_SQRT_2;
    [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (D, D), (-D, D), (D, -D), (-D, -D)]
};

/// Perlin's quintic: first and second derivative vanish at lattice points, so no creases show.
fn fade(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 / 16_777_216.0
}

/// Two rounds of multiply and shift: enough that no eye finds a pattern, cheap enough for millions of calls.
fn hash(seed: u32, x: u32, y: u32, z: u32) -> u32 {
    let h = seed ^ x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ z.wrapping_mul(0xc2b2_ae3d);
    let h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    (h ^ (h >> 13)).wrapping_mul(0x297a_2d39)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(f: impl Fn(V2) -> f32) -> (f32, f32, f32) {
        let values: Vec<f32> =
            (0..40_000).map(|i| f(v2((i % 200) as f32 * 0.173, (i / 200) as f32 * 0.191))).collect();
        let mean = values.iter().sum::<f32>() / 40_000.0;
        let low = values.iter().copied().fold(f32::MAX, f32::min);
        (mean, low, values.iter().copied().fold(f32::MIN, f32::max))
    }

    #[test]
    fn fields_are_centered_and_bounded() {
        let noise = Noise::new(5);
        for (name, (mean, low, high)) in [
            ("plane", samples(|p| noise.plane(p))),
            ("space", samples(|p| noise.space(v3(p.x, 0.4, p.y)))),
            ("fbm", samples(|p| noise.fbm(p, 5))),
        ] {
            assert!(mean.abs() < 0.05, "{name}: mean {mean}");
            assert!((-1.2..-0.5).contains(&low) && (0.5..1.2).contains(&high), "{name}: {low} to {high}");
        }
        let (_, low, high) = samples(|p| noise.ridges(p, 4));
        assert!(low >= 0.0 && high < 1.0, "ridges: {low} to {high}");
    }

    #[test]
    fn fields_are_continuous_over_lattice_lines() {
        let noise = Noise::new(9);
        for i in -50..50 {
            let (a, b) = (v2(i as f32 - 1e-4, 0.3), v2(i as f32 + 1e-4, 0.3));
            assert!((noise.plane(a) - noise.plane(b)).abs() < 1e-3);
            assert!((noise.cell(a, 0.9).nearest - noise.cell(b, 0.9).nearest).abs() < 1e-3);
        }
    }

    #[test]
    fn cells_know_their_two_nearest_centers() {
        // Without jitter the centers are those of the unit squares.
        let cell = Noise::new(1).cell(v2(3.5, 7.9), 0.0);
        assert!((cell.nearest - 0.4).abs() < 1e-5 && (cell.second - 0.6).abs() < 1e-5, "{cell:?}");
        assert!((cell.offset - v2(0.0, 0.4)).length() < 1e-5);
    }
}
