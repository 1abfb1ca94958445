//! Verifies a whole atlas: every digest, count and reference.

use crate::atomic::Written;
use crate::commit::{self, Commit, ShardFile};
use crate::error::StoreError;
use crate::manifest::Manifest;
use crate::names;
use crate::read::{self, Table, Verified};
use crate::schema::{columns, reject_table, thumb_table};
use crate::seal::unseal;
use crate::walk::walk;
use arrow::array::{ListArray, StringArray};
use arrow::datatypes::{Float32Type, UInt16Type, UInt32Type};
use featlas_core::{Digest, ImageId, Progress, Stage};
use std::collections::BTreeSet;
use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Files verified.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Live feature rows.
    pub rows: u64,
    /// What is wrong; empty for a sound atlas.
    pub problems: Vec<Problem>,
    /// Files that nothing refers to: left by a killed run, or put there by somebody. They do no harm. Not
    /// listed while the manifest or a commit record is damaged, since either may refer to them.
    pub orphans: Vec<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the atlas.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

/// Reads every file of the atlas at `root` and compares it with what was recorded of it.
///
/// Finds any flipped bit in any file that the atlas refers to, in the manifest, in a commit record and in
/// `run.json`; then rows out of order, ids given twice, values that are not finite, cells outside their grid,
/// and retired images that never were. Damage is reported, not returned as an error; nothing is changed.
///
/// # Errors
/// [`StoreError::NotAnAtlas`], [`StoreError::Cancelled`], or a folder that cannot be listed.
pub fn check(root: &Path, progress: &dyn Progress) -> Result<CheckReport, StoreError> {
    let found = walk(root, Path::new(""))?;
    let is_ours = |name: &str| name == names::MANIFEST_FILE || name.starts_with("commits/");
    if !found.iter().any(|found| is_ours(&found.name())) {
        return Err(StoreError::NotAnAtlas { path: root.to_owned() });
    }
    progress.begin(Stage::Check, Some(found.iter().map(|found| found.metadata.len()).sum()));
    let mut checker = Checker {
        root,
        progress,
        report: CheckReport::default(),
        seen: BTreeSet::new(),
        verified: Verified::default(),
        live: BTreeSet::new(),
        live_rejects: BTreeSet::new(),
        next_id: ImageId(0),
        records_sound: true,
        ids_known: true,
    };
    let result = checker.run();
    progress.end(Stage::Check);
    result?;
    let Checker { mut report, seen, records_sound, .. } = checker;
    if records_sound {
        let names = found.iter().map(crate::walk::Found::name);
        report.orphans = names.filter(|name| name != names::LOCK_FILE && !seen.contains(name)).collect();
    }
    Ok(report)
}

struct Checker<'a> {
    root: &'a Path,
    progress: &'a dyn Progress,
    report: CheckReport,
    seen: BTreeSet<String>,
    verified: Verified,
    live: BTreeSet<ImageId>,
    live_rejects: BTreeSet<ImageId>,
    next_id: ImageId,
    // The manifest and every commit record could be read.
    records_sound: bool,
    // So could every shard before the present commit: `live` and `live_rejects` are complete.
    ids_known: bool,
}

impl Checker<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        let manifest = self.manifest();
        let manifest = self.note(names::MANIFEST_FILE, manifest);
        self.records_sound &= manifest.is_some();

        let known = manifest.as_ref().map_or(0, |manifest| manifest.num_commits);
        let last = commit::list(self.root)?.last().copied().unwrap_or(0).max(known);
        for sequence in 1..=last {
            self.commit(sequence, manifest.as_ref())?;
        }
        for record in manifest.iter().flat_map(Manifest::outputs) {
            let written = Written { bytes: record.bytes, digest: record.digest };
            self.file(&record.file, written, &[])?;
        }
        let run = self.root.join(names::RUN_FILE);
        if run.exists() {
            let result = self.sealed(names::RUN_FILE, |bytes| {
                unseal::<serde_json::Value>(bytes, &run, "a run").map(|_value| ())
            });
            self.note(names::RUN_FILE, result);
        }
        self.report.rows = self.live.len() as u64;
        Ok(())
    }

    fn manifest(&mut self) -> Result<Manifest, StoreError> {
        let path = self.root.join(names::MANIFEST_FILE);
        self.sealed(names::MANIFEST_FILE, |bytes| Ok(Manifest::parse(bytes, &path)?.0))
    }

    /// Reads a file that carries its own digest.
    fn sealed<T>(
        &mut self,
        file: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = self.root.join(file);
        self.seen.insert(file.to_owned());
        let bytes = fs_err::read(&path).map_err(StoreError::reading(&path))?;
        self.count(bytes.len() as u64);
        parse(&bytes)
    }

    fn commit(&mut self, sequence: u64, manifest: Option<&Manifest>) -> Result<(), StoreError> {
        let path = commit::path(self.root, sequence);
        let name = format!("{}/{sequence:08}.json", names::COMMITS);
        self.seen.insert(name.clone());
        let loaded = Commit::load(&path, sequence);
        let Some(commit) = self.note(&name, loaded) else {
            self.records_sound = false;
            self.ids_known = false;
            return Ok(());
        };
        self.count(fs_err::metadata(&path).map_or(0, |metadata| metadata.len()));
        if manifest.is_some_and(|manifest| manifest.fingerprint_digest != commit.fingerprint) {
            self.problem(&name, "the commit was made with another fingerprint");
        }
        if commit.features.is_some() != commit.thumbs.is_some() {
            self.problem(&name, "features and thumbnails do not come together");
        }
        let mut sound = BTreeSet::new();
        for shard in commit.files() {
            let written = Written { bytes: shard.bytes, digest: shard.digest };
            if self.file(&shard.file, written, &shard.pieces)? {
                sound.insert(shard.file.as_str());
            }
        }
        // The retired images are looked for among those of earlier commits, so before this one's are added.
        self.retire(&name, &commit);
        let Some(manifest) = manifest else {
            self.ids_known = false;
            return Ok(());
        };
        let sound =
            |shard: &Option<ShardFile>| shard.clone().filter(|shard| sound.contains(shard.file.as_str()));
        let (features, thumbs, rejects) =
            (sound(&commit.features), sound(&commit.thumbs), sound(&commit.rejects));
        let feature_ids = features.and_then(|shard| {
            let result = self.guarded(|this| this.features(&shard, manifest));
            self.note(&shard.file, result)
        });
        if let Some(shard) = thumbs {
            let result = self.guarded(|this| this.thumbs(&shard, feature_ids.as_deref()));
            self.note(&shard.file, result);
        }
        let reject_ids = rejects.and_then(|shard| {
            let result = self.guarded(|this| this.rejects(&shard, manifest));
            self.note(&shard.file, result)
        });
        self.ids_known &= feature_ids.is_some() == commit.features.is_some();
        self.ids_known &= reject_ids.is_some() == commit.rejects.is_some();
        self.add_ids(&name, &commit, &feature_ids.unwrap_or_default(), &reject_ids.unwrap_or_default());
        Ok(())
    }

    fn retire(&mut self, name: &str, commit: &Commit) {
        for (ids, rejected) in [(&commit.retired, false), (&commit.retired_rejects, true)] {
            for id in ids {
                let live = if rejected { &mut self.live_rejects } else { &mut self.live };
                // An image that seems unknown may be one of a damaged shard's.
                if !live.remove(id) && self.ids_known {
                    self.problem(name, format!("it retires image {id}, which is not there"));
                }
            }
        }
    }

    fn add_ids(&mut self, name: &str, commit: &Commit, features: &[ImageId], rejects: &[ImageId]) {
        if let Some((first, last)) = commit.span() {
            if first < self.next_id {
                self.problem(name, format!("it gives image id {first}, which was given before"));
            }
            self.next_id = self.next_id.max(ImageId(last.0.saturating_add(1)));
        }
        if let Some(id) = rejects.iter().find(|id| features.binary_search(id).is_ok()) {
            self.problem(name, format!("image {id} is both a row and a reject"));
        }
        self.live.extend(features);
        self.live_rejects.extend(rejects);
    }

    fn features(&mut self, shard: &ShardFile, manifest: &Manifest) -> Result<Vec<ImageId>, StoreError> {
        let schema = &manifest.schema;
        let table = Table::open_shard(self.root, shard, &schema.feature_table(), &self.verified)?;
        let wrong = |what: &str| StoreError::content(table.path(), what);
        let fingerprint = manifest.fingerprint_digest.to_string();
        if !table.key_values().iter().any(|(key, value)| key == "fingerprint" && *value == fingerprint) {
            return Err(wrong("its metadata names another fingerprint"));
        }
        let mut all = vec![columns::PATH, columns::PATH_BYTES, columns::LABEL, columns::CONTENT_HASH];
        all.extend([columns::IMAGE_ID, columns::SOURCE, columns::TOP_CLASSES, &schema.feature_column]);
        let taps: Vec<[String; 2]> = (schema.convs.iter())
            .map(|conv| [columns::conv_max_column(&conv.name), columns::conv_argmax_column(&conv.name)])
            .collect();
        all.extend(taps.iter().flatten().map(String::as_str));
        let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
        table.for_each(&all, 256, None, |batch| {
            batch.paths()?;
            batch.digests(columns::CONTENT_HASH)?;
            batch.nullable::<StringArray>(columns::LABEL)?;
            batch.column::<ListArray>(columns::TOP_CLASSES)?;
            let sources = batch.numbers::<UInt32Type>(columns::SOURCE)?;
            if sources.iter().any(|&source| source as usize >= manifest.sources.len()) {
                return Err(wrong("a row names a source that the manifest does not have"));
            }
            if !finite(batch.items::<Float32Type>(&schema.feature_column, schema.dim)?) {
                return Err(wrong("a feature is not finite"));
            }
            for (conv, [max, argmax]) in schema.convs.iter().zip(&taps) {
                if !finite(batch.items::<Float32Type>(max, conv.channels)?) {
                    return Err(wrong("a maximum is not finite"));
                }
                let cells = batch.items::<UInt16Type>(argmax, conv.channels)?;
                if cells.iter().any(|&cell| usize::from(cell) >= conv.cells()) {
                    return Err(wrong("a maximum lies outside its grid"));
                }
            }
            Ok(())
        })?;
        spanned(&table, shard)
    }

    fn thumbs(&mut self, shard: &ShardFile, features: Option<&[ImageId]>) -> Result<(), StoreError> {
        let table = Table::open_shard(self.root, shard, &thumb_table(), &self.verified)?;
        let ids = spanned(&table, shard)?;
        if features.is_some_and(|features| *features != *ids) {
            return Err(StoreError::content(table.path(), "its images are not those of the features"));
        }
        table.for_each(&[columns::THUMBNAIL, columns::PIXELS], 256, None, |_batch| Ok(()))
    }

    fn rejects(&mut self, shard: &ShardFile, manifest: &Manifest) -> Result<Vec<ImageId>, StoreError> {
        let table = Table::open_shard(self.root, shard, &reject_table(), &self.verified)?;
        let all = [columns::PATH, columns::PATH_BYTES, columns::SOURCE, columns::REASON, columns::MESSAGE];
        table.for_each(&all, 4096, None, |batch| {
            batch.paths()?;
            batch.column::<StringArray>(columns::REASON)?;
            batch.column::<StringArray>(columns::MESSAGE)?;
            let sources = batch.numbers::<UInt32Type>(columns::SOURCE)?;
            if sources.iter().any(|&source| source as usize >= manifest.sources.len()) {
                let what = "a reject names a source that the manifest does not have";
                return Err(StoreError::content(table.path(), what));
            }
            Ok(())
        })?;
        spanned(&table, shard)
    }

    /// Verifies length and digests of a recorded file; tells whether they fit.
    fn file(&mut self, file: &str, written: Written, pieces: &[Digest]) -> Result<bool, StoreError> {
        if self.progress.is_cancelled() {
            return Err(StoreError::Cancelled);
        }
        self.seen.insert(file.to_owned());
        let result = read::open_whole(self.root, file, written, pieces, &self.verified);
        let sound = self.note(file, result).is_some();
        if sound {
            self.count(written.bytes);
        }
        Ok(sound)
    }

    /// Runs a look into a file whose digest fits. A file made to fit by hand must not end the check either.
    fn guarded<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let root = self.root;
        catch_unwind(AssertUnwindSafe(|| f(self)))
            .unwrap_or_else(|_panic| Err(StoreError::content(root, "the parser gave up on the file")))
    }

    fn count(&mut self, bytes: u64) {
        self.report.files += 1;
        self.report.bytes += bytes;
        self.progress.advance(Stage::Check, bytes);
    }

    fn note<T>(&mut self, file: &str, result: Result<T, StoreError>) -> Option<T> {
        result.map_err(|err| self.problem(file, describe(&err, &self.root.join(file)))).ok()
    }

    fn problem(&mut self, file: &str, what: impl Into<String>) {
        self.report.problems.push(Problem { file: file.to_owned(), what: what.into() });
    }
}

/// The ids of a shard, which must begin and end as recorded.
fn spanned(table: &Table, shard: &ShardFile) -> Result<Vec<ImageId>, StoreError> {
    let ids = table.ids()?;
    if ids.first() != Some(&shard.first_id) || ids.last() != Some(&shard.last_id) {
        return Err(StoreError::content(table.path(), "its first or last image is not the recorded one"));
    }
    Ok(ids)
}

/// The error's text and its causes, without the path that the problem names anyway.
fn describe(err: &StoreError, path: &Path) -> String {
    let mut text = err.to_string();
    let path = format!(": `{}`", path.display());
    if let Some(len) = text.strip_suffix(&path).map(str::len) {
        text.truncate(len);
    }
    let mut cause = err.source();
    while let Some(err) = cause {
        text = format!("{text}: {err}");
        cause = err.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::seal;
    use crate::{Atlas, Fingerprint, Schema, SourceRecord, write_atomic};
    use featlas_core::Silent;

    /// An atlas whose only commit is sealed by our own hand, with a file of any bytes.
    fn forged(file: &str, bytes: &[u8]) -> (tempfile::TempDir, ShardFile) {
        let folder = tempfile::tempdir().unwrap();
        let schema = Schema { feature_column: "fc7".into(), dim: 2, convs: Vec::new() };
        let source = SourceRecord::new("folder", Path::new("/photos"), serde_json::Value::Null);
        let manifest = Manifest::new(Fingerprint::new(), schema, vec![source]);
        let atlas = Atlas::create(&folder.path().join("atlas"), &manifest).unwrap();
        let mut commit = Commit::new(1, manifest.fingerprint_digest);
        let shard = ShardFile {
            file: file.into(),
            bytes: bytes.len() as u64,
            rows: 1,
            digest: Digest::of(bytes),
            pieces: Vec::new(),
            first_id: ImageId(0),
            last_id: ImageId(0),
        };
        commit.features = Some(shard.clone());
        commit.retired = vec![ImageId(5)];
        fs_err::create_dir_all(atlas.root().join("features")).unwrap();
        write_atomic(&atlas.root().join(file), bytes).unwrap();
        write_atomic(&commit::path(atlas.root(), 1), &seal(&commit).0).unwrap();
        (folder, shard)
    }

    #[test]
    fn pieces_that_do_not_fit_are_a_problem() {
        let bytes = vec![7; 300_000];
        let (folder, mut shard) = forged("features/a.parquet", &bytes);
        let root = folder.path().join("atlas");
        let seal_again = |shard: &ShardFile| {
            let mut commit =
                Commit::new(1, commit::Commit::load(&commit::path(&root, 1), 1).unwrap().fingerprint);
            commit.features = Some(shard.clone());
            write_atomic(&commit::path(&root, 1), &seal(&commit).0).unwrap();
        };
        shard.pieces = vec![Digest::of(b"other"); 3];
        seal_again(&shard);
        assert!(
            problems(&folder).contains(&"the digests of its pieces are not the recorded ones".to_owned())
        );
        shard.pieces.pop();
        seal_again(&shard);
        let text = Atlas::open(&root).unwrap_err().to_string();
        assert!(text.starts_with("a file of the commit has more or fewer pieces than bytes: "), "{text}");
    }

    fn problems(folder: &tempfile::TempDir) -> Vec<String> {
        let report = check(&folder.path().join("atlas"), &Silent).unwrap();
        report.problems.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn a_record_cannot_lead_out_of_the_atlas() {
        let (folder, _) = forged("features/../../outside.parquet", b"secret");
        assert!(folder.path().join("outside.parquet").exists());
        let expected = "expected a plain relative name, got `features/../../outside.parquet`";
        assert_eq!(problems(&folder), [expected]);
        let err = Atlas::open(&folder.path().join("atlas")).unwrap_err();
        assert_eq!(err.to_string(), expected);
    }

    #[test]
    fn what_contradicts_itself_under_a_good_seal_is_reported() {
        let (folder, _) = forged("features/a.parquet", b"PAR1 is no table PAR1");
        let problems = problems(&folder);
        assert_eq!(problems[0], "features and thumbnails do not come together");
        assert_eq!(problems[1], "it retires image 5, which is not there");
        assert!(problems[2].starts_with("the file does not read as Parquet: "), "{}", problems[2]);
    }

    #[test]
    fn tables_broken_in_any_way_end_no_check() {
        let mut table = Vec::new();
        let columns = std::sync::Arc::new(crate::schema::map_table());
        let batch = crate::encode::map_batch(columns.clone(), &[(ImageId(0), 0.0, 1.0)]).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut table, columns, None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let step = table.len() / 60;
        for at in (0..table.len()).step_by(step) {
            let mut damaged = table.clone();
            damaged[at] ^= 0x55;
            let (folder, _) = forged("features/a.parquet", &damaged);
            assert!(!problems(&folder).is_empty(), "byte {at}");
        }
        let (folder, _) = forged("features/a.parquet", &table);
        assert!(problems(&folder)[2].starts_with("expected columns `image_id` UInt64, `path` Utf8, "));
    }
}
