use super::*;
use featlas_core::Silent;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Rows whose variance falls geometrically along random directions, plus an offset.
fn rows(n: usize, dim: usize, rank: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let basis: Vec<f32> = (0..rank * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
    let mut values = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let weights: Vec<f32> = (0..rank)
            .map(|i| rng.random_range(-1.0..1.0_f32) * 0.8_f32.powi(i32::try_from(i).unwrap()))
            .collect();
        values.extend((0..dim).map(|j| {
            let sum: f32 = weights.iter().enumerate().map(|(i, w)| w * basis[i * dim + j]).sum();
            sum + 3.0 + rng.random_range(-0.01..0.01_f32)
        }));
    }
    values
}

fn view(values: &[f32], dim: usize) -> RowsView<'_> {
    RowsView::new(values, dim).unwrap()
}

/// The definition, checked outright: `C v = l v` for every component, with `C` of the rows in `f64`.
fn worst_residual(values: &[f32], dim: usize, pca: &Pca) -> f64 {
    let n = values.len() / dim;
    let mut mean = vec![0.0_f64; dim];
    values
        .chunks(dim)
        .for_each(|row| mean.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v) / n as f64));
    let x: Vec<Vec<f64>> = values
        .chunks(dim)
        .map(|row| row.iter().zip(&mean).map(|(&v, m)| f64::from(v) - m).collect())
        .collect();
    let residual = |(component, &variance): (&[f32], &f64)| {
        let mut image = vec![0.0_f64; dim];
        for row in &x {
            let score: f64 = row.iter().zip(component).map(|(a, &b)| a * f64::from(b)).sum();
            image.iter_mut().zip(row).for_each(|(image, v)| *image += v * score / (n - 1) as f64);
        }
        let difference = image.iter().zip(component).map(|(i, &c)| (i - variance * f64::from(c)).powi(2));
        difference.sum::<f64>().sqrt() / pca.explained_variance()[0]
    };
    pca.components().chunks(dim).zip(pca.explained_variance()).map(residual).fold(0.0, f64::max)
}

#[test]
fn components_are_eigenvectors_of_the_covariance_on_every_path() {
    // Few rows, fewer rows than columns, many rows of a small and of a large covariance.
    for (n, dim, k) in [(60, 20, 5), (20, 60, 5), (2500, 40, 5), (2300, 700, 8), (2300, 700, 340)] {
        let values = rows(n, dim, 30, 1);
        let pca = fit_pca(view(&values, dim), k, &Silent).unwrap();
        assert_eq!(pca.num_components(), k.min(n - 1));
        let residual = worst_residual(&values, dim, &pca);
        assert!(residual < 2e-4, "{n} x {dim}: {residual:e}");
        assert!(pca.residual() < 2e-4, "{:e}", pca.residual());
    }
}

#[test]
fn blocks_of_any_size_and_any_number_of_threads_give_the_same_bits() {
    let (n, dim) = (4500, 70);
    let values = rows(n, dim, 12, 4);
    let with = |rows_at_a_time: usize, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut covariance = Covariance::new(dim);
            for values in values.chunks(rows_at_a_time * dim) {
                covariance.add(view(values, dim)).unwrap();
            }
            covariance.pca(6, &Silent).unwrap()
        })
    };
    let whole = with(n, 1);
    assert_eq!(whole, with(1, 3));
    assert_eq!(whole, with(1000, 2));
}

/// Numbers far from zero with a tenth of a thousandth of variation: sums of plain squares would lose it.
#[test]
fn a_large_mean_costs_no_accuracy() {
    let (n, dim) = (3000, 30);
    let small = rows(n, dim, 6, 5);
    let far: Vec<f32> = small.iter().map(|v| v + 4096.0).collect();
    let near: Vec<f32> = far.iter().map(|v| v - 4096.0).collect();
    let a = fit_pca(view(&near, dim), 4, &Silent).unwrap();
    let b = fit_pca(view(&far, dim), 4, &Silent).unwrap();
    for (a, b) in a.explained_variance().iter().zip(b.explained_variance()) {
        assert!((a - b).abs() < 1e-5 * a, "{a} and {b}");
    }
}

#[test]
fn new_rows_project_through_saved_parts() {
    let values = rows(300, 40, 12, 6);
    let pca = fit_pca(view(&values, 40), 5, &Silent).unwrap();
    let saved = Pca::from_parts(
        pca.mean().to_vec(),
        pca.components().to_vec(),
        pca.explained_variance().to_vec(),
        pca.total_variance(),
    )
    .unwrap();
    assert_eq!(saved.project(view(&values, 40)), pca.project(view(&values, 40)));
    assert!(Pca::from_parts(vec![0.0; 3], vec![0.0; 5], vec![1.0, 0.5], 2.0).is_err());
    assert!(Pca::from_parts(vec![0.0; 2], vec![f32::NAN, 0.0], vec![1.0], 2.0).is_err());
}

#[test]
fn the_curve_rises_to_the_share() {
    let values = rows(300, 40, 12, 7);
    let pca = fit_pca(view(&values, 40), 6, &Silent).unwrap();
    let curve = pca.explained_curve();
    assert!(curve.len() == 6 && curve.is_sorted() && curve[0] > 0.0 && curve[5] <= 1.0);
    assert!((curve[5] - pca.explained_share()).abs() < 1e-12);
    assert!((curve[0] - pca.explained_variance()[0] / pca.total_variance()).abs() < 1e-12);
}

#[test]
fn scores_are_uncorrelated_and_have_the_stated_variance() {
    let values = rows(200, 40, 12, 3);
    let rows = view(&values, 40);
    let pca = fit_pca(rows, 6, &Silent).unwrap();
    let scores = pca.project(rows);
    for i in 0..6 {
        for j in 0..=i {
            let sum: f64 = scores.chunks(6).map(|row| f64::from(row[i]) * f64::from(row[j])).sum();
            let covariance = sum / 199.0;
            let expected = if i == j { pca.explained_variance()[i] } else { 0.0 };
            assert!(
                (covariance - expected).abs() < 1e-4 * pca.explained_variance()[0],
                "{i} {j}: {covariance}"
            );
        }
    }
    assert!(pca.explained_variance().is_sorted_by(|a, b| a >= b));
    assert!(pca.explained_share() > 0.8 && pca.explained_share() <= 1.0);
}

#[test]
fn constant_rows_have_no_component() {
    let values = vec![2.5; 30];
    let pca = fit_pca(view(&values, 3), 2, &Silent).unwrap();
    assert_eq!(pca.num_components(), 0);
    assert!(pca.project(view(&values, 3)).is_empty());
    assert_eq!(fit_pca(view(&[1.0, 2.0], 2), 2, &Silent).unwrap().num_components(), 0);
}

#[test]
fn components_are_no_more_than_the_rows_span() {
    let values = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0];
    let pca = fit_pca(view(&values, 2), 5, &Silent).unwrap();
    assert_eq!(pca.num_components(), 1);
    let half = 0.5_f32.sqrt();
    assert!((pca.components()[0] - half).abs() < 1e-6 && (pca.components()[1] - half).abs() < 1e-6);
}

#[test]
fn a_value_that_is_not_finite_is_named() {
    let err = fit_pca(view(&[0.0, 1.0, f32::NAN, 1.0], 2), 1, &Silent).unwrap_err();
    assert_eq!(err.to_string(), "row 1 holds a value that is not finite");
    let mut covariance = Covariance::new(1);
    covariance.add(view(&vec![0.0; 5000], 1)).unwrap();
    let err = covariance.add(view(&[0.0, f32::INFINITY], 1)).unwrap_err();
    assert_eq!(err.to_string(), "row 5001 holds a value that is not finite");
    assert!(matches!(Covariance::new(3).pca(2, &Silent), Err(EmbedError::Empty)));
}

/// scikit-learn's `PCA(3, svd_solver="full")`; see `scripts/golden/pca.py`.
#[test]
fn agrees_with_scikit_learn() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/golden/pca.json")).unwrap();
    let list = |key: &str| -> Vec<f64> {
        golden[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let (n, dim) = (50, 8);
    // The same formula as in the script.
    #[expect(clippy::cast_possible_truncation, reason = "the script rounds to f32 too")]
    let values: Vec<f32> = (0..n * dim)
        .map(|i| {
            let (row, column) = ((i / dim) as f64, (i % dim) as f64);
            ((row * 0.37 + column * 1.7).sin() * (column + 1.0) + (row * 0.11).cos() * 2.0) as f32
        })
        .collect();
    let pca = fit_pca(view(&values, dim), 3, &Silent).unwrap();
    for (got, expected) in pca.explained_variance().iter().zip(list("explained_variance")) {
        assert!((got - expected).abs() < 1e-5 * expected, "{got} for {expected}");
    }
    for (got, expected) in pca.components().iter().zip(list("components")) {
        assert!((f64::from(*got) - expected).abs() < 1e-5, "{got} for {expected}");
    }
    for (got, expected) in pca.project(view(&values, dim)).iter().zip(list("scores")) {
        assert!((f64::from(*got) - expected).abs() < 1e-4, "{got} for {expected}");
    }
}

/// Passes over the rows against the covariance, on rows that are sorted by what they are, as files may be.
#[test]
fn passes_over_the_rows_explain_what_their_covariance_does() {
    let (n, dim, k) = (5000, 500, 10);
    let mut values = rows(n / 2, dim, 60, 8);
    values.extend(rows(n / 2, dim, 60, 9));
    assert!(super::rows::are_worth_it(n, dim, k));
    let (passes, scores) = fit_project(view(&values, dim), k, &Silent).unwrap();
    for (score, projected) in scores.iter().zip(passes.project(view(&values, dim))) {
        assert!((score - projected).abs() < 1e-3, "{score} and {projected}");
    }
    let mut covariance = Covariance::new(dim);
    covariance.add(view(&values, dim)).unwrap();
    let summed = covariance.pca(k, &Silent).unwrap();
    assert!((passes.explained_share() - summed.explained_share()).abs() < 1e-3 * summed.explained_share());
    assert!((passes.total_variance() - summed.total_variance()).abs() < 1e-5 * summed.total_variance());
    for (a, b) in passes.mean().iter().zip(summed.mean()) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit_project(view(&values, dim), k, &Silent).unwrap())
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn passes_over_constant_or_bad_rows_end() {
    let (n, dim) = (2100, 400);
    let constant = vec![2.5; n * dim];
    assert_eq!(fit_pca(view(&constant, dim), 2, &Silent).unwrap().num_components(), 0);
    let mut bad = constant;
    bad[7 * dim + 3] = f32::INFINITY;
    assert_eq!(
        fit_pca(view(&bad, dim), 2, &Silent).unwrap_err().to_string(),
        "row 7 holds a value that is not finite"
    );
    let varied = rows(n, dim, 12, 1);
    let stopped = fit_pca(view(&varied, dim), 2, &featlas_core::Stopped);
    assert!(matches!(stopped, Err(EmbedError::Cancelled)));
}
