//! Winter: snowy hills and firs, falling flakes, cabins and snowmen.

use super::ground::Outline;
use super::trees;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, lerp, rectangle, smooth, v2};
use crate::sky::Sky;

/// Light of the hour: lit snow, snow in shade.
struct Hour {
    lit: Rgb,
    shade: Rgb,
    haze: Rgb,
    dark: bool,
}

pub(crate) fn snow(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let half = canvas.half();
    let horizon = half.y * dice.within(-0.1, 0.35);
    let style = dice.whole(0, 3);
    let sky = match style {
        0 => Sky::dusk(dice, -half.y, horizon),
        1 => overcast(dice, half.y, horizon),
        _ => Sky::day(dice, -half.y, horizon),
    };
    canvas.wash(|p| sky.color(p));
    let hour = match style {
        0 => Hour {
            lit: mix(gray(0.93), sky.haze(), 0.4),
            shade: hex(0x7d_83_b0),
            haze: sky.haze(),
            dark: true,
        },
        1 => Hour { lit: hex(0xe8_ec_f0), shade: hex(0xb4_c0_cc), haze: sky.haze(), dark: dice.chance(0.3) },
        _ => Hour { lit: hex(0xfa_fb_ff), shade: hex(0x9d_b6_dc), haze: sky.haze(), dark: false },
    };
    let green = dice.near(hex(0x2c_48_40), 0.08);
    let layers = dice.whole(2, 4);
    let mut ground = Outline::new(&canvas, |_| horizon);
    for layer in 0..layers {
        let near = (layer + 1) as f32 / layers as f32;
        ground = hill(dice, &mut canvas, horizon, near, &hour);
        wood(dice, &mut canvas, &ground, near, mix(hour.haze, green, 0.3 + 0.7 * near));
    }
    match dice.whole(0, 3) {
        0 => {
            let x = dice.around(0.0, half.x * 0.55);
            let size = dice.within(0.28, 0.5);
            cabin(dice, &mut canvas, v2(x, ground.at(x) + size * 0.4), size, &hour);
        }
        1 => {
            let x = dice.around(0.0, half.x * 0.55);
            let size = dice.within(0.3, 0.55);
            snowman(dice, &mut canvas, v2(x, (ground.at(x) + size * 0.8).min(half.y * 0.95)), size, &hour);
        }
        _ => {}
    }
    if style == 1 || dice.chance(0.4) {
        flakes(dice, &mut canvas);
    }
    canvas
}

fn overcast(dice: &mut Dice, half: f32, horizon: f32) -> Sky {
    let tone = dice.near(hex(0xb8_c2_cc), 0.05);
    let stops = vec![(0.0, tone * 0.88), (1.0, mix(tone, gray(1.0), 0.45))];
    Sky { stops, top: -half, horizon, sun: None, clouds: None }
}

fn hill(dice: &mut Dice, canvas: &mut Canvas, horizon: f32, near: f32, hour: &Hour) -> Outline {
    let half = canvas.half();
    let noise = dice.noise();
    let level = lerp(horizon, half.y * 0.75, near * near);
    let (swing, shift) = (dice.within(0.12, 0.35), dice.within(0.0, 30.0));
    let outline = Outline::new(canvas, |x| level + swing * noise.fbm_line(x * 0.7 + shift, 3));
    let side = dice.sign();
    outline.fill(canvas, |p, below| {
        let slope = (outline.at(p.x + 0.05) - outline.at(p.x - 0.05)) * 10.0 * side;
        let drifts = noise.fbm(v2(p.x * 1.8, p.y * 4.5), 4);
        let gleam = noise.plane(p * 60.0);
        let light = (0.6 - 0.35 * slope + 0.5 * drifts + 0.25 * smooth(0.2, 0.0, below)).clamp(0.0, 1.0);
        let sparkle = if gleam > 0.82 { 0.12 } else { 0.0 };
        let color = mix(hour.shade, hour.lit, light) + gray(sparkle);
        mix(color, hour.haze, 0.55 * (1.0 - near))
    });
    outline
}

fn wood(dice: &mut Dice, canvas: &mut Canvas, ground: &Outline, near: f32, color: Rgb) {
    let half = canvas.half();
    let size = lerp(0.22, 0.9, near * near);
    let density = dice.within(0.1, 0.9);
    let mut x = -half.x;
    while x < half.x {
        if dice.chance(density) {
            let height = size * dice.within(0.6, 1.25);
            let foot = v2(x, ground.at(x) + height * dice.within(0.02, 0.12));
            let own = dice.near(color, 0.05);
            if dice.chance(0.88) {
                trees::fir(dice, canvas, foot, height, own, lerp(0.5, 0.85, near));
            } else {
                trees::bare(dice, canvas, foot, height * 0.8, mix(own, hex(0x3a_30_2c), 0.7));
            }
        }
        x += size * dice.within(0.2, 0.6);
    }
}

fn cabin(dice: &mut Dice, canvas: &mut Canvas, foot: V2, size: f32, hour: &Hour) {
    let timber = dice.near(hex(0x6a_40_2c), 0.12);
    let wide = size * dice.within(0.75, 1.0);
    let tall = size * 0.5;
    let noise = dice.noise();
    let body = foot - v2(0.0, tall * 0.5);
    canvas.fill(
        Bounds::around(body, wide),
        |p| rectangle(p - body, v2(wide * 0.6, tall * 0.55), 0.0),
        |p| {
            let log = ((p.y - body.y) / tall * 7.0).rem_euclid(1.0);
            timber
                * (lerp(0.65, 1.1, smooth(0.0, 0.4, log)) * (1.0 + 0.15 * noise.plane(p.scaled(6.0, 50.0))))
        },
    );
    let ridge = foot - v2(0.0, tall * 1.75);
    canvas.stroke(
        ridge + v2(wide * 0.3, -tall * 0.1),
        ridge + v2(wide * 0.3, tall * 0.5),
        (0.045, 0.045),
        timber * 0.6,
    );
    // The gable's triangle under thick snow.
    let gable = |p: V2, grow: f32| {
        let q = p - ridge;
        ((q.x.abs() - (q.y + grow) * wide * 0.72 / (tall * 0.75)) * 0.8)
            .max(p.y - foot.y + tall * 0.95 - grow * 0.3)
    };
    canvas.fill(
        Bounds::around(ridge + v2(0.0, tall * 0.4), wide * 1.1),
        |p| gable(p, 0.0),
        |_| timber * 0.75,
    );
    canvas.fill(
        Bounds::around(ridge + v2(0.0, tall * 0.4), wide * 1.2),
        |p| gable(p, 0.1 * size).max(-gable(p, -0.06 * size)),
        |p| mix(hour.shade, hour.lit, smooth(0.3, -0.5, (p.x - ridge.x) / wide)),
    );
    let warm = if hour.dark || dice.chance(0.6) { hex(0xff_c8_60) } else { hex(0x50_60_70) };
    for side in [-1.0, 1.0] {
        let pane = body + v2(side * wide * 0.32, -tall * 0.03);
        canvas.fill(
            Bounds::around(pane, size * 0.2),
            |p| rectangle(p - pane, v2(size * 0.1, size * 0.1), 0.0),
            |p| {
                let bar = (p.x - pane.x).abs().min((p.y - pane.y).abs());
                mix(timber * 0.6, warm, smooth(0.008, 0.014, bar))
            },
        );
    }
    let door = foot - v2(0.0, tall * 0.28);
    canvas.fill(
        Bounds::around(door, size * 0.3),
        |p| rectangle(p - door, v2(size * 0.09, tall * 0.32), 0.0),
        |_| timber * 0.45,
    );
    canvas.soft(
        Bounds::around(foot + v2(0.0, 0.06 * size), wide),
        |p| (p - foot - v2(0.0, 0.09 * size)).scaled(1.0, 7.0).length() - wide * 0.68,
        0.08,
        hour.lit,
        0.95,
    );
}

fn snowman(dice: &mut Dice, canvas: &mut Canvas, foot: V2, size: f32, hour: &Hour) {
    let sizes = [0.34, 0.25, 0.18].map(|r| r * size * dice.within(0.9, 1.1));
    canvas.soft(
        Bounds::around(foot, size),
        |p| (p - foot - v2(size * 0.12, 0.0)).scaled(1.0, 4.0).length() - sizes[0] * 1.1,
        size * 0.15,
        hour.shade * 0.8,
        0.7,
    );
    let mut y = foot.y;
    let mut centers = Vec::new();
    for radius in sizes {
        let center = v2(foot.x, y - radius * 0.9);
        canvas.fill(
            Bounds::around(center, radius),
            |p| (p - center).length() - radius,
            |p| {
                let q = (p - center) * (1.0 / radius);
                let rim = (1.0 - q.dot(q)).max(0.0).sqrt();
                mix(hour.shade, hour.lit, (0.25 + 0.75 * rim - 0.3 * q.y - 0.25 * q.x).clamp(0.0, 1.0))
            },
        );
        centers.push((center, radius));
        y = center.y - radius * 0.75;
    }
    let [(_, _), (chest, wide), (head, small)] = [centers[0], centers[1], centers[2]];
    let coal = gray(0.1);
    for x in [-0.35, 0.35] {
        canvas.disk(head + v2(x, -0.2) * small, small * 0.12, coal);
    }
    for i in 0..3 {
        canvas.disk(chest + v2(0.0, -0.5 + 0.5 * i as f32) * wide, wide * 0.09, coal);
    }
    let side = dice.sign();
    canvas.stroke(head, head + v2(0.75 * side, 0.08) * small, (small * 0.13, small * 0.02), hex(0xf0_80_28));
    let wool = dice.vivid();
    let neck = head + v2(0.0, 0.92) * small;
    canvas.stroke(
        neck - v2(0.75, 0.0) * small,
        neck + v2(0.75, 0.0) * small,
        (small * 0.2, small * 0.2),
        wool,
    );
    let end = neck + v2(0.7 * side, 1.2) * small;
    canvas.stroke(neck + v2(0.5 * side, 0.0) * small, end, (small * 0.17, small * 0.2), wool * 0.88);
    let twig = hex(0x4a_34_28);
    for side in [-1.0, 1.0] {
        let hand = chest + v2(side * 2.0, dice.within(-1.1, 0.1)) * wide;
        canvas.stroke(chest + v2(side * 0.9, -0.2) * wide, hand, (wide * 0.06, wide * 0.04), twig);
        canvas.stroke(hand, hand + v2(side * 0.2, -0.3) * wide, (wide * 0.04, wide * 0.02), twig);
    }
    if dice.chance(0.7) {
        let hat = if dice.chance(0.6) { gray(0.12) } else { dice.deep() };
        let brim = head - v2(0.0, 0.75) * small;
        canvas.stroke(
            brim - v2(0.95, 0.0) * small,
            brim + v2(0.95, 0.0) * small,
            (small * 0.1, small * 0.1),
            hat,
        );
        let crown = brim - v2(0.0, 0.5) * small;
        canvas.fill(
            Bounds::around(crown, small),
            |p| rectangle(p - crown, v2(0.6, 0.5) * small, 0.02),
            |p| mix(hat, wool, smooth(0.02, 0.0, (p.y - crown.y - 0.3 * small).abs() - 0.12 * small)),
        );
    }
}

fn flakes(dice: &mut Dice, canvas: &mut Canvas) {
    let half = canvas.half();
    for _ in 0..dice.whole(80, 260) {
        let at = v2(dice.around(0.0, half.x), dice.around(0.0, half.y));
        let near = dice.unit().powi(5);
        let radius = 0.006 + 0.03 * near;
        let opacity = lerp(0.85, 0.4, near);
        canvas.glaze(Bounds::around(at, radius * 1.5), |p| {
            (gray(0.98), opacity * smooth(radius * 1.3, radius * 0.5, (p - at).length()))
        });
    }
}
