use super::super::order::shuffled;
use super::*;
use crate::picture::render;
use proptest::prelude::*;

fn tiles(n: usize) -> Vec<RgbImage> {
    (0..n).map(|i| RgbImage::filled(16, 12, [255, u8::try_from(i % 256).unwrap(), 0])).collect()
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
}

fn hidden(scatter: &Scatter<'_>) -> usize {
    let n = scatter.places.at.len();
    (0..n).map(|i| (0..i).filter(|&j| overlap(scatter.place(i), scatter.place(j))).count()).sum()
}

#[test]
fn identical_points_make_a_heap_in_which_all_are_seen() {
    let tiles = tiles(50);
    let params = ScatterPoster { size_px: 300, ..ScatterPoster::default() };
    let scatter = Scatter::new(&[1.5_f32; 100], &tiles, &params).unwrap();
    assert_eq!(hidden(&scatter), 0);
    let poster = render(&scatter);
    for i in 0..50 {
        let lit = poster.data().chunks(3).filter(|p| *p == [255, i, 0]).count();
        assert!(lit >= 1, "image {i} is not seen");
    }
}

#[test]
fn a_crowd_keeps_its_place_on_the_map() {
    // A dense clump at the left, a sparse one at the right.
    let random = shuffled(1000, 4);
    let points: Vec<f32> = random
        .chunks(2)
        .enumerate()
        .flat_map(|(i, c)| {
            let at = |v: usize| v as f32 / 1000.0;
            if i < 450 { [at(c[0]), at(c[1])] } else { [3.0 + 2.0 * at(c[0]), 2.0 * at(c[1])] }
        })
        .collect();
    let tiles = tiles(500);
    let params = ScatterPoster { size_px: 1000, ..ScatterPoster::default() };
    let scatter = Scatter::new(&points, &tiles, &params).unwrap();
    assert_eq!(hidden(&scatter), 0);
    assert!(scatter.tile_px >= 10, "{}", scatter.tile_px);
    let middle = |images: std::ops::Range<usize>| {
        let n = images.len() as f32;
        images.map(|i| scatter.places.at[i].0).sum::<f32>() / n
    };
    assert!(middle(0..450) < 400.0 && middle(450..500) > 600.0, "{} {}", middle(0..450), middle(450..500));
}

#[test]
fn a_poster_too_small_for_its_tiles_is_refused() {
    let tiles = tiles(30);
    let params = ScatterPoster { size_px: 100, tile_px: Some(90), ..ScatterPoster::default() };
    let err = Scatter::new(&[0.5; 60], &tiles, &params).err().unwrap();
    assert!(matches!(err, RenderError::TooSmall { size_px: 100, needed_px: 181.., .. }), "{err}");
    let params = ScatterPoster { size_px: 100, tile_px: Some(30), ..ScatterPoster::default() };
    let err = Scatter::new(&[0.5; 60], &tiles, &params).err().unwrap();
    assert!(matches!(err, RenderError::TooSmall { size_px: 100, needed_px: 101.., .. }), "{err}");
}

#[test]
fn a_border_has_the_color_of_the_label_and_the_legend_says_so() {
    let tiles = tiles(4);
    let labels = ["a", "b", "b", "b"].map(|name| Some(name.to_owned())).to_vec();
    let draw = |mark, legend, labels: &[Option<String>]| {
        let labels = labels.to_vec();
        let params = ScatterPoster { size_px: 400, mark, legend, labels, ..ScatterPoster::default() };
        let picture = Scatter::new(&[0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0], &tiles, &params).unwrap();
        (picture.legend.is_some(), render(&picture))
    };
    let count = |image: &RgbImage, color: Color| image.data().chunks(3).filter(|p| *p == color).count();
    let b = crate::palette::color(0);
    let (listed, marked) = draw(LabelMark::Border, true, &labels);
    assert!(listed && count(&marked, b) > 100);
    let (listed, marked) = draw(LabelMark::Border, false, &labels);
    assert!(!listed && count(&marked, b) > 100);
    let (listed, plain) = draw(LabelMark::None, true, &labels);
    assert!(!listed && count(&plain, b) == 0);
    let (listed, _) = draw(LabelMark::Border, true, &[None, None, None, None]);
    assert!(!listed, "without labels there is no legend");
    let params = ScatterPoster { labels: vec![None], ..ScatterPoster::default() };
    let err = Scatter::new(&[0.0; 8], &tiles, &params).err().unwrap();
    assert_eq!(err.to_string(), "expected 4 labels, got 1");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_tile_lies_inside_the_poster_and_hides_no_other(
        points in prop::collection::vec(-1e6_f32..1e6, 2..80),
        size_px in 64_u32..900, titled in any::<bool>(),
    ) {
        let n = points.len() / 2;
        let tiles = tiles(n);
        let params = ScatterPoster {
            size_px, title: titled.then(|| "A title".to_owned()), ..ScatterPoster::default()
        };
        let scatter = Scatter::new(&points[..n * 2], &tiles, &params).unwrap();
        prop_assert!(scatter.width <= size_px && scatter.height <= size_px);
        prop_assert!(scatter.width.max(scatter.height) + 1 >= size_px);
        prop_assert_eq!(hidden(&scatter), 0);
        for image in 0..n {
            let place = scatter.place(image);
            prop_assert_eq!(place, place.clipped(scatter.width, scatter.height));
        }
    }

    #[test]
    fn strips_equal_the_whole(seed in any::<u64>()) {
        let points: Vec<f32> = shuffled(60, seed).iter().map(|&v| v as f32).collect();
        let tiles = tiles(30);
        let params = ScatterPoster { size_px: 120, title: Some("Strips".into()), ..ScatterPoster::default() };
        let scatter = Scatter::new(&points, &tiles, &params).unwrap();
        let whole = render(&scatter);
        for top in (0..scatter.height).step_by(17) {
            let rows = 17.min(scatter.height - top);
            let mut strip = Canvas::window(0, i64::from(top), scatter.width, rows, scatter.background());
            scatter.draw(&mut strip);
            let strip = strip.into_image();
            for y in 0..rows {
                prop_assert_eq!(strip.row(y), whole.row(top + y));
            }
        }
    }
}
