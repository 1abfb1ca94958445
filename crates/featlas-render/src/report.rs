//! The report: one self-contained page over a whole atlas.
//!
//! Pictures travel inside the page as JPEG previews; links lead to the full ones beside it.

mod chart;
mod explain;
mod follows;
mod tables;
mod zoom;

use crate::html::{Attr, Html, preview};
use crate::text::grouped;
use chart::recall_chart;
pub use explain::ExplainedImage;
use featlas_core::RgbImage;
use std::path::PathBuf;

pub use zoom::{MapCell, VIEWER_JS, ZoomMap, ZoomView};

/// Everything the report says.
#[derive(Debug, Clone, Default)]
pub struct ReportView {
    /// The heading, usually the atlas's name.
    pub title: String,
    /// One sentence under it: how many images, which model.
    pub subtitle: String,
    /// Names and values of what is worth knowing first.
    pub facts: Vec<(String, String)>,
    /// What went less well than asked.
    pub warnings: Vec<String>,
    /// The maps; the first is shown largest.
    pub posters: Vec<Figure>,
    /// The map to walk around in; the first of `posters` stands in for it where scripts do not run.
    pub zoom: Option<ZoomView>,
    /// Sheets of queries and their neighbors.
    pub neighbors: Vec<Figure>,
    /// The overview of each layer's gallery.
    pub galleries: Vec<Figure>,
    /// Chosen images, each by every method.
    pub explained: Vec<ExplainedImage>,
    /// How well the index finds the true neighbors.
    pub recall: Option<RecallView>,
    /// What follows from neighbors.
    pub follows: Option<FollowsView>,
    /// Labels and their number of images, in the order to show.
    pub labels: Vec<(String, u64)>,
    /// Classes that the model sees and their number of images, in the order to show.
    pub classes: Vec<(String, u64)>,
    /// The stages of the last run.
    pub stages: Vec<StageRow>,
    /// Images that could not be used, or the first of them.
    pub rejects: Vec<RejectRow>,
    /// How many images could not be used in all.
    pub reject_count: u64,
    /// The last line: program, version, fingerprint.
    pub footer: String,
}

/// A picture with its words.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What one sees.
    pub caption: String,
    /// The full picture or page, relative to the report.
    pub link: Option<PathBuf>,
    /// The preview.
    pub image: RgbImage,
}

/// Recall of the index against exact search.
#[derive(Debug, Clone, Default)]
pub struct RecallView {
    /// How many neighbors were asked for.
    pub k: usize,
    /// How many queries were measured.
    pub queries: usize,
    /// The `ef_search` that queries use unless told otherwise.
    pub chosen: usize,
    /// One point for each `ef_search` tried, ascending.
    pub points: Vec<RecallPoint>,
}

/// Recall at one setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecallPoint {
    /// The width of the search.
    pub ef_search: usize,
    /// The share of true neighbors found, in `[0, 1]`.
    pub recall: f64,
    /// The share of queries whose nearest comes first, in `[0, 1]`.
    pub recall_at_1: f64,
    /// The share found of 100, in `[0, 1]`.
    pub recall_at_100: f64,
    /// Queries answered in a second.
    pub queries_per_sec: f64,
}

/// What follows from neighbors.
#[derive(Debug, Clone, Default)]
pub struct FollowsView {
    /// How often neighbors share the image's label, in each space.
    pub accuracies: Vec<AccuracyView>,
    /// Distance within which images count as nearly the same.
    pub duplicate_limit: f32,
    /// How many groups of such images there are.
    pub duplicate_groups: u64,
    /// The paths of the first groups, the largest first.
    pub duplicates: Vec<Vec<String>>,
    /// The images least like any other, the farthest first.
    pub outliers: Vec<NamedImage>,
}

/// How often neighbors share an image's label.
#[derive(Debug, Clone, PartialEq)]
pub struct AccuracyView {
    /// What was compared.
    pub space: String,
    /// Share of images whose neighbors vote for their label, in `[0, 1]`.
    pub share: f64,
    /// Images that were asked.
    pub images: u64,
    /// Neighbors that vote.
    pub voters: usize,
}

/// An image by name, with a distance.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedImage {
    /// Its path in the source.
    pub path: String,
    /// The mean distance to its neighbors.
    pub distance: f32,
}

/// One stage of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct StageRow {
    /// Its name.
    pub name: String,
    /// Its wall time.
    pub secs: f64,
    /// What it did per second, with the unit, such as `39.7 images/s`; may be empty.
    pub rate: String,
    /// A remark; may be empty.
    pub note: String,
}

/// One image that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectRow {
    /// Its path in the source.
    pub path: String,
    /// The reason code.
    pub reason: String,
    /// What the decoder said.
    pub message: String,
}

/// Writes the report. Sections without content are left out.
pub fn report_html(view: &ReportView) -> String {
    let body = |html: &mut Html| {
        html.element("header", &[], |html| header(html, view));
        let sections = sections(view);
        if sections.len() > 1 {
            contents(html, &sections);
        }
        html.element("main", &[], |html| {
            for section in &sections {
                html.line();
                html.element("section", &[Attr::Is("id", section.id)], |html| {
                    html.words("h2", &[], section.title);
                    (section.write)(html, view);
                });
            }
        });
        html.line();
        html.element("footer", &[], |html| html.name(&view.footer));
        if let Some(zoom) = &view.zoom {
            zoom::scripts(html, zoom);
        }
    };
    if view.zoom.is_none() {
        return Html::page(&view.title, include_str!("report/report.css"), body);
    }
    let style = concat!(include_str!("report/report.css"), include_str!("report/viewer.css"));
    Html::page_with_scripts(&view.title, style, body)
}

struct Section {
    id: &'static str,
    title: &'static str,
    write: fn(&mut Html, &ReportView),
}

fn sections(view: &ReportView) -> Vec<Section> {
    let all: [(bool, Section); 10] = [
        (!view.warnings.is_empty(), Section { id: "warnings", title: "Please note", write: warnings }),
        (!view.posters.is_empty() || view.zoom.is_some(), Section { id: "maps", title: "Maps", write: maps }),
        (
            !view.neighbors.is_empty(),
            Section { id: "neighbors", title: "Nearest neighbors", write: neighbors },
        ),
        (
            !view.galleries.is_empty(),
            Section { id: "channels", title: "What excites each channel", write: galleries },
        ),
        (
            !view.explained.is_empty(),
            Section {
                id: "images",
                title: "Image by image",
                write: |html, view| explain::explained(html, &view.explained),
            },
        ),
        (
            view.follows.is_some(),
            Section { id: "follows", title: "What neighbors tell", write: follows::follows },
        ),
        (view.recall.is_some(), Section { id: "search", title: "Search", write: search }),
        (
            !(view.labels.is_empty() && view.classes.is_empty()),
            Section { id: "labels", title: "Labels and classes", write: tables::names },
        ),
        (!view.stages.is_empty(), Section { id: "run", title: "The run", write: tables::stages }),
        (view.reject_count > 0, Section { id: "rejects", title: "Images left out", write: tables::rejects }),
    ];
    all.into_iter().filter_map(|(present, section)| present.then_some(section)).collect()
}

fn header(html: &mut Html, view: &ReportView) {
    use Attr::Is;
    html.element("h1", &[], |html| html.name(&view.title));
    html.element("p", &[Is("class", "lead")], |html| html.name(&view.subtitle));
    if !view.facts.is_empty() {
        html.element("dl", &[Is("class", "facts")], |html| {
            for (name, value) in &view.facts {
                html.element("div", &[], |html| {
                    html.element("dt", &[], |html| html.name(name));
                    html.element("dd", &[], |html| html.name(value));
                });
            }
        });
    }
}

fn contents(html: &mut Html, sections: &[Section]) {
    html.element("nav", &[Attr::Is("aria-label", "Contents")], |html| {
        html.element("ul", &[], |html| {
            for section in sections {
                html.element("li", &[], |html| {
                    let anchor = format!("#{}", section.id);
                    html.words("a", &[Attr::Text("href", &anchor)], section.title);
                });
            }
        });
    });
}

fn warnings(html: &mut Html, view: &ReportView) {
    html.element("ul", &[Attr::Is("class", "warnings")], |html| {
        for warning in &view.warnings {
            html.element("li", &[], |html| html.name(warning));
        }
    });
}

fn maps(html: &mut Html, view: &ReportView) {
    html.element("p", &[Attr::Is("class", "muted")], |html| {
        html.text("Images that the network finds alike lie close together.");
    });
    if view.zoom.is_some() {
        zoom::viewer(html);
    }
    if let Some((first, rest)) = view.posters.split_first() {
        let still = [Attr::Is("class", "hero"), Attr::Is("id", zoom::STILL_ID)];
        let still = if view.zoom.is_some() { &still[..] } else { &still[..1] };
        html.element("div", still, |html| figure(html, first));
        if !rest.is_empty() {
            html.element("div", &[Attr::Is("class", "pair")], |html| {
                figures(html, rest);
            });
        }
    }
}

fn neighbors(html: &mut Html, view: &ReportView) {
    html.element("div", &[Attr::Is("class", "stack")], |html| {
        figures(html, &view.neighbors);
    });
}

fn galleries(html: &mut Html, view: &ReportView) {
    html.element("p", &[Attr::Is("class", "muted")], |html| {
        html.text(
            "For every channel of a layer, the patches of all images that it answers to most strongly.",
        );
    });
    let layout = if view.galleries.len() == 1 { "stack" } else { "pair" };
    html.element("div", &[Attr::Is("class", layout)], |html| {
        figures(html, &view.galleries);
    });
}

fn search(html: &mut Html, view: &ReportView) {
    let Some(recall) = &view.recall else { return };
    html.element("p", &[Attr::Is("class", "muted")], |html| {
        html.text(&format!(
            "How many of the true {} nearest neighbors the index finds, over {} queries. Queries keep {} candidates \
             unless told otherwise.",
            recall.k,
            grouped(recall.queries as u64),
            grouped(recall.chosen as u64)
        ));
    });
    html.element("div", &[Attr::Is("class", "search")], |html| {
        if recall.points.len() > 1 {
            recall_chart(html, recall);
        }
        tables::recall(html, recall);
    });
}

fn figures(html: &mut Html, all: &[Figure]) {
    for one in all {
        figure(html, one);
    }
}

fn figure(html: &mut Html, figure: &Figure) {
    use Attr::{Is, Link, Number, Picture, Text};
    let preview = preview(&figure.image);
    html.line();
    html.element("figure", &[], |html| {
        let image = |html: &mut Html| {
            html.void(
                "img",
                &[
                    Picture("src", &preview),
                    Text("alt", &figure.caption),
                    Number("width", f64::from(preview.width())),
                    Number("height", f64::from(preview.height())),
                ],
            );
        };
        match &figure.link {
            Some(link) => html.element("a", &[Is("class", "plate"), Link("href", link)], image),
            None => html.element("div", &[Is("class", "plate")], image),
        }
        html.element("figcaption", &[], |html| html.name(&figure.caption));
    });
}
