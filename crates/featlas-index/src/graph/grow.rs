//! Building: nodes are linked in, batch after batch, by all cores, and always to the same graph.
//!
//! The nodes of a batch look for their places in the graph as it stood before the batch, each on its own; only then
//! are they linked, and linked back, in a fixed order. So the result does not depend on the number of threads, no lock
//! is held, and no node can miss its links by a race. A batch is never more than a small share of the graph, so
//! that hardly a node would have found better neighbors among its companions (compare Manohar et al., "`ParlayANN`:
//! Scalable and Deterministic Parallel Graph-Based Approximate Nearest Neighbor Search Algorithms", 2024).

use super::{Descend, GraphView, MAX_LAYERS, NONE, Scored, Scratch, search_layer};
use crate::IndexError;
use crate::kernel::{self, Kernel, Work};
use featlas_core::{Progress, Stage};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// A batch is at most this share of the nodes that are linked already, as a divisor.
const BATCH_SHARE: usize = 32;
/// Nodes of a batch at most.
const MAX_BATCH: usize = 1024;

/// How a graph grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrowParams {
    pub(crate) ef_construction: usize,
    pub(crate) seed: u64,
}

/// A graph that owns its parts and can grow.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) m: usize,
    pub(crate) rank: usize,
    pub(crate) codes: Vec<u8>,
    pub(crate) levels: Vec<u8>,
    pub(crate) bottom: Vec<u32>,
    pub(crate) slots: Vec<u32>,
    pub(crate) upper: Vec<u32>,
    pub(crate) entry: u32,
}

impl Draft {
    /// A graph without nodes.
    pub(crate) fn new(m: usize, rank: usize) -> Self {
        Self {
            m,
            rank,
            codes: Vec::new(),
            levels: Vec::new(),
            bottom: Vec::new(),
            slots: Vec::new(),
            upper: Vec::new(),
            entry: NONE,
        }
    }

    pub(crate) fn view(&self) -> GraphView<'_> {
        GraphView {
            m: self.m,
            rank: self.rank,
            codes: &self.codes,
            levels: &self.levels,
            bottom: &self.bottom,
            slots: &self.slots,
            upper: &self.upper,
            entry: self.entry,
        }
    }

    /// Makes room for nodes with the codes in `codes`; they have levels, but no links yet.
    fn add_nodes(&mut self, codes: &[u8], seed: u64) {
        let first = self.levels.len();
        let count = codes.len() / self.rank;
        self.codes.extend_from_slice(codes);
        for node in first..first + count {
            let level = level_of(node as u64, seed, self.m);
            let slot = if level == 0 { NONE } else { number(self.upper.len() / self.m) };
            self.levels.push(level);
            self.slots.push(slot);
            self.upper.resize(self.upper.len() + usize::from(level) * self.m, NONE);
        }
        self.bottom.resize((first + count) * 2 * self.m, NONE);
    }

    fn places_mut(&mut self, node: u32, layer: u8) -> &mut [u32] {
        if layer == 0 {
            let width = 2 * self.m;
            return &mut self.bottom[node as usize * width..][..width];
        }
        let slot = self.slots[node as usize] as usize + usize::from(layer) - 1;
        &mut self.upper[slot * self.m..][..self.m]
    }

    /// Replaces the links of `node` on `layer`.
    pub(crate) fn set_links(&mut self, node: u32, layer: u8, links: &[u32]) {
        let places = self.places_mut(node, layer);
        places.fill(NONE);
        places[..links.len()].copy_from_slice(links);
    }
}

/// Nodes fit 31 bits, and slots are no more than links.
fn number(of: usize) -> u32 {
    u32::try_from(of).expect("rows are fewer than 2^31")
}

/// The top layer of `node`: geometrically distributed, as in the paper, by its number and the seed alone.
fn level_of(node: u64, seed: u64, m: usize) -> u8 {
    // One round of SplitMix64 (Steele, Lea, Flood 2014): a hash that spreads neighboring numbers.
    let mut x = seed.wrapping_add((node + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    let uniform = ((x >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let level = -uniform.ln() / (m as f64).ln();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and cut to the last layer"
    )]
    let level = level.min(f64::from(MAX_LAYERS - 1)) as u8;
    level
}

/// Links nodes with the codes `codes`, `(count, rank)`, into `draft`.
///
/// The same draft, codes, parameters and seed give the same graph, on any number of threads of the current pool.
pub(crate) fn grow(
    draft: &mut Draft,
    codes: &[u8],
    params: GrowParams,
    progress: &dyn Progress,
) -> Result<(), IndexError> {
    let first = draft.levels.len();
    draft.add_nodes(codes, params.seed);
    // Images come sorted by folder: in a random order a batch is a sample of all of them.
    let mut order: Vec<u32> = (number(first)..number(draft.levels.len())).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(params.seed ^ first as u64));
    let mut linked = first;
    let mut waiting = &order[..];
    if draft.entry == NONE
        && let Some((&entry, rest)) = waiting.split_first()
    {
        draft.entry = entry;
        (linked, waiting) = (1, rest);
        progress.advance(Stage::Index, 1);
    }
    while !waiting.is_empty() {
        if progress.is_cancelled() {
            return Err(IndexError::Cancelled);
        }
        let size = (linked / BATCH_SHARE).clamp(1, MAX_BATCH).min(waiting.len());
        let (batch, rest) = waiting.split_at(size);
        link_batch(draft, batch, params.ef_construction);
        (linked, waiting) = (linked + size, rest);
        progress.advance(Stage::Index, size as u64);
    }
    Ok(())
}

/// A link to be made: from `from` on `layer` to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    from: u32,
    layer: u8,
    distance: u32,
    to: u32,
}

fn link_batch(draft: &mut Draft, batch: &[u32], ef: usize) {
    let view = draft.view();
    let chosen: Vec<Vec<Link>> = batch
        .par_iter()
        .map_init(Scratch::default, |scratch, &node| {
            kernel::run(FindLinks { graph: view, node, ef, scratch })
        })
        .collect();
    // Each node's own links, then the links back, gathered by the node that they leave.
    let mut back: Vec<Link> = Vec::new();
    for links in &chosen {
        for of_layer in links.chunk_by(|a, b| a.layer == b.layer) {
            let to: Vec<u32> = of_layer.iter().map(|link| link.to).collect();
            draft.set_links(of_layer[0].from, of_layer[0].layer, &to);
        }
        back.extend(links.iter().map(|link| Link { from: link.to, to: link.from, ..*link }));
    }
    back.sort_unstable();
    let groups: Vec<&[Link]> = back.chunk_by(|a, b| (a.from, a.layer) == (b.from, b.layer)).collect();
    let view = draft.view();
    let merged: Vec<Vec<u32>> =
        groups.par_iter().map(|group| kernel::run(MergeLinks { graph: view, new: group })).collect();
    for (group, links) in groups.iter().zip(merged) {
        draft.set_links(group[0].from, group[0].layer, &links);
    }
    // The highest new node becomes the entry, the first of them in the order of the batch.
    for &node in batch {
        if draft.levels[node as usize] > draft.levels[draft.entry as usize] {
            draft.entry = node;
        }
    }
}

/// Finds the links of a new node on all its layers, top layer first.
struct FindLinks<'a, 's> {
    graph: GraphView<'a>,
    node: u32,
    ef: usize,
    scratch: &'s mut Scratch,
}

impl Work for FindLinks<'_, '_> {
    type Output = Vec<Link>;

    #[expect(
        clippy::inline_always,
        reason = "only inlined code is compiled for the CPU that the dispatch found"
    )]
    #[inline(always)]
    fn with_kernel<K: Kernel>(self, kernel: K) -> Vec<Link> {
        let Self { graph, node, ef, scratch } = self;
        let query = graph.code(node);
        let top = graph.levels[graph.entry as usize];
        let highest = graph.levels[node as usize].min(top);
        Descend { graph, query, ef, lowest: highest, absent: None, scratch }.with_kernel(kernel);
        let mut links = Vec::with_capacity(3 * graph.m);
        for layer in (0..=highest).rev() {
            if layer < highest {
                // The next layer is searched from all that was found on this one.
                let found: Vec<Scored> = scratch.pool.found().collect();
                scratch.begin(graph.len(), ef);
                for candidate in found {
                    scratch.visited.insert(candidate.node);
                    scratch.pool.push(candidate);
                }
                search_layer(kernel, graph, query, layer, None, scratch);
            }
            let room = if layer == 0 { FIRST_LINKS * graph.m / 16 } else { graph.m };
            let kept = select(kernel, graph, scratch.pool.found(), room);
            links.extend(kept.iter().map(|to| Link {
                from: node,
                layer,
                distance: to.distance,
                to: to.node,
            }));
        }
        links
    }
}

/// Links that a new node chooses on layer 0, for each 16 of `m`; the rest of its places is for links back.
const FIRST_LINKS: usize = 16;

/// Joins new links of one node on one layer with those it has, and keeps the best spread if they are too many.
struct MergeLinks<'a, 's> {
    graph: GraphView<'a>,
    new: &'s [Link],
}

impl Work for MergeLinks<'_, '_> {
    type Output = Vec<u32>;

    #[expect(
        clippy::inline_always,
        reason = "only inlined code is compiled for the CPU that the dispatch found"
    )]
    #[inline(always)]
    fn with_kernel<K: Kernel>(self, kernel: K) -> Vec<u32> {
        let Self { graph, new } = self;
        let Some(&Link { from, layer, .. }) = new.first() else { return Vec::new() };
        let old = graph.places(from, layer);
        let room = old.len();
        let used = old.iter().take_while(|&&link| link != NONE).count();
        if used + new.len() <= room {
            return old[..used].iter().copied().chain(new.iter().map(|link| link.to)).collect();
        }
        let code = graph.code(from);
        let mut all: Vec<Scored> = Vec::with_capacity(used + new.len());
        for &link in &old[..used] {
            all.push(Scored { distance: kernel.code_distance(code, graph.code(link)), node: link });
        }
        all.extend(new.iter().map(|link| Scored { distance: link.distance, node: link.to }));
        all.sort_unstable();
        select(kernel, graph, all.into_iter(), room).into_iter().map(|kept| kept.node).collect()
    }
}

/// The paper's algorithm 4: of `candidates`, nearest first, up to `room` that are nearer to the base than to any kept
/// before them.
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that the dispatch found")]
#[inline(always)]
fn select<K: Kernel>(
    kernel: K,
    graph: GraphView<'_>,
    candidates: impl Iterator<Item = Scored>,
    room: usize,
) -> Vec<Scored> {
    let mut kept: Vec<Scored> = Vec::with_capacity(room);
    for candidate in candidates {
        if kept.len() == room {
            break;
        }
        let code = graph.code(candidate.node);
        let mut apart = true;
        for other in &kept {
            if kernel.code_distance(code, graph.code(other.node)) < candidate.distance {
                apart = false;
                break;
            }
        }
        if apart {
            kept.push(candidate);
        }
    }
    kept
}
