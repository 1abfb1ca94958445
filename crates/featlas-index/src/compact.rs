//! Compact vectors: a row's place along a few directions, 7 bits each.
//!
//! The directions are the leading principal components, turned by a random rotation. The rotation keeps all
//! distances and spreads the variance evenly, so that one step serves every direction, and distances between codes
//! are plain sums of squared whole numbers. With 7 bits a squared difference and the sum of two of them fit 16 bits.

use crate::kernel::{self, Kernel, Work};
use crate::record::Sparse;
use crate::{Basis, IndexError};
use faer::Mat;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Codes come in blocks of so many bytes: the rank of a compact vector is a multiple of it.
pub(crate) const LANES: usize = 32;
/// Directions a compact vector may have.
pub(crate) const MAX_RANK: usize = 512;
/// The largest code.
const TOP: f32 = 127.0;
/// Standard deviations of a turned direction that its codes cover to either side; what lies beyond is cut off there.
const REACH: f32 = 4.5;
/// Seed of the rotation. It decides rounding errors only.
const SEED: u64 = 0x000C_0DE5;

/// The map from a row to its code.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Projection {
    dim: usize,
    rank: usize,
    // (dim, rank) row-major, the upper halves of `f32`: rounding here bends distances by a thousandth, and exact distances
    // decide in the end.
    matrix: Vec<u16>,
    // What a direction's code is before the row's part is added, `(rank)`.
    offset: Vec<f32>,
    step: f32,
}

impl Projection {
    /// Makes the map to the first `rank` directions of `basis`.
    ///
    /// `rank` is cut to [`MAX_RANK`] and rounded up to a multiple of [`LANES`]; directions that the basis lacks are zero.
    pub(crate) fn new(basis: &Basis, rank: usize) -> Self {
        let (dim, kept) = (basis.dim(), rank.min(basis.rank()).clamp(1, MAX_RANK));
        let rank = kept.next_multiple_of(LANES);
        let rotation = rotation(rank);
        let variance: f64 = basis.variances()[..kept.min(basis.rank())].iter().sum();
        #[expect(clippy::cast_possible_truncation, reason = "a spread of finite rows")]
        let spread = (variance / rank as f64).sqrt() as f32;
        let step = if spread > 0.0 { 2.0 * REACH * spread / TOP } else { 1.0 };
        let mut matrix = vec![0u16; dim * rank];
        let mut offset = vec![0.0f32; rank];
        let axes = Mat::from_fn(kept, dim, |axis, at| basis.axis(axis)[at]);
        let turned = rotation.get(.., ..kept) * &axes;
        for at in 0..dim {
            for direction in 0..rank {
                let value = turned[(direction, at)] / step;
                let stored = to_upper(value);
                matrix[at * rank + direction] = stored;
                offset[direction] -= from_upper(stored) * basis.mean()[at];
            }
        }
        for value in &mut offset {
            *value += TOP.midpoint(1.0);
        }
        Self { dim, rank, matrix, offset, step }
    }

    /// Puts a map together again that a file holds.
    pub(crate) fn from_parts(
        dim: usize,
        rank: usize,
        matrix: Vec<u16>,
        offset: Vec<f32>,
        step: f32,
    ) -> Result<Self, String> {
        let finite = offset.iter().chain([&step]).all(|value| value.is_finite())
            && matrix.iter().all(|&value| from_upper(value).is_finite());
        let shape = rank.is_multiple_of(LANES) && (LANES..=MAX_RANK).contains(&rank);
        if !finite || !shape || step <= 0.0 || matrix.len() != dim * rank || offset.len() != rank {
            return Err(format!("its projection of {dim} values to {rank} is none"));
        }
        Ok(Self { dim, rank, matrix, offset, step })
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    pub(crate) fn matrix(&self) -> &[u16] {
        &self.matrix
    }

    pub(crate) fn offset(&self) -> &[f32] {
        &self.offset
    }

    pub(crate) fn step(&self) -> f32 {
        self.step
    }

    /// Writes the code of `row` into `code`, which has [`Projection::rank`] bytes.
    pub(crate) fn encode(&self, row: &Sparse, code: &mut [u8]) {
        kernel::run(Encode { projection: self, row, code });
    }
}

/// The work of [`Projection::encode`], compiled for each instruction set.
struct Encode<'a> {
    projection: &'a Projection,
    row: &'a Sparse,
    code: &'a mut [u8],
}

impl Work for Encode<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
    #[inline(always)]
    fn with_kernel<K: Kernel>(self, kernel: K) {
        let Self { projection, row, code } = self;
        let mut first = 0;
        while first + WIDE <= projection.rank {
            encode_block::<WIDE, K>(kernel, projection, row, first, code);
            first += WIDE;
        }
        while first < projection.rank {
            encode_block::<LANES, K>(kernel, projection, row, first, code);
            first += LANES;
        }
    }
}

/// Sums of directions kept in registers at a time, where the rank has so many left.
const WIDE: usize = 96;
/// Components of the row that weights are asked for ahead of.
const AHEAD: usize = 8;

/// Directions `first..first + BLOCK` of a code.
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
#[inline(always)]
fn encode_block<const BLOCK: usize, K: Kernel>(
    kernel: K,
    projection: &Projection,
    row: &Sparse,
    first: usize,
    code: &mut [u8],
) {
    let weights_of = |at: u32| {
        let from = at as usize * projection.rank + first;
        projection.matrix.get(from..).and_then(|rest| rest.first_chunk::<BLOCK>())
    };
    let mut sums = [0.0f32; BLOCK];
    sums.copy_from_slice(&projection.offset[first..first + BLOCK]);
    for (place, (&at, &value)) in row.at.iter().zip(&row.values).enumerate() {
        if let Some(weights) = row.at.get(place + AHEAD).and_then(|&at| weights_of(at)) {
            kernel.prefetch(bytemuck::cast_slice(weights));
        }
        let Some(weights) = weights_of(at) else { continue };
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            *sum += f32::from_bits(u32::from(weight) << 16) * value;
        }
    }
    for (byte, sum) in code[first..first + BLOCK].iter_mut().zip(sums) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
        let rounded = sum.clamp(0.0, TOP) as u8;
        *byte = rounded;
    }
}

/// The upper half of `value`, rounded to nearest.
fn to_upper(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    (rounded >> 16) as u16
}

fn from_upper(upper: u16) -> f32 {
    f32::from_bits(u32::from(upper) << 16)
}

/// A random rotation, `(rank, rank)`.
fn rotation(rank: usize) -> Mat<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    // Sums of uniform numbers are near enough to normal, and so the rotation to uniform.
    let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    let random = Mat::<f64>::from_fn(rank, rank, |_, _| normal());
    let turned = random.qr().compute_Q();
    #[expect(clippy::cast_possible_truncation, reason = "entries of unit vectors")]
    Mat::from_fn(rank, rank, |i, j| turned[(i, j)] as f32)
}

/// Refuses a row of another length than the basis.
pub(crate) fn check_dim(basis: &Basis, dim: usize) -> Result<(), IndexError> {
    if basis.dim() == dim { Ok(()) } else { Err(IndexError::Dimension { expected: dim, got: basis.dim() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Plain;
    use crate::testkit::{clustered, vectors_of};

    #[test]
    fn distances_between_codes_are_those_between_rows() {
        let vectors = vectors_of(clustered(200, 48, 8, 2), 48);
        let projection = Projection::new(&Basis::of_components(vectors.rows()), 48);
        assert_eq!(projection.rank(), 64);
        let mut codes = vec![0; 200 * 64];
        for (row, code) in codes.chunks_exact_mut(64).enumerate() {
            let mut sparse = Sparse::default();
            sparse.set(vectors.row(row));
            projection.encode(&sparse, code);
        }
        let unit = projection.step() * projection.step();
        for row in 1..200 {
            let exact = crate::distance::squared(vectors.row(0), vectors.row(row));
            let coded = Plain.code_distance(&codes[..64], &codes[row * 64..][..64]) as f32 * unit;
            assert!(
                (exact - coded).abs() < 0.05 * exact + 0.01,
                "row {row}: {exact} by rows, {coded} by codes"
            );
        }
    }

    #[test]
    fn values_that_are_no_projection_are_refused() {
        assert!(Projection::from_parts(2, 32, vec![0; 64], vec![0.0; 32], 1.0).is_ok());
        assert!(Projection::from_parts(2, 32, vec![0; 63], vec![0.0; 32], 1.0).is_err());
        assert!(Projection::from_parts(2, 33, vec![0; 66], vec![0.0; 33], 1.0).is_err());
        assert!(Projection::from_parts(2, 32, vec![0xffff; 64], vec![0.0; 32], 1.0).is_err());
        assert!(Projection::from_parts(2, 32, vec![0; 64], vec![f32::NAN; 32], 1.0).is_err());
        assert!(Projection::from_parts(2, 32, vec![0; 64], vec![0.0; 32], 0.0).is_err());
    }
}
