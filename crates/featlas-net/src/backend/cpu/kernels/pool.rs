//! Max-pooling of blocks of channels.

use super::simd::Simd;
use super::{BLOCK, Isa};
use crate::backend::ops::Window;

/// The largest values under the windows of one block of channels: `plane` is `(h, w, 16)`, `out` the
/// `(out_h, out_w, 16)` windows. Padding never wins, NaN always does, as in PyTorch.
///
/// # Panics
/// If a slice is shorter than its sides demand, or a window sees nothing.
pub(crate) fn max_pool(
    isa: Isa,
    plane: &[f32],
    (height, width): (usize, usize),
    window: Window,
    out: &mut [f32],
    (out_height, out_width): (usize, usize),
) {
    assert!(plane.len() >= height * width * BLOCK, "a whole plane");
    assert!(out.len() >= out_height * out_width * BLOCK, "room for every window");
    let args =
        Pool { plane: plane.as_ptr(), height, width, window, out: out.as_mut_ptr(), out_height, out_width };
    // SAFETY: the asserts above are what the kernel demands.
    unsafe { run(isa, &args) }
}

struct Pool {
    plane: *const f32,
    height: usize,
    width: usize,
    window: Window,
    out: *mut f32,
    out_height: usize,
    out_width: usize,
}

on_every_set!(unsafe fn run = pool(args: &Pool));

/// # Safety
/// The processor has `S`; `args` are as [`max_pool`] checks them.
#[inline(always)]
unsafe fn pool<S: Simd>(args: &Pool) {
    let mut to = args.out;
    for y in 0..args.out_height {
        let rows = args.window.cells(y, args.height);
        for x in 0..args.out_width {
            let columns = args.window.cells(x, args.width);
            let mut lane = 0;
            while lane < BLOCK {
                // SAFETY: the window's cells lie inside the plane, the output's cell inside the output.
                unsafe {
                    let mut largest = S::splat(f32::NEG_INFINITY);
                    for row in rows.clone() {
                        let mut from = args.plane.add((row * args.width + columns.start) * BLOCK + lane);
                        for _ in columns.clone() {
                            largest = S::max_or_nan(largest, S::load(from));
                            from = from.add(BLOCK);
                        }
                    }
                    S::store(to.add(lane), largest);
                }
                lane += S::LANES;
            }
            // SAFETY: one cell further; behind the last cell lies the end of the output.
            to = unsafe { to.add(BLOCK) };
        }
    }
}
