//! What the processor could do at best: multiply-adds between registers and nothing else.

use super::Isa;
use super::simd::Simd;
use std::time::{Duration, Instant};

/// Multiply-adds of a register in one round.
const ROUND: usize = 10_000;

/// Registers that are summed in: enough to hide the latency of a multiply-add on every processor.
const SUMS: usize = 12;

impl Isa {
    /// Multiply-adds a second of the calling thread, measured for about `time`; the best round counts.
    pub fn measure_peak(self, time: Duration) -> f64 {
        let start = Instant::now();
        let mut best = f64::MAX;
        while start.elapsed() < time {
            let round = Instant::now();
            let mut lanes = 0;
            // SAFETY: the kernel asks for nothing but its instruction set.
            unsafe { run(self, &mut lanes) };
            let products = (lanes * SUMS * ROUND) as f64;
            best = best.min(round.elapsed().as_secs_f64() / products);
        }
        1.0 / best
    }
}

on_every_set!(unsafe fn run = sum(lanes: &mut usize));

/// # Safety
/// The processor has `S`.
#[inline(always)]
unsafe fn sum<S: Simd>(lanes: &mut usize) {
    // SAFETY: as the caller promises; the store goes into a buffer as wide as the widest register.
    unsafe {
        // The values stay finite and normal: x becomes x / 2 + 1 again and again.
        let (half, one) = (S::splat(std::hint::black_box(0.5)), S::splat(std::hint::black_box(1.0)));
        let mut sums = [one; SUMS];
        for _ in 0..ROUND {
            for sum in &mut sums {
                *sum = S::fma(*sum, half, one);
            }
        }
        let mut total = sums[0];
        for &sum in &sums[1..] {
            total = S::add(total, sum);
        }
        let mut out = [0.0_f32; 16];
        S::store(out.as_mut_ptr(), total);
        std::hint::black_box(out);
    }
    *lanes = S::LANES;
}
