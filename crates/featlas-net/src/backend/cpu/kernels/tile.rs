//! The kinds of tiles of Winograd's convolution, as data.

/// A kind of tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TileKind {
    /// `F(4x4, 3x3)`: 36 products for 16 cells.
    F4x3,
    /// `F(6x6, 3x3)`: 64 products for 36 cells.
    F6x3,
    /// `F(4x4, 5x5)`: 64 products for 16 cells.
    F4x5,
}

impl TileKind {
    /// Side of the tile of the output.
    pub(crate) fn side(self) -> usize {
        match self {
            Self::F4x3 | Self::F4x5 => 4,
            Self::F6x3 => 6,
        }
    }

    /// Side of the tile of the input: the number of points.
    pub(crate) fn points(self) -> usize {
        match self {
            Self::F4x3 => 6,
            Self::F6x3 | Self::F4x5 => 8,
        }
    }

    /// Side of the kernel.
    pub(crate) fn kernel(self) -> usize {
        self.points() + 1 - self.side()
    }

    /// `(points, kernel)`, row-major: evaluates a kernel at the points. Follows from the points and from
    /// how the rows of the input's transform are scaled: the row of point `a` is the product of all
    /// `x - b` over the other points `b`, whose value at `a` is divided out here.
    pub(crate) fn kernel_matrix(self) -> Vec<f64> {
        // The row of point 0 is scaled by this in `input`.
        let (finite, zero_scale): (&[f64], f64) = match self {
            Self::F4x3 => (&[0.0, 1.0, -1.0, 2.0, -2.0], 1.0),
            Self::F6x3 | Self::F4x5 => (&[0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5], -1.0),
        };
        let r = self.kernel();
        let mut matrix = Vec::with_capacity(self.points() * r);
        for (i, &a) in finite.iter().enumerate() {
            let others = finite.iter().enumerate().filter(|&(j, _)| j != i);
            let scale: f64 =
                others.map(|(_, &b)| a - b).product::<f64>() * if i == 0 { zero_scale } else { 1.0 };
            let mut power = 1.0 / scale;
            for _ in 0..r {
                matrix.push(power);
                power *= a;
            }
        }
        matrix.extend((0..r).map(|j| if j + 1 == r { 1.0 } else { 0.0 }));
        matrix
    }
}
