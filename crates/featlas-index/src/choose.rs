//! How many directions a compact vector needs: as few as let the true neighbors stay near the top.

use crate::Basis;
use crate::IndexError;
use crate::compact::LANES;
use crate::exact::{Rows, nearest_batch};
use crate::recall::draw;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

/// Rows that the trial compares at most.
const TRIAL_ROWS: usize = 12_288;
/// Queries of the trial.
const TRIAL_QUERIES: usize = 128;
/// Neighbors whose places are looked at.
const TRIAL_K: usize = 10;
/// Ranks that are tried.
const RANKS: [usize; 6] = [32, 64, 96, 128, 192, 256];
/// Candidates, for each neighbor asked for, that may be compared exactly.
const RERANKS: [usize; 2] = [2, 4];
/// Share of the allowed misses that the compact vectors may cause; the rest is left to the graph.
const SHARE_OF_MISSES: f64 = 0.2;

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Choice {
    pub(crate) rank: usize,
    pub(crate) rerank: usize,
}

/// Chooses rank and number of exact comparisons so that a search that loses nothing in the graph finds the share `recall`
/// of the ten nearest, with room for the graph's own misses.
///
/// Where no trial is good enough, the largest rank that the basis has.
pub(crate) fn choose(rows: &impl Rows, basis: &Basis, recall: f64, seed: u64) -> Result<Choice, IndexError> {
    let last = Choice { rank: basis.rank().max(1), rerank: RERANKS[RERANKS.len() - 1] };
    if basis.rank() <= LANES || rows.len() <= TRIAL_K {
        return Ok(last);
    }
    let n = rows.len().min(TRIAL_ROWS);
    // Spread evenly, since neighbors in the source are often alike.
    let sample: Vec<usize> = (0..n).map(|at| at * rows.len() / n).collect();
    let picked = Picked { rows, sample: &sample };
    let queries = draw((0..n).collect(), TRIAL_QUERIES, seed);
    let mut values = Vec::with_capacity(queries.len() * rows.dim());
    let mut buffer = Vec::new();
    for &query in &queries {
        values.extend_from_slice(picked.row(query, &mut buffer)?);
    }
    // One more than wanted: every query finds itself first.
    let truth = nearest_batch(&picked, &values, TRIAL_K + 1, |_row| true)?;
    let scores = scores(&picked, basis)?;
    let width = basis.rank();
    let places: Vec<[Vec<usize>; RANKS.len()]> = queries
        .par_iter()
        .zip(&truth)
        .map(|(&query, hits)| {
            let neighbors = hits.iter().map(|hit| hit.row as usize).filter(|&row| row != query).take(TRIAL_K);
            places_of(&scores, width, query, &neighbors.collect::<Vec<_>>())
        })
        .collect();
    // The trial sees one row in so many: a place in it stands for so many places.
    let thinned = rows.len() as f64 / n as f64;
    let allowed = (1.0 - recall) * SHARE_OF_MISSES;
    for rerank in RERANKS {
        for (at, &rank) in
            RANKS.iter().enumerate().filter(|(_, rank)| **rank <= width.next_multiple_of(LANES))
        {
            let room = (rerank * TRIAL_K) as f64 / thinned;
            let all = places.iter().flat_map(|of_query| &of_query[at]);
            let missed = all.clone().filter(|&&place| place as f64 >= room.max(TRIAL_K as f64)).count();
            if missed as f64 <= allowed * all.count() as f64 {
                return Ok(Choice { rank: rank.min(width), rerank });
            }
        }
    }
    Ok(last)
}

/// Scores of all rows along the basis, `(n, rank)`.
fn scores(rows: &impl Rows, basis: &Basis) -> Result<Vec<f32>, IndexError> {
    const BLOCK: usize = 256;
    let (n, dim, rank) = (rows.len(), rows.dim(), basis.rank());
    let axes = MatRef::from_row_major_slice(basis.axes(), rank, dim);
    let block = |block: usize| {
        let numbers = block * BLOCK..n.min((block + 1) * BLOCK);
        let mut values = Vec::with_capacity(numbers.len() * dim);
        let mut buffer = Vec::new();
        for row in numbers.clone() {
            values.extend_from_slice(rows.row(row, &mut buffer)?);
        }
        let values = MatRef::from_row_major_slice(&values, numbers.len(), dim);
        let mut product = Mat::<f32>::zeros(rank, numbers.len());
        matmul(product.as_mut(), Accum::Replace, axes, values.transpose(), 1.0, Par::Seq);
        Ok((0..numbers.len())
            .flat_map(|i| product.col(i).iter().copied().collect::<Vec<_>>())
            .collect::<Vec<f32>>())
    };
    let blocks: Vec<Vec<f32>> =
        (0..n.div_ceil(BLOCK)).into_par_iter().map(block).collect::<Result<_, IndexError>>()?;
    Ok(blocks.concat())
}

/// For each rank, how many rows lie nearer to the query than each of its neighbors, by the leading scores alone.
fn places_of(scores: &[f32], width: usize, query: usize, neighbors: &[usize]) -> [Vec<usize>; RANKS.len()] {
    let of = |row: usize| &scores[row * width..][..width];
    let to = |row: usize| {
        let mut distances = [0.0f32; RANKS.len()];
        let (mut sum, mut from) = (0.0f32, 0);
        for (distance, &rank) in distances.iter_mut().zip(&RANKS) {
            let range = from..rank.min(width);
            from = range.end.max(from);
            let pairs = of(query)[range.clone()].iter().zip(&of(row)[range]);
            sum += pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            *distance = sum;
        }
        distances
    };
    let limits: Vec<[f32; RANKS.len()]> = neighbors.iter().map(|&row| to(row)).collect();
    let mut places: [Vec<usize>; RANKS.len()] = std::array::from_fn(|_| vec![0; neighbors.len()]);
    for row in (0..scores.len() / width).filter(|&row| row != query) {
        let distances = to(row);
        for (neighbor, limits) in limits.iter().enumerate() {
            for ((places, distance), limit) in places.iter_mut().zip(&distances).zip(limits) {
                places[neighbor] += usize::from(distance < limit);
            }
        }
    }
    places
}

/// Some rows of others.
struct Picked<'a, R> {
    rows: &'a R,
    sample: &'a [usize],
}

impl<R: Rows> Rows for Picked<'_, R> {
    fn len(&self) -> usize {
        self.sample.len()
    }

    fn dim(&self) -> usize {
        self.rows.dim()
    }

    fn id(&self, row: usize) -> featlas_core::ImageId {
        self.rows.id(self.sample[row])
    }

    fn row<'a>(&'a self, row: usize, buffer: &'a mut Vec<f32>) -> Result<&'a [f32], IndexError> {
        self.rows.row(self.sample[row], buffer)
    }
}
