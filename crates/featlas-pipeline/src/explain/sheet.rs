//! The contact sheet of several explained images.

use super::drawing::Drawing;
use crate::PipelineError;
use featlas_core::RgbImage;
use featlas_net::Model;
use featlas_render::{Fit, SheetItem, SheetParams, SheetRow, contact_sheet, fit};
use std::path::Path;

/// Most images that a contact sheet shows.
const MOST_SHOWN: usize = 1_000;

/// Small pictures of all images, collected on the way.
#[derive(Debug)]
pub(super) struct Glances {
    items: Vec<SheetItem>,
    tile_px: u32,
    left_out: usize,
}

impl Glances {
    /// For about `count` images.
    pub(super) fn new(count: usize) -> Self {
        let tile_px = match count {
            0..=40 => 256,
            41..=200 => 168,
            _ => 112,
        };
        Self { items: Vec::new(), tile_px, left_out: 0 }
    }

    pub(super) fn add(&mut self, drawing: &Drawing, stem: &Path) {
        if self.items.len() == MOST_SHOWN {
            self.left_out += 1;
            return;
        }
        self.items.push(SheetItem {
            image: fit(&drawing.glance, self.tile_px, self.tile_px, Fit::Letterbox),
            caption: drawing.caption.clone(),
            sub: stem.display().to_string(),
        });
    }

    /// The sheet; none for fewer than two images.
    pub(super) fn draw(self, method: &str, model: &Model) -> Result<Option<RgbImage>, PipelineError> {
        if self.items.len() < 2 {
            return Ok(None);
        }
        let count = self.items.len();
        let title = match self.left_out {
            0 => format!("{count} images"),
            more => format!("the first {count} of {} images", count + more),
        };
        let columns = count.isqrt() + usize::from(count.isqrt().pow(2) < count);
        let row = SheetRow { title, query: None, items: self.items };
        let params = SheetParams {
            tile_px: self.tile_px,
            columns: columns.max(2),
            title: Some(format!("{method} · {}", model.name())),
            ..SheetParams::default()
        };
        Ok(Some(contact_sheet(&[row], &params)?))
    }
}
