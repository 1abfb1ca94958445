//! What is compiled for the CPU at hand: comparing codes, and asking for memory ahead of its use.
//!
//! All kernels give the same numbers; only the time differs.

use crate::compact::LANES;

/// A way to compute, chosen once for a whole search or a whole round of linking.
pub(crate) trait Kernel: Copy {
    /// Squared difference of two codes of the same length, a multiple of [`LANES`], of values below 128.
    fn code_distance(self, a: &[u8], b: &[u8]) -> u32;

    /// Asks for `bytes` to be brought near; they are not looked at.
    fn prefetch(self, bytes: &[u8]);
}

/// Work that is compiled for each kernel. Functions that it calls for a kernel must be inlined into it.
pub(crate) trait Work {
    /// What comes out.
    type Output;

    /// Does the work.
    fn with_kernel<K: Kernel>(self, kernel: K) -> Self::Output;
}

/// Does `work` by the fastest kernel of this CPU.
pub(crate) fn run<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        return pulp::Simd::vectorize(v3, avx2::On { v3, work });
    }
    pulp::Arch::new().dispatch(Portable(work))
}

/// [`Kernel::prefetch`] by itself.
pub(crate) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        v3.prefetch(bytes);
    }
    #[cfg(not(target_arch = "x86_64"))]
    Plain.prefetch(bytes);
}

/// Left to the compiler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain;

impl Kernel for Plain {
    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
    #[inline(always)]
    fn code_distance(self, a: &[u8], b: &[u8]) -> u32 {
        let mut sums = [0u32; LANES];
        for (x, y) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
            for (sum, (&x, &y)) in sums.iter_mut().zip(x.iter().zip(y)) {
                let difference = u16::from(x.abs_diff(y));
                *sum += u32::from(difference * difference);
            }
        }
        // At most 512 · 127².
        sums.iter().sum()
    }

    #[inline]
    fn prefetch(self, _bytes: &[u8]) {}
}

struct Portable<W>(W);

impl<W: Work> pulp::WithSimd for Portable<W> {
    type Output = W::Output;

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> W::Output {
        self.0.with_kernel(Plain)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Kernel, LANES, Work};
    use pulp::x86::V3;
    use std::arch::x86_64::{__m256i, _MM_HINT_T0};

    /// Bytes of a cache line.
    const LINE: usize = 64;

    pub(super) struct On<W> {
        pub(super) v3: V3,
        pub(super) work: W,
    }

    impl<W: Work> pulp::WithSimd for On<W> {
        type Output = W::Output;

        #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _simd: S) -> W::Output {
            self.work.with_kernel(self.v3)
        }
    }

    impl Kernel for V3 {
        #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
        #[inline(always)]
        fn code_distance(self, a: &[u8], b: &[u8]) -> u32 {
            let ones = self.avx._mm256_set1_epi16(1);
            let mut sums = self.avx._mm256_setzero_si256();
            for (x, y) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
                let (x, y): (__m256i, __m256i) = (pulp::cast(*x), pulp::cast(*y));
                // Codes have 7 bits: differences fit a signed byte, sums of two squares 15 bits.
                let difference = self.avx2._mm256_abs_epi8(self.avx2._mm256_sub_epi8(x, y));
                let pairs = self.avx2._mm256_maddubs_epi16(difference, difference);
                sums = self.avx2._mm256_add_epi32(sums, self.avx2._mm256_madd_epi16(pairs, ones));
            }
            let halves = self.sse2._mm_add_epi32(
                self.avx2._mm256_extracti128_si256::<1>(sums),
                self.avx._mm256_castsi256_si128(sums),
            );
            let quarters =
                self.sse2._mm_add_epi32(halves, self.sse2._mm_shuffle_epi32::<0b00_00_11_10>(halves));
            let sum =
                self.sse2._mm_add_epi32(quarters, self.sse2._mm_shuffle_epi32::<0b00_00_00_01>(quarters));
            self.sse2._mm_cvtsi128_si32(sum).unsigned_abs()
        }

        #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
        #[inline(always)]
        fn prefetch(self, bytes: &[u8]) {
            for line in bytes.chunks(LINE) {
                self.sse._mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Distance<'a>(&'a [u8], &'a [u8]);

    impl Work for Distance<'_> {
        type Output = u32;

        #[expect(clippy::inline_always, reason = "compiled for each kernel")]
        #[inline(always)]
        fn with_kernel<K: Kernel>(self, kernel: K) -> u32 {
            kernel.prefetch(self.0);
            kernel.code_distance(self.0, self.1)
        }
    }

    #[test]
    fn every_kernel_gives_the_same_distance() {
        let far: Vec<u8> = (0..512u32).map(|i| if i % 3 == 0 { 127 } else { (i * 37 % 128) as u8 }).collect();
        for len in [32, 64, 160, 512] {
            let reversed: Vec<u8> = far[..len].iter().rev().copied().collect();
            for (a, b) in
                [(&far[..len], &vec![0u8; len]), (&far[..len], &vec![127; len]), (&far[..len], &reversed)]
                    .into_iter()
                    .chain([(&vec![127u8; len][..], &vec![0u8; len])])
            {
                let sum: u32 = a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum();
                assert_eq!(Plain.code_distance(a, b), sum);
                assert_eq!(run(Distance(a, b)), sum);
                assert_eq!(pulp::Arch::new().dispatch(Portable(Distance(a, b))), sum);
            }
        }
    }
}
