//! How good a map is: what it keeps of the neighborhoods, and its divergence.

use crate::affinity::Affinities;
use crate::tsne::descent::cross_entropy;
use crate::tsne::repulsion;
use crate::{EmbedError, NeighborTable, lanes};
use featlas_core::RowsView;
use rayon::prelude::*;

/// Rows whose neighborhoods are examined at most, spread evenly: the cost is this times `n * dim`.
pub const QUALITY_SAMPLE: usize = 1000;

/// Figures of a map; both are means over the rows examined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Neighbors looked at.
    pub k: usize,
    /// Share of the `k` nearest rows that are among the `k` nearest points of the map, in `[0, 1]`.
    pub kept_at_k: f64,
    /// Trustworthiness (Venna & Kaski 2001): 1 unless rows that are far from each other lie close on the
    /// map, weighted by how far down they stand in the true order.
    pub trustworthiness: f64,
}

/// Compares the neighborhoods of `rows` (Euclidean distance) with those of `map`, `(n, dims)` row-major.
///
/// `k` is lowered so that `2 k < n`, as trustworthiness wants it. Of more than `sample` rows an even sample is
/// examined, each against all; [`QUALITY_SAMPLE`] is enough for two digits.
///
/// # Errors
/// [`EmbedError::Shape`] if `map` has not one point a row.
pub fn map_quality(
    rows: RowsView<'_>,
    map: RowsView<'_>,
    k: usize,
    sample: usize,
) -> Result<Quality, EmbedError> {
    let n = rows.len();
    if map.len() != n {
        let dims = map.dim();
        return Err(EmbedError::Shape { n, expected: n * dims, got: map.len() * dims });
    }
    let k = k.min(n.saturating_sub(1) / 2);
    if k == 0 {
        return Ok(Quality { k, kept_at_k: 1.0, trustworthiness: 1.0 });
    }
    let examined: Vec<usize> = (0..n).step_by(n.div_ceil(sample.max(1))).collect();
    let of_row = |&row: &usize| {
        let true_distances = distances_to(rows, row);
        let mut near: Vec<(f32, usize)> = distances_to(map, row).into_iter().zip(0..).collect();
        near.swap_remove(row);
        near.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near[..k].iter().fold((0, 0), |(kept, penalty), &(_, other)| {
            let rank = rank_of(&true_distances, row, other);
            (kept + usize::from(rank < k), penalty + (rank + 1).saturating_sub(k))
        })
    };
    let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
    let (kept, penalty) = examined.par_iter().map(of_row).reduce(|| (0, 0), add);
    let count = (examined.len() * k) as f64;
    let worst = (2 * n - 3 * k - 1) as f64;
    Ok(Quality {
        k,
        kept_at_k: kept as f64 / count,
        trustworthiness: 1.0 - 2.0 / (count * worst) * penalty as f64,
    })
}

fn distances_to(rows: RowsView<'_>, row: usize) -> Vec<f32> {
    rows.into_iter().map(|other| lanes::squared_distance(rows.row(row), other)).collect()
}

/// How many rows stand before `other` in the order of distance from `row`; ties by number.
fn rank_of(distances: &[f32], row: usize, other: usize) -> usize {
    let limit = distances[other];
    let before = distances[..other].iter().filter(|&&d| d <= limit).count();
    let after = distances[other..].iter().filter(|&&d| d < limit).count();
    before + after
        - usize::from(row != other && distances[row] <= limit && (row < other || distances[row] < limit))
}

/// The Kullback-Leibler divergence of a map, `(n, 2)` row-major, from the affinities at `perplexity` over
/// `neighbors`: what t-SNE minimizes.
///
/// The normalizing sum runs over all pairs. Cost: about `n^2 / 10^9` seconds.
///
/// # Errors
/// [`EmbedError::Shape`] if `map` has not one point a row; [`EmbedError::Parameter`] for a perplexity of at most 1
/// or not below the number of neighbors.
pub fn divergence(neighbors: &NeighborTable, map: &[f32], perplexity: f32) -> Result<f64, EmbedError> {
    let n = neighbors.len();
    if map.len() != 2 * n {
        return Err(EmbedError::Shape { n, expected: 2 * n, got: map.len() });
    }
    if !(perplexity > 1.0 && perplexity < neighbors.k() as f32) {
        let expected = "a number above 1 and below the neighbors of a point";
        return Err(EmbedError::Parameter { name: "perplexity", expected, got: perplexity.to_string() });
    }
    let affinities = Affinities::new(neighbors, perplexity.into());
    let (points, _) = map.as_chunks::<2>();
    let normalizer = repulsion::normalizer(points);
    Ok(affinities.negative_entropy() + cross_entropy(&affinities, points) + normalizer.ln())
}

#[cfg(test)]
mod tests;
