//! Skies by day, by dusk and by night: a gradient, clouds, a sun.

use crate::color::{Rgb, gradient, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, smooth, v2};
use crate::noise::Noise;

/// A sky between the picture's top and a horizon.
#[derive(Debug, Clone)]
pub(crate) struct Sky {
    /// Colors from the top (0) to the horizon (1).
    pub(crate) stops: Vec<(f32, Rgb)>,
    pub(crate) top: f32,
    pub(crate) horizon: f32,
    pub(crate) sun: Option<Sun>,
    pub(crate) clouds: Option<Clouds>,
}

/// A disk of light and the glow round it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sun {
    pub(crate) center: V2,
    pub(crate) radius: f32,
    pub(crate) color: Rgb,
    /// How bright the air round it is, 0 to 1, and how far that reaches, in units.
    pub(crate) glow: f32,
    pub(crate) reach: f32,
}

/// A layer of clouds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clouds {
    pub(crate) noise: Noise,
    pub(crate) scale: f32,
    /// -0.5 is overcast, 0.3 a few wisps.
    pub(crate) clear: f32,
    /// How wide the borders between cloud and sky are.
    pub(crate) soft: f32,
    /// Toward the light, in the picture.
    pub(crate) toward: V2,
    pub(crate) lit: Rgb,
    pub(crate) shaded: Rgb,
}

impl Sky {
    /// The color at `p`, above the horizon or (for water and haze) below it.
    pub(crate) fn color(&self, p: V2) -> Rgb {
        let t = (p.y - self.top) / (self.horizon - self.top);
        let mut color = gradient(&self.stops, t);
        if let Some(sun) = self.sun {
            let away = (p - sun.center).length();
            color = mix(color, sun.color, sun.glow * (-away / sun.reach).exp());
            color = mix(
                color,
                mix(sun.color, gray(1.0), 0.4),
                smooth(sun.radius * 1.06, sun.radius * 0.96, away),
            );
        }
        match &self.clouds {
            Some(clouds) => {
                let (cloud, cover) = clouds.at(p, t);
                // The far clouds sink into the haze.
                mix(color, cloud, cover * smooth(1.02, 0.75, t))
            }
            None => color,
        }
    }

    /// The color of the air at the horizon.
    pub(crate) fn haze(&self) -> Rgb {
        gradient(&self.stops, 1.0)
    }

    /// Any sky by day.
    pub(crate) fn day(dice: &mut Dice, top: f32, horizon: f32) -> Self {
        let (zenith, middle, haze) = dice.pick(&[
            (0x2f_6f_c4, 0x74_ae_e6, 0xd3_e7_f5),
            (0x4a_90_d9, 0x93_c4_ee, 0xe6_f1_f7),
            (0x1f_5a_a8, 0x5c_9f_dc, 0xbf_dc_f0),
            (0x77_96_b4, 0xa8_bf_d3, 0xdf_e7_ec),
            (0x5a_a5_c9, 0xa4_d3_de, 0xf3_ef_dc),
        ]);
        let stops = vec![
            (0.0, dice.near(hex(zenith), 0.05)),
            (0.55, dice.near(hex(middle), 0.04)),
            (1.0, dice.near(hex(haze), 0.03)),
        ];
        let clouds = dice.chance(0.75).then(|| Clouds {
            noise: dice.noise(),
            scale: dice.within(0.7, 1.6),
            clear: dice.within(-0.15, 0.25),
            soft: dice.within(0.15, 0.5),
            toward: v2(dice.around(0.0, 0.8), -0.8),
            lit: gray(1.0),
            shaded: dice.near(hex(0xa9_b6_c6), 0.05),
        });
        Self { stops, top, horizon, sun: None, clouds }
    }

    /// Any sky of dawn or dusk, with its sun near the horizon.
    pub(crate) fn dusk(dice: &mut Dice, top: f32, horizon: f32) -> Self {
        let codes = dice.pick(&[
            [0x2b_2f_6b, 0x8a_4f_8f, 0xe8_70_5a, 0xff_c3_6b],
            [0x1d_2a_56, 0x4e_5f_96, 0xd9_8a_72, 0xff_d9_a0],
            [0x43_20_4f, 0xa2_3a_5e, 0xf0_65_3f, 0xff_b3_47],
            [0x3c_5a_8c, 0x8f_a3_c4, 0xf2_b7_a0, 0xff_e8_c0],
            [0x5a_2a_4a, 0xc2_48_6a, 0xff_8a_5c, 0xff_e0_8a],
            [0x14_21_3d, 0x39_4a_7a, 0xb7_6e_8c, 0xff_b5_8a],
            [0x6b_3a_2a, 0xc4_62_2e, 0xf5_9a_3c, 0xff_e0_7a],
        ]);
        let [zenith, high, low, haze] = codes.map(|code| dice.near(hex(code), 0.05));
        let stops =
            vec![(0.0, zenith), (dice.around(0.4, 0.1), high), (dice.around(0.76, 0.07), low), (1.0, haze)];
        let sun = dice.chance(0.8).then(|| Sun {
            center: v2(dice.around(0.0, 0.7), horizon - dice.within(-0.03, 0.45)),
            radius: dice.within(0.07, 0.2),
            color: dice.pick(&[hex(0xff_e6_a0), hex(0xff_c0_60), hex(0xff_f4_d0), hex(0xff_9a_58)]),
            glow: dice.within(0.4, 0.8),
            reach: dice.within(0.25, 0.6),
        });
        let toward = sun.map_or(v2(0.0, 1.0), |sun| {
            let along = sun.center - v2(0.0, top * 0.4);
            along * (1.0 / along.length().max(0.1))
        });
        let clouds = dice.chance(0.85).then(|| Clouds {
            noise: dice.noise(),
            scale: dice.within(0.6, 1.4),
            clear: dice.within(-0.2, 0.2),
            soft: dice.within(0.2, 0.6),
            toward,
            lit: mix(low, haze, dice.within(0.2, 0.8)),
            shaded: mix(zenith, high, dice.within(0.1, 0.7)) * 0.9,
        });
        Self { stops, top, horizon, sun, clouds }
    }
}

impl Clouds {
    /// The cloud's color and cover at `p`, a share `t` of the way down to the horizon.
    fn at(&self, p: V2, t: f32) -> (Rgb, f32) {
        // A flat ceiling of clouds: it recedes toward the horizon.
        let depth = 1.0 / (1.35 - t).max(0.25);
        let q = v2(p.x * depth, depth * 2.6) * self.scale;
        let density = self.noise.fbm(q, 5) - self.clear;
        let cover = smooth(0.0, self.soft, density);
        if cover <= 0.0 {
            return (self.lit, 0.0);
        }
        let toward_light = self.noise.fbm(q + self.toward.scaled(0.25, 0.4), 3) - self.clear;
        let light = smooth(0.35, -0.25, toward_light - 0.4 * density + 0.15);
        (mix(self.shaded, self.lit, light), cover * 0.95)
    }
}
