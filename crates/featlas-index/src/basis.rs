//! The directions along which rows vary, handed over by whoever fitted them.

use crate::IndexError;
use featlas_core::RowsView;

/// Orthonormal directions by falling variance, and the point they start from: what a PCA finds.
///
/// Invariants: `mean` has `dim` values, `axes` is `(rank, dim)` row-major with unit rows that are orthogonal to each
/// other, `variances` has `rank` values, all finite. The index does not fit directions itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    mean: Vec<f32>,
    axes: Vec<f32>,
    variances: Vec<f64>,
}

/// How far from 1 the length of an axis may be.
const UNIT_TOLERANCE: f64 = 1e-3;

impl Basis {
    /// Takes directions over: `axes` is `(variances.len(), mean.len())`, row-major.
    ///
    /// # Errors
    /// [`IndexError::Basis`] if the shapes do not fit, a value is not finite or an axis is not of length 1.
    pub fn new(mean: Vec<f32>, axes: Vec<f32>, variances: Vec<f64>) -> Result<Self, IndexError> {
        let bad = |reason: String| Err(IndexError::Basis { reason });
        let (dim, rank) = (mean.len(), variances.len());
        if dim == 0 || axes.len() != dim * rank {
            return bad(format!("expected {rank} axes of {dim} values, got {} values", axes.len()));
        }
        let finite = mean.iter().chain(&axes).all(|v| v.is_finite());
        if !finite || variances.iter().any(|v| !v.is_finite() || *v < 0.0) {
            return bad("a value is not finite".to_owned());
        }
        for (axis, values) in axes.chunks_exact(dim).enumerate() {
            let length = featlas_core::l2_norm(values);
            if (length - 1.0).abs() > UNIT_TOLERANCE {
                return bad(format!("axis {axis} has length {length:.4}, expected 1"));
            }
        }
        Ok(Self { mean, axes, variances })
    }

    /// The directions of the components themselves, for rows that are short already; `rows` `(n, dim)` tell their
    /// variances.
    pub fn of_components(rows: RowsView<'_>) -> Self {
        let (n, dim) = (rows.len().max(1) as f64, rows.dim());
        let mut sum = vec![0.0f64; dim];
        let mut squares = vec![0.0f64; dim];
        for row in rows {
            for ((&value, sum), square) in row.iter().zip(&mut sum).zip(&mut squares) {
                *sum += f64::from(value);
                *square += f64::from(value) * f64::from(value);
            }
        }
        let variance = |at: usize| (squares[at] / n - (sum[at] / n).powi(2)).max(0.0);
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|&a, &b| variance(b).total_cmp(&variance(a)).then(a.cmp(&b)));
        let mut axes = vec![0.0; dim * dim];
        for (axis, &at) in order.iter().enumerate() {
            axes[axis * dim + at] = 1.0;
        }
        #[expect(clippy::cast_possible_truncation, reason = "means of f32 values are f32 values")]
        let mean = sum.iter().map(|sum| (sum / n) as f32).collect();
        Self { mean, axes, variances: order.iter().map(|&at| variance(at)).collect() }
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Number of directions.
    pub fn rank(&self) -> usize {
        self.variances.len()
    }

    /// The point that the directions start from, `(dim)`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Variance along each direction.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Direction `axis`, of length 1.
    ///
    /// # Panics
    /// If there is no such direction.
    pub fn axis(&self, axis: usize) -> &[f32] {
        &self.axes[axis * self.dim()..(axis + 1) * self.dim()]
    }

    /// All directions, `(rank, dim)` row-major.
    pub fn axes(&self) -> &[f32] {
        &self.axes
    }
}
