//! Nearest neighbors of raw pixels: what the network's neighbors are compared with.

use crate::IndexError;
use featlas_core::{ImageId, Neighbor};
use rayon::prelude::*;

/// Values whose squared differences surely fit 32 bits together: `65536 · 255² < 2^32`.
const RUN: usize = 65_536;

/// The `k` rows of `pixels` nearest to `query`, in Euclidean distance of grey levels.
///
/// `pixels` is `(ids.len(), dim)` bytes, row-major; distances lie in `[0, 255·√dim]`. They are compared as whole
/// numbers, so ties are true ties, and go to the smaller id. A row of zeros is a black picture and as good as any.
///
/// # Errors
/// [`IndexError::Shape`], [`IndexError::Dimension`], [`IndexError::TooFewVectors`].
pub fn exact_pixels(
    query: &[u8],
    ids: &[ImageId],
    pixels: &[u8],
    dim: usize,
    k: usize,
) -> Result<Vec<Neighbor>, IndexError> {
    let expected = ids.len().saturating_mul(dim);
    if dim == 0 || pixels.len() != expected {
        return Err(IndexError::Shape { ids: ids.len(), dim, expected, got: pixels.len() });
    }
    if query.len() != dim {
        return Err(IndexError::Dimension { expected: dim, got: query.len() });
    }
    if k > ids.len() {
        return Err(IndexError::TooFewVectors { k, len: ids.len() });
    }
    let mut squared: Vec<(u64, ImageId)> =
        pixels.par_chunks_exact(dim).zip(ids).map(|(row, &id)| (squared_distance(row, query), id)).collect();
    if k < squared.len() {
        squared.select_nth_unstable(k);
        squared.truncate(k);
    }
    squared.sort_unstable();
    #[expect(clippy::cast_possible_truncation, reason = "rounded to f32 on purpose")]
    let neighbor = |(squared, id): (u64, ImageId)| Neighbor { id, distance: (squared as f64).sqrt() as f32 };
    Ok(squared.into_iter().map(neighbor).collect())
}

fn squared_distance(a: &[u8], b: &[u8]) -> u64 {
    let run = |(a, b): (&[u8], &[u8])| {
        let sum: u32 = a.iter().zip(b).map(|(&x, &y)| u32::from(x.abs_diff(y)).pow(2)).sum();
        u64::from(sum)
    };
    a.chunks(RUN).zip(b.chunks(RUN)).map(run).sum()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "square roots of whole numbers are rounded once")]
mod tests {
    use super::*;

    fn ids(n: u64) -> Vec<ImageId> {
        (0..n).map(|id| ImageId(100 - id)).collect()
    }

    #[test]
    fn distances_are_euclidean_and_ties_go_to_the_smaller_id() {
        let pixels = [0, 0, 3, 4, 0, 5, 255, 255, 4, 3];
        let found = exact_pixels(&[0, 0], &ids(5), &pixels, 2, 4).unwrap();
        let pairs: Vec<(u64, f32)> = found.iter().map(|n| (n.id.0, n.distance)).collect();
        assert_eq!(pairs, [(100, 0.0), (96, 5.0), (98, 5.0), (99, 5.0)]);
        assert_eq!(
            exact_pixels(&[0, 0], &ids(5), &pixels, 2, 5).unwrap()[4].distance,
            (2.0f32 * 65025.0).sqrt()
        );
    }

    #[test]
    fn black_against_white_does_not_overflow() {
        let dim = 3 * 512 * 512;
        let found = exact_pixels(&vec![0; dim], &ids(1), &vec![255; dim], dim, 1).unwrap();
        assert_eq!(found[0].distance, (dim as f32).sqrt() * 255.0);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert!(exact_pixels(&[0], &ids(2), &[0; 3], 2, 1).is_err());
        assert!(exact_pixels(&[0], &ids(2), &[0; 4], 2, 1).is_err());
        let err = exact_pixels(&[0, 0], &ids(2), &[0; 4], 2, 3).unwrap_err();
        assert_eq!(err.to_string(), "asked for 3 neighbors of 2 vectors");
    }
}
