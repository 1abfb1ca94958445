//! The patches under the cells of a convolution as the columns of a matrix.

use super::Real;
use crate::arch::Shape;
use crate::backend::ops::Window;
use std::ops::Range;

/// The patches of one image (or one group of its channels) under output cells `cells`, row-major: a
/// `(c * kernel * kernel, cells)` matrix, zero where a patch sees padding.
pub(super) fn take<T: Real>(
    image: &[T],
    shape: Shape,
    window: Window,
    out_w: usize,
    cells: Range<usize>,
) -> Vec<T> {
    let len = cells.len();
    let mut matrix = vec![T::default(); shape.c * window.kernel * window.kernel * len];
    for_runs(shape, window, out_w, cells, |run| {
        let line = &mut matrix[run.line * len + run.column..][..run.len];
        if window.stride == 1 {
            line.copy_from_slice(&image[run.pixel..][..run.len]);
        } else {
            let pixels = image[run.pixel..].iter().step_by(window.stride);
            line.iter_mut().zip(pixels).for_each(|(value, &pixel)| *value = pixel);
        }
    });
    matrix
}

/// Cells next to each other in a line of the matrix, whose pixels lie in one row of the image.
struct Run {
    /// Which channel and place in the kernel.
    line: usize,
    /// Where the run begins in the line.
    column: usize,
    /// Where it begins in the image; the next pixels follow by the stride.
    pixel: usize,
    len: usize,
}

/// Visits every run of the matrix that lies inside the image.
fn for_runs(shape: Shape, window: Window, out_w: usize, cells: Range<usize>, mut visit: impl FnMut(Run)) {
    let Window { kernel, stride, padding } = window;
    // The rows of the output that the cells lie in: each with its columns, and where they begin in a line.
    let rows: Vec<(usize, Range<usize>, usize)> = (cells.start / out_w..cells.end.div_ceil(out_w))
        .map(|y| {
            let row = y * out_w;
            let (start, end) = (cells.start.max(row), cells.end.min(row + out_w));
            (y, start - row..end - row, start - cells.start)
        })
        .collect();
    let mut line = 0;
    for c in 0..shape.c {
        for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
            // Columns of the output whose patch has this place inside the input.
            let inside = padding.saturating_sub(kx).div_ceil(stride)
                ..(shape.w + padding).saturating_sub(kx).div_ceil(stride);
            for (y, columns, at) in &rows {
                let Some(iy) = (y * stride + ky).checked_sub(padding).filter(|&iy| iy < shape.h) else {
                    continue;
                };
                let (first, end) = (columns.start.max(inside.start), columns.end.min(inside.end));
                if first < end {
                    visit(Run {
                        line,
                        column: at + first - columns.start,
                        pixel: c * shape.cells() + iy * shape.w + first * stride + kx - padding,
                        len: end - first,
                    });
                }
            }
            line += 1;
        }
    }
}
