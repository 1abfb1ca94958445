//! What the graph finds of what is there, and how long it takes.

use crate::build::{insertion_order, num_held_out};
use crate::exact::{nearest, nearest_batch};
use crate::graph::NodeSet;
use crate::{Audit, Index, IndexError};
use featlas_core::{Progress, Stage};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Numbers of candidates that a recall curve is measured at.
pub const DEFAULT_EF_CURVE: [usize; 5] = [16, 32, 64, 128, 256];

/// Queries that exact search is timed with.
const TIMED_QUERIES: usize = 20;

/// Recall of an index at several numbers of candidates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecallReport {
    /// Neighbors asked for: what was wanted, or all that could be found if that is less.
    pub k: usize,
    /// Vectors that were held out and searched with.
    pub num_queries: usize,
    /// One point for each number of candidates, in the order asked for.
    pub curve: Vec<RecallPoint>,
    /// Microseconds that exact search takes for one query, on all cores.
    pub exact_micros_per_query: f64,
    /// Share of vectors that find themselves, in `[0, 1]`; see [`Audit::self_recall`].
    pub self_recall: f64,
    /// The audit behind it.
    pub audit: Audit,
}

/// One point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecallPoint {
    /// Candidates kept.
    pub ef_search: usize,
    /// Mean share of the true `k` nearest that were found, in `[0, 1]`.
    pub recall: f64,
    /// Microseconds a query, on one thread.
    pub micros_per_query: f64,
}

/// Queries that the graph is asked as if it had never seen them.
struct HeldOut<'a> {
    queries: Vec<&'a [f32]>,
    absent: NodeSet,
    k: usize,
}

impl Index {
    /// Measures recall at `k` against exact search, with up to `num_queries` held-out vectors drawn by `seed`.
    ///
    /// Searching with a vector of the index flatters it: the vector's own links lead to its neighbors. So the queries are
    /// drawn from the vectors that were inserted last, a random tenth at most, and are blanked out of graph and
    /// truth while it is measured, which leaves very nearly the graph that would have been built without them.
    /// An answer counts when it is no farther than the true `k`-th, so that which of several equally near
    /// images is returned does not matter. The recall depends on the index and `seed`; the times on the machine.
    /// An index of one distinct vector has no curve.
    ///
    /// # Errors
    /// [`IndexError::Cancelled`].
    pub fn measure_recall(
        &self,
        k: usize,
        efs: &[usize],
        num_queries: usize,
        seed: u64,
        progress: &dyn Progress,
    ) -> Result<RecallReport, IndexError> {
        let held_out = self.hold_out(num_queries, seed, k);
        let count = held_out.queries.len();
        progress.begin(Stage::Recall, Some((count * efs.len()) as u64));
        let curve = self.curve(&held_out, efs, progress);
        progress.end(Stage::Recall);
        let (curve, exact_micros_per_query) = curve?;
        Ok(RecallReport {
            k: held_out.k,
            num_queries: count,
            curve,
            exact_micros_per_query,
            self_recall: self.audit().self_recall(),
            audit: *self.audit(),
        })
    }

    fn hold_out(&self, num_queries: usize, seed: u64, k: usize) -> HeldOut<'_> {
        let nodes = self.graph().len();
        let mut last = insertion_order(nodes, self.params().seed).split_off(nodes - num_held_out(nodes));
        last.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut held_out = HeldOut { queries: Vec::new(), absent: NodeSet::new(nodes), k: 0 };
        let mut rows_left = self.len();
        for &node in last.iter().take(num_queries) {
            let node = u32::try_from(node).expect("nodes are no more than rows");
            let rows = self.graph().rows_of(node);
            held_out.absent.insert(node);
            held_out.queries.push(self.vector(rows[0] as usize));
            rows_left -= rows.len();
        }
        held_out.k = k.min(rows_left);
        held_out
    }

    fn curve(
        &self,
        held_out: &HeldOut<'_>,
        efs: &[usize],
        progress: &dyn Progress,
    ) -> Result<(Vec<RecallPoint>, f64), IndexError> {
        let HeldOut { queries, absent, k } = held_out;
        if queries.is_empty() || *k == 0 {
            return Ok((Vec::new(), 0.0));
        }
        let keep = |row: usize| !absent.contains(self.graph().node_of(row));
        // Where the true neighborhood of each query ends.
        let ends: Vec<f32> = nearest_batch(self.vectors(), &queries.concat(), *k, keep)
            .iter()
            .map(|hits| hits.last().map_or(0.0, |farthest| farthest.distance))
            .collect();
        let mut curve = Vec::with_capacity(efs.len());
        for &ef in efs {
            let (mut found, mut micros) = (0, 0.0);
            for (query, &end) in queries.iter().zip(&ends) {
                if progress.is_cancelled() {
                    return Err(IndexError::Cancelled);
                }
                let start = Instant::now();
                let nodes = self.graph().search_without(self.vectors(), query, ef.max(*k), absent);
                let hits = self.graph().hits(self.vectors(), &nodes, *k);
                micros += start.elapsed().as_secs_f64() * 1e6;
                found += hits.iter().filter(|hit| hit.distance <= end).count();
                progress.advance(Stage::Recall, 1);
            }
            let count = queries.len() as f64;
            let recall = found as f64 / (count * *k as f64);
            curve.push(RecallPoint { ef_search: ef, recall, micros_per_query: micros / count });
        }
        let timed = &queries[..queries.len().min(TIMED_QUERIES)];
        let start = Instant::now();
        for query in timed {
            std::hint::black_box(nearest(self.vectors(), query, *k, keep));
        }
        Ok((curve, start.elapsed().as_secs_f64() * 1e6 / timed.len() as f64))
    }
}
