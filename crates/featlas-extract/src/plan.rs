//! What is to be computed: the sources as they stand, set against the atlas as it stands.

use crate::ExtractError;
use featlas_core::{Digest, ImageId, Progress};
use featlas_image::{Entry, ImagePath, Source};
use featlas_store::KnownImage;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// One image to compute.
#[derive(Debug)]
pub struct WorkItem {
    /// Its number, given now.
    pub id: ImageId,
    /// Which of the sources holds it.
    pub source: usize,
    /// The image there.
    pub entry: Entry,
    /// The row that its new row replaces.
    pub replaces: Option<ImageId>,
}

/// The difference between the sources and the atlas.
#[derive(Debug, Default)]
pub struct Plan {
    /// New and changed images, in the order of their ids, which is the order of their paths.
    pub work: Vec<WorkItem>,
    /// Rows whose images are gone.
    pub removed: Vec<ImageId>,
    /// Images whose rows stay.
    pub unchanged: u64,
}

/// Compares the images of `sources` with the rows `known` to the atlas.
///
/// An image is unchanged if its label and either its stamp or its content hash are the recorded ones;
/// only files whose stamp differs are read. Ids are given in path order from `next_id`, so a killed run
/// that is started again gives the same ids as an undisturbed one. Memory: about 200 bytes an image.
///
/// # Errors
/// A source that cannot be listed, or the same path in two of them.
pub fn plan(
    sources: &[Source],
    known: Vec<KnownImage>,
    next_id: ImageId,
    progress: &dyn Progress,
) -> Result<Plan, ExtractError> {
    let listed = list(sources, progress)?;
    let mut known: BTreeMap<Vec<u8>, KnownImage> =
        known.into_iter().map(|image| (image.path.clone(), image)).collect();

    let mut plan = Plan::default();
    let mut candidates = Vec::new();
    for (source, entry) in listed {
        let before = known.remove(entry.path.as_bytes());
        match before {
            Some(image) if same_stamp(&image, &entry) && same_label(&image, &entry) => plan.unchanged += 1,
            before => candidates.push((source, entry, before)),
        }
    }
    plan.removed = known.into_values().map(|image| image.image_id).collect();
    plan.removed.sort_unstable();

    let touched_only: Vec<bool> = candidates
        .par_iter()
        .map(|(source, entry, before)| {
            before.as_ref().is_some_and(|image| {
                same_label(image, entry) && same_content(image, &sources[*source], entry)
            })
        })
        .collect();
    let mut next = next_id.0;
    for ((source, entry, before), touched_only) in candidates.into_iter().zip(touched_only) {
        if touched_only {
            plan.unchanged += 1;
            continue;
        }
        let replaces = before.map(|image| image.image_id);
        plan.work.push(WorkItem { id: ImageId(next), source, entry, replaces });
        next += 1;
    }
    Ok(plan)
}

/// All entries of all sources in path order.
fn list(sources: &[Source], progress: &dyn Progress) -> Result<Vec<(usize, Entry)>, ExtractError> {
    let mut listed: Vec<(usize, Entry)> = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        listed.extend(source.entries(progress)?.into_iter().map(|entry| (index, entry)));
    }
    // Each source comes sorted; a stable sort of few sorted runs is a merge.
    listed.sort_by(|a, b| a.1.path.cmp(&b.1.path));
    if let Some(pair) = listed.windows(2).find(|pair| pair[0].1.path == pair[1].1.path) {
        let place = |at: usize| sources[pair[at].0].location().display().to_string();
        return Err(ExtractError::SamePath {
            path: ImagePath::display(&pair[0].1.path),
            first: place(0),
            second: place(1),
        });
    }
    Ok(listed)
}

fn same_stamp(known: &KnownImage, entry: &Entry) -> bool {
    known.size_bytes == entry.stamp.size_bytes && known.mtime_ns == entry.stamp.mtime_ns
}

fn same_label(known: &KnownImage, entry: &Entry) -> bool {
    // Reject rows carry no label.
    known.rejected || known.label == entry.label
}

fn same_content(known: &KnownImage, source: &Source, entry: &Entry) -> bool {
    let Some(hash) = known.content_hash else { return false };
    source.read(entry).is_ok_and(|bytes| Digest::of(&bytes) == hash)
}
