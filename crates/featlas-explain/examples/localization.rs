//! Do saliency and occlusion point at the same place?
//! `cargo run --release -p featlas-explain --example localization [-- PHOTOGRAPHS]`, with `shared/` beside
//! the checkout.
//!
//! For each photograph SqueezeNet's top class is explained twice. They agree if the center of mass of the
//! saliency map lies within the window whose covering costs the class most. Chance is the same for the
//! center of one photograph and the window of another, over all pairs, so that a liking for the middle of
//! the picture, common to all photographs, counts as chance.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring program, run by hand")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{batch_of, photograph, shared, squeezenet};
use featlas_core::{Rect, Silent};
use featlas_explain::occlusion::{OcclusionParams, Watch, occlusion};
use featlas_explain::saliency::{SaliencyParams, saliency};
use featlas_explain::{ClassChoice, Network};
use featlas_net::CpuBackend;

/// The window's side is about a quarter of the input's.
const PARAMS: OcclusionParams =
    OcclusionParams { window_px: 59, stride_px: 24, fill: featlas_explain::occlusion::Fill::Mean, batch: 64 };

fn inside(window: Rect, (y, x): (f64, f64)) -> bool {
    let within = |v: f64, start: i64, end: i64| v >= start as f64 && v < end as f64;
    within(y, window.top, window.bottom) && within(x, window.left, window.right)
}

fn main() {
    let Some(shared) = shared() else { return };
    let wanted: usize = std::env::args().nth(1).map_or(200, |count| count.parse().unwrap());
    let mut files: Vec<String> = fs_err::read_dir(shared.join("data/photos"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let step = (files.len() / wanted).max(1);
    let files: Vec<String> = files.into_iter().step_by(step).take(wanted).collect();
    let model = squeezenet(&shared);
    let (network, backend) = (Network::<f32>::new(&model), CpuBackend::new(&model));
    let (mut centers, mut peaks, mut windows) = (Vec::new(), Vec::new(), Vec::new());
    for some in files.chunks(20) {
        let images: Vec<_> = some.iter().map(|file| photograph(&shared, file)).collect();
        let batch = batch_of(&model, &images);
        let found =
            saliency(&network, &batch, ClassChoice::Top, &SaliencyParams::default(), &Silent).unwrap();
        for i in 0..found.maps.n {
            centers.push(found.maps.center(i, 0));
            peaks.push(densest(found.maps.channel(i, 0), found.maps.w));
        }
        let watch = Watch::Class(ClassChoice::Top);
        let occluded = occlusion(&model, &backend, &batch, &watch, &PARAMS, &Silent).unwrap();
        windows.extend(occluded.iter().map(|occlusion| occlusion.worst().window));
    }
    for (what, places) in [("center of mass", &centers), ("densest window", &peaks)] {
        let n = windows.len();
        let together = (0..n).filter(|&i| inside(windows[i], places[i])).count();
        let pairs = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j);
        let by_chance = pairs.filter(|&(i, j)| inside(windows[i], places[j])).count();
        let chance = by_chance as f64 / (n * (n - 1)) as f64;
        let rate = together as f64 / n as f64;
        let deviation = (chance * (1.0 - chance) / n as f64).sqrt();
        println!(
            "{what:<15} of the saliency lies in the window with the largest drop: {together} of {n} ({:.1} %), \
             by chance {:.1} % ({:+.1} standard deviations)",
            rate * 100.0,
            chance * 100.0,
            (rate - chance) / deviation,
        );
    }
}

/// The center `(y, x)` of the window with the largest sum.
fn densest(map: &[f32], side: usize) -> (f64, f64) {
    let window = PARAMS.window_px;
    // Sums over all rectangles from the corner.
    let mut sums = vec![0.0_f64; (side + 1) * (side + 1)];
    for y in 0..side {
        for x in 0..side {
            let at = (y + 1) * (side + 1) + x + 1;
            sums[at] =
                f64::from(map[y * side + x]) + sums[at - 1] + sums[at - side - 1] - sums[at - side - 2];
        }
    }
    let sum = |y: usize, x: usize| {
        let at = |y: usize, x: usize| sums[y * (side + 1) + x];
        at(y + window, x + window) - at(y, x + window) - at(y + window, x) + at(y, x)
    };
    let places = (0..=side - window).flat_map(|y| (0..=side - window).map(move |x| (y, x)));
    let (y, x) = places.max_by(|&a, &b| sum(a.0, a.1).total_cmp(&sum(b.0, b.1))).unwrap();
    (y as f64 + window as f64 / 2.0, x as f64 + window as f64 / 2.0)
}
