//! The few vector operations that the kernels are written in, for every instruction set.

/// One instruction set: a vector of `LANES` f32 and what is done with it.
///
/// Every method is `unsafe` for one reason: the processor must have the instruction set. `load` and
/// `store` moreover need `LANES` valid f32 at the pointer; no alignment is asked for.
pub(super) trait Simd: Copy {
    /// A register.
    type V: Copy;
    /// Values in a register.
    const LANES: usize;
    /// Registers side by side in a tile of a matrix product.
    const COLUMNS: usize;
    /// Rows of a tile: `ROWS * COLUMNS` sums, `COLUMNS` weights and one value must fit the registers.
    const ROWS: usize;

    /// The same value in every lane.
    unsafe fn splat(value: f32) -> Self::V;
    /// Reads `LANES` values.
    unsafe fn load(from: *const f32) -> Self::V;
    /// Writes `LANES` values.
    unsafe fn store(to: *mut f32, value: Self::V);
    /// `a + b`.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, in one rounding where the instruction set has it.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of the two; if either is NaN, `b`.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The larger of the two; NaN if either is NaN.
    unsafe fn max_or_nan(a: Self::V, b: Self::V) -> Self::V;
    /// Writes `LANES` whole numbers: `value` rounded, ties to even, and no further from 0 than `limit`, a whole
    /// number that fits 16 bits. NaN becomes `-limit`.
    unsafe fn store_whole(to: *mut i16, value: Self::V, limit: Self::V);
}

/// Plain Rust, for processors without a kernel of their own; the compiler makes of it what it can.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

const PORTABLE_LANES: usize = 8;

#[inline(always)]
fn each(
    a: [f32; PORTABLE_LANES],
    b: [f32; PORTABLE_LANES],
    f: impl Fn(f32, f32) -> f32,
) -> [f32; PORTABLE_LANES] {
    let mut out = a;
    for (out, b) in out.iter_mut().zip(b) {
        *out = f(*out, b);
    }
    out
}

impl Simd for Portable {
    type V = [f32; PORTABLE_LANES];
    const LANES: usize = PORTABLE_LANES;
    const COLUMNS: usize = 2;
    const ROWS: usize = 3;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; PORTABLE_LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller vouches for `LANES` values; the read asks for no alignment.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        // SAFETY: the caller vouches for room for `LANES` values; the write asks for no alignment.
        unsafe { to.cast::<Self::V>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Two roundings: without the instruction, `mul_add` would call a slow function.
        each(each(a, b, |a, b| a * b), c, |ab, c| ab + c)
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn max_or_nan(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| if a > b || a.is_nan() { a } else { b })
    }
    #[inline(always)]
    unsafe fn store_whole(to: *mut i16, value: Self::V, limit: Self::V) {
        let mut whole = [0_i16; PORTABLE_LANES];
        for (whole, (value, limit)) in whole.iter_mut().zip(value.into_iter().zip(limit)) {
            let value = if value > -limit { value } else { -limit };
            let value = if value < limit { value } else { limit };
            #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
            let rounded = value.round_ties_even() as i16;
            *whole = rounded;
        }
        // SAFETY: the caller vouches for room for `LANES` numbers; the write asks for no alignment.
        unsafe { to.cast::<[i16; PORTABLE_LANES]>().write_unaligned(whole) }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use core::arch::x86_64::{
        __m256, __m512, _CMP_UNORD_Q, _mm_packs_epi32, _mm_storeu_si128, _mm256_add_ps, _mm256_blendv_ps,
        _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cvtps_epi32, _mm256_extracti128_si256, _mm256_fmadd_ps,
        _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_storeu_ps,
        _mm256_storeu_si256, _mm256_sub_ps, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_cvtps_epi32,
        _mm512_cvtsepi32_epi16, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_blend_ps, _mm512_max_ps,
        _mm512_min_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_storeu_ps, _mm512_sub_ps,
    };

    /// 256-bit vectors with fused multiply-add.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Avx2;

    /// 512-bit vectors: two registers side by side, so that a value is broadcast for two products.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Avx512;

    macro_rules! x86_simd {
        ($name:ident, $v:ty, $lanes:literal, $columns:literal, $rows:literal,
         $splat:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $fma:ident $max:ident $min:ident,
         |$a:ident, $larger:ident| $keep_nan:expr,
         |$to:ident, $value:ident, $limit:ident| $store_whole:expr) => {
            impl Simd for $name {
                type V = $v;
                const LANES: usize = $lanes;
                const COLUMNS: usize = $columns;
                const ROWS: usize = $rows;

                #[inline(always)]
                unsafe fn splat(value: f32) -> Self::V {
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self::V {
                    // SAFETY: the caller vouches for the instruction set and for `LANES` values.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(to: *mut f32, value: Self::V) {
                    // SAFETY: the caller vouches for the instruction set and for room for `LANES` values.
                    unsafe { $store(to, value) }
                }
                #[inline(always)]
                unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe { $add(a, b) }
                }
                #[inline(always)]
                unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe { $sub(a, b) }
                }
                #[inline(always)]
                unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe { $mul(a, b) }
                }
                #[inline(always)]
                unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe { $fma(a, b, c) }
                }
                #[inline(always)]
                unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
                    // The instruction gives its second operand when either is NaN.
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe { $max(a, b) }
                }
                #[inline(always)]
                unsafe fn max_or_nan($a: Self::V, b: Self::V) -> Self::V {
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe {
                        let $larger = $max($a, b);
                        $keep_nan
                    }
                }
                #[inline(always)]
                unsafe fn store_whole($to: *mut i16, value: Self::V, $limit: Self::V) {
                    // SAFETY: the caller vouches for the instruction set and for room for `LANES` numbers.
                    unsafe {
                        // Both instructions give their second operand when either is NaN.
                        let $value = $min($max(value, $sub($splat(0.0), $limit)), $limit);
                        $store_whole
                    }
                }
            }
        };
    }

    x86_simd!(
        Avx2, __m256, 8, 2, 6,
        _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps
        _mm256_fmadd_ps _mm256_max_ps _mm256_min_ps,
        |a, larger| _mm256_blendv_ps(larger, a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a)),
        |to, value, limit| {
            let wide = _mm256_cvtps_epi32(value);
            let (low, high) = (_mm256_castsi256_si128(wide), _mm256_extracti128_si256::<1>(wide));
            _mm_storeu_si128(to.cast(), _mm_packs_epi32(low, high));
        }
    );

    x86_simd!(
        Avx512, __m512, 16, 2, 12,
        _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps
        _mm512_fmadd_ps _mm512_max_ps _mm512_min_ps,
        |a, larger| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), larger, a),
        |to, value, limit| _mm256_storeu_si256(to.cast(), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(value)))
    );
}

#[cfg(target_arch = "aarch64")]
pub(super) use arm::Neon;

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::Simd;
    use core::arch::aarch64::{
        float32x4_t, vaddq_f32, vbslq_f32, vcgtq_f32, vcltq_f32, vcvtnq_s32_f32, vdupq_n_f32, vfmaq_f32,
        vld1q_f32, vmaxq_f32, vmovn_s32, vmulq_f32, vnegq_f32, vst1_s16, vst1q_f32, vsubq_f32,
    };

    /// 128-bit vectors with fused multiply-add, which every aarch64 processor has.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Neon;

    impl Simd for Neon {
        type V = float32x4_t;
        const LANES: usize = 4;
        const COLUMNS: usize = 4;
        const ROWS: usize = 6;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self::V {
            // SAFETY: the caller vouches for the instruction set.
            unsafe { vdupq_n_f32(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            // SAFETY: the caller vouches for the instruction set and for `LANES` values.
            unsafe { vld1q_f32(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, value: Self::V) {
            // SAFETY: the caller vouches for the instruction set and for room for `LANES` values.
            unsafe { vst1q_f32(to, value) }
        }
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the caller vouches for the instruction set.
            unsafe { vaddq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the caller vouches for the instruction set.
            unsafe { vsubq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the caller vouches for the instruction set.
            unsafe { vmulq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            // SAFETY: the caller vouches for the instruction set.
            unsafe { vfmaq_f32(c, a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the caller vouches for the instruction set.
            unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
        }
        #[inline(always)]
        unsafe fn max_or_nan(a: Self::V, b: Self::V) -> Self::V {
            // The instruction itself gives NaN when either is.
            // SAFETY: the caller vouches for the instruction set.
            unsafe { vmaxq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn store_whole(to: *mut i16, value: Self::V, limit: Self::V) {
            // SAFETY: the caller vouches for the instruction set and for room for `LANES` numbers.
            unsafe {
                let low = vnegq_f32(limit);
                let value = vbslq_f32(vcgtq_f32(value, low), value, low);
                let value = vbslq_f32(vcltq_f32(value, limit), value, limit);
                vst1_s16(to, vmovn_s32(vcvtnq_s32_f32(value)));
            }
        }
    }
}
