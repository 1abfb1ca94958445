//! Leading eigenvectors of a covariance: all by faer where the matrix is small, and otherwise faer's within a
//! subspace that is turned towards them (Halko, Martinsson, Tropp 2011, algorithm 4.4, on the matrix itself).

use super::row_major;
use crate::EmbedError;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use featlas_core::Progress;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Variance and direction of a component.
pub(super) type Component = (f64, Vec<f32>);

/// Largest matrix that is decomposed whole; its cost grows with the cube.
const WHOLE_SIDE: usize = 512;
/// Directions carried beyond those wanted: they make the wanted ones converge faster.
pub(super) const OVERSAMPLING: usize = 24;
/// Products with the covariance between two looks at the residuals. More would drown the lesser directions in the
/// rounding of the greater.
const POWERS: usize = 2;
/// Rounds of products at most.
const MAX_ROUNDS: usize = 24;
/// Residual `|Cv - lv| / l_1` below which a component is taken.
const RESIDUAL: f64 = 1e-4;
/// Residual that faer's own decomposition must keep.
const RESIDUAL_OF_WHOLE: f64 = 1e-8;
/// Rows of the covariance that one task multiplies.
const BLOCK_ROWS: usize = 256;
/// Seed of the first directions: the result hardly depends on it, and never on chance.
const SEED: u64 = 0x9E37;

/// Eigenvalues by falling size, each with the column of its vector.
pub(super) type Order = Vec<(f64, usize)>;

/// The leading `k` components of a covariance, `(dim, dim)`, and the largest residual of any.
pub(super) fn leading(
    covariance: &[f32],
    dim: usize,
    k: usize,
    progress: &dyn Progress,
) -> Result<(Vec<Component>, f64), EmbedError> {
    if dim <= WHOLE_SIDE || 2 * (k + OVERSAMPLING) > dim {
        let wide = Mat::from_fn(dim, dim, |i, j| f64::from(covariance[i * dim + j]));
        let (order, vectors, residual) = eigen(wide.as_ref())?;
        let component = |&(value, at): &(f64, usize)| (value, narrow(vectors.as_ref(), at));
        return Ok((order[..k].iter().map(component).collect(), residual));
    }
    subspace(covariance, dim, k, progress)
}

/// The leading `k` components of few centered rows, by whichever of the two Gram matrices is smaller.
pub(super) fn of_few_rows(centered: &[f32], dim: usize, k: usize) -> Result<Vec<Component>, EmbedError> {
    let n = centered.len() / dim;
    let values: Vec<f64> = centered.iter().map(|&v| f64::from(v)).collect();
    let x = MatRef::from_row_major_slice(&values, n, dim);
    let by_columns = dim <= n;
    let a = if by_columns { x.transpose() } else { x };
    let mut gram = Mat::zeros(a.nrows(), a.nrows());
    matmul(gram.as_mut(), Accum::Replace, a, a.transpose(), 1.0 / (n - 1) as f64, Par::Seq);
    let (order, vectors, _) = eigen(gram.as_ref())?;
    let component = |&(value, at): &(f64, usize)| {
        if by_columns {
            return (value, narrow(vectors.as_ref(), at));
        }
        // X^T u is the component that belongs to the row-space vector u.
        let along = x.transpose() * vectors.col(at);
        let norm = along.norm_l2().max(f64::MIN_POSITIVE);
        #[expect(clippy::cast_possible_truncation, reason = "entries of unit vectors")]
        let direction = along.iter().map(|v| (v / norm) as f32).collect();
        (value, direction)
    };
    Ok(order[..k].iter().map(component).collect())
}

/// Eigenvalues by falling size with the column of each one's vector, and the largest residual `|Av - lv| / l_1`. It
/// is checked, since everything that follows trusts it.
pub(super) fn eigen(a: MatRef<'_, f64>) -> Result<(Order, Mat<f64>, f64), EmbedError> {
    let failed = |residual: f64| EmbedError::Diverged {
        what: "eigenvalue decomposition",
        residual,
        limit: RESIDUAL_OF_WHOLE,
    };
    let eigen = a.self_adjoint_eigen(Side::Lower).map_err(|_no_convergence| failed(f64::INFINITY))?;
    let (values, vectors) = (eigen.S().column_vector(), eigen.U().to_owned());
    let largest = values.iter().fold(f64::MIN_POSITIVE, |largest, v| largest.max(v.abs()));
    let product = a * &vectors;
    let mut order: Order = values.iter().copied().zip(0..).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let residual = order.iter().fold(0.0_f64, |worst, &(value, at)| {
        let difference = product.col(at) - vectors.col(at) * faer::Scale(value);
        worst.max(difference.norm_l2() / largest)
    });
    if residual > RESIDUAL_OF_WHOLE {
        return Err(failed(residual));
    }
    Ok((order, vectors, residual))
}

/// Subspace iteration with Rayleigh-Ritz on the covariance itself.
fn subspace(
    covariance: &[f32],
    dim: usize,
    k: usize,
    progress: &dyn Progress,
) -> Result<(Vec<Component>, f64), EmbedError> {
    let mut basis = random_basis(dim, k + OVERSAMPLING);
    let width = basis.ncols();
    let mut worst = f64::INFINITY;
    for _ in 0..MAX_ROUNDS {
        if progress.is_cancelled() {
            return Err(EmbedError::Cancelled);
        }
        for _ in 0..POWERS {
            basis = times(covariance, dim, basis.as_ref());
        }
        basis = basis.qr().compute_thin_Q();
        let image = times(covariance, dim, basis.as_ref());
        if progress.is_cancelled() {
            return Err(EmbedError::Cancelled);
        }
        let mut small = Mat::<f32>::zeros(width, width);
        matmul(small.as_mut(), Accum::Replace, basis.transpose(), image.as_ref(), 1.0, Par::Seq);
        let symmetric =
            Mat::from_fn(width, width, |i, j| 0.5 * (f64::from(small[(i, j)]) + f64::from(small[(j, i)])));
        let (order, rotation, _) = eigen(symmetric.as_ref())?;
        #[expect(clippy::cast_possible_truncation, reason = "directions only need f32's precision")]
        let rotation = Mat::from_fn(width, width, |i, j| rotation[(i, order[j].1)] as f32);
        let (ritz, image) = (&basis * &rotation, &image * &rotation);
        let largest = order[0].0.max(f64::MIN_POSITIVE);
        let of = |at: usize| residual(image.col(at).iter(), ritz.col(at).iter(), order[at].0);
        worst = (0..k).map(of).fold(0.0, f64::max) / largest;
        if worst < RESIDUAL {
            let components = (0..k).map(|at| (order[at].0, ritz.col(at).iter().copied().collect())).collect();
            return Ok((components, worst));
        }
        // The image of the Ritz vectors, greatest first: the next product in the loop, done already.
        basis = image;
    }
    Err(EmbedError::Diverged { what: "PCA", residual: worst, limit: RESIDUAL })
}

/// Directions without chance, `(dim, width)`.
pub(super) fn random_basis(dim: usize, width: usize) -> Mat<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    Mat::from_fn(dim, width, |_, _| rng.random_range(-1.0..1.0_f32))
}

/// `|Cv - lv|` of a component `v`, its image `Cv` and its variance `l`.
pub(super) fn residual<'a>(
    image: impl Iterator<Item = &'a f32>,
    v: impl Iterator<Item = &'a f32>,
    variance: f64,
) -> f64 {
    image.zip(v).map(|(&image, &v)| (f64::from(image) - variance * f64::from(v)).powi(2)).sum::<f64>().sqrt()
}

/// Whether the entry of largest magnitude is negative: such a direction is turned round, so that no map is mirrored by
/// chance.
pub(super) fn is_turned<'a>(direction: impl Iterator<Item = &'a f32>) -> bool {
    direction.fold(0.0_f32, |largest, &v| if v.abs() > largest.abs() { v } else { largest }) < 0.0
}

/// `C M` for a symmetric `C` of `(dim, dim)`.
fn times(covariance: &[f32], dim: usize, m: MatRef<'_, f32>) -> Mat<f32> {
    let width = m.ncols();
    let m = row_major(m);
    let m = MatRef::from_row_major_slice(&m, dim, width);
    let mut product = vec![0.0_f32; dim * width];
    let blocks = product.par_chunks_mut(BLOCK_ROWS * width).zip(covariance.par_chunks(BLOCK_ROWS * dim));
    blocks.for_each(|(product, rows)| {
        let n = rows.len() / dim;
        let out = MatMut::from_row_major_slice_mut(product, n, width);
        matmul(out, Accum::Replace, MatRef::from_row_major_slice(rows, n, dim), m, 1.0, Par::Seq);
    });
    MatRef::from_row_major_slice(&product, dim, width).to_owned()
}

fn narrow(vectors: MatRef<'_, f64>, at: usize) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "entries of unit vectors")]
    vectors.col(at).iter().map(|&v| v as f32).collect()
}
