use super::*;
use crate::exact_neighbors;
use crate::testkit::clusters;
use featlas_core::{RowsView, Silent};

fn table(n: usize, k: usize) -> NeighborTable {
    exact_neighbors(RowsView::new(&clusters(n, 1), 10).unwrap(), k, &Silent).unwrap()
}

#[test]
fn every_row_has_the_perplexity() {
    let mut out = Vec::new();
    for perplexity in [1.5, 5.0, 29.0] {
        let table = table(300, 90);
        for i in 0..300 {
            row_affinities(table.squared(i), perplexity, &mut out);
            let entropy: f64 = -out.iter().map(|&p| if p > 0.0 { p * p.ln() } else { 0.0 }).sum::<f64>();
            assert!((entropy.exp() - perplexity).abs() < 1e-5, "{} for {perplexity}", entropy.exp());
            assert!((out.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn affinities_and_pulls_are_symmetric_and_sum_to_one() {
    let affinities = Affinities::new(&table(200, 30), 10.0);
    for row in [Affinities::row, Affinities::pulls] {
        let mut sum = 0.0;
        for i in 0..200 {
            let (columns, values) = row(&affinities, i);
            assert!(columns.is_sorted_by(|a, b| a < b));
            for (&j, &p) in columns.iter().zip(values) {
                let (back, their) = row(&affinities, j as usize);
                let at = back.binary_search(&u32::try_from(i).unwrap()).unwrap();
                assert_eq!(their[at].to_bits(), p.to_bits());
                sum += f64::from(p);
            }
        }
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
}

#[test]
fn pulls_are_affinities_that_lean_towards_a_third_of_the_perplexity() {
    // Over all pairs: 0.7 of the affinity, and 0.3 shared by those three that are nearest.
    let table = table(60, 30);
    let affinities = Affinities::new(&table, 9.0);
    let nearest = |i: usize, j: u32| table.rows(i)[..3].contains(&j);
    for i in 0..60_u32 {
        let ((columns, values), (_, pulls)) = (affinities.row(i as usize), affinities.pulls(i as usize));
        for ((&j, &p), &pull) in columns.iter().zip(values).zip(pulls) {
            let mutual = u8::from(nearest(i as usize, j)) + u8::from(nearest(j as usize, i));
            let expected = 0.7 * f64::from(p) + 0.3 / 3.0 * f64::from(mutual) / 120.0;
            assert!((f64::from(pull) - expected).abs() < 1e-9, "{i}, {j}: {pull} and {expected}");
        }
    }
}

#[test]
fn only_differences_of_distances_count() {
    let near = [0.0_f32, 0.25, 0.5, 1.0, 2.0];
    let (mut plain, mut moved) = (Vec::new(), Vec::new());
    row_affinities(&near, 2.5, &mut plain);
    // Large and nearly equal: `exp` of the plain distances would be zero throughout.
    row_affinities(&near.map(|d| 4096.0 + 64.0 * d), 2.5, &mut moved);
    for (a, b) in plain.iter().zip(&moved) {
        assert!((a - b).abs() < 1e-7, "{plain:?} and {moved:?}");
    }
}

#[test]
fn equal_distances_give_equal_affinities() {
    let mut out = Vec::new();
    for distance in [0.0, 3.0] {
        row_affinities(&[distance; 8], 2.0, &mut out);
        assert!(out.iter().all(|p| (p - 0.125).abs() < 1e-12), "{out:?}");
    }
    // More equal rows than the perplexity: they share all of it.
    row_affinities(&[0.0, 0.0, 0.0, 1.0], 2.0, &mut out);
    assert!(out.iter().all(|p| p.is_finite()) && (out[0] - 1.0 / 3.0).abs() < 1e-6, "{out:?}");
}
