//! Pictures against golden ones, and the promises about names and windows that hold for every picture.

mod support;

use featlas_core::{RgbImage, Silent};
use featlas_render::color::NIGHT;
use featlas_render::{
    Canvas, Colormap, GalleryParams, GridPoster, Heat, HeatmapParams, LabelMark, Patch, Picture,
    PointsPoster, ScatterPoster, Seam, Seams, SheetItem, SheetParams, SheetRow, Tiles, channel_sheet,
    contact_sheet, grid_picture, overlay, overview_sheet, points_picture, render, scatter_picture,
    with_color_bar, write_png,
};
use support::{check_image, nasty_names, read_png, tile};

/// Antialiased edges may round differently from one machine to another.
const LEVELS: u8 = 3;
const OUTLIERS: usize = 12;

fn tiles(n: u32) -> Vec<RgbImage> {
    (0..n).map(|i| tile(24 + i % 3 * 8, 32 - i % 4 * 4, i)).collect()
}

/// Three islands of points.
fn map(n: u32) -> Vec<f32> {
    (0..n)
        .flat_map(|i| {
            let (island, turn) = ((i % 3) as f32, i as f32 * 2.4);
            let reach = 0.3 * (i as f32 / n as f32).sqrt();
            [island + reach * turn.cos(), (island * 1.7) % 2.0 + reach * turn.sin()]
        })
        .collect()
}

fn labels(n: u32) -> Vec<Option<String>> {
    let names = ["cats", "dogs", "a label too long for its legend"];
    (0..n).map(|i| (i % 10 != 9).then(|| names[i as usize % 3].to_owned())).collect()
}

fn grid(n: usize) -> GridPoster {
    GridPoster {
        columns: 6,
        rows: n.div_ceil(6),
        cell_of: (0..n).rev().collect(),
        size_px: Some(200),
        title: Some("Grid".into()),
        subtitle: Some("reversed".into()),
        ..GridPoster::default()
    }
}

struct Holes(Vec<RgbImage>);

impl Tiles for Holes {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn tile(&self, i: usize, _side_px: u32) -> Option<RgbImage> {
        (i != 4).then(|| self.0[i].clone())
    }
}

#[test]
fn grid_of_twenty_with_one_missing() {
    let (params, tiles) = (grid(20), Holes(tiles(20)));
    let picture = grid_picture(&params, &tiles).unwrap();
    let mut bytes = Vec::new();
    write_png(&picture, &Silent, &mut bytes).unwrap();
    let poster = read_png(&bytes);
    assert_eq!((picture.num_images(), picture.num_missing()), (20, 1));
    assert_eq!((picture.width(), picture.height()), (poster.width(), poster.height()));
    assert_eq!(poster.width(), 200);
    check_image("grid", &poster, LEVELS, OUTLIERS);
}

#[test]
fn grid_with_seams_borders_and_legend() {
    let lines = (0..20)
        .flat_map(|cell| [(cell, false), (cell, true)])
        .filter(|&(cell, below)| if below { cell < 14 } else { cell % 6 != 5 })
        .map(|(cell, below)| Seam { cell, below, distance: (cell % 7) as f32 / 7.0 })
        .collect();
    let params = GridPoster {
        size_px: Some(300),
        gap_px: 6,
        labels: labels(20),
        mark: LabelMark::Border,
        seams: Some(Seams { lines, caption: "fc7 distance".into() }),
        ..grid(20)
    };
    let tiles = Holes(tiles(20));
    check_image("grid-seams", &render(&grid_picture(&params, &tiles).unwrap()), LEVELS, OUTLIERS);
}

#[test]
fn scatter_of_thirty() {
    let params = ScatterPoster { size_px: 200, title: Some("Scatter".into()), ..ScatterPoster::default() };
    let tiles = Holes(tiles(30));
    check_image("scatter", &render(&scatter_picture(&map(30), &tiles, &params).unwrap()), LEVELS, OUTLIERS);
}

#[test]
fn scatter_tinted_at_night() {
    let params = ScatterPoster {
        size_px: 260,
        background: NIGHT,
        labels: labels(30),
        mark: LabelMark::Tint,
        ..ScatterPoster::default()
    };
    let tiles = Holes(tiles(30));
    let picture = render(&scatter_picture(&map(30), &tiles, &params).unwrap());
    check_image("scatter-tint", &picture, LEVELS, OUTLIERS);
}

#[test]
fn points_at_night_with_a_legend() {
    let params = PointsPoster {
        size_px: 260,
        background: NIGHT,
        title: Some("Points".into()),
        subtitle: Some("by label".into()),
        ..PointsPoster::default()
    };
    check_image(
        "points",
        &render(&points_picture(&map(60), &labels(60), &params).unwrap()),
        LEVELS,
        OUTLIERS,
    );
}

#[test]
fn contact_sheet_of_two_rows() {
    let item = |i| SheetItem {
        image: tile(40, 30, i),
        caption: format!("0.{i}31"),
        sub: format!("some/folder/image_{i:04}.jpeg"),
    };
    let row = |seed, items| SheetRow {
        title: format!("query_{seed}.png"),
        query: Some(tile(30, 40, seed)),
        items: (seed + 1..=seed + items).map(item).collect(),
    };
    let params = SheetParams { tile_px: 56, title: Some("Neighbors".into()), ..SheetParams::default() };
    let sheet = contact_sheet(&[row(1, 4), row(7, 3)], &params).unwrap();
    check_image("contact-sheet", &sheet, LEVELS, OUTLIERS);
}

fn patches(n: u32) -> Vec<Patch> {
    (0..n)
        .map(|i| Patch {
            image: tile(31, 31, i),
            guided: None,
            value: 9.5 - i as f32,
            caption: format!("folder/patch_{i}.png"),
        })
        .collect()
}

#[test]
fn channel_sheet_of_nine() {
    let params = GalleryParams { tile_px: 48, ..GalleryParams::default() };
    check_image("channel", &channel_sheet("conv5", 17, &patches(9), &params).unwrap(), LEVELS, OUTLIERS);
}

#[test]
fn overview_of_twelve_channels() {
    let channels: Vec<(usize, Vec<Patch>)> =
        (0..12).map(|c| (c, patches(if c == 5 { 0 } else { 4 }))).collect();
    let params = GalleryParams { overview_px: 20, ..GalleryParams::default() };
    check_image("overview", &overview_sheet("conv5", &channels, &params).unwrap(), LEVELS, OUTLIERS);
}

#[test]
fn heat_over_a_picture_with_its_bar() {
    let values: Vec<f32> = (0..25).map(|i| ((i % 5) as f32 - 2.0) * ((i / 5) as f32 - 1.0)).collect();
    let heat = Heat::new(&values, 5, 5).unwrap();
    let params = HeatmapParams { colormap: Colormap::Diverging, ..HeatmapParams::default() };
    let shown = overlay(&tile(90, 70, 3), &heat, &params);
    let framed = with_color_bar(&shown, "signed heat", heat.range(&params), params.colormap).unwrap();
    check_image("heatmap", &framed, LEVELS, OUTLIERS);
}

/// Tiles of a zoomable poster, or other strips, show the same poster.
#[test]
fn every_window_of_every_poster_shows_the_same_pixels() {
    let (tiles, map, labels) = (Holes(tiles(30)), map(30), labels(30));
    let lines = (0..24).map(|cell| Seam { cell, below: cell % 2 == 0, distance: cell as f32 }).collect();
    let (grid, scatter, points) = (
        GridPoster {
            labels: labels.clone(),
            mark: LabelMark::Border,
            seams: Some(Seams { lines, caption: "distance".into() }),
            ..grid(30)
        },
        ScatterPoster {
            size_px: 200,
            title: Some("t".into()),
            labels: labels.clone(),
            mark: LabelMark::Tint,
            ..ScatterPoster::default()
        },
        PointsPoster { size_px: 200, title: Some("t".into()), ..PointsPoster::default() },
    );
    let pictures: [&dyn Picture; 3] = [
        &grid_picture(&grid, &tiles).unwrap(),
        &scatter_picture(&map, &tiles, &scatter).unwrap(),
        &points_picture(&map, &labels, &points).unwrap(),
    ];
    for (which, picture) in pictures.into_iter().enumerate() {
        let whole = render(picture);
        for top in (0..picture.height()).step_by(64) {
            for left in (0..picture.width()).step_by(64) {
                let (width, height) = (64.min(picture.width() - left), 64.min(picture.height() - top));
                let mut window = Canvas::window(left.into(), top.into(), width, height, picture.background());
                picture.draw(&mut window);
                let window = window.into_image();
                for y in 0..height {
                    for x in 0..width {
                        assert_eq!(window.pixel(x, y), whole.pixel(left + x, top + y), "picture {which}");
                    }
                }
            }
        }
    }
}

#[test]
fn nasty_names_can_be_drawn_everywhere() {
    let names = nasty_names();
    let tiles: Vec<RgbImage> = (0..3).map(|i| tile(8, 8, i)).collect();
    let labels: Vec<Option<String>> = names.iter().cloned().map(Some).collect();
    let params = PointsPoster { size_px: 300, ..PointsPoster::default() };
    render(&points_picture(&map(40), &labels, &params).unwrap());
    for name in &names {
        let grid = GridPoster {
            columns: 3,
            rows: 1,
            cell_of: vec![0, 1, 2],
            title: Some(name.clone()),
            subtitle: Some(name.clone()),
            ..GridPoster::default()
        };
        render(&grid_picture(&grid, &tiles).unwrap());
        let patch = Patch { image: tiles[0].clone(), guided: None, value: 1.0, caption: name.clone() };
        let params = GalleryParams { tile_px: 32, ..GalleryParams::default() };
        channel_sheet(name, 0, &[patch], &params).unwrap();
    }
}

#[test]
fn the_same_values_give_the_same_bytes() {
    let draw = || {
        let mut bytes = Vec::new();
        let params = ScatterPoster { size_px: 300, ..ScatterPoster::default() };
        let tiles = tiles(50);
        let picture = scatter_picture(&map(50), &tiles, &params).unwrap();
        write_png(&picture, &Silent, &mut bytes).unwrap();
        bytes
    };
    assert_eq!(draw(), draw());
}
