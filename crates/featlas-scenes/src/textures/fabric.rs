//! Cloth: tartan and other weaves, twill, knitwear.

use crate::canvas::Canvas;
use crate::color::{Rgb, gray, mix};
use crate::dice::Dice;
use crate::math::{V2, floor, lerp, smooth, v2};
use crate::noise::Noise;
use crate::view::View;

/// Folds: a soft relief that light falls across.
struct Folds {
    noise: Noise,
    across: V2,
    strength: f32,
}

impl Folds {
    fn any(dice: &mut Dice) -> Self {
        let strength = if dice.chance(0.6) { dice.within(0.15, 0.5) } else { 0.0 };
        Self { noise: dice.noise(), across: V2::polar(dice.unit()), strength }
    }

    fn light(&self, p: V2) -> f32 {
        let along = v2(-self.across.y, self.across.x);
        let place = v2(p.dot(self.across) * 1.7, p.dot(along) * 0.45);
        1.0 + self.strength * self.noise.fbm(place, 2)
    }
}

pub(crate) fn fabric(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let folds = Folds::any(dice);
    match dice.whole(0, 6) {
        0..=3 => woven(dice, &mut canvas, &folds),
        4 => twill(dice, &mut canvas, &folds),
        _ => knitted(dice, &mut canvas, &folds),
    }
    canvas
}

/// A tartan's sett: color bands that repeat, mirrored at their ends.
fn sett(dice: &mut Dice) -> Vec<(f32, Rgb)> {
    let (first, second) = dice.contrasting();
    let mut colors = vec![first, second, dice.color()];
    if dice.chance(0.5) {
        colors.push(dice.pick(&[gray(0.95), gray(0.05)]));
    }
    let mut bands = Vec::new();
    let mut place = 0.0;
    for _ in 0..dice.whole(2, 6) {
        place += if dice.chance(0.4) { dice.within(0.03, 0.09) } else { dice.within(0.15, 0.4) };
        bands.push((place, dice.pick(&colors)));
    }
    bands.iter().map(|(end, color)| (end / place, *color)).collect()
}

fn band(sett: &[(f32, Rgb)], x: f32) -> Rgb {
    let mirrored = 1.0 - (x.rem_euclid(2.0) - 1.0).abs();
    sett.iter().find(|(end, _)| mirrored <= *end).or(sett.last()).map_or(gray(0.5), |(_, color)| *color)
}

/// Warp and weft threads that pass over and under each other.
fn woven(dice: &mut Dice, canvas: &mut Canvas, folds: &Folds) {
    // Threads of three to eight pixels; finer ones would only flicker.
    let threads = dice.within(14.0, 42.0);
    let repeat = threads / dice.within(0.8, 2.6);
    let diagonal = dice.chance(0.5);
    let (along, across) = if dice.chance(0.8) {
        let sett = sett(dice);
        (sett.clone(), sett)
    } else {
        (sett(dice), sett(dice))
    };
    let spread = if dice.chance(0.5) { 0.5 } else { 0.03 };
    let bend = if dice.chance(0.4) { dice.within(0.05, 0.2) } else { 0.0 };
    let view = View::flat(dice, threads).turned(dice, spread).tilted(dice, 0.2).bent(bend);
    let fuzz = dice.noise();
    canvas.shade(|place| {
        let p = view.at(place);
        let (x, y) = (floor(p.x), floor(p.y));
        let local = v2(p.x - x as f32 - 0.5, p.y - y as f32 - 0.5);
        let warp_above = if diagonal { (x + y).rem_euclid(4) < 2 } else { (x + y) & 1 == 0 };
        let (color, side, length) = if warp_above {
            (band(&along, (x as f32 + 0.5) / repeat), local.x, local.y)
        } else {
            (band(&across, (y as f32 + 0.5) / repeat), local.y, local.x)
        };
        let round = 1.0 - 1.5 * side * side;
        let dips = 1.0 - 0.7 * length * length;
        let fuzzy = 1.0 + 0.12 * fuzz.plane(p * 1.7);
        color * (round * dips * fuzzy * folds.light(place))
    });
}

/// Denim and its kin: steep diagonal ribs, one pale and one colored thread.
fn twill(dice: &mut Dice, canvas: &mut Canvas, folds: &Folds) {
    let hue = if dice.chance(0.6) { dice.around(0.72, 0.03) } else { dice.unit() };
    let dark = crate::color::oklch(dice.within(0.3, 0.5), dice.within(0.04, 0.12), hue);
    let pale = mix(dark, gray(0.9), dice.within(0.4, 0.75));
    let scale = dice.within(9.0, 18.0);
    let view = View::flat(dice, scale).turned(dice, 0.5).tilted(dice, 0.2);
    let (noise, seam) = (dice.noise(), dice.around(0.0, 0.5));
    let stitched = dice.chance(0.5);
    let thread = dice.pick(&[crate::color::hex(0xd0_8a_3a), gray(0.92), pale]);
    let lean = dice.unit();
    canvas.shade(|place| {
        let p = view.at(place);
        let rib = p.x + p.y * 0.5 + 0.25 * noise.plane(v2(p.x * 0.8, p.y * 2.2));
        let phase = rib - floor(rib) as f32;
        let worn = smooth(-0.2, 0.8, noise.fbm(p * 0.12, 3)) * 0.5;
        let slub = noise.plane(v2(p.x * 2.5, p.y * 0.35)) * 0.1;
        let share = smooth(0.1, 0.45, phase) * smooth(0.95, 0.6, phase) * (0.45 + worn);
        let mut color = mix(dark, pale, share) * (1.0 + slub) * folds.light(place);
        if stitched {
            let turned = place.turned(lean);
            let away = (turned.x - seam).abs();
            let stitch = (turned.y * 9.0).rem_euclid(1.0);
            color = color * lerp(0.7, 1.0, smooth(0.0, 0.09, (turned.x - seam - 0.06).abs()));
            let on = smooth(0.022, 0.014, away) * smooth(0.1, 0.18, stitch) * smooth(0.92, 0.84, stitch);
            color = mix(color, thread, on);
        }
        color
    });
}

/// Stockinette: columns of V-shaped stitches, in stripes or with a worked-in pattern.
fn knitted(dice: &mut Dice, canvas: &mut Canvas, folds: &Folds) {
    let (first, second) = dice.contrasting();
    let third = dice.color();
    let scale = dice.within(6.0, 13.0);
    let view = View::flat(dice, scale).turned(dice, 0.08).tilted(dice, 0.2).bent(0.04);
    let (fuzz, style) = (dice.noise(), dice.whole(0, 3));
    let period = dice.whole(3, 8);
    let motif = move |x: i32, y: i32| {
        let from_middle = |n: i32, period: i32| (n.rem_euclid(period) - period / 2).abs();
        let second_color = match style {
            1 => y.rem_euclid(2 * period) >= period,
            2 => from_middle(x, 2 * period) + from_middle(y, 2 * period) < period - 1,
            3 => from_middle(x, period) == from_middle(y, period),
            _ => false,
        };
        if second_color {
            second
        } else if style == 3 && y.rem_euclid(4 * period) < period {
            third
        } else {
            first
        }
    };
    canvas.shade(|place| {
        let p = view.at(place);
        let column = floor(p.x);
        // The two legs of a stitch lean toward each other.
        let leg = p.x - column as f32 - 0.5;
        let lifted = p.y * 1.25 - leg.abs() * 1.1;
        let row = floor(lifted);
        let local = v2(leg.abs() - 0.26, lifted - row as f32 - 0.5);
        let round = 1.0 - smooth(0.12, 0.3, local.x.abs()) * 0.65 - smooth(0.25, 0.55, local.y.abs()) * 0.45;
        let fuzzy = 1.0 + 0.25 * fuzz.plane(v2(p.x * 5.0 + p.y * 3.0, p.y * 5.0 - leg.abs() * 9.0));
        motif(column, row) * (round.max(0.15) * fuzzy * folds.light(place))
    });
}
