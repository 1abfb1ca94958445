//! Unit rows and the ids of their images.

use crate::record::{self, Prepared};
use crate::{IndexError, Metric};
use featlas_core::{ImageId, RowsView, l2_norm};

/// Rows are numbered with 31 bits in the graph: the last bit is a mark while it is searched.
pub(crate) const MAX_ROWS: usize = (1 << 31) - 1;

/// `(n, dim)` rows of Euclidean length 1 with one image id each, in the order they came.
///
/// Invariants: ids are distinct, values finite, `dim > 0`, `n < 2^31`.
#[derive(Debug, Clone)]
pub struct Vectors {
    ids: Vec<ImageId>,
    values: Vec<f32>,
    dim: usize,
    // Row numbers in the order of their ids.
    by_id: Vec<u32>,
}

impl Vectors {
    /// Scales every row of `values`, `(ids.len(), dim)` row-major, to length 1.
    ///
    /// A zero row has no direction and is left out; the ids of those rows are the second part of the result,
    /// in order. Nothing left is not an error here, but [`crate::build`] refuses it.
    ///
    /// # Errors
    /// [`IndexError::Shape`], [`IndexError::NonFinite`], [`IndexError::DuplicateId`], [`IndexError::TooManyVectors`].
    pub fn new(
        mut ids: Vec<ImageId>,
        mut values: Vec<f32>,
        dim: usize,
    ) -> Result<(Self, Vec<ImageId>), IndexError> {
        let expected = ids.len().saturating_mul(dim);
        if dim == 0 || values.len() != expected {
            return Err(IndexError::Shape { ids: ids.len(), dim, expected, got: values.len() });
        }
        let mut zero_rows = Vec::new();
        let mut kept = 0;
        for row in 0..ids.len() {
            let source = row * dim..(row + 1) * dim;
            let norm = l2_norm(&values[source.clone()]);
            if !norm.is_finite() {
                return Err(IndexError::NonFinite { id: ids[row] });
            }
            if norm == 0.0 {
                zero_rows.push(ids[row]);
                continue;
            }
            values.copy_within(source, kept * dim);
            scale(&mut values[kept * dim..(kept + 1) * dim], norm);
            ids[kept] = ids[row];
            kept += 1;
        }
        ids.truncate(kept);
        values.truncate(kept * dim);
        Ok((Self::from_unit_rows(ids, values, dim)?, zero_rows))
    }

    /// Takes rows that have length 1 already; the caller has checked shape and values.
    pub(crate) fn from_unit_rows(
        ids: Vec<ImageId>,
        values: Vec<f32>,
        dim: usize,
    ) -> Result<Self, IndexError> {
        let Some(count) = u32::try_from(ids.len()).ok().filter(|_| ids.len() <= MAX_ROWS) else {
            return Err(IndexError::TooManyVectors { limit: MAX_ROWS, got: ids.len() });
        };
        let mut by_id: Vec<u32> = (0..count).collect();
        by_id.sort_unstable_by_key(|&row| ids[row as usize]);
        if let Some(pair) = by_id.windows(2).find(|pair| ids[pair[0] as usize] == ids[pair[1] as usize]) {
            return Err(IndexError::DuplicateId { id: ids[pair[0] as usize] });
        }
        Ok(Self { ids, values, dim, by_id })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The ids, row by row.
    pub fn ids(&self) -> &[ImageId] {
        &self.ids
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All rows.
    #[expect(clippy::missing_panics_doc, reason = "the rows divide evenly, `new` has checked")]
    pub fn rows(&self) -> RowsView<'_> {
        RowsView::new(&self.values, self.dim).expect("new() checked that the values divide into rows")
    }

    /// Row `row`, of length 1.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }

    /// The row of image `id`, if it is here.
    pub fn row_of(&self, id: ImageId) -> Option<usize> {
        let at = self.by_id.binary_search_by_key(&id, |&row| self.ids[row as usize]).ok()?;
        Some(self.by_id[at] as usize)
    }
}

impl crate::exact::Rows for Vectors {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn id(&self, row: usize) -> ImageId {
        self.ids[row]
    }

    fn row<'a>(&'a self, row: usize, _buffer: &'a mut Vec<f32>) -> Result<&'a [f32], IndexError> {
        Ok(Self::row(self, row))
    }
}

/// Brings each of `queries` into the form in which rows are compared: of length 1 for the cosine.
///
/// # Errors
/// [`IndexError::Dimension`], [`IndexError::NonFiniteQuery`], [`IndexError::ZeroNorm`].
pub(crate) fn prepared_queries(
    queries: RowsView<'_>,
    dim: usize,
    metric: Metric,
) -> Result<Vec<f32>, IndexError> {
    if queries.dim() != dim {
        return Err(IndexError::Dimension { expected: dim, got: queries.dim() });
    }
    let mut values = queries.values().to_vec();
    for (row, query) in values.chunks_exact_mut(dim).enumerate() {
        prepare_query(query, row, dim, metric)?;
    }
    Ok(values)
}

/// The same for one of them, which is called `row`.
///
/// # Errors
/// As [`prepared_queries`].
pub(crate) fn prepare_query(
    query: &mut [f32],
    row: usize,
    dim: usize,
    metric: Metric,
) -> Result<(), IndexError> {
    if query.len() != dim {
        return Err(IndexError::Dimension { expected: dim, got: query.len() });
    }
    match record::prepare(query, metric) {
        Prepared::Ready => Ok(()),
        Prepared::NonFinite => Err(IndexError::NonFiniteQuery { row }),
        Prepared::Zero => Err(IndexError::ZeroNorm { row }),
    }
}

/// How far from 1 a length may be to count as 1. A row that was scaled before is within rounding of it, and stays as it
/// is: so a stored row is its own nearest neighbor, at distance exactly zero. The error this allows in a distance is
/// of the same relative size.
const UNIT: f64 = 1e-6;

pub(crate) fn scale(row: &mut [f32], norm: f64) {
    let factor = if (norm - 1.0).abs() < UNIT { 1.0 } else { norm.recip() };
    // The reciprocal of a length near the smallest `f64` would not be finite; squares of `f32` are far from that.
    for value in row {
        #[expect(clippy::cast_possible_truncation, reason = "rounded to f32 on purpose")]
        let unit = (f64::from(*value) * factor) as f32;
        // Adding zero turns -0 into 0, so that equal rows are equal byte by byte.
        *value = unit + 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u64]) -> Vec<ImageId> {
        ids.iter().map(|&id| ImageId(id)).collect()
    }

    #[test]
    fn rows_get_length_one_and_keep_their_ids() {
        let (vectors, zero) = Vectors::new(ids(&[7, 3]), vec![3.0, 4.0, 0.0, -2.0], 2).unwrap();
        assert!(zero.is_empty());
        assert_eq!(vectors.row(0), &[0.6, 0.8]);
        assert_eq!(vectors.row(1), &[0.0, -1.0]);
        assert_eq!(vectors.row_of(ImageId(3)), Some(1));
        assert_eq!(vectors.row_of(ImageId(4)), None);
    }

    #[test]
    fn scaling_twice_changes_nothing() {
        let values: Vec<f32> = (0..97 * 31).map(|i| ((i * i) % 101) as f32 - 30.0).collect();
        let (once, _) = Vectors::new((0..31).map(ImageId).collect(), values, 97).unwrap();
        let (twice, _) = Vectors::new(once.ids().to_vec(), once.values().to_vec(), 97).unwrap();
        assert_eq!(once.values(), twice.values());
        assert_eq!(prepared_queries(once.rows(), 97, Metric::Cosine).unwrap(), once.values());
    }

    #[test]
    fn zero_rows_are_left_out_and_listed() {
        let (vectors, zero) = Vectors::new(ids(&[1, 2, 3]), vec![0.0, -0.0, 0.0, 5.0, 0.0, 0.0], 2).unwrap();
        assert_eq!(zero, ids(&[1, 3]));
        assert_eq!(vectors.ids(), ids(&[2]));
        assert_eq!(vectors.row(0), &[0.0, 1.0]);
    }

    #[test]
    fn tiny_and_huge_rows_are_scaled_without_loss() {
        let (vectors, zero) = Vectors::new(ids(&[1, 2]), vec![1e-45, 0.0, f32::MAX, f32::MAX], 2).unwrap();
        assert!(zero.is_empty());
        assert_eq!(vectors.row(0), &[1.0, 0.0]);
        assert!((vectors.row(1)[0] - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-7);
    }

    #[test]
    fn bad_input_is_named() {
        let text = |ids: Vec<ImageId>, values, dim| Vectors::new(ids, values, dim).unwrap_err().to_string();
        assert_eq!(text(ids(&[1]), vec![1.0; 3], 2), "expected 2 values for 1 vectors of 2, got 3");
        assert_eq!(text(ids(&[]), vec![], 0), "expected 0 values for 0 vectors of 0, got 0");
        assert_eq!(
            text(ids(&[1, 9]), vec![1.0, f32::NAN], 1),
            "the vector of image `9` holds a value that is not finite"
        );
        assert_eq!(text(ids(&[4, 4]), vec![1.0, 2.0], 1), "image id `4` occurs twice");
    }

    #[test]
    fn zero_and_nan_queries_are_refused() {
        let check = |values: &[f32]| {
            prepared_queries(RowsView::new(values, 2).unwrap(), 2, Metric::Cosine)
                .map_err(|err| err.to_string())
        };
        assert_eq!(
            check(&[1.0, 0.0, 0.0, 0.0]).unwrap_err(),
            "query 1 is the zero vector, which is like nothing"
        );
        assert_eq!(check(&[f32::INFINITY, 0.0]).unwrap_err(), "query 0 holds a value that is not finite");
        assert!(prepared_queries(RowsView::new(&[1.0], 1).unwrap(), 2, Metric::Cosine).is_err());
    }
}
