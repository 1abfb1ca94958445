//! Pages stay pages whatever the names in them are.

mod support;

use featlas_core::RgbImage;
use featlas_render::html::href;
use featlas_render::{
    AccuracyView, ChannelEntry, ExplainedImage, Figure, FollowsView, NamedImage, RecallPoint, RecallView,
    RejectRow, ReportView, StageRow, ZoomView, gallery_index_html, report_html, visible,
};
use std::path::{Path, PathBuf};
use support::nasty_names;
use support::page::{Parsed, parse};

/// A report that says `name` wherever it can.
fn report_about(name: &str) -> String {
    report_html(&view_about(name))
}

/// The same with a map to walk around in.
fn zoomable_report_about(name: &str) -> String {
    let zoom = Some(ZoomView { viewer: "viewer.js".into(), map: "map/map.js".into() });
    report_html(&ReportView { zoom, ..view_about(name) })
}

fn view_about(name: &str) -> ReportView {
    let words = || name.to_owned();
    let figure = || Figure {
        caption: words(),
        link: Some(PathBuf::from(name)),
        image: RgbImage::filled(4, 4, [120, 60, 30]),
    };
    ReportView {
        title: words(),
        subtitle: words(),
        facts: vec![(words(), words())],
        warnings: vec![words()],
        posters: vec![figure(), figure()],
        neighbors: vec![figure()],
        galleries: vec![figure()],
        explained: vec![ExplainedImage {
            title: words(),
            subtitle: words(),
            figures: vec![figure(), figure()],
        }],
        recall: Some(RecallView {
            k: 10,
            queries: 50,
            chosen: 64,
            points: [(16, 0.9, 900.0), (64, 0.99, 400.0)]
                .map(|(ef_search, recall, queries_per_sec)| RecallPoint {
                    ef_search,
                    recall,
                    recall_at_1: recall,
                    recall_at_100: recall,
                    queries_per_sec,
                })
                .to_vec(),
        }),
        follows: Some(FollowsView {
            accuracies: vec![AccuracyView { space: words(), share: 0.7, images: 100, voters: 10 }],
            duplicate_limit: 0.02,
            duplicate_groups: 60,
            duplicates: vec![vec![words(); 8], vec![words(); 2]],
            outliers: vec![NamedImage { path: words(), distance: 0.7 }],
        }),
        labels: vec![(words(), 3); 30],
        classes: vec![(words(), 2)],
        stages: vec![StageRow { name: words(), secs: 1.0, rate: words(), note: words() }],
        rejects: vec![RejectRow { path: words(), reason: words(), message: words() }],
        reject_count: 7,
        footer: words(),
        zoom: None,
    }
}

fn gallery_about(name: &str) -> String {
    let entry = |channel, count| ChannelEntry {
        channel,
        file: PathBuf::from(name),
        size_px: (10, 12),
        max: 3.5,
        count,
        note: name.to_owned(),
    };
    gallery_index_html(name, &[entry(0, 4), entry(1, 0)], Some(Path::new(name)))
}

fn occurrences(parsed: &Parsed, words: &str) -> usize {
    parsed.texts.iter().filter(|text| *text == words).count()
}

#[test]
fn no_name_changes_the_markup_of_a_page() {
    let (plain_report, plain_gallery) = (parse(&report_about("plain")), parse(&gallery_about("plain")));
    let said = occurrences(&plain_report, "plain");
    assert!(said >= 20, "{said}");
    for name in nasty_names() {
        let report = parse(&report_about(&name));
        assert_eq!(report.skeleton, plain_report.skeleton, "{name:?}");
        assert_eq!(occurrences(&report, &visible(&name)), said, "{name:?} is said in full everywhere");
        assert_eq!(parse(&gallery_about(&name)).skeleton, plain_gallery.skeleton, "{name:?}");
    }
}

#[test]
fn no_name_leads_out_of_the_folder_or_runs() {
    for name in nasty_names() {
        for page in [report_about(&name), zoomable_report_about(&name), gallery_about(&name)] {
            for (key, value) in parse(&page).attrs {
                if key != "href" && key != "src" {
                    continue;
                }
                assert!(value.is_ascii(), "{value}");
                assert!(!value.starts_with("//"), "{value} names a host");
                let scheme = value.split_once(':').map(|(scheme, _)| scheme);
                assert!(
                    scheme.is_none() || value.starts_with("data:image/jpeg;base64,"),
                    "{value} has a scheme of its own"
                );
                assert!(
                    value.starts_with('#') || !value.contains(['?', '#', '&', '"', '\'', '<', '>', ' ']),
                    "{value}"
                );
            }
        }
    }
}

#[test]
fn links_decode_to_the_bytes_they_came_from() {
    for name in nasty_names() {
        let link = href(Path::new(&name));
        let mut bytes = Vec::new();
        let mut rest = link.bytes();
        while let Some(b) = rest.next() {
            let digit = |b: Option<u8>| char::from(b.unwrap()).to_digit(16).unwrap();
            if b == b'%' {
                bytes.push(u8::try_from(digit(rest.next()) * 16 + digit(rest.next())).unwrap());
            } else {
                bytes.push(b);
            }
        }
        let slashes = name.bytes().take_while(|&b| b == b'/').count().saturating_sub(1);
        assert_eq!(bytes, &name.as_bytes()[slashes..], "{name:?}");
    }
}

#[cfg(unix)]
#[test]
fn links_keep_bytes_that_are_not_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9/\xff.jpg"));
    assert_eq!(href(path), "caf%E9/%FF.jpg");
}

#[test]
fn a_page_says_what_it_may_load_and_holds_no_script() {
    for page in [report_about("plain"), gallery_about("plain")] {
        let parsed = parse(&page);
        let policy = &parsed.attrs.iter().find(|(_, value)| value.contains("default-src")).unwrap().1;
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("script"), "{policy}");
        let before: Vec<&str> = parsed.skeleton.iter().map(String::as_str).take(4).collect();
        assert_eq!(
            before,
            ["html lang", "head", "meta charset", "meta http-equiv content"],
            "the policy comes first"
        );
        assert!(!page.contains("http://") && !page.contains("https://"), "nothing is fetched");
    }
}

#[test]
fn a_page_with_a_map_runs_the_two_scripts_beside_it_and_no_others() {
    let page = zoomable_report_about("plain");
    let parsed = parse(&page);
    let policy = &parsed.attrs.iter().find(|(_, value)| value.contains("default-src")).unwrap().1;
    assert!(policy.contains("script-src 'self' file:;"), "{policy}");
    assert!(!policy.contains("script-src 'unsafe") && !policy.contains("'unsafe-eval'"), "{policy}");
    let scripts: Vec<&str> = parsed
        .attrs
        .iter()
        .filter(|(key, value)| key == "src" && !value.starts_with("data:"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(scripts, ["viewer.js", "map/map.js"]);
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is fetched");
    // The viewer is hidden until it runs; until then, and without scripts, the first poster is seen.
    assert!(parsed.skeleton.iter().any(|tag| tag == "div class id hidden"));
    assert!(parsed.attrs.contains(&("id".to_owned(), "zoom-still".to_owned())));
    for id in ["zoom", "zoom-canvas", "zoom-tip", "zoom-near", "zoom-in", "zoom-out", "zoom-fit", "zoom-full"]
    {
        assert!(parsed.attrs.contains(&("id".to_owned(), id.to_owned())), "the viewer looks for `{id}`");
        assert!(
            featlas_render::VIEWER_JS.contains(&format!("\"{id}\"")),
            "the viewer does not look for `{id}`"
        );
    }
}

#[test]
fn a_report_holds_its_pictures_and_can_be_found_by_ear() {
    let parsed = parse(&report_about("plain"));
    let images = parsed.skeleton.iter().filter(|tag| tag.starts_with("img ")).count();
    let embedded = parsed.attrs.iter().filter(|(_, value)| value.starts_with("data:image/jpeg;base64,/9j/"));
    assert_eq!((images, embedded.count()), (6, 6));
    assert!(parsed.skeleton.iter().filter(|tag| tag.starts_with("img ")).all(|tag| tag.contains(" alt")));
    assert_eq!(parsed.skeleton.iter().filter(|tag| *tag == "h1").count(), 1);
    // Every link of the contents leads to a section.
    let anchors: Vec<&str> = parsed.attrs.iter().filter_map(|(_, value)| value.strip_prefix('#')).collect();
    assert_eq!(anchors.len(), 10);
    for anchor in anchors {
        assert!(parsed.attrs.iter().any(|(key, value)| key == "id" && value == anchor), "{anchor}");
    }
}

#[test]
fn an_empty_report_is_a_page_without_empty_sections() {
    let parsed = parse(&report_html(&ReportView { title: "Nothing".into(), ..ReportView::default() }));
    assert!(!parsed.skeleton.iter().any(|tag| tag.starts_with("section") || tag.starts_with("table")));
    assert_eq!(occurrences(&parsed, "Nothing"), 2);
}

#[test]
fn silent_channels_are_listed_apart() {
    let parsed = parse(&gallery_about("conv5"));
    assert!(parsed.texts.iter().any(|text| text == "No image excites 1."), "{:?}", parsed.texts);
    assert_eq!(parsed.attrs.iter().filter(|(key, _)| key == "id").count(), 1);
}

#[test]
fn the_same_values_give_the_same_page() {
    assert_eq!(report_about("again"), report_about("again"));
}

/// The parser above must be able to fail, or the tests above say nothing.
#[test]
fn the_reader_refuses_what_we_never_write() {
    for body in [
        "<script>x</script>",
        "<p onclick=\"x\"></p>",
        "<p class=x></p>",
        "<p>a & b</p>",
        "<p>",
        "<p></div>",
        "<p>&nbsp;</p>",
        "a < b",
    ] {
        let page = format!("<!doctype html>\n<html lang=\"en\">{body}</html>\n");
        assert!(std::panic::catch_unwind(|| parse(&page)).is_err(), "{body}");
    }
}
