use super::*;
use crate::testkit::noise;
use featlas_core::Silent;
use proptest::prelude::*;

/// All pairs in `f64`, the whole list sorted.
fn sorted(values: &[f32], dim: usize, row: usize) -> Vec<(f64, usize)> {
    let at = |i: usize| &values[i * dim..(i + 1) * dim];
    let distance = |i: usize| -> f64 {
        at(row).iter().zip(at(i)).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
    };
    let mut all: Vec<(f64, usize)> =
        (0..values.len() / dim).filter(|&i| i != row).map(|i| (distance(i), i)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

fn table_of(values: &[f32], dim: usize, k: usize) -> NeighborTable {
    exact_neighbors(RowsView::new(values, dim).unwrap(), k, &Silent).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn equals_brute_force(n in 2_usize..700, dim in 1_usize..40, k in 1_usize..30, seed in 0_u64..1000, far in 0.0_f32..50.0) {
        let values: Vec<f32> = noise(n * dim, seed).into_iter().map(|v| v + far).collect();
        let table = table_of(&values, dim, k);
        prop_assert_eq!((table.len(), table.k()), (n, k.min(n - 1)));
        for row in (0..n).step_by(37) {
            let truth = sorted(&values, dim, row);
            for (at, (&other, &squared)) in table.rows(row).iter().zip(table.squared(row)).enumerate() {
                // The distance is that of the row named, and the row is as near as the one of its rank.
                let named = truth.iter().find(|&&(_, i)| i == other as usize).unwrap().0;
                prop_assert!((f64::from(squared) - named).abs() <= 1e-5 * named + 1e-9);
                prop_assert!(named - truth[at].0 <= 1e-5 * named + 1e-9, "{} for {:?}", named, truth[at]);
            }
        }
    }
}

#[test]
fn equal_rows_are_at_distance_zero_and_come_by_number() {
    let values = [1.5, -2.0, 3.0].repeat(200);
    let table = table_of(&values, 3, 5);
    assert_eq!(table.rows(0), [1, 2, 3, 4, 5]);
    assert!(table.squared(7).iter().all(|&d| d == 0.0));
    assert!((0..200).all(|row| !table.rows(row).contains(&u32::try_from(row).unwrap())));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let values = noise(900 * 24, 3);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| table_of(&values, 24, 15))
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn wrong_tables_are_named() {
    let text =
        |n, k, rows: Vec<u32>, squared| NeighborTable::new(n, k, rows, squared).unwrap_err().to_string();
    assert!(text(2, 1, vec![0, 0], vec![0.1, 0.1]).contains("row 0"));
    assert!(text(2, 1, vec![1, 7], vec![0.1, 0.1]).contains("neighbor 7"));
    assert!(text(2, 1, vec![1, 0], vec![f32::NAN, 0.1]).contains("NaN"));
    let ragged = NeighborTable::from_lists(&[vec![(1, 0.1)], vec![]]).unwrap_err().to_string();
    assert!(ragged.contains("row 1") && ragged.contains("0 neighbors"), "{ragged}");
    let err = exact_neighbors(RowsView::new(&[0.0, f32::NAN], 1).unwrap(), 1, &Silent).unwrap_err();
    assert_eq!(err.to_string(), "row 1 holds a value that is not finite");
}

#[test]
fn one_row_has_no_neighbor() {
    let table = table_of(&[1.0, 2.0], 2, 5);
    assert!(table.is_empty() && table.k() == 0);
}
