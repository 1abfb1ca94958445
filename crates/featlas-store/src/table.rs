//! The table as later stages read it: live rows, by id, a few columns at a time.

use crate::atlas::Atlas;
use crate::commit::ShardFile;
use crate::error::StoreError;
use crate::read::{Batch, Table};
use crate::rows::{Features, ImageRecord, KnownImage, RejectRow};
use crate::schema::{PIXELS_LEN, columns, reject_table, thumb_table};
use arrow::array::{Array as _, AsArray as _, BinaryArray, FixedSizeBinaryArray, ListArray, StringArray};
use arrow::datatypes::{Float32Type, Int64Type, UInt16Type, UInt32Type, UInt64Type};
use featlas_core::{ImageId, Progress, RowsView, Stage};
use std::ops::Range;

/// About as many bytes are decoded at a time.
const BLOCK_BYTES: usize = 8 << 20;
/// Rows decoded at a time where they are small.
const SMALL_ROWS: usize = 8192;

impl Atlas {
    /// Every live image and reject, by id, with what tells whether it changed. Reads no features.
    ///
    /// # Errors
    /// What is damaged or missing.
    pub fn known_images(&self) -> Result<Vec<KnownImage>, StoreError> {
        use columns::{CONTENT_HASH, IMAGE_ID, LABEL, MTIME_NS, PATH, PATH_BYTES, SIZE_BYTES, SOURCE};
        let mut known = Vec::new();
        let wanted = [IMAGE_ID, PATH, PATH_BYTES, LABEL, CONTENT_HASH, SOURCE, SIZE_BYTES, MTIME_NS];
        let mut add = |batch: &Batch<'_>, rejected: bool| {
            let paths = batch.paths()?;
            let source = batch.numbers::<UInt32Type>(SOURCE)?;
            let size_bytes = batch.numbers::<UInt64Type>(SIZE_BYTES)?;
            let mtime_ns = batch.numbers::<Int64Type>(MTIME_NS)?;
            let rows = batch.ids()?.zip(paths).zip(source).zip(size_bytes).zip(mtime_ns).zip(0..);
            let of_features = if rejected {
                None
            } else {
                Some((batch.nullable::<StringArray>(LABEL)?, batch.digests(CONTENT_HASH)?))
            };
            for (((((image_id, (path, _)), &source), &size_bytes), &mtime_ns), i) in rows {
                if self.is_retired(image_id) {
                    continue;
                }
                let content_hash = of_features.as_ref().map(|(_, hashes)| hashes[i]);
                let label = of_features.as_ref().and_then(|(labels, _)| label(labels, i));
                known.push(KnownImage {
                    image_id,
                    path,
                    source,
                    size_bytes,
                    mtime_ns,
                    content_hash,
                    label,
                    rejected,
                });
            }
            Ok::<_, StoreError>(())
        };
        for shard in self.commits().iter().filter_map(|commit| commit.features.as_ref()) {
            self.open_features(shard)?.for_each(&wanted, SMALL_ROWS, None, |batch| add(batch, false))?;
        }
        for shard in self.commits().iter().filter_map(|commit| commit.rejects.as_ref()) {
            self.open_rejects(shard)?.for_each(&wanted, SMALL_ROWS, None, |batch| add(batch, true))?;
        }
        known.sort_unstable_by_key(|image| image.image_id);
        Ok(known)
    }

    /// Every live image, by id, without its features.
    ///
    /// # Errors
    /// What is damaged or missing.
    pub fn images(&self) -> Result<Vec<ImageRecord>, StoreError> {
        let mut images = Vec::new();
        self.for_each_feature_batch(&IMAGE_COLUMNS, SMALL_ROWS, |batch| {
            image_records(batch, |id| !self.is_retired(id), &mut images)
        })?;
        Ok(images)
    }

    /// The features of all live images, by id: `4 * dim` bytes an image in memory.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`], or what is damaged or missing.
    pub fn features(&self, progress: &dyn Progress) -> Result<Features, StoreError> {
        let dim = self.manifest().schema.dim;
        let rows = usize::try_from(self.num_images()).unwrap_or(usize::MAX);
        let mut features = Features { ids: Vec::new(), values: Vec::new(), dim };
        // The records are sealed, yet a number in a file is no reason to die of a failed allocation.
        if features.values.try_reserve_exact(rows.saturating_mul(dim)).is_err() {
            let what = format!("the features of {rows} images do not fit into memory");
            return Err(StoreError::content(self.root(), what));
        }
        progress.begin(Stage::Load, Some(self.num_images()));
        let result = self.for_each_feature_block(|ids, rows| {
            if progress.is_cancelled() {
                return Err(StoreError::Cancelled);
            }
            features.ids.extend_from_slice(ids);
            features.values.extend_from_slice(rows.values());
            progress.advance(Stage::Load, ids.len() as u64);
            Ok(())
        });
        progress.end(Stage::Load);
        result.map(|()| features)
    }

    /// Hands out the features of all live images, by id, block after block, in bounded memory.
    ///
    /// # Errors
    /// What `f` returns, or what is damaged or missing.
    pub fn for_each_feature_block<E: From<StoreError>>(
        &self,
        mut f: impl FnMut(&[ImageId], RowsView<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let schema = &self.manifest().schema;
        let (column, dim) = (schema.feature_column.as_str(), schema.dim);
        self.for_each_feature_batch(&[columns::IMAGE_ID, column], block_rows(dim * 4), |batch| {
            let values = batch.items::<Float32Type>(column, dim)?;
            match self.live(batch)? {
                Live::All(ids) => f(&ids, view(values, dim)),
                Live::Some(ids, rows) => f(&ids, view(&gather(values, dim, &rows), dim)),
                Live::None => Ok(()),
            }
        })
    }

    /// Hands out the per-channel maxima of a tapped layer and their cells, `(n, channels)` each, of all live
    /// images by id, block after block, in bounded memory.
    ///
    /// # Errors
    /// [`StoreError::NoTap`], what `f` returns, or what is damaged or missing.
    pub fn for_each_conv_block<E: From<StoreError>>(
        &self,
        tap: &str,
        mut f: impl FnMut(&[ImageId], &[f32], &[u16]) -> Result<(), E>,
    ) -> Result<(), E> {
        let schema = &self.manifest().schema;
        let conv = schema.conv(tap).ok_or_else(|| StoreError::NoTap {
            tap: tap.to_owned(),
            taps: schema.convs.iter().map(|conv| conv.name.clone()).collect(),
            path: self.root().to_owned(),
        })?;
        let (max, argmax) = (columns::conv_max_column(tap), columns::conv_argmax_column(tap));
        let (channels, wanted) = (conv.channels, [columns::IMAGE_ID, &max, &argmax]);
        self.for_each_feature_batch(&wanted, block_rows(channels * 6), |batch| {
            let maxima = batch.items::<Float32Type>(&max, channels)?;
            let cells = batch.items::<UInt16Type>(&argmax, channels)?;
            match self.live(batch)? {
                Live::All(ids) => f(&ids, maxima, cells),
                Live::Some(ids, rows) => {
                    f(&ids, &gather(maxima, channels, &rows), &gather(cells, channels, &rows))
                }
                Live::None => Ok(()),
            }
        })
    }

    /// Hands out thumbnails (JPEG bytes) by id: of all live images, or of those `wanted`.
    ///
    /// # Errors
    /// [`StoreError::UnknownImage`] if one wanted has no live row, before any is handed out; what `f` returns,
    /// or what is damaged or missing.
    pub fn thumbnails<E: From<StoreError>>(
        &self,
        wanted: Option<&[ImageId]>,
        mut f: impl FnMut(ImageId, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_thumb_batch(wanted, columns::THUMBNAIL, 256, |batch| {
            let thumbnails: &BinaryArray = batch.column(columns::THUMBNAIL)?;
            for (id, thumbnail) in batch.ids()?.zip(thumbnails.iter().flatten()) {
                if !self.is_retired(id) {
                    f(id, thumbnail)?;
                }
            }
            Ok(())
        })
    }

    /// The 32x32 RGB pixels of all live images, by id: [`PIXELS_LEN`] bytes an image.
    ///
    /// # Errors
    /// What is damaged or missing.
    pub fn pixels(&self) -> Result<(Vec<ImageId>, Vec<u8>), StoreError> {
        let (mut ids, mut pixels) = (Vec::new(), Vec::new());
        self.for_each_thumb_batch(None, columns::PIXELS, 1024, |batch| {
            let column: &FixedSizeBinaryArray = batch.column(columns::PIXELS)?;
            for (id, row) in batch.ids()?.zip(column.iter().flatten()) {
                if !self.is_retired(id) {
                    ids.push(id);
                    pixels.extend_from_slice(row);
                }
            }
            Ok::<_, StoreError>(())
        })?;
        debug_assert_eq!(pixels.len(), ids.len() * PIXELS_LEN, "the column's type says how long a row is");
        Ok((ids, pixels))
    }

    /// Every live reject, by id.
    ///
    /// # Errors
    /// What is damaged or missing.
    pub fn rejects(&self) -> Result<Vec<RejectRow>, StoreError> {
        use columns::{IMAGE_ID, MESSAGE, MTIME_NS, PATH, PATH_BYTES, REASON, SIZE_BYTES, SOURCE};
        let wanted = [IMAGE_ID, PATH, PATH_BYTES, SOURCE, SIZE_BYTES, MTIME_NS, REASON, MESSAGE];
        let mut rejects = Vec::new();
        for shard in self.commits().iter().filter_map(|commit| commit.rejects.as_ref()) {
            self.open_rejects(shard)?.for_each(&wanted, SMALL_ROWS, None, |batch| {
                let source = batch.numbers::<UInt32Type>(SOURCE)?;
                let size_bytes = batch.numbers::<UInt64Type>(SIZE_BYTES)?;
                let mtime_ns = batch.numbers::<Int64Type>(MTIME_NS)?;
                let reason: &StringArray = batch.column(REASON)?;
                let message: &StringArray = batch.column(MESSAGE)?;
                for (i, (image_id, (path, _))) in batch.ids()?.zip(batch.paths()?).enumerate() {
                    if self.is_retired(image_id) {
                        continue;
                    }
                    rejects.push(RejectRow {
                        image_id,
                        path,
                        source: source[i],
                        size_bytes: size_bytes[i],
                        mtime_ns: mtime_ns[i],
                        reason: reason.value(i).to_owned(),
                        message: message.value(i).to_owned(),
                    });
                }
                Ok::<_, StoreError>(())
            })?;
        }
        Ok(rejects)
    }

    fn for_each_feature_batch<E: From<StoreError>>(
        &self,
        wanted: &[&str],
        batch_rows: usize,
        mut f: impl FnMut(&Batch<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for shard in self.commits().iter().filter_map(|commit| commit.features.as_ref()) {
            self.open_features(shard)?.for_each(wanted, batch_rows, None, &mut f)?;
        }
        Ok(())
    }

    fn for_each_thumb_batch<E: From<StoreError>>(
        &self,
        wanted: Option<&[ImageId]>,
        column: &str,
        batch_rows: usize,
        mut f: impl FnMut(&Batch<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let wanted = wanted.map(|ids| self.classify(ids)).transpose()?;
        if let Some((_, rejects)) = &wanted
            && let Some(&image_id) = rejects.first()
        {
            return Err(StoreError::UnknownImage { image_id, path: self.root().to_owned() }.into());
        }
        for shard in self.commits().iter().filter_map(|commit| commit.thumbs.as_ref()) {
            let wanted = wanted.as_ref().map(|(ids, _)| within(ids, shard));
            if wanted.is_some_and(<[ImageId]>::is_empty) {
                continue;
            }
            let table = Table::open_shard(self.root(), shard, &thumb_table(), &self.verified)?;
            let rows = wanted.map(|ids| Ok::<_, StoreError>(positions(&table.ids()?, ids))).transpose()?;
            table.for_each(&[columns::IMAGE_ID, column], batch_rows, rows.as_deref(), &mut f)?;
        }
        Ok(())
    }

    pub(crate) fn open_features(&self, shard: &ShardFile) -> Result<Table, StoreError> {
        Table::open_shard(self.root(), shard, &self.manifest().schema.feature_table(), &self.verified)
    }

    fn open_rejects(&self, shard: &ShardFile) -> Result<Table, StoreError> {
        Table::open_shard(self.root(), shard, &reject_table(), &self.verified)
    }

    fn live(&self, batch: &Batch<'_>) -> Result<Live, StoreError> {
        let ids = batch.ids()?;
        let rows: Vec<usize> =
            ids.clone().enumerate().filter(|&(_, id)| !self.is_retired(id)).map(|(i, _)| i).collect();
        Ok(match rows.len() {
            0 => Live::None,
            n if n == batch.num_rows() => Live::All(ids.collect()),
            _ => Live::Some(ids.filter(|&id| !self.is_retired(id)).collect(), rows),
        })
    }
}

/// What an [`ImageRecord`] is made of.
pub(crate) const IMAGE_COLUMNS: [&str; 9] = [
    columns::IMAGE_ID,
    columns::PATH,
    columns::PATH_BYTES,
    columns::LABEL,
    columns::CONTENT_HASH,
    columns::WIDTH,
    columns::HEIGHT,
    columns::SOURCE,
    columns::TOP_CLASSES,
];

/// Appends the records of those images of a batch that pass `keep`.
pub(crate) fn image_records(
    batch: &Batch<'_>,
    keep: impl Fn(ImageId) -> bool,
    images: &mut Vec<ImageRecord>,
) -> Result<(), StoreError> {
    use columns::{CONTENT_HASH, HEIGHT, LABEL, SOURCE, TOP_CLASSES, WIDTH};
    let labels: &StringArray = batch.nullable(LABEL)?;
    let hashes = batch.digests(CONTENT_HASH)?;
    let [width, height, source] = [WIDTH, HEIGHT, SOURCE].map(|c| batch.numbers::<UInt32Type>(c));
    let (width, height, source) = (width?, height?, source?);
    let classes: &ListArray = batch.column(TOP_CLASSES)?;
    for (i, (image_id, (path, display_path))) in batch.ids()?.zip(batch.paths()?).enumerate() {
        if !keep(image_id) {
            continue;
        }
        images.push(ImageRecord {
            image_id,
            path,
            display_path,
            label: label(labels, i),
            width: width[i],
            height: height[i],
            source: source[i],
            content_hash: hashes[i],
            top_classes: top_classes(classes, i),
        });
    }
    Ok(())
}

/// Which rows of a batch are live.
enum Live {
    All(Vec<ImageId>),
    Some(Vec<ImageId>, Vec<usize>),
    None,
}

fn view(values: &[f32], dim: usize) -> RowsView<'_> {
    RowsView::new(values, dim).expect("whole rows were taken")
}

fn gather<T: Copy>(values: &[T], len: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|&row| &values[row * len..(row + 1) * len]).copied().collect()
}

fn block_rows(row_bytes: usize) -> usize {
    (BLOCK_BYTES / row_bytes.max(1)).clamp(1, SMALL_ROWS)
}

/// The part of ascending `ids` inside a shard's range.
pub(crate) fn within<'a>(ids: &'a [ImageId], shard: &ShardFile) -> &'a [ImageId] {
    let from = ids.partition_point(|id| *id < shard.first_id);
    let to = ids.partition_point(|id| *id <= shard.last_id);
    &ids[from..to]
}

/// Where in ascending `rows` the ascending `ids` are, as ranges of one.
pub(crate) fn positions(rows: &[ImageId], ids: &[ImageId]) -> Vec<Range<usize>> {
    ids.iter().filter_map(|id| rows.binary_search(id).ok()).map(|at| at..at + 1).collect()
}

fn label(labels: &StringArray, i: usize) -> Option<String> {
    labels.is_valid(i).then(|| labels.value(i).to_owned())
}

fn top_classes(lists: &ListArray, i: usize) -> Vec<(u32, f32)> {
    let list = lists.value(i);
    let items = list.as_struct();
    let class = items.column(0).as_primitive::<UInt32Type>().values();
    let score = items.column(1).as_primitive::<Float32Type>().values();
    class.iter().copied().zip(score.iter().copied()).collect()
}
