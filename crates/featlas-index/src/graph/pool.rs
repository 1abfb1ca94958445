//! What a search remembers: the best candidates so far, and which nodes it has seen.

use super::Scored;

/// A set of nodes, a bit each.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeSet(Vec<u64>);

impl NodeSet {
    /// The empty set of `nodes` nodes.
    pub(crate) fn new(nodes: usize) -> Self {
        Self(vec![0; nodes.div_ceil(64)])
    }

    /// Adds `node`.
    pub(crate) fn insert(&mut self, node: u32) {
        self.0[node as usize / 64] |= 1 << (node % 64);
    }

    pub(crate) fn contains(&self, node: u32) -> bool {
        self.0.get(node as usize / 64).is_some_and(|word| word >> (node % 64) & 1 == 1)
    }
}

/// The nodes that a search has seen; made empty again at the cost of those alone.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    bits: Vec<u64>,
    touched: Vec<u32>,
}

impl Visited {
    fn clear(&mut self, nodes: usize) {
        for word in self.touched.drain(..) {
            self.bits[word as usize] = 0;
        }
        self.bits.resize(nodes.div_ceil(64).max(self.bits.len()), 0);
    }

    /// Adds `node`; false if it was there already.
    #[inline]
    pub(crate) fn insert(&mut self, node: u32) -> bool {
        let word = &mut self.bits[node as usize / 64];
        let bit = 1u64 << (node % 64);
        if *word & bit != 0 {
            return false;
        }
        if *word == 0 {
            self.touched.push(node / 64);
        }
        *word |= bit;
        true
    }
}

/// A candidate in one number, ordered by distance, then node; the last bit says that its links were followed.
pub(crate) fn key(scored: Scored) -> u64 {
    u64::from(scored.distance) << 32 | u64::from(scored.node) << 1
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
fn scored(key: u64) -> Scored {
    Scored { distance: (key >> 32) as u32, node: key as u32 >> 1 }
}

/// The best candidates, nearest first, at most so many as it has room for.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    keys: Vec<u64>,
    room: usize,
    // No candidate before this one is left to follow.
    next: usize,
}

impl Pool {
    fn clear(&mut self, room: usize) {
        self.keys.clear();
        self.room = room.max(1);
        self.next = 0;
    }

    /// Offers a candidate that was not offered before; false if others are better.
    #[inline]
    pub(crate) fn push(&mut self, candidate: Scored) -> bool {
        let new = key(candidate);
        if self.keys.len() == self.room {
            if self.keys.last().is_some_and(|&last| new >= last) {
                return false;
            }
            self.keys.pop();
        }
        let at = self.keys.partition_point(|&old| old < new);
        self.keys.insert(at, new);
        self.next = self.next.min(at);
        true
    }

    /// The nearest candidate whose links were not followed yet; from now on they were.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u32> {
        let rest = self.keys.get_mut(self.next..)?;
        let ahead = rest.iter().position(|key| key & 1 == 0)?;
        rest[ahead] |= 1;
        self.next += ahead + 1;
        Some(scored(rest[ahead]).node)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        self.keys.retain(|&key| keep(scored(key).node));
    }

    /// The candidates, nearest first.
    pub(crate) fn found(&self) -> impl ExactSizeIterator<Item = Scored> + Clone {
        self.keys.iter().map(|&key| scored(key))
    }
}

/// The memory of one search, used again by the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) pool: Pool,
    pub(crate) visited: Visited,
    pub(crate) fresh: Vec<u32>,
}

impl Scratch {
    pub(crate) fn begin(&mut self, nodes: usize, room: usize) {
        self.pool.clear(room);
        self.visited.clear(nodes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_pool_keeps_the_best_and_hands_each_out_once(
            distances in prop::collection::vec(0u32..50, 1..80), room in 1usize..20, step in 1usize..5
        ) {
            let mut pool = Pool::default();
            pool.clear(room);
            let all: Vec<Scored> = distances.iter().zip(0..).map(|(&distance, node)| Scored { distance, node }).collect();
            let mut followed = Vec::new();
            for chunk in all.chunks(step) {
                for &candidate in chunk {
                    pool.push(candidate);
                }
                followed.extend(pool.next());
            }
            while let Some(node) = pool.next() {
                followed.push(node);
            }
            let mut best = all.clone();
            best.sort();
            best.truncate(room);
            prop_assert_eq!(pool.found().collect::<Vec<_>>(), best.clone());
            let unique: std::collections::BTreeSet<u32> = followed.iter().copied().collect();
            prop_assert_eq!(unique.len(), followed.len());
            prop_assert!(best.iter().all(|candidate| unique.contains(&candidate.node)));
        }
    }

    #[test]
    fn visited_forgets_what_it_saw() {
        let mut visited = Visited::default();
        for round in 0..3 {
            visited.clear(100 + round);
            assert!(visited.insert(70) && !visited.insert(70) && visited.insert(71));
        }
    }
}
