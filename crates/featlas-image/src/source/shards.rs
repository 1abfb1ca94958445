//! Finds out what a location is, and expands patterns that mean several tar files.

use super::file::{self, Links};
use super::idx::{self, IdxImages};
use super::list::List;
use super::tar::TarShards;
use super::{Kind, SourceOptions};
use crate::decode::Format;
use crate::error::SourceError;
use globset::GlobBuilder;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// More shards than this are a slip in the pattern.
const MAX_SHARDS: u64 = 100_000;
/// Bytes that tell the kind of any file: a tar file's magic ends at byte 262.
const HEAD_BYTES: u64 = 512;
/// What may lie beside the shards of a folder of tar files.
const NOTES: [&str; 7] = ["txt", "md", "json", "csv", "tsv", "idx", "index"];

pub(super) fn detect(location: &Path, options: &SourceOptions) -> Result<Kind, SourceError> {
    let read = |source| SourceError::Read { path: location.to_owned(), source };
    match location.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let shards = shards_in(location).map_err(read)?;
            if shards.is_empty() { Ok(Kind::Folder) } else { TarShards::open(&shards, true).map(Kind::Tar) }
        }
        Ok(metadata) if metadata.is_file() => detect_file(location, options),
        Ok(_) => Err(unknown("neither a file nor a folder", location)),
        Err(err) if err.kind() == io::ErrorKind::NotFound && is_pattern(location) => {
            TarShards::open(&expand(location)?, true).map(Kind::Tar)
        }
        Err(err) => Err(read(err)),
    }
}

fn detect_file(location: &Path, options: &SourceOptions) -> Result<Kind, SourceError> {
    let read = |source| SourceError::Read { path: location.to_owned(), source };
    match extension(location).as_str() {
        "csv" => return List::read_table(location, b',', options).map(Kind::List),
        "tsv" => return List::read_table(location, b'\t', options).map(Kind::List),
        "txt" => return List::read_lines(location).map(Kind::List),
        "tar" => return TarShards::open(&[location.to_owned()], false).map(Kind::Tar),
        _ => {}
    }
    let mut head = Vec::new();
    let file = file::open(location, Links::Follow).map_err(read)?;
    file.take(HEAD_BYTES).read_to_end(&mut head).map_err(read)?;
    if head.starts_with(&[0x1f, 0x8b]) {
        if idx::is_gzipped(&head) {
            return IdxImages::open(location).map(Kind::Idx);
        }
        return Err(unknown(
            "a compressed file (decompress it: members of a tar are read in place)",
            location,
        ));
    }
    if idx::looks_like(&head) {
        return IdxImages::open(location).map(Kind::Idx);
    }
    if head.get(257..262) == Some(b"ustar") {
        return TarShards::open(&[location.to_owned()], false).map(Kind::Tar);
    }
    if head.starts_with(b"PAR1") {
        return Err(unknown("a Parquet file that was not read as a list", location));
    }
    if Format::sniff(&head).is_some() {
        return Err(unknown("a single image (give its folder, or name it in a list)", location));
    }
    Err(unknown("a file of another kind", location))
}

fn unknown(found: &str, path: &Path) -> SourceError {
    SourceError::UnknownKind { found: found.to_owned(), path: path.to_owned() }
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The tar files of a folder that holds nothing else but notes; otherwise nothing.
fn shards_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut shards = Vec::new();
    for found in fs_err::read_dir(folder)? {
        let found = found?;
        let path = found.path();
        let extension = extension(&path);
        if found.file_name().to_string_lossy().starts_with('.') || NOTES.contains(&extension.as_str()) {
            continue;
        }
        if extension != "tar" || !path.metadata()?.is_file() {
            return Ok(Vec::new());
        }
        shards.push(path);
    }
    shards.sort_unstable();
    Ok(shards)
}

fn is_pattern(location: &Path) -> bool {
    let name = location.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.contains(['*', '?', '[', '{']))
}

/// The files that `train-*.tar` or `train-{000..012}.tar` means, sorted.
fn expand(location: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let none = || SourceError::NoShards { path: location.to_owned() };
    let name = location.file_name().and_then(|name| name.to_str()).ok_or_else(none)?;
    let folder = location.parent().unwrap_or(Path::new(""));
    let mut shards = Vec::new();
    for name in expand_ranges(name).ok_or_else(none)? {
        if !name.contains(['*', '?', '[', '{']) {
            // A shard that a range names must be there: a set with a hole is not the set that was meant.
            shards.push(folder.join(name));
            continue;
        }
        let err = |source| SourceError::Pattern { pattern: name.clone(), source };
        let glob = GlobBuilder::new(&name).build().map_err(err)?.compile_matcher();
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let read = |source| SourceError::Read { path: listed.to_owned(), source };
        for found in fs_err::read_dir(listed).map_err(read)? {
            let found = found.map_err(read)?.file_name();
            if glob.is_match(Path::new(&found)) {
                shards.push(folder.join(found));
            }
        }
    }
    shards.sort_unstable();
    shards.dedup();
    if shards.is_empty() { Err(none()) } else { Ok(shards) }
}

/// Writes out every `{first..last}`; `None` if a range runs backwards or makes too many names.
fn expand_ranges(name: &str) -> Option<Vec<String>> {
    let range = name.match_indices('{').find_map(|(open, _)| {
        let close = open + name[open..].find('}')?;
        let (first, last) = name[open + 1..close].split_once("..")?;
        Some((open, close, first.len(), first.parse::<u64>().ok()?, last.parse::<u64>().ok()?))
    });
    let Some((open, close, width, first, last)) = range else {
        return Some(vec![name.to_owned()]);
    };
    if last < first || last - first >= MAX_SHARDS {
        return None;
    }
    let mut names = Vec::new();
    for number in first..=last {
        let name = format!("{}{number:0width$}{}", &name[..open], &name[close + 1..]);
        names.extend(expand_ranges(&name)?);
        if names.len() as u64 > MAX_SHARDS {
            return None;
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_keep_their_width() {
        let names = |text: &str| expand_ranges(text);
        assert_eq!(names("a-{08..10}.tar").unwrap(), ["a-08.tar", "a-09.tar", "a-10.tar"]);
        assert_eq!(names("{0..1}{x,y}-{1..2}").unwrap(), ["0{x,y}-1", "0{x,y}-2", "1{x,y}-1", "1{x,y}-2"]);
        assert_eq!(names("plain.tar").unwrap(), ["plain.tar"]);
        assert_eq!(names("{3..1}"), None);
        assert_eq!(names("{0..99999999999}"), None);
        assert_eq!(names("{0..9999}{0..9999}"), None);
    }
}
