//! Pillow's 8-bit resampler with the bilinear (triangle) filter, value for value.
//!
//! Computes what Pillow's `libImaging/Resample.c` does: fixed-point coefficients of 22 bits, one pass along rows and
//! one along columns with an 8-bit picture in between. Downscaling widens the filter, so it is antialiased.

use featlas_core::RgbImage;
use pulp::{Arch, Simd, WithSimd};

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
    Resizer::default().resize(image, width, height, Vec::new())
}

/// Resizes many pictures one after the other and keeps the memory between them.
#[derive(Debug, Default)]
pub struct Resizer {
    /// A few rows, woven together.
    woven: Vec<[u8; LANES]>,
    /// One row of sums.
    sums: Vec<i32>,
    /// The picture between the two passes.
    between: Vec<u8>,
}

impl Resizer {
    /// As [`resize()`], with the pixels in the memory of `buffer`; what it held is dropped.
    ///
    /// # Panics
    /// If `width` or `height` is zero.
    pub fn resize(&mut self, image: &RgbImage, width: u32, height: u32, mut buffer: Vec<u8>) -> RgbImage {
        assert!(width > 0 && height > 0, "a picture has at least one pixel");
        let across = (width != image.width()).then(|| Axis::new(image.width(), width));
        let down = (height != image.height()).then(|| Axis::new(image.height(), height));
        let (in_stride, out_stride) = (image.width() as usize * 3, width as usize * 3);
        let mut between = std::mem::take(&mut self.between);
        let out = &mut buffer;
        match (across, down) {
            (Some(across), Some(down)) if columns_first(image, width, height) => {
                self.columns(image.data(), in_stride, &down, 0, &mut between);
                self.rows(&between, in_stride, &across, out);
            }
            (Some(across), Some(down)) => {
                // Rows that no output row looks at are not worth a pass.
                let (first, last) = down.needed();
                self.rows(
                    &image.data()[first * in_stride..last * in_stride],
                    in_stride,
                    &across,
                    &mut between,
                );
                self.columns(&between, out_stride, &down, first, out);
            }
            (Some(across), None) => self.rows(image.data(), in_stride, &across, out),
            (None, Some(down)) => self.columns(image.data(), in_stride, &down, 0, out),
            (None, None) => {
                out.clear();
                out.extend_from_slice(image.data());
            }
        }
        self.between = between;
        RgbImage::new(width, height, buffer).expect("both passes wrote every pixel")
    }
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
#[expect(clippy::cast_sign_loss, reason = "clamped")]
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that the dispatch found")]
#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Rows that the pass along rows takes at once.
const LANE_ROWS: usize = 8;
/// One pixel of each of them: as many values in a line as fill vector registers.
const LANES: usize = 3 * LANE_ROWS;

impl Resizer {
    /// Resizes along rows of `in_stride` bytes each.
    fn rows(&mut self, rows: &[u8], in_stride: usize, axis: &Axis, out: &mut Vec<u8>) {
        out.resize(rows.len() / in_stride * axis.spans.len() * 3, 0);
        self.woven.resize(in_stride / 3, [0; LANES]);
        Arch::new().dispatch(RowPass { rows, in_stride, axis, woven: &mut self.woven, out });
    }

    /// Resizes along columns; `rows` begins with row `first` of the picture.
    fn columns(&mut self, rows: &[u8], stride: usize, axis: &Axis, first: usize, out: &mut Vec<u8>) {
        out.resize(stride * axis.spans.len(), 0);
        self.sums.resize(stride, 0);
        Arch::new().dispatch(ColumnPass { rows, stride, axis, first, sums: &mut self.sums, out });
    }
}

/// The pass along rows. A few rows are woven together first, so that neighboring values in memory are treated alike.
struct RowPass<'a> {
    rows: &'a [u8],
    in_stride: usize,
    axis: &'a Axis,
    woven: &'a mut [[u8; LANES]],
    out: &'a mut [u8],
}

// Not closures: the call of a closure is a function of its own, which may not use the processor's best instructions.
impl WithSimd for RowPass<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "only inlined code is compiled for the CPU that the dispatch found"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { rows, in_stride, axis, woven, out } = self;
        let out_stride = axis.spans.len() * 3;
        let blocks = rows.chunks(in_stride * LANE_ROWS).zip(out.chunks_mut(out_stride * LANE_ROWS));
        for (rows, out) in blocks {
            for (row, lane) in rows.chunks_exact(in_stride).zip(0..) {
                for (pixel, woven) in row.as_chunks::<3>().0.iter().zip(&mut *woven) {
                    woven.as_chunks_mut::<3>().0[lane] = *pixel;
                }
            }
            for (x, (&(start, len), coefficients)) in
                axis.spans.iter().zip(axis.coefficients.chunks_exact(axis.taps)).enumerate()
            {
                let mut sums = [HALF; LANES];
                for (values, &coefficient) in woven[start..start + len].iter().zip(coefficients) {
                    for (sum, &value) in sums.iter_mut().zip(values) {
                        *sum += i32::from(value) * coefficient;
                    }
                }
                let mut values = [0; LANES];
                for (value, &sum) in values.iter_mut().zip(&sums) {
                    *value = clip(sum);
                }
                let pixels = out.chunks_exact_mut(out_stride).zip(values.as_chunks::<3>().0);
                for (row, pixel) in pixels {
                    row.as_chunks_mut::<3>().0[x] = *pixel;
                }
            }
        }
    }
}

/// The pass along columns.
struct ColumnPass<'a> {
    rows: &'a [u8],
    stride: usize,
    axis: &'a Axis,
    first: usize,
    sums: &'a mut [i32],
    out: &'a mut [u8],
}

impl WithSimd for ColumnPass<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "only inlined code is compiled for the CPU that the dispatch found"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { rows, stride, axis, first, sums, out } = self;
        let outputs = axis.spans.iter().zip(axis.coefficients.chunks_exact(axis.taps));
        for ((&(start, len), coefficients), out) in outputs.zip(out.chunks_exact_mut(stride)) {
            sums.fill(HALF);
            let rows = rows[(start - first) * stride..].chunks_exact(stride);
            for (row, &coefficient) in rows.zip(&coefficients[..len]) {
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += i32::from(value) * coefficient;
                }
            }
            for (out, &sum) in out.iter_mut().zip(&*sums) {
                *out = clip(sum);
            }
        }
    }
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
            let axis = Axis::new(input, output);
            for (&(start, len), coefficients) in axis.spans.iter().zip(axis.coefficients.chunks_exact(axis.taps)) {
                prop_assert!(start + len <= input as usize);
                let coefficients = &coefficients[..len];
                let total: i32 = coefficients.iter().sum();
                // Each coefficient is rounded by at most half a unit.
                prop_assert!((total - (1 << PRECISION_BITS)).unsigned_abs() as usize <= coefficients.len());
            }
        }
    }
}
