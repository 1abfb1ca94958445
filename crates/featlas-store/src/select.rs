//! Some rows of the table, by id, without reading the rest.

use crate::atlas::Atlas;
use crate::commit::ShardFile;
use crate::error::StoreError;
use crate::read::Batch;
use crate::rows::ImageRecord;
use crate::schema::columns;
use crate::table::{IMAGE_COLUMNS, image_records, positions, within};
use arrow::datatypes::Float32Type;
use featlas_core::{ImageId, RowsView};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 512;

impl Atlas {
    /// The ids of all live images, ascending.
    ///
    /// # Errors
    /// What is damaged or missing.
    pub fn live_ids(&self) -> Result<Vec<ImageId>, StoreError> {
        let mut ids = Vec::new();
        for shard in self.feature_shards() {
            ids.extend(self.open_features(shard)?.ids()?.into_iter().filter(|&id| !self.is_retired(id)));
        }
        Ok(ids)
    }

    /// The records of those of `wanted`, ascending, that are live, by id. Only shards that hold one of them are opened.
    ///
    /// # Errors
    /// What is damaged or missing.
    pub fn images_of(&self, wanted: &[ImageId]) -> Result<Vec<ImageRecord>, StoreError> {
        let mut images = Vec::new();
        self.for_each_selected(wanted, &IMAGE_COLUMNS, |batch| {
            image_records(batch, |id| !self.is_retired(id), &mut images)
        })?;
        Ok(images)
    }

    /// Hands out the features of those of `wanted`, ascending, that are live, by id, a row at a time. Only shards that hold one
    /// of them are opened.
    ///
    /// # Errors
    /// What `f` returns, or what is damaged or missing.
    ///
    /// # Panics
    /// Never: a shard was checked to hold whole rows.
    pub fn for_each_feature_of<E: From<StoreError>>(
        &self,
        wanted: &[ImageId],
        mut f: impl FnMut(ImageId, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let schema = &self.manifest().schema;
        let (column, dim) = (schema.feature_column.as_str(), schema.dim);
        self.for_each_selected(wanted, &[columns::IMAGE_ID, column], |batch| {
            let rows =
                RowsView::new(batch.items::<Float32Type>(column, dim)?, dim).expect("rows of `dim` items");
            for (id, row) in batch.ids()?.zip(rows) {
                if !self.is_retired(id) {
                    f(id, row)?;
                }
            }
            Ok(())
        })
    }

    fn for_each_selected<E: From<StoreError>>(
        &self,
        wanted: &[ImageId],
        names: &[&str],
        mut f: impl FnMut(&Batch<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for shard in self.feature_shards() {
            let ids = within(wanted, shard);
            if ids.is_empty() {
                continue;
            }
            let table = self.open_features(shard)?;
            let rows = positions(&table.ids()?, ids);
            if !rows.is_empty() {
                table.for_each(names, BATCH_ROWS, Some(&rows), &mut f)?;
            }
        }
        Ok(())
    }

    fn feature_shards(&self) -> impl Iterator<Item = &ShardFile> {
        self.commits().iter().filter_map(|commit| commit.features.as_ref())
    }
}
