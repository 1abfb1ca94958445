//! How much of the neighborhoods a map keeps.

use crate::EmbedError;
use featlas_core::RowsView;
use rayon::prelude::*;

/// Rows whose neighborhoods are examined at most, spread evenly: the cost is this times `n * dim`.
pub const QUALITY_SAMPLE: usize = 1000;
/// Sums that run side by side, so that the compiler may use vectors.
const LANES: usize = 16;

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

/// Compares the neighborhoods of `rows` (Euclidean distance) with those of `map`, `(n, 2)` row-major.
///
/// `k` is lowered so that `2 k < n`, as trustworthiness wants it. Of more than [`QUALITY_SAMPLE`] rows an
/// even sample is examined, each against all.
///
/// # Errors
/// [`EmbedError::Shape`] if `map` has not one point a row.
pub fn map_quality(rows: RowsView<'_>, map: &[f32], k: usize) -> Result<Quality, EmbedError> {
    let n = rows.len();
    if map.len() != 2 * n {
        return Err(EmbedError::Shape { n, expected: 2 * n, got: map.len() });
    }
    let k = k.min(n.saturating_sub(1) / 2);
    if k == 0 {
        return Ok(Quality { k, kept_at_k: 1.0, trustworthiness: 1.0 });
    }
    let examined: Vec<usize> = (0..n).step_by(n.div_ceil(QUALITY_SAMPLE)).collect();
    let of_row = |&row: &usize| {
        let order = by_distance(n, row, |other| squared_distance(rows.row(row), rows.row(other)));
        let mut ranks = vec![n; n];
        order.iter().zip(0..).for_each(|(&other, rank)| ranks[other] = rank);
        let place = |i: usize| [f64::from(map[2 * i]), f64::from(map[2 * i + 1])];
        let near = by_distance(n, row, |other| {
            let (a, b) = (place(row), place(other));
            (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)
        });
        let near = &near[..k];
        let kept = near.iter().filter(|&&other| ranks[other] < k).count();
        let penalty: usize = near.iter().map(|&other| (ranks[other] + 1).saturating_sub(k)).sum();
        (kept, penalty)
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

/// All rows but `row`, the nearest first, ties by number.
fn by_distance(n: usize, row: usize, distance: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut all: Vec<(f64, usize)> =
        (0..n).filter(|&other| other != row).map(|other| (distance(other), other)).collect();
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.into_iter().map(|(_, other)| other).collect()
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f32; LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 =
        a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(x, y)| f64::from(x - y).powi(2)).sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn's `trustworthiness`; see `scripts/golden/map_quality.py`.
    #[test]
    fn agrees_with_scikit_learn() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../tests/golden/map_quality.json")).unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "the script rounds to f32 too")]
        let rows: Vec<f32> = (0..60 * 5).map(|i| (f64::from(i) * 0.731).sin() as f32).collect();
        #[expect(clippy::cast_possible_truncation, reason = "the script rounds to f32 too")]
        let map: Vec<f32> = (0..60 * 2).map(|i| (f64::from(i) * 1.137).cos() as f32).collect();
        let quality = map_quality(RowsView::new(&rows, 5).unwrap(), &map, 7).unwrap();
        let expected = |key: &str| golden[key].as_f64().unwrap();
        assert!((quality.trustworthiness - expected("trustworthiness_7")).abs() < 1e-9, "{quality:?}");
        assert!((quality.kept_at_k - expected("kept_7")).abs() < 1e-9, "{quality:?}");
    }

    #[test]
    fn a_map_of_itself_is_perfect() {
        let rows: Vec<f32> = (0..80_u16).map(|i| f32::from((i * 37) % 83)).collect();
        let quality = map_quality(RowsView::new(&rows, 2).unwrap(), &rows, 5).unwrap();
        assert!((quality.kept_at_k - 1.0).abs() < 1e-12 && (quality.trustworthiness - 1.0).abs() < 1e-12);
    }

    #[test]
    fn few_rows_have_no_neighborhood_to_lose() {
        for n in 1..3 {
            let rows = vec![0.0; n];
            let quality = map_quality(RowsView::new(&rows, 1).unwrap(), &vec![0.0; 2 * n], 10).unwrap();
            assert!((quality.kept_at_k - 1.0).abs() < 1e-12 && quality.k == 0);
        }
    }
}
