//! Numbers for tests.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Uniform numbers in `[-1, 1)`.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// `n` rows of ten values in five clusters, one after the other.
pub(crate) fn clusters(n: usize, seed: u64) -> Vec<f32> {
    let mut rows = noise(10 * n, seed);
    for (i, row) in rows.chunks_exact_mut(10).enumerate() {
        for value in row.iter_mut() {
            *value *= 0.3;
        }
        row[i % 5] += 1.0;
    }
    rows
}

/// Points of a map `width` wide.
pub(crate) fn points(n: usize, width: f32, seed: u64) -> Vec<[f32; 2]> {
    noise(2 * n, seed).as_chunks::<2>().0.iter().map(|point| point.map(|v| v * width / 2.0)).collect()
}
