//! The instruction sets that products of integers are compiled for.

use super::super::aligned::Integer;
use super::{Tile, tile};

/// What the kernels need of an instruction set: a register of `LANES` 32-bit sums.
///
/// Every method is `unsafe`: the processor must have the instruction set, and pointers must point to as many
/// numbers as are read or written; no alignment is asked for.
pub(super) trait Pairs: Copy {
    /// A register of sums.
    type Sums: Copy;
    /// A register of two 16-bit numbers a lane.
    type Twos: Copy;
    const LANES: usize;
    /// Registers side by side in a tile.
    const COLUMNS: usize;
    /// Rows of a tile: `ROWS * COLUMNS` sums, `COLUMNS` weights, a pair and a product must fit the registers.
    const ROWS: usize;

    unsafe fn zero() -> Self::Sums;
    /// Reads `LANES` sums.
    unsafe fn load(from: *const i32) -> Self::Sums;
    /// Writes `LANES` sums.
    unsafe fn store(to: *mut i32, sums: Self::Sums);
    /// The same two activations in every lane.
    unsafe fn pair(from: *const i16) -> Self::Twos;
    /// Two weights for each lane.
    unsafe fn wide(from: *const i16) -> Self::Twos;
    /// The same from 8 bits.
    unsafe fn narrow(from: *const i8) -> Self::Twos;
    /// Adds the two products of each lane to its sum.
    unsafe fn add_products(sums: Self::Sums, pair: Self::Twos, weights: Self::Twos) -> Self::Sums;
    /// Writes `sum * unit + bias`, in two roundings; a null bias is none.
    unsafe fn finish(to: *mut f32, sums: Self::Sums, units: *const f32, bias: *const f32, relu: bool);
    /// Computes a tile of `rows` rows, at most `ROWS`, of a panel of `width` blocks; everything that `tile`
    /// points to must be there.
    unsafe fn tile<W: Integer>(rows: usize, width: usize, tile: &Tile<W>);
}

/// The tiles of one instruction set: an entry with its instructions switched on, and a copy of the tile for
/// every width, height and distance that occurs.
macro_rules! tiles {
    ($set:ty, $(#[$feature:meta])? widths $widths:tt, rows $($row:literal)+) => {
        unsafe fn tile<W: Integer>(rows: usize, width: usize, args: &Tile<W>) {
            $(#[$feature])?
            unsafe fn run<W: Integer, const NV: usize, const RS: usize>(rows: usize, args: &Tile<W>) {
                match rows {
                    // SAFETY: as the caller promises.
                    $($row => unsafe { tile::<$set, W, $row, NV, RS>(args) },)+
                    _ => unreachable!("drive() cuts tiles of at most ROWS rows"),
                }
            }
            tiles!(@widths $widths, rows, width, args)
        }
    };
    (@widths [$($width:literal is $nv:literal),+], $rows:ident, $blocks:ident, $args:ident) => {
        // SAFETY: as the caller promises.
        unsafe {
            match ($blocks, $args.walk.row_stride) {
                $(
                    ($width, 16) => run::<W, $nv, 16>($rows, $args),
                    ($width, _) => run::<W, $nv, 0>($rows, $args),
                )+
                _ => unreachable!("drive() cuts panels of these widths"),
            }
        }
    };
}

/// Plain Rust.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

/// Sums of a register of [`Portable`].
const PORTABLE_LANES: usize = 8;

impl Pairs for Portable {
    type Sums = [i32; PORTABLE_LANES];
    type Twos = [[i16; 2]; PORTABLE_LANES];
    const LANES: usize = PORTABLE_LANES;
    const COLUMNS: usize = 2;
    const ROWS: usize = 3;

    #[inline(always)]
    unsafe fn zero() -> Self::Sums {
        [0; PORTABLE_LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self::Sums {
        // SAFETY: the caller vouches for `LANES` sums; the read asks for no alignment.
        unsafe { from.cast::<Self::Sums>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut i32, sums: Self::Sums) {
        // SAFETY: the caller vouches for room for `LANES` sums; the write asks for no alignment.
        unsafe { to.cast::<Self::Sums>().write_unaligned(sums) }
    }
    #[inline(always)]
    unsafe fn pair(from: *const i16) -> Self::Twos {
        // SAFETY: the caller vouches for two activations; the read asks for no alignment.
        [unsafe { from.cast::<[i16; 2]>().read_unaligned() }; PORTABLE_LANES]
    }
    #[inline(always)]
    unsafe fn wide(from: *const i16) -> Self::Twos {
        // SAFETY: the caller vouches for two weights a lane; the read asks for no alignment.
        unsafe { from.cast::<Self::Twos>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn narrow(from: *const i8) -> Self::Twos {
        // SAFETY: the caller vouches for two weights a lane; bytes have no alignment.
        let bytes = unsafe { from.cast::<[[i8; 2]; PORTABLE_LANES]>().read() };
        bytes.map(|pair| pair.map(i16::from))
    }
    #[inline(always)]
    unsafe fn add_products(sums: Self::Sums, pair: Self::Twos, weights: Self::Twos) -> Self::Sums {
        let mut out = sums;
        for (sum, (a, w)) in out.iter_mut().zip(pair.into_iter().zip(weights)) {
            *sum += i32::from(a[0]) * i32::from(w[0]) + i32::from(a[1]) * i32::from(w[1]);
        }
        out
    }
    #[inline(always)]
    unsafe fn finish(to: *mut f32, sums: Self::Sums, units: *const f32, bias: *const f32, relu: bool) {
        for (lane, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller vouches for `LANES` values behind each pointer that is not null.
            unsafe {
                let value = sum as f32 * *units.add(lane);
                let value = if bias.is_null() { value } else { value + *bias.add(lane) };
                *to.add(lane) = if relu && value <= 0.0 { 0.0 } else { value };
            }
        }
    }
    tiles!(Portable, widths [1 is 2], rows 1 2 3);
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512, Vnni};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Integer, Pairs, Tile, tile};
    use core::arch::x86_64::{
        __m256i, __m512i, _mm_loadu_si128, _mm256_add_epi32, _mm256_add_ps, _mm256_cvtepi8_epi16,
        _mm256_cvtepi32_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_max_ps,
        _mm256_mul_ps, _mm256_set1_epi32, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_storeu_ps,
        _mm256_storeu_si256, _mm512_add_epi32, _mm512_add_ps, _mm512_cvtepi8_epi16, _mm512_cvtepi32_ps,
        _mm512_dpwssd_epi32, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_max_ps,
        _mm512_mul_ps, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
        _mm512_storeu_si512,
    };

    /// 256-bit vectors.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Avx2;

    /// 512-bit vectors.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Avx512;

    /// 512-bit vectors that multiply and add in one instruction.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Vnni;

    macro_rules! x86_pairs {
        ($name:ident, $v:ty, $lanes:literal, $rows:literal,
         $setzero:ident $load:ident $load_half:ident $store:ident $set1:ident $widen:ident
         $zero_ps:ident $load_ps:ident $store_ps:ident $convert:ident $mul:ident $add:ident $max:ident,
         |$sums:ident, $pair:ident, $weights:ident| $products:expr, $($tiles:tt)+) => {
            impl Pairs for $name {
                type Sums = $v;
                type Twos = $v;
                const LANES: usize = $lanes;
                const COLUMNS: usize = 2;
                const ROWS: usize = $rows;

                #[inline(always)]
                unsafe fn zero() -> $v {
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe { $setzero() }
                }
                #[inline(always)]
                unsafe fn load(from: *const i32) -> $v {
                    // SAFETY: the caller vouches for the instruction set and for `LANES` sums.
                    unsafe { $load(from.cast()) }
                }
                #[inline(always)]
                unsafe fn store(to: *mut i32, sums: $v) {
                    // SAFETY: the caller vouches for the instruction set and for room for `LANES` sums.
                    unsafe { $store(to.cast(), sums) }
                }
                #[inline(always)]
                unsafe fn pair(from: *const i16) -> $v {
                    // SAFETY: the caller vouches for the instruction set and for two activations.
                    unsafe { $set1(from.cast::<i32>().read_unaligned()) }
                }
                #[inline(always)]
                unsafe fn wide(from: *const i16) -> $v {
                    // SAFETY: the caller vouches for the instruction set and for two weights a lane.
                    unsafe { $load(from.cast()) }
                }
                #[inline(always)]
                unsafe fn narrow(from: *const i8) -> $v {
                    // SAFETY: the caller vouches for the instruction set and for two weights a lane.
                    unsafe { $widen($load_half(from.cast())) }
                }
                #[inline(always)]
                unsafe fn add_products($sums: $v, $pair: $v, $weights: $v) -> $v {
                    // SAFETY: the caller vouches for the instruction set.
                    unsafe { $products }
                }
                #[inline(always)]
                unsafe fn finish(to: *mut f32, sums: $v, units: *const f32, bias: *const f32, relu: bool) {
                    // SAFETY: the caller vouches for the instruction set and for `LANES` values behind each
                    // pointer that is not null.
                    unsafe {
                        let mut value = $mul($convert(sums), $load_ps(units));
                        if !bias.is_null() {
                            value = $add(value, $load_ps(bias));
                        }
                        // Of equal zeros the instruction gives its second operand.
                        $store_ps(to, if relu { $max(value, $zero_ps()) } else { value });
                    }
                }
                tiles!($name, $($tiles)+);
            }
        };
    }

    x86_pairs!(
        Avx2, __m256i, 8, 6,
        _mm256_setzero_si256 _mm256_loadu_si256 _mm_loadu_si128 _mm256_storeu_si256 _mm256_set1_epi32
        _mm256_cvtepi8_epi16
        _mm256_setzero_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_cvtepi32_ps _mm256_mul_ps _mm256_add_ps
        _mm256_max_ps,
        |sums, pair, weights| _mm256_add_epi32(sums, _mm256_madd_epi16(pair, weights)),
        #[target_feature(enable = "avx2")] widths [1 is 2], rows 1 2 3 4 5 6
    );

    x86_pairs!(
        Avx512, __m512i, 16, 8,
        _mm512_setzero_si512 _mm512_loadu_si512 _mm256_loadu_si256 _mm512_storeu_si512 _mm512_set1_epi32
        _mm512_cvtepi8_epi16
        _mm512_setzero_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_cvtepi32_ps _mm512_mul_ps _mm512_add_ps
        _mm512_max_ps,
        |sums, pair, weights| _mm512_add_epi32(sums, _mm512_madd_epi16(pair, weights)),
        #[target_feature(enable = "avx512f,avx512bw")] widths [2 is 2, 1 is 1], rows 1 2 3 4 5 6 7 8
    );

    x86_pairs!(
        Vnni, __m512i, 16, 8,
        _mm512_setzero_si512 _mm512_loadu_si512 _mm256_loadu_si256 _mm512_storeu_si512 _mm512_set1_epi32
        _mm512_cvtepi8_epi16
        _mm512_setzero_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_cvtepi32_ps _mm512_mul_ps _mm512_add_ps
        _mm512_max_ps,
        |sums, pair, weights| _mm512_dpwssd_epi32(sums, pair, weights),
        #[target_feature(enable = "avx512f,avx512bw,avx512vnni")] widths [2 is 2, 1 is 1], rows 1 2 3 4 5 6 7 8
    );
}
