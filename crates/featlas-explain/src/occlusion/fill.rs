//! What covers a window.

use super::Fill;
use featlas_core::Rect;
use featlas_net::Preprocess;

/// The values that covered pixels get, in the network's input.
pub(super) enum Filling {
    /// One color, in the order of the planes.
    Color([f32; 3], usize),
    /// Another picture of the same size: `(3, px, px)`.
    Picture(Vec<f32>, usize),
}

impl Filling {
    pub(super) fn new(
        fill: Fill,
        image: &[f32],
        px: usize,
        window_px: usize,
        preprocess: &Preprocess,
    ) -> Self {
        match fill {
            Fill::Mean => Self::Color([0.0; 3], px),
            Fill::Gray => Self::Color(preprocess.normalized([127.5; 3]), px),
            Fill::Black => Self::Color(preprocess.normalized([0.0; 3]), px),
            Fill::Blur => Self::Picture(blurred(image, px, window_px as f64 / 2.0), px),
        }
    }

    /// Covers `window` of an image `(3, px, px)`.
    pub(super) fn cover(&self, image: &mut [f32], window: Rect) {
        let (Self::Color(_, px) | Self::Picture(_, px)) = self;
        let side = |v: i64| usize::try_from(v).unwrap_or(0).min(*px);
        let (left, right) = (side(window.left), side(window.right));
        for (plane, values) in image.chunks_exact_mut(px * px).enumerate() {
            for y in side(window.top)..side(window.bottom) {
                let row = &mut values[y * px + left..y * px + right];
                match self {
                    Self::Color(color, _) => row.fill(color[plane]),
                    Self::Picture(values, _) => {
                        row.copy_from_slice(&values[plane * px * px + y * px + left..][..right - left]);
                    }
                }
            }
        }
    }
}

/// Every plane blurred by a Gaussian, with the border's pixels repeated outside.
fn blurred(image: &[f32], px: usize, deviation: f64) -> Vec<f32> {
    /// Beyond three deviations a Gaussian is as good as zero.
    const REACH: f64 = 3.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred pixels")]
    let reach = (REACH * deviation).ceil() as usize;
    let weight = |distance: usize| (-0.5 * (distance as f64 / deviation).powi(2)).exp();
    let total = weight(0) + 2.0 * (1..=reach).map(weight).sum::<f64>();
    #[expect(clippy::cast_possible_truncation, reason = "weights between 0 and 1")]
    let weights: Vec<f32> = (0..=2 * reach).map(|i| (weight(i.abs_diff(reach)) / total) as f32).collect();
    // Filters the rows and turns the picture over its diagonal, so that twice does both.
    let pass = |values: &[f32]| {
        let mut out = vec![0.0; values.len()];
        for (plane, out) in values.chunks_exact(px * px).zip(out.chunks_exact_mut(px * px)) {
            for (y, row) in plane.chunks_exact(px).enumerate() {
                for x in 0..px {
                    let at = |i: usize| row[(x + i).saturating_sub(reach).min(px - 1)];
                    out[x * px + y] = weights.iter().enumerate().map(|(i, weight)| weight * at(i)).sum();
                }
            }
        }
        out
    };
    pass(&pass(image))
}
