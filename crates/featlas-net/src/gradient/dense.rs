//! Fully connected layers, of one matrix or of low-rank factors, forward and backward.

use super::Real;
use super::buffers::Buffers;
use super::real::column_pieces;
use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;
use std::fmt::Debug;

/// Columns of a product that one task computes.
const COLUMNS: usize = 512;

/// The product with a fixed matrix and a bias, and with the matrix transposed. [`Real`] says who computes it.
pub trait Apply<T>: Debug + Send + Sync {
    /// `(n, inputs)` to `(n, outputs)`, on the current rayon pool.
    fn forward(&self, rows: &[T], n: usize, out: &mut [T]);

    /// `(m, outputs)` to `(m, inputs)`, without the bias, on the current rayon pool.
    fn backward(&self, rows: &[T], m: usize, out: &mut [T]);
}

/// Matrices applied one after the other, then the bias.
#[derive(Debug)]
pub(super) struct Dense<T> {
    /// Each with its numbers of inputs and outputs.
    factors: Vec<(Box<dyn Apply<T>>, usize, usize)>,
}

impl<T: Real> Dense<T> {
    /// Each factor `(outputs, inputs)` with its numbers of outputs and inputs, the one that is applied
    /// first in front.
    pub(super) fn new(factors: &[(Vec<T>, usize, usize)], bias: &[T]) -> Self {
        let last = factors.len() - 1;
        let factors = factors.iter().enumerate().map(|(i, (values, outputs, inputs))| {
            let zeros = vec![T::default(); *outputs];
            let bias = if i == last { bias } else { &zeros };
            (T::matrix(values, *outputs, *inputs, bias), *inputs, *outputs)
        });
        Self { factors: factors.collect() }
    }

    /// `(n, inputs)` to `(n, outputs)`.
    pub(super) fn forward(&self, values: &[T], n: usize, buffers: &Buffers<T>) -> Vec<T> {
        let steps = self.factors.iter().map(|(factor, _, outputs)| (factor, *outputs));
        chain(steps, values, buffers, n, |factor, values, out| factor.forward(values, n, out))
    }

    /// The gradient at the input: `(m, outputs)` to `(m, inputs)`.
    pub(super) fn backward(&self, gradient: &[T], m: usize, buffers: &Buffers<T>) -> Vec<T> {
        let steps = self.factors.iter().rev().map(|(factor, inputs, _)| (factor, *inputs));
        chain(steps, gradient, buffers, m, |factor, gradient, out| factor.backward(gradient, m, out))
    }
}

/// Applies every factor to what the one before gave; each comes with the values that it gives for one of `n` rows.
fn chain<'f, T: Real>(
    factors: impl IntoIterator<Item = (&'f Box<dyn Apply<T>>, usize)>,
    first: &[T],
    buffers: &Buffers<T>,
    n: usize,
    apply: impl Fn(&dyn Apply<T>, &[T], &mut [T]),
) -> Vec<T> {
    let mut between: Option<Vec<T>> = None;
    for (factor, len) in factors {
        let mut out = buffers.take(n * len);
        apply(&**factor, between.as_deref().unwrap_or(first), &mut out);
        if let Some(before) = between.replace(out) {
            buffers.give(before);
        }
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
    fn forward(&self, rows: &[T], n: usize, out: &mut [T]) {
        multiply(rows, n, self.matrix().transpose(), out);
        for row in out.chunks_exact_mut(self.bias.len()) {
            row.iter_mut().zip(&self.bias).for_each(|(value, &bias)| *value += bias);
        }
    }

    fn backward(&self, rows: &[T], m: usize, out: &mut [T]) {
        multiply(rows, m, self.matrix(), out);
    }
}

/// `(n, inner)` times `(inner, outer)`: pieces of columns, shared out to rayon's threads.
fn multiply<T: Real>(rows: &[T], n: usize, matrix: MatRef<'_, T>, out: &mut [T]) {
    let (inner, outer) = (matrix.nrows(), matrix.ncols());
    let rows = MatRef::from_row_major_slice(rows, n, inner);
    let product = MatMut::from_row_major_slice_mut(out, n, outer);
    column_pieces(product, COLUMNS).into_par_iter().for_each(|(columns, product)| {
        let columns = matrix.subcols(columns.start, columns.len());
        T::multiply(product, Accum::Replace, rows, columns);
    });
}
