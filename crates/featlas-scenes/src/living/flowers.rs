//! Flowers: rings of petals round a heart, one large or many small.

use super::backdrop;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, lerp, smooth, v2};
use crate::noise::Noise;

/// One kind of flower; all flowers of a picture are of one or two kinds.
#[derive(Debug, Clone, Copy)]
struct Kind {
    petals: i32,
    rings: i32,
    /// Width of a petal over its length.
    wide: f32,
    /// Where a petal is widest, from its foot (0) to its tip (1).
    belly: f32,
    /// How deep the tip is notched; negative values make it pointed.
    notch: f32,
    tip: Rgb,
    foot: Rgb,
    heart: Rgb,
    /// Radius of the heart over the flower's.
    core: f32,
    veins: f32,
}

impl Kind {
    fn any(dice: &mut Dice) -> Self {
        let tip = dice.pick(&[
            hex(0xf8_f8_f4),
            hex(0xf4_c0_20),
            hex(0xe0_40_5a),
            hex(0xd8_70_b8),
            hex(0x8a_5a_d0),
            hex(0x5a_78_e0),
            hex(0xf0_80_30),
            hex(0xf4_a8_b8),
            hex(0xc0_28_38),
            hex(0xf8_e0_8a),
        ]);
        let tip = dice.near(tip, 0.08);
        let foot = match dice.whole(0, 3) {
            0 => mix(tip, gray(1.0), 0.6),
            1 => tip * 0.55,
            2 => dice.vivid(),
            _ => tip * 0.8,
        };
        let heart =
            dice.pick(&[hex(0xf0_b8_18), hex(0x5a_34_18), hex(0xe8_d8_50), hex(0x3a_2a_1a), hex(0x9a_b0_4a)]);
        // Daisies have many narrow petals, poppies few broad ones, dahlias many rings.
        let (petals, rings, wide, core) = match dice.whole(0, 4) {
            0 => (dice.whole(13, 24), dice.whole(1, 2), dice.within(0.16, 0.26), dice.within(0.2, 0.36)),
            1 => (dice.whole(4, 6), 1, dice.within(0.75, 1.05), dice.within(0.1, 0.2)),
            2 => (dice.whole(9, 14), dice.whole(3, 5), dice.within(0.34, 0.5), dice.within(0.08, 0.16)),
            3 => (dice.whole(5, 8), dice.whole(1, 2), dice.within(0.45, 0.7), dice.within(0.14, 0.24)),
            _ => (dice.whole(16, 26), dice.whole(2, 3), dice.within(0.22, 0.3), dice.within(0.36, 0.48)),
        };
        let (belly, notch) = (dice.within(0.5, 0.75), dice.within(-0.25, 0.14));
        Self { petals, rings, wide, belly, notch, tip, foot, heart, core, veins: dice.within(0.05, 0.25) }
    }

    /// Half the width of a petal of length 1 at the share `t` of its length.
    fn half_width(&self, t: f32) -> f32 {
        if !(0.0..=1.0).contains(&t) {
            return -0.1;
        }
        let rise = (t / self.belly).min(1.0);
        let fall = ((t - self.belly) / (1.0 - self.belly)).max(0.0);
        let pointed = 1.0 - (-self.notch).max(0.0) * 2.0 * fall;
        let outline = (rise * (2.0 - rise)).powf(0.8) * (1.0 - fall * fall).sqrt() * pointed;
        self.wide * 0.5 * outline.max(0.12 * (1.0 - t))
    }
}

/// One flower: where, how large, how it is turned and tilted.
struct Pose {
    at: V2,
    size: f32,
    turns: f32,
    /// Height over width of its outline, as it is seen at a slant, and toward where.
    squash: f32,
    lean: f32,
}

pub(crate) fn flowers(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let half = canvas.half();
    if dice.chance(0.75) {
        backdrop::garden(dice, &mut canvas);
    } else {
        let color = if dice.chance(0.5) { dice.pastel() } else { dice.deep() };
        backdrop::plain(dice, &mut canvas, color);
    }
    let kinds = [Kind::any(dice), Kind::any(dice)];
    let stem = dice.near(hex(0x4a_7a_34), 0.1);
    let many = dice.chance(0.5);
    let count = if many { dice.whole(3, 12) } else { 1 };
    let mut poses: Vec<Pose> = (0..count)
        .map(|_| {
            let size = if many { dice.within(0.2, 0.5) } else { dice.within(0.6, 0.95) };
            let spread = if many { 0.85 } else { 0.12 };
            Pose {
                at: v2(dice.around(0.0, half.x * spread), dice.around(-0.1, half.y * spread)),
                size,
                turns: dice.unit(),
                squash: dice.within(0.62, 1.0),
                lean: dice.around(0.0, 0.12),
            }
        })
        .collect();
    // The far and small ones first.
    poses.sort_by(|a, b| a.size.total_cmp(&b.size));
    for pose in &poses {
        stalk(dice, &mut canvas, pose, stem);
    }
    for pose in &poses {
        let kind = if dice.chance(0.75) { kinds[0] } else { kinds[1] };
        flower(dice, &mut canvas, &kind, pose);
    }
    canvas
}

fn stalk(dice: &mut Dice, canvas: &mut Canvas, pose: &Pose, color: Rgb) {
    let half = canvas.half();
    let foot = v2(pose.at.x + dice.around(0.0, 0.35), half.y + 0.2);
    let bow = dice.around(0.0, 0.2);
    let bend =
        |t: f32| v2(lerp(foot.x, pose.at.x, t) + bow * t * (1.0 - t) * 2.0, lerp(foot.y, pose.at.y, t));
    let wide = pose.size * 0.045;
    for i in 0..10 {
        let (from, to) = (i as f32 / 10.0, (i + 1) as f32 / 10.0);
        canvas.stroke(bend(from), bend(to), (wide, wide), color * (0.8 + 0.03 * i as f32));
    }
    for side in [-1.0, 1.0] {
        let (root, long) = (bend(dice.within(0.25, 0.7)), pose.size * dice.within(0.5, 0.85));
        let toward = V2::polar(-0.25 + side * dice.within(0.1, 0.2));
        let tone = dice.near(color, 0.06);
        canvas.fill(
            Bounds::around(root, long),
            |p| {
                let q = p - root;
                let along = q.dot(toward) / long;
                let across = (q.x * -toward.y + q.y * toward.x).abs();
                across - long * 0.17 * (along.clamp(0.0, 1.0) * (1.0 - along.clamp(0.0, 1.0)) * 4.0).powf(0.8)
                    + if (0.0..1.0).contains(&along) { 0.0 } else { long }
            },
            |p| {
                let q = p - root;
                let across = q.x * -toward.y + q.y * toward.x;
                tone * (1.0 + side * across / long * 2.0) * lerp(0.8, 1.1, smooth(0.0, 0.02, across.abs()))
            },
        );
    }
}

fn flower(dice: &mut Dice, canvas: &mut Canvas, kind: &Kind, pose: &Pose) {
    let noise = dice.noise();
    canvas.soft(
        Bounds::around(pose.at + v2(0.04, 0.07), pose.size * 1.3),
        |p| (p - pose.at - v2(0.04, 0.07) * pose.size).length() - pose.size * 0.8,
        pose.size * 0.5,
        gray(0.03),
        0.35,
    );
    for ring in 0..kind.rings {
        let share = ring as f32 / kind.rings as f32;
        let long = pose.size * lerp(1.0, 0.35, share);
        let shade = lerp(0.86, 1.05, share);
        for i in 0..kind.petals {
            let turns =
                pose.turns + (i as f32 + 0.5 * ring as f32) / kind.petals as f32 + dice.around(0.0, 0.012);
            let petal =
                Petal { kind, noise, long: long * dice.within(0.92, 1.05), turns, shade, own: dice.unit() };
            petal.draw(canvas, pose);
        }
    }
    heart(dice, canvas, kind, pose);
}

struct Petal<'a> {
    kind: &'a Kind,
    noise: Noise,
    long: f32,
    turns: f32,
    shade: f32,
    own: f32,
}

impl Petal<'_> {
    fn draw(&self, canvas: &mut Canvas, pose: &Pose) {
        let kind = self.kind;
        // In a petal's own coordinates: x from foot (0) to tip (1), y across.
        let own = |p: V2| {
            let flat = (p - pose.at).turned(-pose.lean).scaled(1.0, 1.0 / pose.squash);
            flat.turned(-self.turns) * (1.0 / self.long)
        };
        let tip = (V2::polar(self.turns) * self.long).scaled(1.0, pose.squash).turned(pose.lean);
        let reach = self.long * kind.wide.max(tip.length() / self.long) * 0.56;
        canvas.fill(
            Bounds::around(pose.at + tip * 0.5, reach),
            |p| {
                let q = own(p);
                let notch = kind.notch.max(0.0) * (1.0 - (q.y.abs() / (kind.wide * 0.3)).min(1.0));
                let ruffle = 0.012 * self.noise.plane(v2(q.x * 5.0 + self.own * 40.0, q.y * 5.0));
                (q.y.abs() - kind.half_width(q.x + notch) + ruffle) * self.long * 0.9
            },
            |p| {
                let q = own(p);
                let across = q.y / (kind.wide * 0.5);
                let vein = self.noise.plane(v2(q.x * 1.2 + self.own * 30.0, across * 7.0));
                let fold = 1.0 - 0.22 * smooth(0.14, 0.0, across.abs()) - 0.25 * across * across;
                let light = fold
                    * (1.0 + kind.veins * vein + 0.12 * across)
                    * lerp(0.72, 1.06, smooth(0.1, 0.7, q.x));
                let color = mix(kind.foot, kind.tip, smooth(0.15, 0.6, q.x + 0.08 * vein));
                color * (light * self.shade * (0.94 + 0.12 * self.own))
            },
        );
    }
}

/// The heart: seeds in the spiral of the golden angle, on a shaded cushion.
fn heart(dice: &mut Dice, canvas: &mut Canvas, kind: &Kind, pose: &Pose) {
    let radius = pose.size * kind.core;
    let own = |p: V2| (p - pose.at).turned(-pose.lean).scaled(1.0, 1.0 / pose.squash);
    canvas.fill(
        Bounds::around(pose.at, radius * 1.1),
        |p| own(p).length() - radius,
        |p| {
            let q = own(p) * (1.0 / radius);
            kind.heart * (0.95 - 0.45 * q.dot(q) - 0.15 * q.y)
        },
    );
    let seeds = crate::math::index((radius / canvas.pixel()).powi(2) * 0.09).min(220);
    for i in 0..seeds {
        let share = (i as f32 + 0.5) / seeds as f32;
        let flat = V2::polar(i as f32 * 0.381_966) * (radius * 0.95 * share.sqrt());
        let at = pose.at + flat.scaled(1.0, pose.squash).turned(pose.lean);
        let tone = kind.heart * dice.within(0.9, 1.35) * lerp(1.15, 0.8, share);
        canvas.disk(at - v2(0.0, radius * 0.02), radius * 0.6 / (seeds as f32).sqrt(), tone);
    }
}
