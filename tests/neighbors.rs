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
    let said = desk.run(["neighbors", "atlas", "--k", "40"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("hint: ask for at most 39"), "{}", said.stderr);
    desk.ok(["neighbors", "atlas", "--k", "39"]);
}

#[test]
fn what_cannot_be_asked_is_told_with_the_reason() {
    let desk = desk_with_index();
    let image = format!("images/{}/000.jpg", featlas_scenes::classes()[0]);
    fs_err::create_dir_all(desk.path("empty")).unwrap();
    fs_err::create_dir_all(desk.path("notes")).unwrap();
    fs_err::write(desk.path("notes/a.txt"), "no image").unwrap();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--id", "40"], &["number `40`", "hint: "]),
        (&["--path", "nowhere.jpg"], &["`nowhere.jpg`", "hint: "]),
        (&[&image, "--where", "nothing*"], &["`--where nothing*`", "hint: "]),
        (&[&image, "--where", ""], &["`--where `", "hint: "]),
        (&[&image, "--where", "["], &["`--where` is no pattern", "hint: "]),
        (&[&image, "--distance=-1"], &["--distance", "at least 0"]),
        (&[&image, "--distance=nan"], &["--distance", "at least 0"]),
        (&[&image, "--ef-search", "0"], &["--ef-search", "1..="]),
        (&[&image, "--k", "0"], &["--k", "1..="]),
        (&["gone.jpg"], &["there is no such file", "gone.jpg"]),
        (&["images"], &["got a folder", "--batch"]),
        (&["--batch", "empty"], &["none of the 0 files", "empty", "hint: "]),
        (&["--batch", "notes"], &["a.txt", "none of the 1 files", "hint: "]),
    ];
    for (args, parts) in cases {
        let said = desk.run(["query", "atlas"].iter().chain(*args).copied());
        assert_eq!(said.code, Some(1), "{args:?}: {}", said.stderr);
        assert_eq!(said.stdout, "", "{args:?}");
        for part in *parts {
            assert!(said.stderr.contains(part), "{args:?}: `{part}` is missing from:\n{}", said.stderr);
        }
    }
    fs_err::create_dir_all(desk.path("bad")).unwrap();
    fs_err::write(desk.path("bad/page.jpg"), "<html>").unwrap();
    desk.ok(["extract", "--images", "bad", "--out", "hollow", "--max-rejects", "1"]);
    for command in ["index", "neighbors", "duplicates"] {
        let said = desk.run([command, "hollow"]);
        assert_eq!(said.code, Some(1), "{command}: {}", said.stderr);
        assert!(said.stderr.contains("no image with features"), "{command}: {}", said.stderr);
    }
    for (args, part) in [
        (["index", "atlas", "--recall", "2"], "share between 0 and 1"),
        (["index", "atlas", "--threads", "100000"], "0..=1024"),
        (["duplicates", "atlas", "--distance", "nan"], "at least 0"),
    ] {
        let said = desk.run(args);
        assert_eq!(said.code, Some(1), "{args:?}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{args:?}: {}", said.stderr);
    }
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
    assert!(said.stderr.contains("nowhere") && said.stderr.contains("hint: "), "{}", said.stderr);
}

fn paths_of(answer: &Value) -> Vec<String> {
    let neighbors = answer["neighbors"].as_array().unwrap();
    neighbors.iter().map(|n| n["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn images_of_the_atlas_are_asked_about_by_number_and_by_path() {
    let desk = desk_with_index();
    let class = featlas_scenes::classes()[1];
    let path = format!("{class}/003.jpg");
    let file = format!("images/{path}");
    let by_file = desk.ok(["query", "atlas", &file, "--k", "4", "--json"]).stdout;
    let by_path = desk.ok(["query", "atlas", "--path", &path, "--k", "4", "--json"]).stdout;
    assert_eq!(paths_of(&answers(&by_file)[0]), paths_of(&answers(&by_path)[0]));
    let id = answers(&by_path)[0]["neighbors"][0]["image_id"].to_string();
    let by_id = desk.ok(["query", "atlas", "--id", &id, "--k", "4", "--json"]).stdout;
    assert_eq!(by_id, by_path);
    let said = desk.ok([
        "query",
        "atlas",
        "--id",
        &id,
        "--k",
        "4",
        "--json",
        "--exclude-self",
        "--space",
        "fc7,pixels",
    ]);
    for answer in answers(&said.stdout) {
        assert_eq!(paths_of(&answer).len(), 4);
        assert!(!paths_of(&answer).contains(&path), "{answer}");
    }
    let same = desk.ok(["query", "atlas", &file, "--k", "4", "--json", "--exclude-self"]).stdout;
    assert!(!paths_of(&answers(&same)[0]).contains(&path));
    for (flag, value) in [("--id", "4444"), ("--path", "nowhere.jpg")] {
        let said = desk.run(["query", "atlas", flag, value, "--k", "2"]);
        assert_eq!(said.code, Some(1));
        assert!(said.stderr.contains(value) && said.stderr.contains("hint:"), "{}", said.stderr);
    }
    assert_eq!(desk.run(["query", "atlas"]).code, Some(1), "nothing was asked");
}

#[test]
fn filters_leave_only_what_they_say() {
    let desk = desk_with_index();
    let [first, second] = [featlas_scenes::classes()[0], featlas_scenes::classes()[1]];
    let image = format!("images/{first}/000.jpg");
    let ask = |extra: &[&str]| {
        let base = ["query", "atlas", &image, "--k", "30", "--json"];
        answers(&desk.ok(base.iter().chain(extra).copied()).stdout).remove(0)
    };
    let labeled = ask(&["--label", second]);
    assert_eq!(paths_of(&labeled).len(), 10, "all of the label, and no more");
    assert!(paths_of(&labeled).iter().all(|path| path.starts_with(second)));
    let matching = ask(&["--where", "*/00[12].jpg"]);
    assert_eq!(paths_of(&matching).len(), 8);
    assert_eq!(paths_of(&ask(&["--where", second])), paths_of(&labeled), "a label matches too");
    let near = ask(&["--distance=0.000001"]);
    assert_eq!(paths_of(&near), [format!("{first}/000.jpg")]);
    let said = desk.run(["query", "atlas", &image, "--label", "no such label"]);
    assert_eq!(said.code, Some(1));
    for part in ["no such label", "hint: ", first, second] {
        assert!(said.stderr.contains(part), "{}", said.stderr);
    }
    let pixels = ask(&["--where", "*/00[12].jpg", "--space", "pixels"]);
    assert_eq!(paths_of(&pixels).len(), 8);
    let said = desk.run(["query", "atlas", &image, "--where", "[", "--k", "2"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("where"), "{}", said.stderr);
}

#[test]
fn a_folder_is_asked_about_in_one_go_and_tables_are_written() {
    let desk = desk_with_index();
    fs_err::create_dir_all(desk.path("new")).unwrap();
    for number in 0..3 {
        featlas_e2e::write_scene(&desk.path(format!("new/{number}.jpg")), number, 900 + number as u64);
    }
    fs_err::write(desk.path("new/page.jpg"), "<html>").unwrap();
    let said =
        desk.ok(["query", "atlas", "--batch", "new", "--k", "3", "--json", "--parquet", "out.parquet"]);
    assert_eq!(answers(&said.stdout).len(), 3);
    assert!(said.stderr.contains("page.jpg"), "{}", said.stderr);
    assert!(fs_err::read(desk.path("out.parquet")).unwrap().starts_with(b"PAR1"));
    let said = desk.ok(["query", "atlas", "--batch", "new", "--k", "3", "--sheet", "sheet.png"]);
    assert_eq!(said.stdout.lines().count(), 3 * 4, "a heading and three neighbors each:\n{}", said.stdout);

    desk.ok(["neighbors", "atlas", "--k", "5"]);
    assert!(desk.path("atlas/index/neighbors.parquet").is_file());
    let again = desk.ok(["neighbors", "atlas", "--k", "5"]);
    assert!(again.stderr.contains("up to date"), "{}", again.stderr);
    desk.ok(["neighbors", "atlas", "--k", "4", "--out", "near.parquet"]);
    assert!(fs_err::read(desk.path("near.parquet")).unwrap().starts_with(b"PAR1"));
    desk.ok(["check", "atlas"]);
}

#[test]
fn copies_of_an_image_are_one_group_of_duplicates() {
    let desk = Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"));
    let images = desk.draw_images(3, 6);
    let class = featlas_scenes::classes()[0];
    for copy in ["copy-a.jpg", "copy-b.jpg"] {
        fs_err::copy(images.join(class).join("002.jpg"), images.join(copy)).unwrap();
    }
    desk.ok(["extract", "--images", "images", "--out", "atlas"]);
    desk.ok(["index", "atlas"]);
    let said = desk.ok(["duplicates", "atlas", "--distance", "0.000001", "--json"]);
    let groups = answers(&said.stdout);
    assert_eq!(groups.len(), 1, "{}", said.stdout);
    let paths: Vec<&str> =
        groups[0]["images"].as_array().unwrap().iter().map(|image| image["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [format!("{class}/002.jpg").as_str(), "copy-a.jpg", "copy-b.jpg"]);
}
