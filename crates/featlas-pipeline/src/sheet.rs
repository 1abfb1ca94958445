//! Contact sheets: images of the atlas and their neighbors.

use crate::PipelineError;
use featlas_core::{ImageId, Neighbor, RgbImage};
use featlas_image::{DecodeOptions, decode};
use featlas_render::{SheetItem, SheetParams, SheetRow, contact_sheet};
use featlas_store::{Atlas, ImageRecord};
use std::collections::BTreeMap;

/// The thumbnails of `ids`, decoded; damaged ones are left out.
pub(crate) fn decode_thumbnails(
    atlas: &Atlas,
    ids: &[ImageId],
) -> Result<BTreeMap<ImageId, RgbImage>, PipelineError> {
    let mut thumbnails = BTreeMap::new();
    atlas.thumbnails(Some(ids), |id, jpeg| {
        if let Ok(decoded) = decode(jpeg, &DecodeOptions::default()) {
            thumbnails.insert(id, decoded.image);
        }
        Ok::<(), PipelineError>(())
    })?;
    Ok(thumbnails)
}

/// A contact sheet of images of the atlas and their neighbors.
pub(crate) fn sheet_of_neighbors(
    rows: &[(ImageId, Vec<Neighbor>)],
    records: &BTreeMap<ImageId, &ImageRecord>,
    thumbnails: &BTreeMap<ImageId, RgbImage>,
) -> Result<RgbImage, PipelineError> {
    let picture = |id: &ImageId| thumbnails.get(id).cloned().unwrap_or_else(blank);
    let path = |id: &ImageId| records.get(id).map_or_else(String::new, |record| record.display_path.clone());
    let row = |(id, found): &(ImageId, Vec<Neighbor>)| SheetRow {
        title: path(id),
        query: Some(picture(id)),
        items: found
            .iter()
            .map(|neighbor| SheetItem {
                image: picture(&neighbor.id),
                caption: format!("{:.3}", neighbor.distance),
                sub: path(&neighbor.id),
            })
            .collect(),
    };
    let rows: Vec<SheetRow> = rows.iter().map(row).collect();
    Ok(contact_sheet(&rows, &SheetParams::default())?)
}

/// Stands for a thumbnail that cannot be read.
pub(crate) fn blank() -> RgbImage {
    RgbImage::filled(1, 1, [128, 128, 128])
}
