//! The key of an image inside its source.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Raw bytes of an image's path relative to its source, separated by `/`; ordered by bytes.
///
/// The bytes need not be UTF-8: they are what the file system, the list or the tar file holds.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImagePath(Box<[u8]>);

impl ImagePath {
    /// Takes the bytes as they are.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into_boxed_slice())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same bytes as a file system path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether the bytes are UTF-8.
    pub fn is_utf8(&self) -> bool {
        std::str::from_utf8(&self.0).is_ok()
    }

    /// The path as text; bytes that are no UTF-8 become U+FFFD, so two paths may look the same.
    pub fn display(&self) -> String {
        lossy(&self.0).into_owned()
    }

    /// Name of the folder that holds the image, as text; `None` at the top level.
    pub fn parent_label(&self) -> Option<String> {
        let (parent, _name) = split_name(&self.0);
        let (_above, folder) = split_name(parent);
        (!matches!(folder, b"" | b"." | b"..")).then(|| lossy(folder).into_owned())
    }
}

impl fmt::Debug for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImagePath({:?})", lossy(&self.0))
    }
}

/// Cuts `a/b/c` into `a/b` and `c`.
pub(crate) fn split_name(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// Drops empty and `.` components, so that one file has one spelling. Keeps `..` and a leading `/`.
pub(crate) fn tidy(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    if path.first() == Some(&b'/') {
        out.push(b'/');
    }
    for component in path.split(|&byte| byte == b'/').filter(|c| !matches!(*c, b"" | b".")) {
        if !matches!(out.last(), None | Some(b'/')) {
            out.push(b'/');
        }
        out.extend_from_slice(component);
    }
    out
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::from_bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn label_is_the_parent_folder() {
        assert_eq!(path("a.jpg").parent_label(), None);
        assert_eq!(path("cat/a.jpg").parent_label().as_deref(), Some("cat"));
        assert_eq!(path("x/big cat/a.jpg").parent_label().as_deref(), Some("big cat"));
        assert_eq!(path("/abs/dog/a.jpg").parent_label().as_deref(), Some("dog"));
        assert_eq!(path("/a.jpg").parent_label(), None);
        assert_eq!(path("../a.jpg").parent_label(), None);
    }

    #[test]
    fn bytes_survive_though_they_are_no_text() {
        let odd = ImagePath::from_bytes(b"\xff\xfe/\xe9.jpg".to_vec());
        assert!(!odd.is_utf8());
        assert_eq!(odd.as_bytes(), b"\xff\xfe/\xe9.jpg");
        assert_eq!(odd.display(), "\u{fffd}\u{fffd}/\u{fffd}.jpg");
        assert_eq!(odd.parent_label().as_deref(), Some("\u{fffd}\u{fffd}"));
    }

    #[test]
    fn tidy_gives_one_spelling() {
        for (from, to) in [
            ("a//b/./c", "a/b/c"),
            ("./a", "a"),
            ("/./a/", "/a"),
            ("../a", "../a"),
            ("///a", "/a"),
            ("", ""),
            (".", ""),
            ("a/../b", "a/../b"),
        ] {
            assert_eq!(String::from_utf8(tidy(from.as_bytes())).unwrap(), to, "{from}");
        }
    }

    #[test]
    fn order_is_that_of_the_bytes() {
        assert!(path("a-b/x") < path("a/x"));
        assert!(path("B") < path("a"));
    }
}
