//! The two kinds of numbers a gradient is computed in, and their matrix products.

use super::conv::{ByPatches, Correlate, Sizes};
use super::dense::{Apply, ByProducts};
use super::engine;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::borrow::Cow;
use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Range, Sub};

/// `f32` for speed, `f64` where the last bits must not decide which unit fires and which value wins a max-pool.
pub trait Real:
    sealed::Fast
    + Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Div<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + Sub<Output = Self>
    + Sum
    + 'static
{
    /// How far below its window's maximum, as a part of it, a value still ties with it. Values that are equal but for
    /// rounding differ by less, others by more: of the windows of VGG-11 on a photograph with an even background, 136 have
    /// a runner-up within 1e-12 and none between that and 1e-8. In 32 bits the two ranges overlap, so only equals tie.
    const TIE: f64;

    /// The number nearest to `value`.
    fn from_f64(value: f64) -> Self;

    /// Widens a weight or a pixel.
    fn from_f32(value: f32) -> Self;

    /// Rounds to an `f32`.
    fn to_f32(self) -> f32;

    /// Pixels or weights in these numbers, copied only where they change.
    fn widen(values: &[f32]) -> Cow<'_, [Self]>;

    /// Results, rounded and copied only where they must be.
    fn narrow(values: &[Self]) -> Cow<'_, [f32]>;

    /// `self` to the power of `exponent`.
    #[must_use]
    fn powf(self, exponent: Self) -> Self;

    /// Whether it is not a number.
    fn is_nan(self) -> bool;
}

mod sealed {
    use super::{Accum, Apply, Correlate, MatMut, MatRef, Sizes};

    /// Keeps [`super::Real`] to the types that have fast matrix products and convolutions.
    pub trait Fast: Sized {
        /// `product = lhs * rhs`, or `product += lhs * rhs`, on the calling thread.
        fn multiply(product: MatMut<'_, Self>, accum: Accum, lhs: MatRef<'_, Self>, rhs: MatRef<'_, Self>);

        /// The convolution with `kernels`, `(outputs, inputs / groups, kernel, kernel)`.
        fn correlation(sizes: Sizes, kernels: &[Self], bias: &[Self]) -> Box<dyn Correlate<Self>>;

        /// The product with `values`, `(outputs, inputs)`.
        fn matrix(values: &[Self], outputs: usize, inputs: usize, bias: &[Self]) -> Box<dyn Apply<Self>>;
    }
}

impl sealed::Fast for f32 {
    fn multiply(product: MatMut<'_, Self>, accum: Accum, lhs: MatRef<'_, Self>, rhs: MatRef<'_, Self>) {
        matmul(product, accum, lhs, rhs, 1.0, Par::Seq);
    }

    fn correlation(sizes: Sizes, kernels: &[Self], bias: &[Self]) -> Box<dyn Correlate<Self>> {
        engine::correlation(sizes, kernels, bias)
    }

    fn matrix(values: &[Self], outputs: usize, inputs: usize, bias: &[Self]) -> Box<dyn Apply<Self>> {
        engine::matrix(values, outputs, inputs, bias)
    }
}

impl sealed::Fast for f64 {
    fn multiply(product: MatMut<'_, Self>, accum: Accum, lhs: MatRef<'_, Self>, rhs: MatRef<'_, Self>) {
        matmul(product, accum, lhs, rhs, 1.0, Par::Seq);
    }

    fn correlation(sizes: Sizes, kernels: &[Self], bias: &[Self]) -> Box<dyn Correlate<Self>> {
        Box::new(ByPatches::new(sizes, kernels, bias))
    }

    fn matrix(values: &[Self], _outputs: usize, _inputs: usize, bias: &[Self]) -> Box<dyn Apply<Self>> {
        Box::new(ByProducts::new(values, bias))
    }
}

// Inlined, since a call in a loop over pixels keeps it from going over many at once.
impl Real for f32 {
    const TIE: f64 = 0.0;

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the nearest number is the contract")]
    fn from_f64(value: f64) -> Self {
        value as Self
    }

    #[inline]
    fn from_f32(value: f32) -> Self {
        value
    }

    #[inline]
    fn to_f32(self) -> f32 {
        self
    }

    fn widen(values: &[f32]) -> Cow<'_, [Self]> {
        Cow::Borrowed(values)
    }

    fn narrow(values: &[Self]) -> Cow<'_, [f32]> {
        Cow::Borrowed(values)
    }

    #[inline]
    fn powf(self, exponent: Self) -> Self {
        self.powf(exponent)
    }

    #[inline]
    fn is_nan(self) -> bool {
        self.is_nan()
    }
}

impl Real for f64 {
    const TIE: Self = 1.0 / 8_589_934_592.0;

    #[inline]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline]
    fn from_f32(value: f32) -> Self {
        Self::from(value)
    }

    #[inline]
    fn to_f32(self) -> f32 {
        f32::from_f64(self)
    }

    fn widen(values: &[f32]) -> Cow<'_, [Self]> {
        values.iter().map(|&value| Self::from(value)).collect()
    }

    fn narrow(values: &[Self]) -> Cow<'_, [f32]> {
        values.iter().map(|&value| f32::from_f64(value)).collect()
    }

    #[inline]
    fn powf(self, exponent: Self) -> Self {
        self.powf(exponent)
    }

    #[inline]
    fn is_nan(self) -> bool {
        self.is_nan()
    }
}

/// Cuts a product into pieces of `width` columns, each with the range of its columns.
pub(super) fn column_pieces<T>(product: MatMut<'_, T>, width: usize) -> Vec<(Range<usize>, MatMut<'_, T>)> {
    let columns = product.ncols();
    let mut rest = product;
    let mut pieces = Vec::with_capacity(columns.div_ceil(width));
    for start in (0..columns).step_by(width) {
        let (piece, behind) = rest.split_at_col_mut(width.min(columns - start));
        pieces.push((start..start + piece.ncols(), piece));
        rest = behind;
    }
    pieces
}
