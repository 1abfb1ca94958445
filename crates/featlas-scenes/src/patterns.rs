//! Drawn patterns: checkerboards, dots, rings.

use crate::canvas::Canvas;
use crate::color::{Rgb, gray, mix};
use crate::dice::Dice;
use crate::math::{V2, floor, lerp, smooth, v2};
use crate::noise::Noise;
use crate::view::View;

/// Paper and light: a soft slope of brightness and a fine tooth.
struct Paper {
    noise: Noise,
    toward: V2,
    strength: f32,
}

impl Paper {
    fn any(dice: &mut Dice) -> Self {
        let strength = dice.within(0.0, 0.22);
        Self { noise: dice.noise(), toward: V2::polar(dice.unit()), strength }
    }

    fn light(&self, p: V2) -> f32 {
        1.0 + self.strength * (0.7 * p.dot(self.toward) + 0.3 * self.noise.plane(p * 1.3))
    }
}

pub(crate) fn checkers(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let (light, dark) = dice.contrasting();
    let third = if dice.chance(0.25) { dice.vivid() } else { light };
    let scale = lerp(1.4, 6.0, dice.unit() * dice.unit());
    let view = match dice.whole(0, 3) {
        0 => View::flat(dice, scale),
        1 => View::any(dice, scale).tilted(dice, 0.75),
        _ => View::any(dice, scale),
    };
    // Diamonds: squeezed along one diagonal.
    let squeeze = if dice.chance(0.25) { dice.within(0.4, 0.7) } else { 1.0 };
    let (paper, wear, worn) = (Paper::any(dice), dice.noise(), dice.within(0.0, 0.12));
    let bulge = if dice.chance(0.25) { dice.within(-0.35, 0.6) } else { 0.0 };
    canvas.shade(|place| {
        let pulled = place * (1.0 + bulge * (place.dot(place) - 0.5));
        let p = view.at(pulled);
        let p = v2(p.x + p.y, p.x - p.y).scaled(squeeze, 1.0) * std::f32::consts::FRAC_1_SQRT_2;
        let (x, y) = (floor(p.x), floor(p.y));
        let color = match ((x + y) & 1, x & 1) {
            (0, _) => dark,
            (_, 0) => light,
            _ => third,
        };
        color * (paper.light(place) * (1.0 + worn * wear.fbm(p * 2.0, 3)))
    });
    canvas
}

pub(crate) fn dots(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let (ground, first) = dice.contrasting();
    let inks =
        if dice.chance(0.5) { vec![first] } else { vec![first, dice.vivid(), dice.color(), dice.pastel()] };
    let scale = dice.within(2.0, 6.0);
    let view =
        if dice.chance(0.4) { View::flat(dice, scale).turned(dice, 0.125) } else { View::any(dice, scale) };
    let (paper, lattice) = (Paper::any(dice), dice.noise());
    let style = dice.whole(0, 4);
    let (radius, rim) = (dice.within(0.2, 0.38), if dice.chance(0.3) { dice.within(0.4, 0.7) } else { 0.0 });
    let fade = V2::polar(dice.unit());
    let hexagonal = dice.chance(0.6);
    canvas.shade(|place| {
        let p = view.at(place);
        let (away, own, ink) = if style == 0 {
            // Confetti: anywhere, of any size.
            let cell = lattice.cell(p, 0.7);
            (cell.nearest, lerp(0.12, 0.34, cell.unit(1)), cell.unit(2))
        } else {
            let row = if hexagonal { floor(p.y / 0.866) } else { floor(p.y) };
            let pitch = if hexagonal { 0.866 } else { 1.0 };
            let shifted = p.x + if hexagonal && row & 1 == 1 { 0.5 } else { 0.0 };
            let column = floor(shifted);
            let center = v2(column as f32 + 0.5, (row as f32 + 0.5) * pitch);
            let mut own = radius;
            if style == 1 {
                // Halftone: dots grow across the picture.
                own = (0.26 + 0.24 * place.dot(fade)).clamp(0.04, 0.47);
            }
            ((v2(shifted, p.y) - center).length(), own, lattice.lattice(column, row))
        };
        let color = inks[crate::math::index(ink * inks.len() as f32).min(inks.len() - 1)];
        let edge = 0.01 * scale.min(3.0);
        let mut cover = smooth(edge, -edge, away - own);
        if rim > 0.0 {
            cover *= smooth(-edge, edge, away - own * rim);
        }
        mix(ground, color, cover) * paper.light(place)
    });
    canvas
}

pub(crate) fn rings(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let (first, second) = dice.contrasting();
    let mut inks = vec![first, second];
    if dice.chance(0.4) {
        inks.extend([dice.vivid(), dice.color()]);
    }
    let center = v2(dice.around(0.0, 0.45), dice.around(0.0, 0.45));
    let other = v2(dice.around(0.0, 0.9), dice.around(0.0, 0.9));
    let count = lerp(2.5, 9.0, dice.unit() * dice.unit());
    let (style, arms) = (dice.whole(0, 5), inks.len() as f32 * dice.pick(&[-1.0, 1.0]));
    let (squash, turns) = (if dice.chance(0.35) { dice.within(0.5, 0.9) } else { 1.0 }, dice.unit());
    let wobble = if dice.chance(0.35) { dice.within(0.03, 0.12) } else { 0.0 };
    let (noise, paper) = (dice.noise(), Paper::any(dice));
    let rest = dice.color();
    canvas.shade(|place| {
        let from = (place - center).turned(turns).scaled(1.0, 1.0 / squash);
        let mut radius = from.length() + wobble * noise.fbm(place * 1.8, 2);
        if style == 1 {
            // Two drops: each point belongs to the nearer one.
            radius = radius.min((place - other).length());
        }
        let phase = match style {
            // As many arms as inks, so that the turn closes without a seam.
            0 => radius * count + arms * from.turns(),
            2 => (1.0 + radius * 4.0).ln() * count * 1.2,
            _ => radius * count,
        };
        let ring = floor(phase);
        let ink = |ring: i32| -> Rgb {
            let of = i32::try_from(inks.len()).expect("a handful of inks");
            inks[usize::try_from(ring.rem_euclid(of)).expect("a remainder is not negative")]
        };
        let mut color = ink(ring);
        if style == 3 {
            // Soft waves instead of bands.
            let wave = 0.5 + 0.5 * (phase * std::f32::consts::PI).cos();
            color = mix(first, second, wave);
        }
        if style == 4 && radius > 0.95 {
            // A target on a ground.
            color = mix(rest, gray(0.5), 0.2);
        }
        color * paper.light(place)
    });
    canvas
}
