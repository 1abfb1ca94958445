//! Views of `(n, dim)` blocks of `f32`.

/// Row-major `(n, dim)` block of `f32`. Invariant: `values.len() % dim == 0`, `dim > 0`.
#[derive(Debug, Clone, Copy)]
pub struct RowsView<'a> {
    values: &'a [f32],
    dim: usize,
}

/// Values that do not divide into whole rows.
#[derive(Debug, thiserror::Error)]
#[error("expected whole rows of {dim} values, got {len} values")]
pub struct RowsError {
    len: usize,
    dim: usize,
}

impl<'a> RowsView<'a> {
    /// Views `values` as rows of `dim` components.
    ///
    /// # Errors
    /// [`RowsError`] if `dim` is zero or `values` does not divide into whole rows.
    pub fn new(values: &'a [f32], dim: usize) -> Result<Self, RowsError> {
        if dim == 0 || !values.len().is_multiple_of(dim) {
            return Err(RowsError { len: values.len(), dim });
        }
        Ok(Self { values, dim })
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All values, row-major.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }
}

impl<'a> IntoIterator for RowsView<'a> {
    type Item = &'a [f32];
    type IntoIter = std::slice::ChunksExact<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.chunks_exact(self.dim)
    }
}

/// Euclidean length of a vector, summed in `f64`.
pub fn l2_norm(row: &[f32]) -> f64 {
    row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ragged_values_are_refused() {
        let err = RowsView::new(&[0.0; 7], 2).unwrap_err();
        assert_eq!(err.to_string(), "expected whole rows of 2 values, got 7 values");
        assert!(RowsView::new(&[], 0).is_err());
    }

    #[test]
    fn rows_come_in_order() {
        let view = RowsView::new(&[1.0, 2.0, 3.0, 4.0], 2).unwrap();
        assert_eq!(view.row(1), &[3.0, 4.0]);
        assert_eq!(view.into_iter().count(), view.len());
    }
}
