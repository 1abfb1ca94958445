//! What can be asked about: files, folders of them, and images of the atlas itself.

use super::{QuerySettings, content_hash};
use crate::PipelineError;
use crate::atlas::decode_options;
use crate::sheet::decode_thumbnails;
use featlas_core::{Digest, ImageId, Progress, RgbImage, Silent};
use featlas_extract::{SourceSpec, open_sources};
use featlas_image::{Entry, ListRow, Reject, RejectReason, Source, SourceOptions, decode};
use featlas_store::{Atlas, ImageRecord};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Images that are decoded and run through the network together.
const CHUNK: usize = 64;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// An image file.
    File(PathBuf),
    /// Every image of a folder, list or tar shard.
    Source(PathBuf),
    /// An image of the atlas, by its number.
    Id(ImageId),
    /// An image of the atlas, by its path there.
    Path(String),
}

impl Ask {
    /// Whether it names an image of the atlas by its path, which only the records of all tell.
    pub(super) fn needs_records(&self) -> bool {
        matches!(self, Self::Path(_))
    }
}

/// One image asked about, ready to be compared.
pub(super) enum Subject {
    /// From outside.
    File { name: String, image: RgbImage, hash: Digest },
    /// Of the atlas.
    Own { record: ImageRecord, image: Option<RgbImage> },
}

impl Subject {
    pub(super) fn name(&self) -> String {
        match self {
            Self::File { name, .. } => name.clone(),
            Self::Own { record, .. } => record.display_path.clone(),
        }
    }

    pub(super) fn hash(&self) -> Digest {
        match self {
            Self::File { hash, .. } => *hash,
            Self::Own { record, .. } => record.content_hash,
        }
    }

    /// The picture, if it has to go through the network.
    pub(super) fn decoded(&self) -> Option<&RgbImage> {
        match self {
            Self::File { image, .. } => Some(image),
            Self::Own { .. } => None,
        }
    }

    pub(super) fn into_image(self) -> Option<RgbImage> {
        match self {
            Self::File { image, .. } => Some(image),
            Self::Own { image, .. } => image,
        }
    }
}

/// Hands out everything asked about, a few images at a time, in order.
pub(super) fn in_chunks(
    atlas: &Atlas,
    asked: &[Ask],
    settings: &QuerySettings,
    progress: &dyn Progress,
    mut act: impl FnMut(Vec<Subject>) -> Result<(), PipelineError>,
) -> Result<(), PipelineError> {
    let stopped = || if progress.is_cancelled() { Err(PipelineError::Interrupted) } else { Ok(()) };
    let options = SourceOptions { follow_links: true, ..SourceOptions::default() };
    let kind = |ask: &Ask| match ask {
        Ask::File(_) => 0,
        Ask::Source(_) => 1,
        Ask::Id(_) | Ask::Path(_) => 2,
    };
    for asked in asked.chunk_by(|a, b| kind(a) == kind(b) && kind(a) != 1) {
        if let [Ask::Source(location)] = asked {
            let spec = SourceSpec { location: location.clone() };
            let (mut files, mut used) = (0, 0);
            for source in open_sources(&[spec], &options)? {
                for entries in source.entries(progress)?.chunks(CHUNK) {
                    stopped()?;
                    let subjects = usable(&source, location, entries, progress);
                    (files, used) = (files + entries.len(), used + subjects.len());
                    act(subjects)?;
                }
            }
            if used == 0 {
                return Err(PipelineError::NoneUsable { files, location: location.clone() });
            }
            continue;
        }
        for asked in asked.chunks(CHUNK) {
            stopped()?;
            act(named(atlas, asked, settings)?)?;
        }
    }
    Ok(())
}

/// The images of a source that can be decoded; the others are told of.
fn usable(source: &Source, location: &Path, entries: &[Entry], progress: &dyn Progress) -> Vec<Subject> {
    let subject = |entry: &Entry| {
        let path = location.join(entry.path.as_path());
        let read = source.read(entry).and_then(|bytes| decoded(&path, &bytes));
        read.inspect_err(|reject| {
            progress.warn(&format!("passed over: {}: `{}`", reject.message, path.display()));
        })
        .ok()
    };
    let subjects: Vec<Option<Subject>> = entries.par_iter().map(subject).collect();
    subjects.into_iter().flatten().collect()
}

fn decoded(path: &Path, bytes: &[u8]) -> Result<Subject, Reject> {
    let image = decode(bytes, &decode_options())?.image;
    Ok(Subject::File { name: path.to_string_lossy().into_owned(), image, hash: content_hash(bytes) })
}

/// Images that were named one by one.
fn named(atlas: &Atlas, asked: &[Ask], settings: &QuerySettings) -> Result<Vec<Subject>, PipelineError> {
    if asked.iter().all(|ask| matches!(ask, Ask::File(_))) {
        let open = |ask: &Ask| match ask {
            Ask::File(path) => open_file(path),
            _ => unreachable!("all are files"),
        };
        return asked.par_iter().map(open).collect();
    }
    let unknown = |what: String| PipelineError::UnknownImage { what, atlas: atlas.root().to_owned() };
    let all = if asked.iter().any(Ask::needs_records) { atlas.images()? } else { Vec::new() };
    let mut records = Vec::with_capacity(asked.len());
    for ask in asked {
        records.push(match ask {
            Ask::Id(id) => {
                atlas.images_of(&[*id])?.pop().ok_or_else(|| unknown(format!("with number `{id}`")))?
            }
            Ask::Path(path) => {
                let found = all.iter().find(|record| record.display_path == *path);
                found.cloned().ok_or_else(|| unknown(format!("at `{path}`")))?
            }
            Ask::File(_) | Ask::Source(_) => unreachable!("chunks are of one kind"),
        });
    }
    let mut thumbnails = std::collections::BTreeMap::new();
    if settings.keep_images {
        let ids: Vec<ImageId> = records.iter().map(|record| record.image_id).collect();
        thumbnails = decode_thumbnails(atlas, &ids)?;
    }
    let own = |record: ImageRecord| {
        let image = thumbnails.get(&record.image_id).cloned();
        Subject::Own { record, image }
    };
    Ok(records.into_iter().map(own).collect())
}

/// Reads and decodes one image of the user's.
pub(crate) fn open_image(path: &Path) -> Result<RgbImage, PipelineError> {
    let bytes = read_file(path)?;
    let decoded = decode(&bytes, &decode_options());
    Ok(decoded.map_err(|reject| PipelineError::Image { reject, path: path.to_owned() })?.image)
}

fn open_file(path: &Path) -> Result<Subject, PipelineError> {
    let bytes = read_file(path)?;
    decoded(path, &bytes).map_err(|reject| PipelineError::Image { reject, path: path.to_owned() })
}

/// The bytes of one file, read as a source reads: a pipe does not hang it, a huge file does not fill memory.
fn read_file(path: &Path) -> Result<Vec<u8>, PipelineError> {
    let bad = |reject| PipelineError::Image { reject, path: path.to_owned() };
    let options = SourceOptions { follow_links: true, ..SourceOptions::default() };
    let row = ListRow { path: path.to_owned(), label: None };
    let source = Source::from_list(vec![row], Path::new(""), &options)?;
    let entries = source.entries(&Silent)?;
    let entry = entries.first().ok_or_else(|| bad(Reject::new(RejectReason::Vanished, "no such file")))?;
    source.read(entry).map_err(|reject| match reject.reason {
        // It was never there, as far as the user can tell.
        RejectReason::Vanished => bad(Reject::new(RejectReason::Vanished, "there is no such file")),
        _ => bad(reject),
    })
}
