//! Woods: firs in fog, trunks with light between them, leafy trees on a meadow.

use super::ground::Outline;
use super::trees;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, dim, gradient, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{lerp, smooth, v2};
use crate::sky::Sky;

pub(crate) fn forest(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    match dice.whole(0, 2) {
        0 => firs(dice, &mut canvas),
        1 => trunks(dice, &mut canvas),
        _ => grove(dice, &mut canvas),
    }
    canvas
}

/// Rows of firs, each row paler than the one before it.
fn firs(dice: &mut Dice, canvas: &mut Canvas) {
    let half = canvas.half();
    let (fog, dark) = dice.pick(&[
        (0xdf_e7_ea, 0x1d_3a_30),
        (0xc9_d8_d4, 0x16_34_2c),
        (0xf0_dc_c4, 0x2a_3a_2c),
        (0xb8_c8_d8, 0x1a_2c_3a),
        (0xe8_e2_b8, 0x2c_44_26),
    ]);
    let (fog, dark) = (dice.near(hex(fog), 0.05), dice.near(hex(dark), 0.04));
    let stops = [(0.0, fog * 0.92), (0.6, fog), (1.0, mix(fog, dark, 0.3))];
    canvas.wash(|p| gradient(&stops, (p.y + half.y) / (2.0 * half.y)));
    let rows = dice.whole(3, 5);
    for row in 0..rows {
        let near = (row + 1) as f32 / rows as f32;
        let noise = dice.noise();
        let level = lerp(-0.15, 1.15, near.powf(1.3)) * half.y;
        let ground = Outline::new(canvas, |x| level + 0.2 * noise.fbm_line(x * 0.9, 3));
        let tone = mix(fog, dark, 0.15 + 0.85 * near.powf(1.2));
        let size = lerp(0.45, 1.5, near * near) * dice.within(0.8, 1.15);
        let mut x = -half.x - size * 0.2;
        while x < half.x + size * 0.2 {
            let foot = v2(x, ground.at(x) + 0.1 * size);
            let height = size * dice.within(0.65, 1.25);
            let own = dice.near(tone, 0.05);
            trees::fir(dice, canvas, foot, height, own, 0.0);
            x += size * dice.within(0.16, 0.42);
        }
        // Fog gathers between the rows, at the trees' feet.
        let thick = 0.75 * (1.0 - near);
        ground.fill(canvas, |_, _| tone);
        canvas.touch(|p, color| {
            let low = smooth(-0.5 * size, 0.15 * size, p.y - ground.at(p.x));
            mix(color, fog, low * thick)
        });
    }
}

/// Among the trunks: dark bark or white birches, a floor of leaves or ferns, light from behind.
fn trunks(dice: &mut Dice, canvas: &mut Canvas) {
    let half = canvas.half();
    let birch = dice.chance(0.4);
    let (light, leaves, floor) = dice.pick(&[
        (0xf2_f4_c8, 0x7f_a0_3c, 0x5a_6a_2c),
        (0xff_f0_c0, 0xb8_a2_3a, 0x8a_5a_2a),
        (0xe4_f0_d8, 0x4f_8a_4a, 0x3a_5a_30),
        (0xff_e2_b0, 0xd0_8a_30, 0xa0_56_2a),
        (0xdc_e8_ee, 0x6a_8a_70, 0x54_60_4a),
    ]);
    let [light, leaves, floor] = [light, leaves, floor].map(|code| dice.near(hex(code), 0.06));
    let ground = half.y * dice.within(0.3, 0.65);
    let noise = dice.noise();
    let glow = v2(dice.around(0.0, half.x * 0.6), dice.around(-0.2, 0.3));
    canvas.shade(|p| {
        let bright = (-(p - glow).length() * 0.9).exp();
        let crowd = noise.fbm(p * 2.6, 4);
        let fine = noise.fbm(p * 9.0 + v2(20.0, 3.0), 2);
        let foliage = mix(leaves * 0.65, light, (bright * 1.1 + 0.5 * crowd + 0.3 * fine).clamp(0.0, 1.0));
        let depth = (p.y - ground + 0.05 * crowd).max(0.0);
        let far = 1.0 / (0.25 + depth);
        let litter = noise.fbm(v2(p.x * far * 2.2, far * 6.0), 4) + 0.3 * noise.plane(p.scaled(18.0, 40.0));
        let earth = mix(floor * 0.6, mix(floor, light, 0.25), smooth(-0.4, 0.5, litter) * (0.5 + bright));
        mix(foliage, earth, smooth(-0.03, 0.1, depth - 0.03))
    });
    let rows = dice.whole(2, 4);
    let dark = if birch { hex(0xe8_e4_da) } else { dice.near(hex(0x3c_2f_26), 0.1) };
    for row in 0..rows {
        let near = (row + 1) as f32 / rows as f32;
        let count = dice.whole(3, 8 - row);
        for _ in 0..count {
            let x = dice.around(0.0, half.x * 1.05);
            let wide = lerp(0.022, 0.12, near * near) * dice.within(0.6, 1.3);
            let foot = ground + (half.y - ground) * near * dice.within(0.5, 0.95);
            let tone = mix(mix(leaves, light, 0.35), dark, 0.25 + 0.75 * near);
            trunk(dice, canvas, (x, foot, wide), tone, birch);
        }
    }
    if dice.chance(0.4) {
        // Beams of light.
        let (turns, strength) = (dice.around(0.12, 0.05) * dice.sign(), dice.within(0.15, 0.35));
        canvas.touch(|p, color| {
            let across = p.turned(turns).x;
            let beam = smooth(0.0, 0.5, noise.line(across * 4.0 + 90.0));
            mix(color, light, beam * strength * smooth(half.y, -half.y, p.y))
        });
    }
}

fn trunk(dice: &mut Dice, canvas: &mut Canvas, (x, foot, wide): (f32, f32, f32), tone: Rgb, birch: bool) {
    let half = canvas.half();
    let (noise, lean) = (dice.noise(), dice.around(0.0, 0.06));
    let reach = wide * 2.0 + half.y * 0.15;
    let bounds = Bounds { low: v2(x - reach, -half.y), high: v2(x + reach, foot) };
    let middle = |y: f32| x + lean * (foot - y) + wide * 0.5 * noise.line(y * 1.3);
    canvas.fill(
        bounds,
        |p| {
            let roots = wide * 0.7 * smooth(0.22, 0.0, foot - p.y);
            let up = 1.0 - 0.12 * (foot - p.y);
            ((p.x - middle(p.y)).abs() - wide * up - roots).max(p.y - foot)
        },
        |p| {
            let across = (p.x - middle(p.y)) / wide;
            let round = 1.0 - 0.35 * across * across - 0.2 * across;
            if birch {
                let mark = noise.plane(v2(across * 0.9 + 7.0, p.y * 1.1 / wide));
                return dim(tone * round, 1.0, 0.25, smooth(0.3, 0.5, mark));
            }
            let bark = noise.ridges(v2(across * 2.2, p.y * 0.35 / wide), 3);
            tone * (round * (0.6 + 0.75 * bark))
        },
    );
}

/// Round trees on a meadow under an open sky.
fn grove(dice: &mut Dice, canvas: &mut Canvas) {
    let half = canvas.half();
    let horizon = half.y * dice.within(-0.05, 0.35);
    let sky = Sky::day(dice, -half.y, horizon);
    canvas.wash(|p| sky.color(p));
    let (crown, meadow) = dice.pick(&[
        (0x4f_7f_35, 0x7a_9a_45),
        (0x3f_6f_3a, 0x6a_8f_4a),
        (0xb8_74_2a, 0x9a_8f_48),
        (0xa8_4a_28, 0x8f_8a_4a),
        (0x6f_9a_3a, 0x8f_ae_58),
        (0xc9_a0_30, 0x94_92_4c),
    ]);
    let (crown, meadow) = (dice.near(hex(crown), 0.08), dice.near(hex(meadow), 0.06));
    let noise = dice.noise();
    let edge = Outline::new(canvas, |x| horizon + 0.06 * noise.fbm_line(x * 1.2, 3));
    let far = mix(mix(crown, hex(0x3a_5a_50), 0.5), sky.haze(), 0.45);
    let size = dice.within(0.12, 0.3);
    trees::fringe(dice, canvas, &edge, size, far);
    edge.fill(canvas, |p, below| {
        let far = 1.0 / (0.2 + below);
        let patches = noise.fbm(v2(p.x * far, far * 2.5), 3);
        let blades = noise.plane(v2(p.x * 36.0, p.y * 22.0));
        meadow * ((0.85 + 0.3 * patches) * (1.0 + 0.15 * blades))
    });
    let count = dice.whole(2, 7);
    let mut feet: Vec<f32> = (0..count).map(|_| dice.unit()).collect();
    feet.sort_by(f32::total_cmp);
    for near in feet {
        let y = lerp(horizon + 0.06, half.y * 1.02, near * near);
        let x = dice.around(0.0, half.x * 1.05);
        let height = lerp(0.45, 1.7, near * near) * dice.within(0.8, 1.2);
        // The tree's shadow on the grass.
        let center = v2(x + 0.1 * height, y);
        canvas.soft(
            Bounds::around(center, height * 0.6),
            |p| (p - center).scaled(1.0, 3.6).length() - height * 0.36,
            height * 0.25,
            gray(0.08),
            0.45,
        );
        let own = mix(dice.near(crown, 0.12), far, 0.55 * (1.0 - near));
        trees::leafy(dice, canvas, v2(x, y), height, own);
    }
    trees::grass(dice, canvas, half.y * 0.75, 90, meadow * 0.8);
}
