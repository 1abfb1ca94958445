//! The minimum cut of a grid of pixels, by augmenting paths that two search trees find.
//!
//! Boykov & Kolmogorov, "An Experimental Comparison of Min-Cut/Max-Flow Algorithms for Energy Minimization in
//! Vision" (PAMI 2004), section 3, with the distance and timestamp marks of Kolmogorov's thesis (2004, section
//! 2.5.2), that keep the trees shallow. The graph is implicit: every pixel has eight neighbors, and one signed
//! number for its two terminals. Capacities are integers, so the cut is exact and no rounding decides it.

use std::collections::VecDeque;

/// Directions to the neighbors; an odd one undoes the even one before it.
pub(crate) const LEFT: usize = 0;
pub(crate) const UP: usize = 2;
pub(crate) const UP_LEFT: usize = 4;
pub(crate) const UP_RIGHT: usize = 6;
const DIRECTIONS: usize = 8;

/// What a node's parent link says beside a direction.
const TERMINAL: u8 = 8;
const ORPHAN: u8 = 9;
const NONE: u8 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tree {
    Free,
    Source,
    Sink,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// What is left of the capacity toward each neighbor.
    residual: [i32; DIRECTIONS],
    /// What is left from the source (positive) or to the sink (negative).
    terminal: i32,
    /// Steps to the terminal when `stamp` was set.
    distance: u32,
    stamp: u32,
    tree: Tree,
    /// The direction of the parent, or one of the marks above.
    parent: u8,
    is_active: bool,
}

const EMPTY: Node = Node {
    residual: [0; DIRECTIONS],
    terminal: 0,
    distance: 0,
    stamp: 0,
    tree: Tree::Free,
    parent: NONE,
    is_active: false,
};

/// A grid of pixels with capacities between neighbors and to the two terminals.
///
/// A rim of pixels without capacities stands around it, so that no neighbor lies outside.
#[derive(Debug, Clone)]
pub(crate) struct GridGraph {
    nodes: Vec<Node>,
    width: usize,
    stride: usize,
    offsets: [isize; DIRECTIONS],
    active: VecDeque<u32>,
    orphans: VecDeque<u32>,
    time: u32,
    flow: i64,
}

impl GridGraph {
    /// A grid without capacities.
    ///
    /// # Panics
    /// If it has more nodes than a `u32` counts.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let stride = width + 2;
        let count = stride * (height + 2);
        assert!(u32::try_from(count).is_ok(), "a grid of {width} x {height} is too large");
        let down = isize::try_from(stride).expect("a grid's rows fit into memory");
        Self {
            nodes: vec![EMPTY; count],
            width,
            stride,
            offsets: [-1, 1, -down, down, -down - 1, down + 1, 1 - down, down - 1],
            active: VecDeque::new(),
            orphans: VecDeque::new(),
            time: 0,
            flow: 0,
        }
    }

    /// Sets what may flow between pixel `i` (row-major) and its neighbor in `direction`, both ways.
    ///
    /// The neighbor must lie inside the grid.
    pub(crate) fn set_link(&mut self, i: usize, direction: usize, capacity: i32) {
        let node = self.index(i);
        let neighbor = self.neighbor(node, direction);
        self.nodes[node].residual[direction] = capacity;
        self.nodes[neighbor].residual[direction ^ 1] = capacity;
    }

    /// Adds to what may flow from the source to pixel `i` (positive) or from it to the sink (negative).
    ///
    /// What already flows stays, and the next [`GridGraph::solve`] goes on from there (Kohli & Torr, "Dynamic Graph
    /// Cuts", PAMI 2007): the cut is the one of the new capacities.
    pub(crate) fn add_terminal(&mut self, i: usize, capacity: i32) {
        let node = self.index(i);
        self.nodes[node].terminal += capacity;
    }

    /// Whether pixel `i` is on the source's side of the cut, after [`GridGraph::solve`].
    pub(crate) fn is_source(&self, i: usize) -> bool {
        self.nodes[self.index(i)].tree == Tree::Source
    }

    /// Sends as much as possible from the source to the sink and returns how much it was, beside what flowed before.
    pub(crate) fn solve(&mut self) -> i64 {
        (self.time, self.flow) = (0, 0);
        for at in 0..self.nodes.len() {
            let node = &mut self.nodes[at];
            (node.tree, node.parent, node.stamp) = (Tree::Free, NONE, 0);
            if node.terminal != 0 {
                node.tree = if node.terminal > 0 { Tree::Source } else { Tree::Sink };
                node.parent = TERMINAL;
                node.distance = 1;
                self.activate(at);
            }
        }
        while let Some(at) = self.active.pop_front() {
            let at = at as usize;
            self.nodes[at].is_active = false;
            while self.nodes[at].tree != Tree::Free {
                let Some((from, direction)) = self.grow(at) else { break };
                self.time += 1;
                self.augment(from, direction);
                self.adopt_all();
            }
        }
        self.flow
    }

    fn index(&self, i: usize) -> usize {
        (i / self.width + 1) * self.stride + i % self.width + 1
    }

    fn neighbor(&self, node: usize, direction: usize) -> usize {
        node.wrapping_add_signed(self.offsets[direction])
    }

    fn activate(&mut self, at: usize) {
        if !self.nodes[at].is_active {
            self.nodes[at].is_active = true;
            self.active.push_back(name(at));
        }
    }

    /// Lets the tree of `at` take its free neighbors. Where it meets the other tree: the node on the source's
    /// side, and the direction of the one on the sink's.
    fn grow(&mut self, at: usize) -> Option<(usize, usize)> {
        let Node { tree, distance, stamp, residual, .. } = self.nodes[at];
        for (direction, &left) in residual.iter().enumerate() {
            let next = self.neighbor(at, direction);
            let back = direction ^ 1;
            let open = match tree {
                Tree::Source => left > 0,
                _ => self.nodes[next].residual[back] > 0,
            };
            if !open {
                continue;
            }
            let other = &mut self.nodes[next];
            if other.tree == Tree::Free {
                other.tree = tree;
                other.parent = link(back);
                other.stamp = stamp;
                other.distance = distance + 1;
                self.activate(next);
            } else if other.tree != tree {
                return Some(if tree == Tree::Source { (at, direction) } else { (next, back) });
            } else if other.stamp <= stamp && other.distance > distance {
                // A shorter way to the terminal than the one it had.
                other.parent = link(back);
                other.stamp = stamp;
                other.distance = distance + 1;
            }
        }
        None
    }

    /// Sends what the path through the arc from `from` in `direction` can take.
    fn augment(&mut self, from: usize, direction: usize) {
        let into = self.neighbor(from, direction);
        let most = self.nodes[from].residual[direction];
        let most = self.narrowest(from, most, Tree::Source);
        let most = self.narrowest(into, most, Tree::Sink);
        self.nodes[from].residual[direction] -= most;
        self.nodes[into].residual[direction ^ 1] += most;
        self.push(from, most, Tree::Source);
        self.push(into, most, Tree::Sink);
        self.flow += i64::from(most);
    }

    /// The least residual capacity on the way from `at` to its root, if it is less than `most`.
    fn narrowest(&self, mut at: usize, mut most: i32, tree: Tree) -> i32 {
        loop {
            let node = &self.nodes[at];
            if node.parent == TERMINAL {
                return most.min(node.terminal.abs());
            }
            let up = usize::from(node.parent);
            let parent = self.neighbor(at, up);
            let arc = match tree {
                Tree::Source => self.nodes[parent].residual[up ^ 1],
                _ => node.residual[up],
            };
            most = most.min(arc);
            at = parent;
        }
    }

    /// Sends `amount` along the way from `at` to its root; nodes whose arc is full become orphans.
    fn push(&mut self, mut at: usize, amount: i32, tree: Tree) {
        loop {
            let up = self.nodes[at].parent;
            if up == TERMINAL {
                let node = &mut self.nodes[at];
                node.terminal -= if tree == Tree::Source { amount } else { -amount };
                if node.terminal == 0 {
                    self.orphan_first(at);
                }
                return;
            }
            let up = usize::from(up);
            let parent = self.neighbor(at, up);
            let (inner, outer) = match tree {
                Tree::Source => (parent, at),
                _ => (at, parent),
            };
            let arc = if tree == Tree::Source { up ^ 1 } else { up };
            self.nodes[inner].residual[arc] -= amount;
            self.nodes[outer].residual[arc ^ 1] += amount;
            if self.nodes[inner].residual[arc] == 0 {
                self.orphan_first(at);
            }
            at = parent;
        }
    }

    fn orphan_first(&mut self, at: usize) {
        self.nodes[at].parent = ORPHAN;
        self.orphans.push_front(name(at));
    }

    fn adopt_all(&mut self) {
        while let Some(at) = self.orphans.pop_front() {
            self.adopt(at as usize);
        }
    }

    /// Finds the orphan a parent in its tree, the nearest to the terminal, or sets it free.
    fn adopt(&mut self, at: usize) {
        let tree = self.nodes[at].tree;
        let mut best: Option<(u32, usize)> = None;
        for direction in 0..DIRECTIONS {
            let next = self.neighbor(at, direction);
            if self.nodes[next].tree == tree
                && self.reaches(next, at, direction, tree)
                && let Some(distance) = self.distance_to_terminal(next)
                && best.is_none_or(|(least, _)| distance < least)
            {
                best = Some((distance, direction));
            }
        }
        if let Some((distance, direction)) = best {
            let time = self.time;
            let node = &mut self.nodes[at];
            node.parent = link(direction);
            node.stamp = time;
            node.distance = distance + 1;
            return;
        }
        self.nodes[at].tree = Tree::Free;
        self.nodes[at].parent = NONE;
        for direction in 0..DIRECTIONS {
            let next = self.neighbor(at, direction);
            if self.nodes[next].tree != tree {
                continue;
            }
            if self.reaches(next, at, direction, tree) {
                self.activate(next);
            }
            if self.nodes[next].parent == link(direction ^ 1) {
                self.nodes[next].parent = ORPHAN;
                self.orphans.push_back(name(next));
            }
        }
    }

    /// Whether an arc between `at` and its neighbor `next` is open in the sense of `tree`: from the source
    /// outward, or inward to the sink.
    fn reaches(&self, next: usize, at: usize, direction: usize, tree: Tree) -> bool {
        match tree {
            Tree::Source => self.nodes[next].residual[direction ^ 1] > 0,
            _ => self.nodes[at].residual[direction] > 0,
        }
    }

    /// Steps from `start` to its terminal, or nothing if the way ends at an orphan. Marks the way it went.
    fn distance_to_terminal(&mut self, start: usize) -> Option<u32> {
        let mut steps = 0;
        let mut at = start;
        let total = loop {
            let node = &mut self.nodes[at];
            if node.stamp == self.time {
                break steps + node.distance;
            }
            if node.parent == TERMINAL {
                node.stamp = self.time;
                node.distance = 1;
                break steps + 1;
            }
            if node.parent == ORPHAN {
                return None;
            }
            steps += 1;
            let up = usize::from(node.parent);
            at = self.neighbor(at, up);
        };
        let mut left = total;
        let mut at = start;
        while self.nodes[at].stamp != self.time {
            let node = &mut self.nodes[at];
            node.stamp = self.time;
            node.distance = left;
            left -= 1;
            let up = usize::from(node.parent);
            at = self.neighbor(at, up);
        }
        Some(total)
    }
}

fn name(at: usize) -> u32 {
    u32::try_from(at).expect("new() checked the number of nodes")
}

fn link(direction: usize) -> u8 {
    u8::try_from(direction).expect("a direction is below 8")
}

#[cfg(test)]
mod tests;
