//! The poster stage: the maps, drawn.

mod data;
mod draw;
mod seams;
mod tiles;
mod write;

use crate::embed;
use crate::stage::{Stage, name};
use crate::{PipelineError, PosterFormat, PosterSettings, Space, StageSummary};
use featlas_core::Progress;
use featlas_image::encode_jpeg;
use featlas_render::{Picture as _, Previewed};
use featlas_store::Atlas;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) use data::PosterData;
pub(crate) use tiles::AtlasTiles;
pub(crate) use write::TILE_QUALITY;

/// Longer side of the preview that the report shows.
const PREVIEW_SIDE_PX: u32 = 1500;
const PREVIEW_QUALITY: u8 = 88;
/// How the file of a preview ends, which stands beside its poster.
pub(crate) const PREVIEW_ENDING: &str = ".preview.jpg";

/// Draws every poster of `settings` if a map, a thumbnail or a setting changed.
///
/// # Errors
/// An atlas without maps, a damaged map or thumbnail shard, settings that do not go together, a full disk.
pub fn posters(
    atlas: &mut Atlas,
    settings: &[PosterSettings],
    progress: &dyn Progress,
) -> Result<StageSummary, PipelineError> {
    let spaces = spaces_of(settings);
    let upstream: Vec<&str> = spaces.iter().map(|&space| embed::stage_name(space)).collect();
    let stage = Stage::of(atlas, name::POSTER, &upstream, &settings)?;
    if stage.is_fresh(atlas) {
        return Ok(StageSummary::fresh(name::POSTER));
    }
    let _lock = atlas.lock()?;
    let data: BTreeMap<&str, PosterData> = spaces
        .into_iter()
        .map(|space| Ok((space.name(), PosterData::open(atlas, space)?)))
        .collect::<Result<_, PipelineError>>()?;
    stage.begin(atlas)?;
    let mut outputs = Vec::new();
    let mut figures = serde_json::Map::new();
    for poster in settings {
        let stem = stem_of(settings, poster);
        let data = &data[poster.space.name()];
        let (files, size) = draw::draw(atlas, data, poster, progress, &mut |picture| {
            let picture = Previewed::new(picture, PREVIEW_SIDE_PX);
            let mut files = write::write_into_atlas(atlas, &picture, poster.format, &stem, progress)?;
            let preview = encode_jpeg(&picture.preview(), PREVIEW_QUALITY)?;
            files.push(atlas.write_file(&format!("{stem}{PREVIEW_ENDING}"), &preview)?);
            let size = json!({
                "kind": poster.kind.name(),
                "width_px": picture.width(),
                "height_px": picture.height(),
                "images": picture.num_images(),
                "missing": picture.num_missing(),
            });
            Ok((files, size))
        })?;
        figures.insert(files[0].file.clone(), size);
        outputs.extend(files);
    }
    let count = settings.len() as u64;
    let secs = stage.finish(atlas, outputs)?;
    Ok(StageSummary::done(name::POSTER, secs, count, "posters", figures.into()))
}

/// The spaces whose maps are drawn; the features' where there is no poster at all.
fn spaces_of(settings: &[PosterSettings]) -> Vec<Space> {
    let drawn = |space: &Space| settings.iter().any(|poster| poster.space == *space);
    let spaces: Vec<Space> = [Space::Fc7, Space::Pixels].into_iter().filter(drawn).collect();
    if spaces.is_empty() { vec![Space::Fc7] } else { spaces }
}

/// The name of a poster without its ending: its kind, numbered from the second of a kind on.
fn stem_of(settings: &[PosterSettings], poster: &PosterSettings) -> String {
    let kind = poster.kind.name();
    let mut same = settings.iter().filter(|other| other.kind == poster.kind);
    match same.position(|other| std::ptr::eq(other, poster)) {
        None | Some(0) => format!("posters/{kind}"),
        Some(number) => format!("posters/{kind}-{}", number + 1),
    }
}

/// Draws one poster into `out`, a file of the user's own. Returns what was drawn, for people.
///
/// # Errors
/// As [`posters`]; a name that ends in no format.
pub fn draw_poster(
    atlas: &Atlas,
    settings: &PosterSettings,
    out: &Path,
    progress: &dyn Progress,
) -> Result<String, PipelineError> {
    let format = PosterFormat::of_file(out)?;
    let data = PosterData::open(atlas, settings.space)?;
    draw::draw(atlas, &data, settings, progress, &mut |picture| {
        write::write_to_file(picture, format, out, progress)?;
        Ok(format!(
            "{} images, {} x {} px -> {}",
            picture.num_images(),
            picture.width(),
            picture.height(),
            out.display()
        ))
    })
}
