//! Mountain ranges: layers in haze, snow and rock, meadows, woods, lakes.

use super::ground::{Outline, mirror};
use super::trees;
use crate::canvas::Canvas;
use crate::color::{Rgb, dim, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, lerp, smooth, v2};
use crate::noise::Noise;
use crate::sky::Sky;

/// A season's rock and green.
const LANDS: [(u32, u32); 5] = [
    (0x6f_6a_66, 0x4f_6b_35),
    (0x7d_6a_5a, 0x7a_7a_3a),
    (0x58_61_6b, 0x3d_5a_3a),
    (0x8a_5f_48, 0x8a_82_48),
    (0x5f_5a_6b, 0x4a_5f_48),
];

struct Range {
    outline: Outline,
    noise: Noise,
    rock: Rgb,
    shadow: Rgb,
    /// The height above which snow lies, as a `y` of the picture.
    snow: Option<f32>,
    toward: V2,
    scale: f32,
}

impl Range {
    /// The color of the mountainside at `p`, `below` the crest.
    fn side(&self, p: V2, below: f32) -> Rgb {
        // Gullies run down from the crest: the relief is stretched along the slope.
        let q = v2(p.x * 1.0 + 0.25 * below, p.y * 0.7) * self.scale;
        let height = self.noise.ridges(q, 4);
        let lower = self.noise.ridges(q + self.toward * 0.16, 3);
        let lit = (0.55 + (height - lower) * 1.9).clamp(0.0, 1.0);
        let bare = mix(self.shadow, self.rock, lit) * (0.85 + 0.3 * height);
        let Some(snow) = self.snow else { return bare };
        let line = snow + 0.14 * self.noise.fbm(q * 0.6, 2) + 0.4 * (height - 0.5);
        let white = mix(mix(self.shadow, hex(0x8f_a6_cc), 0.7), gray(0.99), lit);
        mix(bare, white, smooth(line + 0.05, line - 0.05, p.y))
    }
}

pub(crate) fn mountains(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::wide(dice);
    let half = canvas.half();
    let horizon = half.y * dice.within(0.2, 0.6);
    let dusk = dice.chance(0.22);
    let sky = if dusk { Sky::dusk(dice, -half.y, horizon) } else { Sky::day(dice, -half.y, horizon) };
    canvas.wash(|p| sky.color(p));

    let (rock, green) = dice.pick(&LANDS);
    let (rock, green) = (dice.near(hex(rock), 0.07), dice.near(hex(green), 0.08));
    let light = if dusk { mix(gray(1.0), sky.stops[2].1, 0.6) } else { hex(0xff_f6_e4) };
    let ambient = mix(sky.stops[0].1, sky.stops[1].1, 0.5);
    let toward = v2(dice.sign() * dice.within(0.6, 1.0), -0.35);
    let layers = dice.whole(2, 4);
    let snowy = dice.chance(0.7);
    let steep = dice.within(0.55, 0.95);
    for layer in 0..layers {
        let near = (layer + 1) as f32 / layers as f32;
        let noise = dice.noise();
        let level = horizon + 0.12 * near;
        let high = steep * dice.within(0.8, 1.25) * lerp(1.2, 0.45, near);
        let (shift, wide) = (dice.within(0.0, 50.0), dice.within(0.45, 0.8) * lerp(1.3, 0.9, near));
        let outline = Outline::new(&canvas, |x| {
            let peak = noise.ridges(v2(x * wide + shift, 0.3), 6);
            level - high * ((peak - 0.2) * 1.9 + 0.12 * noise.line(x * 3.0))
        });
        let snow = snowy.then(|| level - high * dice.within(0.3, 0.8));
        let lit = mix(rock, green, 0.35 * near).times(light) * 1.25;
        let shadow = mix(rock * 0.3, ambient, 0.35);
        let range = Range { outline, noise, rock: lit, shadow, snow, toward, scale: dice.within(2.0, 3.2) };
        let haze = mix(sky.haze(), ambient, 0.25);
        let thick = 0.72 * (1.0 - near).powf(0.8) + 0.1;
        range.outline.clone().fill(&mut canvas, |p, below| {
            let mist = (thick + 0.35 * (1.0 - near * 0.6) * smooth(0.0, 0.9, below)).min(0.92);
            mix(range.side(p, below), haze, mist)
        });
    }
    foreground(dice, &mut canvas, &sky, horizon, green.times(light));
    canvas
}

fn foreground(dice: &mut Dice, canvas: &mut Canvas, sky: &Sky, horizon: f32, green: Rgb) {
    let half = canvas.half();
    let shore = horizon + dice.within(0.12, 0.25);
    let noise = dice.noise();
    let lake = dice.chance(0.4);
    let wood = mix(green * 0.55, hex(0x1c_32_28), 0.5);
    let edge = Outline::new(canvas, |x| shore - 0.04 + 0.05 * noise.fbm_line(x * 1.5, 4));
    if dice.chance(0.65) {
        let size = dice.within(0.1, 0.26);
        trees::fringe(dice, canvas, &edge, size, wood);
    }
    meadow(canvas, &edge, noise, green);
    if lake {
        let water = mix(sky.stops[0].1, hex(0x1c_4a_5a), 0.6);
        mirror(canvas, shore + 0.03, noise, dice.within(0.03, 0.22), (water, dice.within(0.2, 0.5)));
    }
    if dice.chance(0.5) {
        let bank = Outline::new(canvas, |x| half.y * 0.82 + 0.22 * noise.fbm_line(x * 0.9 + 7.0, 4));
        meadow(canvas, &bank, noise, green * 0.9);
        if dice.chance(0.6) {
            for _ in 0..dice.whole(1, 4) {
                let x = dice.sign() * half.x * dice.within(0.35, 1.0);
                let foot = v2(x, bank.at(x) + 0.1);
                let height = dice.within(0.45, 1.0);
                trees::fir(dice, canvas, foot, height, wood * 0.8, 0.0);
            }
        }
    }
}

/// Grass below an outline: patches, flowers' specks, mown in perspective.
fn meadow(canvas: &mut Canvas, outline: &Outline, noise: Noise, green: Rgb) {
    outline.fill(canvas, |p, below| {
        let far = 1.0 / (0.15 + below);
        let patches = noise.fbm(v2(p.x * far * 0.8, far * 2.0), 3);
        let blades = noise.plane(v2(p.x * 40.0, p.y * 26.0));
        let color = dim(green, 0.95, 1.25, smooth(-0.4, 0.5, patches)) * (1.0 + 0.14 * blades);
        color * lerp(0.75, 1.05, smooth(0.0, 0.12, below))
    });
}
