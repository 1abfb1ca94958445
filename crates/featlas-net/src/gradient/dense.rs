//! Fully connected layers, of one matrix or of low-rank factors, forward and backward.

use super::Real;
use super::real::column_pieces;
use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;
use std::fmt::Debug;

/// Columns of a product that one task computes.
const COLUMNS: usize = 512;

/// The product with a fixed matrix and a bias, and with the matrix transposed. [`Real`] says who computes it.
pub trait Apply<T>: Debug + Send + Sync {
    /// `(n, inputs)` to `(n, outputs)`, on the current rayon pool.
    fn forward(&self, rows: &[T], n: usize) -> Vec<T>;

    /// `(m, outputs)` to `(m, inputs)`, without the bias, on the current rayon pool.
    fn backward(&self, rows: &[T], m: usize) -> Vec<T>;
}

/// Matrices applied one after the other, then the bias.
#[derive(Debug)]
pub(super) struct Dense<T> {
    factors: Vec<Box<dyn Apply<T>>>,
}

impl<T: Real> Dense<T> {
    /// Each factor `(outputs, inputs)` with its numbers of outputs and inputs, the one that is applied
    /// first in front.
    pub(super) fn new(factors: &[(Vec<T>, usize, usize)], bias: &[T]) -> Self {
        let last = factors.len() - 1;
        let factors = factors.iter().enumerate().map(|(i, (values, outputs, inputs))| {
            let zeros = vec![T::default(); *outputs];
            T::matrix(values, *outputs, *inputs, if i == last { bias } else { &zeros })
        });
        Self { factors: factors.collect() }
    }

    /// `(n, inputs)` to `(n, outputs)`.
    pub(super) fn forward(&self, values: &[T], n: usize) -> Vec<T> {
        chain(&self.factors, values, |factor, values| factor.forward(values, n))
    }

    /// The gradient at the input: `(m, outputs)` to `(m, inputs)`.
    pub(super) fn backward(&self, gradient: &[T], m: usize) -> Vec<T> {
        chain(self.factors.iter().rev(), gradient, |factor, gradient| factor.backward(gradient, m))
    }
}

/// Applies every factor to what the one before gave.
fn chain<'f, T: 'f>(
    factors: impl IntoIterator<Item = &'f Box<dyn Apply<T>>>,
    first: &[T],
    apply: impl Fn(&dyn Apply<T>, &[T]) -> Vec<T>,
) -> Vec<T> {
    let mut between: Option<Vec<T>> = None;
    for factor in factors {
        between = Some(apply(&**factor, between.as_deref().unwrap_or(first)));
    }
    between.unwrap_or_default()
}

/// The product by faer, for any numbers.
#[derive(Debug)]
pub(super) struct ByProducts<T> {
    /// `(outputs, inputs)`, row-major.
    values: Vec<T>,
    bias: Vec<T>,
}

impl<T: Real> ByProducts<T> {
    pub(super) fn new(values: &[T], bias: &[T]) -> Self {
        Self { values: values.to_vec(), bias: bias.to_vec() }
    }

    fn matrix(&self) -> MatRef<'_, T> {
        let outputs = self.bias.len();
        MatRef::from_row_major_slice(&self.values, outputs, self.values.len() / outputs)
    }
}

impl<T: Real> Apply<T> for ByProducts<T> {
    fn forward(&self, rows: &[T], n: usize) -> Vec<T> {
        let mut out = multiply(rows, n, self.matrix().transpose());
        for row in out.chunks_exact_mut(self.bias.len()) {
            row.iter_mut().zip(&self.bias).for_each(|(value, &bias)| *value += bias);
        }
        out
    }

    fn backward(&self, rows: &[T], m: usize) -> Vec<T> {
        multiply(rows, m, self.matrix())
    }
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
