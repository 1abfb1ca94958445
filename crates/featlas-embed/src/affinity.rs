//! Affinities of t-SNE (van der Maaten & Hinton 2008, section 2): how much each point wants each other nearby.

use crate::NeighborTable;
use rayon::prelude::*;

/// How close the entropy of a row comes to the logarithm of the perplexity.
const ENTROPY_TOLERANCE: f64 = 1e-8;
/// Steps at most; a row of equal distances never gets there and needs none.
const MAX_STEPS: usize = 200;
/// Rows of one task.
const CHUNK: usize = 256;
/// Share of a point's pulls that its nearest neighbors, a third of the perplexity in number, divide evenly.
///
/// Measured at a perplexity of 30 with 0, 0.2, 0.3 and 0.4: 10,000 rows of fc7 keep 39.2, 40.3, 40.9 and 41.2 % of
/// their ten nearest at a divergence of 2.517, 2.527, 2.536 and 2.545, digits 45.9, 47.2, 47.7 and 48.2 % at 1.730,
/// 1.735, 1.740 and 1.747. A lower perplexity does not do this: it gives nearly all to the first two or three, and
/// fewer are kept.
const EVEN_SHARE: f64 = 0.3;

/// Symmetric affinities between points, as compressed rows; all of them together sum to 1.
///
/// Beside each stands its pull, what the descent attracts by: the affinity leaning towards the nearest
/// ([`EVEN_SHARE`]). Pulls are symmetric and sum to 1, too.
///
/// Invariants: columns of a row ascend and are below the number of points; affinities and pulls are not negative.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Affinities {
    // Row i is `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
    pulls: Vec<f32>,
}

impl Affinities {
    /// Affinities at `perplexity`, above 1 and below the neighbors of a point, over all the neighbors of `table`.
    ///
    /// Each row's width is found in `f64`, by Newton's method held in a bracket. Only differences of squared
    /// distances count, so rows of large and nearly equal distances do not underflow. A row of equal distances
    /// gives its neighbors equal affinities.
    pub(crate) fn new(table: &NeighborTable, perplexity: f64) -> Self {
        let (n, k) = (table.len(), table.k());
        let mut conditional = vec![0.0_f32; n * k];
        conditional.par_chunks_mut((CHUNK * k).max(1)).enumerate().for_each(|(chunk, out)| {
            let mut scratch = Vec::with_capacity(k);
            for (at, out) in out.chunks_exact_mut(k).enumerate() {
                row_affinities(table.squared(chunk * CHUNK + at), perplexity, &mut scratch);
                #[expect(clippy::cast_possible_truncation, reason = "rounded once, when all is done")]
                out.iter_mut().zip(&scratch).for_each(|(out, &p)| *out = p as f32);
            }
        });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "perplexities are small positive numbers"
        )]
        let nearest = ((perplexity / 3.0).round() as usize).clamp(1, k.max(1));
        symmetric(table, &conditional, nearest)
    }

    /// The points that point `i` has an affinity to, and the affinities.
    ///
    /// # Panics
    /// If there is no such point.
    pub(crate) fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let at = self.starts[i]..self.starts[i + 1];
        (&self.columns[at.clone()], &self.values[at])
    }

    /// The points that pull at point `i`, and how much.
    ///
    /// # Panics
    /// If there is no such point.
    pub(crate) fn pulls(&self, i: usize) -> (&[u32], &[f32]) {
        let at = self.starts[i]..self.starts[i + 1];
        (&self.columns[at.clone()], &self.pulls[at])
    }

    /// `sum p ln p` over all pairs: what a divergence has that no map can change.
    pub(crate) fn negative_entropy(&self) -> f64 {
        let sums: Vec<f64> = self
            .values
            .par_chunks(1 << 14)
            .map(|values| {
                values.iter().filter(|&&p| p > 0.0).map(|&p| f64::from(p) * f64::from(p).ln()).sum()
            })
            .collect();
        sums.iter().sum()
    }
}

/// The conditional affinities of one row, which sum to 1.
fn row_affinities(squared: &[f32], perplexity: f64, out: &mut Vec<f64>) {
    let nearest = squared.iter().copied().fold(f32::INFINITY, f32::min);
    let shifted = || squared.iter().map(|&d| f64::from(d) - f64::from(nearest));
    let mean = shifted().sum::<f64>() / squared.len() as f64;
    // Scaled so that the search is the same for data of any size.
    let scale = if mean > 0.0 { 1.0 / mean } else { 0.0 };
    let wanted = perplexity.ln();
    let (mut low, mut high) = (0.0_f64, f64::INFINITY);
    let mut beta = 1.0_f64;
    for _ in 0..MAX_STEPS {
        out.clear();
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for d in shifted() {
            let d = d * scale;
            let weight = (-beta * d).exp();
            out.push(weight);
            sum += weight;
            first += weight * d;
            second += weight * d * d;
        }
        let mean = first / sum;
        let entropy = sum.ln() + beta * mean;
        let excess = entropy - wanted;
        let variance = (second / sum - mean * mean).max(0.0);
        if excess.abs() < ENTROPY_TOLERANCE || scale == 0.0 {
            break;
        }
        if excess > 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        // dH/d(beta) = -beta * variance.
        let newton = beta + excess / (beta * variance);
        let halved = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * low };
        beta = if newton.is_finite() && newton > low && newton < high { newton } else { halved };
    }
    let sum: f64 = out.iter().sum();
    for p in out {
        *p /= sum;
    }
}

/// `(P + P^T) / 2n` of the conditional affinities, and of the conditional pulls: of these, the first `nearest`
/// neighbors divide [`EVEN_SHARE`] evenly.
fn symmetric(table: &NeighborTable, conditional: &[f32], nearest: usize) -> Affinities {
    let (n, k) = (table.len(), table.k());
    let even = EVEN_SHARE / nearest as f64;
    let pair = |rank: usize, p: f32| -> Pair {
        let p = f64::from(p);
        [p, (1.0 - EVEN_SHARE) * p + if rank < nearest { even } else { 0.0 }]
    };
    let pairs = |i: usize| conditional[i * k..][..k].iter().enumerate().map(move |(rank, &p)| pair(rank, p));
    // The transpose by counting: its rows come out sorted, since the points are gone through in order.
    let mut starts = vec![0_usize; n + 1];
    for i in 0..n {
        table.rows(i).iter().for_each(|&j| starts[j as usize + 1] += 1);
    }
    (0..n).for_each(|i| starts[i + 1] += starts[i]);
    let mut next = starts.clone();
    // Whose neighbor a point is, and at which place of their row.
    let mut sources = vec![[0_u32; 2]; n * k];
    for i in 0..n {
        for (rank, &j) in table.rows(i).iter().enumerate() {
            let at = &mut next[j as usize];
            sources[*at] = [i, rank].map(|v| u32::try_from(v).expect("points are numbered with 32 bits"));
            *at += 1;
        }
    }
    let scale = 0.5 / n as f64;
    let merge = |i: usize| {
        let mut own: Vec<(u32, Pair)> = table.rows(i).iter().copied().zip(pairs(i)).collect();
        own.sort_unstable_by_key(|&(j, _)| j);
        let back = sources[starts[i]..starts[i + 1]].iter();
        let other =
            back.map(|&[j, rank]| (j, pair(rank as usize, conditional[j as usize * k + rank as usize])));
        merged(&own, other, scale)
    };
    let rows: Vec<Vec<(u32, [f32; 2])>> = (0..n).into_par_iter().with_min_len(CHUNK).map(merge).collect();
    let len = rows.iter().map(Vec::len).sum();
    let mut affinities = Affinities {
        starts: vec![0],
        columns: Vec::with_capacity(len),
        values: Vec::with_capacity(len),
        pulls: Vec::with_capacity(len),
    };
    for row in rows {
        affinities.columns.extend(row.iter().map(|&(j, _)| j));
        affinities.values.extend(row.iter().map(|&(_, [p, _])| p));
        affinities.pulls.extend(row.iter().map(|&(_, [_, pull])| pull));
        affinities.starts.push(affinities.columns.len());
    }
    affinities
}

/// An affinity and a pull.
type Pair = [f64; 2];

/// The sums of two sorted rows, without what is too small for `f32`.
fn merged(own: &[(u32, Pair)], other: impl Iterator<Item = (u32, Pair)>, scale: f64) -> Vec<(u32, [f32; 2])> {
    let mut row = Vec::with_capacity(2 * own.len());
    let mut push = |j: u32, pair: Pair| {
        #[expect(clippy::cast_possible_truncation, reason = "rounded once, when all is done")]
        let pair = pair.map(|v| (v * scale) as f32).map(|v| if v < f32::MIN_POSITIVE { 0.0 } else { v });
        if pair.iter().any(|&v| v > 0.0) {
            row.push((j, pair));
        }
    };
    let mut own = own.iter().copied().peekable();
    for (j, [p, pull]) in other {
        while let Some((i, pair)) = own.next_if(|&(i, _)| i < j) {
            push(i, pair);
        }
        let [twin, twin_pull] = own.next_if(|&(i, _)| i == j).map_or([0.0; 2], |(_, pair)| pair);
        push(j, [p + twin, pull + twin_pull]);
    }
    own.for_each(|(i, pair)| push(i, pair));
    row
}

#[cfg(test)]
mod tests;
