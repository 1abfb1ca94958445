//! Colors: 8-bit sRGB for pixels, Oklab where distances and mixtures must look even.
//!
//! Oklab is Björn Ottosson's perceptual space (<https://bottosson.github.io/posts/oklab/>).

/// An 8-bit sRGB color.
pub type Color = [u8; 3];

/// Paper white with a trace of warmth, the background of everything printed.
pub const PAPER: Color = [252, 251, 248];
/// Near-black for text on [`PAPER`].
pub const INK: Color = [31, 30, 28];
/// Near-black background for posters that should glow.
pub const NIGHT: Color = [19, 19, 20];
/// Text on [`NIGHT`].
pub const CHALK: Color = [238, 237, 232];
/// The one accent: rules, marks, the query's frame.
pub const ACCENT: Color = [201, 79, 40];

/// A color in Oklab: lightness in `[0, 1]`, `a` green to red, `b` blue to yellow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Oklab {
    pub(crate) l: f32,
    pub(crate) a: f32,
    pub(crate) b: f32,
}

impl Oklab {
    /// From lightness, chroma and hue in degrees.
    pub(crate) fn from_lch(l: f32, chroma: f32, hue_degrees: f32) -> Self {
        let hue = hue_degrees.to_radians();
        Self { l, a: chroma * hue.cos(), b: chroma * hue.sin() }
    }

    /// From 8-bit sRGB.
    pub(crate) fn from_srgb(color: Color) -> Self {
        let [r, g, b] = color.map(|v| decode_gamma(f32::from(v) / 255.0));
        let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
        let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
        let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
        Self {
            l: 0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
            a: 1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
            b: 0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
        }
    }

    /// To 8-bit sRGB. What the screen cannot show loses chroma, not lightness or hue.
    pub(crate) fn to_srgb(self) -> Color {
        let mut fits = 1.0_f32;
        if !self.scaled(1.0).linear().iter().all(|v| (-1e-4..=1.000_1).contains(v)) {
            let (mut low, mut high) = (0.0_f32, 1.0_f32);
            for _ in 0..20 {
                let middle = f32::midpoint(low, high);
                let inside = self.scaled(middle).linear().iter().all(|v| (0.0..=1.0).contains(v));
                if inside { low = middle } else { high = middle }
            }
            fits = low;
        }
        self.scaled(fits).linear().map(|v| byte(encode_gamma(v.clamp(0.0, 1.0)) * 255.0))
    }

    /// Straight-line distance, the usual measure of how different two colors look.
    #[cfg(test)]
    pub(crate) fn distance(self, other: Self) -> f32 {
        (self.l - other.l).hypot(self.a - other.a).hypot(self.b - other.b)
    }

    /// The point `t` of the way to `other`.
    pub(crate) fn toward(self, other: Self, t: f32) -> Self {
        Self {
            l: self.l + (other.l - self.l) * t,
            a: self.a + (other.a - self.a) * t,
            b: self.b + (other.b - self.b) * t,
        }
    }

    fn scaled(self, chroma: f32) -> Self {
        Self { a: self.a * chroma, b: self.b * chroma, ..self }
    }

    fn linear(self) -> [f32; 3] {
        let l = (self.l + 0.396_337_78 * self.a + 0.215_803_76 * self.b).powi(3);
        let m = (self.l - 0.105_561_346 * self.a - 0.063_854_17 * self.b).powi(3);
        let s = (self.l - 0.089_484_18 * self.a - 1.291_485_5 * self.b).powi(3);
        [
            4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
            -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
            -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
        ]
    }
}

/// The color that `text` names: `paper`, `white`, `night`, `black`, or `#rrggbb` in hexadecimal.
pub fn parse_color(text: &str) -> Option<Color> {
    match text {
        "paper" => return Some(PAPER),
        "white" => return Some([255; 3]),
        "night" => return Some(NIGHT),
        "black" => return Some([0; 3]),
        _ => {}
    }
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let digits: Vec<u8> = digits.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    Some(std::array::from_fn(|c| digits[2 * c] * 16 + digits[2 * c + 1]))
}

/// Mixes two colors so that `t` of the way looks like `t` of the way.
pub fn mix(from: Color, to: Color, t: f32) -> Color {
    Oklab::from_srgb(from).toward(Oklab::from_srgb(to), t.clamp(0.0, 1.0)).to_srgb()
}

/// Whether text on `color` must be light.
pub fn is_dark(color: Color) -> bool {
    Oklab::from_srgb(color).l < 0.6
}

/// The text color for a background.
pub fn ink_on(background: Color) -> Color {
    if is_dark(background) { CHALK } else { INK }
}

/// A quieter text color for a background: second lines, captions.
pub fn muted_on(background: Color) -> Color {
    mix(background, ink_on(background), 0.62)
}

/// The fill of a missing picture and of hairlines: just visible on `background`.
pub fn faint_on(background: Color) -> Color {
    mix(background, ink_on(background), 0.12)
}

/// WCAG 2 contrast between two colors, in `[1, 21]`.
pub fn contrast(a: Color, b: Color) -> f32 {
    let luminance = |color: Color| {
        let [r, g, b] = color.map(|v| decode_gamma(f32::from(v) / 255.0));
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Rounds to a byte; values outside `[0, 255]` are clamped, NaN becomes 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as wanted")]
pub(crate) fn byte(value: f32) -> u8 {
    (value + 0.5) as u8
}

fn decode_gamma(v: f32) -> f32 {
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn encode_gamma(v: f32) -> f32 {
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_have_names_and_numbers() {
        assert_eq!(parse_color("paper"), Some(PAPER));
        assert_eq!(parse_color("#0a10Ff"), Some([10, 16, 255]));
        for bad in ["", "#", "#12345", "#1234567", "123456", "#12345g", "#+12345", "pink", "#ééé"] {
            assert_eq!(parse_color(bad), None, "{bad}");
        }
    }

    #[test]
    fn oklab_round_trips_every_corner_of_the_cube() {
        for r in (0..=255).step_by(51) {
            for g in (0..=255).step_by(51) {
                for b in (0..=255_u8).step_by(51) {
                    assert_eq!(Oklab::from_srgb([r, g, b]).to_srgb(), [r, g, b]);
                }
            }
        }
    }

    #[test]
    fn colors_outside_the_screen_keep_their_lightness() {
        let wild = Oklab::from_lch(0.6, 0.9, 140.0);
        let shown = Oklab::from_srgb(wild.to_srgb());
        assert!((shown.l - 0.6).abs() < 0.01, "{shown:?}");
    }

    #[test]
    fn text_colors_are_readable_on_every_gray() {
        for v in 0..=255 {
            let gray = [v, v, v];
            let (ink, muted) = (contrast(ink_on(gray), gray), contrast(muted_on(gray), gray));
            assert!(ink > 3.0, "ink on {v}: {ink}");
            assert!(muted > 1.6, "muted on {v}: {muted}");
        }
        assert!(contrast(muted_on(PAPER), PAPER) > 4.5);
        assert!(contrast(muted_on(NIGHT), NIGHT) > 4.5);
    }
}
