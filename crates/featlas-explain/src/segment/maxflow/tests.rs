//! Against a plain augmenting-path search, against every cut of tiny grids, and against the cut's own cost.

use super::*;
use proptest::prelude::*;

/// A grid as lists: links `(pixel, direction, capacity)` and one signed terminal a pixel.
#[derive(Debug, Clone)]
struct Grid {
    width: usize,
    height: usize,
    links: Vec<(usize, usize, i32)>,
    terminals: Vec<i32>,
}

impl Grid {
    /// Takes capacities in order for every link inside the grid.
    fn new(width: usize, height: usize, mut next: impl FnMut() -> i32, terminals: Vec<i32>) -> Self {
        let mut links = Vec::new();
        for i in 0..width * height {
            let (x, y) = (i % width, i / width);
            for (direction, inside) in
                [(LEFT, x > 0), (UP, y > 0), (UP_LEFT, x > 0 && y > 0), (UP_RIGHT, x + 1 < width && y > 0)]
            {
                if inside {
                    links.push((i, direction, next()));
                }
            }
        }
        Self { width, height, links, terminals }
    }

    fn target(&self, i: usize, direction: usize) -> usize {
        match direction {
            LEFT => i - 1,
            UP => i - self.width,
            UP_LEFT => i - self.width - 1,
            _ => i - self.width + 1,
        }
    }

    fn graph(&self) -> GridGraph {
        let mut graph = GridGraph::new(self.width, self.height);
        for &(i, direction, capacity) in &self.links {
            graph.set_link(i, direction, capacity);
        }
        for (i, &capacity) in self.terminals.iter().enumerate() {
            graph.add_terminal(i, capacity);
        }
        graph
    }

    fn solve(&self) -> (i64, Vec<bool>) {
        let mut graph = self.graph();
        let flow = graph.solve();
        (flow, (0..self.terminals.len()).map(|i| graph.is_source(i)).collect())
    }

    /// What a cut costs: the links that it crosses, and the terminals that it takes away.
    fn cost(&self, is_source: &[bool]) -> i64 {
        let crossed = self.links.iter().filter(|&&(i, d, _)| is_source[i] != is_source[self.target(i, d)]);
        let links: i64 = crossed.map(|&(_, _, capacity)| i64::from(capacity)).sum();
        let terminals: i64 = self
            .terminals
            .iter()
            .zip(is_source)
            .map(|(&t, &source)| if source { i64::from(-t.min(0)) } else { i64::from(t.max(0)) })
            .sum();
        links + terminals
    }

    /// Edmonds-Karp on a full matrix: slow and plain.
    fn slow_flow(&self) -> i64 {
        let n = self.terminals.len() + 2;
        let (source, sink) = (n - 2, n - 1);
        let mut residual = vec![vec![0_i64; n]; n];
        for &(i, direction, capacity) in &self.links {
            let j = self.target(i, direction);
            residual[i][j] += i64::from(capacity);
            residual[j][i] += i64::from(capacity);
        }
        for (i, &t) in self.terminals.iter().enumerate() {
            residual[source][i] = i64::from(t.max(0));
            residual[i][sink] = i64::from((-t).max(0));
        }
        let mut flow = 0;
        loop {
            let mut from = vec![usize::MAX; n];
            from[source] = source;
            let mut queue = VecDeque::from([source]);
            while let Some(u) = queue.pop_front() {
                for v in 0..n {
                    if from[v] == usize::MAX && residual[u][v] > 0 {
                        from[v] = u;
                        queue.push_back(v);
                    }
                }
            }
            if from[sink] == usize::MAX {
                return flow;
            }
            let mut path = vec![sink];
            while *path.last().unwrap() != source {
                path.push(from[*path.last().unwrap()]);
            }
            let most = path.windows(2).map(|w| residual[w[1]][w[0]]).min().unwrap();
            for w in path.windows(2) {
                residual[w[1]][w[0]] -= most;
                residual[w[0]][w[1]] += most;
            }
            flow += most;
        }
    }
}

fn grids() -> impl Strategy<Value = Grid> {
    // Small capacities make ties and many full arcs; large ones make long paths.
    (1_usize..9, 1_usize..9, prop_oneof![Just(2), Just(9), Just(1_000_000)]).prop_flat_map(|(w, h, most)| {
        (
            proptest::collection::vec(0..=most, 4 * w * h),
            proptest::collection::vec(-3 * most..=3 * most, w * h),
        )
            .prop_map(move |(links, terminals)| {
                let mut links = links.into_iter();
                Grid::new(w, h, || links.next().unwrap(), terminals)
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flow_is_the_one_of_a_plain_search_and_the_cut_costs_as_much(grid in grids()) {
        let (flow, is_source) = grid.solve();
        prop_assert_eq!(flow, grid.slow_flow());
        prop_assert_eq!(flow, grid.cost(&is_source));
    }
}

#[test]
fn no_cut_of_a_tiny_grid_is_cheaper() {
    let mut state = 7_u32;
    for _ in 0..40 {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i32::try_from(state >> 28).unwrap()
        };
        let terminals = (0..12).map(|_| next() - 8).collect();
        let grid = Grid::new(4, 3, &mut next, terminals);
        let least = (0_u32..1 << 12)
            .map(|bits| grid.cost(&(0..12).map(|i| bits >> i & 1 == 1).collect::<Vec<_>>()))
            .min();
        assert_eq!(Some(grid.solve().0), least);
    }
}

#[test]
fn a_large_grid_costs_what_flows_through_it() {
    let (width, height) = (173, 121);
    let mut state = 99_u32;
    let mut next = |most: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i32::try_from((state >> 8) % most).unwrap()
    };
    let terminals: Vec<i32> = (0..width * height).map(|_| next(40_000) - 20_000).collect();
    let grid = Grid::new(width, height, || next(9_000), terminals);
    let (flow, is_source) = grid.solve();
    assert_eq!(flow, grid.cost(&is_source));
    assert!(is_source.contains(&true) && is_source.contains(&false));
}

#[test]
fn a_changed_grid_is_cut_as_if_anew() {
    let mut state = 5_u32;
    let mut next = |most: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i32::try_from((state >> 8) % most).unwrap()
    };
    let (width, height) = (37, 23);
    let mut grid = Grid::new(width, height, || next(900), vec![0; width * height]);
    let mut graph = grid.graph();
    for round in 0..6 {
        for i in 0..width * height {
            // Some pixels keep what they have; some change sides.
            if next(3) > 0 {
                let pull = next(4_000) - 2_000;
                graph.add_terminal(i, pull - std::mem::replace(&mut grid.terminals[i], pull));
            }
        }
        graph.solve();
        let (_, anew) = grid.solve();
        let is_source: Vec<bool> = (0..width * height).map(|i| graph.is_source(i)).collect();
        assert_eq!(is_source, anew, "round {round}");
        assert!(anew.contains(&true) && anew.contains(&false));
    }
}

#[test]
fn without_terminals_nothing_flows() {
    let grid = Grid::new(3, 3, || 5, vec![0; 9]);
    assert_eq!(grid.solve(), (0, vec![false; 9]));
}
