use super::*;
use std::collections::HashSet;

/// Brightness and color means and spreads, and how much neighbors at three distances differ in each direction.
fn describe(image: &RgbImage) -> Vec<f32> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let at = |x: usize, y: usize, c: usize| f32::from(image.data()[(y * width + x) * 3 + c]);
    let pixels = (width * height) as f32;
    let mut features = Vec::new();
    for c in 0..3 {
        let all = || (0..height).flat_map(move |y| (0..width).map(move |x| at(x, y, c)));
        let mean = all().sum::<f32>() / pixels;
        features.push(mean);
        features.push((all().map(|v| (v - mean).powi(2)).sum::<f32>() / pixels).sqrt());
    }
    for step in [1, 4, 16] {
        let across =
            (0..height).flat_map(|y| (step..width).map(move |x| (at(x, y, 1) - at(x - step, y, 1)).abs()));
        let down =
            (step..height).flat_map(|y| (0..width).map(move |x| (at(x, y, 1) - at(x, y - step, 1)).abs()));
        features.push(2.0 * across.sum::<f32>() / pixels);
        features.push(2.0 * down.sum::<f32>() / pixels);
    }
    features
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[test]
fn names_are_sorted_folder_names() {
    assert!(NAMES.is_sorted());
    assert_eq!(NAMES.iter().collect::<HashSet<_>>().len(), NUM_CLASSES);
    assert!(NAMES.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase())));
    assert!(NUM_CLASSES >= 15 && NUM_CLASSES as u64 * DEFAULT_IMAGES_PER_CLASS >= 1500);
}

#[test]
fn pictures_depend_on_their_arguments_alone() {
    let here: Vec<RgbImage> = (0..NUM_CLASSES).map(|class| draw(class, 3, 11)).collect();
    // Another order, on other threads at once.
    std::thread::scope(|scope| {
        for part in 0..2 {
            let here = &here;
            scope.spawn(move || {
                for class in (0..NUM_CLASSES).rev().filter(|class| class % 2 == part) {
                    assert_eq!(draw(class, 3, 11), here[class], "{}", NAMES[class]);
                }
            });
        }
    });
}

#[test]
fn other_indices_and_seeds_give_other_pictures() {
    for (class, name) in NAMES.iter().enumerate() {
        let pictures =
            [draw(class, 0, 0), draw(class, 1, 0), draw(class, 0, 1), draw(class, u64::MAX, u64::MAX)];
        for (i, a) in pictures.iter().enumerate() {
            for b in &pictures[..i] {
                // Not only another grain: the rough description differs too.
                let apart = distance(&describe(a), &describe(b)).sqrt();
                assert!(apart > 2.0, "{name}: two pictures are {apart} gray levels apart");
            }
        }
    }
}

#[test]
fn pictures_are_neither_flat_nor_black_nor_white() {
    for (class, name) in NAMES.iter().enumerate() {
        for index in 0..4 {
            let image = draw(class, index, 5);
            let sides = 192..=300;
            assert!(sides.contains(&image.width()) && sides.contains(&image.height()), "{name} {index}");
            let bytes = image.data();
            let mean = bytes.iter().map(|&b| f64::from(b)).sum::<f64>() / bytes.len() as f64;
            assert!((8.0..=248.0).contains(&mean), "{name} {index}: mean {mean}");
            let spread = describe(&image)[3];
            assert!(spread > 3.0, "{name} {index}: spread {spread}");
            let black = bytes.chunks(3).filter(|p| *p == [0, 0, 0]).count() * 3;
            assert!(black * 2 < bytes.len(), "{name} {index}: {black} of {} bytes are black", bytes.len());
        }
    }
}

#[test]
fn classes_tell_apart_even_by_rough_statistics() {
    const EACH: u64 = 4;
    let mut described: Vec<(usize, Vec<f32>)> = Vec::new();
    for class in 0..NUM_CLASSES {
        described.extend((0..EACH).map(|index| (class, describe(&draw(class, index, 2)))));
    }
    let right = described.iter().enumerate().filter(|(i, (class, features))| {
        let others = described.iter().enumerate().filter(|(j, _)| j != i);
        let nearest =
            others.min_by(|(_, a), (_, b)| distance(&a.1, features).total_cmp(&distance(&b.1, features)));
        nearest.is_some_and(|(_, (found, _))| found == class)
    });
    let share = right.count() as f32 / described.len() as f32;
    println!("the nearest picture is of the same class in {share} of the cases");
    // Chance is 1 in 25. Twelve numbers know no shapes, so far from all is right; a network does better.
    assert!(share > 0.2, "the nearest picture is of the same class in {share} of the cases");
}
