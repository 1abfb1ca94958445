//! Tar files as sources (WebDataset shards). Members are read in place and never unpacked.

use super::file::{self, Links};
use super::path::{split_name, tidy};
use super::{Entry, Excludes, ImagePath, Listing, Locator, Stamp};
use crate::error::SourceError;
use crate::limits::Limits;
use crate::reject::{Reject, RejectReason};
use ::tar::{Archive, EntryType};
use featlas_core::{Hasher, Silent};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::OnceLock;

const BLOCK_BYTES: u64 = 512;
/// Extensions that WebDataset gives to what describes an image. Beside an image of the same key they are no images.
const SIDECARS: [&[u8]; 14] = [
    b"cls",
    b"txt",
    b"json",
    b"cls2",
    b"index",
    b"inx",
    b"id",
    b"text",
    b"caption",
    b"transcript",
    b"jsn",
    b"npy",
    b"npz",
    b"pyd",
];
/// A `.cls` file holds a short word; of a longer one only the beginning is looked at.
const MAX_CLASS_BYTES: u64 = 256;

/// One or more tar files.
#[derive(Debug)]
pub(super) struct TarShards {
    shards: Vec<Shard>,
    /// Every entry, sorted; built by the first search.
    index: OnceLock<Vec<Entry>>,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    /// What the paths of its images begin with.
    prefix: Vec<u8>,
    seen: Seen,
}

/// Signs that a tar file is still the one that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    len: u64,
    mtime_ns: i64,
}

/// A member that may be an image.
struct Member {
    /// Tidied name; the key of WebDataset is its first `key_len` bytes.
    name: Vec<u8>,
    key_len: usize,
    stamp: Stamp,
    locator: Locator,
    /// Content of a `.cls` member.
    class: Option<String>,
}

impl TarShards {
    pub(super) fn open(paths: &[PathBuf], several: bool) -> Result<Self, SourceError> {
        let shard = |path: &PathBuf| {
            let err = |source| SourceError::Read { path: path.clone(), source };
            let seen = Seen::new(&path.metadata().map_err(err)?);
            let mut prefix = Vec::new();
            if several {
                prefix.extend_from_slice(path.file_name().unwrap_or_default().as_bytes());
                prefix.push(b'/');
            }
            Ok(Shard { path: path.clone(), prefix, seen })
        };
        Ok(Self { shards: paths.iter().map(shard).collect::<Result<_, _>>()?, index: OnceLock::new() })
    }

    pub(super) fn entries(&self, listing: &Listing<'_>) -> Result<Vec<Entry>, SourceError> {
        let mut entries = Vec::new();
        for (shard, number) in self.shards.iter().zip(0..) {
            shard.list(number, listing, &mut entries)?;
        }
        listing.finish(entries.len());
        Ok(entries)
    }

    pub(super) fn find(&self, path: &ImagePath) -> Result<Option<Entry>, SourceError> {
        let index = if let Some(index) = self.index.get() {
            index
        } else {
            let excludes = Excludes::new(&[])?;
            let listing = Listing { excludes: &excludes, links: Links::Refuse, progress: &Silent };
            let mut entries = self.entries(&listing)?;
            entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            self.index.get_or_init(|| entries)
        };
        Ok(index.binary_search_by(|entry| entry.path.cmp(path)).ok().map(|at| index[at].clone()))
    }

    /// Reads a member into an empty buffer.
    pub(super) fn read(
        &self,
        shard: u32,
        offset: u64,
        len: u64,
        limits: Limits,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Reject> {
        limits.check_bytes(len)?;
        let shard = &self.shards[shard as usize];
        let unreadable = |err: io::Error| Reject::new(RejectReason::Unreadable, err.to_string());
        let vanished = |err: io::Error| match err.kind() {
            io::ErrorKind::NotFound => {
                Reject::new(RejectReason::Vanished, "the tar file is not there any more")
            }
            _ => unreadable(err),
        };
        let file = file::open(&shard.path, Links::Follow).map_err(vanished)?;
        if Seen::new(&file.metadata().map_err(unreadable)?) != shard.seen {
            return Err(Reject::new(RejectReason::InputChanged, "the tar file changed since it was listed"));
        }
        bytes.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        file.read_exact_at(bytes, offset).map_err(unreadable)
    }

    /// Asks the system to fetch a member.
    pub(super) fn read_ahead(&self, shard: u32, offset: u64, len: u64, limits: Limits) {
        if limits.check_bytes(len).is_ok()
            && let Ok(file) = file::open(&self.shards[shard as usize].path, Links::Follow)
        {
            file::advise(&file, offset, len);
        }
    }
}

impl Seen {
    fn new(metadata: &Metadata) -> Self {
        Self { inode: metadata.ino(), len: metadata.len(), mtime_ns: file::mtime_ns(metadata) }
    }
}

impl Shard {
    fn list(&self, number: u32, listing: &Listing<'_>, out: &mut Vec<Entry>) -> Result<(), SourceError> {
        let read = |source| SourceError::Read { path: self.path.clone(), source };
        let file = file::open(&self.path, Links::Follow).map_err(read)?;
        if Seen::new(&file.metadata().map_err(read)?) != self.seen {
            return Err(SourceError::Changed { path: self.path.clone() });
        }
        let mut members = self.scan(&file, number, listing)?;
        members.sort_by(|a, b| a.key().cmp(b.key()).then_with(|| a.name.cmp(&b.name)));
        if let Some(pair) = members.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let member = String::from_utf8_lossy(&pair[0].name).into_owned();
            return Err(SourceError::MemberTwice { member, path: self.path.clone() });
        }
        for sample in members.chunk_by(|a, b| a.key() == b.key()) {
            let described = sample.iter().any(|member| !member.is_sidecar());
            let class = sample.iter().find_map(|member| member.class.as_deref());
            for member in sample.iter().filter(|member| !(described && member.is_sidecar())) {
                let entry = self.entry(member, class);
                if !listing.excludes.matches(entry.path.as_bytes()) {
                    out.push(entry);
                    listing.tick(out.len())?;
                }
            }
        }
        Ok(())
    }

    fn entry(&self, member: &Member, class: Option<&str>) -> Entry {
        let label = match class {
            Some(class) => Some(class.to_owned()),
            // The folder inside the tar file, never the tar file's own name.
            None => ImagePath::from_bytes(member.name.clone()).parent_label(),
        };
        let path = ImagePath::from_bytes([self.prefix.as_slice(), &member.name].concat());
        Entry { path, label, stamp: member.stamp, locator: member.locator }
    }

    /// Reads every header, and nothing else but the `.cls` members.
    fn scan(&self, file: &File, shard: u32, listing: &Listing<'_>) -> Result<Vec<Member>, SourceError> {
        let len = self.seen.len;
        let truncated = |detail: String| SourceError::TruncatedTar { detail, path: self.path.clone() };
        let mut members: Vec<Member> = Vec::new();
        let mut end = 0;
        let mut archive = Archive::new(file);
        let failed = |source| {
            // A complete tar file ends with blocks of zeros; without them, the fault is a missing end.
            if ends_with_zeros(file, len) {
                SourceError::ParseTar { path: self.path.clone(), source }
            } else {
                truncated(format!("{source}, {len} bytes long"))
            }
        };
        for entry in archive.entries_with_seek().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let (offset, size) = (entry.raw_file_position(), entry.size());
            let name = tidy(&entry.path_bytes());
            let kind = entry.header().entry_type();
            // A sparse member's stated size is not what it takes up in the file.
            let taken =
                if kind.is_gnu_sparse() { entry.header().entry_size().map_err(failed)? } else { size };
            end = offset.saturating_add(taken);
            if end > len {
                let name = String::from_utf8_lossy(&name).into_owned();
                return Err(truncated(format!("member `{name}` needs {end} bytes, the file has {len}")));
            }
            end = end.next_multiple_of(BLOCK_BYTES);
            if members.len().is_multiple_of(Listing::STRIDE) && listing.progress.is_cancelled() {
                return Err(SourceError::Cancelled);
            }
            let Some(locator) = locate(kind, &entry.path_bytes(), shard, offset) else { continue };
            let hidden = |part: &[u8]| part.first() == Some(&b'.') && part != b"..";
            if name.is_empty() || name.split(|&byte| byte == b'/').any(hidden) {
                continue;
            }
            let mtime = entry.header().mtime().unwrap_or(0);
            let stamp = Stamp { size_bytes: size, mtime_ns: self.fold_mtime(mtime, offset) };
            let mut member = Member { key_len: key_len(&name), name, stamp, locator, class: None };
            if member.extension() == b"cls" && matches!(locator, Locator::Member { .. }) {
                member.class = read_class(&mut entry).map_err(failed)?;
            }
            members.push(member);
        }
        if len < end.saturating_add(BLOCK_BYTES) {
            return Err(truncated(format!("{len} bytes long, without an end-of-archive block")));
        }
        Ok(members)
    }

    /// One number that changes with the times of tar file and member, and with the member's place.
    fn fold_mtime(&self, member_mtime: u64, offset: u64) -> i64 {
        let mut hasher = Hasher::new();
        hasher.update(&self.seen.mtime_ns.to_le_bytes());
        hasher.update(&member_mtime.to_le_bytes()).update(&offset.to_le_bytes());
        let digest = hasher.finish().0;
        i64::from_le_bytes([
            digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7],
        ])
    }
}

impl Member {
    fn key(&self) -> &[u8] {
        &self.name[..self.key_len]
    }

    /// What follows the key and its dot, in lower case only if it is in lower case.
    fn extension(&self) -> &[u8] {
        self.name.get(self.key_len + 1..).unwrap_or_default()
    }

    fn is_sidecar(&self) -> bool {
        SIDECARS.contains(&self.extension())
    }
}

/// Where a member of that kind is found; `None` if it is no image and never meant to be one.
fn locate(kind: EntryType, raw_name: &[u8], shard: u32, offset: u64) -> Option<Locator> {
    let refused = |reason, message| Some(Locator::Refused(reason, message));
    let not_regular = |message| refused(RejectReason::NotRegular, message);
    match kind {
        // Before POSIX, a folder was a file whose name ends with a slash.
        EntryType::Regular | EntryType::Continuous if raw_name.ends_with(b"/") => None,
        EntryType::Regular | EntryType::Continuous => {
            let climbs = raw_name.split(|&byte| byte == b'/').any(|part| part == b"..");
            if raw_name.first() == Some(&b'/') || climbs || raw_name.contains(&0) {
                return refused(
                    RejectReason::Unreadable,
                    "the member's name is absolute, climbs out of the tar file or contains NUL",
                );
            }
            Some(Locator::Member { shard, offset })
        }
        EntryType::Link | EntryType::Symlink => not_regular("a link inside the tar file"),
        EntryType::GNUSparse => not_regular("a sparse member of the tar file"),
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            not_regular("a device or FIFO in the tar file")
        }
        // Folders, volume labels and other notes of the program that wrote the file.
        _ => None,
    }
}

/// Length of WebDataset's key: up to the first dot of the last component.
fn key_len(name: &[u8]) -> usize {
    let last = split_name(name).1;
    let dot = last.iter().position(|&byte| byte == b'.').unwrap_or(last.len());
    name.len() - last.len() + dot
}

fn read_class(entry: &mut impl Read) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    entry.take(MAX_CLASS_BYTES).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(ToOwned::to_owned))
}

fn ends_with_zeros(file: &File, len: u64) -> bool {
    let mut block = [1; 512];
    let Some(start) = len.checked_sub(BLOCK_BYTES).filter(|start| start.is_multiple_of(BLOCK_BYTES)) else {
        return false;
    };
    file.read_exact_at(&mut block, start).is_ok() && block.iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ends_at_the_first_dot_of_the_name() {
        for (name, key) in
            [("a.b/000.seg.png", "a.b/000"), ("000.jpg", "000"), ("dir.x/plain", "dir.x/plain")]
        {
            assert_eq!(&name.as_bytes()[..key_len(name.as_bytes())], key.as_bytes());
        }
    }
}
