//! Color maps whose equal steps look equal: values in `[0, 1]` to colors.
//!
//! Not for categories; those come from [`crate::palette`].

mod knots;

use crate::color::{Color, Oklab, byte};

/// A continuous color map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colormap {
    /// Purple, green, yellow: the default for anything with a scale.
    #[default]
    Viridis,
    /// Black, magenta, cream: intensities over a dark picture.
    Magma,
    /// Black, red, yellow: the strongest contrast, for heat over photographs.
    Inferno,
    /// Blue, light gray, red: signed values with zero in the middle. Both arms darken alike.
    Diverging,
    /// Black to white in even steps of lightness.
    Gray,
}

impl Colormap {
    /// The color at `t`; values outside `[0, 1]` take the nearest end, NaN the middle.
    pub fn color(self, t: f32) -> Color {
        let t = if t.is_nan() { 0.5 } else { t.clamp(0.0, 1.0) };
        match self {
            Self::Viridis => between_knots(&knots::VIRIDIS, t),
            Self::Magma => between_knots(&knots::MAGMA, t),
            Self::Inferno => between_knots(&knots::INFERNO, t),
            Self::Diverging => diverging(t),
            Self::Gray => Oklab { l: t, a: 0.0, b: 0.0 }.to_srgb(),
        }
    }

    /// All 256 colors, for coloring many pixels.
    pub fn table(self) -> [Color; 256] {
        std::array::from_fn(|i| self.color(i as f32 / 255.0))
    }
}

fn between_knots(knots: &[Color], t: f32) -> Color {
    let last = knots.len() - 1;
    let place = t * last as f32;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "t is in [0, 1]")]
    let low = (place as usize).min(last - 1);
    let share = place - low as f32;
    std::array::from_fn(|c| {
        let (from, to) = (f32::from(knots[low][c]), f32::from(knots[low + 1][c]));
        byte(from + (to - from) * share)
    })
}

/// Lightness falls linearly, and equally, from a light gray to both ends.
fn diverging(t: f32) -> Color {
    const MIDDLE_L: f32 = 0.955;
    const END_L: f32 = 0.42;
    let away = (t - 0.5).abs() * 2.0;
    let (hue, chroma) = if t < 0.5 { (256.0, 0.155) } else { (31.0, 0.165) };
    // The chroma rises fastest at first, so that the sign of small values is seen.
    Oklab::from_lch(MIDDLE_L + (END_L - MIDDLE_L) * away, chroma * away * (2.0 - away), hue).to_srgb()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Colormap; 5] =
        [Colormap::Viridis, Colormap::Magma, Colormap::Inferno, Colormap::Diverging, Colormap::Gray];

    #[test]
    fn tables_agree_with_matplotlib_within_two_levels() {
        let golden = include_str!("../tests/golden/colormaps.csv");
        for (i, line) in golden.lines().skip(1).enumerate() {
            let want: Vec<i16> = line.split(',').map(|v| v.parse().unwrap()).collect();
            for (map, want) in ALL.iter().zip(want.chunks(3)) {
                let got = map.table()[i];
                for c in 0..3 {
                    assert!(
                        (i16::from(got[c]) - want[c]).abs() <= 2,
                        "{map:?} at {i}: {got:?}, want {want:?}"
                    );
                }
            }
        }
        assert_eq!(golden.lines().count(), 257);
    }

    #[test]
    fn equal_steps_look_equal() {
        for map in ALL {
            let labs = map.table().map(Oklab::from_srgb);
            // Over a sixteenth of the map at a time, as a single step drowns in rounding.
            let steps: Vec<f32> = labs.windows(17).step_by(8).map(|w| w[0].distance(w[16])).collect();
            let (least, most) = steps.iter().fold((f32::MAX, 0.0_f32), |(a, b), &s| (a.min(s), b.max(s)));
            assert!(most / least < 4.5, "{map:?}: steps from {least} to {most}");
        }
    }

    #[test]
    fn sequential_maps_only_get_lighter() {
        for map in [Colormap::Viridis, Colormap::Magma, Colormap::Inferno, Colormap::Gray] {
            let table = map.table().map(|c| Oklab::from_srgb(c).l);
            assert!(table.windows(2).all(|w| w[1] >= w[0] - 0.004), "{map:?}");
        }
    }

    #[test]
    fn both_arms_of_the_diverging_map_are_equally_light() {
        for i in 0..128 {
            let table = Colormap::Diverging.table();
            let (low, high) = (Oklab::from_srgb(table[i]).l, Oklab::from_srgb(table[255 - i]).l);
            assert!((low - high).abs() < 0.01, "at {i}: {low} and {high}");
        }
    }

    #[test]
    fn values_outside_take_the_ends() {
        for map in ALL {
            assert_eq!(map.color(-3.0), map.color(0.0));
            assert_eq!(map.color(f32::INFINITY), map.color(1.0));
            assert_eq!(map.color(f32::NAN), map.color(0.5));
        }
    }
}
