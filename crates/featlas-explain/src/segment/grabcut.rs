//! Foreground and background of a picture from a rough sketch of them: `GrabCut`.
//!
//! Rother, Kolmogorov & Blake, "`GrabCut`: Interactive Foreground Extraction using Iterated Graph Cuts" (2004).
//! Colors of both regions are learned as mixtures, the cheapest border between them is cut, and both are repeated.
//! The formulas are OpenCV's, so that energies compare with it.

use super::maxflow::{GridGraph, LEFT, UP, UP_LEFT, UP_RIGHT};
use super::mixture::{Mixture, Rgb};
use crate::error::ExplainError;
use featlas_core::RgbImage;

/// Rounds of learning and cutting.
pub const DEFAULT_ITERATIONS: usize = 5;
/// Price of a border between two neighbors of the same color.
pub const DEFAULT_GAMMA: f64 = 50.0;

/// What is known of a pixel before the cut. The numbers are OpenCV's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mark {
    /// Background, whatever it looks like.
    Background = 0,
    /// Foreground, whatever it looks like.
    Foreground = 1,
    /// Background at first; its looks decide.
    ProbablyBackground = 2,
    /// Foreground at first; its looks decide.
    ProbablyForeground = 3,
}

impl Mark {
    /// Whether the pixel counts as foreground at first.
    pub fn is_foreground(self) -> bool {
        matches!(self, Self::Foreground | Self::ProbablyForeground)
    }
}

/// How a picture is cut.
#[derive(Debug, Clone, PartialEq)]
pub struct GrabCutParams {
    /// Rounds of learning and cutting, at least one; see [`DEFAULT_ITERATIONS`].
    pub iterations: usize,
    /// Price of a border, positive; see [`DEFAULT_GAMMA`]. Large values make short borders.
    pub gamma: f64,
    /// Decides where k-means starts.
    pub seed: u64,
}

impl Default for GrabCutParams {
    fn default() -> Self {
        Self { iterations: DEFAULT_ITERATIONS, gamma: DEFAULT_GAMMA, seed: 0 }
    }
}

/// A picture, cut in two.
#[derive(Debug, Clone, PartialEq)]
pub struct GrabCut {
    /// Row-major: whether a pixel is foreground.
    pub is_foreground: Vec<bool>,
    /// Its energy: what its pixels cost under the mixtures it was made with, and its border.
    pub energy: f64,
}

/// Cuts `image` into foreground and background, from one mark a pixel (row-major).
///
/// A round learns as Rother et al. do, every pixel for one component, and then lets all components share every pixel once,
/// which lowers the energy. Of all rounds the cut with the least energy is kept: pixels go to components by density
/// alone, so a round may cost more than the one before. The same picture, marks and parameters give the same cut. Takes about 80 bytes a pixel.
/// Where a cut leaves one side without any pixel it is the last one, since there is nothing to learn from.
///
/// # Errors
/// [`ExplainError::Trimap`] if there is not one mark a pixel, or no pixel of either side.
pub fn grab_cut(image: &RgbImage, marks: &[Mark], params: &GrabCutParams) -> Result<GrabCut, ExplainError> {
    let (colors, _) = image.data().as_chunks::<3>();
    if marks.len() != colors.len() {
        let (expected, got) = (colors.len(), marks.len());
        return Err(ExplainError::Trimap { reason: format!("expected {expected} marks, got {got}") });
    }
    for (side, foreground) in [("foreground", true), ("background", false)] {
        if !marks.iter().any(|mark| mark.is_foreground() == foreground) {
            return Err(ExplainError::Trimap { reason: format!("no pixel is marked as {side}") });
        }
    }
    let links = Links::new(image, params.gamma);
    let mut is_foreground: Vec<bool> = marks.iter().map(|mark| mark.is_foreground()).collect();
    let mut mixtures = first_mixtures(colors, &is_foreground, params.seed);
    let mut best = GrabCut { is_foreground: is_foreground.clone(), energy: f64::INFINITY };
    // Only what the terminals pull changes from round to round, so every cut begins with the flow of the one before.
    let mut graph = links.graph();
    let mut pulls = vec![0_i32; colors.len()];
    for _ in 0..params.iterations.max(1) {
        let Some(before) = mixtures else { break };
        let component = |(&color, &side): (&Rgb, &bool)| before[usize::from(side)].component(color);
        let labels: Vec<u8> = colors.iter().zip(&is_foreground).map(component).collect();
        mixtures = learn(colors, &is_foreground, &labels);
        let Some([background, foreground]) = &mixtures else { break };
        let costs: Vec<[f64; 2]> =
            colors.iter().map(|&color| [background.cost(color), foreground.cost(color)]).collect();
        for (i, (mark, [as_background, as_foreground])) in marks.iter().zip(&costs).enumerate() {
            let pull = match mark {
                Mark::Background => -links.certain,
                Mark::Foreground => links.certain,
                // No border is worth more than `certain`, so more than it changes no cut.
                _ => (as_background - as_foreground).clamp(-links.certain, links.certain),
            };
            let pull = links.capacity(pull);
            graph.add_terminal(i, pull - std::mem::replace(&mut pulls[i], pull));
        }
        graph.solve();
        for (i, (is_foreground, mark)) in is_foreground.iter_mut().zip(marks).enumerate() {
            *is_foreground = match mark {
                Mark::Background => false,
                Mark::Foreground => true,
                _ => graph.is_source(i),
            };
        }
        let looks = costs.iter().zip(&is_foreground).map(|(cost, &side)| cost[usize::from(side)]);
        let energy = looks.sum::<f64>() + links.border(&is_foreground);
        if energy < best.energy {
            best = GrabCut { is_foreground: is_foreground.clone(), energy };
        }
    }
    Ok(best)
}

/// The mixtures of background and foreground before any cut; none if a side has no pixel.
fn first_mixtures(colors: &[Rgb], is_foreground: &[bool], seed: u64) -> Option<[Mixture; 2]> {
    let of = |side: bool| {
        let members = colors.iter().zip(is_foreground).filter(|(_, is)| **is == side);
        Mixture::first(&members.map(|(&color, _)| color).collect::<Vec<_>>(), seed)
    };
    Some([of(false)?, of(true)?])
}

/// The mixtures of background and foreground, from the component of every pixel; none if a side has no pixel.
fn learn(colors: &[Rgb], is_foreground: &[bool], labels: &[u8]) -> Option<[Mixture; 2]> {
    let of = |side: bool| {
        let samples = colors.iter().zip(labels).zip(is_foreground).filter(move |(_, is)| **is == side);
        let samples = samples.map(|((&color, &label), _)| (color, label));
        Some(Mixture::learn(samples.clone())?.refined(samples.map(|(color, _)| color)))
    };
    Some([of(false)?, of(true)?])
}

/// The price of a border between every two neighbors.
struct Links {
    width: usize,
    height: usize,
    /// Per pixel, toward its left, upper, upper left and upper right neighbor; zero where there is none.
    prices: Vec<[f64; 4]>,
    /// More than the borders around one pixel can cost.
    certain: f64,
    /// What turns a price into an integer capacity.
    scale: f64,
}

/// Directions of [`Links::prices`].
const DIRECTIONS: [usize; 4] = [LEFT, UP, UP_LEFT, UP_RIGHT];

impl Links {
    /// γ·exp(-β·|difference|²), over √2 for the diagonals, with β = 1 / (2·mean |difference|²).
    fn new(image: &RgbImage, gamma: f64) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let (colors, _) = image.data().as_chunks::<3>();
        let squared = |i: usize, j: usize| -> f64 {
            let channel = |(&a, &b): (&u8, &u8)| f64::from(a.abs_diff(b)).powi(2);
            colors[i].iter().zip(&colors[j]).map(channel).sum()
        };
        let mut prices = vec![[f64::NAN; 4]; colors.len()];
        let (mut sum, mut count) = (0.0, 0_usize);
        for (i, price) in prices.iter_mut().enumerate() {
            for (slot, neighbor) in price.iter_mut().zip(neighbors(i, width)) {
                if let Some(j) = neighbor {
                    *slot = squared(i, j);
                    sum += *slot;
                    count += 1;
                }
            }
        }
        let beta = if sum > 0.0 { count as f64 / (2.0 * sum) } else { 0.0 };
        let diagonal = gamma / std::f64::consts::SQRT_2;
        for price in &mut prices {
            for (slot, most) in price.iter_mut().zip([gamma, gamma, diagonal, diagonal]) {
                *slot = if slot.is_nan() { 0.0 } else { most * (-beta * *slot).exp() };
            }
        }
        let certain = 9.0 * gamma;
        // Sums of a few capacities stay far inside an i32.
        Self { width, height, prices, certain, scale: f64::from(1 << 26) / certain }
    }

    fn graph(&self) -> GridGraph {
        let mut graph = GridGraph::new(self.width, self.height);
        self.each(|i, _, direction, price| graph.set_link(i, direction, self.capacity(price)));
        graph
    }

    fn capacity(&self, price: f64) -> i32 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "prices are at most `certain`, which becomes 2^26"
        )]
        let capacity = (price * self.scale).round() as i32;
        capacity
    }

    /// What the border between the two sides costs.
    fn border(&self, is_foreground: &[bool]) -> f64 {
        let mut sum = 0.0;
        self.each(|i, j, _, price| {
            if is_foreground[i] != is_foreground[j] {
                sum += price;
            }
        });
        sum
    }

    /// Calls for every two neighbors `(i, j)`: with the direction from `i` to `j`, and the price.
    fn each(&self, mut call: impl FnMut(usize, usize, usize, f64)) {
        for (i, prices) in self.prices.iter().enumerate() {
            for ((neighbor, direction), &price) in neighbors(i, self.width).iter().zip(DIRECTIONS).zip(prices)
            {
                if let Some(j) = *neighbor {
                    call(i, j, direction, price);
                }
            }
        }
    }
}

/// The left, upper, upper left and upper right neighbor of pixel `i`.
fn neighbors(i: usize, width: usize) -> [Option<usize>; 4] {
    let (left, up, right) = (!i.is_multiple_of(width), i >= width, !(i + 1).is_multiple_of(width));
    [
        left.then(|| i - 1),
        up.then(|| i - width),
        (left && up).then(|| i - width - 1),
        (right && up).then(|| i + 1 - width),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, color: impl Fn(u32, u32) -> [u8; 3]) -> RgbImage {
        let mut image = RgbImage::filled(width, height, [0, 0, 0]);
        for y in 0..height {
            for x in 0..width {
                image.set_pixel(x, y, color(x, y));
            }
        }
        image
    }

    fn noise(x: u32, y: u32) -> u8 {
        u8::try_from((x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7 & 15).unwrap()
    }

    /// A disc of one color on another, both noisy.
    fn disc() -> RgbImage {
        picture(60, 44, |x, y| {
            let n = noise(x, y);
            if in_disc(x, y) { [180 + n, 40 + n, 30] } else { [40, 90 + n, 120 + n] }
        })
    }

    fn in_disc(x: u32, y: u32) -> bool {
        (f64::from(x) - 30.0).hypot(f64::from(y) - 21.0) < 13.0
    }

    #[test]
    fn a_disc_is_found_from_a_rough_rectangle() {
        let marks: Vec<Mark> = (0..60 * 44)
            .map(|i| {
                let inside = (10..50).contains(&(i % 60)) && (4..40).contains(&(i / 60));
                if inside { Mark::ProbablyForeground } else { Mark::Background }
            })
            .collect();
        let cut = grab_cut(&disc(), &marks, &GrabCutParams::default()).unwrap();
        for (i, got) in (0..).zip(&cut.is_foreground) {
            assert_eq!(*got, in_disc(i % 60, i / 60), "at ({}, {})", i % 60, i / 60);
        }
        assert_eq!(cut, grab_cut(&disc(), &marks, &GrabCutParams::default()).unwrap());
    }

    #[test]
    fn certain_marks_win_over_looks() {
        let marks: Vec<Mark> = (0..60 * 44)
            .map(|i| match (i % 60, i / 60) {
                (0..3, 0..3) => Mark::Foreground,
                (28..32, 19..23) => Mark::Background,
                (20..40, _) => Mark::ProbablyForeground,
                _ => Mark::ProbablyBackground,
            })
            .collect();
        let cut = grab_cut(&disc(), &marks, &GrabCutParams::default()).unwrap();
        for (mark, is_foreground) in marks.iter().zip(&cut.is_foreground) {
            match mark {
                Mark::Background => assert!(!is_foreground),
                Mark::Foreground => assert!(is_foreground),
                _ => {}
            }
        }
    }

    #[test]
    fn pictures_of_one_color_and_of_one_row_are_cut() {
        for (width, height) in [(9, 7), (9, 1), (1, 9), (2, 2)] {
            let image = RgbImage::filled(width, height, [50, 60, 70]);
            let n = (width * height) as usize;
            let mut marks = vec![Mark::ProbablyBackground; n];
            marks[0] = Mark::Foreground;
            let cut = grab_cut(&image, &marks, &GrabCutParams::default()).unwrap();
            assert!(cut.is_foreground[0]);
            assert!(cut.energy.is_finite());
        }
    }

    #[test]
    fn a_sketch_of_one_side_only_is_refused() {
        let image = RgbImage::filled(3, 2, [1, 2, 3]);
        let say =
            |marks: &[Mark]| grab_cut(&image, marks, &GrabCutParams::default()).unwrap_err().to_string();
        assert_eq!(say(&[Mark::Background; 6]), "the sketch cannot be cut: no pixel is marked as foreground");
        assert_eq!(say(&[Mark::Foreground; 6]), "the sketch cannot be cut: no pixel is marked as background");
        assert_eq!(say(&[Mark::Foreground; 5]), "the sketch cannot be cut: expected 6 marks, got 5");
    }

    #[test]
    fn borders_follow_the_formulas() {
        // 0 - 10 - 30 in one row: |d|² = 100·3, 400·3; mean 750; β = 1/1500.
        let image = picture(3, 1, |x, _| [[0; 3], [10; 3], [30; 3]][x as usize]);
        let links = Links::new(&image, 50.0);
        let price = |squared: f64| 50.0 * (-squared / 1500.0).exp();
        assert!((links.border(&[true, false, false]) - price(300.0)).abs() < 1e-9);
        assert!((links.border(&[true, true, false]) - price(1200.0)).abs() < 1e-9);
        assert!(links.border(&[true; 3]).abs() < 1e-12);
        let square = Links::new(&RgbImage::filled(2, 2, [9; 3]), 50.0);
        assert!((square.border(&[true, false, false, false]) - (100.0 + 50.0 / 2.0_f64.sqrt())).abs() < 1e-9);
    }
}
