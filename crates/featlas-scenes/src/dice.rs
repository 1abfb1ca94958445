//! Seeded chance.

use crate::noise::Noise;
use featlas_core::Hasher;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// All the randomness of one picture.
///
/// Floats are made here and not by a library's distributions, whose results may change between its versions.
#[derive(Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of one picture; unrelated to those of any other class, index or seed.
    pub(crate) fn new(class: &str, index: u64, seed: u64) -> Self {
        let mut hasher = Hasher::new();
        hasher.field(b"featlas-scenes 1").field(class.as_bytes());
        hasher.field(&index.to_le_bytes()).field(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(hasher.finish().0))
    }

    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Evenly from `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / 16_777_216.0
    }

    /// Evenly from `[low, high)`.
    pub(crate) fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Evenly from `middle` plus or minus `spread`.
    pub(crate) fn around(&mut self, middle: f32, spread: f32) -> f32 {
        self.within(middle - spread, middle + spread)
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn whole(&mut self, low: i32, high: i32) -> i32 {
        low + crate::math::floor(self.unit() * (high - low + 1) as f32)
    }

    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[crate::math::index(self.unit() * choices.len() as f32)]
    }

    /// 1 or -1.
    pub(crate) fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    /// A noise field of its own.
    pub(crate) fn noise(&mut self) -> Noise {
        Noise::new(self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coordinate_of_the_seed_counts() {
        let first = |class, index, seed| Dice::new(class, index, seed).bits();
        let all = [first("a", 0, 0), first("b", 0, 0), first("a", 1, 0), first("a", 0, 1)];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b), "{all:?}");
        }
        assert_eq!(all[0], first("a", 0, 0));
    }

    #[test]
    fn draws_stay_in_range_and_reach_both_ends() {
        let mut dice = Dice::new("range", 0, 0);
        let draws: Vec<i32> = (0..2000).map(|_| dice.whole(-2, 3)).collect();
        assert!((-2..=3).all(|n| draws.contains(&n)) && draws.iter().all(|n| (-2..=3).contains(n)));
        let mean = (0..20_000).map(|_| dice.within(2.0, 4.0)).sum::<f32>() / 20_000.0;
        assert!((mean - 3.0).abs() < 0.02, "{mean}");
    }
}
