//! Against the textbook, and on clouds of colors.

use super::*;

/// Colors scattered around a center by a linear congruential generator.
fn cloud(center: Rgb, spread: u8, n: usize, state: &mut u32) -> Vec<Rgb> {
    let mut jitter = || {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from((*state >> 8) % u32::from(spread)).unwrap()
    };
    (0..n).map(|_| center.map(|v| v + jitter())).collect()
}

#[test]
fn a_single_component_is_the_textbook_gaussian() {
    let colors = cloud([40, 90, 10], 50, 500, &mut 3);
    let mixture = Mixture::learn(colors.iter().map(|&color| (color, 2))).unwrap();
    let n = colors.len() as f64;
    let mean: Vec<f64> = (0..3).map(|c| colors.iter().map(|v| f64::from(v[c])).sum::<f64>() / n).collect();
    let covariance = |i: usize, j: usize| {
        colors.iter().map(|v| (f64::from(v[i]) - mean[i]) * (f64::from(v[j]) - mean[j])).sum::<f64>() / n
    };
    let m: Vec<Vec<f64>> = (0..3).map(|i| (0..3).map(|j| covariance(i, j)).collect()).collect();
    let minor = |a: usize, b: usize, c: usize, d: usize| m[a][c] * m[b][d] - m[a][d] * m[b][c];
    let det = m[0][0] * minor(1, 2, 1, 2) - m[0][1] * minor(1, 2, 0, 2) + m[0][2] * minor(1, 2, 0, 1);
    for color in [[40, 90, 10], [255, 0, 128], [60, 110, 40]] {
        let d: Vec<f64> = (0..3).map(|c| f64::from(color[c]) - mean[c]).collect();
        // Cramer's rule for Σ x = d.
        let solved: Vec<f64> = (0..3)
            .map(|column| {
                let a = |r: usize, c: usize| if c == column { d[r] } else { m[r][c] };
                let term = |p: usize, q: usize, r: usize| a(0, p) * (a(1, q) * a(2, r) - a(1, r) * a(2, q));
                (term(0, 1, 2) - term(1, 0, 2) + term(2, 0, 1)) / det
            })
            .collect();
        let distance: f64 = d.iter().zip(&solved).map(|(a, b)| a * b).sum();
        let want = 0.5 * det.ln() + 0.5 * distance;
        assert!((mixture.cost(color) - want).abs() < 1e-9 * want.abs().max(1.0), "{color:?}");
        assert_eq!(mixture.component(color), 2);
    }
}

#[test]
fn one_color_alone_is_not_singular() {
    let mixture = Mixture::learn(std::iter::repeat_n(([7, 7, 7], 0), 9)).unwrap();
    // det(0.01 I) = 1e-6.
    assert!((mixture.cost([7, 7, 7]) - 0.5 * 1e-6_f64.ln()).abs() < 1e-9);
    assert!(mixture.cost([255, 255, 255]).is_finite());
    assert!(Mixture::learn(std::iter::empty()).is_none());
}

#[test]
fn far_clouds_become_components() {
    let centers: [Rgb; 5] = [[0, 0, 0], [240, 0, 0], [0, 240, 0], [0, 0, 240], [240, 240, 240]];
    let mut state = 11;
    let colors: Vec<Rgb> = centers.iter().flat_map(|&c| cloud(c, 12, 200, &mut state)).collect();
    for seed in 0..20 {
        let labels = kmeans(&colors, COMPONENTS, seed);
        let mut seen: Vec<u8> = labels.chunks(200).map(|cloud| cloud[0]).collect();
        assert!(labels.chunks(200).all(|cloud| cloud.iter().all(|label| *label == cloud[0])), "{seed}");
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4], "seed {seed}");
        assert_eq!(labels, kmeans(&colors, COMPONENTS, seed));
    }
}

#[test]
fn a_first_mixture_is_no_worse_than_any_of_its_starts() {
    let mut state = 5;
    let centers: [Rgb; 7] =
        [[9, 9, 9], [60, 10, 10], [10, 60, 10], [10, 10, 60], [90, 90, 20], [20, 90, 90], [120, 120, 120]];
    let colors: Vec<Rgb> = centers.iter().flat_map(|&c| cloud(c, 40, 150, &mut state)).collect();
    let cost = |mixture: &Mixture| colors.iter().map(|&color| mixture.cost(color)).sum::<f64>();
    let best = cost(&Mixture::first(&colors, 3).unwrap());
    for seed in 3..3 + STARTS {
        let labels = kmeans(&colors, COMPONENTS, seed);
        assert!(best <= cost(&Mixture::learn(colors.iter().copied().zip(labels)).unwrap()) * 1.001);
    }
    assert!(Mixture::first(&[], 0).is_none());
}

#[test]
fn the_most_common_color_gets_a_component_of_its_own() {
    let mut colors = cloud([190, 180, 170], 60, 900, &mut 8);
    colors.extend(std::iter::repeat_n([255, 255, 255], 700));
    colors.extend(cloud([236, 236, 236], 19, 200, &mut 9));
    assert_eq!(most_common(&colors), Some([255, 255, 255]));
    let mixture = Mixture::first(&colors, 0).unwrap();
    // Its density is that of a covariance of 0.01 I, times its share.
    let share = 700.0 / 1800.0_f64;
    assert!((mixture.cost([255, 255, 255]) - (0.5 * 1e-6_f64.ln() - share.ln())).abs() < 0.01);
}

#[test]
fn refining_lowers_the_cost_and_keeps_a_single_gaussian() {
    let mut state = 21;
    let mut colors = cloud([30, 60, 90], 90, 700, &mut state);
    colors.extend(cloud([90, 80, 70], 120, 900, &mut state));
    let cost = |mixture: &Mixture| colors.iter().map(|&color| mixture.cost(color)).sum::<f64>();
    let mut mixture = Mixture::learn(colors.iter().map(|&color| (color, color[0] / 52))).unwrap();
    for _ in 0..6 {
        let refined = mixture.refined(colors.iter().copied());
        assert!(cost(&refined) < cost(&mixture) - 1e-6);
        mixture = refined;
    }
    let single = Mixture::learn(colors.iter().map(|&color| (color, 0))).unwrap();
    let again = single.refined(colors.iter().copied());
    assert!((cost(&again) - cost(&single)).abs() < 1e-6 * cost(&single).abs());
    // One color alone stays singular, and gets the same variance.
    let point = Mixture::learn(std::iter::repeat_n(([7, 7, 7], 0), 9)).unwrap();
    let same = point.refined(std::iter::repeat_n([7, 7, 7], 9));
    assert!((same.cost([7, 7, 7]) - point.cost([7, 7, 7])).abs() < 1e-9);
}

#[test]
fn few_colors_make_few_clusters() {
    assert!(kmeans(&[], COMPONENTS, 0).is_empty());
    let labels = kmeans(&[[1, 1, 1], [9, 9, 9], [1, 1, 1]], COMPONENTS, 0);
    assert_eq!(labels[0], labels[2]);
    assert_ne!(labels[0], labels[1]);
}
