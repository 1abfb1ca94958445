//! Lit solids on a floor: spheres, cubes, cones, tori.

mod material;
mod shape;
mod trace;

use crate::canvas::Canvas;
use crate::color::{hex, oklch, to_linear};
use crate::dice::Dice;
use crate::math::{V2, V3, v2, v3};
use material::Material;
use shape::{Frame, Shape};
use trace::{Camera, Light, Solid, World};

pub(crate) fn spheres(dice: &mut Dice) -> Canvas {
    let count = dice.whole(1, 6);
    let solids = group(dice, count, |dice| {
        let radius = dice.within(0.4, 0.9);
        (Shape::Sphere { radius }, Frame::new(dice.unit(), dice.unit(), dice.unit()))
    });
    picture(dice, solids)
}

pub(crate) fn cubes(dice: &mut Dice) -> Canvas {
    let count = dice.whole(1, 5);
    let mut solids = group(dice, count, |dice| {
        let side = dice.within(0.35, 0.7);
        let half = v3(side, side, side);
        // A few stand on an edge or a corner.
        let tilt = if dice.chance(0.12) { dice.within(0.08, 0.15) } else { 0.0 };
        (
            Shape::Block { half, round: side * dice.within(0.02, 0.14) },
            Frame::new(dice.unit(), tilt, dice.unit()),
        )
    });
    let stack = if dice.chance(0.4) { dice.whole(1, 2) } else { 0 };
    for _ in 0..stack {
        let below = solids[0];
        let top = solids.iter().fold(0.0, |top: f32, s| {
            let above = v2(s.center.x - below.center.x, s.center.z - below.center.z).length() < 0.05;
            if above { top.max(s.center.y + s.shape.support(v3(0.0, 1.0, 0.0))) } else { top }
        });
        let Shape::Block { half, .. } = below.shape else { break };
        let side = half.x * dice.within(0.55, 0.85);
        let shape = Shape::Block { half: v3(side, side, side), round: side * dice.within(0.02, 0.14) };
        let center = v3(below.center.x, top + side, below.center.z);
        solids.push(Solid {
            shape,
            frame: Frame::new(dice.unit(), 0.0, 0.0),
            center,
            material: Material::any(dice),
        });
    }
    picture(dice, solids)
}

pub(crate) fn cones(dice: &mut Dice) -> Canvas {
    let count = dice.whole(1, 5);
    let solids = group(dice, count, |dice| {
        let radius = dice.within(0.4, 0.75);
        let height = radius * dice.within(1.6, 2.9);
        // Lying on its flank, a cone's axis dips below the horizontal by half the opening angle.
        let lying = 0.25 + (radius / height).atan() / std::f32::consts::TAU;
        let tilt = if dice.chance(0.15) { lying } else { 0.0 };
        let round = radius * dice.within(0.02, 0.08);
        (Shape::Cone { height, radius, round }, Frame::new(dice.unit(), tilt, dice.unit()))
    });
    picture(dice, solids)
}

pub(crate) fn tori(dice: &mut Dice) -> Canvas {
    let count = dice.whole(1, 4);
    let solids = group(dice, count, |dice| {
        let radius = dice.within(0.5, 0.85);
        let tube = radius * dice.within(0.22, 0.48);
        let tilt = match dice.whole(0, 3) {
            0 => 0.0,
            1 => dice.within(0.0, 0.12),
            _ => dice.within(0.18, 0.25),
        };
        (Shape::Torus { radius, tube }, Frame::new(dice.unit(), tilt, dice.unit()))
    });
    picture(dice, solids)
}

/// Up to `count` solids that stand on the floor beside each other; at least one.
fn group(dice: &mut Dice, count: i32, mut any: impl FnMut(&mut Dice) -> (Shape, Frame)) -> Vec<Solid> {
    let spread = 0.35 + 0.4 * count as f32;
    let mut solids: Vec<Solid> = Vec::new();
    for _ in 0..count * 6 {
        let (shape, frame) = any(dice);
        let flat = V2::polar(dice.unit()) * (spread * dice.unit().sqrt());
        let rest = shape.support(frame.own(v3(0.0, -1.0, 0.0)));
        let center = v3(flat.x, rest, flat.y);
        let apart = |other: &Solid| {
            v2(other.center.x - center.x, other.center.z - center.z).length()
                > (other.shape.reach() + shape.reach()) * 0.95
        };
        if solids.iter().all(apart) {
            solids.push(Solid { shape, frame, center, material: Material::any(dice) });
        }
        if i32::try_from(solids.len()).is_ok_and(|n| n == count) {
            break;
        }
    }
    solids
}

fn picture(dice: &mut Dice, solids: Vec<Solid>) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let middle = solids.iter().fold(v3(0.0, 0.0, 0.0), |sum, s| sum + s.center) * (1.0 / solids.len() as f32);
    let size = solids.iter().map(|s| (s.center - middle).length() + s.shape.reach()).fold(0.0, f32::max);

    let zoom = dice.within(1.7, 2.8);
    let elevation = dice.within(0.03, 0.14);
    let (flat, raised) = (V2::polar(dice.unit()), V2::polar(elevation));
    let room = if solids.len() == 1 { dice.within(0.95, 1.3) } else { dice.within(0.72, 1.02) };
    let away = size * (zoom * room + 0.3);
    let eye = middle + v3(flat.x * raised.x, raised.y, flat.y * raised.x) * away;
    let aside = v3(dice.around(0.0, 0.2), dice.around(0.0, 0.1), dice.around(0.0, 0.2)) * size;
    let camera = Camera::new(eye, middle + aside, zoom);

    let floor = Material::floor(dice);
    let mut light = lamp(dice, eye - middle);
    if dice.chance(0.35) {
        // A studio: the floor's own color runs up the wall.
        light.horizon = floor.color(v3(0.1, 0.0, 0.1)) * 0.9;
        light.zenith = light.horizon * dice.within(0.4, 1.0);
    }
    let world = World { solids, floor, light, camera };
    canvas.shade(|p| world.look(p));
    canvas
}

/// A lamp somewhere above, never straight behind the solids, and a sky to go with it.
fn lamp(dice: &mut Dice, viewer: V3) -> Light {
    let azimuth = v2(viewer.x, viewer.z).turns() + dice.around(0.0, 0.3);
    let (flat, raised) = (V2::polar(azimuth), V2::polar(dice.within(0.09, 0.2)));
    let warm = dice.pick(&[hex(0xff_f4_e0), hex(0xff_e2_b8), hex(0xff_ff_ff), hex(0xe8_f0_ff)]);
    let hue = dice.unit();
    let (zenith, horizon) = match dice.whole(0, 4) {
        0 => (hex(0x4a_86_d0), hex(0xcf_e2_f2)),
        1 => (oklch(0.4, 0.06, hue), oklch(0.68, 0.08, hue)),
        2 => (oklch(0.7, 0.1, hue), oklch(0.9, 0.06, hue + 0.1)),
        3 => (oklch(0.45, 0.02, hue), oklch(0.85, 0.02, hue)),
        _ => (oklch(0.8, 0.05, hue), oklch(0.95, 0.02, hue)),
    };
    Light {
        toward: v3(flat.x * raised.x, raised.y, flat.y * raised.x),
        lamp: to_linear(warm) * dice.within(0.8, 1.25),
        zenith: to_linear(zenith),
        horizon: to_linear(horizon),
        hardness: dice.within(5.0, 25.0),
    }
}
