//! What follows from neighbors: whether they share labels, which images are nearly the same, which are like none.

use crate::NeighborGraph;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often the label that most neighbors carry is the image's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelAccuracy {
    /// Neighbors that vote.
    pub k: usize,
    /// Images that were asked: those with a label and a labeled neighbor.
    pub images: usize,
    /// Images whose neighbors vote for their own label.
    pub right: usize,
}

impl LabelAccuracy {
    /// Share of right votes, in `[0, 1]`.
    pub fn share(&self) -> f64 {
        self.right as f64 / self.images.max(1) as f64
    }
}

/// Lets the `k` nearest neighbors of each image vote for its label, each image left out of its own vote (Cover & Hart 1967).
///
/// `asked` are pairs of an image's own label and the labels of its neighbors, nearest first. Neighbors without a label have
/// no vote; of labels with equally many votes, the one with the nearest voter wins.
pub fn label_accuracy<'a, N: Iterator<Item = Option<u32>> + 'a>(
    k: usize,
    asked: impl Iterator<Item = (Option<u32>, N)>,
) -> LabelAccuracy {
    let mut accuracy = LabelAccuracy { k, images: 0, right: 0 };
    for (own, neighbors) in asked {
        // Votes, and the first place that voted so; negative, since earlier is better.
        let mut votes: BTreeMap<u32, (usize, isize)> = BTreeMap::new();
        for (label, place) in neighbors.take(k).zip(0isize..) {
            if let Some(label) = label {
                votes.entry(label).or_insert((0, -place)).0 += 1;
            }
        }
        let winner = votes.iter().max_by_key(|(_, standing)| **standing).map(|(&label, _)| label);
        if let (Some(own), Some(winner)) = (own, winner) {
            accuracy.images += 1;
            accuracy.right += usize::from(own == winner);
        }
    }
    accuracy
}

/// Groups of images that are within `limit` of each other, directly or through others of the group.
///
/// Members are places in [`NeighborGraph::ids`], ascending; the largest group comes first, ties by first member. Images
/// alone make no group.
pub fn near_duplicates(graph: &NeighborGraph, limit: f32) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..graph.ids.len()).collect();
    for at in 0..graph.ids.len() {
        for (other, distance) in graph.of(at) {
            if distance <= limit {
                let (a, b) = (root(&mut parent, at), root(&mut parent, other));
                // The smaller number leads, so that the result does not depend on the order of joining.
                parent[a.max(b)] = a.min(b);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..parent.len() {
        let leader = root(&mut parent, at);
        groups.entry(leader).or_default().push(at);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|group| group.len() > 1).collect();
    groups.sort_by(|a, b| b.len().cmp(&a.len()).then(a[0].cmp(&b[0])));
    groups
}

fn root(parent: &mut [usize], at: usize) -> usize {
    let mut at = at;
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
}

/// The `count` images that are farthest from their neighbors in the mean: places in [`NeighborGraph::ids`] with that mean
/// distance, the farthest first, ties by place.
pub fn outliers(graph: &NeighborGraph, count: usize) -> Vec<(usize, f32)> {
    let mean = |at: usize| graph.of(at).map(|(_, distance)| distance).sum::<f32>() / graph.k.max(1) as f32;
    let mut all: Vec<(usize, f32)> = (0..graph.ids.len()).map(|at| (at, mean(at))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use featlas_core::ImageId;

    fn graph(k: usize, neighbors: Vec<u32>, distances: Vec<f32>) -> NeighborGraph {
        let ids = (0..(neighbors.len() / k) as u64).map(ImageId).collect();
        NeighborGraph { ids, k, neighbors, distances }
    }

    #[test]
    fn most_votes_win_and_the_nearest_breaks_ties() {
        let vote = |own: Option<u32>, labels: Vec<Option<u32>>, k: usize| {
            label_accuracy(k, [(own, labels.into_iter())].into_iter())
        };
        assert_eq!(vote(Some(2), vec![Some(1), Some(2), Some(2)], 3).right, 1);
        assert_eq!(vote(Some(1), vec![Some(1), Some(2), Some(2)], 1).right, 1);
        assert_eq!(vote(Some(1), vec![Some(1), Some(2), Some(2)], 3).right, 0);
        assert_eq!(vote(Some(3), vec![Some(3), Some(1)], 2).right, 1, "a tie goes to the nearer");
        assert_eq!(vote(Some(1), vec![None, Some(1)], 2).right, 1);
        assert_eq!(vote(None, vec![Some(1)], 1).images, 0);
        assert_eq!(vote(Some(1), vec![None], 1).images, 0);
    }

    #[test]
    fn chains_of_near_images_are_one_group() {
        // 0 - 3 - 4 close by, 1 - 2 closer, 5 alone.
        let neighbors = vec![3, 2, 1, 4, 3, 0];
        let distances = vec![0.01, 0.001, 0.001, 0.02, 0.02, 0.5];
        let graph = graph(1, neighbors, distances);
        assert_eq!(near_duplicates(&graph, 0.02), vec![vec![0, 3, 4], vec![1, 2]]);
        assert_eq!(near_duplicates(&graph, 0.005), vec![vec![1, 2]]);
        assert!(near_duplicates(&graph, 0.0).is_empty());
        assert_eq!(outliers(&graph, 2), vec![(5, 0.5), (3, 0.02)]);
    }
}
