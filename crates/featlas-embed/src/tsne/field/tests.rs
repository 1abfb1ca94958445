use super::*;
use crate::testkit::points;
use crate::tsne::repulsion::exact;

/// Root mean square error of the forces, as a share of that of the exact forces, and relative error of the sum.
fn errors(points: &[[f32; 2]]) -> (f64, f64) {
    let (mut truth, mut got) = (vec![[0.0; 2]; points.len()], vec![[0.0; 2]; points.len()]);
    let sum = exact(points, &mut truth);
    let grid = Field::new().evaluate(points, &mut got);
    let squares = |f: &dyn Fn(usize) -> f32| -> f64 {
        (0..2 * points.len()).map(|i| f64::from(f(i)).powi(2)).sum::<f64>()
    };
    let (truth, got) = (truth.as_flattened(), got.as_flattened());
    let error = squares(&|i| got[i] - truth[i]) / squares(&|i| truth[i]);
    (error.sqrt(), (grid / sum - 1.0).abs())
}

#[test]
fn agrees_with_all_pairs_for_maps_of_any_width() {
    for (width, limit) in [(1e-4, 2e-3), (1e-2, 2e-3), (1.0, 2e-3), (10.0, 5e-3), (60.0, 2e-2), (150.0, 3e-2)]
    {
        let (force, sum) = errors(&points(3000, width, 7));
        // Beyond the widths that maps reach, the grid is as fine as it gets, and both errors grow.
        let sum_limit = if width > 100.0 { 2e-3 } else { 1e-3 };
        assert!(force < limit && sum < sum_limit, "width {width}: {force:e} {sum:e}");
    }
}

#[test]
fn a_map_with_points_far_outside_stays_accurate() {
    let mut points = points(3000, 40.0, 9);
    points[17] = [400.0, -380.0];
    let (force, sum) = errors(&points);
    assert!(force < 2e-2 && sum < 1e-3, "{force:e} {sum:e}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let points = points(4000, 50.0, 3);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut forces = vec![[0.0; 2]; points.len()];
        let sum = pool.install(|| Field::new().evaluate(&points, &mut forces));
        (sum.to_bits(), forces.into_iter().flatten().map(f32::to_bits).collect::<Vec<_>>())
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn what_was_evaluated_before_changes_no_bit() {
    let (wide, narrow) = (points(2000, 80.0, 1), points(2000, 3.0, 2));
    let mut used = Field::new();
    let mut forces = vec![[0.0; 2]; 2000];
    for points in [&wide, &narrow, &wide] {
        used.evaluate(points, &mut forces);
    }
    let mut fresh = vec![[0.0; 2]; 2000];
    Field::new().evaluate(&wide, &mut fresh);
    assert_eq!(forces, fresh);
}

#[test]
fn splines_reproduce_cubics() {
    for t in [0.0_f32, 0.25, 0.5, 0.9] {
        let (value, slope) = spline(t);
        assert!((value.iter().sum::<f32>() - 1.0).abs() < 1e-6 && slope.iter().sum::<f32>().abs() < 1e-6);
        let place: f32 = value.iter().zip([-1.0, 0.0, 1.0, 2.0]).map(|(w, x)| w * x).sum();
        assert!((place - t).abs() < 1e-6);
        // The derivative, by central differences.
        let (after, before) = (spline(t + 1e-2).0, spline(t - 1e-2).0);
        for ((after, before), slope) in after.iter().zip(&before).zip(&slope) {
            assert!(((after - before) / 2e-2 - slope).abs() < 1e-3, "{t}");
        }
    }
}

#[test]
fn grids_are_of_sizes_that_transform_fast() {
    for least in 1..2000 {
        let side = smooth(least);
        assert!(side >= least && side.is_multiple_of(BAND) && side < 2 * least + BAND);
    }
}
