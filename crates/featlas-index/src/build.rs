//! Building: `hnsw_rs` links the rows, we freeze what it built, audit it and repair it.

use crate::audit::audit;
use crate::distance::cosine;
use crate::graph::{Graph, MAX_LAYERS, Parts};
use crate::guard::{Outcome, watched};
use crate::{Index, IndexError, IndexParams, Vectors};
use anndists::dist::distances::Distance;
use featlas_core::{Digest, Progress, Stage};
use hnsw_rs::prelude::Hnsw;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

/// Nodes that are inserted one after another before threads join in: on a nearly empty graph two threads can miss each
/// other's nodes and leave them without links.
const SERIAL_START: usize = 1000;
/// Nodes that recall is measured with at most.
const MAX_HELD_OUT: usize = 1000;
/// A build that inserts nothing for so long stands still. One insertion takes milliseconds.
const PATIENCE: Duration = Duration::from_mins(5);

/// Builds the index over `vectors`.
///
/// Every node is looked up once the graph stands; what cannot find itself is linked in, and the outcome is recorded
/// in [`Index::audit`]. Cost: about `n · log n` distances times `ef_construction`; memory about `0.5 KB + 60 bytes · m`
/// a row while it builds, as the rows themselves are not copied.
/// For determinism see [`IndexParams::threads`].
///
/// # Errors
/// [`IndexError::Empty`], [`IndexError::Parameter`], [`IndexError::Threads`], [`IndexError::Cancelled`].
pub fn build(vectors: Vectors, params: &IndexParams, progress: &dyn Progress) -> Result<Index, IndexError> {
    params.check()?;
    if vectors.is_empty() {
        return Err(IndexError::Empty);
    }
    let vectors = Arc::new(vectors);
    let groups = Groups::of(&vectors);
    progress.begin(Stage::Index, Some(groups.first_rows.len() as u64));
    let graph = link(&vectors, groups, params, progress).and_then(|mut graph| {
        let audit = audit(&vectors, &mut graph, progress)?;
        Ok((graph, audit))
    });
    progress.end(Stage::Index);
    let (graph, audit) = graph?;
    Ok(Index::from_parts(vectors, graph, *params, audit))
}

/// Equal rows share a node; nodes are numbered in the order of their first row.
struct Groups {
    node_of_row: Vec<u32>,
    first_rows: Vec<u32>,
}

impl Groups {
    fn of(vectors: &Vectors) -> Self {
        let mut nodes = HashMap::with_capacity(vectors.len());
        let mut groups = Self { node_of_row: Vec::with_capacity(vectors.len()), first_rows: Vec::new() };
        for (row, values) in (0u32..).zip(vectors.rows()) {
            // Looked up only, never walked: the order of the map reaches nothing.
            let node = match nodes.entry(Digest::of(bytemuck::cast_slice(values))) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(free) => {
                    groups.first_rows.push(row);
                    *free.insert(number(groups.first_rows.len() - 1))
                }
            };
            groups.node_of_row.push(node);
        }
        groups
    }
}

/// The distance as `hnsw_rs` wants it. It keeps row numbers for vectors, so the rows are not copied.
struct RowDistance(Arc<Vectors>);

impl Distance<u32> for RowDistance {
    fn eval(&self, a: &[u32], b: &[u32]) -> f32 {
        // Finite and never negative, which `hnsw_rs` asserts: rows are finite and the kernel sums squares.
        cosine(self.0.row(a[0] as usize), self.0.row(b[0] as usize))
    }
}

type Builder = Hnsw<'static, u32, RowDistance>;

/// The nodes in the order they are inserted.
///
/// The generator of levels inside `hnsw_rs` has a fixed seed, so this order decides who lives on which layer. The last
/// [`num_held_out`] of them stand for strangers when recall is measured: nothing was linked with them in mind.
pub(crate) fn insertion_order(nodes: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..nodes).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order
}

/// How many nodes are inserted after all others: a tenth, but one at least and [`MAX_HELD_OUT`] at most; none of one.
pub(crate) fn num_held_out(nodes: usize) -> usize {
    (nodes / 10).clamp(usize::from(nodes > 1), MAX_HELD_OUT)
}

fn link(
    vectors: &Arc<Vectors>,
    groups: Groups,
    params: &IndexParams,
    progress: &dyn Progress,
) -> Result<Graph, IndexError> {
    let order: Vec<(u32, usize)> = insertion_order(groups.first_rows.len(), params.seed)
        .into_iter()
        .map(|node| (groups.first_rows[node], node))
        .collect();
    let threads = match params.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let mut hnsw = insert_all(vectors, &order, params, threads, progress)?;
    if hnsw.is_none() {
        progress.warn("the parallel build of the index stood still; building it again on one thread");
        progress.begin(Stage::Index, Some(order.len() as u64));
        hnsw = insert_all(vectors, &order, params, 1, progress)?;
    }
    let hnsw = hnsw.expect("one thread cannot wait for another");
    let parts = freeze(&hnsw, groups.node_of_row, order.len());
    Ok(Graph::new(parts).expect("freeze() keeps only links between nodes of the layer"))
}

/// The built graph, or nothing if the threads stood still.
fn insert_all(
    vectors: &Arc<Vectors>,
    order: &[(u32, usize)],
    params: &IndexParams,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Option<Arc<Builder>>, IndexError> {
    let distance = RowDistance(Arc::clone(vectors));
    let hnsw = Arc::new(Builder::new(params.m, order.len(), MAX_LAYERS, params.ef_construction, distance));
    let serial = if threads == 1 { order.len() } else { order.len().min(SERIAL_START) };
    for &(row, node) in &order[..serial] {
        if progress.is_cancelled() {
            return Err(IndexError::Cancelled);
        }
        hnsw.insert((&[row], node));
        progress.advance(Stage::Index, 1);
    }
    let held_out = (order.len() - num_held_out(order.len())).max(serial);
    for part in [&order[serial..held_out], &order[held_out..]] {
        let shared = Arc::clone(&hnsw);
        let insert = move |(row, node): (u32, usize)| shared.insert((&[row], node));
        let on_steps = |steps| {
            progress.advance(Stage::Index, steps);
            !progress.is_cancelled()
        };
        match watched(part.to_vec(), threads, PATIENCE, insert, on_steps) {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Stopped) => return Err(IndexError::Cancelled),
            Ok(Outcome::Stalled) => {
                // Its destructor would wait for the same locks.
                std::mem::forget(hnsw);
                return Ok(None);
            }
            Err(source) => return Err(IndexError::Threads { source }),
        }
    }
    Ok(Some(hnsw))
}

/// Nodes are no more than rows, and rows are numbered with 32 bits.
fn number(node: usize) -> u32 {
    u32::try_from(node).expect("Vectors holds fewer than 2^32 rows")
}

/// Copies levels and links out of `hnsw_rs` through its public iterators.
///
/// It also notes links above a node's level and links to nodes below the layer; a search by the paper never
/// follows either, so they are dropped.
fn freeze(hnsw: &Builder, node_of_row: Vec<u32>, nodes: usize) -> Parts {
    let points = hnsw.get_point_indexation();
    let mut levels = vec![0u8; nodes];
    let mut neighbors = vec![Vec::new(); nodes];
    let mut entry = 0;
    for layer in 0..MAX_LAYERS {
        for (place, point) in points.get_layer_iterator(layer).enumerate() {
            let node = point.get_origin_id();
            levels[node] = point.get_point_id().0;
            neighbors[node] = point.get_neighborhood_id();
            if place == 0 {
                // The first point of the highest layer is where `hnsw_rs` itself begins.
                entry = number(node);
            }
        }
    }
    let (mut degrees, mut links) = (Vec::new(), Vec::new());
    for (node, layers) in neighbors.iter().enumerate() {
        for layer in 0..=levels[node] {
            let first = links.len();
            let on_layer = layers.get(usize::from(layer)).map_or(&[][..], Vec::as_slice);
            let good = |to: &usize| *to != node && levels[*to] >= layer;
            links.extend(on_layer.iter().map(|link| link.d_id).filter(good).map(number));
            degrees.push(u16::try_from(links.len() - first).expect("m is at most 255"));
        }
    }
    Parts { node_of_row, levels, degrees, links, entry }
}
