//! Trees: firs, round crowns, palms, and a row of silhouettes.

use super::ground::Outline;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gray, mix};
use crate::dice::Dice;
use crate::math::{V2, ellipse, floor, lerp, segment, smooth, v2};

/// A fir whose trunk stands at `foot`. `snow` from 0 to 1 lies on its branches.
pub(crate) fn fir(dice: &mut Dice, canvas: &mut Canvas, foot: V2, height: f32, color: Rgb, snow: f32) {
    let noise = dice.noise();
    let (tiers, slim) = (dice.within(5.0, 9.0), dice.within(0.2, 0.32));
    let lean = dice.around(0.0, 0.03);
    let top = foot.y - height;
    let trunk = mix(color, gray(0.1), 0.6);
    canvas.stroke(v2(foot.x, foot.y - height * 0.3), foot, (height * 0.012, height * 0.02), trunk);
    let bounds = Bounds { low: v2(foot.x - height * 0.4, top), high: v2(foot.x + height * 0.4, foot.y) };
    let tier = |p: V2| {
        let down = ((p.y - top) / (height * 0.93)).clamp(0.0, 1.0);
        // Branches droop: away from the trunk the same tier lies lower.
        let tiered = down.powf(0.8) * tiers - (p.x - foot.x).abs() / height * 3.0;
        (down, tiered - floor(tiered) as f32)
    };
    let distance = |p: V2| {
        let (down, share) = tier(p);
        let ragged = noise.plane(v2(p.x, p.y) * (26.0 / height));
        let half = slim * height * down.powf(0.9) * (0.55 + 0.45 * share) * (1.0 + 0.3 * ragged);
        let across = (p.x - foot.x - lean * (foot.y - p.y)).abs() - half;
        across.max(top - p.y).max(p.y - foot.y + height * 0.07 + 0.02 * height * ragged)
    };
    canvas.fill(bounds, distance, |p| {
        let (down, share) = tier(p);
        let side = (p.x - foot.x) / (height * slim * down.max(0.1));
        let needles = noise.plane(v2(p.x * 2.0, p.y) * (40.0 / height));
        let green = color * ((0.62 + 0.45 * share) * (1.0 - 0.22 * side) * (1.0 + 0.25 * needles));
        let cap = smooth(1.05 - 0.75 * snow, 0.98, 1.0 - share + 0.35 * needles) * smooth(0.0, 0.05, snow);
        mix(green, gray(0.96) * (1.0 - 0.1 * side), cap)
    });
}

/// A leafy tree with a crown of overlapping balls of leaves.
pub(crate) fn leafy(dice: &mut Dice, canvas: &mut Canvas, foot: V2, height: f32, color: Rgb) {
    let noise = dice.noise();
    let bark = dice.near(mix(crate::color::hex(0x4a_36_28), color * 0.4, 0.3), 0.06);
    let crown = v2(foot.x + dice.around(0.0, 0.05) * height, foot.y - height * 0.64);
    canvas.stroke(foot, crown, (height * 0.045, height * 0.02), bark);
    for _ in 0..4 {
        let twig = crown + v2(dice.around(0.0, 0.22), dice.around(-0.05, 0.15)) * height;
        let fork = foot + (crown - foot) * dice.within(0.5, 0.9);
        canvas.stroke(fork, twig, (height * 0.018, height * 0.008), bark);
    }
    let (width, rows) = (dice.within(0.24, 0.36), dice.whole(9, 16));
    let mut balls: Vec<(V2, f32)> = (0..rows)
        .map(|_| {
            let at = V2::polar(dice.unit()) * dice.unit().sqrt();
            (crown + at.scaled(width, 0.27) * height, dice.within(0.1, 0.17) * height)
        })
        .collect();
    // The lower ones first: they lie in the shade of the upper ones.
    balls.sort_by(|(a, _), (b, _)| b.y.total_cmp(&a.y));
    for (center, radius) in balls {
        let rough = |p: V2| noise.fbm(p * (18.0 / height), 3);
        let tone = dice.near(color, 0.05) * lerp(1.1, 0.8, (center.y - crown.y) / (height * 0.3) + 0.5);
        canvas.fill(
            Bounds::around(center, radius * 1.35),
            |p| {
                (p - center).length()
                    - radius * (1.0 + 0.35 * rough(p) + 0.25 * noise.plane(p * (60.0 / height)))
            },
            |p| {
                let at = (p - center) * (1.0 / radius);
                let light = 0.95 - 0.3 * at.y - 0.18 * at.x;
                tone * (light * (1.0 + 0.35 * rough(p * 1.7) + 0.5 * noise.plane(p * (75.0 / height))))
            },
        );
    }
}

/// A palm that leans over, with fronds of `color`.
pub(crate) fn palm(dice: &mut Dice, canvas: &mut Canvas, foot: V2, height: f32, color: Rgb, bark: Rgb) {
    let lean = dice.sign() * dice.within(0.08, 0.4);
    let bend = |t: f32| foot + v2(lean * height * t * t, -height * t);
    for i in 0..12 {
        let (from, to) = (i as f32 / 12.0, (i + 1) as f32 / 12.0);
        let width = |t: f32| height * lerp(0.032, 0.018, t);
        canvas.stroke(
            bend(from),
            bend(to),
            (width(from), width(to)),
            bark * if i & 1 == 0 { 1.0 } else { 0.88 },
        );
    }
    let heart = bend(1.0);
    let fronds = dice.whole(8, 12);
    for i in 0..fronds {
        let turns = i as f32 / fronds as f32 + dice.around(0.0, 0.04);
        let reach = height * dice.within(0.38, 0.5);
        let toward = V2::polar(turns);
        let tone = dice.near(color, 0.08) * (1.0 - 0.25 * toward.y);
        let tip = |t: f32| {
            heart + toward.scaled(1.0, 0.7) * (reach * t) + v2(0.0, reach * (0.55 * t * t - 0.12 * t))
        };
        for s in 0..14 {
            let (t, next) = (s as f32 / 14.0, (s + 1) as f32 / 14.0);
            canvas.stroke(tip(t), tip(next), (0.008 * height, 0.005 * height), tone * 0.85);
            // Leaflets hang to both sides, longest in the middle.
            let long = reach * 0.26 * (t * (1.1 - t) * 4.0).min(1.0);
            let along = tip(next) - tip(t);
            let along = along * (1.0 / along.length().max(1e-4));
            for side in [-1.0, 1.0] {
                let leaflet = v2(-along.y * side, along.x * side) * 0.55 + along * 0.55 + v2(0.0, 0.5);
                canvas.stroke(tip(t), tip(t) + leaflet * long, (0.011 * height, 0.002 * height), tone);
            }
        }
    }
    for _ in 0..3 {
        let nut = heart + v2(dice.around(0.0, 0.035), dice.within(0.01, 0.05)) * height;
        canvas.disk(nut, height * 0.022, bark * 0.7);
    }
}

/// A bare tree that forks and forks again.
pub(crate) fn bare(dice: &mut Dice, canvas: &mut Canvas, foot: V2, height: f32, color: Rgb) {
    let mut limbs = vec![(foot, -0.25 + dice.around(0.0, 0.01), height * 0.33, height * 0.035)];
    while let Some((from, turns, long, thick)) = limbs.pop() {
        let to = from + V2::polar(turns) * long;
        canvas.stroke(from, to, (thick, thick * 0.65), color);
        if long > height * 0.045 && thick > height * 0.002 {
            for side in [-1.0, 1.0] {
                let spread = side * dice.within(0.03, 0.11);
                limbs.push((to, turns + spread, long * dice.within(0.62, 0.86), thick * 0.65));
            }
        }
    }
}

/// A wood seen from far: a fringe of firs and crowns along an outline.
pub(crate) fn fringe(dice: &mut Dice, canvas: &mut Canvas, ground: &Outline, size: f32, color: Rgb) {
    let half = canvas.half().x;
    let mut x = -half - size;
    while x < half + size {
        let height = size * dice.within(0.6, 1.3);
        let foot = v2(x, ground.at(x) + size * 0.12);
        if dice.chance(0.7) {
            let own = dice.near(color, 0.06);
            fir(dice, canvas, foot, height, own, 0.0);
        } else {
            let center = foot - v2(0.0, height * 0.4);
            let tone = dice.near(color, 0.06);
            let noise = dice.noise();
            canvas.fill(
                Bounds::around(center, height * 0.6),
                |p| {
                    ellipse(p - center, v2(0.3, 0.42) * height)
                        + 0.12 * height * noise.fbm(p * (8.0 / height), 3)
                },
                |p| tone * (1.0 - 0.3 * (p.y - center.y) / height),
            );
        }
        x += size * dice.within(0.18, 0.5);
    }
}

/// Tufts of grass along the lower border.
pub(crate) fn grass(dice: &mut Dice, canvas: &mut Canvas, low: f32, count: i32, color: Rgb) {
    let half = canvas.half();
    for _ in 0..count {
        let root = v2(dice.around(0.0, half.x), dice.within(low, half.y + 0.1));
        let long = dice.within(0.05, 0.16) * (0.5 + (root.y - low).max(0.0) / (half.y - low + 0.1));
        let tip = root + v2(dice.around(0.0, 0.4), -1.0) * long;
        let tone = dice.near(color, 0.15);
        let bounds =
            Bounds { low: v2(root.x.min(tip.x) - 0.02, tip.y), high: v2(root.x.max(tip.x) + 0.02, root.y) };
        canvas.fill(
            bounds,
            |p| {
                let (away, t) = segment(p, root, tip);
                away - 0.009 * (1.0 - t)
            },
            |p| tone * lerp(1.15, 0.6, (p.y - tip.y) / long),
        );
    }
}
