//! The report's tables.

use super::{RecallView, ReportView, StageRow};
use crate::html::{Attr, Html};
use crate::text::grouped;
use Attr::{Is, Number};

/// How many lines a table of names shows before the rest is folded away.
const OPEN_LINES: usize = 24;

pub(super) fn stages(html: &mut Html, view: &ReportView) {
    let total: f64 = view.stages.iter().map(|stage| stage.secs).sum();
    let longest = view.stages.iter().map(|stage| stage.secs).fold(0.0, f64::max);
    table(html, &[("Stage", ""), ("Time", "n"), ("", ""), ("Rate", "n"), ("", "")], |html| {
        html.element("tbody", &[], |html| {
            for StageRow { name, secs, rate, note } in &view.stages {
                html.element("tr", &[], |html| {
                    html.element("td", &[], |html| html.name(name));
                    html.words("td", &[Is("class", "n")], &duration(*secs));
                    bar(html, secs / longest);
                    html.element("td", &[Is("class", "n")], |html| html.name(rate));
                    html.element("td", &[Is("class", "muted")], |html| html.name(note));
                });
            }
        });
        html.element("tfoot", &[], |html| {
            html.element("tr", &[], |html| {
                html.words("td", &[], "all");
                html.words("td", &[Is("class", "n")], &duration(total));
                html.element("td", &[Number("colspan", 3.0)], |_| {});
            });
        });
    });
}

pub(super) fn names(html: &mut Html, view: &ReportView) {
    html.element("div", &[Is("class", "tables")], |html| {
        for (title, column, rows) in [
            ("Labels in the source", "Label", &view.labels),
            ("Classes the network sees", "Class", &view.classes),
        ] {
            if !rows.is_empty() {
                html.element("div", &[], |html| {
                    html.words("h3", &[], title);
                    let (open, folded) = rows.split_at(rows.len().min(OPEN_LINES));
                    let most = rows.iter().map(|row| row.1).max().unwrap_or(1).max(1);
                    counts(html, column, open, most);
                    if !folded.is_empty() {
                        html.element("details", &[], |html| {
                            html.words("summary", &[], &format!("{} more", grouped(folded.len() as u64)));
                            counts(html, column, folded, most);
                        });
                    }
                });
            }
        }
    });
}

pub(super) fn recall(html: &mut Html, recall: &RecallView) {
    let headings = [
        ("ef_search", "n"),
        ("recall@1", "n"),
        ("recall@10", "n"),
        ("recall@100", "n"),
        ("queries per second", "n"),
    ];
    table(html, &headings, |html| {
        html.element("tbody", &[], |html| {
            for point in &recall.points {
                html.element("tr", &[], |html| {
                    html.words("td", &[Is("class", "n")], &grouped(point.ef_search as u64));
                    for recall in [point.recall_at_1, point.recall, point.recall_at_100] {
                        html.words("td", &[Is("class", "n")], &format!("{recall:.4}"));
                    }
                    html.words("td", &[Is("class", "n")], &rounded(point.queries_per_sec));
                });
            }
        });
    });
}

pub(super) fn rejects(html: &mut Html, view: &ReportView) {
    html.element("p", &[Is("class", "muted")], |html| {
        let shown = view.rejects.len() as u64;
        let images = if view.reject_count == 1 { "image" } else { "images" };
        let mut words = format!("{} {images} could not be used.", grouped(view.reject_count));
        if shown < view.reject_count {
            words.extend([" The first ", &grouped(shown), ":"]);
        }
        html.text(&words);
    });
    table(html, &[("Path", ""), ("Reason", ""), ("Message", "")], |html| {
        html.element("tbody", &[], |html| {
            for reject in &view.rejects {
                html.element("tr", &[], |html| {
                    html.element("td", &[Is("class", "name")], |html| html.name(&reject.path));
                    html.element("td", &[Is("class", "code")], |html| html.name(&reject.reason));
                    html.element("td", &[Is("class", "muted")], |html| html.name(&reject.message));
                });
            }
        });
    });
}

/// A table that scrolls on narrow screens; the second word of a heading is its class.
pub(super) fn table(
    html: &mut Html,
    headings: &[(&'static str, &'static str)],
    body: impl FnOnce(&mut Html),
) {
    html.element("div", &[Is("class", "scroll")], |html| {
        html.element("table", &[], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for (words, class) in headings {
                        html.words("th", &[Is("scope", "col"), Is("class", class)], words);
                    }
                });
            });
            body(html);
        });
    });
}

fn counts(html: &mut Html, column: &'static str, rows: &[(String, u64)], most: u64) {
    table(html, &[(column, ""), ("Images", "n"), ("", "")], |html| {
        html.element("tbody", &[], |html| {
            for (name, count) in rows {
                html.element("tr", &[], |html| {
                    html.element("td", &[Is("class", "name")], |html| html.name(name));
                    html.words("td", &[Is("class", "n")], &grouped(*count));
                    #[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
                    bar(html, *count as f64 / most as f64);
                });
            }
        });
    });
}

/// A cell with a bar; `share` is in `[0, 1]`.
pub(super) fn bar(html: &mut Html, share: f64) {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    html.element("td", &[Is("class", "bar")], |html| {
        let frame =
            [Is("viewBox", "0 0 100 6"), Is("preserveAspectRatio", "none"), Is("aria-hidden", "true")];
        html.element("svg", &frame, |html| {
            for (class, width) in [("track", 100.0), ("filled", share * 100.0)] {
                html.element(
                    "rect",
                    &[Is("class", class), Number("width", width), Is("height", "6")],
                    |_| {},
                );
            }
        });
    });
}

/// A duration as people say it.
fn duration(secs: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let whole = secs.round() as u64;
    match secs {
        secs if secs < 9.95 => format!("{secs:.1} s"),
        secs if secs < 119.5 => format!("{secs:.0} s"),
        secs if secs < 7_170.0 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3_600, whole / 60 % 60),
    }
}

fn rounded(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    if value < 10.0 { format!("{value:.1}") } else { grouped(value.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(
            [0.04, 9.94, 59.7, 120.0, 3_599.6, 7_200.0, 93_784.0].map(duration),
            ["0.0 s", "9.9 s", "60 s", "2 min 00 s", "60 min 00 s", "2 h 00 min", "26 h 03 min"]
        );
    }
}
