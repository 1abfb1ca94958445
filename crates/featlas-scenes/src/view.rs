//! How a flat pattern is held before the camera: turned, scaled, shifted, tilted, bent.

use crate::dice::Dice;
use crate::math::{V2, v2};
use crate::noise::Noise;

/// A map from the picture plane to a flat pattern's own coordinates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    turns: f32,
    scale: f32,
    shift: V2,
    tilt: V2,
    bend: f32,
    noise: Noise,
}

impl View {
    /// Straight on, `scale` pattern units per picture unit, shifted at random.
    pub(crate) fn flat(dice: &mut Dice, scale: f32) -> Self {
        let shift = v2(dice.around(0.0, 50.0), dice.around(0.0, 50.0));
        Self { turns: 0.0, scale, shift, tilt: v2(0.0, 0.0), bend: 0.0, noise: dice.noise() }
    }

    /// Turned by any angle, tilted, and sometimes bent.
    pub(crate) fn any(dice: &mut Dice, scale: f32) -> Self {
        let bend = if dice.chance(0.35) { dice.within(0.1, 0.3) } else { 0.0 };
        Self { turns: dice.unit(), bend, ..Self::flat(dice, scale) }.tilted(dice, 0.3)
    }

    /// Turned by up to `spread` turns to either side.
    pub(crate) fn turned(self, dice: &mut Dice, spread: f32) -> Self {
        Self { turns: dice.around(0.0, spread), ..self }
    }

    /// Tilted away from the camera, by at most `most` at the picture's border.
    pub(crate) fn tilted(self, dice: &mut Dice, most: f32) -> Self {
        Self { tilt: V2::polar(dice.unit()) * dice.within(0.0, most), ..self }
    }

    /// Waved by about `bend` picture units.
    pub(crate) fn bent(self, bend: f32) -> Self {
        Self { bend, ..self }
    }

    /// The pattern's place seen at `p`.
    pub(crate) fn at(&self, p: V2) -> V2 {
        let p = if self.bend > 0.0 { self.noise.warp(p * 0.9, self.bend, 1) * (1.0 / 0.9) } else { p };
        let far = 1.0 / (1.0 + self.tilt.dot(p)).max(0.2);
        (p * far).turned(self.turns) * self.scale + self.shift
    }
}
