//! Chosen images, each by every method.

use super::{Figure, figures};
use crate::html::{Attr, Html};

/// One image as every method shows it.
#[derive(Debug, Clone)]
pub struct ExplainedImage {
    /// Its name.
    pub title: String,
    /// What the network says of it.
    pub subtitle: String,
    /// A figure a method.
    pub figures: Vec<Figure>,
}

/// Writes one block an image.
pub(super) fn explained(html: &mut Html, images: &[ExplainedImage]) {
    html.element("p", &[Attr::Is("class", "muted")], |html| {
        html.text(
            "What of each image the network looks at, by every method; `featlas explain` draws them large.",
        );
    });
    for image in images {
        html.line();
        html.element("h3", &[], |html| html.name(&image.title));
        html.element("p", &[Attr::Is("class", "muted")], |html| html.name(&image.subtitle));
        html.element("div", &[Attr::Is("class", "methods")], |html| figures(html, &image.figures));
    }
}
