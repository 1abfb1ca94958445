//! Where images come from: a folder, a list, tar shards or an idx file.
//!
//! A source names its images and hands out their bytes; it never looks at the pixels.

mod exclude;
mod file;
mod folder;
mod idx;
mod list;
mod path;
mod shards;
mod tar;

pub use list::ListRow;
pub use path::ImagePath;

use crate::error::SourceError;
use crate::limits::Limits;
use crate::reject::{Reject, RejectReason};
use exclude::Excludes;
use featlas_core::{Progress, Stage};
use file::{DiskFile, Links};
use idx::IdxImages;
use list::List;
use std::path::{Path, PathBuf};
use tar::TarShards;

/// Column of a list that holds the paths, unless told otherwise.
pub const DEFAULT_PATH_COLUMN: &str = "path";

/// Cheap signs that an image changed.
///
/// On disk: size and modification time of the file. In a tar file: size of the member, and one number for the
/// modification times of tar file and member and the member's place. Equal stamps mean "not touched since";
/// different stamps mean "look at the bytes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp {
    /// Size in bytes; zero when the file could not be examined.
    pub size_bytes: u64,
    /// Modification time in nanoseconds since 1970; zero when the file could not be examined.
    pub mtime_ns: i64,
}

/// One image of a source, good or bad; only reading it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The image's key.
    pub path: ImagePath,
    /// What the image shows, according to the source.
    pub label: Option<String>,
    /// What tells a later run whether it changed.
    pub stamp: Stamp,
    locator: Locator,
}

/// How a source finds the bytes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locator {
    /// The file of that path.
    File,
    /// `offset` bytes into a tar file.
    Member { shard: u32, offset: u64 },
    /// The image of that number in an idx file.
    Index(u32),
    /// Nowhere: listed only to be rejected.
    Refused(RejectReason, &'static str),
}

/// How a source is read.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// Follow symbolic links, also out of the source. Otherwise a link is a reject.
    pub follow_links: bool,
    /// Globs on relative paths of images and folders to leave out, `/` not matched by `*`. A pattern without `/`
    /// matches a name at any depth.
    pub exclude: Vec<String>,
    /// The list's column of paths.
    pub path_column: String,
    /// The list's column of labels. Without one, a column named `label` serves; failing that, the parent folder.
    pub label_column: Option<String>,
    /// How large an image may be.
    pub limits: Limits,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            follow_links: false,
            exclude: Vec::new(),
            path_column: DEFAULT_PATH_COLUMN.to_owned(),
            label_column: None,
            limits: Limits::default(),
        }
    }
}

/// Images behind one location. Shared freely between threads: reading takes no lock.
#[derive(Debug)]
pub struct Source {
    location: PathBuf,
    excludes: Excludes,
    links: Links,
    limits: Limits,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder,
    List(List),
    Tar(TarShards),
    Idx(IdxImages),
}

impl Source {
    /// Opens the images at `location`.
    ///
    /// - a folder: every file below it whose name does not begin with a dot, whatever its extension; folders whose
    ///   names begin with a dot are left out. A folder that holds tar files only is read as shards.
    /// - a list: `.csv` and `.tsv` with a header, `.txt` with one path a line; paths are relative to the list.
    /// - a tar file, or several: `train-*.tar` and `train-{000..012}.tar` are expanded, and the paths of images then
    ///   begin with the file's name. Nothing is ever unpacked.
    /// - an idx file of `u8` images (MNIST), gzipped or not; labels come from the file beside it.
    ///
    /// # Errors
    /// [`SourceError`] if the location is none of these, or its header is damaged.
    pub fn open(location: &Path, options: &SourceOptions) -> Result<Self, SourceError> {
        let kind = shards::detect(location, options)?;
        Self::with_kind(location, options, kind)
    }

    /// Takes rows of a list that was read elsewhere, with paths relative to `base`.
    ///
    /// If no row has a label, the label is the name of the parent folder.
    ///
    /// # Errors
    /// [`SourceError::ListedTwice`] or [`SourceError::EmptyPath`]; row `i` is called line `i + 1`.
    pub fn from_list(rows: Vec<ListRow>, base: &Path, options: &SourceOptions) -> Result<Self, SourceError> {
        let list = List::from_rows(rows, base.to_owned(), base)?;
        Self::with_kind(base, options, Kind::List(list))
    }

    fn with_kind(location: &Path, options: &SourceOptions, kind: Kind) -> Result<Self, SourceError> {
        Ok(Self {
            location: location.to_owned(),
            excludes: Excludes::new(&options.exclude)?,
            links: if options.follow_links { Links::Follow } else { Links::Refuse },
            limits: options.limits,
            kind,
        })
    }

    /// What kind of source it is: `folder`, `list`, `tar` or `idx`.
    pub fn kind(&self) -> &'static str {
        match &self.kind {
            Kind::Folder => "folder",
            Kind::List(_) => "list",
            Kind::Tar(_) => "tar",
            Kind::Idx(_) => "idx",
        }
    }

    /// Where it lies.
    pub fn location(&self) -> &Path {
        &self.location
    }

    /// Lists every image, sorted by the bytes of its path, each path once.
    ///
    /// Memory: about 100 bytes an image and the lengths of path and label.
    ///
    /// # Errors
    /// [`SourceError`] if an image could have been missed, since the next run would take it for removed; and
    /// [`SourceError::Cancelled`].
    pub fn entries(&self, progress: &dyn Progress) -> Result<Vec<Entry>, SourceError> {
        progress.begin(Stage::List, None);
        let listing = Listing { excludes: &self.excludes, links: self.links, progress };
        let entries = match &self.kind {
            Kind::Folder => folder::entries(&self.location, &listing),
            Kind::List(list) => list.entries(&listing),
            Kind::Tar(tar) => tar.entries(&listing),
            Kind::Idx(idx) => idx.entries(&listing),
        };
        progress.end(Stage::List);
        let mut entries = entries?;
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Finds one image by its path, to read it again later; `None` if the source has none of that path.
    ///
    /// Folders and lists look at that file alone; a tar source is indexed once, on the first call.
    ///
    /// # Errors
    /// [`SourceError`] if a tar file cannot be indexed.
    pub fn find(&self, path: &ImagePath) -> Result<Option<Entry>, SourceError> {
        if self.excludes.matches(path.as_bytes()) {
            return Ok(None);
        }
        match &self.kind {
            Kind::Folder => Ok(folder::find(&self.location, path, self.links)),
            Kind::List(list) => Ok(list.find(path, self.links)),
            Kind::Tar(tar) => tar.find(path),
            Kind::Idx(idx) => Ok(idx.find(path)),
        }
    }

    /// Reads the bytes of one image. Never blocks on a FIFO, never reads more than the limits allow.
    ///
    /// # Errors
    /// [`Reject`] with the reason, when there is no such image any more or it cannot be read.
    pub fn read(&self, entry: &Entry) -> Result<Vec<u8>, Reject> {
        let mut bytes = Vec::new();
        self.read_into(entry, &mut bytes)?;
        Ok(bytes)
    }

    /// The same into a buffer that is used again; what it held is dropped.
    ///
    /// # Errors
    /// As [`Source::read`]; what the buffer holds then means nothing.
    pub fn read_into(&self, entry: &Entry, bytes: &mut Vec<u8>) -> Result<(), Reject> {
        bytes.clear();
        match (&self.kind, entry.locator) {
            (_, Locator::Refused(reason, message)) => Err(Reject::new(reason, message)),
            (Kind::Folder | Kind::List(_), Locator::File) => {
                self.disk_file(entry).read(entry.stamp.size_bytes, self.limits, bytes)
            }
            (Kind::Tar(tar), Locator::Member { shard, offset }) => {
                tar.read(shard, offset, entry.stamp.size_bytes, self.limits, bytes)
            }
            (Kind::Idx(idx), Locator::Index(index)) => idx.read(index, bytes),
            _ => Err(Reject::new(RejectReason::Unreadable, "the entry belongs to another source")),
        }
    }

    /// Asks the system to fetch an image from the disk, so that reading it later does not wait.
    ///
    /// Advice only: it may be ignored, costs no memory of ours, and a fault shows when the image is read.
    pub fn read_ahead(&self, entry: &Entry) {
        match (&self.kind, entry.locator) {
            (Kind::Folder | Kind::List(_), Locator::File) => self.disk_file(entry).read_ahead(self.limits),
            (Kind::Tar(tar), Locator::Member { shard, offset }) => {
                tar.read_ahead(shard, offset, entry.stamp.size_bytes, self.limits);
            }
            _ => {}
        }
    }

    /// The file behind an entry of a folder or a list.
    fn disk_file(&self, entry: &Entry) -> DiskFile {
        let base = match &self.kind {
            Kind::List(list) => list.base(),
            _ => &self.location,
        };
        DiskFile { path: base.join(entry.path.as_path()), links: self.links }
    }
}

/// What every kind of source needs while it lists its images.
#[derive(Clone, Copy)]
struct Listing<'a> {
    excludes: &'a Excludes,
    links: Links,
    progress: &'a dyn Progress,
}

impl Listing<'_> {
    /// Counts of advances are worth a call to the progress bar only now and then.
    const STRIDE: usize = 256;

    /// Call with the number of images found so far, after each.
    fn tick(&self, found: usize) -> Result<(), SourceError> {
        if found.is_multiple_of(Self::STRIDE) {
            if self.progress.is_cancelled() {
                return Err(SourceError::Cancelled);
            }
            self.progress.advance(Stage::List, Self::STRIDE as u64);
        }
        Ok(())
    }

    /// Call once with the final number.
    fn finish(&self, found: usize) {
        self.progress.advance(Stage::List, (found % Self::STRIDE) as u64);
    }
}
