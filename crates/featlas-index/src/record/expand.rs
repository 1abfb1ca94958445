//! Sparse records by AVX2: eight components at a time, without a branch on the data.

use crate::distance;
use crate::kernel::Kernel as _;
use pulp::x86::V3;
use std::arch::x86_64::__m256;

/// For each byte of bits, which of the next values goes to each of eight places.
static PLACES: [[u8; 8]; 256] = places();
/// The bit of each place.
const BITS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

const fn places() -> [[u8; 8]; 256] {
    let mut places = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut place, mut next) = (0, 0);
        while place < 8 {
            places[byte][place] = next;
            if byte >> place & 1 == 1 {
                next += 1;
            }
            place += 1;
        }
        byte += 1;
    }
    places
}

/// Takes the values that belong to the bits of `byte` from the front of `values`, and puts zeros elsewhere.
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
#[inline(always)]
fn take_eight(v3: V3, byte: u8, values: &mut &[u32]) -> __m256 {
    let mut next = [0u32; 8];
    match values.first_chunk::<8>() {
        Some(eight) => next = *eight,
        None => next[..values.len()].copy_from_slice(values),
    }
    let bits = pulp::cast(BITS);
    let places = u64::from_le_bytes(PLACES[usize::from(byte)]);
    let places = v3.avx2._mm256_cvtepu8_epi32(pulp::cast([places, 0]));
    let placed = v3.avx2._mm256_permutevar8x32_epi32(pulp::cast(next), places);
    let mine = v3.avx2._mm256_and_si256(v3.avx._mm256_set1_epi32(i32::from(byte)), bits);
    let kept = v3.avx2._mm256_cmpeq_epi32(mine, bits);
    *values = &values[values.len().min(byte.count_ones() as usize)..];
    pulp::cast(v3.avx2._mm256_and_si256(placed, kept))
}

/// The work of [`super::unpack`].
pub(super) struct Expand<'a> {
    pub(super) v3: V3,
    pub(super) bitmap: &'a [u32],
    pub(super) values: &'a [u32],
    pub(super) row: &'a mut [f32],
}

impl pulp::WithSimd for Expand<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let Self { v3, bitmap, mut values, row } = self;
        let bytes: &[u8] = bytemuck::cast_slice(bitmap);
        let (groups, tail) = row.as_chunks_mut::<8>();
        for (group, &byte) in groups.iter_mut().zip(bytes) {
            *group = pulp::cast(take_eight(v3, byte, &mut values));
        }
        let last = bytes.get(groups.len()).copied().unwrap_or(0);
        for (place, value) in tail.iter_mut().enumerate() {
            *value = 0.0;
            if let Some((&bits, rest)) = values.split_first().filter(|_| last >> place & 1 == 1) {
                *value = f32::from_bits(bits);
                values = rest;
            }
        }
    }
}

/// Bytes of bits for one round of the distance kernel's lanes.
const ROUND: usize = distance::LANES / 8;

/// Words of a cache line.
const LINE_WORDS: usize = 16;

/// The work of [`super::squared_to`] for a query of whole rounds of lanes: the row is never written out.
pub(super) struct SquaredDifference<'a> {
    pub(super) v3: V3,
    pub(super) bitmap: &'a [u32],
    pub(super) values: &'a [u32],
    pub(super) query: &'a [f32],
    /// The next record: it comes nearer round by round.
    pub(super) ahead: &'a [u32],
}

impl pulp::WithSimd for SquaredDifference<'_> {
    type Output = Option<f32>;

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> Option<f32> {
        let Self { v3, bitmap, mut values, query, mut ahead } = self;
        let bytes: &[u8] = bytemuck::cast_slice(bitmap);
        let count = bytes.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
        if count != values.len() {
            return None;
        }
        let step = ahead.len().div_ceil(query.len() / distance::LANES).next_multiple_of(LINE_WORDS);
        let mut sums = [v3.avx._mm256_setzero_ps(); ROUND];
        for (bytes, query) in
            bytes.as_chunks::<ROUND>().0.iter().zip(query.as_chunks::<{ distance::LANES }>().0)
        {
            let (near, far) = ahead.split_at(ahead.len().min(step));
            v3.prefetch(bytemuck::cast_slice(near));
            ahead = far;
            for ((sum, &byte), query) in sums.iter_mut().zip(bytes).zip(query.as_chunks::<8>().0) {
                let difference = v3.avx._mm256_sub_ps(take_eight(v3, byte, &mut values), pulp::cast(*query));
                *sum = v3.avx._mm256_add_ps(*sum, v3.avx._mm256_mul_ps(difference, difference));
            }
        }
        let mut lanes = [0.0; distance::LANES];
        for (lanes, sum) in lanes.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            *lanes = pulp::cast(sum);
        }
        Some(distance::sum_of_lanes(lanes))
    }
}
