//! What the graph finds of what is there, and how long it takes.

use crate::exact::{nearest, nearest_batch};
use crate::graph::{Audit, NodeSet};
use crate::index::Asker;
use crate::{Index, IndexError};
use featlas_core::{Progress, Stage};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Instant;

/// Numbers of candidates that a recall curve is measured at.
pub const DEFAULT_EF_CURVE: [usize; 8] = [16, 32, 48, 64, 96, 128, 192, 256];
/// Numbers of candidates that are tried beyond the curve where the recall that was asked for is not reached on it.
const MORE_EFS: [usize; 3] = [512, 1024, 2048];
/// Neighbors at which recall is measured.
pub const RECALL_KS: [usize; 3] = [1, 10, 100];
/// Queries that exact search is timed with.
const TIMED_QUERIES: usize = 20;

/// Recall of an index at several numbers of candidates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecallReport {
    /// Vectors that were held out and searched with.
    pub num_queries: usize,
    /// One point for each number of candidates, ascending.
    pub curve: Vec<RecallPoint>,
    /// Recall@10 that was asked for.
    pub target: f64,
    /// The fewest candidates of the curve that reach it; the most there are if none does.
    pub ef_search: usize,
    /// Microseconds that exact search takes for one query, on all cores.
    pub exact_micros_per_query: f64,
    /// Directions of the compact vectors.
    pub rank: usize,
    /// Candidates that are compared exactly, for each neighbor asked for.
    pub rerank: usize,
    /// Bytes of the loaded index, for each row.
    pub bytes_per_image: f64,
    /// Share of vectors that find themselves, in `[0, 1]`; see [`Audit::self_recall`].
    pub self_recall: f64,
    /// The audit behind it.
    pub audit: Audit,
}

impl RecallReport {
    /// The point at the chosen `ef_search`, if there is a curve.
    pub fn chosen(&self) -> Option<&RecallPoint> {
        self.curve.iter().find(|point| point.ef_search == self.ef_search)
    }
}

/// One point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecallPoint {
    /// Candidates kept.
    pub ef_search: usize,
    /// Share of queries whose nearest image comes first, in `[0, 1]`.
    pub recall_at_1: f64,
    /// Mean share of the true 10 nearest that were found among 10, in `[0, 1]`.
    pub recall_at_10: f64,
    /// The same of 100, with at least as many candidates.
    pub recall_at_100: f64,
    /// Microseconds a query for 10, on one thread.
    pub micros_per_query: f64,
}

/// Queries that the graph is asked as if it had never seen them.
struct HeldOut {
    queries: Vec<Vec<f32>>,
    absent: NodeSet,
    // Squared difference to the query up to which its true neighborhoods reach, for each of `RECALL_KS`.
    ends: Vec<[f32; RECALL_KS.len()]>,
    ks: [usize; RECALL_KS.len()],
}

impl Index {
    /// Measures recall at 1, 10 and 100 against exact search, with up to `num_queries` held-out images drawn by `seed`, at each
    /// of `efs`, ascending, and beyond them if `target` asks for more.
    ///
    /// Searching with a vector of the index flatters it: the vector's own links lead to its neighbors. So the queries are
    /// blanked out of graph and truth while it is measured.
    /// An answer counts when it is no farther than the true `k`-th, so that which of several equally near
    /// images is returned does not matter. The recall depends on the index and `seed`; the times on the machine.
    /// An index of one distinct vector has no curve.
    ///
    /// # Errors
    /// [`IndexError::Cancelled`], [`IndexError::DamagedRow`].
    pub fn measure_recall(
        &self,
        efs: &[usize],
        num_queries: usize,
        seed: u64,
        target: f64,
        progress: &dyn Progress,
    ) -> Result<RecallReport, IndexError> {
        progress.begin(Stage::Recall, None);
        let measured = self.hold_out(num_queries, seed).and_then(|held_out| {
            let curve = self.curve(&held_out, efs, target, progress)?;
            Ok((held_out.queries.len(), curve, self.time_exact(&held_out)?))
        });
        progress.end(Stage::Recall);
        let (num_queries, curve, exact_micros_per_query) = measured?;
        let enough = curve.iter().find(|point| point.recall_at_10 >= target).or(curve.last());
        Ok(RecallReport {
            num_queries,
            target,
            ef_search: enough.map_or(self.ef_search(), |point| point.ef_search),
            curve,
            exact_micros_per_query,
            rank: self.rank(),
            rerank: self.head.rerank,
            bytes_per_image: self.memory_bytes() as f64 / self.num_rows() as f64,
            self_recall: self.audit().self_recall(),
            audit: *self.audit(),
        })
    }

    fn hold_out(&self, num_queries: usize, seed: u64) -> Result<HeldOut, IndexError> {
        let live: Vec<usize> = self.live().map(|(row, _id)| row).collect();
        // A tenth at most, so that what is left is still the index that was built.
        let wanted = num_queries.min((live.len() / 10).max(usize::from(self.num_distinct() > 1)));
        let mut left = live.len();
        let drawn = draw(live, wanted, seed);
        let nodes: BTreeSet<u32> = drawn.iter().map(|&row| self.parts.node_of_row[row]).collect();
        let mut absent = NodeSet::new(self.num_distinct());
        let mut queries = Vec::with_capacity(nodes.len());
        for &node in &nodes {
            absent.insert(node);
            let rows = self.parts.members.rows_of(node).map(|row| row as usize);
            let mut rows = rows.filter(|&row| !self.is_removed(row)).peekable();
            if let Some(&row) = rows.peek() {
                queries.push(self.full_row(row)?);
            }
            left -= rows.count();
        }
        let ks = RECALL_KS.map(|k| k.min(left));
        let keep = |row: usize| !self.is_removed(row) && !absent.contains(self.parts.node_of_row[row]);
        let truth = nearest_batch(&self.rows(), &queries.concat(), ks[RECALL_KS.len() - 1], keep)?;
        let end = |hits: &Vec<crate::exact::Hit>, k: usize| {
            hits.get(k.wrapping_sub(1)).map_or(0.0, |hit| hit.squared)
        };
        let ends = truth.iter().map(|hits| ks.map(|k| end(hits, k))).collect();
        Ok(HeldOut { queries, absent, ends, ks })
    }

    fn curve(
        &self,
        held_out: &HeldOut,
        efs: &[usize],
        target: f64,
        progress: &dyn Progress,
    ) -> Result<Vec<RecallPoint>, IndexError> {
        let mut curve: Vec<RecallPoint> = Vec::new();
        if held_out.queries.is_empty() || held_out.ks.contains(&0) {
            return Ok(curve);
        }
        let last = efs.last().copied().unwrap_or(0);
        for &ef in efs.iter().chain(MORE_EFS.iter().filter(|&&ef| ef > last)) {
            let reached = curve.last().is_some_and(|point| point.recall_at_10 >= target);
            // Where everything is a candidate, more of them change nothing.
            if ef > last && (reached || ef > 2 * self.num_rows()) {
                break;
            }
            progress.note(Stage::Recall, &format!("ef_search {ef}"));
            curve.push(self.point(held_out, ef, progress)?);
        }
        Ok(curve)
    }

    fn point(
        &self,
        held_out: &HeldOut,
        ef: usize,
        progress: &dyn Progress,
    ) -> Result<RecallPoint, IndexError> {
        let HeldOut { queries, absent, ends, ks } = held_out;
        let mut asker = Asker::default();
        let (mut found, mut micros) = ([0usize; RECALL_KS.len()], 0.0);
        for (query, ends) in queries.iter().zip(ends) {
            if progress.is_cancelled() {
                return Err(IndexError::Cancelled);
            }
            let start = Instant::now();
            let ten = self.ask(query, ks[1], ef, Some(absent), &mut asker)?;
            micros += start.elapsed().as_secs_f64() * 1e6;
            let hundred = self.ask(query, ks[2], ef, Some(absent), &mut asker)?;
            let within = |hits: &[crate::exact::Hit], at: usize| {
                hits.iter().take(ks[at]).filter(|hit| hit.squared <= ends[at]).count()
            };
            for (found, hits) in found.iter_mut().zip([within(&ten, 0), within(&ten, 1), within(&hundred, 2)])
            {
                *found += hits;
            }
            progress.advance(Stage::Recall, 1);
        }
        let count = queries.len() as f64;
        let share = |at: usize| found[at] as f64 / (count * ks[at] as f64);
        Ok(RecallPoint {
            ef_search: ef,
            recall_at_1: share(0),
            recall_at_10: share(1),
            recall_at_100: share(2),
            micros_per_query: micros / count,
        })
    }

    fn time_exact(&self, held_out: &HeldOut) -> Result<f64, IndexError> {
        let timed = &held_out.queries[..held_out.queries.len().min(TIMED_QUERIES)];
        if timed.is_empty() {
            return Ok(0.0);
        }
        let start = Instant::now();
        for query in timed {
            std::hint::black_box(nearest(&self.rows(), query, held_out.ks[1], |row| !self.is_removed(row))?);
        }
        Ok(start.elapsed().as_secs_f64() * 1e6 / timed.len() as f64)
    }
}

/// `count` of `all`, drawn by `seed`.
pub(crate) fn draw(mut all: Vec<usize>, count: usize, seed: u64) -> Vec<usize> {
    let (drawn, _rest) = all.partial_shuffle(&mut ChaCha8Rng::seed_from_u64(seed), count);
    drawn.to_vec()
}
