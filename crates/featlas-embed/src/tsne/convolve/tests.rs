use super::*;
use crate::testkit::noise;

#[test]
fn equals_the_sum_over_all_pairs() {
    let side = 2 * BAND;
    let charges = noise(side * side, 4);
    let kernel = |dx: usize, dy: usize| 1.0 / (1.0 + 0.25 * (dx * dx + dy * dy) as f64);
    let mut convolver = Convolver::new(side);
    convolver.set_kernel(kernel, |_| 1.0);
    let mut grid = vec![0.0; side * side];
    convolver
        .run(&mut grid, |first, band| band.copy_from_slice(&charges[first * side..(first + BAND) * side]));
    for (at, &got) in grid.iter().enumerate().step_by(7) {
        let (x, y) = (at % side, at / side);
        let pair = |(other, &charge): (usize, &f32)| {
            f64::from(charge) * kernel(x.abs_diff(other % side), y.abs_diff(other / side))
        };
        let expected: f64 = charges.iter().enumerate().map(pair).sum();
        assert!((f64::from(got) - expected).abs() < 1e-4, "{x} {y}: {got} for {expected}");
    }
}

#[test]
fn a_factor_of_two_along_each_axis_makes_four() {
    let side = BAND;
    let charges = noise(side * side, 5);
    let run = |factor: f64| {
        let mut convolver = Convolver::new(side);
        convolver.set_kernel(|dx, dy| f64::from(u8::from(dx + dy == 0)), |_| factor);
        let mut grid = vec![0.0; side * side];
        convolver.run(&mut grid, |_, band| band.copy_from_slice(&charges));
        grid
    };
    for ((one, four), charge) in run(1.0).iter().zip(run(2.0)).zip(&charges) {
        assert!((one - charge).abs() < 1e-5 && (four - 4.0 * charge).abs() < 4e-5);
    }
}
