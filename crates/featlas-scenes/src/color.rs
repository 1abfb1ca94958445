//! Colors: displayed values (what a pixel's bytes say, over 255) unless a name says `linear`.

use crate::dice::Dice;
use crate::math::{V3, lerp, v3};

/// Red, green and blue in `x`, `y`, `z`; 0 is black and 1 the display's white.
pub(crate) type Rgb = V3;

/// The color written `#rrggbb`.
pub(crate) const fn hex(code: u32) -> Rgb {
    v3((code >> 16 & 0xff) as f32 / 255.0, (code >> 8 & 0xff) as f32 / 255.0, (code & 0xff) as f32 / 255.0)
}

pub(crate) const fn gray(value: f32) -> Rgb {
    v3(value, value, value)
}

/// The color of lightness `l` (0 to 1), chroma `c` (0 to about 0.3) and hue (full turns) in Oklch.
///
/// Equal lightness looks equally light whatever the hue, so that drawn palettes please (Ottosson 2020).
pub(crate) fn oklch(l: f32, c: f32, hue: f32) -> Rgb {
    let (sin, cos) = (hue * std::f32::consts::TAU).sin_cos();
    let (a, b) = (c * cos, c * sin);
    let long = (l + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let medium = (l - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let short = (l - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let linear = v3(
        4.076_741_7 * long - 3.307_711_6 * medium + 0.230_969_94 * short,
        -1.268_438 * long + 2.609_757_4 * medium - 0.341_319_38 * short,
        -0.004_196_086 * long - 0.703_418_6 * medium + 1.707_614_7 * short,
    );
    linear.map(|x| x.clamp(0.0, 1.0).powf(1.0 / 2.2))
}

/// Light amounts of a displayed color: gamma 2, the cheap neighbor of sRGB's 2.2.
pub(crate) fn to_linear(color: Rgb) -> Rgb {
    color.map(|x| x * x)
}

/// The displayed color of light amounts: a soft shoulder keeps highlights from clipping, then gamma 2.
pub(crate) fn to_display(linear: Rgb) -> Rgb {
    linear.map(|x| {
        let x = x.max(0.0);
        (x * (1.0 + x * 0.11) / (1.0 + x * 0.3)).sqrt()
    })
}

/// `a` at `t = 0`, `b` at `t = 1`.
pub(crate) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    a + (b - a) * t
}

/// The color at `t` of stops sorted by place; the outer ones reach beyond the ends.
pub(crate) fn gradient(stops: &[(f32, Rgb)], t: f32) -> Rgb {
    let after = stops.partition_point(|(place, _)| *place <= t);
    match (after.checked_sub(1).map(|i| stops[i]), stops.get(after)) {
        (Some((from, a)), Some(&(to, b))) => mix(a, b, (t - from) / (to - from)),
        (Some((_, color)), None) | (None, Some(&(_, color))) => color,
        (None, None) => gray(0.5),
    }
}

/// How light a color looks, 0 to 1.
pub(crate) fn luma(color: Rgb) -> f32 {
    color.dot(v3(0.299, 0.587, 0.114))
}

/// `color` with its distance from gray multiplied by `factor`.
pub(crate) fn saturate(color: Rgb, factor: f32) -> Rgb {
    mix(gray(luma(color)), color, factor)
}

impl Dice {
    /// A strong color of any hue.
    pub(crate) fn vivid(&mut self) -> Rgb {
        let hue = self.unit();
        oklch(self.within(0.45, 0.78), self.within(0.13, 0.22), hue)
    }

    /// A pale color of any hue.
    pub(crate) fn pastel(&mut self) -> Rgb {
        let hue = self.unit();
        oklch(self.within(0.82, 0.95), self.within(0.02, 0.08), hue)
    }

    /// A dark color of any hue.
    pub(crate) fn deep(&mut self) -> Rgb {
        let hue = self.unit();
        oklch(self.within(0.15, 0.35), self.within(0.02, 0.1), hue)
    }

    /// Any of vivid, pastel, deep.
    pub(crate) fn color(&mut self) -> Rgb {
        match self.whole(0, 3) {
            0 => self.pastel(),
            1 => self.deep(),
            _ => self.vivid(),
        }
    }

    /// A color not far from `color`: lighter or darker, and tinted a little.
    pub(crate) fn near(&mut self, color: Rgb, amount: f32) -> Rgb {
        let light = 1.0 + self.around(0.0, amount);
        let tint = v3(self.around(0.0, amount), self.around(0.0, amount), self.around(0.0, amount));
        (color * light + tint * 0.4).map(|x| x.clamp(0.0, 1.0))
    }

    /// Two colors that stand apart in lightness by at least a third.
    pub(crate) fn contrasting(&mut self) -> (Rgb, Rgb) {
        loop {
            let (a, b) = (self.color(), self.color());
            if (luma(a) - luma(b)).abs() > 0.3 {
                return (a, b);
            }
            // A fair share of the pairs is light beside dark, so this ends soon.
        }
    }
}

/// A gray between 0 and 1 seen as a color step: `lerp` for brightness factors.
pub(crate) fn dim(color: Rgb, from: f32, to: f32, t: f32) -> Rgb {
    color * lerp(from, to, t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_red_first() {
        assert_eq!(hex(0xff_00_33), v3(1.0, 0.0, 0.2));
    }

    #[test]
    fn oklch_hits_known_colors() {
        // sRGB red in Oklch, from the paper's tables.
        let red = oklch(0.627_955, 0.257_683, 29.234 / 360.0);
        assert!((red - v3(1.0, 0.0, 0.0)).length() < 0.02, "{red:?}");
        assert!((oklch(1.0, 0.0, 0.3) - gray(1.0)).length() < 1e-3);
    }

    #[test]
    fn gradients_reach_beyond_their_ends() {
        let stops = [(0.2, gray(0.0)), (0.6, gray(1.0))];
        let at = |t| gradient(&stops, t).x;
        assert!(at(-1.0).abs() < 1e-6 && (at(0.4) - 0.5).abs() < 1e-6 && (at(2.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn display_undoes_linear_in_the_dark() {
        let color = gray(0.2);
        assert!((to_display(to_linear(color)) - color).length() < 0.01);
    }
}
