//! A list of paths: a column of a CSV file, or the lines of a text file.

use super::file::{self, DiskFile, Links};
use super::path::tidy;
use super::{Entry, ImagePath, Listing, Locator, SourceOptions};
use crate::error::SourceError;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Column of labels that is taken when none is asked for.
const USUAL_LABEL_COLUMN: &str = "label";

/// One row of a list that was read elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// Where the image lies, relative to the list's folder or absolute.
    pub path: PathBuf,
    /// What it shows.
    pub label: Option<String>,
}

/// The rows of a list, sorted by path.
#[derive(Debug)]
pub(super) struct List {
    base: PathBuf,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    path: ImagePath,
    label: Option<String>,
    line: u64,
}

impl List {
    /// Reads `.txt`, one path a line.
    pub(super) fn read_lines(path: &Path) -> Result<Self, SourceError> {
        let text = read(path)?;
        let lines = text.split(|&byte| byte == b'\n').zip(1..);
        let rows = lines
            .map(|(line, number)| (line.strip_suffix(b"\r").unwrap_or(line), number))
            .filter(|(line, _)| !line.is_empty())
            .map(|(line, number)| (line.to_vec(), None, number));
        Self::build(rows.collect(), false, folder_of(path), path)
    }

    /// Reads `.csv` or `.tsv`.
    pub(super) fn read_table(
        path: &Path,
        delimiter: u8,
        options: &SourceOptions,
    ) -> Result<Self, SourceError> {
        let text = read(path)?;
        let parse = |source| SourceError::ParseList { path: path.to_owned(), source };
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(&*text);
        let header = reader.byte_headers().map_err(parse)?.clone();
        let column = |name: &str| header.iter().position(|cell| cell == name.as_bytes());
        let missing = |name: &str| SourceError::MissingColumn {
            column: name.to_owned(),
            present: header.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect(),
            path: path.to_owned(),
        };
        let at_path = column(&options.path_column).ok_or_else(|| missing(&options.path_column))?;
        let at_label = match &options.label_column {
            Some(name) => Some(column(name).ok_or_else(|| missing(name))?),
            None => column(USUAL_LABEL_COLUMN),
        };
        let mut rows = Vec::new();
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(parse)? {
            let line = record.position().map_or(0, csv::Position::line);
            let label = at_label.and_then(|at| record.get(at)).filter(|cell| !cell.is_empty());
            let label = label.map(|cell| String::from_utf8_lossy(cell).into_owned());
            rows.push((record.get(at_path).unwrap_or_default().to_vec(), label, line));
        }
        Self::build(rows, at_label.is_some(), folder_of(path), path)
    }

    /// Takes rows; `named` is the file that errors name.
    pub(super) fn from_rows(rows: Vec<ListRow>, base: PathBuf, named: &Path) -> Result<Self, SourceError> {
        let labeled = rows.iter().any(|row| row.label.is_some());
        let rows = rows.into_iter().zip(1..);
        let rows = rows.map(|(row, line)| (row.path.into_os_string().into_vec(), row.label, line));
        Self::build(rows.collect(), labeled, base, named)
    }

    fn build(
        rows: Vec<(Vec<u8>, Option<String>, u64)>,
        labeled: bool,
        base: PathBuf,
        named: &Path,
    ) -> Result<Self, SourceError> {
        let mut rows = rows
            .into_iter()
            .map(|(path, label, line)| {
                let path = ImagePath::from_bytes(tidy(&path));
                if path.as_bytes().is_empty() {
                    return Err(SourceError::EmptyPath { line, path: named.to_owned() });
                }
                let label = if labeled { label } else { path.parent_label() };
                Ok(Row { path, label, line })
            })
            .collect::<Result<Vec<_>, _>>()?;
        rows.sort_by(|a, b| a.path.cmp(&b.path));
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(SourceError::ListedTwice {
                image: pair[0].path.display(),
                first: pair[0].line,
                second: pair[1].line,
                path: named.to_owned(),
            });
        }
        Ok(Self { base, rows })
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    pub(super) fn entries(&self, listing: &Listing<'_>) -> Result<Vec<Entry>, SourceError> {
        let mut entries = Vec::with_capacity(self.rows.len());
        for row in self.rows.iter().filter(|row| !listing.excludes.matches(row.path.as_bytes())) {
            entries.push(self.entry(row, listing.links));
            listing.tick(entries.len())?;
        }
        listing.finish(entries.len());
        Ok(entries)
    }

    pub(super) fn find(&self, path: &ImagePath, links: Links) -> Option<Entry> {
        let at = self.rows.binary_search_by(|row| row.path.cmp(path)).ok()?;
        Some(self.entry(&self.rows[at], links))
    }

    fn entry(&self, row: &Row, links: Links) -> Entry {
        let stamp = DiskFile { path: self.base.join(row.path.as_path()), links }.stamp();
        Entry { path: row.path.clone(), label: row.label.clone(), stamp, locator: Locator::File }
    }
}

fn folder_of(list: &Path) -> PathBuf {
    list.parent().map(Path::to_owned).unwrap_or_default()
}

fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    let err = |source| SourceError::Read { path: path.to_owned(), source };
    let mut text = file::read_all(path).map_err(err)?;
    if text.starts_with(b"\xef\xbb\xbf") {
        text.drain(..3);
    }
    Ok(text)
}
