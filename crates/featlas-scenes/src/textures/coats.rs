//! Fur: leopard spots and zebra stripes.

use crate::canvas::Canvas;
use crate::color::{Rgb, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, lerp, smooth, v2};
use crate::noise::Noise;
use crate::view::View;

/// Hairs: fine streaks that follow a slowly turning direction.
struct Hair {
    noise: Noise,
    turns: f32,
    strength: f32,
}

impl Hair {
    fn any(dice: &mut Dice) -> Self {
        Self { noise: dice.noise(), turns: dice.unit(), strength: dice.within(0.12, 0.3) }
    }

    /// A streak's brightness and how far it drags edges along, at picture place `p`.
    fn at(&self, p: V2) -> (f32, V2) {
        let turns = self.turns + 0.06 * self.noise.plane(p * 0.8);
        let along = p.turned(-turns);
        let streak = self.noise.plane(v2(along.x * 5.0, along.y * 38.0));
        let fine = self.noise.plane(v2(along.x * 9.0 + 70.0, along.y * 70.0));
        (1.0 + self.strength * (0.6 * streak + 0.5 * fine), V2::polar(turns) * (0.035 * streak))
    }
}

/// Soft light and shade of the body under the fur.
fn body(dice: &mut Dice) -> impl Fn(V2) -> f32 + use<> {
    let (noise, toward, strength) = (dice.noise(), V2::polar(dice.unit()), dice.within(0.08, 0.25));
    move |p| 1.0 + strength * (0.7 * noise.plane(p * 0.7) + 0.6 * p.dot(toward))
}

/// Ground, pale ground, spot and rosette middle: leopard, jaguar, snow leopard, cheetah-like, dark.
const SPOTTED: [(u32, u32, u32, u32); 5] = [
    (0xcf_9a_52, 0xee_d3_a0, 0x2a_1a_10, 0xa8_6f_34),
    (0xc9_83_36, 0xe9_b8_72, 0x1f_13_0c, 0x9c_5a_22),
    (0xc9_c6_bf, 0xee_ee_ea, 0x3a_38_35, 0x96_92_8b),
    (0xdc_b2_71, 0xf3_df_b4, 0x24_18_11, 0xc4_92_4f),
    (0xb5_79_3d, 0xdc_ae_74, 0x1a_10_0b, 0x83_50_1f),
];

pub(crate) fn leopard(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let (ground, pale, spot, middle) = dice.pick(&SPOTTED);
    let [ground, pale, spot, middle] = [ground, pale, spot, middle].map(|code| dice.near(hex(code), 0.05));
    let scale = dice.within(2.0, 4.6);
    let view = View::any(dice, scale).bent(0.12);
    let (hair, body) = (Hair::any(dice), body(dice));
    let (shape, lattice) = (dice.noise(), dice.noise());
    let solid = if dice.chance(0.25) { 1.0 } else { dice.within(0.0, 0.2) };
    let size = dice.within(0.9, 1.1);
    // Spots fray over some pixels, so one sample each will do.
    canvas.wash(|place| {
        let (streak, drag) = hair.at(place);
        let p = view.at(place + drag);
        let cell =
            lattice.cell(p + v2(shape.plane(p * 1.6), shape.plane(p * 1.6 + v2(30.0, 9.0))) * 0.14, 0.75);
        let radius = (0.26 + 0.1 * cell.unit(1)) * size;
        let stretched = cell.offset.turned(cell.unit(2)).scaled(1.0, 1.0 + 0.35 * cell.unit(3)).length();
        // The ring breaks into a few blots.
        let around = cell.offset.turns() * std::f32::consts::TAU;
        let blots = 2.0 + (cell.unit(4) * 3.0).floor();
        let gap = ((around + cell.unit(5) * 6.0) * blots * 0.5).sin().abs();
        let thick = 0.085 * (0.35 + 0.9 * gap.powf(0.6)) * (0.8 + 0.5 * cell.unit(6));
        let filled = cell.unit(7) < solid;
        let ring = if filled { stretched - radius * 0.62 } else { (stretched - radius).abs() - thick };
        let between = cell.second - cell.nearest < 0.0;
        let inside = if filled || between { 0.0 } else { smooth(radius, radius * 0.5, stretched) };
        let belly = smooth(-0.4, 0.5, shape.plane(p * 0.25));
        let base = mix(mix(pale, ground, 0.35 + 0.65 * belly), middle, inside * 0.6);
        mix(base, spot, smooth(0.035, -0.035, ring)) * (streak * body(place))
    });
    canvas
}

pub(crate) fn zebra(dice: &mut Dice) -> Canvas {
    let mut canvas = Canvas::any(dice);
    let codes = dice.pick(&[
        (0xf2_ed_e2, 0x17_14_0f),
        (0xf6_f3_ee, 0x24_1a_14),
        (0xe7_d9_c0, 0x2b_1d_14),
        (0xfa_fa_fa, 0x0c_0c_0e),
    ]);
    let (white, black) = (dice.near(hex(codes.0), 0.03), dice.near(hex(codes.1), 0.02));
    let stripes = Stripes::any(dice);
    let (hair, body) = (Hair::any(dice), body(dice));
    let brown: Rgb = dice.near(hex(0x8a_6a_4a), 0.05);
    let shadow = if dice.chance(0.35) { dice.within(0.3, 0.7) } else { 0.0 };
    canvas.wash(|place| {
        let (streak, drag) = hair.at(place);
        let wave = stripes.wave(place + drag * 0.6);
        // Some coats show a faint brown stripe in the middle of each white one.
        let faint = smooth(-0.75, -1.0, wave) * shadow;
        mix(mix(white, brown, faint), black, smooth(-0.12, 0.12, wave + stripes.balance))
            * (streak * body(place))
    });
    canvas
}

struct Stripes {
    noise: Noise,
    view: View,
    swing: f32,
    balance: f32,
    flank: V2,
}

impl Stripes {
    fn any(dice: &mut Dice) -> Self {
        let scale = lerp(2.6, 6.5, dice.unit());
        Self {
            noise: dice.noise(),
            view: View::any(dice, scale).bent(0.0),
            swing: dice.within(0.5, 1.1),
            balance: dice.around(0.0, 0.25),
            flank: v2(dice.around(0.0, 1.0), dice.around(0.0, 1.0)),
        }
    }

    /// Between -1 (white) and 1 (black).
    fn wave(&self, p: V2) -> f32 {
        let q = self.view.at(p);
        // Two families of stripes meet where a body's parts join; there stripes fork.
        let (turns, share) =
            (0.07 * self.noise.plane(p * 0.7), smooth(-0.12, 0.12, self.noise.plane((p - self.flank) * 0.8)));
        let lines = |direction: V2, seed: f32| {
            let wander = self.swing * self.noise.fbm(q * 0.35 + v2(seed, 0.0), 3);
            ((q.dot(direction) + wander * 1.4) * std::f32::consts::PI).sin()
        };
        let first = lines(v2(1.0, 0.0), 0.0);
        let second = lines(V2::polar(0.07 + turns * 0.2), 80.0);
        let thin = 0.3 * self.noise.plane(q * 0.5 + v2(0.0, 33.0));
        lerp(first, second, share) + thin
    }
}
