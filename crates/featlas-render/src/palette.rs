//! Colors for labels: as different as they can be, the first ones most of all.
//!
//! The twenty base colors were picked greedily for the largest least distance in Oklab, a quarter of the
//! weight on what a deuteranope sees (Machado, Oliveira and Fernandes 2009), among colors that
//! stand out from paper white and from near-black and are not too loud to print.

use crate::color::Color;

const BASE: [Color; 20] = [
    [42, 108, 186],
    [222, 120, 30],
    [0, 210, 234],
    [0, 120, 0],
    [162, 36, 84],
    [132, 210, 78],
    [246, 114, 186],
    [0, 150, 144],
    [24, 156, 252],
    [90, 162, 0],
    [150, 96, 24],
    [132, 48, 162],
    [36, 96, 96],
    [252, 174, 0],
    [180, 108, 228],
    [150, 174, 144],
    [186, 168, 252],
    [246, 174, 174],
    [216, 72, 102],
    [144, 102, 144],
];

/// The same hues, darker or lighter: whichever keeps each farthest from all others.
const SECOND: [Color; 20] = [
    [125, 171, 228],
    [117, 57, 0],
    [0, 122, 137],
    [0, 81, 0],
    [195, 131, 147],
    [118, 155, 97],
    [125, 0, 83],
    [172, 223, 219],
    [0, 68, 115],
    [181, 234, 146],
    [255, 203, 148],
    [73, 0, 94],
    [29, 53, 53],
    [171, 135, 81],
    [231, 201, 255],
    [116, 127, 113],
    [148, 136, 192],
    [116, 84, 84],
    [95, 0, 31],
    [96, 57, 97],
];

/// Number of labels with a hue of their own.
pub const NUM_BASE: usize = BASE.len();

/// The color of things without a label.
pub const UNLABELED: Color = [150, 150, 150];

/// The color of label `index`.
///
/// From [`NUM_BASE`] on, the same hues come back darker or lighter; after two rounds they repeat.
pub fn color(index: usize) -> Color {
    let round = if (index / NUM_BASE).is_multiple_of(2) { &BASE } else { &SECOND };
    round[index % NUM_BASE]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::{NIGHT, Oklab, PAPER, contrast};

    fn least_distance(n: usize) -> f32 {
        let labs: Vec<Oklab> = (0..n).map(|i| Oklab::from_srgb(color(i))).collect();
        let mut least = f32::MAX;
        for (i, a) in labs.iter().enumerate() {
            for b in &labs[..i] {
                least = least.min(a.distance(*b));
            }
        }
        least
    }

    #[test]
    fn labels_can_be_told_apart() {
        for (n, wanted) in [(4, 0.25), (10, 0.14), (20, 0.13), (40, 0.08)] {
            assert!(least_distance(n) >= wanted, "{n} colors: {}", least_distance(n));
        }
    }

    #[test]
    fn base_colors_stand_out_from_both_backgrounds() {
        for base in BASE.into_iter().chain([UNLABELED]) {
            assert!(contrast(base, PAPER) > 1.6, "{base:?} on paper: {}", contrast(base, PAPER));
            assert!(contrast(base, NIGHT) > 2.4, "{base:?} on night: {}", contrast(base, NIGHT));
        }
    }

    #[test]
    fn later_rounds_are_other_colors() {
        for i in 0..NUM_BASE {
            assert_ne!(color(i), color(i + NUM_BASE));
            assert_eq!(color(i), color(i + 2 * NUM_BASE));
        }
    }
}
