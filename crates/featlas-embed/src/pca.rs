//! Principal components (Pearson 1901; Hotelling 1933).
//!
//! Where rows or columns are few, the smaller of the two Gram matrices is decomposed exactly. Otherwise a
//! randomized subspace iteration (Halko, Martinsson, Tropp 2011, algorithm 4.4) finds the leading
//! components in a few passes over the rows, and goes on until the residual of every one is small. Sums over
//! rows run in blocks of fixed size and are added in a fixed order, so the result does not depend on the
//! number of threads.

use crate::EmbedError;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};
use featlas_core::{Progress, RowsView, Stage};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Largest Gram matrix that is decomposed exactly; its cost grows with the cube.
const EXACT_SIDE: usize = 2048;
/// Directions carried beyond those wanted: they make the wanted ones converge faster.
const OVERSAMPLING: usize = 16;
/// Passes over the rows at most.
const MAX_PASSES: usize = 24;
/// Residual `|Cv - lv| / l_1` below which a component is taken.
const RESIDUAL: f64 = 1e-3;
/// Rows that are summed at a time.
const BLOCK_ROWS: usize = 256;
/// Seed of the first directions: the result hardly depends on it, and never on chance.
const SEED: u64 = 0x9E37;

/// A fitted PCA.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    mean: Vec<f32>,
    components: Vec<f32>,
    explained_variance: Vec<f64>,
    total_variance: f64,
}

impl Pca {
    /// Components kept; fewer than asked for where the rows span no more.
    pub fn num_components(&self) -> usize {
        self.explained_variance.len()
    }

    /// Mean row, `(dim)`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Unit components, `(k, dim)` row-major, by falling variance; the entry of largest magnitude of each is
    /// positive.
    pub fn components(&self) -> &[f32] {
        &self.components
    }

    /// Variance along each component, with divisor `n - 1`.
    pub fn explained_variance(&self) -> &[f64] {
        &self.explained_variance
    }

    /// Sum of the variances of all columns.
    pub fn total_variance(&self) -> f64 {
        self.total_variance
    }

    /// Share of the total variance that the components explain, in `[0, 1]`; 1 for constant rows.
    pub fn explained_share(&self) -> f64 {
        if self.total_variance <= 0.0 {
            return 1.0;
        }
        (self.explained_variance.iter().sum::<f64>() / self.total_variance).min(1.0)
    }

    /// Scores of `rows`, `(n, k)` row-major.
    ///
    /// # Panics
    /// If `rows` has another `dim`.
    pub fn project(&self, rows: RowsView<'_>) -> Vec<f32> {
        let (k, dim) = (self.num_components(), rows.dim());
        assert_eq!(dim, self.mean.len(), "rows of the fitted dim");
        if k == 0 {
            return Vec::new();
        }
        let components = MatRef::from_row_major_slice(&self.components, k, dim);
        let scores = times(rows, &self.mean, components.transpose());
        (0..rows.len()).flat_map(|i| (0..k).map(move |j| (i, j))).map(|(i, j)| scores[(i, j)]).collect()
    }
}

/// Fits the leading `k` principal components of `rows`.
///
/// `k` is lowered to `min(n - 1, dim)`, and to the number of directions in which the rows vary at all. Memory
/// beyond the rows: `O((n + dim) k)`, or the square of the smaller side where that is at most 2048.
///
/// # Errors
/// [`EmbedError::Empty`], [`EmbedError::NonFinite`], [`EmbedError::Diverged`], [`EmbedError::Cancelled`].
pub fn fit_pca(rows: RowsView<'_>, k: usize, progress: &dyn Progress) -> Result<Pca, EmbedError> {
    let (n, dim) = (rows.len(), rows.dim());
    if n == 0 {
        return Err(EmbedError::Empty);
    }
    if let Some(row) = rows.into_iter().position(|row| row.iter().any(|v| !v.is_finite())) {
        return Err(EmbedError::NonFinite { row });
    }
    let (mean, total_variance) = moments(rows);
    let k = k.min(n - 1).min(dim);
    progress.begin(Stage::Pca, None);
    let found = if k == 0 || total_variance <= f64::MIN_POSITIVE {
        Ok(Vec::new())
    } else if n.min(dim) <= EXACT_SIDE {
        exact(rows, &mean, k)
    } else {
        subspace(rows, &mean, k, progress)
    };
    progress.end(Stage::Pca);

    let mut pca =
        Pca { mean, components: Vec::with_capacity(k * dim), explained_variance: Vec::new(), total_variance };
    for (variance, mut component) in found? {
        // What is below the rounding of the rows themselves is no direction of theirs.
        if variance <= total_variance * 1e-12 {
            break;
        }
        fix_sign(&mut component);
        pca.components.extend(component);
        pca.explained_variance.push(variance);
    }
    Ok(pca)
}

/// Eigenvalues by falling size, each with the column of its vector.
type Order = Vec<(f64, usize)>;

/// Variance and direction of each component, by falling variance.
type Components = Vec<(f64, Vec<f32>)>;

/// Column means, and the sum of the column variances.
fn moments(rows: RowsView<'_>) -> (Vec<f32>, f64) {
    let n = rows.len() as f64;
    let add = |mut sum: Vec<f64>, row: &[f32]| {
        sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
        sum
    };
    let sum = rows.into_iter().fold(vec![0.0; rows.dim()], add);
    #[expect(clippy::cast_possible_truncation, reason = "means of f32 values are f32 values")]
    let mean: Vec<f32> = sum.iter().map(|sum| (sum / n) as f32).collect();
    let square =
        |row: &[f32]| -> f64 { row.iter().zip(&mean).map(|(&v, &m)| f64::from(v - m).powi(2)).sum() };
    let total = rows.into_iter().map(square).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, total)
}

fn centered(rows: RowsView<'_>, mean: &[f32]) -> Vec<f32> {
    rows.into_iter().flat_map(|row| row.iter().zip(mean).map(|(v, m)| v - m)).collect()
}

/// Decomposes the covariance, or the Gram matrix of the rows where they are fewer.
fn exact(rows: RowsView<'_>, mean: &[f32], k: usize) -> Result<Components, EmbedError> {
    let (n, dim) = (rows.len(), rows.dim());
    let values: Vec<f64> = centered(rows, mean).into_iter().map(f64::from).collect();
    let x = MatRef::from_row_major_slice(&values, n, dim);
    let scale = 1.0 / (n - 1) as f64;
    let by_columns = dim <= n;
    let gram = if by_columns { gram(x.transpose(), scale) } else { gram(x, scale) };
    let (values, vectors) = eigen(gram.as_ref())?;
    let component = |(value, at): (f64, usize)| {
        let vector = vectors.col(at);
        let direction: Vec<f64> = if by_columns {
            vector.iter().copied().collect()
        } else {
            // X^T u is the component that belongs to the row-space vector u.
            let along = x.transpose() * vector;
            let norm = along.norm_l2().max(f64::MIN_POSITIVE);
            along.iter().map(|v| v / norm).collect()
        };
        (value, narrow(&direction))
    };
    Ok(values.into_iter().take(k).map(component).collect())
}

/// `scale * A A^T`.
fn gram(a: MatRef<'_, f64>, scale: f64) -> Mat<f64> {
    let mut gram = Mat::zeros(a.nrows(), a.nrows());
    matmul(gram.as_mut(), Accum::Replace, a, a.transpose(), scale, Par::Seq);
    gram
}

/// Eigenvalues by falling size with the column of each one's vector. The residual `|Av - lv|` is checked, since
/// everything that follows trusts it.
fn eigen(a: MatRef<'_, f64>) -> Result<(Order, Mat<f64>), EmbedError> {
    let failed =
        |residual: f64| EmbedError::Diverged { what: "eigenvalue decomposition", residual, limit: 1e-8 };
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
    if residual > 1e-8 {
        return Err(failed(residual));
    }
    Ok((order, vectors))
}

/// Randomized subspace iteration.
fn subspace(
    rows: RowsView<'_>,
    mean: &[f32],
    k: usize,
    progress: &dyn Progress,
) -> Result<Components, EmbedError> {
    let (n, dim) = (rows.len(), rows.dim());
    let width = (k + OVERSAMPLING).min(n).min(dim);
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut directions = orthonormal(&Mat::from_fn(dim, width, |_, _| rng.random_range(-1.0..1.0_f32)));
    let scale = 1.0 / (n - 1) as f64;
    let mut worst = f64::INFINITY;
    for _ in 0..MAX_PASSES {
        if progress.is_cancelled() {
            return Err(EmbedError::Cancelled);
        }
        // One pass: W = C V, with the covariance C never formed.
        let scores = times(rows, mean, directions.as_ref());
        let image = transpose_times(rows, mean, scores.as_ref());
        let image = Mat::from_fn(dim, width, |i, j| image[(i, j)] * scale);
        // Rayleigh-Ritz within the span of V.
        let v = Mat::from_fn(dim, width, |i, j| f64::from(directions[(i, j)]));
        let mut small = Mat::zeros(width, width);
        matmul(small.as_mut(), Accum::Replace, v.transpose(), image.as_ref(), 1.0, Par::Seq);
        let symmetric = Mat::from_fn(width, width, |i, j| 0.5 * (small[(i, j)] + small[(j, i)]));
        let (order, rotation) = eigen(symmetric.as_ref())?;
        let (ritz, image_of_ritz) = (&v * &rotation, &image * &rotation);
        let largest = order[0].0.max(f64::MIN_POSITIVE);
        worst = order[..k].iter().fold(0.0_f64, |worst, &(value, at)| {
            let residual = image_of_ritz.col(at) - ritz.col(at) * faer::Scale(value);
            worst.max(residual.norm_l2() / largest)
        });
        if worst < RESIDUAL {
            let component = |&(value, at): &(f64, usize)| {
                let direction: Vec<f64> = ritz.col(at).iter().copied().collect();
                (value, narrow(&direction))
            };
            return Ok(order[..k].iter().map(component).collect());
        }
        #[expect(clippy::cast_possible_truncation, reason = "directions only need f32's precision")]
        let next = Mat::from_fn(dim, width, |i, j| image_of_ritz[(i, j)] as f32);
        directions = orthonormal(&next);
        progress.advance(Stage::Pca, 1);
    }
    Err(EmbedError::Diverged { what: "PCA", residual: worst, limit: RESIDUAL })
}

/// An orthonormal basis of the columns' span.
fn orthonormal(a: &Mat<f32>) -> Mat<f32> {
    a.qr().compute_thin_Q()
}

/// `(X - 1 mean^T) M`, `(n, width)`.
fn times(rows: RowsView<'_>, mean: &[f32], m: MatRef<'_, f32>) -> Mat<f32> {
    let (dim, width) = (rows.dim(), m.ncols());
    let mean = MatRef::from_row_major_slice(mean, 1, dim);
    let mut shift = Mat::<f32>::zeros(1, width);
    matmul(shift.as_mut(), Accum::Replace, mean, m, 1.0, Par::Seq);
    let block = |values: &[f32]| {
        let n = values.len() / dim;
        let x = MatRef::from_row_major_slice(values, n, dim);
        let mut product = Mat::<f32>::from_fn(n, width, |_, j| -shift[(0, j)]);
        matmul(product.as_mut(), Accum::Add, x, m, 1.0, Par::Seq);
        product
    };
    let blocks: Vec<Mat<f32>> = rows.values().par_chunks(BLOCK_ROWS * dim).map(block).collect();
    Mat::from_fn(rows.len(), width, |i, j| blocks[i / BLOCK_ROWS][(i % BLOCK_ROWS, j)])
}

/// `(X - 1 mean^T)^T M` for `M` of `(n, width)`, summed over blocks in `f64`.
fn transpose_times(rows: RowsView<'_>, mean: &[f32], m: MatRef<'_, f32>) -> Mat<f64> {
    let (dim, width) = (rows.dim(), m.ncols());
    let product_of = |(number, values): (usize, &[f32])| {
        let n = values.len() / dim;
        let x = MatRef::from_row_major_slice(values, n, dim);
        let mut product = Mat::<f32>::zeros(dim, width);
        matmul(
            product.as_mut(),
            Accum::Replace,
            x.transpose(),
            m.subrows(number * BLOCK_ROWS, n),
            1.0,
            Par::Seq,
        );
        product
    };
    let mut sum = Mat::<f64>::zeros(dim, width);
    let blocks: Vec<(usize, &[f32])> = rows.values().chunks(BLOCK_ROWS * dim).enumerate().collect();
    // A few at a time: memory stays bounded, and the order of addition fixed.
    for group in blocks.chunks(8) {
        let products: Vec<Mat<f32>> = group.par_iter().map(|&block| product_of(block)).collect();
        for product in products {
            for j in 0..width {
                for i in 0..dim {
                    sum[(i, j)] += f64::from(product[(i, j)]);
                }
            }
        }
    }
    for j in 0..width {
        let column: f64 = m.col(j).iter().map(|&v| f64::from(v)).sum();
        for i in 0..dim {
            sum[(i, j)] -= f64::from(mean[i]) * column;
        }
    }
    sum
}

fn narrow(direction: &[f64]) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "components of unit vectors")]
    direction.iter().map(|&v| v as f32).collect()
}

/// Makes the entry of largest magnitude positive, so that no map is mirrored by chance.
fn fix_sign(component: &mut [f32]) {
    let largest = component.iter().copied().fold(0.0_f32, |a, b| if b.abs() > a.abs() { b } else { a });
    if largest < 0.0 {
        for v in component {
            *v = -*v;
        }
    }
}

#[cfg(test)]
mod tests;
