//! Beaches: sand, surf, palms, parasols, boats.

use super::ground::Outline;
use super::trees;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, floor, lerp, smooth, v2};
use crate::noise::Noise;
use crate::sky::Sky;

struct Shore {
    noise: Noise,
    horizon: f32,
    /// Where the water meets the sand in the middle, and how it slants and swings.
    level: f32,
    slant: f32,
    near: Rgb,
    far: Rgb,
    sand: Rgb,
    sky: Rgb,
    waves: f32,
}

impl Shore {
    fn line(&self, x: f32) -> f32 {
        self.level + self.slant * x + 0.07 * self.noise.fbm_line(x * 1.3, 3)
    }

    fn water(&self, p: V2, off: f32) -> Rgb {
        let depth = (p.y - self.horizon).max(0.001);
        let far = 1.0 / (0.06 + depth);
        let q = v2(p.x * far * 0.55, far * 1.5);
        let ripples = self.noise.fbm(q, 4);
        let mut color = mix(self.near, self.far, smooth(0.0, 0.75, off) * 0.9 + 0.1 * ripples);
        color = mix(color, self.sky, (smooth(0.0, 0.45, ripples) * 0.5).min(1.0));
        // Breakers run along the shore.
        let phase = off * self.waves + 0.6 * self.noise.fbm(v2(p.x * 1.2, off * 1.5), 3);
        let crest = phase - floor(phase) as f32;
        let broken =
            smooth(-0.1, 0.35, self.noise.fbm(v2(p.x * 2.4, floor(phase) as f32 * 3.1), 3) + 0.15 - off);
        let foam = smooth(0.2, 0.0, crest) * broken + smooth(0.9, 1.0, crest) * broken * 0.6;
        color = mix(color, self.near * 0.8, smooth(0.6, 0.9, crest) * broken * 0.5);
        let lace = 0.7 + 0.6 * self.noise.fbm(p * 9.0, 2);
        mix(color, gray(0.98), (foam * lace).clamp(0.0, 1.0))
    }

    fn land(&self, p: V2, on: f32) -> Rgb {
        let far = 1.0 / (0.25 + (p.y - self.horizon).max(0.0));
        let dunes = self.noise.fbm(v2(p.x * far, far * 2.2 + 9.0), 3);
        let grains = self.noise.plane(p * 70.0) * 0.06 + self.noise.plane(p * 31.0) * 0.05;
        let dry = self.sand * (1.0 + 0.16 * dunes + grains);
        let wet = mix(self.sand * 0.62, self.sky, 0.25);
        let edge = 0.12 + 0.05 * self.noise.line(p.x * 2.0 + 30.0);
        let color = mix(wet, dry, smooth(edge - 0.05, edge + 0.05, on));
        // The last wave's lace on the sand.
        let lace = smooth(0.035, 0.0, (on - 0.015 - 0.02 * self.noise.line(p.x * 5.0)).abs());
        mix(color, gray(1.0), lace * (0.75 + 0.5 * self.noise.plane(p * 16.0)).clamp(0.0, 1.0))
    }
}

pub(crate) fn beach(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::wide(dice);
    let half = canvas.half();
    let horizon = half.y * dice.within(-0.45, 0.1);
    let sky =
        if dice.chance(0.8) { Sky::day(dice, -half.y, horizon) } else { Sky::dusk(dice, -half.y, horizon) };
    canvas.wash(|p| sky.color(p));
    let (near, far) = dice.pick(&[
        (0x5f_c8_c0, 0x1b_6f_9e),
        (0x4a_b8_cc, 0x14_50_8a),
        (0x7a_d0_b8, 0x2a_86_a0),
        (0x6a_a8_a8, 0x30_60_7a),
    ]);
    let sand = dice.pick(&[0xe8_d3_a6, 0xf0_e2_c4, 0xd8_b9_85, 0xc9_b7_9a, 0xe6_c9_b0]);
    let shore = Shore {
        noise: dice.noise(),
        horizon,
        level: lerp(horizon, half.y, dice.within(0.35, 0.7)),
        slant: dice.around(0.0, 0.35),
        near: dice.near(hex(near), 0.06),
        far: dice.near(hex(far), 0.06),
        sand: dice.near(hex(sand), 0.05),
        sky: sky.haze(),
        waves: dice.within(2.5, 6.0),
    };
    if dice.chance(0.45) {
        island(dice, &mut canvas, &sky);
    }
    let sea = Outline::new(&canvas, |_| horizon);
    sea.fill(&mut canvas, |p, _| shore.water(p, shore.line(p.x) - p.y));
    if dice.chance(0.35) {
        sail(dice, &mut canvas, horizon);
    }
    let land = Outline::new(&canvas, |x| shore.line(x).max(horizon + 0.02));
    land.fill(&mut canvas, |p, on| shore.land(p, on));
    let props = dice.whole(0, 4);
    if props >= 2 {
        for _ in 0..dice.whole(1, 2) {
            palm(dice, &mut canvas, &land);
        }
    }
    if props == 1 || props == 2 {
        for _ in 0..dice.whole(1, 3) {
            let x = dice.around(0.0, half.x * 0.8);
            let at = v2(x, lerp(land.at(x), half.y, dice.within(0.35, 0.8)));
            parasol(dice, &mut canvas, at);
        }
    }
    canvas
}

fn palm(dice: &mut Dice, canvas: &mut Canvas, land: &Outline) {
    let half = canvas.half();
    let x = dice.sign() * half.x * dice.within(0.45, 0.95);
    let foot = v2(x, (land.at(x) + dice.within(0.15, 0.4)).min(half.y * 1.05));
    let height = dice.within(0.9, 1.5);
    canvas.soft(
        Bounds::around(foot, 0.5),
        |p| (p - foot).scaled(1.0, 4.0).length() - 0.26,
        0.25,
        gray(0.1),
        0.35,
    );
    let green = dice.near(hex(0x4a_7a_38), 0.1);
    let bark = dice.near(hex(0x70_5a_3c), 0.08);
    trees::palm(dice, canvas, foot, height, green, bark);
}

fn island(dice: &mut Dice, canvas: &mut Canvas, sky: &Sky) {
    let noise = dice.noise();
    let (middle, wide, high) = (dice.around(0.0, 0.9), dice.within(0.2, 0.7), dice.within(0.08, 0.3));
    let tone = mix(dice.near(hex(0x4a_6a_4a), 0.1), sky.haze(), dice.within(0.3, 0.65));
    let hills = Outline::new(canvas, |x| {
        let bump = 1.0 - ((x - middle) / wide).powi(2);
        sky.horizon + 0.02 - high * bump.max(0.0) * (0.8 + 0.6 * noise.fbm_line(x * 4.0, 4))
    });
    hills.fill(canvas, |p, below| mix(tone * (1.0 + 0.25 * noise.fbm(p * 9.0, 3)), sky.haze(), below * 0.6));
}

fn sail(dice: &mut Dice, canvas: &mut Canvas, horizon: f32) {
    let at = v2(dice.around(0.0, 0.9), horizon + dice.within(0.01, 0.06));
    let size = dice.within(0.08, 0.2);
    let (hull, cloth) = (dice.color(), dice.pick(&[gray(0.97), hex(0xf4_e4_c8), hex(0xd8_4a_3a)]));
    let side = dice.sign();
    let own = |p: V2| (p - at) * (1.0 / size);
    canvas.fill(
        Bounds::around(at, size * 1.1),
        |p| {
            let q = own(p);
            let main = (0.05 - q.x * side).max(q.x * side - 0.05 - 0.45 * (q.y + 1.0)).max(q.y + 0.06);
            main.min((q.x * side).max(-q.x * side - 0.4 * (q.y + 0.85)).max(q.y + 0.06)) * size
        },
        |_| cloth,
    );
    canvas.fill(
        Bounds::around(at, size),
        |p| {
            let q = own(p);
            (q.y - 0.13).max(-q.y).max(q.x.abs() - 0.5 + q.y) * size
        },
        |_| hull,
    );
}

/// A parasol of two colors and its shadow.
fn parasol(dice: &mut Dice, canvas: &mut Canvas, at: V2) {
    let size = dice.within(0.2, 0.38);
    let (first, second) = dice.contrasting();
    let lean = dice.around(0.0, 0.05);
    canvas.soft(
        Bounds::around(at, size * 1.3),
        |p| (p - at - v2(0.08, 0.0)).scaled(1.0, 3.2).length() - size * 0.75,
        size * 0.3,
        gray(0.1),
        0.45,
    );
    let top = at - v2(0.0, size * 1.5).turned(lean);
    canvas.stroke(at, top, (0.012, 0.012), gray(0.9));
    let own = |p: V2| (p - top).turned(-lean) * (1.0 / size);
    canvas.fill(
        Bounds::around(top, size * 1.1),
        |p| {
            let q = own(p);
            // Scallops hang between the ribs.
            let hem = 0.35 + 0.05 * (q.x * 15.0).sin().abs();
            (q.scaled(1.0, 1.35) - v2(0.0, 0.45)).length().max(0.0).max(q.y - hem + 1.0) * size - size
        },
        |p| {
            let q = own(p);
            // Gores narrow toward the top.
            let gore = q.x / (1.05 - (0.33 - q.y).max(0.0) * 1.2).max(0.12) * 3.5 + 0.5;
            let color = if floor(gore) & 1 == 0 { first } else { second };
            color * (1.0 - 0.28 * q.x - 0.25 * q.y)
        },
    );
}
