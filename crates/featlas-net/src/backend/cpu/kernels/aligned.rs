//! Numbers on cache-line borders, so that no vector lies across two lines.

use std::ops::{Deref, DerefMut};

/// A cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A slice of f32 that begins on a cache line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut lines = Vec::with_capacity(len.div_ceil(16));
        // Before the first value is written: pages that exist already stay small.
        ask_for_huge_pages(&mut lines);
        lines.resize(len.div_ceil(16), Line([0.0; 16]));
        Self { lines, len }
    }

    /// Makes it at least `len` long; what it holds is then unspecified.
    pub(crate) fn reserve(&mut self, len: usize) {
        if self.len < len {
            // The old values are let go first: both together would be too much memory.
            *self = Self::default();
            *self = Self::zeros(len);
        }
    }
}

/// Asks the system to back a large buffer with large pages: reading weights from end to end otherwise waits
/// for the address of every 4 KiB.
fn ask_for_huge_pages(lines: &mut Vec<Line>) {
    #[cfg(target_os = "linux")]
    {
        const HUGE_PAGE_BYTES: usize = 2 << 20;
        let room = lines.spare_capacity_mut();
        let bytes = size_of_val(room);
        let skip = room.as_ptr().cast::<u8>().align_offset(HUGE_PAGE_BYTES);
        if bytes < skip + HUGE_PAGE_BYTES {
            return;
        }
        // SAFETY: the pages lie inside the vector's own room; advice changes how they are backed, not what they
        // hold. That the system cannot follow it is no error.
        unsafe {
            let start = room.as_mut_ptr().cast::<u8>().add(skip);
            libc::madvise(start.cast(), bytes - skip, libc::MADV_HUGEPAGE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = lines;
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines hold 16 f32 each, `#[repr(C)]`, without gaps; `len` is at most as many.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and the lines are borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// A number that weights or activations are kept in where products are of integers.
pub(crate) trait Integer: Copy + Send + Sync + 'static {
    /// `value`, which must fit.
    fn of(value: i16) -> Self;
}

impl Integer for i16 {
    fn of(value: i16) -> Self {
        value
    }
}

impl Integer for i8 {
    fn of(value: i16) -> Self {
        Self::try_from(value).expect("weights are scaled to their width")
    }
}

/// The memory of `values` as integers, several in each place.
pub(crate) fn integers<I: Integer>(values: &[f32]) -> &[I] {
    // SAFETY: the two integers of the trait are smaller than an f32, which is aligned for them, and take any
    // bits; the slice ends where `values` does.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values) / size_of::<I>()) }
}

/// The memory of `values` as integers to write, several in each place.
pub(crate) fn integers_mut<I: Integer>(values: &mut [f32]) -> &mut [I] {
    let len = size_of_val(values) / size_of::<I>();
    // SAFETY: as in `integers`; an f32 takes any bits as well.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_on_a_line_and_keeps_its_values() {
        let mut values = Aligned::zeros(19);
        assert_eq!(values.as_ptr().align_offset(64), 0);
        assert_eq!(&values[..], [0.0; 19]);
        values[18] = 3.0;
        assert_eq!(values[18..], [3.0]);
        values.reserve(7);
        assert_eq!(values.len(), 19);
        values.reserve(40);
        assert_eq!(values.len(), 40);
        integers_mut::<i16>(&mut values)[3] = -5;
        assert_eq!(integers::<i16>(&values)[..5], [0, 0, 0, -5, 0]);
        assert_eq!(integers::<i8>(&values)[5..9], [0, -5, -1, 0].map(|v: i8| v)[..]);
    }
}
