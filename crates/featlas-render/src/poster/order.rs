//! A fair order to draw things in that lie on each other.

/// The numbers below `n`, shuffled; the same for the same `n` and `seed` everywhere.
///
/// Fisher-Yates over `SplitMix64` (Steele, Lea and Flood 2014). Not for statistics.
pub(crate) fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        // The bias of a remainder over 64 bits is far below what an eye sees.
        let j = next() % (i as u64 + 1);
        order.swap(i, usize::try_from(j).expect("at most i"));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_appears_once_and_the_seed_decides_where() {
        let order = shuffled(1_000, 1);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1_000));
        assert_eq!(order, shuffled(1_000, 1));
        assert_ne!(order, shuffled(1_000, 2));
        let moved = order.iter().enumerate().filter(|(i, v)| i != *v).count();
        assert!(moved > 980, "{moved}");
        assert!(shuffled(0, 1).is_empty());
    }
}
