use super::*;
use featlas_core::Silent;

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

#[test]
fn both_gram_matrices_give_the_same_components() {
    for (n, dim) in [(60, 20), (20, 60)] {
        let values = rows(n, dim, 6, 1);
        let rows = view(&values, dim);
        let pca = fit_pca(rows, 5, &Silent).unwrap();
        let (mean, _) = moments(rows);
        // The definition: C v = l v, with C formed outright.
        let x: Vec<f64> = centered(rows, &mean).into_iter().map(f64::from).collect();
        for (component, &variance) in pca.components().chunks(dim).zip(pca.explained_variance()) {
            let scores: Vec<f64> = x
                .chunks(dim)
                .map(|row| row.iter().zip(component).map(|(a, &b)| a * f64::from(b)).sum())
                .collect();
            for j in 0..dim {
                let image: f64 =
                    x.chunks(dim).zip(&scores).map(|(row, s)| row[j] * s).sum::<f64>() / (n - 1) as f64;
                let expected = variance * f64::from(component[j]);
                assert!(
                    (image - expected).abs() < 1e-6 * pca.explained_variance()[0],
                    "{image} for {expected}"
                );
            }
        }
    }
}

#[test]
fn subspace_iteration_agrees_with_the_exact_decomposition() {
    let (n, dim, k) = (300, 120, 10);
    let values = rows(n, dim, 30, 2);
    let rows = view(&values, dim);
    let (mean, total) = moments(rows);
    let exact = exact(rows, &mean, k).unwrap();
    let found = subspace(rows, &mean, k, &Silent).unwrap();
    for ((a, u), (b, v)) in exact.iter().zip(&found) {
        assert!((a - b).abs() < 1e-4 * total, "{a} and {b}");
        let cos: f32 = u.iter().zip(v).map(|(x, y)| x * y).sum();
        assert!(cos.abs() > 0.999, "{cos}");
    }
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
