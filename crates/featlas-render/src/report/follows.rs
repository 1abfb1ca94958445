//! What neighbors tell: shared labels, near-duplicates, outliers.

use super::tables::{bar, table};
use super::{FollowsView, ReportView};
use crate::html::{Attr, Html};
use crate::text::grouped;
use Attr::Is;

/// Paths of a group that are shown before the rest is only counted.
const SHOWN: usize = 6;

pub(super) fn follows(html: &mut Html, view: &ReportView) {
    let Some(follows) = &view.follows else { return };
    if !follows.accuracies.is_empty() {
        accuracies(html, follows);
    }
    duplicates(html, follows);
    if !follows.outliers.is_empty() {
        outliers(html, follows);
    }
}

fn muted(html: &mut Html, text: &str) {
    html.element("p", &[Is("class", "muted")], |html| html.text(text));
}

fn accuracies(html: &mut Html, follows: &FollowsView) {
    let (voters, images) = follows.accuracies.first().map_or((0, 0), |first| (first.voters, first.images));
    html.words("h3", &[], "Shared labels");
    muted(
        html,
        &format!(
            "How often the {voters} nearest images vote for an image's own label, over {} images: the network finds \
             meaning where raw pixels find color.",
            grouped(images)
        ),
    );
    table(html, &[("Neighbors by", ""), ("Right", "n"), ("", "")], |html| {
        html.element("tbody", &[], |html| {
            for accuracy in &follows.accuracies {
                html.element("tr", &[], |html| {
                    html.element("td", &[], |html| html.name(&accuracy.space));
                    html.words("td", &[Is("class", "n")], &format!("{:.1} %", accuracy.share * 100.0));
                    bar(html, accuracy.share);
                });
            }
        });
    });
}

fn duplicates(html: &mut Html, follows: &FollowsView) {
    html.words("h3", &[], "Nearly the same");
    let groups = if follows.duplicate_groups == 1 { "group" } else { "groups" };
    let mut words = format!(
        "{} {groups} of images within distance {} of each other.",
        grouped(follows.duplicate_groups),
        follows.duplicate_limit
    );
    let listed = follows.duplicates.len() as u64;
    if listed < follows.duplicate_groups {
        words.extend([" The largest ", &grouped(listed), ":"]);
    }
    muted(html, &words);
    if listed == 0 {
        return;
    }
    table(html, &[("Images", "n"), ("Paths", "")], |html| {
        html.element("tbody", &[], |html| {
            for group in &follows.duplicates {
                html.element("tr", &[], |html| {
                    html.words("td", &[Is("class", "n")], &grouped(group.len() as u64));
                    html.element("td", &[Is("class", "name")], |html| {
                        for path in group.iter().take(SHOWN) {
                            html.element("div", &[], |html| html.name(path));
                        }
                        if group.len() > SHOWN {
                            let more = format!("and {} more", grouped((group.len() - SHOWN) as u64));
                            html.words("div", &[Is("class", "muted")], &more);
                        }
                    });
                });
            }
        });
    });
}

fn outliers(html: &mut Html, follows: &FollowsView) {
    html.words("h3", &[], "Least like any other");
    muted(html, "The images that are farthest from their own nearest neighbors, in the mean.");
    table(html, &[("Image", ""), ("Mean distance", "n")], |html| {
        html.element("tbody", &[], |html| {
            for outlier in &follows.outliers {
                html.element("tr", &[], |html| {
                    html.element("td", &[Is("class", "name")], |html| html.name(&outlier.path));
                    html.words("td", &[Is("class", "n")], &format!("{:.4}", outlier.distance));
                });
            }
        });
    });
}
