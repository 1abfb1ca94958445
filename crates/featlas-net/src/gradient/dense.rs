//! Fully connected layers, of one matrix or of low-rank factors, forward and backward.

use super::Real;
use super::real::column_pieces;
use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

/// Columns of a product that one task computes.
const COLUMNS: usize = 512;

/// Matrices applied one after the other, then the bias.
#[derive(Debug)]
pub(super) struct Dense<T> {
    factors: Vec<Factor<T>>,
    bias: Vec<T>,
}

/// `(outputs, inputs)`, row-major.
#[derive(Debug)]
struct Factor<T> {
    values: Vec<T>,
    outputs: usize,
    inputs: usize,
}

impl<T: Real> Dense<T> {
    /// Each factor with its numbers of outputs and inputs, the one that is applied first in front.
    pub(super) fn new(factors: Vec<(Vec<T>, usize, usize)>, bias: Vec<T>) -> Self {
        let factors = factors.into_iter().map(|(values, outputs, inputs)| Factor { values, outputs, inputs });
        Self { factors: factors.collect(), bias }
    }

    /// `(n, inputs)` to `(n, outputs)`.
    pub(super) fn forward(&self, values: &[T], n: usize) -> Vec<T> {
        let mut out =
            chain(&self.factors, values, |factor, values| multiply(values, n, factor.matrix().transpose()));
        for row in out.chunks_exact_mut(self.bias.len()) {
            row.iter_mut().zip(&self.bias).for_each(|(value, &bias)| *value += bias);
        }
        out
    }

    /// The gradient at the input: `(m, outputs)` to `(m, inputs)`.
    pub(super) fn backward(&self, gradient: &[T], m: usize) -> Vec<T> {
        chain(self.factors.iter().rev(), gradient, |factor, gradient| multiply(gradient, m, factor.matrix()))
    }
}

impl<T> Factor<T> {
    fn matrix(&self) -> MatRef<'_, T> {
        MatRef::from_row_major_slice(&self.values, self.outputs, self.inputs)
    }
}

/// Applies every factor to what the one before gave.
fn chain<'f, T: 'f>(
    factors: impl IntoIterator<Item = &'f Factor<T>>,
    first: &[T],
    apply: impl Fn(&Factor<T>, &[T]) -> Vec<T>,
) -> Vec<T> {
    let mut between: Option<Vec<T>> = None;
    for factor in factors {
        between = Some(apply(factor, between.as_deref().unwrap_or(first)));
    }
    between.unwrap_or_default()
}

/// `(n, inner)` times `(inner, outer)`: pieces of columns, shared out to rayon's threads.
fn multiply<T: Real>(rows: &[T], n: usize, matrix: MatRef<'_, T>) -> Vec<T> {
    let (inner, outer) = (matrix.nrows(), matrix.ncols());
    let rows = MatRef::from_row_major_slice(rows, n, inner);
    let mut out = vec![T::default(); n * outer];
    let product = MatMut::from_row_major_slice_mut(&mut out, n, outer);
    column_pieces(product, COLUMNS).into_par_iter().for_each(|(columns, product)| {
        let columns = matrix.subcols(columns.start, columns.len());
        T::multiply(product, Accum::Replace, rows, columns);
    });
    out
}
