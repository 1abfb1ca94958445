//! Cuts beside OpenCV's of the same sketches: `scripts/golden/grabcut.py` made the masks and the energies.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use featlas_core::RgbImage;
use featlas_explain::segment::{GrabCut, GrabCutParams, Mark, grab_cut};
use featlas_image::{DecodeOptions, decode, resize};
use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    image: String,
    width: u32,
    height: u32,
    sha256: String,
    energy: f64,
    sketch: Sketch,
}

/// A rectangle, or one digit a cell of 16 pixels.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Sketch {
    Named(String),
    Cells(Vec<String>),
}

/// Our cut and OpenCV's, compared.
#[derive(Debug)]
struct Match {
    name: String,
    /// Intersection over union of the foregrounds.
    iou: f64,
    /// By how much our energy is higher than OpenCV's, as a part of it. Energies may be negative: a region of one color has
    /// a density far above one.
    excess: f64,
    /// What our cut took.
    millis: f64,
}

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every case with OpenCV's mask, row-major.
fn cases() -> Vec<(Case, Vec<bool>)> {
    let golden: Golden =
        serde_json::from_slice(&fs_err::read(beside("tests/golden/grabcut.json")).unwrap()).unwrap();
    let bytes = fs_err::read(beside("tests/golden/grabcut.png")).unwrap();
    let masks = decode(&bytes, &DecodeOptions::default()).unwrap().image;
    let mut top = 0;
    let mut with_mask = |case: Case| {
        let rows = top..top + case.height;
        top += case.height;
        let mask =
            rows.flat_map(|y| (0..case.width).map(move |x| (x, y))).map(|(x, y)| masks.pixel(x, y)[0] > 0);
        let mask = mask.collect();
        (case, mask)
    };
    golden.cases.into_iter().map(&mut with_mask).collect()
}

impl Case {
    fn marks(&self) -> Vec<Mark> {
        let places = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        places.map(|(x, y)| self.mark(x, y)).collect()
    }

    fn mark(&self, x: u32, y: u32) -> Mark {
        let (w, h) = (self.width, self.height);
        match &self.sketch {
            Sketch::Named(name) => {
                assert_eq!(name, "rectangle");
                let inside = (w / 8..w - w / 8).contains(&x) && (h / 8..h - h / 8).contains(&y);
                if inside { Mark::ProbablyForeground } else { Mark::Background }
            }
            Sketch::Cells(rows) => {
                let row = rows[(y as usize / 16).min(rows.len() - 1)].as_bytes();
                match row[(x as usize / 16).min(row.len() - 1)] {
                    b'0' => Mark::Background,
                    b'1' => Mark::Foreground,
                    b'2' => Mark::ProbablyBackground,
                    _ => Mark::ProbablyForeground,
                }
            }
        }
    }

    fn compare(&self, image: &RgbImage, mask: &[bool]) -> Match {
        assert_eq!(sha256(image), self.sha256, "the pixels of {} are not those that OpenCV cut", self.image);
        let (marks, start) = (self.marks(), busy_millis());
        let GrabCut { is_foreground, energy } = grab_cut(image, &marks, &GrabCutParams::default()).unwrap();
        let millis = busy_millis() - start;
        let count = |both: fn(bool, bool) -> bool| {
            is_foreground.iter().zip(mask).filter(|(a, b)| both(**a, **b)).count().max(1) as f64
        };
        let sketch = if matches!(self.sketch, Sketch::Named(_)) { "rectangle" } else { "cells" };
        Match {
            name: format!("{} from {sketch}", self.image),
            iou: count(|a, b| a && b) / count(|a, b| a || b),
            excess: (energy - self.energy) / self.energy.abs(),
            millis,
        }
    }
}

/// How long this thread has been running on a core, where the system tells.
fn busy_millis() -> f64 {
    let text = fs_err::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.map_or(f64::NAN, |nanos| nanos / 1e6)
}

fn sha256(image: &RgbImage) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(image.data()) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// The pictures that `grabcut.py` draws.
fn drawn(kind: &str, width: u32, height: u32) -> RgbImage {
    let mut image = RgbImage::filled(width, height, [0; 3]);
    for y in 0..height {
        for x in 0..width {
            let noise = |c: u32| {
                let h = x.wrapping_mul(374_761_393).wrapping_add(y.wrapping_mul(668_265_263));
                let h = h.wrapping_add(c.wrapping_mul(2_246_822_519));
                u8::try_from((h ^ (h >> 13)).wrapping_mul(1_274_126_177) >> 16 & 31).unwrap()
            };
            let discs: &[(i64, i64, i64, [u8; 3])] = match kind {
                "disc" => &[(30, 22, 14, [190, 60, 40])],
                _ => &[(20, 20, 9, [200, 180, 60]), (42, 27, 11, [150, 30, 90])],
            };
            let inside = |(left, top, radius, _): &&(i64, i64, i64, _)| {
                (i64::from(x) - left).pow(2) + (i64::from(y) - top).pow(2) < radius * radius
            };
            let color = discs.iter().find(inside).map_or([50, 110, 140], |disc| disc.3);
            image.set_pixel(x, y, [color[0] + noise(0), color[1] + noise(1), color[2] + noise(2)]);
        }
    }
    image
}

#[test]
fn drawn_pictures_are_cut_as_opencv_does() {
    let mut seen = 0;
    for (case, mask) in cases().iter().filter(|(case, _)| !case.image.contains('.')) {
        let got = case.compare(&drawn(&case.image, case.width, case.height), mask);
        assert!(got.iou > 0.98 && got.excess < 0.01, "{got:?}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn photographs_are_cut_as_opencv_does() {
    let folder = beside("../../../shared/data/photos");
    if !folder.is_dir() {
        println!("skipped: ../shared not found");
        return;
    }
    let cases = cases();
    let photographs: Vec<_> = cases.iter().filter(|(case, _)| case.image.contains('.')).collect();
    let compare = |(case, mask): &&(Case, Vec<bool>)| {
        let bytes = fs_err::read(folder.join(&case.image)).unwrap();
        let stored = DecodeOptions { apply_orientation: false, ..DecodeOptions::default() };
        let image = resize(&decode(&bytes, &stored).unwrap().image, case.width, case.height);
        case.compare(&image, mask)
    };
    let mut matches: Vec<Match> = photographs.par_iter().map(compare).collect();
    assert!(matches.len() >= 100);
    for sketch in ["rectangle", "cells"] {
        let mut ious: Vec<f64> =
            matches.iter().filter(|got| got.name.ends_with(sketch)).map(|got| got.iou).collect();
        ious.sort_by(f64::total_cmp);
        let median = ious[ious.len() / 2];
        println!("{sketch}: intersection over union {median:.4} in the median of {}", ious.len());
        assert!(median >= 0.95, "{sketch}: {median}");
    }
    matches.sort_by(|a, b| a.millis.total_cmp(&b.millis));
    let (median, most) = (matches[matches.len() / 2].millis, matches[matches.len() - 1].millis);
    println!("up to 400x300 pixels: {median:.0} ms of one core in the median, {most:.0} ms at most");
    matches.sort_by(|a, b| b.excess.total_cmp(&a.excess));
    for got in &matches[..4] {
        println!("{got:?}");
    }
    for got in &matches {
        assert!(got.excess <= 0.01, "{got:?}");
    }
}
