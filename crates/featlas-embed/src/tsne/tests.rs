use super::*;
use crate::testkit::clusters;
use crate::{divergence, exact_neighbors};
use featlas_core::{RowsView, Silent, Stopped};

fn neighbors(rows: &[f32], k: usize) -> NeighborTable {
    exact_neighbors(RowsView::new(rows, 10).unwrap(), k, &Silent).unwrap()
}

fn start(rows: &[f32], dims: usize) -> Vec<f32> {
    rows.chunks(10).flat_map(|row| row[..dims].to_vec()).collect()
}

fn run(table: &NeighborTable, start: &[f32], params: &TsneParams) -> Result<Tsne, EmbedError> {
    tsne(table, start, params, Checkpoints { resume: None, keep: &mut |_| {} }, &Silent)
}

/// How many points have a point of their own cluster as the nearest on the map.
fn pure(map: &[f32], dims: usize) -> usize {
    let place = |i: usize| &map[dims * i..dims * (i + 1)];
    let n = map.len() / dims;
    let distance =
        |i: usize, j: usize| place(i).iter().zip(place(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let nearest = |i: usize| {
        (0..n).filter(|&j| j != i).min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b))).unwrap()
    };
    (0..n).filter(|&i| nearest(i) % 5 == i % 5).count()
}

fn bits(map: &[f32]) -> Vec<u32> {
    map.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn clusters_become_islands_in_the_plane_and_in_space() {
    let rows = clusters(300, 5);
    for (dims, iterations) in [(2, 500), (3, 300)] {
        let params = TsneParams { perplexity: 15.0, iterations, dims, ..TsneParams::default() };
        let found = run(&neighbors(&rows, 45), &start(&rows, dims), &params).unwrap();
        assert_eq!(found.map.len(), 300 * dims);
        assert!(found.adjustments.is_empty());
        let pure = pure(&found.map, dims);
        assert!(pure > 290, "{pure} of 300 in {dims} dimensions");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_any_number_of_threads() {
    // One run by pairs, one on the grid.
    for (n, iterations) in [(300, 200), (2000, 60)] {
        let rows = clusters(n, 6);
        let table = neighbors(&rows, 30);
        let params = TsneParams { perplexity: 10.0, iterations, ..TsneParams::default() };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            bits(&pool.install(|| run(&table, &start(&rows, 2), &params)).unwrap().map)
        };
        assert_eq!(with(1), with(3));
    }
}

#[test]
fn a_run_that_goes_on_from_a_checkpoint_ends_with_the_same_bytes() {
    for n in [200, 1800] {
        let rows = clusters(n, 7);
        let table = neighbors(&rows, 30);
        let params = TsneParams { perplexity: 10.0, iterations: 220, ..TsneParams::default() };
        let mut states = Vec::new();
        let mut keep = |state: TsneState| states.push(state);
        let start = start(&rows, 2);
        let whole =
            tsne(&table, &start, &params, Checkpoints { resume: None, keep: &mut keep }, &Silent).unwrap();
        assert_eq!(states.iter().map(TsneState::iteration).collect::<Vec<_>>(), [50, 100, 150, 200]);
        let resume = TsneState::from_bytes(&states[1].to_bytes());
        let rest = tsne(&table, &start, &params, Checkpoints { resume, keep: &mut |_| {} }, &Silent).unwrap();
        assert_eq!(bits(&whole.map), bits(&rest.map));
    }
}

/// `bhtsne` with all pairs and the same schedule is another's word on what divergence can be reached.
#[test]
fn the_divergence_is_no_worse_than_that_of_bhtsne() {
    let rows = clusters(400, 8);
    let table = neighbors(&rows, 60);
    let params = TsneParams { perplexity: 20.0, ..TsneParams::default() };
    let ours = run(&table, &start(&rows, 2), &params).unwrap();
    let start: Vec<f32> = scaled_start(&start(&rows, 2), 2, 0);
    let settings = barnes_hut::Settings { perplexity: 20.0, exaggeration: 12.0, iterations: 1000 };
    let theirs = barnes_hut::run::<2>(&table, start, settings, &Silent).unwrap();
    let of = |map: &[f32]| divergence(&table, map, 20.0).unwrap();
    assert!(of(&ours.map) < 1.01 * of(&theirs), "{} against {}", of(&ours.map), of(&theirs));
}

#[test]
fn points_move_down_the_gradient_of_the_divergence() {
    // Central differences of the divergence from the pulls, against what the first step moves by.
    let rows = clusters(60, 9);
    let table = neighbors(&rows, 45);
    let affinities = Affinities::new(&table, 15.0);
    let places: Vec<[f32; 2]> = crate::testkit::points(60, 8.0, 2);
    let step = Step { exaggeration: 1.0, rate: 1.0, momentum: 0.0, longest: f32::INFINITY };
    let mut descent = Descent::new(&affinities, places.clone(), vec![Moving::REST; 60]);
    descent.step(step, None);
    // But for the pulls' own entropy, which no place changes.
    let kl = |places: &[[f32; 2]]| {
        let (mut sum, mut normalizer) = (0.0, 0.0);
        for (i, a) in places.iter().enumerate() {
            let kernel = |b: &[f32; 2]| 1.0 + f64::from(a[0] - b[0]).powi(2) + f64::from(a[1] - b[1]).powi(2);
            let (columns, pulls) = affinities.pulls(i);
            let near = columns.iter().map(|&j| &places[j as usize]).zip(pulls);
            sum += near.map(|(b, &pull)| f64::from(pull) * kernel(b).ln()).sum::<f64>();
            normalizer += places.iter().map(|b| 1.0 / kernel(b)).sum::<f64>() - 1.0;
        }
        sum + normalizer.ln()
    };
    for (i, axis) in [(0, 0), (17, 1), (59, 0)] {
        let nudged = |by: f32| {
            let mut places = places.clone();
            places[i][axis] += by;
            kl(&places)
        };
        let slope = (nudged(0.01) - nudged(-0.01)) / 0.02;
        // The gradient of the divergence is four times what the descent takes; the first gain is what the rule gives.
        let moved = f64::from(descent.points()[i][axis] - places[i][axis]);
        let gain = f64::from(descent.moving()[i].gains[axis]);
        assert!((moved + gain * slope / 4.0).abs() < 0.01 * slope.abs() + 1e-6, "{moved} for {slope}");
    }
}

#[test]
fn equal_images_do_not_break_the_map() {
    for n in [40, 2000] {
        let table = neighbors(&[0.5].repeat(10 * n), 30);
        let params = TsneParams { perplexity: 10.0, iterations: 100, ..TsneParams::default() };
        let map = run(&table, &vec![0.0; 2 * n], &params).unwrap().map;
        assert!(map.iter().all(|v| v.is_finite()));
    }
}

#[test]
fn a_perplexity_that_is_too_large_is_lowered_and_said_so() {
    let rows = clusters(15, 2);
    let found = run(&neighbors(&rows, 14), &start(&rows, 2), &TsneParams::default()).unwrap();
    assert!(found.perplexity < 5.0);
    assert!(found.adjustments[0].contains("30") && found.adjustments[0].contains("15 images"), "{found:?}");
    assert!(found.map.iter().all(|v| v.is_finite()));
}

#[test]
fn few_points_stay_where_they_are() {
    for n in 1..4 {
        let rows = clusters(n, 3);
        let found = run(&neighbors(&rows, 5), &start(&rows, 2), &TsneParams::default()).unwrap();
        assert_eq!(found.map.len(), 2 * n);
        assert!(found.map.iter().all(|v| v.is_finite()) && found.adjustments[0].contains("too few"));
    }
}

#[test]
fn late_exaggeration_widens_the_straits() {
    // Distance of points from the middle of their cluster, as a share of their distance from the middle of all.
    let rows = clusters(400, 8);
    let table = neighbors(&rows, 60);
    let tightness = |late_exaggeration: f32| {
        let params = TsneParams { perplexity: 20.0, late_exaggeration, ..TsneParams::default() };
        let map = run(&table, &start(&rows, 2), &params).unwrap().map;
        let (points, _) = map.as_chunks::<2>();
        let spread = |points: &[[f32; 2]]| {
            let means = axis_means(points.as_flattened(), 2);
            let far = |p: &[f32; 2]| (f64::from(p[0]) - means[0]).hypot(f64::from(p[1]) - means[1]);
            points.iter().map(far).sum::<f64>() / points.len() as f64
        };
        let cluster = |c: usize| -> Vec<[f32; 2]> { points.iter().copied().skip(c).step_by(5).collect() };
        (0..5).map(|c| spread(&cluster(c))).sum::<f64>() / 5.0 / spread(points)
    };
    let (plain, late) = (tightness(1.0), tightness(4.0));
    assert!(late < 0.8 * plain, "{late} and {plain}");
}

#[test]
fn wrong_parameters_are_named() {
    let rows = clusters(20, 4);
    let text =
        |params: TsneParams| run(&neighbors(&rows, 10), &start(&rows, 2), &params).unwrap_err().to_string();
    let default = TsneParams::default;
    assert!(text(TsneParams { perplexity: 1.0, ..default() }).contains("perplexity"));
    assert!(text(TsneParams { perplexity: f32::NAN, ..default() }).contains("NaN"));
    assert!(text(TsneParams { exaggeration: 0.5, ..default() }).contains("exaggeration"));
    assert!(text(TsneParams { late_exaggeration: f32::NAN, ..default() }).contains("late exaggeration"));
    assert!(text(TsneParams { dims: 4, ..default() }).contains("dims"));
    let short = run(&neighbors(&rows, 10), &[0.0; 38], &default()).unwrap_err().to_string();
    assert!(short.contains("expected 40 values for 20 points, got 38"), "{short}");
    let nan = run(&neighbors(&rows, 10), &[f32::NAN; 40], &default()).unwrap_err().to_string();
    assert_eq!(nan, "row 0 holds a value that is not finite");
}

#[test]
fn a_cancelled_run_ends() {
    let rows = clusters(200, 5);
    for dims in [2, 3] {
        let params = TsneParams { perplexity: 15.0, iterations: 100_000, dims, ..TsneParams::default() };
        let checkpoints = Checkpoints { resume: None, keep: &mut |_| {} };
        let ended = tsne(&neighbors(&rows, 45), &start(&rows, dims), &params, checkpoints, &Stopped);
        assert!(matches!(ended, Err(EmbedError::Cancelled)));
    }
}
