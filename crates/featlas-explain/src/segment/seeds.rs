//! From a map of how much each pixel matters to a sketch that `GrabCut` can complete.
//!
//! Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks" (2013), section 3.2: the most salient pixels
//! are the foreground, the least salient ones the background, and colors decide about the rest.

use super::Mark;
use crate::error::ExplainError;

/// Beyond three deviations a Gaussian is as good as zero.
const REACH_DEVIATIONS: f64 = 3.0;

/// Pixels above this quantile of the saliency are foreground, as in the paper.
pub const DEFAULT_FOREGROUND_QUANTILE: f64 = 0.95;
/// Pixels below this quantile of the saliency are background, as in the paper.
pub const DEFAULT_BACKGROUND_QUANTILE: f64 = 0.30;

/// Which pixels seed the cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeedParams {
    /// Pixels above this quantile are foreground; see [`DEFAULT_FOREGROUND_QUANTILE`].
    pub foreground_quantile: f64,
    /// Pixels below this quantile are background; see [`DEFAULT_BACKGROUND_QUANTILE`].
    pub background_quantile: f64,
    /// Standard deviation, in pixels, of the Gaussian that first spreads the saliency, whose single pixels are
    /// noisy; 0 leaves it as it is.
    pub blur_px: f64,
}

impl Default for SeedParams {
    fn default() -> Self {
        Self {
            foreground_quantile: DEFAULT_FOREGROUND_QUANTILE,
            background_quantile: DEFAULT_BACKGROUND_QUANTILE,
            blur_px: 0.0,
        }
    }
}

impl SeedParams {
    /// Refuses quantiles and blurs that make no sketch.
    ///
    /// # Errors
    /// [`ExplainError::Trimap`].
    pub fn check(&self) -> Result<(), ExplainError> {
        let Self { foreground_quantile: high, background_quantile: low, blur_px } = *self;
        if !(0.0 < low && low < high && high < 1.0) {
            let reason =
                format!("expected 0 < background quantile < foreground quantile < 1, got {low} and {high}");
            return Err(ExplainError::Trimap { reason });
        }
        if !(0.0..=1_000.0).contains(&blur_px) {
            return Err(ExplainError::Trimap {
                reason: format!("expected a blur of 0 to 1000 px, got {blur_px}"),
            });
        }
        Ok(())
    }
}

/// Marks every pixel of a `(height, width)` map of saliency, row-major, where larger means more of the foreground.
///
/// Between the quantiles a pixel is probably foreground if it is nearer in rank to the foreground's, otherwise probably
/// background. Pixels without a value (NaN: the network did not see them) are probably background and do not
/// count for the quantiles.
///
/// # Errors
/// [`ExplainError::Trimap`] if the quantiles are not `0 < background < foreground < 1`, if the values do not
/// fill the map, or if they are all the same.
pub fn seed_marks(
    saliency: &[f32],
    (height, width): (usize, usize),
    params: &SeedParams,
) -> Result<Vec<Mark>, ExplainError> {
    params.check()?;
    if saliency.len() != height * width {
        let reason = format!("expected {} values of saliency, got {}", height * width, saliency.len());
        return Err(ExplainError::Trimap { reason });
    }
    let spread = blurred(saliency, width, params.blur_px);
    let mut sorted: Vec<f32> = spread.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let uniform = || ExplainError::Trimap { reason: "the saliency is the same everywhere".to_owned() };
    let last = sorted.len().checked_sub(1).ok_or_else(uniform)?;
    let quantile = |q: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into the values"
        )]
        let at = (q * last as f64).round() as usize;
        sorted[at.min(last)]
    };
    let (low, high) = (quantile(params.background_quantile), quantile(params.foreground_quantile));
    let middle = quantile(f64::midpoint(params.background_quantile, params.foreground_quantile));
    if sorted[0] >= sorted[last] {
        return Err(uniform());
    }
    let mark = |&value: &f32| {
        if value.is_nan() {
            Mark::ProbablyBackground
        } else if value >= high && value > sorted[0] {
            Mark::Foreground
        } else if value <= low {
            Mark::Background
        } else if value >= middle {
            Mark::ProbablyForeground
        } else {
            Mark::ProbablyBackground
        }
    };
    Ok(spread.iter().map(mark).collect())
}

/// A Gaussian blur over the pixels that have a value; those without keep none.
fn blurred(values: &[f32], width: usize, deviation_px: f64) -> Vec<f32> {
    if deviation_px <= 0.0 {
        return values.to_vec();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few thousand pixels at most"
    )]
    let reach = (REACH_DEVIATIONS * deviation_px).ceil() as usize;
    let weights: Vec<f64> = (0..=reach).map(|i| (-0.5 * (i as f64 / deviation_px).powi(2)).exp()).collect();
    let weighted: Vec<[f64; 2]> =
        values.iter().map(|&value| if value.is_nan() { [0.0; 2] } else { [f64::from(value), 1.0] }).collect();
    let height = values.len() / width.max(1);
    let rows = smoothed(&weighted, (height, width), &weights);
    let both = smoothed(&rows, (width, height), &weights);
    let value = |([sum, weight], original): (&[f64; 2], &f32)| {
        if original.is_nan() {
            return f32::NAN;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values")]
        let mean = (sum / weight) as f32;
        mean
    };
    both.iter().zip(values).map(value).collect()
}

/// Filters every row of a `(height, width)` block and turns it over its diagonal, so that twice does both axes.
fn smoothed(block: &[[f64; 2]], (height, width): (usize, usize), weights: &[f64]) -> Vec<[f64; 2]> {
    let mut turned = vec![[0.0; 2]; block.len()];
    for (y, row) in block.chunks_exact(width).enumerate() {
        for x in 0..width {
            let reach = weights.len() - 1;
            let mut sum = [0.0; 2];
            for (i, cell) in row.iter().enumerate().take(x + reach + 1).skip(x.saturating_sub(reach)) {
                let weight = weights[i.abs_diff(x)];
                sum = [sum[0] + weight * cell[0], sum[1] + weight * cell[1]];
            }
            turned[x * height + y] = sum;
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(n: usize) -> Vec<f32> {
        (0..n).map(|i| i as f32).collect()
    }

    #[test]
    fn quantiles_share_the_pixels_out() {
        let marks = seed_marks(&ramp(1000), (20, 50), &SeedParams::default()).unwrap();
        let count = |wanted: Mark| marks.iter().filter(|mark| **mark == wanted).count();
        let got = [Mark::Foreground, Mark::Background, Mark::ProbablyForeground, Mark::ProbablyBackground]
            .map(count);
        assert_eq!(got.iter().sum::<usize>(), 1000);
        assert!(got.iter().zip([50, 300, 325, 325]).all(|(got, want)| got.abs_diff(want) <= 2), "{got:?}");
        assert_eq!((marks[0], marks[999]), (Mark::Background, Mark::Foreground));
    }

    #[test]
    fn unseen_pixels_are_left_open_and_do_not_count() {
        let mut values = ramp(100);
        values[..50].fill(f32::NAN);
        let marks =
            seed_marks(&values, (10, 10), &SeedParams { blur_px: 1.0, ..SeedParams::default() }).unwrap();
        assert!(marks[..50].iter().all(|mark| *mark == Mark::ProbablyBackground));
        assert!(marks[50..].iter().filter(|mark| **mark == Mark::Background).count().abs_diff(15) <= 1);
    }

    #[test]
    fn a_blur_keeps_a_flat_map_flat_to_its_border() {
        let flat = blurred(&[3.0; 77], 11, 2.0);
        assert!(flat.iter().all(|value| (value - 3.0).abs() < 1e-6), "{flat:?}");
        let mut point = vec![0.0; 49];
        point[24] = 1.0;
        let spread = blurred(&point, 7, 1.0);
        assert!((spread[23] / spread[24] - (-0.5_f32).exp()).abs() < 0.02);
        assert!((spread[24 - 7] / spread[24] - (-0.5_f32).exp()).abs() < 0.02);
    }

    #[test]
    fn senseless_quantiles_and_flat_maps_are_refused() {
        let params = |foreground_quantile, background_quantile| SeedParams {
            foreground_quantile,
            background_quantile,
            ..SeedParams::default()
        };
        for params in [params(0.3, 0.3), params(1.0, 0.3), params(0.9, 0.0), params(f64::NAN, 0.3)] {
            let err = seed_marks(&ramp(10), (2, 5), &params).unwrap_err().to_string();
            assert!(err.contains("expected 0 < background quantile"), "{err}");
        }
        for flat in [[1.0; 10], [f32::NAN; 10]] {
            let err = seed_marks(&flat, (2, 5), &SeedParams::default()).unwrap_err().to_string();
            assert!(err.contains("the same everywhere"), "{err}");
        }
    }
}
