//! A newcomer's first hour: help, the demo, the configs that the docs show.

use featlas_e2e::{Desk, read_json};
use std::path::Path;

fn desk() -> Desk {
    Desk::new(env!("CARGO_BIN_EXE_featlas-under-test"))
}

#[test]
fn help_names_every_command_and_goes_to_stdout() {
    let said = desk().ok(["--help"]);
    for command in [
        "run",
        "extract",
        "index",
        "embed",
        "poster",
        "gallery",
        "report",
        "query",
        "neighbors",
        "duplicates",
        "check",
        "gc",
        "models",
        "demo",
    ] {
        assert!(said.stdout.contains(&format!("\n  {command} ")), "{command} is missing:\n{}", said.stdout);
    }
    assert!(said.stderr.is_empty());
}

#[test]
fn wrong_usage_is_the_users_fault() {
    let said = desk().run(["extract", "--batch", "0"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("--batch"), "{}", said.stderr);
    assert!(said.stdout.is_empty());
}

#[test]
fn a_small_demo_makes_a_whole_atlas() {
    let desk = desk();
    let said = desk.ok(["demo", "--out", "demo", "--per-class", "3"]);
    let atlas = desk.path("demo/atlas");
    for file in [
        "atlas.json",
        "run.json",
        "maps/pca.parquet",
        "maps/tsne.parquet",
        "maps/grid.parquet",
        "posters/grid.png",
        "posters/scatter.png",
        "posters/fill.png",
        "posters/points.png",
        "galleries/conv5/overview.png",
        "galleries/conv5/index.html",
        "galleries/conv5/channel-000.png",
        "galleries/conv5/channel-127.png",
        "report/index.html",
    ] {
        assert!(atlas.join(file).is_file(), "{file} is missing");
    }
    let index: Vec<_> = fs_err::read_dir(atlas.join("index"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for kind in ["graph-", "rows-", "recall-", "insights-"] {
        assert_eq!(index.iter().filter(|name| name.starts_with(kind)).count(), 1, "{index:?}");
    }
    assert!(desk.path("demo/neighbors.png").is_file());
    // stdout is data: the paths to look at, each of which is there.
    for line in said.stdout.lines() {
        assert!(desk.path(line).is_file(), "{line} is not a file");
    }
    let run = read_json(&atlas.join("run.json"));
    let classes = featlas_scenes::classes().len() as u64;
    assert_eq!(run["images"], 3 * classes);
    assert_eq!(run["rejects"], 0);
    assert!(run["recall_at_10"].as_f64().unwrap() > 0.95, "{run}");
    assert!(run["peak_memory_bytes"].as_u64().unwrap_or(u64::MAX) > 10_000_000);
    desk.ok(["check", "demo/atlas"]);
}

#[test]
fn every_config_of_the_docs_is_understood() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut seen = 0;
    for entry in fs_err::read_dir(configs).unwrap() {
        let config = entry.unwrap().path();
        desk().ok([Path::new("run"), Path::new("--print-config"), &config]);
        seen += 1;
    }
    assert!(seen >= 3, "the configs of the docs are gone");
}

#[test]
fn the_full_config_states_the_defaults() {
    let desk = desk();
    fs_err::write(desk.path("least.toml"), "images = [\"photos\"]\nout = \"atlas\"\n").unwrap();
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/full.toml");
    fs_err::copy(full, desk.path("full.toml")).unwrap();
    let least = desk.ok(["run", "--print-config", "least.toml"]).stdout;
    let full = desk.ok(["run", "--print-config", "full.toml"]).stdout;
    assert_eq!(least, full);
}

#[test]
fn printed_settings_are_a_config_of_the_same_settings() {
    let desk = desk();
    let text = "images = [\"a\", \"b.tar\"]\nout = \"atlas\"\nmodel = \"vgg16\"\ntaps = [\"conv5\"]\n[embed]\nseed = 9\n";
    fs_err::write(desk.path("first.toml"), text).unwrap();
    let first = desk.ok(["run", "--print-config", "first.toml", "--batch", "5"]).stdout;
    fs_err::write(desk.path("second.toml"), &first).unwrap();
    assert_eq!(desk.ok(["run", "--print-config", "second.toml"]).stdout, first);
}

#[test]
fn a_misspelled_key_is_named_with_its_line() {
    let desk = desk();
    fs_err::write(desk.path("c.toml"), "images = [\"a\"]\nperplexty = 3\n").unwrap();
    let said = desk.run(["run", "c.toml"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("perplexty") && said.stderr.contains("line 2"), "{}", said.stderr);
}

#[test]
fn models_are_listed_as_data() {
    let said = desk().ok(["models", "list", "--json"]);
    let names: Vec<String> = said
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["model"].as_str().unwrap().to_owned()
        })
        .collect();
    for name in ["alexnet", "caffenet", "bvlc-alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "alexnet-lite"] {
        assert!(names.iter().any(|n| n == name), "{name} is missing from {names:?}");
    }
    let info = desk().ok(["models", "info", "alexnet-lite", "--json"]).stdout;
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let conv5 = info["layers"].as_array().unwrap().iter().find(|layer| layer["layer"] == "conv5").unwrap();
    assert_eq!(conv5["shape"], serde_json::json!([128, 13, 13]));
    assert_eq!(conv5["stride_px"], 16);
    assert_eq!(conv5["receptive_field_px"], 163);
}
