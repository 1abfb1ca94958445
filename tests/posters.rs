//! Posters as people ask for them: every kind and format, odd shapes, large places, and what cannot be done.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use featlas_core::RgbImage;
use featlas_e2e::{Desk, Said, snapshot};
use featlas_image::{DecodeOptions, decode};
use std::path::Path;

fn desk() -> Desk {
    Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"))
}

/// A desk with an atlas of `classes * per_class` images, mapped.
fn mapped(classes: usize, per_class: u64) -> Desk {
    let desk = desk();
    desk.draw_images(classes, per_class);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    desk.ok(["embed", "atlas"]);
    desk
}

fn picture(path: &Path) -> RgbImage {
    decode(&fs_err::read(path).unwrap(), &DecodeOptions::default()).unwrap().image
}

#[track_caller]
fn refused(said: &Said, parts: &[&str]) {
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    for part in parts {
        assert!(said.stderr.contains(part), "`{part}` is missing from:\n{}", said.stderr);
    }
}

#[test]
fn every_kind_in_every_format() {
    let desk = mapped(3, 4);
    for kind in ["grid", "scatter", "fill", "points"] {
        let draw =
            |file: &str| desk.ok(["poster", "atlas", "--kind", kind, "--size-px", "700", "--out", file]);
        draw("p.png");
        draw("p.jpg");
        draw("p.dzi");
        let (png, jpg) = (picture(&desk.path("p.png")), picture(&desk.path("p.jpg")));
        assert_eq!(png.width().max(png.height()), 700, "{kind}");
        assert_eq!((png.width(), png.height()), (jpg.width(), jpg.height()), "{kind}");
        let off: u64 = png.data().iter().zip(jpg.data()).map(|(a, &b)| u64::from(a.abs_diff(b))).sum();
        assert!(off / (png.data().len() as u64) < 6, "{kind}: the JPEG shows the same");
        let dzi = fs_err::read_to_string(desk.path("p.dzi")).unwrap();
        assert!(dzi.contains(&format!("Width=\"{}\" Height=\"{}\"", png.width(), png.height())), "{dzi}");
        // Ten levels of one tile, and the whole picture in as many as it needs.
        let whole = png.width().div_ceil(512) * png.height().div_ceil(512);
        assert_eq!(snapshot(&desk.path("p_files")).len(), 10 + whole as usize, "{kind}");
        let corner = picture(&desk.path("p_files/10/0_0.jpg"));
        assert_eq!(
            (corner.width(), corner.height()),
            (512.min(png.width()), 512.min(png.height())),
            "{kind}"
        );
    }
}

#[test]
fn grids_of_other_shapes_hold_every_image_and_show_what_is_asked() {
    let desk = mapped(2, 5);
    let draw = |more: &[&str]| {
        let args = ["poster", "atlas", "--kind", "grid", "--size-px", "600", "--out", "g.png"];
        desk.ok(args.into_iter().chain(more.iter().copied()));
        picture(&desk.path("g.png"))
    };
    let wide = draw(&["--columns", "10"]);
    assert!(wide.width() > 8 * wide.height(), "{} x {}", wide.width(), wide.height());
    let aspect = draw(&["--aspect", "2.5", "--gap-px", "0"]);
    assert!(aspect.width() > 2 * aspect.height() - 20);
    // Twice the cells: half of them show the background.
    let sparse = draw(&["--columns", "5", "--rows", "4", "--background", "#ff00ff", "--gap-px", "0"]);
    let empty = sparse.data().chunks(3).filter(|pixel| *pixel == [255, 0, 255]).count();
    let share = empty as f64 / (sparse.data().len() / 3) as f64;
    assert!((0.45..0.55).contains(&share), "{share}");
    let seams = draw(&["--seam", "--labels", "border"]);
    assert!(seams.data() != draw(&[]).data());
    refused(
        &desk.run(["poster", "atlas", "--kind", "grid", "--columns", "3", "--rows", "3", "--out", "g.png"]),
        &["10 cells", "3 x 3"],
    );
}

#[test]
fn large_places_show_originals_until_they_are_gone() {
    let desk = mapped(1, 2);
    let draw = |tiles: &str, file: &str| {
        desk.ok(["poster", "atlas", "--kind", "grid", "--size-px", "900", "--tiles", tiles, "--out", file])
    };
    draw("auto", "auto.png");
    draw("thumbs", "thumbs.png");
    draw("originals", "originals.png");
    let bytes = |file: &str| fs_err::read(desk.path(file)).unwrap();
    assert_eq!(bytes("auto.png"), bytes("originals.png"));
    assert_ne!(bytes("auto.png"), bytes("thumbs.png"));
    let class = featlas_scenes::classes()[0];
    fs_err::remove_file(desk.path(format!("images/{class}/000.jpg"))).unwrap();
    let said = draw("auto", "one.png");
    assert!(said.stderr.contains("1 of 2 pictures are made from thumbnails"), "{}", said.stderr);
    fs_err::remove_dir_all(desk.path("images")).unwrap();
    let said = draw("auto", "none.png");
    assert!(said.stderr.contains("thumbnails"), "{}", said.stderr);
    assert_eq!(bytes("none.png"), bytes("thumbs.png"), "without the folder the thumbnails must do");
    assert_eq!(
        desk.run(["poster", "atlas", "--kind", "grid", "--tiles", "originals", "--out", "x.png"]).code,
        Some(1)
    );
}

#[test]
fn what_cannot_be_drawn_is_said_before_it_is_begun() {
    let desk = mapped(1, 3);
    let run = |args: &[&str]| desk.run(["poster", "atlas"].into_iter().chain(args.iter().copied()));
    refused(&run(&["--kind", "grid", "--out", "p.gif"]), &["`out`", ".png", ".dzi", "p.gif"]);
    refused(&run(&["--kind", "scatter", "--seam", "--out", "p.png"]), &["`seam`", "grid", "scatter"]);
    refused(&run(&["--kind", "points", "--columns", "3", "--out", "p.png"]), &["`columns`", "points"]);
    refused(
        &run(&["--kind", "grid", "--background", "pink", "--out", "p.png"]),
        &["`background`", "#rrggbb", "pink"],
    );
    refused(&run(&["--kind", "grid", "--size-px", "70000", "--out", "p.png"]), &["--size-px", "60000"]);
    refused(
        &run(&["--kind", "grid", "--size-px", "64", "--columns", "60", "--out", "p.png"]),
        &["too small", "hint"],
    );
    fs_err::create_dir_all(desk.path("mine_files")).unwrap();
    fs_err::write(desk.path("mine_files/thesis.txt"), "mine").unwrap();
    refused(&run(&["--kind", "grid", "--out", "mine.dzi"]), &["mine_files"]);
    assert!(desk.path("mine_files/thesis.txt").exists());
    assert!(!desk.path("p.png").exists() && !desk.path("p.png.partial").exists());
}

#[test]
fn images_without_labels_are_drawn_and_it_is_said() {
    let desk = desk();
    let images = desk.draw_images(1, 3);
    let flat = desk.path("flat");
    fs_err::rename(images.join(featlas_scenes::classes()[0]), &flat).unwrap();
    desk.ok(["extract", "--images", "flat", "--out", "atlas"]);
    desk.ok(["embed", "atlas"]);
    for (kind, more) in [("grid", &["--labels", "border"][..]), ("points", &[])] {
        let args = ["poster", "atlas", "--kind", kind, "--size-px", "400", "--out", "p.png"];
        let said = desk.ok(args.into_iter().chain(more.iter().copied()));
        assert!(said.stderr.contains("no image has a label"), "{}", said.stderr);
    }
}

#[test]
fn the_report_has_a_map_to_walk_around_in() {
    let desk = mapped(3, 4);
    desk.ok(["index", "atlas"]);
    desk.ok(["report", "atlas"]);
    let atlas = desk.path("atlas");
    let page = fs_err::read_to_string(atlas.join("report/index.html")).unwrap();
    assert!(
        page.contains("<script src=\"viewer.js\"></script>") && page.contains("<script src=\"map/map.js\">")
    );
    let map = fs_err::read_to_string(atlas.join("report/map/map.js")).unwrap();
    assert!(map.contains("\"columns\":4,\"rows\":3,\"pitch\":130,\"cell\":128"), "{map}");
    assert!(atlas.join("report/map/tiles/10/0_0.jpg").is_file());
    let cells = fs_err::read_to_string(atlas.join("report/map/cells-0.js")).unwrap();
    let class = featlas_scenes::classes()[1];
    assert!(cells.contains(&format!("{class}/002.jpg")) && cells.starts_with("featlas.cells(0,{"), "{cells}");
    desk.ok(["check", "atlas"]);

    // Nothing changed: nothing is written. Without a map: none is left in the record.
    let before = snapshot(&atlas);
    desk.ok(["report", "atlas"]);
    assert_eq!(snapshot(&atlas), before);
    desk.ok(["report", "atlas", "--zoom-px", "0"]);
    let page = fs_err::read_to_string(atlas.join("report/index.html")).unwrap();
    assert!(!page.contains("<script"), "no map, no scripts");
    desk.ok(["check", "atlas"]);
}

#[test]
fn an_atlas_without_maps_says_what_makes_them() {
    let desk = desk();
    desk.draw_images(1, 2);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    refused(&desk.run(["poster", "atlas", "--kind", "grid", "--out", "p.png"]), &["no map", "featlas embed"]);
    let said = desk.run(["poster", "atlas", "--kind", "grid", "--space", "pixels", "--out", "p.png"]);
    refused(&said, &["no map", "--space pixels"]);
}
