//! Nearest neighbors of raw pixels: what the network's neighbors are compared with.

use crate::exact::{Hit, Rows, all_rows, nearest_batch};
use crate::{IndexError, Metric};
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

/// [`exact_pixels`] for every row of `queries`, on all cores and several times faster than one by one. Distances are summed
/// in `f32`, so that rows closer than its last digit may change places.
///
/// # Errors
/// As [`exact_pixels`].
pub fn exact_pixels_batch(
    queries: &[u8],
    ids: &[ImageId],
    pixels: &[u8],
    dim: usize,
    k: usize,
) -> Result<Vec<Vec<Neighbor>>, IndexError> {
    let expected = ids.len().saturating_mul(dim);
    if dim == 0 || pixels.len() != expected {
        return Err(IndexError::Shape { ids: ids.len(), dim, expected, got: pixels.len() });
    }
    if !queries.len().is_multiple_of(dim) {
        return Err(IndexError::Dimension { expected: dim, got: queries.len() % dim });
    }
    if k > ids.len() {
        return Err(IndexError::TooFewVectors { k, len: ids.len() });
    }
    let queries: Vec<f32> = queries.iter().map(|&byte| f32::from(byte)).collect();
    let found = nearest_batch(&PixelRows { ids, pixels, dim }, &queries, k, all_rows)?;
    let neighbor =
        |hit: &Hit| Neighbor { id: ids[hit.row as usize], distance: Metric::L2.distance(hit.squared) };
    Ok(found.iter().map(|hits| hits.iter().map(neighbor).collect()).collect())
}

/// Bytes as rows to compare with.
struct PixelRows<'a> {
    ids: &'a [ImageId],
    pixels: &'a [u8],
    dim: usize,
}

impl Rows for PixelRows<'_> {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn id(&self, row: usize) -> ImageId {
        self.ids[row]
    }

    fn row<'a>(&'a self, row: usize, buffer: &'a mut Vec<f32>) -> Result<&'a [f32], IndexError> {
        buffer.clear();
        buffer.extend(self.pixels[row * self.dim..][..self.dim].iter().map(|&byte| f32::from(byte)));
        Ok(buffer)
    }
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
    fn batches_find_what_single_queries_find() {
        let pixels: Vec<u8> = (0..40u32 * 75).map(|i| (i * i % 251) as u8).collect();
        let batch = exact_pixels_batch(&pixels, &ids(40), &pixels, 75, 6).unwrap();
        for (query, found) in pixels.chunks(75).zip(batch) {
            assert_eq!(found, exact_pixels(query, &ids(40), &pixels, 75, 6).unwrap());
        }
        assert!(exact_pixels_batch(&pixels[..74], &ids(40), &pixels, 75, 6).is_err());
        assert!(exact_pixels_batch(&pixels, &ids(40), &pixels, 75, 41).is_err());
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
