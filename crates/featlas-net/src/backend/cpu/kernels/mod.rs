//! The inner loops, written once over [`simd::Simd`] and compiled for every instruction set.
//!
//! This is the one place of the crate with `unsafe`. Its functions are safe to call: they check the
//! lengths of the slices that they are given, and an [`Isa`] can be had only for instructions that the
//! processor has.

#![expect(unsafe_code, reason = "vector instructions and the pointers that go with them")]
#![expect(clippy::inline_always, reason = "a kernel must be compiled with its caller's instruction set")]

/// Defines a function that runs a generic kernel with the instructions of an [`Isa`] switched on.
///
/// Safety: what the kernel asks for, but for the instruction set, which the [`Isa`] vouches for.
macro_rules! on_every_set {
    (unsafe fn $name:ident = $kernel:ident($($arg:ident: $of:ty),*)) => {
        unsafe fn $name(isa: crate::backend::cpu::kernels::Isa, $($arg: $of),*) {
            use crate::backend::cpu::kernels::{Set, simd};
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $of),*) {
                // SAFETY: as the caller promises.
                unsafe { $kernel::<simd::Avx2>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            unsafe fn avx512($($arg: $of),*) {
                // SAFETY: as the caller promises.
                unsafe { $kernel::<simd::Avx512>($($arg),*) }
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            unsafe fn neon($($arg: $of),*) {
                // SAFETY: as the caller promises.
                unsafe { $kernel::<simd::Neon>($($arg),*) }
            }
            // SAFETY: an `Isa` exists only where the processor has its instructions; the rest is as the
            // caller promises.
            unsafe {
                match isa.0 {
                    Set::Portable => $kernel::<simd::Portable>($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Set::Avx2 => avx2($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Set::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    Set::Neon => neon($($arg),*),
                }
            }
        }
    };
}

mod aligned;
mod band;
mod integer;
mod peak;
mod pool;
mod product;
mod simd;
mod tile;
mod transform;
mod whole;

#[cfg(test)]
pub(crate) use aligned::Integer;
pub(crate) use aligned::{Aligned, integers, integers_mut};
pub(crate) use band::{Band, Cut, bands};
pub(crate) use integer::{Finishing, IntProduct, Integers, multiply_integers, pack_integers};
pub(crate) use pool::max_pool;
pub(crate) use product::{Panels, Product, Start, Walk, multiply, pack_panels};
pub(crate) use tile::TileKind;
pub(crate) use transform::{TileOutput, TileRows, input_transform, output_transform};
pub(crate) use whole::{Level, round_to_whole};

/// Channels of a block: activations are `(n, c / 16, h, w, 16)`, so that a cell's block is one cache line
/// and one, two or four vectors.
pub(crate) const BLOCK: usize = 16;

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Isa {
    /// What this processor does fastest.
    pub fn best() -> Self {
        Self::all().pop().unwrap_or(Self(Set::Portable))
    }

    /// Everything that this processor can run, slowest first.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(Self(Set::Avx2));
            if is_x86_feature_detected!("avx512f") {
                all.push(Self(Set::Avx512));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Self(Set::Neon));
        }
        all
    }

    /// Its name in a report.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "neon",
        }
    }

    /// Blocks of channels in a panel of weights; work is cut between panels.
    pub(crate) fn panel_blocks(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => 2,
            _ => 1,
        }
    }
}
