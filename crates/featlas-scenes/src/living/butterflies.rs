//! Butterflies: four patterned wings and a body, pinned on paper or among blossoms.

use super::backdrop;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, ellipse, lerp, smooth, v2};
use crate::noise::Noise;

/// One species: wing outlines and markings.
struct Species {
    /// The fore wing's length and breadth, and the hind wing's; the body is about 0.8 long.
    fore: V2,
    hind: V2,
    tail: f32,
    base: Rgb,
    second: Rgb,
    edge: Rgb,
    spot: Rgb,
    /// Width of the dark rim, of the veins, and how many spots stand in the rim.
    rim: f32,
    veins: f32,
    spots: f32,
    eyes: bool,
    bands: f32,
    noise: Noise,
}

impl Species {
    fn any(dice: &mut Dice) -> Self {
        let (base, second, edge) = dice.pick(&[
            (0xe8_78_2a, 0xf4_b0_4a, 0x1c_14_10),
            (0x3a_78_d8, 0x6a_b4_f4, 0x10_18_28),
            (0xf0_d8_48, 0xf8_f0_a8, 0x28_24_1c),
            (0xf4_f4_ec, 0xdc_dc_c8, 0x2c_2c_2c),
            (0xa8_38_28, 0xe0_80_48, 0x20_10_0c),
            (0x2a_9a_88, 0x78_d8_b8, 0x0c_24_20),
            (0x7a_4a_b8, 0xb8_90_e0, 0x1c_10_30),
            (0x6a_4a_34, 0xb0_8a_5a, 0x24_18_10),
            (0x28_28_2c, 0x4a_4a_54, 0x0c_0c_10),
        ]);
        Self {
            fore: v2(dice.within(0.85, 1.05), dice.within(0.34, 0.46)),
            hind: v2(dice.within(0.6, 0.8), dice.within(0.36, 0.48)),
            tail: if dice.chance(0.3) { dice.within(0.2, 0.4) } else { 0.0 },
            base: dice.near(hex(base), 0.08),
            second: dice.near(hex(second), 0.08),
            edge: dice.near(hex(edge), 0.03),
            spot: dice.pick(&[gray(0.97), hex(0xf8_e8_a0), hex(0x8a_c8_f8), hex(0xf0_80_50)]),
            rim: dice.within(0.06, 0.24),
            veins: if dice.chance(0.7) { dice.within(0.4, 1.0) } else { 0.0 },
            spots: if dice.chance(0.7) { dice.within(5.0, 9.0) } else { 0.0 },
            eyes: dice.chance(0.35),
            bands: if dice.chance(0.5) { dice.within(1.5, 4.0) } else { 0.0 },
            noise: dice.noise(),
        }
    }
}

/// A wing in its own coordinates: x from the shoulder along the wing, y across.
struct Wing<'a> {
    species: &'a Species,
    size: V2,
    tail: f32,
    fore: bool,
}

impl Wing<'_> {
    /// Below 0 inside, in units of the wing's length; `along` and `rim` of the place go to the markings.
    fn edge(&self, q: V2) -> f32 {
        // A drop: narrow at the shoulder, broad and scalloped at the outer edge.
        let scallop = 0.012 * (q.y * 42.0).sin();
        let t = (q.x / self.size.x).clamp(0.0, 1.2);
        let half =
            self.size.y * (t.powf(0.62) * (1.0 - t.powf(5.0)).max(0.0).sqrt() * 1.12 + 0.04 * (1.0 - t));
        let sweep = if self.fore { -0.22 * self.size.x * t * t } else { 0.1 * self.size.x * t * t };
        let across = (q.y - sweep).abs() - half + scallop;
        let blade = across.max(-q.x).max(q.x - self.size.x * 1.02) * 0.8;
        if self.tail > 0.0 {
            let from = v2(self.size.x * 0.86, self.size.y * 0.35);
            let (away, at) = crate::math::segment(q, from, from + v2(self.tail, 0.1 + self.tail * 0.25));
            return blade.min(away - lerp(0.05, 0.035, at));
        }
        blade
    }

    fn color(&self, q: V2) -> Rgb {
        let s = self.species;
        let depth = -self.edge(q);
        let along = (q.x / self.size.x).clamp(0.0, 1.0);
        let fan = (q.y / (0.12 + q.x.max(0.0))).atan();
        let mut color =
            mix(s.base * 0.8, mix(s.base, s.second, smooth(0.3, 0.85, along)), smooth(0.0, 0.35, along));
        if s.bands > 0.0 {
            let wave = (along * s.bands * std::f32::consts::TAU + 1.5 * s.noise.plane(q * 3.0)).sin();
            color = mix(color, s.second, smooth(0.1, 0.5, wave) * 0.8);
            color = mix(color, s.edge, smooth(0.75, 0.95, -wave) * 0.8);
        }
        let ribs = fan * 7.0;
        let near = (ribs - ribs.round()).abs() * (0.12 + q.x.max(0.0)) / 7.0;
        color = mix(color, s.edge, s.veins * smooth(0.016, 0.006, near) * smooth(0.05, 0.25, along));
        let rim = s.rim * (0.6 + 0.6 * along) * smooth(0.1, 0.5, along);
        color = mix(color, s.edge, smooth(rim + 0.02, rim - 0.02, depth));
        if s.spots > 0.0 {
            let row = fan * s.spots;
            let place = v2((row - row.floor() - 0.5) * self.size.x / s.spots * 1.1, depth - rim * 0.5 - 0.02);
            let dot = place.length() - 0.022 - 0.012 * rim;
            color = mix(color, s.spot, smooth(0.006, -0.006, dot) * smooth(0.5, 0.65, along));
        }
        if s.eyes {
            let eye = (q - v2(self.size.x * 0.66, if self.fore { -0.12 } else { 0.06 })).length();
            color = mix(color, s.edge, smooth(0.125, 0.115, eye));
            color = mix(color, s.spot, smooth(0.1, 0.09, eye));
            color = mix(color, s.base * 0.5, smooth(0.07, 0.06, eye));
            color = mix(color, gray(0.97), smooth(0.025, 0.015, eye));
        }
        let scales = 1.0 + 0.1 * s.noise.plane(v2(fan * 40.0, q.x * 12.0)) + 0.05 * s.noise.plane(q * 60.0);
        color * scales
    }
}

pub(crate) fn butterflies(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let half = canvas.half();
    match dice.whole(0, 4) {
        0..=2 => backdrop::garden(dice, &mut canvas),
        3 => {
            let color = dice.pick(&[hex(0xf0_ea_dc), gray(0.94), hex(0xd8_c8_a8)]);
            backdrop::plain(dice, &mut canvas, color);
        }
        _ => {
            let color = dice.pick(&[hex(0x8a_c0_e8), hex(0xa8_d0_e0), hex(0xe8_c8_d0)]);
            backdrop::plain(dice, &mut canvas, color);
        }
    }
    let species = Species::any(dice);
    if dice.chance(0.75) {
        let at = v2(dice.around(0.0, 0.12), dice.around(0.0, 0.12));
        let size = dice.within(0.8, 1.05);
        butterfly(dice, &mut canvas, &species, (at, size));
        return canvas;
    }
    // Several: one in each quarter, so that none hides another.
    let quarters = [v2(-0.5, -0.5), v2(0.5, 0.5), v2(0.5, -0.5), v2(-0.5, 0.5)];
    let count = dice.pick(&[2, 3, 4]);
    for quarter in quarters.iter().take(count) {
        let at = quarter.scaled(half.x, half.y) + v2(dice.around(0.0, 0.1), dice.around(0.0, 0.1));
        let size = dice.within(0.36, 0.5);
        butterfly(dice, &mut canvas, &species, (at, size));
    }
    canvas
}

fn butterfly(dice: &mut Dice, canvas: &mut Canvas, species: &Species, (at, size): (V2, f32)) {
    let lean = if dice.chance(0.7) { dice.around(0.0, 0.12) } else { dice.unit() };
    // How far each pair of wings is open: 1 is flat, less is half closed.
    let (left, right) = (dice.within(0.6, 1.0), dice.within(0.6, 1.0));
    let (rise, drop) = (dice.within(0.06, 0.12), dice.within(0.07, 0.12));
    let shadow = v2(0.04, 0.09) * size;
    for (fore, pass) in [(false, 0), (true, 0), (false, 1), (true, 1)] {
        let (wing, turns) = if fore {
            (Wing { species, size: species.fore, tail: 0.0, fore }, -rise)
        } else {
            (Wing { species, size: species.hind, tail: species.tail, fore }, drop)
        };
        for (side, open) in [(-1.0, left), (1.0, right)] {
            let shoulder = v2(0.03, if fore { -0.12 } else { 0.02 });
            let own = |p: V2| {
                let q = (p - at).turned(-lean) * (1.0 / size);
                (v2(q.x * side / open, q.y) - shoulder).turned(-turns)
            };
            let middle = at + (v2(side * open * 0.5, if fore { -0.35 } else { 0.25 }) * size).turned(lean);
            let reach = size * (0.75 + wing.tail);
            if pass == 0 {
                let bounds = Bounds::around(middle + shadow, reach);
                let edge = |p| wing.edge(own(p - shadow)) * size;
                canvas.soft(bounds, edge, 0.12 * size, gray(0.02), 0.25);
            } else {
                let light = if side < 0.0 { lerp(0.8, 1.02, left) } else { lerp(0.9, 1.06, right) };
                let bounds = Bounds::around(middle, reach);
                canvas.fill(bounds, |p| wing.edge(own(p)) * size * open, |p| wing.color(own(p)) * light);
            }
        }
    }
    body(dice, canvas, species, |p: V2| at + (p * size).turned(lean), size);
}

fn body(dice: &mut Dice, canvas: &mut Canvas, species: &Species, place: impl Fn(V2) -> V2, size: f32) {
    let fur = mix(species.edge, species.base, dice.within(0.1, 0.4));
    let noise = dice.noise();
    let along = place(v2(0.0, 1.0)) - place(v2(0.0, 0.0));
    let turns = along.turns() - 0.25;
    for (y, radii) in [(0.22, v2(0.045, 0.27)), (-0.1, v2(0.065, 0.15)), (-0.27, v2(0.05, 0.055))] {
        let center = place(v2(0.0, y));
        let own = |p: V2| (p - center).turned(-turns) * (1.0 / size);
        canvas.fill(
            Bounds::around(center, size * 0.35),
            |p| ellipse(own(p), radii) * size,
            |p| {
                let q = own(p);
                let rings = 0.9 + 0.15 * (q.y * 70.0).sin();
                fur * (rings * (1.25 - 0.6 * (q.x / radii.x).powi(2)) * (1.0 + 0.3 * noise.plane(q * 50.0)))
            },
        );
    }
    for side in [-1.0, 1.0] {
        let (mut from, bow) = (place(v2(side * 0.02, -0.31)), dice.within(0.12, 0.24));
        for i in 1..=8 {
            let t = i as f32 / 8.0;
            let to = place(v2(side * (0.02 + bow * t * t), -0.31 - 0.36 * t));
            canvas.stroke(from, to, (0.009 * size, 0.008 * size), species.edge);
            from = to;
        }
        canvas.disk(from, 0.02 * size, species.edge);
    }
}
