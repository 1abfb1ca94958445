//! Sums over rows of `f32` in a fixed number of lanes, compiled for the CPU at hand.
//!
//! The lanes decide the order of the additions, so every CPU gives the same bits.

use pulp::{Arch, Simd, WithSimd};

/// Sums that run side by side.
pub(crate) const LANES: usize = 16;

/// Runs `op` compiled for the widest instructions of this CPU; whatever it inlines is compiled so, too.
pub(crate) fn dispatch<T>(op: impl Wide<Output = T>) -> T {
    Arch::new().dispatch(Wrapped(op))
}

/// Plain code that the compiler can turn into vector instructions. Implementations are `#[inline(always)]`: only
/// inlined code is compiled for the CPU that the dispatch found.
pub(crate) trait Wide {
    type Output;

    fn run(self) -> Self::Output;
}

struct Wrapped<W>(W);

impl<W: Wide> WithSimd for Wrapped<W> {
    type Output = W::Output;

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> W::Output {
        self.0.run()
    }
}

/// Squared Euclidean distance of two rows of one length.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    dispatch(SquaredDistance { a, b })
}

/// Squared length of a row.
pub(crate) fn dot_self(a: &[f32]) -> f32 {
    dispatch(DotSelf { a })
}

/// Whether any of at most [`LANES`] rows has a key `norm - 2 dot` below `limit`.
#[inline]
pub(crate) fn any_key_below(dots: &[f32], norms: &[f32], limit: f32) -> bool {
    match (<&[f32; LANES]>::try_from(dots), <&[f32; LANES]>::try_from(norms)) {
        (Ok(dots), Ok(norms)) => {
            let mut below = 0_u32;
            for lane in 0..LANES {
                below |= u32::from(norms[lane] - 2.0 * dots[lane] < limit);
            }
            below != 0
        }
        _ => dots.iter().zip(norms).any(|(dot, norm)| norm - 2.0 * dot < limit),
    }
}

struct SquaredDistance<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl Wide for SquaredDistance<'_> {
    type Output = f32;

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
    #[inline(always)]
    fn run(self) -> f32 {
        let (a_blocks, a_rest) = self.a.as_chunks::<LANES>();
        let (b_blocks, b_rest) = self.b.as_chunks::<LANES>();
        let mut sums = [0.0_f32; LANES];
        for (a, b) in a_blocks.iter().zip(b_blocks) {
            for lane in 0..LANES {
                let difference = a[lane] - b[lane];
                sums[lane] += difference * difference;
            }
        }
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
        sums.iter().sum::<f32>() + rest
    }
}

struct DotSelf<'a> {
    a: &'a [f32],
}

impl Wide for DotSelf<'_> {
    type Output = f32;

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU")]
    #[inline(always)]
    fn run(self) -> f32 {
        let (blocks, rest) = self.a.as_chunks::<LANES>();
        let mut sums = [0.0_f32; LANES];
        for block in blocks {
            for lane in 0..LANES {
                sums[lane] += block[lane] * block[lane];
            }
        }
        sums.iter().sum::<f32>() + rest.iter().map(|v| v * v).sum::<f32>()
    }
}
