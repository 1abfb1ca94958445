//! The one-dimensional transforms, one per kind of tile.

use super::super::simd::Simd;

/// The one-dimensional transforms of a kind of tile.
pub(super) trait Winograd<const N: usize, const M: usize> {
    /// Evaluates `N` values of the input at the points.
    unsafe fn input<S: Simd>(x: [S::V; N]) -> [S::V; N];
    /// Interpolates `M` values of the output from the products at the points.
    unsafe fn output<S: Simd>(x: [S::V; N]) -> [S::V; M];
}

pub(super) struct F4x3;
pub(super) struct F6x3;
pub(super) struct F4x5;

impl Winograd<6, 4> for F4x3 {
    #[inline(always)]
    unsafe fn input<S: Simd>([x0, x1, x2, x3, x4, x5]: [S::V; 6]) -> [S::V; 6] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let (four, minus_four, minus_five, two) =
                (S::splat(4.0), S::splat(-4.0), S::splat(-5.0), S::splat(2.0));
            let even = S::fma(minus_four, x2, x4);
            let odd = S::fma(minus_four, x1, x3);
            let wide_even = S::sub(x4, x2);
            let wide_odd = S::mul(two, S::sub(x3, x1));
            [
                S::fma(four, x0, S::fma(minus_five, x2, x4)),
                S::add(even, odd),
                S::sub(even, odd),
                S::add(wide_even, wide_odd),
                S::sub(wide_even, wide_odd),
                S::fma(four, x1, S::fma(minus_five, x3, x5)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>([x0, x1, x2, x3, x4, x5]: [S::V; 6]) -> [S::V; 4] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let (sum1, sum2) = (S::add(x1, x2), S::add(x3, x4));
            let (diff1, diff2) = (S::sub(x1, x2), S::sub(x3, x4));
            [
                S::add(x0, S::add(sum1, sum2)),
                S::fma(S::splat(2.0), diff2, diff1),
                S::fma(S::splat(4.0), sum2, sum1),
                S::add(S::fma(S::splat(8.0), diff2, diff1), x5),
            ]
        }
    }
}

/// The eight points of both larger tiles.
#[inline(always)]
unsafe fn input_of_eight<S: Simd>([x0, x1, x2, x3, x4, x5, x6, x7]: [S::V; 8]) -> [S::V; 8] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let minus_4_25 = S::splat(-4.25);
        let even1 = S::fma(minus_4_25, x4, S::add(x2, x6));
        let odd1 = S::fma(minus_4_25, x3, S::add(x1, x5));
        let even2 = S::fma(S::splat(0.25), x2, S::fma(S::splat(-1.25), x4, x6));
        let odd2 = S::fma(S::splat(0.5), x1, S::fma(S::splat(-2.5), x3, S::mul(S::splat(2.0), x5)));
        let even3 = S::fma(S::splat(4.0), x2, S::fma(S::splat(-5.0), x4, x6));
        let odd3 = S::fma(S::splat(2.0), x1, S::fma(S::splat(-2.5), x3, S::mul(S::splat(0.5), x5)));
        [
            S::fma(S::splat(5.25), S::sub(x4, x2), S::sub(x0, x6)),
            S::add(even1, odd1),
            S::sub(even1, odd1),
            S::add(even2, odd2),
            S::sub(even2, odd2),
            S::add(even3, odd3),
            S::sub(even3, odd3),
            S::fma(S::splat(5.25), S::sub(x3, x5), S::sub(x7, x1)),
        ]
    }
}

/// Sums and differences of the products at the points ±1, ±2, ±1/2.
#[inline(always)]
unsafe fn pairs_of_eight<S: Simd>(x: &[S::V; 8]) -> ([S::V; 3], [S::V; 3]) {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        (
            [S::add(x[1], x[2]), S::add(x[3], x[4]), S::add(x[5], x[6])],
            [S::sub(x[1], x[2]), S::sub(x[3], x[4]), S::sub(x[5], x[6])],
        )
    }
}

/// `pair[0] + c * pair[1] + pair[2] / c`.
#[inline(always)]
unsafe fn weigh<S: Simd>(pair: &[S::V; 3], c: f32) -> S::V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { S::fma(S::splat(c), pair[1], S::fma(S::splat(1.0 / c), pair[2], pair[0])) }
}

impl Winograd<8, 6> for F6x3 {
    #[inline(always)]
    unsafe fn input<S: Simd>(x: [S::V; 8]) -> [S::V; 8] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { input_of_eight::<S>(x) }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(x: [S::V; 8]) -> [S::V; 6] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let (sums, diffs) = pairs_of_eight::<S>(&x);
            [
                S::add(x[0], S::add(sums[0], S::add(sums[1], sums[2]))),
                weigh::<S>(&diffs, 2.0),
                weigh::<S>(&sums, 4.0),
                weigh::<S>(&diffs, 8.0),
                weigh::<S>(&sums, 16.0),
                S::add(weigh::<S>(&diffs, 32.0), x[7]),
            ]
        }
    }
}

impl Winograd<8, 4> for F4x5 {
    #[inline(always)]
    unsafe fn input<S: Simd>(x: [S::V; 8]) -> [S::V; 8] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { input_of_eight::<S>(x) }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(x: [S::V; 8]) -> [S::V; 4] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let (sums, diffs) = pairs_of_eight::<S>(&x);
            [
                S::add(x[0], S::add(sums[0], S::add(sums[1], sums[2]))),
                weigh::<S>(&diffs, 2.0),
                weigh::<S>(&sums, 4.0),
                S::add(weigh::<S>(&diffs, 8.0), x[7]),
            ]
        }
    }
}
