//! From files and folders to pictures, and to the names of their results.

use crate::PipelineError;
use crate::atlas::decode_options;
use featlas_core::{Progress, RgbImage, Silent};
use featlas_image::{Entry, ListRow, Reject, Source, SourceOptions, decode};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// An image to explain, not yet read.
#[derive(Debug)]
pub(super) struct Input {
    /// Where the user finds it.
    pub(super) path: PathBuf,
    /// Its results, relative to the output folder: `FOLDER/STEM`.
    pub(super) stem: PathBuf,
    /// Whether the user named it, rather than a folder that holds it.
    pub(super) named: bool,
    source: usize,
    entry: Entry,
}

/// The images of files and folders, in the order named, the folders' sorted.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) images: Vec<Input>,
    sources: Vec<Source>,
}

impl Inputs {
    /// Lists every image of `locations`, before any is read.
    ///
    /// Results keep the folders below a location, and their names are all different.
    pub(super) fn list(locations: &[PathBuf], progress: &dyn Progress) -> Result<Self, PipelineError> {
        let options = SourceOptions { follow_links: true, ..SourceOptions::default() };
        let mut inputs = Self { images: Vec::new(), sources: Vec::new() };
        let mut taken = BTreeSet::new();
        for location in locations {
            let folder = location.is_dir();
            // A single file is read as a source reads: a pipe does not hang it, a huge file does not fill memory.
            let (source, entries) = if folder {
                let source = Source::open(location, &options)?;
                let entries = source.entries(progress)?;
                (source, entries)
            } else {
                let row = ListRow { path: location.clone(), label: None };
                let source = Source::from_list(vec![row], Path::new(""), &options)?;
                let entries = source.entries(&Silent)?;
                (source, entries)
            };
            for entry in entries {
                let inside = entry.path.as_path();
                let (path, relative) = if folder {
                    (location.join(inside), inside.to_owned())
                } else {
                    (location.clone(), PathBuf::from(location.file_name().unwrap_or_default()))
                };
                let stem = unused_stem(&relative, &mut taken);
                inputs.images.push(Input { path, stem, named: !folder, source: inputs.sources.len(), entry });
            }
            inputs.sources.push(source);
        }
        Ok(inputs)
    }

    /// Reads and decodes one image.
    pub(super) fn open(&self, input: &Input) -> Result<RgbImage, Reject> {
        let bytes = self.sources[input.source].read(&input.entry)?;
        Ok(decode(&bytes, &decode_options())?.image)
    }
}

/// `a/b.jpg` becomes `a/b`; where that is taken, `a/b.jpg`, `a/b-2`, and so on. Never leaves the output folder.
fn unused_stem(relative: &Path, taken: &mut BTreeSet<PathBuf>) -> PathBuf {
    let inside: PathBuf = relative.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let stem = inside.with_extension("");
    let numbered = (2_u64..).map(|n| {
        let mut name = stem.clone().into_os_string();
        name.push(format!("-{n}"));
        PathBuf::from(name)
    });
    let mut candidates = [stem.clone(), inside.clone()].into_iter().chain(numbered);
    let free = candidates.find(|candidate| !taken.contains(candidate)).unwrap_or(stem);
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_names_of_their_own_inside_the_folder() {
        let mut taken = BTreeSet::new();
        let mut stem = |path: &str| unused_stem(Path::new(path), &mut taken).display().to_string();
        assert_eq!(stem("a/b.jpg"), "a/b");
        assert_eq!(stem("a/b.png"), "a/b.png");
        assert_eq!(stem("a/b.png"), "a/b-2");
        assert_eq!(stem("../../etc/passwd"), "etc/passwd");
        assert_eq!(stem("/x/y.tar.gz"), "x/y.tar");
    }
}
