//! From activations to whole numbers.

use super::Isa;
use super::simd::Simd;

/// How activations become whole numbers of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    /// Whole numbers a unit.
    pub(crate) scale: f32,
    /// The largest whole number, either way; what lies beyond is cut.
    pub(crate) limit: i16,
}

impl Level {
    /// Gives `range`, the largest activation that is expected, the number `limit`.
    pub(crate) fn new(range: f32, limit: i16) -> Self {
        Self { scale: if range > 0.0 { f32::from(limit) / range } else { 0.0 }, limit }
    }

    /// What a unit of the whole numbers is worth.
    pub(crate) fn unit(self) -> f32 {
        if self.scale > 0.0 { 1.0 / self.scale } else { 0.0 }
    }
}

/// Rounds `values` to whole numbers, ties to even; the same bits on every instruction set.
///
/// # Panics
/// If `whole` is shorter than `values`.
pub(crate) fn round_to_whole(isa: Isa, values: &[f32], level: Level, whole: &mut [i16]) {
    assert!(whole.len() >= values.len(), "room for every value");
    let args = Values { from: values.as_ptr(), len: values.len(), level, to: whole.as_mut_ptr() };
    // SAFETY: the assert above is what the kernel demands.
    unsafe { run(isa, &args) }
}

struct Values {
    from: *const f32,
    len: usize,
    level: Level,
    to: *mut i16,
}

on_every_set!(unsafe fn run = round(args: &Values));

/// # Safety
/// The processor has `S`; `args` are as [`round_to_whole`] checks them.
#[inline(always)]
unsafe fn round<S: Simd>(args: &Values) {
    // SAFETY: whole registers lie inside the values; the rest goes through buffers of a register.
    unsafe {
        let (scale, limit) = (S::splat(args.level.scale), S::splat(f32::from(args.level.limit)));
        let mut at = 0;
        while at + S::LANES <= args.len {
            S::store_whole(args.to.add(at), S::mul(S::load(args.from.add(at)), scale), limit);
            at += S::LANES;
        }
        let (mut rest, mut whole) = ([0.0_f32; 16], [0_i16; 16]);
        std::ptr::copy_nonoverlapping(args.from.add(at), rest.as_mut_ptr(), args.len - at);
        S::store_whole(whole.as_mut_ptr(), S::mul(S::load(rest.as_ptr()), scale), limit);
        std::ptr::copy_nonoverlapping(whole.as_ptr(), args.to.add(at), args.len - at);
    }
}
