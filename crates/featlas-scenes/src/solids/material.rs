//! What solids and floors are made of.

use crate::color::{Rgb, gray, mix, to_linear};
use crate::dice::Dice;
use crate::math::{V3, floor, smooth, v2, v3};
use crate::noise::Noise;

/// How the two colors of a material lie on it.
#[derive(Debug, Clone, Copy)]
enum Pattern {
    Plain,
    Checks { size: f32 },
    Bands { size: f32 },
    Veins { size: f32 },
    Specks { size: f32 },
    Grain { size: f32 },
}

/// A surface: linear colors, a pattern, and how it shines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Material {
    first: Rgb,
    second: Rgb,
    pattern: Pattern,
    noise: Noise,
    /// Strength of the highlight, 0 (chalk) to 1.
    pub(crate) gloss: f32,
    /// How sharp the highlight is: the exponent of Blinn and Phong.
    pub(crate) shine: f32,
    /// Share of the surroundings mirrored when looked at straight on.
    pub(crate) mirror: f32,
    /// Whether reflections take the surface's color.
    pub(crate) metal: bool,
}

impl Material {
    /// Any material for a solid.
    pub(crate) fn any(dice: &mut Dice) -> Self {
        let (first, second) =
            if dice.chance(0.75) { (dice.vivid(), dice.color()) } else { dice.contrasting() };
        let size = dice.within(0.14, 0.34);
        let pattern = match dice.whole(0, 11) {
            0 => Pattern::Checks { size },
            1 | 2 => Pattern::Bands { size: size * 0.8 },
            3 => Pattern::Veins { size: size * 2.5 },
            4 => Pattern::Specks { size: size * 0.8 },
            5 => Pattern::Grain { size: size * 0.5 },
            _ => Pattern::Plain,
        };
        let finish = dice.unit();
        let (gloss, shine, mirror, metal) = match finish {
            0.0..0.3 => (0.05, 12.0, 0.0, false),
            0.3..0.75 => (dice.within(0.4, 0.9), dice.within(40.0, 160.0), 0.04, false),
            0.75..0.9 => (0.9, dice.within(30.0, 90.0), dice.within(0.35, 0.6), true),
            _ => (1.0, 220.0, dice.within(0.15, 0.3), false),
        };
        let (first, second) = (to_linear(first), to_linear(second));
        Self { first, second, pattern, noise: dice.noise(), gloss, shine, mirror, metal }
    }

    /// Any material for a floor; calmer, so that the solids stand out.
    pub(crate) fn floor(dice: &mut Dice) -> Self {
        let base = match dice.whole(0, 3) {
            0 => dice.vivid(),
            1 => dice.near(gray(0.55), 0.12),
            _ => dice.pastel(),
        };
        let darker = dice.pick(&[0.6, 0.8, 0.85]);
        let other = dice.near(base * darker, 0.05);
        let size = dice.within(0.35, 0.8);
        let pattern = match dice.whole(0, 9) {
            0 | 1 => Pattern::Checks { size },
            2 => Pattern::Bands { size },
            3 => Pattern::Veins { size: size * 2.0 },
            4 => Pattern::Specks { size: 0.12 },
            5 => Pattern::Grain { size: size * 0.3 },
            _ => Pattern::Plain,
        };
        let mirror = if dice.chance(0.2) { dice.within(0.05, 0.2) } else { 0.0 };
        let noise = dice.noise();
        let (first, second) = (to_linear(base), to_linear(other));
        Self { first, second, pattern, noise, gloss: 0.0, shine: 20.0, mirror, metal: false }
    }

    /// The linear color of most of the surface.
    pub(crate) fn ground(&self) -> Rgb {
        self.first
    }

    /// The surface's linear color at `p`, in the solid's own coordinates.
    pub(crate) fn color(&self, p: V3) -> Rgb {
        let share = match self.pattern {
            Pattern::Plain => 0.0,
            Pattern::Checks { size } => {
                // Shifted, so that no solid's own middle plane lies on a border between checks.
                let cell = p * (1.0 / size) + v3(0.5, 0.013, 0.5);
                if (floor(cell.x) + floor(cell.y) + floor(cell.z)) & 1 == 0 { 0.0 } else { 1.0 }
            }
            Pattern::Bands { size } => {
                let wave = (p.y / size * 3.0 + p.x / size * 1.2).sin();
                smooth(-0.08, 0.08, wave)
            }
            Pattern::Veins { size } => {
                let wave = self.noise.fbm_space(p * (1.6 / size), 4);
                1.0 - smooth(0.0, 0.22, wave.abs())
            }
            Pattern::Specks { size } => {
                let wave = self.noise.space(p * (1.0 / size));
                smooth(0.22, 0.34, wave)
            }
            Pattern::Grain { size } => {
                let bent = p.y * 0.15 + p.x + 0.2 * self.noise.space(v3(p.x * 2.0, p.y * 0.7, p.z * 2.0));
                let ring = v2(bent, p.z + 0.6).length() / size;
                0.5 + 0.5 * (ring * 6.0).sin()
            }
        };
        mix(self.first, self.second, share)
    }
}
