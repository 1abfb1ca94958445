//! The page that leads to every channel's sheet.

use super::short_number;
use crate::html::{Attr, Html};
use crate::text::grouped;
use std::path::{Path, PathBuf};

/// One channel on the gallery's page.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelEntry {
    /// The channel's number in its layer.
    pub channel: usize,
    /// Its sheet, relative to the page.
    pub file: PathBuf,
    /// Width and height of the sheet in pixels, so that the page does not jump while it loads.
    pub size_px: (u32, u32),
    /// Its largest activation.
    pub max: f32,
    /// How many images excite it at all.
    pub count: u64,
    /// A remark, such as the label that its patches share; may be empty.
    pub note: String,
}

/// Writes a gallery's `index.html`.
///
/// `overview` is the overview sheet, relative to the page.
pub fn gallery_index_html(layer: &str, channels: &[ChannelEntry], overview: Option<&Path>) -> String {
    use Attr::{Is, Link, Text};
    let title = format!("What excites {layer}");
    let (active, silent): (Vec<&ChannelEntry>, Vec<&ChannelEntry>) =
        channels.iter().partition(|entry| entry.count > 0);
    Html::page(&title, include_str!("index.css"), |html| {
        html.words("h1", &[], &title);
        html.element("p", &[Is("class", "lead")], |html| {
            html.text(&format!(
                "{} channels, each with the image patches that excite it most, strongest first.",
                grouped(channels.len() as u64)
            ));
        });
        html.element("nav", &[Is("aria-label", "Channels")], |html| {
            html.element("ul", &[Is("class", "numbers")], |html| {
                for entry in &active {
                    html.element("li", &[], |html| {
                        let anchor = format!("#channel-{}", entry.channel);
                        html.words("a", &[Text("href", &anchor)], &entry.channel.to_string());
                    });
                }
            });
        });
        html.line();
        if let Some(overview) = overview {
            html.element("section", &[], |html| {
                html.words("h2", &[], "At a glance");
                html.element("a", &[Is("class", "plate"), Link("href", overview)], |html| {
                    let alt = format!("The strongest patches of every channel of {layer}");
                    html.void("img", &[Link("src", overview), Text("alt", &alt)]);
                });
            });
        }
        html.element("section", &[], |html| {
            html.words("h2", &[], "Channel by channel");
            html.element("ol", &[Is("class", "cards")], |html| {
                for entry in &active {
                    html.line();
                    let id = format!("channel-{}", entry.channel);
                    html.element("li", &[Text("id", &id)], |html| card(html, layer, entry));
                }
            });
        });
        if !silent.is_empty() {
            html.element("section", &[], |html| {
                html.words("h2", &[], "Silent channels");
                html.element("p", &[Is("class", "muted")], |html| {
                    let numbers: Vec<String> = silent.iter().map(|entry| entry.channel.to_string()).collect();
                    html.text(&format!("No image excites {}.", numbers.join(", ")));
                });
            });
        }
    })
}

fn card(html: &mut Html, layer: &str, entry: &ChannelEntry) {
    use Attr::{Is, Link, Number, Text};
    html.element("figure", &[], |html| {
        html.element("a", &[Is("class", "plate"), Link("href", &entry.file)], |html| {
            let alt = format!("Patches that excite {layer} channel {}", entry.channel);
            html.void(
                "img",
                &[
                    Link("src", &entry.file),
                    Text("alt", &alt),
                    Is("loading", "lazy"),
                    Number("width", f64::from(entry.size_px.0)),
                    Number("height", f64::from(entry.size_px.1)),
                ],
            );
        });
        html.element("figcaption", &[], |html| {
            html.words("strong", &[], &format!("{layer} · {}", entry.channel));
            let images = if entry.count == 1 { "image" } else { "images" };
            html.words(
                "span",
                &[],
                &format!("max {} · {} {images}", short_number(entry.max), grouped(entry.count)),
            );
            if !entry.note.is_empty() {
                html.element("span", &[Is("class", "note")], |html| html.name(&entry.note));
            }
        });
    });
}
