//! Boards, planks and log ends.

use crate::canvas::Canvas;
use crate::color::{Rgb, dim, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, floor, smooth, v2};
use crate::noise::Noise;
use crate::view::View;

/// Light and dark wood of one kind: pine, oak, walnut, mahogany, birch, weathered, painted.
const KINDS: [(u32, u32); 9] = [
    (0xe3_b8_78, 0xb5_7f_42),
    (0xc7_9a_62, 0x8a_5f_33),
    (0x86_59_3a, 0x4d_2f_1d),
    (0xa2_54_2f, 0x61_28_1a),
    (0xea_d9_b6, 0xc2_a0_77),
    (0xa9_a0_94, 0x6d_65_5b),
    (0xd3_9a_55, 0x92_58_2a),
    (0x6f_8f_8a, 0x4d_6b_69),
    (0xb9_87_68, 0x7a_4a_38),
];

struct Timber {
    light: Rgb,
    dark: Rgb,
    noise: Noise,
    rings: f32,
}

impl Timber {
    fn any(dice: &mut Dice) -> Self {
        let (light, dark) = dice.pick(&KINDS);
        Self {
            light: dice.near(hex(light), 0.08),
            dark: dice.near(hex(dark), 0.08),
            noise: dice.noise(),
            rings: dice.within(5.0, 11.0),
        }
    }

    /// The color of a ring at `radius`: slow from light to dark, then sharply back, as a year goes.
    fn ring(&self, radius: f32) -> Rgb {
        let year = radius * self.rings;
        let which = floor(year) as f32;
        let season = year - which;
        let share = smooth(0.0, 0.75, season) * smooth(1.0, 0.86, season);
        let good = 0.75 + 0.25 * self.noise.line(which * 3.7);
        mix(self.light, self.dark, share * good)
    }

    /// A sawn face: `p.x` along the grain; `board` makes boards differ.
    fn face(&self, p: V2, board: f32, knot: Option<V2>) -> Rgb {
        let wander = self.noise.fbm(v2(p.x * 0.35, p.y * 0.9 + board * 9.0), 3);
        let from_heart =
            v2(p.y + 0.35 * wander + board.fract() - 0.5, 0.25 + (0.01 + 0.025 * board) * p.x + board);
        let mut radius = from_heart.length() + 0.05 * wander;
        let mut knotted = 0.0;
        if let Some(knot) = knot {
            let away = (p - knot).scaled(0.6, 1.0).length();
            radius += 0.45 * (-away * away * 18.0).exp();
            knotted = smooth(0.16, 0.03, away);
        }
        let color = mix(self.ring(radius), self.dark * 0.7, knotted * 0.8);
        // Pores: short dark strokes along the grain.
        let pores = self.noise.plane(v2(p.x * 7.0, p.y * 90.0 + board * 31.0));
        let fibers = self.noise.plane(v2(p.x * 1.5, p.y * 40.0 + board * 17.0));
        dim(color, 1.0, 0.82, smooth(0.15, 0.7, pores)) * (1.0 + 0.06 * fibers)
    }

    /// A sawn log end with `heart` at its middle.
    fn end(&self, p: V2) -> Rgb {
        let round = p.turns();
        let uneven = self.noise.fbm(p * 1.3, 3) * 0.12;
        let rays = self.noise.plane(v2(round * 180.0, p.length() * 3.0));
        let crack = self.noise.plane(v2(round * 14.0 + 40.0, p.length() * 0.8));
        let open = smooth(0.62, 0.72, crack) * smooth(0.1, 0.5, p.length());
        let color = self.ring(p.length() * 1.4 + uneven) * (1.0 + 0.05 * rays);
        mix(color, self.dark * 0.35, open)
    }
}

pub(crate) fn wood(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let timber = Timber::any(dice);
    match dice.whole(0, 5) {
        0 => {
            let heart = v2(dice.around(0.0, 0.7), dice.around(0.0, 0.7));
            let (zoom, turns) = (dice.within(0.6, 1.3), dice.unit());
            canvas.shade(|p| timber.end((p - heart).turned(turns) * zoom));
        }
        1 | 2 => {
            let scale = dice.within(0.6, 1.4);
            let view = View::any(dice, scale).bent(0.0);
            let (board, origin) = (dice.within(0.5, 5.0), view.at(v2(0.0, 0.0)));
            let knot = dice.chance(0.6).then(|| v2(dice.around(0.0, 0.7), dice.around(0.0, 0.5)));
            canvas.shade(|p| timber.face(view.at(p) - origin, board, knot));
        }
        _ => planks(dice, &mut canvas, &timber),
    }
    canvas
}

/// Planks side by side, each of its own tone, with gaps, ends and nails.
fn planks(dice: &mut Dice, canvas: &mut Canvas, timber: &Timber) {
    let scale = dice.within(1.6, 3.4);
    let quarter = dice.pick(&[0.0, 0.25]);
    let spread = if dice.chance(0.4) { 0.5 } else { 0.02 };
    let view = View::flat(dice, scale).turned(dice, spread).tilted(dice, 0.28);
    let (length, tones) = (dice.within(3.0, 7.0), dice.within(0.03, 0.2));
    let lattice = dice.noise();
    let nails = dice.chance(0.5);
    canvas.shade(|p| {
        let p = view.at(p.turned(quarter));
        let plank = floor(p.y);
        let start = lattice.lattice(plank, 1) * length;
        let piece = floor((p.x + start) / length);
        let (own, knotty) = (lattice.lattice(plank, piece + 5), lattice.lattice(plank, piece + 900));
        let local = v2(p.x + start - piece as f32 * length, p.y - plank as f32);
        let knot = (knotty < 0.3).then(|| v2(length * (0.2 + 2.0 * knotty), 0.3 + knotty));
        let color =
            timber.face(v2(local.x, local.y - 0.5), own * 5.0, knot) * (1.0 + tones * (own * 2.0 - 1.0));
        let edge = local.y.min(1.0 - local.y).min(local.x).min(length - local.x);
        let mut color = dim(color, 0.25, 1.0, smooth(0.008, 0.05, edge));
        if nails {
            let nail = v2(local.x.min(length - local.x) - 0.15, (local.y - 0.5).abs() - 0.3).length();
            color = dim(color, 0.3, 1.0, smooth(0.03, 0.05, nail));
        }
        color
    });
}
