//! Marble slabs and brick walls.

use crate::canvas::Canvas;
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, floor, lerp, rectangle, smooth, v2};
use crate::noise::Noise;
use crate::view::View;

/// Ground, clouds and veins: Carrara, black with gold, green, rose, brown, gray-blue.
const MARBLES: [(u32, u32, u32); 8] = [
    (0xf1_ef_ec, 0xd4_d6_da, 0x7d_82_8b),
    (0x24_24_2a, 0x10_10_14, 0xc9_a3_5a),
    (0x2f_5a_49, 0x17_38_2d, 0xbf_d8_c4),
    (0xe9_c6_bb, 0xd5_a0_94, 0x8a_4a_44),
    (0x8b_5f_45, 0x5d_3a_29, 0xe2_cd_b4),
    (0xa3_b2_c0, 0x71_86_9a, 0xee_f3_f6),
    (0xf0_e3_c8, 0xdc_c2_96, 0x9c_6f_3c),
    (0x1f_20_24, 0x3a_3c_42, 0xe8_e8_ea),
];

pub(crate) fn marble(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let (ground, cloud, vein) = dice.pick(&MARBLES);
    let (ground, cloud, vein) =
        (dice.near(hex(ground), 0.05), dice.near(hex(cloud), 0.05), dice.near(hex(vein), 0.06));
    let scale = dice.within(0.7, 1.8);
    let view = View::any(dice, scale).bent(0.0);
    let (noise, fine) = (dice.noise(), dice.noise());
    let (swirl, stretch, sharp) = (dice.within(0.5, 1.5), dice.within(0.35, 1.0), dice.within(5.0, 13.0));
    let color_at = |p: V2| -> Rgb {
        let bent = noise.warp(p.scaled(stretch, 1.0), swirl * 0.6, 4);
        let clouds = 0.5 + 0.5 * noise.fbm(bent * 0.8, 4);
        let wide = (1.0 - fine.plane(bent * 0.8).abs()).powf(sharp);
        let narrow = (1.0 - fine.plane(bent * 2.1 + v2(9.0, 4.0)).abs()).powf(sharp * 3.0);
        let patchy = smooth(-0.25, 0.4, noise.plane(p * 0.9 + v2(50.0, 0.0)));
        let share = (wide * (0.35 + 0.5 * patchy) + narrow * 0.6 * patchy).min(1.0);
        mix(mix(ground, cloud, smooth(0.2, 0.8, clouds)), vein, share)
    };
    if dice.chance(0.3) {
        // Tiles, each cut from another place of the quarry.
        let (size, lattice, grout) = (dice.within(0.7, 1.3), dice.noise(), mix(ground, gray(0.5), 0.4) * 0.8);
        canvas.shade(|p| {
            let p = view.at(p) * (1.0 / size);
            let (x, y) = (floor(p.x), floor(p.y));
            let own = v2(lattice.lattice(x, y), lattice.lattice(y + 70, x)) * 30.0;
            let edge =
                (p.x - x as f32).min(1.0 - p.x + x as f32).min(p.y - y as f32).min(1.0 - p.y + y as f32);
            mix(grout, color_at(p * size + own), smooth(0.008, 0.02, edge))
        });
    } else {
        canvas.shade(|p| color_at(view.at(p)));
    }
    let gleam = V2::polar(dice.unit()) * dice.within(0.2, 0.8);
    let strength = dice.within(0.0, 0.16);
    canvas.touch(|p, color| mix(color, gray(1.0), strength * smooth(1.1, 0.0, (p - gleam).length())));
    canvas
}

/// Bricks and mortar: red, brown, yellow, gray block, whitewashed, sandstone, dark clinker.
const BRICKS: [(u32, u32); 8] = [
    (0xa3_4a_33, 0xb9_b0_a4),
    (0x8a_3b_2c, 0xd6_cf_c4),
    (0x74_46_2f, 0x8f_85_7a),
    (0xc7_9a_5e, 0xc9_c2_b5),
    (0x9a_9a_98, 0x74_73_6f),
    (0xe6_e1_d8, 0xc9_c2_b6),
    (0xc9_ab_80, 0x9c_86_68),
    (0x4d_3b_3a, 0x9a_95_8e),
];

struct Wall {
    brick: Rgb,
    mortar: Rgb,
    noise: Noise,
    lattice: Noise,
    /// Width over height of a brick.
    aspect: f32,
    /// How far each course is shifted against the one below, in bricks.
    shift: f32,
    joint: f32,
    variety: f32,
    rough: f32,
    toward_light: V2,
}

impl Wall {
    fn any(dice: &mut Dice) -> Self {
        let (brick, mortar) = dice.pick(&BRICKS);
        Self {
            brick: dice.near(hex(brick), 0.1),
            mortar: dice.near(hex(mortar), 0.08),
            noise: dice.noise(),
            lattice: dice.noise(),
            aspect: dice.within(1.7, 3.2),
            shift: dice.pick(&[0.5, 0.5, 0.5, 0.33, 0.25]),
            joint: dice.within(0.05, 0.11),
            variety: dice.within(0.08, 0.4),
            rough: dice.within(0.2, 0.8),
            toward_light: V2::polar(dice.within(-0.4, -0.1)),
        }
    }

    /// Height above the mortar (0 to 1) and the brick's course and place in it. One unit is a course.
    fn relief(&self, p: V2) -> (f32, i32, i32) {
        let course = floor(p.y);
        let along = p.x / self.aspect + course as f32 * self.shift;
        let place = floor(along);
        let local = v2((along - place as f32 - 0.5) * self.aspect, p.y - course as f32 - 0.5);
        let edge = -rectangle(local, v2(self.aspect * 0.5 - self.joint, 0.5 - self.joint), 0.08);
        (smooth(-0.03, 0.07, edge), course, place)
    }

    fn color(&self, p: V2) -> Rgb {
        let uneven = v2(self.noise.plane(p * 5.0), self.noise.plane(p * 5.0 + v2(40.0, 7.0)));
        let q = p + uneven * (0.03 * self.rough);
        let (height, course, place) = self.relief(q);
        let step = 0.035;
        let bumps = |p: V2| 0.18 * self.rough * self.noise.fbm(p * 3.0, 2);
        let flat = height + bumps(p);
        let slope = v2(
            self.relief(q + v2(step, 0.0)).0 + bumps(p + v2(step, 0.0)) - flat,
            self.relief(q + v2(0.0, step)).0 + bumps(p + v2(0.0, step)) - flat,
        );
        let light = (1.0 - slope.dot(self.toward_light) * 0.55).clamp(0.45, 1.4);
        let (own, tint) = (self.lattice.lattice(course, place), self.lattice.lattice(place + 300, course));
        let own_brick = self.brick * (1.0 + self.variety * (own * 2.0 - 1.0));
        let burnt = mix(own_brick, self.brick.times(hex(0xc8_a0_98)), tint * self.variety * 2.0);
        let sand = self.noise.plane(p * 24.0);
        let stains = 1.0 + 0.18 * self.noise.fbm(p * 1.1, 3) + 0.1 * sand;
        mix(self.mortar * (0.85 + 0.1 * sand), burnt * stains, smooth(0.25, 0.6, height)) * light
    }
}

pub(crate) fn bricks(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let wall = Wall::any(dice);
    let scale = lerp(2.2, 6.0, dice.unit() * dice.unit());
    let spread = if dice.chance(0.3) { 0.5 } else { 0.015 };
    let view = View::flat(dice, scale).turned(dice, spread).tilted(dice, 0.4);
    canvas.shade(|p| wall.color(view.at(p)));
    if dice.chance(0.35) {
        // A shadow's border falls across the wall.
        let (across, at, deep) = (V2::polar(dice.unit()), dice.around(0.0, 0.6), dice.within(0.35, 0.65));
        canvas.touch(|p, color| color * lerp(deep, 1.05, smooth(-0.06, 0.06, p.dot(across) - at)));
    }
    canvas
}
