//! The one distance kernel. Its sums run in a fixed number of lanes, so the result is the same on every CPU,
//! whichever instruction set the dispatch picks.

use pulp::{Arch, Simd, WithSimd};

/// Running sums the kernel keeps, on every CPU: they fill four AVX-512 or eight AVX2 registers.
pub(crate) const LANES: usize = 64;

/// `|a - b|²` of two rows of the same length, never negative.
pub(crate) fn squared(a: &[f32], b: &[f32]) -> f32 {
    debug_assert_eq!(a.len(), b.len(), "rows of one block have one length");
    Arch::new().dispatch(SquaredDifference { a, b })
}

struct SquaredDifference<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for SquaredDifference<'_> {
    type Output = f32;

    #[expect(
        clippy::inline_always,
        reason = "only inlined code is compiled for the CPU that the dispatch found"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (a_blocks, a_rest) = self.a.as_chunks::<LANES>();
        let (b_blocks, b_rest) = self.b.as_chunks::<LANES>();
        let mut sums = [0.0f32; LANES];
        // Registers of whatever width; product and sum stay two roundings, as not every CPU can fuse them.
        let (registers, _) = S::as_mut_simd_f32s(&mut sums);
        for (x, y) in a_blocks.iter().zip(b_blocks) {
            let (x, y) = (S::as_simd_f32s(x).0, S::as_simd_f32s(y).0);
            for (sum, (&x, &y)) in registers.iter_mut().zip(x.iter().zip(y)) {
                let difference = simd.sub_f32s(x, y);
                *sum = simd.add_f32s(*sum, simd.mul_f32s(difference, difference));
            }
        }
        for (sum, (x, y)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
            *sum += (x - y) * (x - y);
        }
        sum_of_lanes(sums)
    }
}

/// The end of the kernel: a tree, not a chain, so that the error grows with the logarithm of the lanes.
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that the dispatch found")]
#[inline(always)]
pub(crate) fn sum_of_lanes(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Times `|a|² + |b|²`: bound on how far `|a|² + |b|² - 2 a·b`, with the product summed in `f32` in any order, can lie from
/// [`squared`], for rows of `dim` components. (A sum of `dim` products errs by at most `dim` units in the last place
/// of `Σ|a_i b_i| ≤ (|a|² + |b|²) / 2`; the kernel's chains are [`LANES`] times shorter.)
pub(crate) fn squared_slack(dim: usize) -> f32 {
    (1.1 * dim as f32 + 64.0) * f32::EPSILON
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::unit_rows;
    use proptest::prelude::*;

    fn slow(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>() / 2.0
    }

    proptest! {
        #[test]
        fn equals_the_plain_sum(dim in 1usize..300, seed in 0u64..1000) {
            let rows = unit_rows(2, dim, seed);
            let (a, b) = rows.split_at(dim);
            prop_assert!((f64::from(squared(a, b)) / 2.0 - slow(a, b)).abs() < 1e-6);
            prop_assert_eq!(squared(a, b).to_bits(), squared(b, a).to_bits());
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for dim in [7, 64, 200, 4096] {
            let rows = unit_rows(2, dim, 8);
            let (a, b) = rows.split_at(dim);
            let plain = SquaredDifference { a, b }.with_simd(pulp::Scalar);
            assert_eq!(plain.to_bits(), squared(a, b).to_bits());
        }
    }

    #[test]
    fn same_row_is_at_zero_and_opposite_row_at_two() {
        for dim in [1, 2, 63, 64, 65, 4096] {
            let row = unit_rows(1, dim, 3);
            let opposite: Vec<f32> = row.iter().map(|v| -v).collect();
            assert_eq!(squared(&row, &row).to_bits(), 0.0f32.to_bits());
            let far = crate::Metric::Cosine.distance(squared(&row, &opposite));
            assert!((1.999..=2.0).contains(&far), "{far}");
        }
    }

    #[test]
    fn slack_covers_the_gap_between_dot_product_and_kernel() {
        for seed in 0..50 {
            let rows = unit_rows(2, 4096, seed);
            let (a, b) = rows.split_at(4096);
            let dot: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            assert!(((2.0 - 2.0 * dot) - squared(a, b)).abs() <= squared_slack(4096) * 2.0);
        }
    }
}
