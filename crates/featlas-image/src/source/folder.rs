//! A folder of images, searched to any depth.

use super::file::{DiskFile, Links, stamp};
use super::path::{split_name, tidy};
use super::{Entry, ImagePath, Listing, Locator, Stamp};
use crate::error::SourceError;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};
use walkdir::{DirEntry, WalkDir};

pub(super) fn entries(root: &Path, listing: &Listing<'_>) -> Result<Vec<Entry>, SourceError> {
    let follow = listing.links == Links::Follow;
    let mut entries = Vec::new();
    let walk = WalkDir::new(root).follow_links(follow).min_depth(1).into_iter();
    for found in walk.filter_entry(|found| wanted(root, found, listing)) {
        let entry = match found {
            Ok(found) if found.file_type().is_dir() => continue,
            Ok(found) => match found.metadata() {
                Ok(metadata) => Some(entry(root, found.path(), stamp(&metadata))),
                Err(err) => after_error(root, err, listing)?,
            },
            Err(err) => after_error(root, err, listing)?,
        };
        if let Some(entry) = entry {
            entries.push(entry);
            listing.tick(entries.len())?;
        }
    }
    listing.finish(entries.len());
    Ok(entries)
}

pub(super) fn find(root: &Path, path: &ImagePath, links: Links) -> Option<Entry> {
    let listed = |part| matches!(part, Component::Normal(name) if !is_hidden(name));
    let inside = path.as_path().components().all(listed);
    // One file has one spelling, or it would have two rows.
    if !inside || path.as_bytes().is_empty() || tidy(path.as_bytes()) != path.as_bytes() {
        return None;
    }
    if links == Links::Refuse {
        // A listing never enters a linked folder, so neither does a path that somebody wrote down.
        let mut above = split_name(path.as_bytes()).0;
        while !above.is_empty() {
            let folder = root.join(ImagePath::from_bytes(above.to_vec()).as_path());
            if !folder.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                return None;
            }
            above = split_name(above).0;
        }
    }
    let file = DiskFile { path: root.join(path.as_path()), links };
    let metadata = file.path.symlink_metadata().ok()?;
    if metadata.is_dir() {
        return None;
    }
    Some(entry(root, &file.path, file.stamp()))
}

fn relative<'a>(root: &Path, path: &'a Path) -> &'a [u8] {
    path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes()
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().first() == Some(&b'.')
}

fn wanted(root: &Path, found: &DirEntry, listing: &Listing<'_>) -> bool {
    !is_hidden(found.file_name()) && !listing.excludes.matches_itself(relative(root, found.path()))
}

fn entry(root: &Path, path: &Path, stamp: Stamp) -> Entry {
    let path = ImagePath::from_bytes(relative(root, path).to_vec());
    let label = path.parent_label();
    Entry { path, label, stamp, locator: Locator::File }
}

/// Decides whether the walk may go on after `err`: only if no image can have been missed.
fn after_error(
    root: &Path,
    err: walkdir::Error,
    listing: &Listing<'_>,
) -> Result<Option<Entry>, SourceError> {
    let path = err.path().unwrap_or(root).to_owned();
    if let Some(ancestor) = err.loop_ancestor() {
        listing.progress.warn(&format!(
            "skipped a link that leads back to `{}`: `{}`",
            ancestor.display(),
            path.display()
        ));
        return Ok(None);
    }
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
        // Dangling, or a ring of links: an image was promised, so it is listed and will be rejected.
        if path.file_name().is_some_and(is_hidden) || listing.excludes.matches_itself(relative(root, &path)) {
            return Ok(None);
        }
        return Ok(Some(entry(root, &path, Stamp { size_bytes: 0, mtime_ns: 0 })));
    }
    let source: io::Error = match err.into_io_error() {
        Some(source) => source,
        None => io::Error::other("unknown error of the folder walk"),
    };
    if source.kind() == io::ErrorKind::NotFound && path != root {
        listing.progress.warn(&format!("vanished while images were listed: `{}`", path.display()));
        return Ok(None);
    }
    Err(SourceError::ReadFolder { path, source })
}
