//! The poster stage: the maps, drawn.

use crate::embed::MapNames;
use crate::stage::{Stage, name};
use crate::{PipelineError, PosterKind, PosterSettings, Space, StageSummary};
use featlas_core::{ImageId, Progress, RgbImage};
use featlas_image::{DecodeOptions, decode};
use featlas_render::{
    GridPoster, PointsPoster, PosterReport, ScatterPoster, Tiles, grid_poster, points_poster, scatter_poster,
};
use featlas_store::Atlas;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

const EMBED_COMMAND: &str = "featlas embed ATLAS";

/// Draws every poster of `settings` if a map, a thumbnail or a setting changed.
///
/// # Errors
/// An atlas without maps, a damaged map or thumbnail shard, a full disk.
pub fn posters(
    atlas: &mut Atlas,
    settings: &[PosterSettings],
    progress: &dyn Progress,
) -> Result<StageSummary, PipelineError> {
    let stage = Stage::of(atlas, name::POSTER, &[name::EMBED], &settings)?;
    if stage.is_fresh(atlas) {
        return Ok(StageSummary::fresh(name::POSTER));
    }
    let _lock = atlas.lock()?;
    let canvas = Canvas::open(atlas)?;
    stage.begin(atlas)?;
    let mut outputs = Vec::new();
    let mut figures = serde_json::Map::new();
    for poster in settings {
        let kind = poster.kind.name();
        let file = file_of(settings, poster);
        let mut out = atlas.create_file(&file)?;
        let report = canvas.draw(poster, &mut out, progress)?;
        outputs.push(out.commit()?);
        figures.insert(
            file,
            json!({ "kind": kind, "width_px": report.width, "height_px": report.height, "images": report.tiles, "missing": report.missing }),
        );
    }
    let count = outputs.len() as u64;
    let secs = stage.finish(atlas, outputs)?;
    Ok(StageSummary::done(name::POSTER, secs, count, "posters", figures.into()))
}

/// The file of a poster: its kind, numbered from the second of a kind on.
fn file_of(settings: &[PosterSettings], poster: &PosterSettings) -> String {
    let kind = poster.kind.name();
    let same = settings.iter().filter(|other| other.kind == poster.kind);
    match same.clone().position(|other| std::ptr::eq(other, poster)) {
        None | Some(0) => format!("posters/{kind}.png"),
        Some(number) => format!("posters/{kind}-{}.png", number + 1),
    }
}

/// Draws one poster into `out`, a file of the user's own. Returns what was drawn, for people.
///
/// # Errors
/// As [`posters`].
pub fn draw_poster(
    atlas: &Atlas,
    settings: &PosterSettings,
    out: &Path,
    progress: &dyn Progress,
) -> Result<String, PipelineError> {
    let canvas = Canvas::open(atlas)?;
    let partial = crate::picture::partial_of(out);
    let mut file = BufWriter::new(fs_err::File::create(&partial)?);
    let drawn = canvas.draw(settings, &mut file, progress);
    let report = match drawn.and_then(|report| Ok(file.flush().map(|()| report)?)) {
        Ok(report) => report,
        Err(err) => {
            drop(fs_err::remove_file(&partial));
            return Err(err);
        }
    };
    drop(file);
    fs_err::rename(&partial, out)?;
    let PosterReport { width, height, tiles, .. } = report;
    Ok(format!("{tiles} images, {width} x {height} px -> {}", out.display()))
}

/// What every poster is drawn from. Memory: the compressed thumbnails, about 4 KB an image.
struct Canvas {
    labels: Vec<Option<String>>,
    thumbnails: Vec<Option<Vec<u8>>>,
    tsne: Vec<f32>,
    cells: Vec<(usize, usize)>,
    caption: String,
}

impl Canvas {
    fn open(atlas: &Atlas) -> Result<Self, PipelineError> {
        let embed = Stage::of(atlas, name::EMBED, &[], &())?;
        let root = || atlas.root().to_owned();
        let Some(record) = atlas.manifest().stages.get(name::EMBED) else {
            return Err(PipelineError::Missing { what: "map", command: EMBED_COMMAND, atlas: root() });
        };
        if record.inputs != embed.inputs() {
            return Err(PipelineError::Stale { what: "map", command: EMBED_COMMAND, atlas: root() });
        }
        let names = MapNames::of(Space::Fc7);
        let read = |map: &str| -> Result<Vec<(ImageId, f32, f32)>, PipelineError> {
            Ok(featlas_store::read_map(atlas, map)?.points)
        };
        let tsne = read(names.tsne)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "cells are small whole numbers"
        )]
        let cells = read(names.grid)?.iter().map(|&(_, x, y)| (x as usize, y as usize)).collect();

        let rows: BTreeMap<ImageId, usize> = tsne.iter().map(|&(id, ..)| id).zip(0..).collect();
        let mut labels = vec![None; rows.len()];
        for record in atlas.images()? {
            if let Some(&row) = rows.get(&record.image_id) {
                labels[row] = record.label;
            }
        }
        let mut thumbnails = vec![None; rows.len()];
        atlas.thumbnails(None, |id, jpeg| {
            if let Some(&row) = rows.get(&id) {
                thumbnails[row] = Some(jpeg.to_vec());
            }
            Ok::<(), PipelineError>(())
        })?;
        let model = atlas.manifest().fingerprint.get("model").unwrap_or_default().to_owned();
        let caption =
            format!("{} images, {} {}, t-SNE", rows.len(), model, atlas.manifest().schema.feature_column);
        let tsne = tsne.into_iter().flat_map(|(_, x, y)| [x, y]).collect();
        Ok(Self { labels, thumbnails, tsne, cells, caption })
    }

    fn draw(
        &self,
        settings: &PosterSettings,
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<PosterReport, PipelineError> {
        let title = settings.title.clone();
        let subtitle = title.is_some().then(|| self.caption.clone());
        let report = match settings.kind {
            PosterKind::Grid => {
                let (columns, rows) = self.grid_shape();
                let cell_of = self.cells.iter().map(|&(x, y)| y * columns + x).collect();
                let size_px = Some(settings.size_px);
                let poster =
                    GridPoster { columns, rows, cell_of, size_px, title, subtitle, ..GridPoster::default() };
                grid_poster(&poster, self, progress, out)
            }
            PosterKind::Fill => {
                let (columns, rows) = self.grid_shape();
                let tiles = FillTiles { canvas: self, nearest: self.nearest_to_cells(columns, rows) };
                let cell_of = (0..columns * rows).collect();
                let size_px = Some(settings.size_px);
                let poster =
                    GridPoster { columns, rows, cell_of, size_px, title, subtitle, ..GridPoster::default() };
                grid_poster(&poster, &tiles, progress, out)
            }
            PosterKind::Scatter => {
                let poster =
                    ScatterPoster { size_px: settings.size_px, title, subtitle, ..ScatterPoster::default() };
                scatter_poster(&self.tsne, self, &poster, progress, out)
            }
            PosterKind::Points => {
                let poster = PointsPoster {
                    size_px: settings.size_px,
                    title: title.or_else(|| Some("t-SNE".to_owned())),
                    subtitle: Some(self.caption.clone()),
                    ..PointsPoster::default()
                };
                points_poster(&self.tsne, &self.labels, &poster, progress, out)
            }
        };
        Ok(report?)
    }

    fn grid_shape(&self) -> (usize, usize) {
        let columns = self.cells.iter().map(|&(x, _)| x + 1).max().unwrap_or(1);
        let rows = self.cells.iter().map(|&(_, y)| y + 1).max().unwrap_or(1);
        (columns, rows)
    }

    /// For each cell of the map's bounding box, the image whose point lies nearest to its center.
    fn nearest_to_cells(&self, columns: usize, rows: usize) -> Vec<usize> {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for point in self.tsne.chunks_exact(2) {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let center = |cell: usize, cells: usize, axis: usize| {
            low[axis] + (high[axis] - low[axis]) * (cell as f32 + 0.5) / cells as f32
        };
        let nearest = |x: f32, y: f32| {
            let distance = |point: &[f32]| (point[0] - x).powi(2) + (point[1] - y).powi(2);
            let points = self.tsne.chunks_exact(2).enumerate();
            points.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1))).map_or(0, |(row, _)| row)
        };
        (0..columns * rows)
            .map(|cell| nearest(center(cell % columns, columns, 0), center(cell / columns, rows, 1)))
            .collect()
    }
}

impl Tiles for Canvas {
    fn len(&self) -> usize {
        self.thumbnails.len()
    }

    fn tile(&self, i: usize) -> Option<RgbImage> {
        let jpeg = self.thumbnails.get(i)?.as_deref()?;
        Some(decode(jpeg, &DecodeOptions::default()).ok()?.image)
    }
}

/// A tile a cell, the same image in several cells where the map is empty.
struct FillTiles<'a> {
    canvas: &'a Canvas,
    nearest: Vec<usize>,
}

impl Tiles for FillTiles<'_> {
    fn len(&self) -> usize {
        self.nearest.len()
    }

    fn tile(&self, i: usize) -> Option<RgbImage> {
        self.canvas.tile(*self.nearest.get(i)?)
    }
}
