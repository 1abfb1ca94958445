//! A strict reader of our own pages.

const VOID: [&str; 2] = ["meta", "img"];
const KNOWN: &[&str] = &[
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "header",
    "main",
    "footer",
    "nav",
    "section",
    "h1",
    "h2",
    "h3",
    "p",
    "a",
    "bdi",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "div",
    "span",
    "strong",
    "figure",
    "figcaption",
    "img",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "svg",
    "line",
    "rect",
    "circle",
    "polyline",
    "text",
    "script",
    "canvas",
    "button",
];
const ATTRS: &[&str] = &[
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "id",
    "href",
    "src",
    "alt",
    "width",
    "height",
    "loading",
    "aria-label",
    "aria-hidden",
    "role",
    "scope",
    "colspan",
    "viewBox",
    "preserveAspectRatio",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "points",
    "text-anchor",
    "hidden",
    "tabindex",
    "type",
    "aria-live",
];

/// A page taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Opening and closing tags in order, attributes by name only.
    pub(crate) skeleton: Vec<String>,
    /// The words between tags, unescaped, whitespace-only ones left out.
    pub(crate) texts: Vec<String>,
    /// Attribute values, unescaped, with their names.
    pub(crate) attrs: Vec<(String, String)>,
}

/// Reads a page as strictly as we write it: every `<` begins a known tag, every attribute is quoted, every
/// `&` begins a known entity, every element is closed. Panics on anything else.
pub(crate) fn parse(page: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").expect("a doctype");
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        assert!(open.last() != Some(&"script") || text.is_empty(), "a script on the page: {text}");
        // Style is raw text: it ends at the first closing tag, so it must hold no other.
        if open.last() != Some(&"style") && !text.trim().is_empty() {
            parsed.texts.push(unescape(text));
        }
        let end = rest[at..].find('>').expect("a tag that ends") + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closing tags match");
            parsed.skeleton.push(format!("/{name}"));
            continue;
        }
        let name = tag.split(' ').next().expect("split gives one part");
        assert!(KNOWN.contains(&name), "unknown tag `{tag}`");
        assert_ne!(open.last(), Some(&"script"), "a script is a file, with nothing on the page");
        let mut shape = name.to_owned();
        let mut attrs = &tag[name.len()..];
        while !attrs.is_empty() {
            let (key, after) = attrs.strip_prefix(' ').unwrap().split_once("=\"").expect("a quoted value");
            assert!(ATTRS.contains(&key), "unknown attribute `{key}` in `{tag}`");
            let (value, after) = after.split_once('"').expect("a closing quote");
            shape = format!("{shape} {key}");
            parsed.attrs.push((key.to_owned(), unescape(value)));
            attrs = after;
        }
        assert!(name != "script" || shape == "script src", "a script without a file: {tag}");
        parsed.skeleton.push(shape);
        if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "left open: {open:?}");
    parsed
}

fn unescape(text: &str) -> String {
    let mut words = String::new();
    let mut parts = text.split('&');
    words.push_str(parts.next().unwrap());
    for part in parts {
        let (entity, after) = part.split_once(';').expect("an entity that ends");
        words.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            "#96" => '`',
            other => panic!("unknown entity `{other}`"),
        });
        words.push_str(after);
    }
    assert!(!words.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "a raw control in {words:?}");
    words
}
