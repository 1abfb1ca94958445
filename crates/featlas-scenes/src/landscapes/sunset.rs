//! The sun goes down over the sea, over hills, behind trees.

use super::ground::{Outline, mirror};
use super::trees;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, smooth, v2};
use crate::sky::Sky;

pub(crate) fn sunset(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::wide(dice);
    let half = canvas.half();
    let horizon = half.y * dice.within(0.25, 0.8);
    let mut sky = Sky::dusk(dice, -half.y, horizon);
    if sky.sun.is_none() && dice.chance(0.6) {
        sky = Sky::dusk(dice, -half.y, horizon);
    }
    canvas.wash(|p| sky.color(p));
    let dark = dice.near(mix(sky.stops[0].1 * 0.35, hex(0x12_0c_14), 0.5), 0.03);
    match dice.whole(0, 3) {
        0 | 1 => sea(dice, &mut canvas, &sky, dark),
        2 => hills(dice, &mut canvas, &sky, dark),
        _ => {
            hills(dice, &mut canvas, &sky, dark);
            plain(dice, &mut canvas, dark);
        }
    }
    if dice.chance(0.35) {
        birds(dice, &mut canvas, dark);
    }
    canvas
}

fn sea(dice: &mut Dice, canvas: &mut Canvas, sky: &Sky, dark: Rgb) {
    let half = canvas.half();
    if dice.chance(0.5) {
        // A far coast, rising toward the nearer border.
        let noise = dice.noise();
        let (from, high) = (dice.around(0.0, 1.0), dice.within(0.04, 0.16));
        let coast = Outline::new(canvas, |x| {
            let rise = smooth(from, from + 0.6_f32.copysign(from), x);
            sky.horizon + 0.01 - high * rise * (0.75 + 0.5 * noise.fbm_line(x * 4.0, 4))
        });
        let tone = mix(dark, sky.haze(), 0.35);
        coast.fill(canvas, |_, _| tone);
    }
    let noise = dice.noise();
    mirror(canvas, sky.horizon, noise, dice.within(0.15, 0.5), (dark, dice.within(0.2, 0.6)));
    let sun = sky.sun;
    canvas.touch(|p, color| {
        let depth = p.y - sky.horizon;
        let Some(sun) = sun.filter(|_| depth > 0.0) else { return color };
        // A glittering path below the sun.
        let far = 1.0 / (0.04 + depth);
        let wave = noise.fbm(v2(p.x * far * 0.6, far * 3.1 + 9.0), 3);
        let path = (-((p.x - sun.center.x) / (0.1 + 0.28 * depth)).powi(2)).exp();
        mix(color, mix(sun.color, gray(1.0), 0.3), path * smooth(-0.05, 0.35, wave) * 0.85)
    });
    if dice.chance(0.5) {
        let at = v2(dice.around(0.0, half.x * 0.7), sky.horizon + dice.within(0.02, 0.2));
        boat(dice, canvas, at, dark);
    }
}

fn boat(dice: &mut Dice, canvas: &mut Canvas, at: V2, color: Rgb) {
    let size = dice.within(0.1, 0.22);
    let side = dice.sign();
    canvas.fill(
        Bounds::around(at, size),
        |p| {
            let q = (p - at) * (1.0 / size);
            let hull = (q.y - 0.12).max(-q.y).max(q.x.abs() - 0.5 + q.y * 1.2);
            let main = (0.06 - q.x * side).max(q.x * side - 0.06 - 0.42 * (q.y + 0.95)).max(q.y + 0.08);
            let jib = (q.x * side - 0.02).max(-q.x * side - 0.38 * (q.y + 0.8)).max(q.y + 0.08);
            hull.min(main).min(jib) * size
        },
        |_| color,
    );
    canvas.stroke(at - v2(0.0, size * 0.98), at, (0.006, 0.006), color);
}

fn hills(dice: &mut Dice, canvas: &mut Canvas, sky: &Sky, dark: Rgb) {
    let layers = dice.whole(2, 5);
    let steep = dice.within(0.05, 0.3);
    for layer in 0..layers {
        let near = (layer + 1) as f32 / layers as f32;
        let noise = dice.noise();
        let level = sky.horizon + near * near * dice.within(0.15, 0.4) - 0.05;
        let outline =
            Outline::new(canvas, |x| level + steep * noise.fbm_line(x * (1.6 - 0.6 * near) + 40.0, 5));
        let tone = mix(mix(sky.haze(), sky.stops[2].1, 0.5), dark, 0.25 + 0.75 * near);
        outline.fill(canvas, |_, below| {
            mix(tone, mix(sky.haze(), tone, 0.5), smooth(0.05, 0.5, below) * (1.0 - near))
        });
        if layer + 1 == layers && dice.chance(0.6) {
            let size = dice.within(0.15, 0.4);
            trees::fringe(dice, canvas, &outline, size, dark);
        }
    }
}

/// One large tree, or a few, before the sky.
fn plain(dice: &mut Dice, canvas: &mut Canvas, dark: Rgb) {
    let half = canvas.half();
    let palms = dice.chance(0.4);
    for _ in 0..dice.whole(1, 3) {
        let foot = v2(dice.around(0.0, half.x * 0.8), half.y * dice.within(0.75, 1.05));
        let height = dice.within(0.8, 1.5);
        if palms {
            trees::palm(dice, canvas, foot, height, dark, dark);
        } else {
            trees::bare(dice, canvas, foot, height, dark);
        }
    }
}

fn birds(dice: &mut Dice, canvas: &mut Canvas, color: Rgb) {
    let half = canvas.half();
    let flock = v2(dice.around(0.0, half.x * 0.6), -half.y * dice.within(0.1, 0.7));
    for _ in 0..dice.whole(3, 9) {
        let at = flock + v2(dice.around(0.0, 0.5), dice.around(0.0, 0.2));
        let (span, lift) = (dice.within(0.03, 0.07), dice.within(0.2, 0.6));
        for side in [-1.0, 1.0] {
            let elbow = at + v2(side * span * 0.5, -span * lift);
            canvas.stroke(at, elbow, (0.008, 0.006), color);
            canvas.stroke(elbow, at + v2(side * span, -span * lift * 0.5), (0.006, 0.002), color);
        }
    }
}
