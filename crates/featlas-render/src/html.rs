//! Pages, written so that no name can become markup.
//!
//! Tags and attribute names are `&'static str`, everything else is escaped on its way in; there is no way to
//! write a computed string as markup. Names from strangers' files are also made visible (see
//! [`visible`]) and isolated, so that they can neither hide nor turn the writing direction
//! of what follows. Links are percent-encoded byte by byte.

use crate::text::visible;
use crate::tiles::{Fit, fit};
use base64::Engine as _;
use featlas_core::RgbImage;
use featlas_image::encode_jpeg;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

/// What a page may load: pictures inside it or beside it, and its own style. No scripts at all.
const POLICY: &str = "default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'; \
                      base-uri 'none'; form-action 'none'";

/// The same for a page with a viewer: scripts too, but only those that lie beside it.
const POLICY_WITH_SCRIPTS: &str = "default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'; \
                                   script-src 'self' file:; base-uri 'none'; form-action 'none'";

const JPEG_QUALITY: u8 = 85;

/// Pictures inside a page are made no wider and no higher than this, in pixels.
pub const PREVIEW_PX: u32 = 1_520;

/// An attribute of an element.
#[derive(Debug, Clone, Copy)]
pub enum Attr<'a> {
    /// Words of our own.
    Is(&'static str, &'static str),
    /// Words from anywhere.
    Text(&'static str, &'a str),
    /// A number.
    Number(&'static str, f64),
    /// A relative path to a file.
    Link(&'static str, &'a Path),
    /// The picture itself, as a `data:` address.
    Picture(&'static str, &'a RgbImage),
}

/// A page being written.
#[derive(Debug, Default)]
pub struct Html {
    out: String,
}

impl Html {
    /// Writes a whole page; `style` are the rules that it adds to the common ones.
    pub fn page(title: &str, style: &'static str, body: impl FnOnce(&mut Self)) -> String {
        Self::page_under(POLICY, title, style, body)
    }

    /// Writes a whole page that may run the scripts in the files beside it, and no others.
    pub fn page_with_scripts(title: &str, style: &'static str, body: impl FnOnce(&mut Self)) -> String {
        Self::page_under(POLICY_WITH_SCRIPTS, title, style, body)
    }

    fn page_under(
        policy: &'static str,
        title: &str,
        style: &'static str,
        body: impl FnOnce(&mut Self),
    ) -> String {
        use Attr::Is;
        let mut html = Self::default();
        html.out.push_str("<!doctype html>\n");
        html.element("html", &[Is("lang", "en")], |html| {
            html.element("head", &[], |html| {
                html.void("meta", &[Is("charset", "utf-8")]);
                html.void("meta", &[Is("http-equiv", "Content-Security-Policy"), Is("content", policy)]);
                html.void(
                    "meta",
                    &[Is("name", "viewport"), Is("content", "width=device-width, initial-scale=1")],
                );
                html.void("meta", &[Is("name", "color-scheme"), Is("content", "light dark")]);
                html.void("meta", &[Is("name", "referrer"), Is("content", "no-referrer")]);
                html.element("title", &[], |html| html.text(&visible(title)));
                html.element("style", &[], |html| {
                    html.out.push_str(include_str!("page.css"));
                    html.out.push_str(style);
                });
            });
            html.line();
            html.element("body", &[], body);
        });
        html.line();
        html.out
    }

    /// Writes an element with what `body` writes inside it.
    pub fn element(&mut self, tag: &'static str, attrs: &[Attr<'_>], body: impl FnOnce(&mut Self)) {
        self.void(tag, attrs);
        body(self);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// Writes an element that has no content, such as `img`.
    pub fn void(&mut self, tag: &'static str, attrs: &[Attr<'_>]) {
        self.out.push('<');
        self.out.push_str(tag);
        for attr in attrs {
            let (Attr::Is(name, _)
            | Attr::Text(name, _)
            | Attr::Number(name, _)
            | Attr::Link(name, _)
            | Attr::Picture(name, _)) = attr;
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            match attr {
                Attr::Is(_, value) => self.out.push_str(&escape(value)),
                Attr::Text(_, value) => self.out.push_str(&escape(&visible(value))),
                // Two decimals are a hundredth of a pixel.
                Attr::Number(_, value) => self.write(format_args!("{}", (value * 100.0).round() / 100.0)),
                Attr::Link(_, path) => self.out.push_str(&href(path)),
                Attr::Picture(_, image) => self.out.push_str(&data_uri(image)),
            }
            self.out.push('"');
        }
        self.out.push('>');
    }

    /// Writes words as words.
    pub fn text(&mut self, text: &str) {
        self.out.push_str(&escape(text));
    }

    /// Writes a name from outside: visible, escaped, and isolated from the text around it.
    pub fn name(&mut self, name: &str) {
        self.element("bdi", &[], |html| html.text(&visible(name)));
    }

    /// Begins a new line in the source.
    pub fn line(&mut self) {
        self.out.push('\n');
    }

    /// Writes an element that holds only words.
    pub fn words(&mut self, tag: &'static str, attrs: &[Attr<'_>], words: &str) {
        self.element(tag, attrs, |html| html.text(words));
    }

    fn write(&mut self, what: std::fmt::Arguments<'_>) {
        self.out.write_fmt(what).expect("a String takes everything");
    }
}

/// Escapes `text` for element content and quoted attributes alike.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '`' => escaped.push_str("&#96;"),
            // HTML allows no other control; U+FFFD is what a browser would make of them.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{FFFD}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A relative link to a file, percent-encoded by bytes.
///
/// All but unreserved characters and slashes are encoded, the colon too, so that no name is taken for
/// a scheme; leading slashes shrink to one, so that none is taken for a host.
pub fn href(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let slashes = bytes.iter().take_while(|&&b| b == b'/').count();
    let mut link = String::with_capacity(bytes.len() + 16);
    for &b in &bytes[slashes.saturating_sub(1)..] {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                link.push(char::from(b));
            }
            _ => write!(link, "%{b:02X}").expect("a String takes everything"),
        }
    }
    link
}

/// A picture as a `data:` address holding a JPEG no larger than [`PREVIEW_PX`].
fn data_uri(image: &RgbImage) -> String {
    let image = preview(image);
    let jpeg = encode_jpeg(&image, JPEG_QUALITY).expect("previews are far below the limits of JPEG");
    let mut uri = String::from("data:image/jpeg;base64,");
    base64::engine::general_purpose::STANDARD.encode_string(jpeg, &mut uri);
    uri
}

/// The picture as it travels inside a page.
pub(crate) fn preview(image: &RgbImage) -> Cow<'_, RgbImage> {
    if image.width().max(image.height()) <= PREVIEW_PX {
        return Cow::Borrowed(image);
    }
    Cow::Owned(fit(image, PREVIEW_PX, PREVIEW_PX, Fit::Letterbox))
}
