//! The zoomable map: its place on the page, and the files beside it that say what stands behind each cell.
//!
//! A page opened from a disk may read no other files, but it may run scripts that lie beside it; so the data are
//! scripts that call the viewer with nothing but values. One file describes the map, the others hold
//! [`CHUNK_CELLS`] cells each, and are loaded when one of their cells is asked about: a map of a million images
//! costs its reader no more than one of a thousand.

use crate::html::{Attr, Html};
use crate::pyramid::Pyramid;
use crate::text::visible;
use base64::Engine as _;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The viewer: a script that draws the map and answers pointer and keys. The page expects it beside itself.
pub const VIEWER_JS: &str = include_str!("viewer.js");
/// Cells described by one file.
const CHUNK_CELLS: usize = 2_048;
/// Distances are written as multiples of this: 2 / 65535, so that every cosine distance fits 16 bits.
const DISTANCE_UNIT: f64 = 2.0 / 65_535.0;
/// Stands for a neighbor that there is not.
const NO_CELL: u32 = u32::MAX;
/// The picture that is seen where the viewer is not.
pub(super) const STILL_ID: &str = "zoom-still";

/// Where the page finds the viewer and the map; both relative to it.
#[derive(Debug, Clone)]
pub struct ZoomView {
    /// The file with [`VIEWER_JS`].
    pub viewer: PathBuf,
    /// The file with [`ZoomMap::description`].
    pub map: PathBuf,
}

/// What a cell shows.
#[derive(Debug, Clone, PartialEq)]
pub struct MapCell {
    /// The image's path.
    pub path: String,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// The cells of its nearest neighbors, nearest first, with cosine distances in `[0, 2]`.
    pub neighbors: Vec<(usize, f32)>,
}

/// A grid of images as a zoomable map.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoomMap {
    /// The tiles, in `tiles/` of the map's folder.
    pub pyramid: Pyramid,
    /// Cells from left to right.
    pub columns: usize,
    /// Cells from top to bottom.
    pub rows: usize,
    /// From one cell to the next in pixels.
    pub pitch_px: u32,
    /// Side of a cell in pixels.
    pub cell_px: u32,
    /// The most neighbors that a cell has.
    pub neighbors: usize,
}

impl ZoomMap {
    /// The script that describes the map; `folder` is that of its files, relative to the page.
    pub fn description(&self, folder: &str) -> String {
        let Self { pyramid, columns, rows, pitch_px, cell_px, neighbors } = self;
        format!(
            "featlas.map({{\"folder\":{},\"width\":{},\"height\":{},\"tile\":{},\"levels\":{},\"columns\":{columns},\
             \"rows\":{rows},\"pitch\":{pitch_px},\"cell\":{cell_px},\"chunk\":{CHUNK_CELLS},\"k\":{neighbors},\
             \"unit\":{DISTANCE_UNIT:e}}});\n",
            quoted(folder),
            pyramid.width,
            pyramid.height,
            pyramid.tile_px,
            pyramid.max_level(),
        )
    }

    /// The name and the script of each file of cells; `cells` holds one for each cell, row-major, `None` where it
    /// is empty. Files whose cells are all empty hold nothing but that.
    pub fn cell_files<'a>(
        &'a self,
        cells: &'a [Option<MapCell>],
    ) -> impl Iterator<Item = (String, String)> + 'a {
        let files = cells.chunks(CHUNK_CELLS).enumerate();
        files.map(|(index, cells)| (format!("cells-{index}.js"), self.cell_file(index, cells)))
    }

    fn cell_file(&self, index: usize, cells: &[Option<MapCell>]) -> String {
        let mut names: Vec<&str> = cells.iter().flatten().filter_map(|cell| cell.label.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        let (mut paths, mut labels) = (Vec::new(), Vec::new());
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for cell in cells {
            let path = cell.as_ref().map(|cell| quoted(&visible(&cell.path)));
            paths.push(path.unwrap_or_else(|| "null".to_owned()));
            let label = cell.as_ref().and_then(|cell| names.binary_search(&cell.label.as_deref()?).ok());
            labels.push(label.map_or_else(|| "-1".to_owned(), |label| label.to_string()));
            let found = cell.as_ref().map_or(&[][..], |cell| &cell.neighbors);
            for neighbor in 0..self.neighbors {
                let (other, distance) = found.get(neighbor).map_or((NO_CELL, 0), |&(other, distance)| {
                    (u32::try_from(other).unwrap_or(NO_CELL), units(distance))
                });
                near.extend(other.to_le_bytes());
                far.extend(distance.to_le_bytes());
            }
        }
        let names: Vec<String> = names.into_iter().map(|name| quoted(&visible(name))).collect();
        let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        format!(
            "featlas.cells({index},{{\"paths\":[{}],\"names\":[{}],\"labels\":[{}],\"near\":\"{}\",\"far\":\"{}\"}});\n",
            paths.join(","),
            names.join(","),
            labels.join(","),
            base64(&near),
            base64(&far),
        )
    }
}

/// A distance in units, to the nearest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as wanted")]
fn units(distance: f32) -> u16 {
    (f64::from(distance) / DISTANCE_UNIT).round() as u16
}

/// A string of JavaScript, in quotes. Beside what JSON escapes, `<` and the line separators are: it stays a
/// string wherever it is pasted.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escape_into(&mut quoted, c),
            c if c.is_control() => escape_into(&mut quoted, c),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn escape_into(out: &mut String, c: char) {
    write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes everything");
}

/// The place of the viewer, hidden until the viewer itself runs.
pub(super) fn viewer(html: &mut Html) {
    use Attr::Is;
    html.line();
    html.element("div", &[Is("class", "zoom"), Is("id", "zoom"), Is("hidden", "hidden")], |html| {
        let canvas = [
            Is("id", "zoom-canvas"),
            Is("tabindex", "0"),
            Is("role", "application"),
            Is("aria-label", "The map of all images: drag to move, wheel or + and - to zoom, click an image for its neighbors"),
        ];
        html.element("canvas", &canvas, |_| {});
        html.element("div", &[Is("class", "zoom-bar")], |html| {
            for (id, name, words) in [
                ("zoom-in", "Zoom in", "+"),
                ("zoom-out", "Zoom out", "\u{2212}"),
                ("zoom-fit", "Show all of it", "Fit"),
                ("zoom-full", "Fill the screen", "Full"),
            ] {
                html.words("button", &[Is("type", "button"), Is("id", id), Is("aria-label", name)], words);
            }
        });
        html.element("p", &[Is("id", "zoom-tip"), Is("aria-live", "polite")], |_| {});
        html.element("div", &[Is("id", "zoom-near"), Is("hidden", "hidden")], |_| {});
    });
}

/// The scripts, at the end of the page: the viewer, then the map that it shows.
pub(super) fn scripts(html: &mut Html, zoom: &ZoomView) {
    for script in [&zoom.viewer, &zoom.map] {
        html.line();
        html.element("script", &[Attr::Link("src", script)], |_| {});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(neighbors: usize) -> ZoomMap {
        let pyramid = Pyramid { width: 1_000, height: 600, tile_px: 512 };
        ZoomMap { pyramid, columns: 10, rows: 6, pitch_px: 100, cell_px: 98, neighbors }
    }

    fn cell(path: &str, label: Option<&str>, neighbors: &[(usize, f32)]) -> MapCell {
        MapCell { path: path.to_owned(), label: label.map(str::to_owned), neighbors: neighbors.to_vec() }
    }

    #[test]
    fn names_stay_strings() {
        for name in
            ["</script><script>alert(1)//", "a\"b\\c", "line\nbreak\u{2028}x", "\u{202e}gpj.exe", "\0"]
        {
            let cells = [Some(cell(name, Some(name), &[]))];
            let (file, script) = map(1).cell_files(&cells).next().unwrap();
            assert_eq!(file, "cells-0.js");
            assert!(!script.contains(['<', '\u{2028}', '\u{202e}', '\0']), "{script}");
            assert_eq!(script.lines().count(), 1, "{script}");
            // Every quote that is not escaped opens or closes a string of ours.
            let plain = script.replace("\\\\", "").replace("\\\"", "");
            assert_eq!(plain.matches('"').count(), 2 * 9, "{script}");
        }
    }

    #[test]
    fn cells_are_written_in_files_of_a_bounded_size() {
        let cells = vec![None; 5_000];
        let files: Vec<String> = map(0).cell_files(&cells).map(|(name, _)| name).collect();
        assert_eq!(files, ["cells-0.js", "cells-1.js", "cells-2.js"]);
    }

    #[test]
    fn neighbors_are_numbers_of_cells_and_units_of_distance() {
        let cells = [Some(cell("a", None, &[(7, 0.5), (70_000, 2.5)])), None];
        let (_, script) = map(3).cell_files(&cells).next().unwrap();
        let field = |name: &str| {
            let start = script.find(&format!("\"{name}\":\"")).unwrap() + name.len() + 4;
            let text = &script[start..script[start..].find('"').unwrap() + start];
            base64::engine::general_purpose::STANDARD.decode(text).unwrap()
        };
        let near: Vec<u32> =
            field("near").chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect();
        assert_eq!(near, [7, 70_000, NO_CELL, NO_CELL, NO_CELL, NO_CELL]);
        let far: Vec<u16> =
            field("far").chunks(2).map(|bytes| u16::from_le_bytes(bytes.try_into().unwrap())).collect();
        assert_eq!(far, [16_384, 65_535, 0, 0, 0, 0]);
        assert!(script.contains("\"paths\":[\"a\",null],\"names\":[],\"labels\":[-1,-1]"), "{script}");
    }
}
