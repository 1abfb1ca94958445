//! From settings to a picture.

use super::data::PosterData;
use super::seams::seams_of;
use super::tiles::{AtlasTiles, FillTiles};
use crate::{PipelineError, PosterFit, PosterKind, PosterSettings, ShowLabels};
use featlas_core::Progress;
use featlas_embed::GridShape;
use featlas_render::color::{Color, PAPER, parse_color};
use featlas_render::{
    GridPoster, LabelMark, Picture, PointsPoster, ScatterPoster, grid_picture, points_picture,
    scatter_picture,
};
use featlas_store::Atlas;

/// Space between the cells of a grid, in pixels, when none is asked for.
const GAP_PX: u32 = 2;
/// With seams between them: this share of the poster's side, and never less than the plain gap.
const SEAM_GAP_SHARE: u32 = 800;

/// Draws the poster that `settings` describe, and hands the picture to `write`.
pub(super) fn draw<T>(
    atlas: &Atlas,
    data: &PosterData,
    settings: &PosterSettings,
    progress: &dyn Progress,
    write: &mut dyn FnMut(&dyn Picture) -> Result<T, PipelineError>,
) -> Result<T, PipelineError> {
    check(settings)?;
    let labels = labels_of(data, settings, progress);
    let images = AtlasTiles::open(atlas, data, settings.tiles, progress)?;
    let title = settings.title.clone();
    let subtitle = title.is_some().then(|| data.caption.clone());
    let background = background_of(settings)?;
    let mark = match settings.labels {
        ShowLabels::None => LabelMark::None,
        ShowLabels::Border => LabelMark::Border,
        ShowLabels::Tint => LabelMark::Tint,
    };
    let mut finish = |picture: &dyn Picture| {
        let written = write(picture)?;
        images.warn(picture.num_missing(), progress);
        Ok(written)
    };
    match settings.kind {
        PosterKind::Grid | PosterKind::Fill => {
            let shape = shape_of(data, settings)?;
            let mut poster = GridPoster {
                columns: shape.columns,
                rows: shape.rows,
                size_px: Some(settings.size_px),
                gap_px: settings.gap_px.unwrap_or(match (settings.seam, settings.kind) {
                    (true, _) => GAP_PX.max(settings.size_px / SEAM_GAP_SHARE),
                    (false, PosterKind::Fill) => 0,
                    (false, _) => GAP_PX,
                }),
                background,
                title,
                subtitle,
                crop: settings.fit != Some(PosterFit::Letterbox),
                mark,
                legend: settings.legend,
                ..GridPoster::default()
            };
            if settings.kind == PosterKind::Fill {
                let nearest = featlas_embed::nearest_points(&data.map, shape)?;
                poster.cell_of = (0..shape.cells()).collect();
                poster.labels = nearest.iter().filter_map(|&row| labels.get(row).cloned()).collect();
                let tiles = FillTiles { images: &images, nearest };
                return finish(&grid_picture(&poster, &tiles)?);
            }
            poster.cell_of = data.grid(shape, progress)?;
            poster.labels = labels;
            if settings.seam {
                poster.seams = Some(seams_of(atlas, data, shape, &poster.cell_of, progress)?);
            }
            finish(&grid_picture(&poster, &images)?)
        }
        PosterKind::Scatter => {
            let poster = ScatterPoster {
                size_px: settings.size_px,
                background,
                title,
                subtitle,
                crop: settings.fit == Some(PosterFit::Crop),
                labels,
                mark,
                legend: settings.legend,
                ..ScatterPoster::default()
            };
            finish(&scatter_picture(&data.map, &images, &poster)?)
        }
        PosterKind::Points => {
            let poster = PointsPoster {
                size_px: settings.size_px,
                background,
                title: title.or_else(|| Some("t-SNE".to_owned())),
                subtitle: Some(data.caption.clone()),
                legend: settings.legend,
                ..PointsPoster::default()
            };
            finish(&points_picture(&data.map, &data.labels(), &poster)?)
        }
    }
}

/// Refuses settings that do not go together, before anything is read or drawn.
fn check(settings: &PosterSettings) -> Result<(), PipelineError> {
    let kind = settings.kind.name();
    let refuse = |setting, problem: String| Err(PipelineError::Setting { setting, problem });
    let gridded = matches!(settings.kind, PosterKind::Grid | PosterKind::Fill);
    for (setting, given) in [
        ("columns", settings.columns.is_some()),
        ("rows", settings.rows.is_some()),
        ("aspect", settings.aspect.is_some()),
        ("gap-px", settings.gap_px.is_some()),
    ] {
        if given && !gridded {
            return refuse(setting, format!("is for the kinds grid and fill, got {kind}"));
        }
    }
    if settings.seam && settings.kind != PosterKind::Grid {
        return refuse("seam", format!("is for the kind grid, got {kind}"));
    }
    if settings.aspect.is_some_and(|aspect| !(aspect.is_finite() && (0.01..=100.0).contains(&aspect))) {
        return refuse("aspect", "expected a ratio of width to height from 0.01 to 100".to_owned());
    }
    if settings.kind == PosterKind::Points {
        for (setting, given) in
            [("labels", settings.labels != ShowLabels::None), ("fit", settings.fit.is_some())]
        {
            if given {
                return refuse(setting, "is for the kinds that show images, got points".to_owned());
            }
        }
    }
    background_of(settings).map(drop)
}

fn background_of(settings: &PosterSettings) -> Result<Color, PipelineError> {
    let Some(text) = &settings.background else { return Ok(PAPER) };
    parse_color(text).ok_or_else(|| PipelineError::Setting {
        setting: "background",
        problem: format!("expected paper, white, night, black or #rrggbb, got `{text}`"),
    })
}

fn shape_of(data: &PosterData, settings: &PosterSettings) -> Result<GridShape, PipelineError> {
    let PosterSettings { columns, rows, aspect, .. } = *settings;
    if columns.is_none() && rows.is_none() && aspect.is_none() {
        return Ok(data.shape);
    }
    // A fill shows as many images as it has cells.
    let n =
        if settings.kind == PosterKind::Fill && columns.is_some() && rows.is_some() { 1 } else { data.len() };
    Ok(featlas_embed::grid_of(n, columns, rows, aspect.unwrap_or(1.0))?)
}

/// The labels to show; where there is none, that is said, and nothing is shown.
fn labels_of(data: &PosterData, settings: &PosterSettings, progress: &dyn Progress) -> Vec<Option<String>> {
    let wanted = settings.labels != ShowLabels::None || settings.kind == PosterKind::Points;
    if !wanted {
        return Vec::new();
    }
    let labels = data.labels();
    if labels.iter().all(Option::is_none) {
        let shown = if settings.kind == PosterKind::Points { "all dots are gray" } else { "none is shown" };
        progress.warn(&format!("no image has a label: {shown}"));
    }
    labels
}
