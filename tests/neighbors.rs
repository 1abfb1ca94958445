//! A researcher asks: which images does the network see as like this one?

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use featlas_e2e::Desk;
use serde_json::Value;

fn desk_with_index() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    desk.draw_images(4, 10);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    desk.ok(["index", "atlas"]);
    desk
}

fn answers(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_image_of_the_atlas_finds_itself_first() {
    let desk = desk_with_index();
    let class = featlas_scenes::classes()[2];
    let image = format!("images/{class}/004.jpg");
    let said = desk.ok(["query", "atlas", &image, "--k", "5", "--json"]);
    let answers = answers(&said.stdout);
    assert_eq!(answers.len(), 1);
    let neighbors = answers[0]["neighbors"].as_array().unwrap();
    assert_eq!(neighbors.len(), 5);
    assert_eq!(neighbors[0]["path"], format!("{class}/004.jpg"));
    assert!(neighbors[0]["distance"].as_f64().unwrap() < 1e-5);
    let distances: Vec<f64> = neighbors.iter().map(|n| n["distance"].as_f64().unwrap()).collect();
    assert!(distances.is_sorted(), "{distances:?}");
}

#[test]
fn an_image_from_elsewhere_finds_its_kind() {
    let desk = desk_with_index();
    featlas_e2e::write_scene(&desk.path("stranger.jpg"), 1, 500);
    let said = desk.ok(["query", "atlas", "stranger.jpg", "--k", "3", "--json"]);
    let answer = &answers(&said.stdout)[0];
    let same =
        answer["neighbors"].as_array().unwrap().iter().filter(|n| n["label"] == featlas_scenes::classes()[1]);
    assert!(same.count() >= 2, "{answer}");
}

#[test]
fn graph_and_exact_search_agree_on_a_small_atlas() {
    let desk = desk_with_index();
    let class = featlas_scenes::classes()[0];
    let images: Vec<String> = (0..4).map(|i| format!("images/{class}/{i:03}.jpg")).collect();
    let args = |extra: &[&str]| {
        let mut args = vec!["query".to_owned(), "atlas".to_owned()];
        args.extend(images.iter().cloned());
        args.extend(["--json".to_owned(), "--k=7".to_owned()]);
        args.extend(extra.iter().map(|&arg| arg.to_owned()));
        args
    };
    let graph = desk.ok(args(&[])).stdout;
    let exact = desk.ok(args(&["--exact"])).stdout;
    let paths = |stdout: &str| -> Vec<Value> {
        answers(stdout)
            .iter()
            .flat_map(|answer| answer["neighbors"].as_array().unwrap().clone())
            .map(|neighbor| neighbor["path"].clone())
            .collect()
    };
    assert_eq!(paths(&graph), paths(&exact));
}

#[test]
fn pixel_neighbors_are_another_answer_and_a_sheet_shows_both() {
    let desk = desk_with_index();
    let class = featlas_scenes::classes()[0];
    let image = format!("images/{class}/000.jpg");
    let said = desk.ok([
        "query",
        "atlas",
        &image,
        "--k",
        "6",
        "--space",
        "fc7,pixels",
        "--json",
        "--sheet",
        "both.png",
    ]);
    let answers = answers(&said.stdout);
    assert_eq!(answers.iter().map(|a| a["space"].as_str().unwrap()).collect::<Vec<_>>(), ["fc7", "pixels"]);
    for answer in &answers {
        assert_eq!(answer["neighbors"][0]["path"], format!("{class}/000.jpg"), "{answer}");
    }
    let sheet = fs_err::read(desk.path("both.png")).unwrap();
    let options = featlas_image::DecodeOptions::default();
    let picture = featlas_image::decode(&sheet, &options).unwrap().image;
    assert!(picture.width() > 600 && picture.height() > 300, "{}x{}", picture.width(), picture.height());
}

#[test]
fn more_neighbors_than_images_is_a_clear_error() {
    let desk = desk_with_index();
    let image = format!("images/{}/000.jpg", featlas_scenes::classes()[0]);
    let said = desk.run(["query", "atlas", &image, "--k", "41"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("41") && said.stderr.contains("40"), "{}", said.stderr);
    assert!(said.stdout.is_empty());
}

#[test]
fn an_index_older_than_the_features_is_refused() {
    let desk = desk_with_index();
    let image = format!("images/{}/000.jpg", featlas_scenes::classes()[0]);
    featlas_e2e::write_scene(&desk.path("images/new.jpg"), 1, 500);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    let said = desk.run(["query", "atlas", &image]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("older") && said.stderr.contains("featlas index"), "{}", said.stderr);
    desk.ok(["index", "atlas"]);
    desk.ok(["query", "atlas", &image]);
}

#[test]
fn an_atlas_without_an_index_says_which_command_makes_it() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    desk.draw_images(1, 3);
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    let image = format!("images/{}/000.jpg", featlas_scenes::classes()[0]);
    let said = desk.run(["query", "atlas", &image, "--k", "2"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("featlas index"), "{}", said.stderr);
    let said = desk.run(["query", "nowhere", &image]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("nowhere"), "{}", said.stderr);
}
