//! City skylines with lit windows, by night, dusk and day.

use super::ground::mirror;
use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, dim, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, floor, lerp, rectangle, smooth, v2};
use crate::noise::Noise;
use crate::sky::Sky;

/// Walls by day: gray, sand, brick, slate.
const STONES: [u32; 4] = [0x8e_94_9c, 0xb0_a0_8c, 0x9a_6a_58, 0x7a_8a_98];

/// How a house ends at its top.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Roof {
    Flat,
    Mast,
    Steps,
    Spire,
    Slant,
    Dome,
}

struct House {
    left: f32,
    right: f32,
    top: f32,
    wall: Rgb,
    roof: Roof,
    noise: Noise,
    /// Windows per unit across and up.
    pitch: V2,
    glass: Rgb,
    /// The share of windows with light.
    lit: f32,
    bands: bool,
}

/// What all houses of one row share.
struct Row {
    near: f32,
    street: f32,
    haze: Rgb,
    lamp: Rgb,
    night: f32,
}

pub(crate) fn city(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let half = canvas.half();
    let street = half.y * dice.within(0.5, 0.95);
    let night = match dice.whole(0, 3) {
        0 | 1 => 1.0,
        2 => 0.6,
        _ => 0.0,
    };
    let mut sky =
        if night > 0.0 { Sky::dusk(dice, -half.y, street) } else { Sky::day(dice, -half.y, street) };
    if night > 0.9 {
        sky.sun = None;
        let blue = dice.pick(&[hex(0x0c_14_30), hex(0x14_10_2c), hex(0x0a_1c_2c)]);
        for (place, color) in &mut sky.stops {
            *color = mix(*color, blue, 0.9 - 0.35 * *place);
        }
        if let Some(clouds) = &mut sky.clouds {
            clouds.lit = mix(clouds.lit, blue, 0.8);
            clouds.shaded = blue;
        }
    }
    canvas.wash(|p| sky.color(p));
    let lamp = dice.pick(&[hex(0xff_d8_80), hex(0xff_e8_b8), hex(0xff_c4_60), hex(0xe8_f0_ff)]);
    let wall = if night > 0.0 {
        dice.near(mix(sky.stops[0].1, hex(0x1c_20_30), 0.5), 0.05) * 0.8
    } else {
        {
            let stone = dice.pick(&STONES);
            dice.near(hex(stone), 0.08)
        }
    };
    let rows = dice.whole(2, 4);
    for row in 0..rows {
        let near = (row + 1) as f32 / rows as f32;
        let row = Row { near, street, haze: sky.haze(), lamp, night };
        houses(dice, &mut canvas, &row, wall);
    }
    if dice.chance(0.55) {
        let noise = dice.noise();
        let dark = mix(sky.stops[0].1 * 0.4, hex(0x0a_14_20), 0.5);
        let (ripple, share) = (dice.within(0.2, 0.5), dice.within(0.2, 0.45));
        mirror(&mut canvas, street, noise, ripple, (dark, share));
        canvas.stroke(v2(-half.x, street), v2(half.x, street), (0.012, 0.012), dark);
    } else {
        road(dice, &mut canvas, street, night, lamp);
    }
    canvas
}

fn houses(dice: &mut Dice, canvas: &mut Canvas, row: &Row, wall: Rgb) {
    let half = canvas.half();
    let tall = lerp(1.25, 0.75, row.near) * dice.within(0.8, 1.15);
    let middle = dice.around(0.0, half.x * 0.5);
    let mut left = -half.x - 0.1;
    while left < half.x {
        let wide = lerp(0.13, 0.26, row.near) * dice.within(0.6, 1.5);
        // Higher toward the center of the town.
        let center = (-((left - middle) / 0.8).powi(2)).exp();
        let height = tall * (0.3 + 0.75 * center * dice.unit() + 0.35 * dice.unit());
        let roof = dice.pick(&[
            Roof::Flat,
            Roof::Flat,
            Roof::Mast,
            Roof::Steps,
            Roof::Spire,
            Roof::Slant,
            Roof::Dome,
        ]);
        let pitch = lerp(34.0, 20.0, row.near);
        let house = House {
            left,
            right: left + wide,
            top: row.street - height,
            wall: mix(dice.near(wall, 0.1), row.haze, 0.65 * (1.0 - row.near)),
            roof: if roof == Roof::Spire && height < tall * 0.8 { Roof::Flat } else { roof },
            noise: dice.noise(),
            pitch: v2(pitch * dice.within(0.7, 1.2), pitch * dice.within(0.7, 1.1)),
            glass: dice.near(mix(row.haze, hex(0x30_48_60), 0.5), 0.1),
            lit: row.night * dice.within(0.15, 0.7),
            bands: dice.chance(0.2),
        };
        house.draw(canvas, row);
        left += wide * dice.within(0.75, 1.15);
    }
}

impl House {
    fn draw(&self, canvas: &mut Canvas, row: &Row) {
        let wide = self.right - self.left;
        let above = wide * 1.6;
        let bounds = Bounds { low: v2(self.left, self.top - above), high: v2(self.right, row.street) };
        let middle = (self.left + self.right) * 0.5;
        let half = v2(wide * 0.5, (row.street - self.top) * 0.5);
        let center = v2(middle, self.top + half.y);
        canvas.fill(
            bounds,
            |p| {
                let body = rectangle(p - center, half, 0.0);
                let up = self.top - p.y;
                let across = (p.x - middle).abs();
                let roof = match self.roof {
                    Roof::Flat => f32::MAX,
                    Roof::Mast => (across - 0.007).max(up - wide * 0.9).max(-up),
                    Roof::Steps => (across - wide * 0.33)
                        .max(up - 0.12)
                        .min((across - wide * 0.18).max(up - 0.22))
                        .max(-up),
                    Roof::Spire => (across - wide * 0.42 * (1.0 - up / (wide * 1.5))).max(-up),
                    Roof::Slant => (up - (p.x - self.left) * 0.5).max(across - wide * 0.5).max(-up),
                    Roof::Dome => (v2(across, up * 1.2).length() - wide * 0.42).max(-up),
                };
                body.min(roof)
            },
            |p| self.front(p, row),
        );
    }

    fn front(&self, p: V2, row: &Row) -> Rgb {
        let side = (p.x - self.left) / (self.right - self.left);
        let wall = self.wall * (lerp(1.12, 0.82, side) * (1.0 + 0.05 * self.noise.plane(p * 30.0)));
        if p.y < self.top + 0.02 || p.y > row.street - 0.03 {
            return wall;
        }
        let grid = v2((p.x - self.left) * self.pitch.x, (p.y - self.top) * self.pitch.y);
        let (column, floor_no) = (floor(grid.x), floor(grid.y));
        let inside = v2(grid.x - column as f32 - 0.5, grid.y - floor_no as f32 - 0.5);
        let half = if self.bands { v2(0.5, 0.3) } else { v2(0.29, 0.33) };
        let cover = smooth(0.05, -0.05, rectangle(inside, half, 0.0));
        let own = self.noise.lattice(column, floor_no);
        // Whole floors work late together.
        let late = self.noise.lattice(-7, floor_no);
        let glass = if own < self.lit * (0.5 + late) {
            let warm = dim(
                mix(row.lamp, gray(1.0), own * 0.6),
                0.55,
                1.0,
                self.noise.lattice(column + 99, floor_no),
            );
            mix(warm, row.haze, 0.45 * (1.0 - row.near))
        } else {
            mix(self.glass * lerp(0.9, 0.3, row.night), wall, 0.35 + 0.3 * own)
        };
        mix(wall, glass, cover)
    }
}

/// A street before the houses: lamps, cars' lights, their shine on the asphalt.
fn road(dice: &mut Dice, canvas: &mut Canvas, street: f32, night: f32, lamp: Rgb) {
    let half = canvas.half();
    let asphalt = dice.near(hex(0x3a_3c_42), 0.06) * lerp(1.2, 0.5, night);
    let noise = dice.noise();
    let bounds = Bounds { low: v2(-half.x, street), high: half };
    canvas.fill(
        bounds,
        |p| street - p.y,
        |p| {
            let curb = smooth(0.05, 0.04, p.y - street);
            mix(asphalt * (1.0 + 0.15 * noise.plane(p * 20.0)), gray(lerp(0.6, 0.22, night)), curb)
        },
    );
    for _ in 0..dice.whole(3, 9) {
        let at = v2(dice.around(0.0, half.x), street + dice.within(0.05, 0.2));
        let color = if dice.chance(0.5) { hex(0xff_50_38) } else { mix(lamp, gray(1.0), 0.5) };
        let strength = lerp(0.35, 1.0, night);
        canvas.glaze(Bounds { low: at - v2(0.14, 0.1), high: at + v2(0.14, 0.4) }, |p| {
            let away = p - at;
            let spot = (-away.dot(away) * 700.0).exp();
            let shine = (-(away.x / 0.03).powi(2)).exp()
                * smooth(0.35, 0.0, away.y)
                * smooth(-0.01, 0.02, away.y)
                * 0.3;
            (color, strength * (spot + shine).min(1.0))
        });
    }
}
