//! The frozen graph and how it is searched.
//!
//! Rows that are equal byte by byte share one node, so that duplicates cost nothing, cannot crowd out a node's links,
//! and are all found together. Links of all layers lie in one flat list.

use crate::Vectors;
use crate::distance::cosine;
use crate::exact::Hit;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Layers a graph may have; `hnsw_rs` builds no more.
pub(crate) const MAX_LAYERS: usize = 16;

/// A navigable small-world graph over the distinct rows of some [`Vectors`].
///
/// Invariants (checked by [`Graph::new`]): nodes are numbered in the order of their first row; every layer of every
/// node has a slot; a link on layer `l` leads to another node that lives on layer `l`; the entry node lives on the top layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    node_of_row: Vec<u32>,
    levels: Vec<u8>,
    entry: u32,
    // Links of slot `s` are `links[link_start[s]..link_start[s + 1]]`; node `v` on layer `l` is slot `first_slot[v] + l`.
    first_slot: Vec<usize>,
    link_start: Vec<usize>,
    links: Vec<u32>,
    // Rows of node `v`, ascending, are `members[member_start[v]..member_start[v + 1]]`.
    member_start: Vec<u32>,
    members: Vec<u32>,
}

/// The parts of a graph that are not derived from others: what a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Node of every row.
    pub(crate) node_of_row: Vec<u32>,
    /// Top layer of every node.
    pub(crate) levels: Vec<u8>,
    /// Number of links of every slot: for each node in order, layer 0 to its level.
    pub(crate) degrees: Vec<u16>,
    /// The links, slot after slot.
    pub(crate) links: Vec<u32>,
    /// Where every search begins.
    pub(crate) entry: u32,
}

impl Graph {
    /// Checks every invariant; the text of the error says which is broken.
    pub(crate) fn new(parts: Parts) -> Result<Self, String> {
        let Parts { node_of_row, levels, degrees, links, entry } = parts;
        let nodes = levels.len();
        let mut seen = 0usize;
        for (row, &node) in node_of_row.iter().enumerate() {
            if node as usize > seen || node as usize >= nodes {
                return Err(format!("row {row} belongs to node {node}, expected at most {seen}"));
            }
            seen += usize::from(node as usize == seen);
        }
        if seen != nodes || nodes == 0 {
            return Err(format!("expected at least one row for each of {nodes} nodes, got {seen}"));
        }
        let top = levels.iter().copied().max().unwrap_or(0);
        if usize::from(top) >= MAX_LAYERS {
            return Err(format!("expected levels below {MAX_LAYERS}, got {top}"));
        }
        if levels.get(entry as usize) != Some(&top) {
            return Err(format!("entry {entry} is no node of the top layer {top}"));
        }
        let mut first_slot = Vec::with_capacity(nodes);
        let mut slots = 0usize;
        for &level in &levels {
            first_slot.push(slots);
            slots += usize::from(level) + 1;
        }
        if degrees.len() != slots {
            return Err(format!("expected {slots} degrees, got {}", degrees.len()));
        }
        let mut link_start = Vec::with_capacity(slots + 1);
        let mut total = 0usize;
        link_start.push(0);
        for &degree in &degrees {
            total += usize::from(degree);
            link_start.push(total);
        }
        if links.len() != total {
            return Err(format!("expected {total} links, got {}", links.len()));
        }
        let (member_start, members) = members_of(&node_of_row, nodes);
        let graph = Self { node_of_row, levels, entry, first_slot, link_start, links, member_start, members };
        graph.check_links()?;
        Ok(graph)
    }

    fn check_links(&self) -> Result<(), String> {
        for node in 0..self.len() {
            for layer in 0..=usize::from(self.levels[node]) {
                for &link in self.links(node, layer) {
                    let level = self.levels.get(link as usize).map(|&level| usize::from(level));
                    if link as usize == node || level.is_none_or(|level| level < layer) {
                        return Err(format!("node {node} has a bad link to {link} on layer {layer}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// The parts again, for a file.
    pub(crate) fn parts(&self) -> Parts {
        let degree = |pair: &[usize]| u16::try_from(pair[1] - pair[0]).expect("links() are at most u16::MAX");
        Parts {
            node_of_row: self.node_of_row.clone(),
            levels: self.levels.clone(),
            degrees: self.link_start.windows(2).map(degree).collect(),
            links: self.links.clone(),
            entry: self.entry,
        }
    }

    /// Number of nodes, that is of distinct rows.
    pub(crate) fn len(&self) -> usize {
        self.levels.len()
    }

    /// Number of rows.
    pub(crate) fn num_rows(&self) -> usize {
        self.node_of_row.len()
    }

    /// The node of `row`.
    pub(crate) fn node_of(&self, row: usize) -> u32 {
        self.node_of_row[row]
    }

    /// The rows of `node`, ascending.
    pub(crate) fn rows_of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.members[self.member_start[node] as usize..self.member_start[node + 1] as usize]
    }

    fn links(&self, node: usize, layer: usize) -> &[u32] {
        let slot = self.first_slot[node] + layer;
        &self.links[self.link_start[slot]..self.link_start[slot + 1]]
    }

    /// Adds links on layer 0, where they are not there already and the node has room.
    pub(crate) fn add_links(&mut self, mut new: Vec<(u32, u32)>) -> usize {
        new.sort_unstable();
        new.dedup();
        new.retain(|&(from, to)| from != to && !self.links(from as usize, 0).contains(&to));
        let mut added = 0;
        let mut links = Vec::with_capacity(self.links.len() + new.len());
        let mut link_start = Vec::with_capacity(self.link_start.len());
        let mut new = new.into_iter().peekable();
        link_start.push(0);
        for node in 0..self.len() {
            for layer in 0..=usize::from(self.levels[node]) {
                let first = links.len();
                links.extend_from_slice(self.links(node, layer));
                while layer == 0 && new.peek().is_some_and(|link| link.0 as usize == node) {
                    let Some((_, to)) = new.next() else { break };
                    if links.len() - first < usize::from(u16::MAX) {
                        links.push(to);
                        added += 1;
                    }
                }
                link_start.push(links.len());
            }
        }
        (self.links, self.link_start) = (links, link_start);
        added
    }

    /// The paper's algorithm 5: the nodes nearest to `query`, found with `ef` candidates; nearest first, ties by
    /// node number. At most `ef` nodes, fewer if the graph does not lead to so many.
    pub(crate) fn search(&self, vectors: &Vectors, query: &[f32], ef: usize) -> Vec<Scored> {
        self.search_without(vectors, query, ef, &NodeSet::new(self.len()))
    }

    /// [`Graph::search`] as if the nodes of `absent` were not there.
    pub(crate) fn search_without(
        &self,
        vectors: &Vectors,
        query: &[f32],
        ef: usize,
        absent: &NodeSet,
    ) -> Vec<Scored> {
        let mut visited = absent.clone();
        let top = usize::from(self.levels[self.entry as usize]);
        // The entry may be absent itself: the search has to begin there all the same, but does not return it.
        let mut nearest = self.score(vectors, query, self.entry);
        for layer in (1..=top).rev() {
            let found = self.search_layer(vectors, query, nearest, 1, layer, &mut visited);
            nearest = found.first().copied().unwrap_or(nearest);
            visited.clone_from(absent);
        }
        let mut found = self.search_layer(vectors, query, nearest, ef.max(1), 0, &mut visited);
        found.retain(|scored| !absent.contains(scored.node));
        found
    }

    /// The paper's algorithm 2. Nodes in `visited` are not looked at.
    fn search_layer(
        &self,
        vectors: &Vectors,
        query: &[f32],
        start: Scored,
        ef: usize,
        layer: usize,
        visited: &mut NodeSet,
    ) -> Vec<Scored> {
        visited.insert(start.node);
        let mut candidates = BinaryHeap::from([Reverse(start)]);
        let mut found = BinaryHeap::from([start]);
        while let Some(Reverse(candidate)) = candidates.pop() {
            let farthest = found.peek().copied().unwrap_or(start);
            if found.len() >= ef && candidate > farthest {
                break;
            }
            for &link in self.links(candidate.node as usize, layer) {
                if !visited.insert(link) {
                    continue;
                }
                let next = self.score(vectors, query, link);
                if found.len() < ef {
                    found.push(next);
                } else if let Some(mut farthest) = found.peek_mut().filter(|farthest| next < **farthest) {
                    *farthest = next;
                } else {
                    continue;
                }
                candidates.push(Reverse(next));
            }
        }
        found.into_sorted_vec()
    }

    fn score(&self, vectors: &Vectors, query: &[f32], node: u32) -> Scored {
        let row = self.members[self.member_start[node as usize] as usize];
        Scored { distance: cosine(vectors.row(row as usize), query), node }
    }

    /// The rows of `nodes`, nearest first, ties by image id, cut to `k`.
    pub(crate) fn hits(&self, vectors: &Vectors, nodes: &[Scored], k: usize) -> Vec<Hit> {
        let mut hits: Vec<Hit> = nodes
            .iter()
            .flat_map(|scored| {
                self.rows_of(scored.node).iter().map(|&row| Hit { distance: scored.distance, row })
            })
            .collect();
        let id = |hit: &Hit| vectors.ids()[hit.row as usize];
        hits.sort_by(|a, b| a.distance.total_cmp(&b.distance).then_with(|| id(a).cmp(&id(b))));
        hits.truncate(k);
        hits
    }
}

/// Rows grouped by node.
fn members_of(node_of_row: &[u32], nodes: usize) -> (Vec<u32>, Vec<u32>) {
    let mut start = vec![0u32; nodes + 1];
    for &node in node_of_row {
        start[node as usize + 1] += 1;
    }
    for node in 0..nodes {
        start[node + 1] += start[node];
    }
    let mut next = start.clone();
    let mut members = vec![0u32; node_of_row.len()];
    for (row, &node) in (0u32..).zip(node_of_row) {
        members[next[node as usize] as usize] = row;
        next[node as usize] += 1;
    }
    (start, members)
}

/// A set of nodes, a bit each.
#[derive(Debug, Clone)]
pub(crate) struct NodeSet(Vec<u64>);

impl NodeSet {
    /// The empty set of `nodes` nodes.
    pub(crate) fn new(nodes: usize) -> Self {
        Self(vec![0; nodes.div_ceil(64)])
    }

    /// Adds `node`; false if it was there already.
    pub(crate) fn insert(&mut self, node: u32) -> bool {
        let fresh = !self.contains(node);
        self.0[node as usize / 64] |= 1 << (node % 64);
        fresh
    }

    pub(crate) fn contains(&self, node: u32) -> bool {
        self.0[node as usize / 64] >> (node % 64) & 1 == 1
    }
}

/// A node and its distance to the query, ordered by distance, ties by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scored {
    pub(crate) distance: f32,
    pub(crate) node: u32,
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.node.cmp(&other.node))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scored {}

#[cfg(test)]
#[path = "graph/tests.rs"]
mod tests;
