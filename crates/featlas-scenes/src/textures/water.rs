//! Water seen from above or at a slant: ripples, sun glints, rain rings, the bright net on a pool's floor.

use crate::canvas::Canvas;
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, smooth, v2};
use crate::noise::Noise;

/// Deep water, shallow water, reflected sky.
const WATERS: [(u32, u32, u32); 7] = [
    (0x0b_3c_5d, 0x1f_7a_8c, 0xbf_dc_e8),
    (0x0a_4f_5c, 0x2a_a6_a1, 0xd8_f1_ee),
    (0x17_38_2f, 0x44_69_5a, 0xcd_d8_ca),
    (0x10_2a_4c, 0x2f_5f_96, 0xa9_c6_e6),
    (0x2a_2f_45, 0x59_60_7c, 0xf0_b5_8a),
    (0x1b_33_40, 0x46_60_6c, 0xc9_d1_d4),
    (0x07_50_6e, 0x16_a0_c4, 0xe6_f8_fb),
];

/// A water surface: waves of noise running one way, and rings of drops.
struct Surface {
    noise: Noise,
    scale: f32,
    turns: f32,
    /// How far above the middle the horizon lies.
    horizon: f32,
    drops: Vec<(V2, f32)>,
}

impl Surface {
    fn place(&self, p: V2) -> V2 {
        // The far rows shrink toward a horizon above the picture.
        let depth = self.horizon / (p.y + self.horizon);
        v2(p.x * depth, depth * self.horizon * 0.8) * self.scale
    }

    fn height(&self, p: V2) -> f32 {
        let q = p.turned(self.turns);
        let swell = self.noise.fbm(self.noise.warp(v2(q.x * 0.5, q.y), 0.5, 1), 4);
        let rings: f32 = self
            .drops
            .iter()
            .map(|&(center, reach)| {
                let away = (p - center).length();
                (away * 9.0 - reach * 9.0).sin() * (-(away - reach).powi(2) * 2.2).exp() * 0.12
            })
            .sum();
        swell + rings
    }

    fn slope(&self, p: V2) -> V2 {
        let (step, here) = (0.02, self.height(p));
        v2(self.height(p + v2(step, 0.0)) - here, self.height(p + v2(0.0, step)) - here) * (1.0 / step)
    }
}

pub(crate) fn water(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let (deep, shallow, sky) = dice.pick(&WATERS);
    let [deep, shallow, sky] = [deep, shallow, sky].map(|code| dice.near(hex(code), 0.06));
    if dice.chance(0.3) {
        pool(dice, &mut canvas, shallow);
        return canvas;
    }
    let scale = dice.within(1.2, 3.2);
    let count = if dice.chance(0.35) { dice.whole(1, 4) } else { 0 };
    let horizon = 1.0 / dice.within(0.1, 0.48);
    let turns = dice.around(0.0, 0.12);
    let mut surface = Surface { noise: dice.noise(), scale, turns, horizon, drops: Vec::new() };
    for _ in 0..count {
        let center = surface.place(v2(dice.around(0.0, 0.9), dice.around(0.0, 0.8)));
        surface.drops.push((center, dice.within(0.4, 1.6)));
    }
    let steep = dice.within(0.35, 0.8) * if count > 0 { 0.5 } else { 1.0 };
    let sun = V2::polar(dice.within(-0.45, -0.05)) * dice.within(0.2, 0.7);
    let (sharp, glint) =
        (dice.within(20.0, 120.0), if dice.chance(0.7) { dice.within(0.4, 1.0) } else { 0.0 });
    canvas.wash(|p| {
        let q = surface.place(p);
        let slope = surface.slope(q) * steep;
        let facing = 1.0 / (1.0 + slope.dot(slope)).sqrt();
        // The sky is brighter toward the horizon, that is, in slopes that tip away from the viewer.
        let tipped = smooth(-0.7, 0.9, slope.y + (0.1 - p.y * 0.25));
        let body = mix(deep, shallow, smooth(-0.5, 0.8, surface.height(q) + 0.2 * slope.x));
        let reflected = mix(body, sky, tipped * (0.25 + 0.5 * (1.0 - facing)) + 0.18 * tipped);
        let toward = slope - sun;
        let spark = (-toward.dot(toward) * sharp).exp() * glint;
        mix(reflected, gray(1.0), spark)
    });
    canvas
}

/// A shallow pool: light gathered by the waves into a bright moving net on the tiles.
fn pool(dice: &mut Dice, canvas: &mut Canvas, water: Rgb) {
    let (noise, scale) = (dice.noise(), dice.within(1.6, 3.4));
    let tiles = if dice.chance(0.6) { dice.within(2.5, 5.0) } else { 0.0 };
    let (turns, bright) = (dice.unit(), dice.within(0.55, 0.9));
    let floor = mix(water, hex(0xbf_f0_f0), dice.within(0.2, 0.6));
    canvas.shade(|p| {
        let bent = noise.warp(p * scale, 0.55, 2);
        let net = |q: V2| {
            let cell = noise.cell(q, 0.95);
            smooth(0.28, 0.0, cell.second - cell.nearest).powi(2)
        };
        let light = 0.75 * net(bent) + 0.45 * net(bent * 1.7 + v2(13.0, 5.0));
        let mut color = floor * (0.82 + 0.2 * noise.plane(p * 0.8));
        if tiles > 0.0 {
            let q = noise.warp(p * 1.6, 0.07, 2).turned(turns) * tiles;
            let edge = v2((q.x - q.x.round()).abs(), (q.y - q.y.round()).abs());
            color = color * (0.8 + 0.2 * smooth(0.02, 0.06, edge.x.min(edge.y)));
        }
        mix(color, hex(0xf4_ff_fb), (light * bright).min(1.0))
    });
}
