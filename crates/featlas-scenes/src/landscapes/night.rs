//! Night skies: stars, the Milky Way, the moon, northern lights.

use super::ground::{Outline, mirror};
use super::trees;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gradient, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, smooth, v2};
use crate::noise::Noise;

pub(crate) fn night(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let half = canvas.half();
    let horizon = half.y * dice.within(0.35, 0.85);
    let (zenith, haze) = dice.pick(&[
        (0x06_0a_1c, 0x24_34_5e),
        (0x0a_0d_26, 0x3b_3a_6b),
        (0x04_10_1c, 0x1c_4a_5c),
        (0x0c_08_18, 0x4a_2f_5a),
        (0x07_0b_14, 0x5a_4a_3c),
    ]);
    let stops = [(0.0, dice.near(hex(zenith), 0.03)), (1.0, dice.near(hex(haze), 0.05))];
    let air = |p: V2| gradient(&stops, ((p.y + half.y) / (horizon + half.y)).max(0.0).powf(1.4));
    canvas.wash(air);

    let style = dice.whole(0, 5);
    if style <= 1 {
        milky_way(dice, &mut canvas);
    }
    if style == 2 {
        aurora(dice, &mut canvas, horizon);
    }
    stars(dice, &mut canvas, if style <= 1 { 1.4 } else { 0.8 });
    if style >= 3 || dice.chance(0.2) {
        moon(dice, &mut canvas, horizon, air);
    }
    if style >= 4 {
        clouds(dice, &mut canvas, stops[1].1);
    }
    let dark = stops[0].1 * 0.45;
    let noise = dice.noise();
    let high = dice.within(0.05, 0.3);
    let hills = Outline::new(&canvas, |x| horizon + high * noise.fbm_line(x * 1.4, 5));
    if dice.chance(0.3) {
        hills.fill(&mut canvas, |_, _| dark);
        let shore = horizon + high * 0.4 + 0.05;
        mirror(&mut canvas, shore, noise, dice.within(0.1, 0.3), (dark, 0.35));
    } else if dice.chance(0.85) {
        hills.fill(&mut canvas, |_, below| mix(mix(dark, stops[1].1, 0.25), dark, smooth(0.0, 0.25, below)));
        if dice.chance(0.6) {
            let size = dice.within(0.18, 0.55);
            trees::fringe(dice, &mut canvas, &hills, size, dark * 0.8);
        }
    }
    canvas
}

fn stars(dice: &mut Dice, canvas: &mut Canvas, plenty: f32) {
    let half = canvas.half();
    let count = dice.within(120.0, 420.0) * plenty;
    for _ in 0..crate::math::index(count) {
        let at = v2(dice.around(0.0, half.x), dice.around(0.0, half.y));
        let bright = dice.unit().powi(4);
        let tint = mix(gray(1.0), dice.pick(&[hex(0xa8_c8_ff), hex(0xff_e4_b8), hex(0xff_ff_ff)]), 0.8);
        let radius = 0.005 + 0.011 * bright;
        let glow = |p: V2| {
            let away = (p - at).length() / radius;
            (0.35 + 0.65 * bright) * (-away * away * 0.7).exp()
        };
        canvas.glaze(Bounds::around(at, radius * 3.0), |p| (tint, glow(p)));
        if bright > 0.9 {
            for along in [v2(1.0, 0.0), v2(0.0, 1.0)] {
                let ray = along * (radius * 4.0);
                let bounds = Bounds::around(at, radius * 4.0);
                canvas.glaze(bounds, |p| {
                    let (away, _) = crate::math::segment(p, at - ray, at + ray);
                    let fade = 1.0 - ((p - at).length() / (radius * 4.0)).min(1.0);
                    (tint, 0.7 * fade * smooth(0.008, 0.0, away))
                });
            }
        }
    }
}

fn milky_way(dice: &mut Dice, canvas: &mut Canvas) {
    let (across, shift) = (V2::polar(dice.unit()), dice.around(0.0, 0.4));
    let (noise, wide, bright) = (dice.noise(), dice.within(0.25, 0.5), dice.within(0.4, 0.75));
    let warm = dice.near(hex(0xe0_c0_b0), 0.08);
    let cold = dice.near(hex(0x8a_9a_d8), 0.08);
    canvas.touch(|p, color| {
        let away = (p.dot(across) - shift + 0.15 * noise.fbm(p * 1.2, 3)) / wide;
        let band = (-away * away * 1.6).exp();
        let dust = smooth(0.05, 0.4, noise.fbm(p * 2.4 + v2(9.0, 9.0), 5)) * (-away * away * 8.0).exp();
        let cloud = 0.65 + 0.5 * noise.fbm(p * 3.0, 5);
        let light = mix(cold, warm, (-away * away * 5.0).exp());
        mix(color, light, (band * cloud * bright * (1.0 - 0.75 * dust)).clamp(0.0, 1.0))
    });
}

fn aurora(dice: &mut Dice, canvas: &mut Canvas, horizon: f32) {
    let (low, high) = dice.pick(&[
        (hex(0x4d_f0_a0), hex(0x7a_4a_c8)),
        (hex(0x5a_f0_d0), hex(0x3a_6a_e0)),
        (hex(0x90_f0_70), hex(0xc0_40_90)),
    ]);
    for _ in 0..dice.whole(2, 4) {
        let (noise, level) = (dice.noise(), horizon - dice.within(0.35, 1.0));
        let (tall, bright) = (dice.within(0.5, 1.1), dice.within(0.45, 0.8));
        let foot = Outline::new(canvas, |x| level + 0.3 * noise.fbm_line(x * 0.9, 3));
        let rays = Outline::new(canvas, |x| {
            (0.55 + 0.45 * noise.line(x * 11.0 + 50.0)) * smooth(-0.5, 0.3, noise.line(x * 1.1 + 9.0))
        });
        canvas.touch(|p, color| {
            let up = (foot.at(p.x) - p.y) / tall;
            let curtain = smooth(-0.06, 0.03, up) * (-up.max(0.0) * 3.0).exp();
            mix(
                color,
                mix(low, high, smooth(0.1, 0.6, up)),
                (curtain * rays.at(p.x) * bright).clamp(0.0, 1.0),
            )
        });
    }
}

/// A moon at any phase, with its seas.
fn moon(dice: &mut Dice, canvas: &mut Canvas, horizon: f32, air: impl Fn(V2) -> Rgb) {
    let half = canvas.half();
    let radius = if dice.chance(0.3) { dice.within(0.3, 0.5) } else { dice.within(0.12, 0.26) };
    let at = v2(dice.around(0.0, half.x * 0.6), dice.within(-half.y * 0.75, (horizon - 0.4).min(0.1)));
    let noise: Noise = dice.noise();
    let color: Rgb = dice.pick(&[hex(0xf4_f1_e4), hex(0xf8_e8_c0), hex(0xe4_ea_f4), hex(0xf4_c8_90)]);
    let (phase, lean) = (dice.within(-0.4, 1.0), dice.unit());
    let glow = dice.within(0.25, 0.5);
    canvas.touch(|p, under| {
        let away = ((p - at).length() - radius).max(0.0) / radius;
        mix(under, color, glow * (-away * 1.7).exp() * phase.max(0.3))
    });
    canvas.fill(
        Bounds::around(at, radius),
        |p| (p - at).length() - radius,
        |p| {
            let q = ((p - at) * (1.0 / radius)).turned(lean);
            // The border between light and shadow is half an ellipse.
            let border = -phase * (1.0 - q.y * q.y).max(0.0).sqrt();
            let lit = smooth(border - 0.08, border + 0.1, q.x);
            let seas = smooth(-0.05, 0.35, noise.fbm(q * 1.5, 3)) * 0.24;
            let cell = noise.cell(q * 3.0, 0.9);
            let crater = smooth(0.3, 0.24, cell.nearest) * smooth(0.1, 0.24, cell.nearest) * 0.12;
            let ground = color * (1.0 - seas + crater + 0.05 * noise.plane(q * 9.0));
            let unlit = mix(air(p), color, glow * phase.max(0.3) * 0.7);
            mix(unlit, ground * (1.0 - 0.15 * q.dot(q)), lit * 0.97 + 0.03)
        },
    );
}

fn clouds(dice: &mut Dice, canvas: &mut Canvas, haze: Rgb) {
    let (noise, clear) = (dice.noise(), dice.within(0.0, 0.25));
    canvas.touch(|p, color| {
        let density = noise.fbm(p.scaled(0.9, 2.2), 5) - clear;
        let cover = smooth(0.0, 0.5, density) * 0.75;
        mix(color, mix(haze * 0.9, color * 0.7, 0.4), cover)
    });
}
