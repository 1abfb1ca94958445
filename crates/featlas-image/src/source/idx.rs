//! The idx files of MNIST: one file of gray images, one of labels.

use super::file::{self, Links};
use super::{Entry, ImagePath, Listing, Locator, Stamp};
use crate::decode::idx_image;
use crate::error::SourceError;
use crate::reject::{Reject, RejectReason};
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// `u8` values in three dimensions: count, height, width.
const IMAGES_MAGIC: [u8; 4] = [0, 0, 8, 3];
/// `u8` values in one dimension.
const LABELS_MAGIC: [u8; 4] = [0, 0, 8, 1];
/// idx files are held in memory, so a header may not ask for more than this.
const MAX_BYTES: u64 = 4 << 30;
/// Image paths have at least this many digits.
const MIN_DIGITS: usize = 5;

/// Whether a file begins like an idx file of `u8`.
pub(super) fn looks_like(head: &[u8]) -> bool {
    head.starts_with(&[0, 0, 8])
}

/// Whether the gzipped content begins like one.
pub(super) fn is_gzipped(head: &[u8]) -> bool {
    let mut start = [0; 3];
    MultiGzDecoder::new(head).read_exact(&mut start).is_ok() && looks_like(&start)
}

/// The images of an idx file, in memory.
#[derive(Debug)]
pub(super) struct IdxImages {
    pixels: Vec<u8>,
    labels: Option<Vec<u8>>,
    count: u32,
    height: u32,
    width: u32,
    digits: usize,
    mtime_ns: i64,
}

impl IdxImages {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let ([count, height, width], pixels) = load(path, IMAGES_MAGIC)?;
        if height == 0 || width == 0 {
            return Err(wrong("images of at least one pixel", format!("{width}x{height}"), path));
        }
        let labels = match labels_beside(path) {
            None => None,
            Some(beside) => {
                let ([labeled], labels) = load(&beside, LABELS_MAGIC)?;
                if labeled != count {
                    return Err(wrong(format!("{count} labels"), labeled.to_string(), &beside));
                }
                Some(labels)
            }
        };
        let err = |source| SourceError::Read { path: path.to_owned(), source };
        let mtime_ns = file::mtime_ns(&path.metadata().map_err(err)?);
        let digits = count.saturating_sub(1).to_string().len().max(MIN_DIGITS);
        Ok(Self { pixels, labels, count, height, width, digits, mtime_ns })
    }

    pub(super) fn entries(&self, listing: &Listing<'_>) -> Result<Vec<Entry>, SourceError> {
        let mut entries = Vec::new();
        for entry in (0..self.count).map(|index| self.entry(index)) {
            if !listing.excludes.matches(entry.path.as_bytes()) {
                entries.push(entry);
                listing.tick(entries.len())?;
            }
        }
        listing.finish(entries.len());
        Ok(entries)
    }

    pub(super) fn find(&self, path: &ImagePath) -> Option<Entry> {
        let digits = std::str::from_utf8(path.as_bytes()).ok()?;
        let index = digits.parse().ok().filter(|&index: &u32| index < self.count)?;
        let entry = self.entry(index);
        (entry.path == *path).then_some(entry)
    }

    /// One image, as the two-dimensional idx file that [`decode`](crate::decode()) knows.
    pub(super) fn read(&self, index: u32, bytes: &mut Vec<u8>) -> Result<(), Reject> {
        let size = self.height as usize * self.width as usize;
        let start = index as usize * size;
        let pixels = self
            .pixels
            .get(start..start + size)
            .ok_or_else(|| Reject::new(RejectReason::Vanished, format!("image {index} of {}", self.count)))?;
        idx_image::wrap(self.width, self.height, pixels, bytes);
        Ok(())
    }

    fn entry(&self, index: u32) -> Entry {
        let path = ImagePath::from_bytes(format!("{index:0width$}", width = self.digits).into_bytes());
        let label = self.labels.as_ref().map(|labels| labels[index as usize].to_string());
        let size_bytes = u64::from(self.height) * u64::from(self.width);
        let stamp = Stamp { size_bytes, mtime_ns: self.mtime_ns };
        Entry { path, label, stamp, locator: Locator::Index(index) }
    }
}

fn wrong(expected: impl Into<String>, got: impl Into<String>, path: &Path) -> SourceError {
    SourceError::Idx { expected: expected.into(), got: got.into(), path: path.to_owned() }
}

/// Reads sizes and values of an idx file with `N` dimensions.
fn load<const N: usize>(path: &Path, magic: [u8; 4]) -> Result<([u32; N], Vec<u8>), SourceError> {
    let err = |source| SourceError::Read { path: path.to_owned(), source };
    let mut reader = reader(path).map_err(err)?;
    let mut start = [0; 4];
    reader.read_exact(&mut start).map_err(err)?;
    if start != magic {
        let hint = if start == LABELS_MAGIC { " (labels: give the file of images)" } else { "" };
        return Err(wrong(format!("idx magic {magic:02x?}"), format!("{start:02x?}{hint}"), path));
    }
    let mut sizes = [0; N];
    for size in &mut sizes {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map_err(err)?;
        *size = u32::from_be_bytes(bytes);
    }
    let len = sizes.iter().fold(1u64, |len, &size| len.saturating_mul(size.into()));
    if len > MAX_BYTES {
        return Err(wrong(format!("at most {MAX_BYTES} bytes of values"), format!("{len}"), path));
    }
    let mut values = Vec::new();
    reader.take(len + 1).read_to_end(&mut values).map_err(err)?;
    if values.len() as u64 != len {
        let got = if (values.len() as u64) < len { values.len().to_string() } else { "more".to_owned() };
        return Err(wrong(format!("{len} bytes of values, as the header states"), got, path));
    }
    Ok((sizes, values))
}

fn reader(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut magic = [0; 2];
    file::open(path, Links::Follow)?.read_exact(&mut magic)?;
    let file = io::BufReader::new(file::open(path, Links::Follow)?);
    Ok(if magic == [0x1f, 0x8b] { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// `t10k-images-idx3-ubyte.gz` has its labels in `t10k-labels-idx1-ubyte.gz`, either of them gzipped or not.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    if labels == name {
        return None;
    }
    let plain = images.with_file_name(&labels);
    let gzipped = images.with_file_name(format!("{labels}.gz"));
    [plain, gzipped].into_iter().find(|path| path.is_file())
}
