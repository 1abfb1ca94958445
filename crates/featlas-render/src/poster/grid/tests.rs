use super::super::seam::Seam;
use super::*;
use crate::colormap::Colormap;
use crate::picture::render;
use proptest::prelude::*;

fn solid_tiles(n: usize) -> Vec<RgbImage> {
    (0..n).map(|i| RgbImage::filled(9, 7, color_of(i))).collect()
}

fn color_of(i: usize) -> Color {
    let i = u8::try_from(i).unwrap();
    [i, 255 - i, 77]
}

#[test]
fn the_longer_side_is_what_was_asked_for() {
    for (columns, rows, size) in [(7, 5, 400), (5, 7, 401), (1, 1, 90), (16, 2, 333)] {
        let params = GridPoster {
            columns,
            rows,
            cell_of: vec![0],
            size_px: Some(size),
            title: Some("t".into()),
            ..GridPoster::default()
        };
        let tiles = solid_tiles(1);
        let grid = Grid::new(&params, &tiles).unwrap();
        assert_eq!(grid.width.max(grid.height), size, "{columns} x {rows}");
    }
}

#[test]
fn a_missing_tile_is_counted_and_leaves_the_others_alone() {
    struct Holes(Vec<RgbImage>);
    impl Tiles for Holes {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn tile(&self, i: usize, _side_px: u32) -> Option<RgbImage> {
            (i != 2).then(|| self.0[i].clone())
        }
    }
    let params = GridPoster { columns: 2, rows: 2, cell_of: vec![0, 1, 2, 3], ..GridPoster::default() };
    let tiles = Holes(solid_tiles(4));
    let grid = Grid::new(&params, &tiles).unwrap();
    let poster = render(&grid);
    assert_eq!((poster.width(), poster.height(), grid.num_missing()), (134, 134, 1));
    assert_eq!(poster.pixel(100, 30), color_of(1));
}

#[test]
fn bad_grids_are_refused_by_name() {
    let tiles = solid_tiles(3);
    let grid = |columns, rows, cell_of: &[usize]| {
        let params = GridPoster { columns, rows, cell_of: cell_of.to_vec(), ..GridPoster::default() };
        Grid::new(&params, &tiles).err().map(|err| err.to_string()).unwrap()
    };
    assert_eq!(grid(2, 2, &[0, 1]), "expected 3 cells, got 2");
    assert_eq!(grid(2, 2, &[0, 1, 4]), "image 2 lies outside the grid: expected a cell below 4, got 4");
    assert_eq!(grid(2, 2, &[0, 1, 0]), "images 0 and 2 both have cell 0");
    assert_eq!(grid(0, 2, &[0, 1, 2]), "expected a grid of at least one cell, got 0 columns x 2 rows");
    assert_eq!(
        grid(2_000, 2_000, &[0, 1, 2]),
        "a poster of 132002x132002 px is too large: expected at most 65535 px a side"
    );
    let none = Grid::new(&GridPoster::default(), &Vec::new()).err().unwrap();
    assert!(matches!(none, RenderError::NoImages));
    let params = GridPoster {
        columns: 100,
        rows: 3,
        cell_of: vec![0, 1, 2],
        size_px: Some(200),
        ..GridPoster::default()
    };
    let err = Grid::new(&params, &tiles).err().unwrap();
    assert_eq!(
        err.to_string(),
        "a poster of 200 px is too small: expected at least 302 px for 100 x 3 tiles"
    );
}

proptest! {
    #[test]
    fn every_tile_lands_in_its_cell(
        columns in 1_usize..9, rows in 1_usize..9, seed in any::<u64>(),
        gap in 0_u32..5, tile in 1_u32..20, titled in any::<bool>(), crop in any::<bool>(),
    ) {
        let cells = super::super::order::shuffled(columns * rows, seed);
        let images = (columns * rows).div_ceil(2);
        let params = GridPoster {
            columns,
            rows,
            cell_of: cells[..images].to_vec(),
            tile_px: tile,
            gap_px: gap,
            title: titled.then(|| "Title".to_owned()),
            background: [9, 9, 9],
            crop,
            ..GridPoster::default()
        };
        let tiles = solid_tiles(images);
        let grid = Grid::new(&params, &tiles).unwrap();
        let poster = render(&grid);
        for cell in 0..columns * rows {
            let place = grid.place(cell);
            let at = |v: i64| u32::try_from(v).unwrap();
            let middle =
                poster.pixel(at(place.left + place.width() / 2), at(place.top + place.height() / 2));
            let wanted = params.cell_of.iter().position(|&c| c == cell).map_or([9, 9, 9], color_of);
            prop_assert_eq!(middle, wanted, "cell {}", cell);
        }
    }
}

#[test]
fn seams_lie_between_their_cells_in_the_color_of_their_distance() {
    let seam = |cell, below, distance| Seam { cell, below, distance };
    let lines = vec![seam(0, false, 0.1), seam(0, true, 0.9)];
    let params = GridPoster {
        columns: 2,
        rows: 2,
        cell_of: vec![0, 1, 2, 3],
        tile_px: 40,
        gap_px: 4,
        seams: Some(Seams { lines, caption: "distance".into() }),
        ..GridPoster::default()
    };
    let tiles = solid_tiles(4);
    let grid = Grid::new(&params, &tiles).unwrap();
    let poster = render(&grid);
    let at = |v: i64| u32::try_from(v).unwrap();
    let right = poster.pixel(at(grid.place(0).right + 2), at(grid.place(0).top + 20));
    let below = poster.pixel(at(grid.place(0).left + 20), at(grid.place(0).bottom + 2));
    assert_eq!(right, Colormap::Inferno.color(0.0));
    assert_eq!(below, Colormap::Inferno.color(1.0));
    let none = poster.pixel(at(grid.place(3).left - 2), at(grid.place(3).top + 20));
    assert_eq!(none, PAPER, "where there is no seam there is no line");
    assert!(grid.height > grid.width, "the scale stands below");
}

#[test]
fn borders_and_a_legend_tell_labels_apart() {
    let params = |mark| GridPoster {
        columns: 4,
        rows: 1,
        cell_of: vec![0, 1, 2, 3],
        size_px: Some(800),
        labels: ["a", "b", "b", "c"].map(|name| Some(name.to_owned())).to_vec(),
        mark,
        ..GridPoster::default()
    };
    let tiles = solid_tiles(4);
    let (plain, marked) = (params(LabelMark::None), params(LabelMark::Border));
    let (plain, marked) = (Grid::new(&plain, &tiles).unwrap(), Grid::new(&marked, &tiles).unwrap());
    assert!(plain.legend.is_none() && marked.legend.is_some());
    assert_eq!(plain.width.max(plain.height), 800);
    assert_eq!(marked.width.max(marked.height), 800);
    let poster = render(&marked);
    for (image, entry) in [1, 0, 0, 2].into_iter().enumerate() {
        let place = marked.place(image);
        let corner = [place.left, place.top].map(|v| u32::try_from(v).unwrap());
        assert_eq!(poster.pixel(corner[0], corner[1]), crate::palette::color(entry));
    }
    let legend = marked.legend.as_ref().unwrap();
    assert!(
        marked.place(3).right + i64::from(legend.width_px) <= i64::from(marked.width - marked.margin),
        "the legend lies beside the grid"
    );
}
