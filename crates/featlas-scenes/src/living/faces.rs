//! Simple painted faces: head, hair, eyes, nose, mouth; glasses, beards and hats now and then.

use super::backdrop;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, ellipse, lerp, rectangle, segment, smooth, v2};
use crate::noise::Noise;

const SKINS: [u32; 8] =
    [0xf6_d7_c0, 0xee_c1_a0, 0xe0_a8_82, 0xc9_8b_62, 0xa8_6b_45, 0x86_50_2f, 0x65_3a_22, 0xf2_cd_b0];
const HAIRS: [u32; 9] = [
    0x1c_15_12, 0x3a_25_18, 0x5c_3a_22, 0x8a_5a_30, 0xc8_9a_50, 0xe6_cf_98, 0xa0_3c_1c, 0x9a_9a_98,
    0xe4_e2_dc,
];

struct Face {
    /// Middle of the head, size of the head, and half axes of its outline in units of the size.
    at: V2,
    size: f32,
    head: V2,
    lean: f32,
    /// Where the face looks: its features shift that way.
    look: V2,
    skin: Rgb,
    hair: Rgb,
    noise: Noise,
}

impl Face {
    /// From picture to head coordinates.
    fn own(&self, p: V2) -> V2 {
        (p - self.at).turned(-self.lean) * (1.0 / self.size)
    }

    /// From head coordinates to the picture.
    fn place(&self, q: V2) -> V2 {
        self.at + (q * self.size).turned(self.lean)
    }

    /// A feature's place: shifted to where the face looks.
    fn feature(&self, x: f32, y: f32) -> V2 {
        v2(x * self.head.x * (1.0 - 0.25 * self.look.x.abs()), y * self.head.y) + self.look.scaled(0.3, 0.2)
    }

    fn bounds(&self, q: V2, reach: f32) -> Bounds {
        Bounds::around(self.place(q), reach * self.size)
    }

    fn fill(
        &self,
        canvas: &mut Canvas,
        (at, reach): (V2, f32),
        edge: impl Fn(V2) -> f32,
        paint: impl Fn(V2) -> Rgb,
    ) {
        let bounds = self.bounds(at, reach);
        canvas.fill(bounds, |p| edge(self.own(p) - at) * self.size, |p| paint(self.own(p) - at));
    }

    fn stroke(&self, canvas: &mut Canvas, from: V2, to: V2, (first, last): (f32, f32), color: Rgb) {
        canvas.stroke(self.place(from), self.place(to), (first * self.size, last * self.size), color);
    }

    /// The head's outline: an egg, wider above, with a jaw.
    fn outline(&self, q: V2) -> f32 {
        let wide = self.head.x * (1.0 - 0.16 * smooth(0.0, self.head.y, q.y));
        ellipse(q, v2(wide, self.head.y))
    }

    /// Light from the upper left on a rounded head.
    fn light(&self, q: V2) -> f32 {
        let round = v2(q.x / self.head.x, q.y / self.head.y);
        let rim = (1.0 - round.dot(round)).max(0.0).sqrt();
        0.74 + 0.3 * rim - 0.1 * round.x - 0.08 * round.y
    }
}

pub(crate) fn faces(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let ground = if dice.chance(0.5) { dice.pastel() } else { dice.color() };
    if dice.chance(0.25) {
        backdrop::garden(dice, &mut canvas);
    } else {
        backdrop::plain(dice, &mut canvas, ground);
    }
    let skin = dice.pick(&SKINS);
    let hair = dice.pick(&HAIRS);
    let face = Face {
        at: v2(dice.around(0.0, 0.15), dice.around(-0.02, 0.12)),
        size: dice.within(0.85, 1.1),
        head: v2(dice.within(0.46, 0.56), dice.within(0.6, 0.7)),
        lean: dice.around(0.0, 0.03),
        look: v2(dice.around(0.0, 0.35), dice.around(0.0, 0.15)),
        skin: dice.near(hex(skin), 0.04),
        hair: dice.near(hex(hair), 0.05),
        noise: dice.noise(),
    };
    let style = dice.whole(0, 5);
    let long = style >= 3;
    if long {
        long_hair(dice, &mut canvas, &face);
    }
    shoulders(dice, &mut canvas, &face);
    head(&mut canvas, &face);
    eyes(dice, &mut canvas, &face);
    nose(dice, &mut canvas, &face);
    let beard = !long && dice.chance(0.4);
    if beard {
        self::beard(dice, &mut canvas, &face);
    }
    mouth(dice, &mut canvas, &face);
    if style > 0 {
        cap(dice, &mut canvas, &face);
    }
    if dice.chance(0.3) {
        glasses(dice, &mut canvas, &face);
    }
    if dice.chance(0.2) {
        hat(dice, &mut canvas, &face);
    }
    canvas
}

fn strands(face: &Face, q: V2) -> Rgb {
    let streak = face.noise.plane(v2(q.x * 30.0, q.y * 5.0));
    let shine = smooth(0.16, 0.0, (q.y + 0.42 - 0.5 * q.x * q.x).abs()) * 0.3;
    mix(face.hair * (0.9 + 0.22 * streak), gray(1.0), shine * 0.5)
}

fn long_hair(dice: &mut Dice, canvas: &mut Canvas, face: &Face) {
    let (low, wide) = (dice.within(0.35, 1.0), dice.within(1.12, 1.35));
    let wave = dice.within(0.0, 0.06);
    let half = v2(face.head.x * wide, (low + face.head.y * 1.12) * 0.5);
    let at = v2(0.0, (low - face.head.y * 1.12) * 0.5);
    let edge = |q: V2| rectangle(q, half, half.x * 0.95) + wave * (q.y * 14.0).sin();
    face.fill(canvas, (at, half.y * 1.5), edge, |q| strands(face, q + at) * 0.78);
}

fn shoulders(dice: &mut Dice, canvas: &mut Canvas, face: &Face) {
    let neck = v2(0.0, face.head.y * 0.95);
    face.fill(
        canvas,
        (neck, 0.6),
        |q| rectangle(q, v2(face.head.x * 0.46, 0.34), 0.1),
        |q| face.skin * (0.72 + 0.15 * smooth(0.0, 0.25, q.y)),
    );
    let (cloth, second) = dice.contrasting();
    let style = dice.whole(0, 2);
    let at = v2(0.0, face.head.y * 1.98);
    let wide = face.head.x * dice.within(1.8, 2.2);
    let neckline = dice.within(0.2, 0.34);
    face.fill(
        canvas,
        (at, 1.6),
        |q| {
            let body = ellipse(q, v2(wide, 0.75));
            let open = ellipse(q + v2(0.0, 0.72), v2(0.3, neckline));
            body.max(-open)
        },
        |q| {
            let folds = 1.0 + 0.15 * face.noise.fbm(q * 2.5, 3) - 0.15 * q.x;
            let stripe = match style {
                0 => smooth(-0.2, 0.2, (q.y * 28.0).sin()),
                1 => smooth(0.035, 0.025, ellipse(q + v2(0.0, 0.72), v2(0.3, neckline))),
                _ => 0.0,
            };
            mix(cloth, second, stripe) * folds
        },
    );
}

fn head(canvas: &mut Canvas, face: &Face) {
    for side in [-1.0, 1.0] {
        let ear = v2(side * face.head.x * 0.98, 0.04) - face.look.scaled(0.08, 0.0);
        face.fill(
            canvas,
            (ear, 0.2),
            |q| ellipse(q, v2(0.085, 0.13)),
            |q| face.skin * lerp(0.72, 0.9, smooth(0.02, 0.09, q.length())),
        );
    }
    face.fill(
        canvas,
        (v2(0.0, 0.0), 0.8),
        |q| face.outline(q),
        |q| {
            let blush = [-1.0, 1.0].map(|side| {
                (-(q - face.feature(side * 0.52, 0.26)).dot(q - face.feature(side * 0.52, 0.26)) * 45.0).exp()
            });
            let pink = mix(face.skin, hex(0xd0_58_50), 0.5);
            mix(face.skin, pink, (blush[0] + blush[1]) * 0.5)
                * (face.light(q) * (1.0 + 0.02 * face.noise.plane(q * 40.0)))
        },
    );
}

fn eyes(dice: &mut Dice, canvas: &mut Canvas, face: &Face) {
    let iris =
        dice.pick(&[hex(0x4a_30_20), hex(0x6a_48_28), hex(0x3a_70_a8), hex(0x4a_8a_58), hex(0x60_70_78)]);
    let (open, spread) = (dice.within(0.045, 0.075), dice.within(0.38, 0.46));
    let gaze = v2(dice.around(0.0, 0.025), dice.around(0.0, 0.012)) + face.look * 0.04;
    let closed = dice.chance(0.08);
    let (arch, thick, tilt) = (dice.within(0.02, 0.06), dice.within(0.014, 0.03), dice.around(0.0, 0.03));
    let brow = mix(face.hair, gray(0.1), 0.35);
    for side in [-1.0, 1.0] {
        let at = face.feature(side * spread, -0.08);
        if closed {
            let lid = |t: f32| at + v2(t * 0.1, 0.03 - 0.03 * t * t);
            for i in -3..3 {
                let t = i as f32 / 3.0;
                face.stroke(canvas, lid(t), lid(t + 0.34), (0.012, 0.012), face.skin * 0.4);
            }
        } else {
            face.fill(canvas, (at, 0.2), |q| ellipse(q, v2(0.115, open + 0.022)), |_| face.skin * 0.66);
            face.fill(
                canvas,
                (at, 0.2),
                |q| ellipse(q, v2(0.1, open)),
                |q| {
                    let eye = (q - gaze).length();
                    let white = gray(0.97) * lerp(0.78, 1.0, smooth(-open, 0.0, q.y));
                    let ring = mix(iris, iris * 0.5, smooth(0.03, 0.05, eye));
                    let color = mix(white, ring, smooth(0.056, 0.048, eye));
                    let color = mix(color, gray(0.05), smooth(0.028, 0.022, eye));
                    mix(color, gray(1.0), smooth(0.016, 0.01, (q - gaze + v2(0.018, 0.018)).length()))
                },
            );
            face.stroke(canvas, at + v2(-0.1, -0.01), at + v2(-0.05, -open), (0.008, 0.012), face.skin * 0.3);
            face.stroke(canvas, at + v2(-0.05, -open), at + v2(0.05, -open), (0.012, 0.012), face.skin * 0.3);
            face.stroke(canvas, at + v2(0.05, -open), at + v2(0.1, -0.01), (0.012, 0.008), face.skin * 0.3);
        }
        let over = |t: f32| at + v2(t * 0.13, -0.14 - arch * (1.0 - t * t) + tilt * t * side);
        for i in -4..4 {
            let t = i as f32 / 4.0;
            face.stroke(canvas, over(t), over(t + 0.25), (thick, thick), brow);
        }
    }
}

fn nose(dice: &mut Dice, canvas: &mut Canvas, face: &Face) {
    let (long, wide) = (dice.within(0.2, 0.3), dice.within(0.06, 0.1));
    let tip = face.feature(0.0, 0.02) + v2(face.look.x * 0.06, long);
    let bridge = face.feature(0.0, -0.08);
    let shade = face.skin * 0.72;
    canvas.glaze(face.bounds(tip, 0.4), |p| {
        let q = face.own(p);
        let (away, t) = segment(q, bridge + v2(0.03, 0.0), tip + v2(wide * 0.5, -0.02));
        (shade, 0.55 * smooth(0.06, 0.0, away) * t)
    });
    face.fill(
        canvas,
        (tip, 0.2),
        |q| ellipse(q, v2(wide, wide * 0.72)),
        |q| {
            let lit = 0.97 - 0.25 * smooth(-0.02, 0.07, q.y) - 0.8 * q.x;
            mix(face.skin, hex(0xd0_60_50), 0.1) * lit
        },
    );
    for side in [-1.0, 1.0] {
        let hole = tip + v2(side * wide * 0.5, wide * 0.42);
        face.fill(canvas, (hole, 0.1), |q| ellipse(q, v2(0.022, 0.012)), |_| face.skin * 0.42);
    }
}

fn mouth(dice: &mut Dice, canvas: &mut Canvas, face: &Face) {
    let at = face.feature(0.0, 0.58);
    let (wide, smile) = (dice.within(0.12, 0.2), dice.within(-0.3, 1.2));
    let lips = mix(face.skin, hex(0xb0_30_38), dice.within(0.35, 0.75)) * 0.88;
    let curve = |x: f32| smile * 0.06 * (0.4 - (x / wide).powi(2));
    if dice.chance(0.35) {
        // An open smile with teeth.
        let deep = dice.within(0.05, 0.11);
        face.fill(
            canvas,
            (at, 0.3),
            |q| {
                let y = q.y - curve(q.x) - 0.02;
                (y - deep * (1.0 - (q.x / wide).powi(2))).max(-y).max(q.x.abs() - wide)
            },
            |q| mix(hex(0x6a_20_24), gray(0.96), smooth(deep * 0.5, deep * 0.4, q.y - curve(q.x) - 0.02)),
        );
    }
    let points = |t: f32, dy: f32| at + v2(t * wide, curve(t * wide) + dy);
    for i in -6..6 {
        let (t, next) = (i as f32 / 6.0, (i + 1) as f32 / 6.0);
        let thick = |t: f32| 0.006 + 0.022 * (1.0 - t * t);
        face.stroke(canvas, points(t, 0.012), points(next, 0.012), (thick(t), thick(next)), lips);
    }
    for i in -6..6 {
        let (t, next) = (i as f32 / 6.0, (i + 1) as f32 / 6.0);
        face.stroke(canvas, points(t, 0.004), points(next, 0.004), (0.007, 0.007), lips * 0.5);
    }
}

fn beard(dice: &mut Dice, canvas: &mut Canvas, face: &Face) {
    let (line, full) = (dice.within(0.1, 0.3), dice.within(1.02, 1.15));
    let mouth = face.feature(0.0, 0.58);
    face.fill(
        canvas,
        (v2(0.0, 0.3), 0.9),
        |q| {
            let q = q + v2(0.0, 0.3);
            let outline = face.outline(q * (1.0 / full));
            let cheek = line + 0.45 * smooth(0.5, 0.0, (q.x - mouth.x).abs()) * 0.35 - q.y;
            let lips = ellipse(q - mouth - v2(0.0, 0.01), v2(0.17, 0.075));
            outline.max(cheek).max(-lips) + 0.02 * face.noise.plane(q * 30.0)
        },
        |q| face.hair * (0.8 + 0.25 * face.noise.plane(v2(q.x * 45.0, q.y * 14.0))),
    );
}

/// Hair on top of the head, parted or with a fringe.
fn cap(dice: &mut Dice, canvas: &mut Canvas, face: &Face) {
    let (line, part) = (dice.within(-0.42, -0.24), dice.around(0.0, 0.35));
    let (full, curly) = (dice.within(1.05, 1.2), if dice.chance(0.3) { 0.07 } else { 0.015 });
    face.fill(
        canvas,
        (v2(0.0, -0.3), 0.95),
        |q| {
            let q = q - v2(0.0, 0.3);
            let top = ellipse(q + v2(0.0, 0.03), v2(face.head.x * full, face.head.y * full));
            // The hair line rises at the part and falls to the temples.
            let brow = line + 0.5 * (q.x - part).powi(2) - 0.06 * smooth(0.2, 0.0, (q.x - part).abs());
            let temples = smooth(0.72, 0.98, q.x.abs() / face.head.x) * 0.42;
            top.max(q.y - brow - temples) + curly * face.noise.plane(q * 9.0)
        },
        |q| strands(face, q - v2(0.0, 0.3)),
    );
}

fn glasses(dice: &mut Dice, canvas: &mut Canvas, face: &Face) {
    let frame = dice.pick(&[gray(0.08), hex(0x5a_30_1c), hex(0xb0_90_48), hex(0xa0_28_30)]);
    let (wide, round) = (dice.within(0.14, 0.175), dice.within(0.05, 0.14));
    let dark = dice.chance(0.25);
    let half = v2(wide, wide * dice.within(0.7, 0.95));
    for side in [-1.0, 1.0] {
        let at = face.feature(side * 0.42, -0.07);
        let bounds = face.bounds(at, 0.3);
        canvas.glaze(bounds, |p| {
            let q = face.own(p) - at;
            let edge = rectangle(q, half, round);
            let glint = smooth(0.02, 0.0, (q.x + q.y * 0.8 + 0.04).abs()) * 0.35;
            let tint = if dark { 0.85 } else { 0.06 };
            let inside = smooth(0.005, -0.005, edge);
            let ring = smooth(0.026, 0.016, edge.abs());
            let color = mix(if dark { gray(0.1) } else { hex(0xc0_d8_f0) }, gray(1.0), glint);
            if ring > 0.0 {
                (mix(color, frame, ring), ring.max(inside * tint))
            } else {
                (color, inside * (tint + glint))
            }
        });
        let outer = at + v2(side * half.x, -0.02);
        face.stroke(canvas, outer, v2(side * face.head.x, -0.02), (0.014, 0.014), frame);
    }
    let bridge = face.feature(0.0, -0.1);
    face.stroke(canvas, bridge - v2(0.05, 0.0), bridge + v2(0.05, 0.0), (0.014, 0.014), frame);
}

fn hat(dice: &mut Dice, canvas: &mut Canvas, face: &Face) {
    let (cloth, band) = dice.contrasting();
    let line = -face.head.y * 0.62;
    let knit = dice.chance(0.5);
    let top = if knit { 1.32 } else { 1.25 };
    face.fill(
        canvas,
        (v2(0.0, -0.5), 1.0),
        |q| {
            let q = q - v2(0.0, 0.5);
            ellipse(q, v2(face.head.x * 1.14, face.head.y * top)).max(q.y - line)
        },
        |q| {
            let q = q - v2(0.0, 0.5);
            let rib = if knit { 0.9 + 0.15 * (q.x * 60.0).sin() } else { 1.0 };
            let edge = smooth(line - 0.13, line - 0.12, q.y);
            mix(cloth, band, edge) * (rib * (1.0 - 0.35 * q.x))
        },
    );
    if knit {
        face.fill(
            canvas,
            (v2(0.0, -face.head.y * 1.36), 0.2),
            |q| q.length() - 0.11 + 0.02 * face.noise.plane(q * 30.0),
            |_| band,
        );
    } else {
        let brim = v2(0.0, line + 0.01);
        face.fill(
            canvas,
            (brim, 1.1),
            |q| ellipse(q, v2(face.head.x * 1.65, 0.075)),
            |q| cloth * (0.8 - 1.2 * q.y),
        );
    }
}
