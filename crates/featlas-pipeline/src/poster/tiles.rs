//! The pictures on a poster: thumbnails of the atlas, or the originals where a place is large.

use super::data::PosterData;
use crate::atlas::{decode_options, sources_of};
use crate::{PipelineError, TileSource};
use featlas_core::{Progress, RgbImage};
use featlas_extract::{THUMBNAIL_SIDE_PX, open_original};
use featlas_image::{DecodeOptions, Source, decode, thumbnail};
use featlas_render::Tiles;
use featlas_store::Atlas;
use std::sync::atomic::{AtomicBool, Ordering};

/// Places of up to this side show thumbnails, enlarged to at most twice their size; reading thousands of
/// photographs for less would cost minutes and hardly be seen.
const LARGEST_FROM_THUMBNAIL_PX: u32 = 2 * THUMBNAIL_SIDE_PX;

/// The pictures of all images, by row of the map.
pub(crate) struct AtlasTiles<'a> {
    data: &'a PosterData,
    /// Where the originals are, and the side from which on they are read.
    originals: Option<(Vec<Source>, u32)>,
    /// Images whose original was wanted but is gone or changed.
    gone: Vec<AtomicBool>,
}

impl<'a> AtlasTiles<'a> {
    /// Opens what `wanted` needs. Where the sources themselves are gone, the thumbnails must do.
    pub(crate) fn open(
        atlas: &Atlas,
        data: &'a PosterData,
        wanted: TileSource,
        progress: &dyn Progress,
    ) -> Result<Self, PipelineError> {
        let above = match wanted {
            TileSource::Thumbs => None,
            TileSource::Auto => Some(LARGEST_FROM_THUMBNAIL_PX),
            TileSource::Originals => Some(THUMBNAIL_SIDE_PX),
        };
        let originals = above.map(|side_px| Ok((sources_of(atlas)?, side_px)));
        let originals = match originals.transpose() {
            Ok(originals) => originals,
            Err(err) if wanted == TileSource::Auto => {
                let err: PipelineError = err;
                progress.warn(&format!("large pictures are made from thumbnails: {err}"));
                None
            }
            Err(err) => return Err(err),
        };
        Ok(Self { data, originals, gone: (0..data.len()).map(|_| AtomicBool::new(false)).collect() })
    }

    /// Only thumbnails.
    pub(crate) fn thumbnails(data: &'a PosterData) -> Self {
        Self { data, originals: None, gone: Vec::new() }
    }

    /// Says how many pictures are less than what was asked for.
    pub(crate) fn warn(&self, missing: usize, progress: &dyn Progress) {
        let gone = self.gone.iter().filter(|gone| gone.load(Ordering::Relaxed)).count();
        if gone > 0 {
            progress.warn(&format!(
                "{gone} of {} pictures are made from thumbnails: their originals are gone or changed",
                self.data.len()
            ));
        }
        if missing > 0 {
            progress.warn(&format!("{missing} pictures are blank: their thumbnails cannot be read"));
        }
    }

    /// The original, no larger than its place needs; `None` where the thumbnail does as well.
    fn original(&self, row: usize, side_px: u32) -> Option<RgbImage> {
        let (sources, above) = self.originals.as_ref()?;
        let record = &self.data.records[row];
        if side_px <= *above || record.width.max(record.height) <= THUMBNAIL_SIDE_PX {
            return None;
        }
        let Ok(image) = open_original(sources, record, &decode_options()) else {
            self.gone[row].store(true, Ordering::Relaxed);
            return None;
        };
        // Cut to a square, the shorter side fills the place.
        let (long, short) = (image.width().max(image.height()), image.width().min(image.height()));
        let most = (u64::from(side_px) * u64::from(long)).div_ceil(u64::from(short));
        Some(thumbnail(&image, u32::try_from(most).unwrap_or(u32::MAX)))
    }
}

impl Tiles for AtlasTiles<'_> {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn tile(&self, i: usize, side_px: u32) -> Option<RgbImage> {
        if let Some(image) = self.original(i, side_px) {
            return Some(image);
        }
        let jpeg = self.data.thumbnails.get(i)?.as_deref()?;
        Some(decode(jpeg, &DecodeOptions::default()).ok()?.image)
    }
}

/// A tile a cell, the same image in several cells where the map is empty.
pub(crate) struct FillTiles<'a> {
    pub(crate) images: &'a AtlasTiles<'a>,
    /// The image of each cell.
    pub(crate) nearest: Vec<usize>,
}

impl Tiles for FillTiles<'_> {
    fn len(&self) -> usize {
        self.nearest.len()
    }

    fn tile(&self, i: usize, side_px: u32) -> Option<RgbImage> {
        self.images.tile(*self.nearest.get(i)?, side_px)
    }
}
