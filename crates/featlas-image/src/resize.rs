//! Pillow's 8-bit resampler with the bilinear (triangle) filter, value for value.
//!
//! Computes what Pillow's `libImaging/Resample.c` does: fixed-point coefficients of 22 bits, one pass along rows and
//! one along columns with an 8-bit picture in between. Downscaling widens the filter, so it is antialiased.

use featlas_core::RgbImage;
use pulp::Arch;

/// Fraction bits of a coefficient: 32 less 8 of the pixel and 2 to spare.
const PRECISION_BITS: u32 = 32 - 8 - 2;
/// Rounds to nearest when the fraction is shifted out.
const HALF: i32 = 1 << (PRECISION_BITS - 1);
/// Half the width of the triangle at scale 1.
const SUPPORT: f64 = 1.0;

/// Resizes a picture exactly as Pillow 13's `Image.resize((width, height), Image.BILINEAR)`.
///
/// Pillow 13 takes columns first when the height shrinks by more than twice as many pixels as the width; Pillow 12
/// never does. The values of the two differ by one level now and then, in pictures that are tall or are squeezed.
///
/// Cost: proportional to `width * image.height() * max(1, image.width() / width)` and the like for columns.
///
/// # Panics
/// If `width` or `height` is zero.
pub fn resize(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    assert!(width > 0 && height > 0, "a picture has at least one pixel");
    if (width, height) == (image.width(), image.height()) {
        return image.clone();
    }
    let across = (width != image.width()).then(|| Axis::new(image.width(), width));
    let down = (height != image.height()).then(|| Axis::new(image.height(), height));
    let (in_stride, out_stride) = (image.width() as usize * 3, width as usize * 3);
    let data = match (across, down) {
        (Some(across), Some(down)) if columns_first(image, width, height) => {
            resize_rows(&resize_columns(image.data(), in_stride, &down, 0), in_stride, &across)
        }
        (Some(across), Some(down)) => {
            // Rows that no output row looks at are not worth a pass.
            let (first, last) = down.needed();
            let rows = &image.data()[first * in_stride..last * in_stride];
            resize_columns(&resize_rows(rows, in_stride, &across), out_stride, &down, first)
        }
        (Some(across), None) => resize_rows(image.data(), in_stride, &across),
        (None, Some(down)) => resize_columns(image.data(), in_stride, &down, 0),
        (None, None) => image.data().to_vec(),
    };
    RgbImage::new(width, height, data).expect("both passes wrote every pixel")
}

fn columns_first(image: &RgbImage, width: u32, height: u32) -> bool {
    let lost_rows = i64::from(image.height()) - i64::from(height);
    let lost_columns = i64::from(image.width()) - i64::from(width);
    lost_rows > 0 && lost_rows > 2 * lost_columns
}

/// How output pixels along one axis are made of input pixels.
struct Axis {
    /// First input pixel, and how many, of each output pixel.
    spans: Vec<(usize, usize)>,
    /// `taps` coefficients for each output pixel; those past its span are zero.
    coefficients: Vec<i32>,
    taps: usize,
}

impl Axis {
    fn new(input: u32, output: u32) -> Self {
        let scale = f64::from(input) / f64::from(output);
        let filter_scale = scale.max(1.0);
        let support = SUPPORT * filter_scale;
        let per_scale = 1.0 / filter_scale;
        let taps = truncate(support.ceil()) * 2 + 1;
        let mut spans = Vec::with_capacity(output as usize);
        let mut coefficients = vec![0; output as usize * taps];
        let mut weights = vec![0.0; taps];
        for (at, out) in (0..output).zip(coefficients.chunks_exact_mut(taps)) {
            let center = (f64::from(at) + 0.5) * scale;
            let start = truncate((center - support + 0.5).max(0.0));
            let end = truncate(center + support + 0.5).min(input as usize);
            let weights = &mut weights[..end - start];
            let mut total = 0.0;
            for (tap, weight) in weights.iter_mut().enumerate() {
                *weight = triangle(((start + tap) as f64 - center + 0.5) * per_scale);
                total += *weight;
            }
            for (coefficient, weight) in out.iter_mut().zip(weights) {
                let share = if total == 0.0 { *weight } else { *weight / total };
                *coefficient = fixed_point(share);
            }
            spans.push((start, end - start));
        }
        Self { spans, coefficients, taps }
    }

    /// Each output pixel's first input pixel and coefficients.
    fn outputs(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let spans = self.spans.iter().zip(self.coefficients.chunks_exact(self.taps));
        spans.map(|(&(start, len), coefficients)| (start, &coefficients[..len]))
    }

    /// The input pixels that any output pixel looks at.
    fn needed(&self) -> (usize, usize) {
        let first = self.spans.first().map_or(0, |span| span.0);
        (first, self.spans.last().map_or(0, |span| span.0 + span.1))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Pillow truncates; values are small and positive"
)]
fn truncate(value: f64) -> usize {
    value as usize
}

#[expect(clippy::cast_possible_truncation, reason = "a share of one, so at most 2^22")]
fn fixed_point(share: f64) -> i32 {
    (0.5 + share * f64::from(1 << PRECISION_BITS)) as i32
}

fn triangle(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 { 1.0 - x } else { 0.0 }
}

/// Shifts the fraction out. All weights are positive and add up to one, so nothing needs clipping but rounding.
#[inline]
fn clip(sum: i32) -> u8 {
    u8::try_from(sum >> PRECISION_BITS).unwrap_or(u8::MAX)
}

/// Rows that the pass along rows takes at once.
const LANE_ROWS: usize = 8;
/// One pixel of each of them: as many values in a line as fill vector registers.
const LANES: usize = 3 * LANE_ROWS;

/// Resizes along rows of `in_stride` bytes each.
///
/// A few rows are woven together first, so that neighboring values in memory are treated alike.
fn resize_rows(rows: &[u8], in_stride: usize, axis: &Axis) -> Vec<u8> {
    let out_stride = axis.spans.len() * 3;
    let mut out = vec![0; rows.len() / in_stride * out_stride];
    let mut woven = vec![[0; LANES]; in_stride / 3];
    Arch::new().dispatch(|| {
        let blocks = rows.chunks(in_stride * LANE_ROWS).zip(out.chunks_mut(out_stride * LANE_ROWS));
        for (rows, out) in blocks {
            for (row, lane) in rows.chunks_exact(in_stride).zip(0..) {
                for (pixel, woven) in row.as_chunks::<3>().0.iter().zip(&mut woven) {
                    woven.as_chunks_mut::<3>().0[lane] = *pixel;
                }
            }
            for ((start, coefficients), x) in axis.outputs().zip(0..) {
                let mut sums = [HALF; LANES];
                for (values, &coefficient) in woven[start..].iter().zip(coefficients) {
                    for (sum, &value) in sums.iter_mut().zip(values) {
                        *sum += i32::from(value) * coefficient;
                    }
                }
                let values = sums.map(clip);
                let pixels = out.chunks_exact_mut(out_stride).zip(values.as_chunks::<3>().0);
                for (row, pixel) in pixels {
                    row.as_chunks_mut::<3>().0[x] = *pixel;
                }
            }
        }
    });
    out
}

/// Resizes along columns; `rows` begins with row `first` of the picture.
fn resize_columns(rows: &[u8], stride: usize, axis: &Axis, first: usize) -> Vec<u8> {
    let mut out = vec![0; stride * axis.spans.len()];
    let mut sums = vec![0; stride];
    Arch::new().dispatch(|| {
        for ((start, coefficients), out) in axis.outputs().zip(out.chunks_exact_mut(stride)) {
            sums.fill(HALF);
            let rows = rows[(start - first) * stride..].chunks_exact(stride);
            for (row, &coefficient) in rows.zip(coefficients) {
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += i32::from(value) * coefficient;
                }
            }
            for (out, &sum) in out.iter_mut().zip(&sums) {
                *out = clip(sum);
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn one_color_stays_one_color(w in 1u32..40, h in 1u32..40, to_w in 1u32..40, to_h in 1u32..40, value: u8) {
            let image = RgbImage::filled(w, h, [value, 255 - value, 7]);
            prop_assert_eq!(resize(&image, to_w, to_h), RgbImage::filled(to_w, to_h, [value, 255 - value, 7]));
        }

        #[test]
        fn coefficients_add_up_to_one(input in 1u32..3000, output in 1u32..3000) {
            for (start, coefficients) in Axis::new(input, output).outputs() {
                prop_assert!(start + coefficients.len() <= input as usize);
                let total: i32 = coefficients.iter().sum();
                // Each coefficient is rounded by at most half a unit.
                prop_assert!((total - (1 << PRECISION_BITS)).unsigned_abs() as usize <= coefficients.len());
            }
        }
    }
}
