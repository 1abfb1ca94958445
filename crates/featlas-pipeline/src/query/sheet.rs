//! Answers as a contact sheet.

use super::Answer;
use crate::sheet::{blank, decode_thumbnails};
use crate::{PipelineError, Space};
use featlas_core::RgbImage;
use featlas_render::{SheetItem, SheetParams, SheetRow, contact_sheet};
use featlas_store::Atlas;
use std::collections::BTreeSet;
use std::path::Path;

/// Draws the answers as a contact sheet: a row an answer.
///
/// # Errors
/// A damaged thumbnail shard.
pub fn query_sheet(atlas: &Atlas, answers: &[Answer]) -> Result<RgbImage, PipelineError> {
    let wanted: BTreeSet<_> =
        answers.iter().flat_map(|answer| answer.neighbors.iter().map(|found| found.neighbor.id)).collect();
    let thumbnails = decode_thumbnails(atlas, &wanted.into_iter().collect::<Vec<_>>())?;
    let several_spaces = answers.iter().any(|answer| answer.space != answers[0].space);
    let rows: Vec<SheetRow> = answers
        .iter()
        .map(|answer| SheetRow {
            title: title_of(answer, several_spaces),
            query: answer.image.clone(),
            items: answer
                .neighbors
                .iter()
                .map(|found| SheetItem {
                    image: thumbnails.get(&found.neighbor.id).cloned().unwrap_or_else(blank),
                    caption: answer.space.distance_text(found.neighbor.distance),
                    sub: found.record.display_path.clone(),
                })
                .collect(),
        })
        .collect();
    Ok(contact_sheet(&rows, &SheetParams::default())?)
}

fn title_of(answer: &Answer, with_space: bool) -> String {
    let name = Path::new(&answer.query).file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| answer.query.clone());
    match (with_space, answer.space) {
        (false, _) => name,
        (true, Space::Fc7) => format!("{name}: what the network sees as alike"),
        (true, Space::Pixels) => format!("{name}: what raw pixels call alike"),
    }
}
