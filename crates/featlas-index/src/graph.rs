//! The graph of Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
//! Navigable Small World graphs" (2018), over codes, and how it is searched.
//!
//! A node stands for all rows that are equal byte by byte, so that duplicates cost nothing, cannot crowd out a node's links,
//! and are all found together. Every node has `2 m` places for links on layer 0 and `m` on each layer above.

mod audit;
mod grow;
mod pool;

pub use audit::Audit;
pub(crate) use audit::audit;
pub(crate) use grow::{Draft, GrowParams, grow};
pub(crate) use pool::{NodeSet, Scratch};

use crate::kernel::{self, Kernel, Work};

/// Marks a place without a link, and a node without upper layers.
pub(crate) const NONE: u32 = u32::MAX;
/// Layers a graph may have.
pub(crate) const MAX_LAYERS: u8 = 16;

/// A graph and the codes of its nodes, borrowed: what searches work on.
///
/// Invariants (checked by [`GraphView::check`]): a link on layer `l` leads to another node that lives on layer `l`, no link
/// follows an empty place, the entry lives on the top layer, every node has as many upper slots as its level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GraphView<'a> {
    /// Links a node may have above layer 0.
    pub(crate) m: usize,
    /// Bytes of a code.
    pub(crate) rank: usize,
    /// `(nodes, rank)`.
    pub(crate) codes: &'a [u8],
    /// Top layer of every node.
    pub(crate) levels: &'a [u8],
    /// `(nodes, 2 m)`: links on layer 0, [`NONE`] after the last.
    pub(crate) bottom: &'a [u32],
    /// First of a node's slots in `upper`; it has one for each layer from 1 to its level.
    pub(crate) slots: &'a [u32],
    /// `(slots, m)`: links above layer 0.
    pub(crate) upper: &'a [u32],
    /// Where every search begins.
    pub(crate) entry: u32,
}

/// A node and the squared difference of its code to the query's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scored {
    pub(crate) distance: u32,
    pub(crate) node: u32,
}

impl<'a> GraphView<'a> {
    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.levels.len()
    }

    /// The code of `node`.
    #[expect(
        clippy::inline_always,
        reason = "only inlined code is compiled for the CPU that the dispatch found"
    )]
    #[inline(always)]
    pub(crate) fn code(&self, node: u32) -> &'a [u8] {
        &self.codes[node as usize * self.rank..][..self.rank]
    }

    /// The places for links of `node` on `layer`; the used ones come first.
    #[inline]
    pub(crate) fn places(&self, node: u32, layer: u8) -> &'a [u32] {
        if layer == 0 {
            let width = 2 * self.m;
            return &self.bottom[node as usize * width..][..width];
        }
        if layer > self.levels[node as usize] {
            return &[];
        }
        let slot = self.slots[node as usize] as usize + usize::from(layer) - 1;
        &self.upper[slot * self.m..][..self.m]
    }

    /// The links of `node` on `layer`.
    pub(crate) fn links(&self, node: u32, layer: u8) -> impl Iterator<Item = u32> + use<'a> {
        self.places(node, layer).iter().copied().take_while(|&link| link != NONE)
    }

    /// The paper's algorithm 5: leaves in `scratch` the nodes nearest to `query`, a code, found with `ef` candidates; nearest
    /// first, ties by node number. At most `ef` nodes, fewer if the graph does not lead to so many. Nodes of `absent` are
    /// not visited; the search may begin at one, but does not return it.
    pub(crate) fn search(&self, query: &[u8], ef: usize, absent: Option<&NodeSet>, scratch: &mut Scratch) {
        kernel::run(Descend { graph: *self, query, ef, lowest: 0, absent, scratch });
    }

    /// Checks every invariant; the text of the error says which is broken.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (n, width) = (self.len(), 2 * self.m);
        let top = self.levels.iter().copied().max().ok_or("it has no node")?;
        if top >= MAX_LAYERS {
            return Err(format!("expected levels below {MAX_LAYERS}, got {top}"));
        }
        if self.codes.len() != n * self.rank || self.bottom.len() != n * width || self.slots.len() != n {
            return Err("its parts are of different lengths".to_owned());
        }
        if self.levels.get(self.entry as usize) != Some(&top) {
            return Err(format!("entry {} is no node of the top layer {top}", self.entry));
        }
        let mut next = 0usize;
        for (node, (&level, &slot)) in self.levels.iter().zip(self.slots).enumerate() {
            let expected = if level == 0 { NONE as usize } else { next };
            if slot as usize != expected {
                return Err(format!("node {node} has slot {slot}, expected {expected}"));
            }
            next += usize::from(level);
        }
        if self.upper.len() != next * self.m {
            return Err(format!("expected {next} upper slots, got {} links", self.upper.len()));
        }
        for (&level, node) in self.levels.iter().zip(0u32..) {
            for layer in 0..=level {
                self.check_links(node, layer)?;
            }
        }
        Ok(())
    }

    fn check_links(&self, node: u32, layer: u8) -> Result<(), String> {
        let mut ended = false;
        for &link in self.places(node, layer) {
            if link == NONE {
                ended = true;
                continue;
            }
            let lives = self.levels.get(link as usize).is_some_and(|&level| level >= layer);
            if ended || link == node || !lives {
                return Err(format!("node {node} has a bad link to {link} on layer {layer}"));
            }
        }
        Ok(())
    }
}

/// A search from the top layer down to `lowest`, compiled for each instruction set.
///
/// It leaves the candidates of layer `lowest` in the scratch.
pub(crate) struct Descend<'a, 's> {
    pub(crate) graph: GraphView<'a>,
    pub(crate) query: &'s [u8],
    pub(crate) ef: usize,
    pub(crate) lowest: u8,
    pub(crate) absent: Option<&'s NodeSet>,
    pub(crate) scratch: &'s mut Scratch,
}

impl Work for Descend<'_, '_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
    #[inline(always)]
    fn with_kernel<K: Kernel>(self, kernel: K) {
        let Self { graph, query, ef, lowest, absent, scratch } = self;
        let entry = graph.entry;
        let mut nearest = Scored { distance: kernel.code_distance(query, graph.code(entry)), node: entry };
        for layer in (lowest + 1..=graph.levels[entry as usize]).rev() {
            nearest = greedy(kernel, graph, query, nearest, layer);
        }
        scratch.begin(graph.len(), ef);
        scratch.pool.push(nearest);
        scratch.visited.insert(nearest.node);
        search_layer(kernel, graph, query, lowest, absent, scratch);
    }
}

/// Goes to the nearest neighbor until none is nearer.
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
#[inline(always)]
pub(crate) fn greedy<K: Kernel>(
    kernel: K,
    graph: GraphView<'_>,
    query: &[u8],
    start: Scored,
    layer: u8,
) -> Scored {
    let mut nearest = start;
    loop {
        let links = graph.places(nearest.node, layer);
        for &link in links.iter().take_while(|&&link| link != NONE) {
            kernel.prefetch(graph.code(link));
        }
        let mut next = nearest;
        for &link in links.iter().take_while(|&&link| link != NONE) {
            next = next.min(Scored { distance: kernel.code_distance(query, graph.code(link)), node: link });
        }
        if next == nearest {
            return nearest;
        }
        nearest = next;
    }
}

/// The paper's algorithm 2, from what is in the pool already.
#[expect(clippy::inline_always, reason = "only inlined code is compiled for the CPU that was found")]
#[inline(always)]
pub(crate) fn search_layer<K: Kernel>(
    kernel: K,
    graph: GraphView<'_>,
    query: &[u8],
    layer: u8,
    absent: Option<&NodeSet>,
    scratch: &mut Scratch,
) {
    while let Some(node) = scratch.pool.next() {
        scratch.fresh.clear();
        // All codes of a round are asked for before the first is compared, so that their ways through memory overlap.
        for &link in graph.places(node, layer) {
            if link == NONE {
                break;
            }
            if scratch.visited.insert(link) {
                kernel.prefetch(graph.code(link));
                scratch.fresh.push(link);
            }
        }
        for at in 0..scratch.fresh.len() {
            let link = scratch.fresh[at];
            if absent.is_some_and(|absent| absent.contains(link)) {
                continue;
            }
            let distance = kernel.code_distance(query, graph.code(link));
            if scratch.pool.push(Scored { distance, node: link }) && layer == 0 {
                // It may be followed soon.
                kernel.prefetch(bytemuck::cast_slice(graph.places(link, 0)));
            }
        }
    }
    if let Some(absent) = absent {
        scratch.pool.retain(|node| !absent.contains(node));
    }
}

#[cfg(test)]
mod tests;
