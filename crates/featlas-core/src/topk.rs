//! The `k` best of a stream, in bounded memory.

use std::cmp::Ordering;

/// Keeps the `k` largest items by value; among equal values the smaller key wins.
///
/// The result does not depend on the order of arrival, and two of them over parts of a stream
/// merge to the one over the whole. NaN is never kept.
#[derive(Debug, Clone)]
pub struct TopK<K> {
    k: usize,
    // Sorted, best first. `k` is small (9 patches, 5 classes), so insertion beats a heap.
    items: Vec<(f32, K)>,
}

impl<K: Ord + Clone> TopK<K> {
    /// Room for the `k` best.
    pub fn new(k: usize) -> Self {
        Self { k, items: Vec::with_capacity(k.min(1024)) }
    }

    /// Offers an item.
    pub fn push(&mut self, value: f32, key: K) {
        if self.k == 0 || value.is_nan() {
            return;
        }
        if self.items.len() == self.k
            && self.items.last().is_some_and(|last| order(last, &(value, key.clone())) == Ordering::Less)
        {
            return;
        }
        let candidate = (value, key);
        let at = self.items.partition_point(|item| order(item, &candidate) == Ordering::Less);
        self.items.insert(at, candidate);
        self.items.truncate(self.k);
    }

    /// Takes over what `other` holds.
    pub fn merge(&mut self, other: Self) {
        for (value, key) in other.items {
            self.push(value, key);
        }
    }

    /// The items, best first.
    pub fn items(&self) -> &[(f32, K)] {
        &self.items
    }

    /// Gives the items away, best first.
    pub fn into_items(self) -> Vec<(f32, K)> {
        self.items
    }
}

/// `Less` when `a` is better: the larger value, then the smaller key.
fn order<K: Ord>(a: &(f32, K), b: &(f32, K)) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_head_of_a_full_sort(values in prop::collection::vec(-3i16..3, 0..60), k in 0usize..12, cut in 0usize..60) {
            let items: Vec<(f32, usize)> =
                values.iter().map(|&v| f32::from(v)).zip(0..).collect();
            let mut sorted = items.clone();
            sorted.sort_by(order);
            sorted.truncate(k);

            let cut = cut.min(items.len());
            let (mut left, mut right) = (TopK::new(k), TopK::new(k));
            items[..cut].iter().for_each(|&(v, i)| left.push(v, i));
            items[cut..].iter().rev().for_each(|&(v, i)| right.push(v, i));
            right.merge(left);
            prop_assert_eq!(right.into_items(), sorted);
        }
    }

    #[test]
    fn nan_is_never_kept() {
        let mut top = TopK::new(2);
        top.push(f32::NAN, 0);
        top.push(1.0, 1);
        assert_eq!(top.into_items(), vec![(1.0, 1)]);
    }
}
