//! Leaves: oval, lobed, palmate, ferns; green and autumnal.

use super::backdrop;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, lerp, smooth, v2};
use crate::noise::Noise;

/// The outline of a leaf.
#[derive(Debug, Clone, Copy)]
enum Blade {
    /// An oval, widest at `belly`, its edge toothed by `teeth`.
    Oval { wide: f32, belly: f32, teeth: f32 },
    /// Lobed along its sides, as an oak's.
    Lobed { wide: f32, lobes: f32 },
    /// Points round a palm, as a maple's.
    Palmate { points: f32 },
}

/// A leaf's colors and how far they mix.
#[derive(Debug, Clone, Copy)]
struct Tint {
    base: Rgb,
    other: Rgb,
    vein: Rgb,
    /// 0 keeps to `base`, 1 is spotted with `other` all over.
    turned: f32,
}

struct Leaf {
    blade: Blade,
    tint: Tint,
    noise: Noise,
    /// Where the stalk meets the blade.
    at: V2,
    size: f32,
    turns: f32,
}

pub(crate) fn leaves(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let half = canvas.half();
    match dice.whole(0, 3) {
        0 => backdrop::garden(dice, &mut canvas),
        1 => {
            let color = dice.pick(&[gray(0.95), hex(0xf0_e8_d8), hex(0xd8_e4_e8)]);
            backdrop::plain(dice, &mut canvas, color);
        }
        2 => soil(dice, &mut canvas),
        _ => {
            let color = dice.pick(&[hex(0x2a_3a_2c), hex(0x30_28_24), hex(0x24_30_3c), hex(0x8a_94_98)]);
            backdrop::plain(dice, &mut canvas, color);
        }
    }
    let (blade, tint) = (blade(dice), tint(dice));
    match dice.whole(0, 3) {
        0 | 1 => {
            let size = dice.within(1.3, 1.8);
            let turns = dice.unit();
            let at = V2::polar(turns) * (-size * 0.5) + v2(dice.around(0.0, 0.12), dice.around(0.0, 0.12));
            leaf(dice, blade, tint, (at, size, turns)).draw(&mut canvas);
        }
        2 => twig(dice, &mut canvas, blade, tint),
        _ => {
            // A carpet of fallen leaves.
            for _ in 0..dice.whole(9, 30) {
                let at = v2(dice.around(0.0, half.x), dice.around(0.0, half.y));
                let (size, turns) = (dice.within(0.35, 0.75), dice.unit());
                let own =
                    Tint { base: dice.near(tint.base, 0.18), other: dice.near(tint.other, 0.18), ..tint };
                leaf(dice, blade, own, (at, size, turns)).draw(&mut canvas);
            }
        }
    }
    canvas
}

fn leaf(dice: &mut Dice, blade: Blade, tint: Tint, (at, size, turns): (V2, f32, f32)) -> Leaf {
    Leaf { blade, tint, noise: dice.noise(), at, size, turns }
}

fn blade(dice: &mut Dice) -> Blade {
    match dice.whole(0, 4) {
        0..=2 => Blade::Oval {
            wide: dice.within(0.2, 0.75),
            belly: dice.within(0.3, 0.6),
            teeth: if dice.chance(0.4) { dice.within(0.01, 0.03) } else { 0.0 },
        },
        3 => Blade::Lobed { wide: dice.within(0.5, 0.75), lobes: dice.within(3.0, 5.0) },
        _ => Blade::Palmate { points: dice.pick(&[5.0, 5.0, 7.0]) },
    }
}

fn tint(dice: &mut Dice) -> Tint {
    let (base, other) = dice.pick(&[
        (0x4f_8a_3a, 0x7f_ae_4a),
        (0x2f_6a_34, 0x58_90_4a),
        (0x86_b8_48, 0xb8_d0_70),
        (0xd0_8a_28, 0xa8_40_2a),
        (0xc0_3c_28, 0xe0_9a_30),
        (0xe0_b8_38, 0x98_a0_3c),
        (0x8a_4a_2c, 0xc0_80_40),
        (0x3f_7a_5a, 0x88_b0_98),
        (0x6a_2c_3c, 0x4a_6a_3a),
    ]);
    let (base, other) = (dice.near(hex(base), 0.08), dice.near(hex(other), 0.08));
    let vein =
        mix(base, if dice.chance(0.75) { hex(0xf0_f0_c0) } else { hex(0x4a_2a_18) }, dice.within(0.35, 0.6));
    Tint { base, other, vein, turned: dice.within(0.1, 0.9) }
}

fn twig(dice: &mut Dice, canvas: &mut Canvas, blade: Blade, tint: Tint) {
    let half = canvas.half();
    let turns = -0.25 + dice.around(0.0, 0.15);
    let along = V2::polar(turns);
    let foot = along * (-half.y * 1.15);
    let long = 2.0 * half.y * dice.within(0.85, 1.0);
    let bark = dice.near(hex(0x5a_44_30), 0.1);
    let pairs = dice.whole(3, 7);
    let size = long / pairs as f32 * dice.within(1.3, 1.9);
    let bow = dice.around(0.0, 0.12);
    let bend = |t: f32| foot + along * (long * t) + v2(-along.y, along.x) * (bow * long * t * t);
    for i in 0..12 {
        let (from, to) = (i as f32 / 12.0, (i + 1) as f32 / 12.0);
        canvas.stroke(bend(from), bend(to), (lerp(0.028, 0.012, from), lerp(0.028, 0.012, to)), bark);
    }
    for pair in 0..pairs {
        let t = 0.12 + 0.85 * pair as f32 / pairs as f32;
        for side in [-1.0, 1.0] {
            let spread = side * dice.within(0.1, 0.17) + 0.04 * bow;
            let own = Tint { base: dice.near(tint.base, 0.07), other: dice.near(tint.other, 0.07), ..tint };
            let at = bend(t + 0.02 * side);
            let size = size * lerp(1.0, 0.6, t) * dice.within(0.85, 1.1);
            leaf(dice, blade, own, (at, size, turns + spread)).draw(canvas);
        }
    }
    let size = size * 0.65;
    leaf(dice, blade, tint, (bend(1.0), size, turns + bow * 0.1)).draw(canvas);
}

fn soil(dice: &mut Dice, canvas: &mut Canvas) {
    let (noise, base) = (dice.noise(), dice.near(hex(0x4a_38_2a), 0.12));
    canvas.shade(|p| {
        let pebble = noise.cell(p * 7.0, 0.9);
        let edge = 0.1 + 0.2 * pebble.unit(4) + 0.1 * noise.plane(p * 14.0);
        let stone = smooth(edge, edge - 0.06, pebble.nearest) * if pebble.unit(3) < 0.25 { 1.0 } else { 0.0 };
        let crumbs = 1.0 + 0.35 * noise.fbm(p * 5.0, 4) + 0.2 * noise.plane(p * 38.0);
        let lit = 1.1 - 1.2 * (pebble.offset.y + pebble.offset.x * 0.5);
        mix(base * crumbs, mix(base, gray(0.5), 0.5) * lit, stone)
    });
}

impl Leaf {
    /// In the leaf's own coordinates: x from the stalk (0) to the tip (1), y across.
    fn own(&self, p: V2) -> V2 {
        let q = (p - self.at).turned(-self.turns) * (1.0 / self.size);
        // No leaf is quite straight.
        v2(q.x, q.y + 0.05 * (self.noise.line(0.5) * 4.0) * q.x * (1.0 - q.x))
    }

    /// Below 0 inside the blade, in units of the leaf's length.
    fn edge(&self, q: V2) -> f32 {
        match self.blade {
            Blade::Oval { wide, belly, teeth } => {
                if !(0.0..=1.0).contains(&q.x) {
                    return 0.1;
                }
                let rise = (q.x / belly).min(1.0);
                let fall = ((q.x - belly) / (1.0 - belly)).max(0.0);
                let half = wide * 0.5 * (1.0 - (1.0 - rise).powi(2)).sqrt() * (1.0 - fall.powf(1.6));
                let saw = (q.x * 26.0).fract() * teeth;
                (q.y.abs() - half + saw) * 0.8
            }
            Blade::Lobed { wide, lobes } => {
                if !(0.0..=1.0).contains(&q.x) {
                    return 0.1;
                }
                let wave = ((q.x - q.y.abs() * 0.3) * lobes * std::f32::consts::TAU).sin();
                let envelope = (q.x * 1.15).powf(0.7) * (1.0 - q.x.powi(4)).sqrt();
                (q.y.abs() - wide * 0.5 * envelope * (0.68 + 0.32 * wave)) * 0.5
            }
            Blade::Palmate { points } => {
                let from = q - v2(0.36, 0.0);
                let turns = from.turns().abs();
                // The stalk's side has no point; the others spread over four fifths of the circle.
                let phase = turns * 1.2 * (points - 1.0) * 0.5 * 2.0;
                let near = (phase - phase.round()).abs() * 2.0;
                let rank = 1.0 - 0.38 * (turns * 2.0);
                let spike = lerp(0.64, 0.25, near.powf(0.75)) * rank;
                let side = 0.03 * ((from.length() * 34.0).sin() * (1.0 - near)).abs();
                (from.length() - spike - side) * 0.55
            }
        }
    }

    /// How near a vein runs, from 1 on it to 0 away from it.
    fn veins(&self, q: V2) -> f32 {
        let middle = smooth(0.016, 0.004, q.y.abs());
        if let Blade::Palmate { points } = self.blade {
            let from = q - v2(0.36, 0.0);
            let phase = from.turns().abs() * 1.2 * (points - 1.0);
            let near = (phase - phase.round()).abs() / (1.2 * (points - 1.0))
                * std::f32::consts::TAU
                * from.length();
            let stalk = if q.x < 0.36 { middle } else { 0.0 };
            return smooth(0.014, 0.004, near).max(stalk);
        }
        let rows = 9.0;
        let phase = (q.x - q.y.abs() * 0.75) * rows + if q.y > 0.0 { 0.5 } else { 0.0 };
        let near = (phase - phase.round()).abs() / rows;
        middle.max(0.75 * smooth(0.011, 0.002, near) * smooth(0.5, 0.1, q.y.abs()))
    }

    fn draw(&self, canvas: &mut Canvas) {
        let center = self.at + V2::polar(self.turns) * (self.size * 0.5);
        let shadow = v2(0.02, 0.035) * self.size.min(0.9);
        let reach = Bounds::around(center, self.size * 0.62);
        canvas.soft(
            Bounds { low: reach.low, high: reach.high + shadow },
            |p| self.edge(self.own(p - shadow)) * self.size,
            0.06 * self.size,
            gray(0.02),
            0.4,
        );
        let stalk = self.at - V2::polar(self.turns) * (self.size * 0.14);
        let inside = if let Blade::Palmate { .. } = self.blade { 0.34 } else { 0.05 };
        let heart = self.at + V2::polar(self.turns) * (self.size * inside);
        canvas.stroke(stalk, heart, (0.014 * self.size, 0.01 * self.size), self.tint.vein * 0.8);
        canvas.fill(reach, |p| self.edge(self.own(p)) * self.size, |p| self.color(self.own(p)));
    }

    fn color(&self, q: V2) -> Rgb {
        let patches = self.noise.fbm(q * 3.0, 4);
        let rim = smooth(-0.1, 0.0, self.edge(q));
        let turned = smooth(0.35, -0.35, patches + 0.5 - self.tint.turned - 0.5 * rim);
        let color = mix(self.tint.base, self.tint.other, turned);
        let vein = self.veins(q);
        // Between the veins the blade bulges; one half catches the light.
        let bulge = 1.0 + 0.12 * self.noise.plane(q * 14.0) - 0.18 * vein;
        let half = if q.y > 0.0 { 1.06 } else { 0.88 };
        let fine = 1.0 + 0.08 * self.noise.plane(q * 60.0);
        mix(color * (bulge * half * fine), self.tint.vein, vein * 0.8) * (1.0 - 0.2 * rim)
    }
}
