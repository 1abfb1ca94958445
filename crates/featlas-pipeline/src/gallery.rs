//! The gallery stage: a sheet of the strongest patches for every channel of a layer.

mod guided;

use crate::atlas::{decode_options, open_model_of, sources_of};
use crate::stage::{Stage, name};
use crate::{GallerySettings, PipelineError, StageSummary};
use featlas_core::{ImageId, Progress, RgbImage, Stage as Step};
use featlas_explain::{Network, ReadLayer};
use featlas_extract::{ChannelTop, PatchCutter, PatchPlace, top_patches};
use featlas_image::{encode_png, resize};
use featlas_render::{ChannelEntry, GalleryParams, Patch, channel_sheet, gallery_index_html, overview_sheet};
use featlas_store::{Atlas, ConvColumns, FileRecord, ImageRecord};
use guided::{GuidedCutter, GuidedPatches};
use rayon::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Side of a patch on a channel's sheet.
const PATCH_SIDE_PX: u32 = 168;
/// Channels cut at a time: bounds memory to this many sheets of patches.
const CHANNELS_AT_A_TIME: usize = 128;
/// What shows where a field reaches beyond the network's input.
const OUTSIDE: [u8; 3] = [58, 58, 62];

/// Cuts the galleries if the features or the settings changed.
///
/// # Errors
/// A layer that was not tapped, other weights, sources that are gone, a full disk.
pub fn gallery(
    atlas: &mut Atlas,
    settings: &GallerySettings,
    progress: &dyn Progress,
) -> Result<StageSummary, PipelineError> {
    let stage = Stage::of(atlas, name::GALLERY, &[], settings)?;
    if stage.is_fresh(atlas) {
        return Ok(StageSummary::fresh(name::GALLERY));
    }
    let _lock = atlas.lock()?;
    let layers = layers_of(atlas, settings)?;
    let model = open_model_of(atlas, None)?;
    let sources = sources_of(atlas)?;
    let decode = decode_options();
    let cutter = PatchCutter {
        sources: &sources,
        model: &model,
        decode: &decode,
        side_px: PATCH_SIDE_PX,
        outside: OUTSIDE,
    };
    let records: BTreeMap<ImageId, ImageRecord> =
        atlas.images()?.into_iter().map(|record| (record.image_id, record)).collect();

    let network = settings.guided.then(|| Network::<f32>::new(&model));

    stage.begin(atlas)?;
    let (mut outputs, mut channels, mut figures) = (Vec::new(), 0, serde_json::Map::new());
    for layer in layers {
        progress.begin(Step::Gallery, Some((records.len() + layer.channels) as u64));
        let guided = match &network {
            Some(network) => Some(GuidedCutter {
                network,
                layer: ReadLayer::find(&model, &layer.name)?,
                cutter,
                records: &records,
                map_width: cells_across(&layer),
            }),
            None => None,
        };
        let gallery = LayerGallery { atlas, cutter, guided, records: &records, layer: &layer, progress };
        let drawn = gallery.draw(settings.top);
        progress.end(Step::Gallery);
        let drawn = drawn?;
        if drawn.missing > 0 {
            let missing = drawn.missing;
            progress.warn(&format!(
                "{missing} patches of {} are blank: their originals are gone or changed",
                layer.name
            ));
        }
        figures.insert(
            layer.name.clone(),
            json!({ "channels": layer.channels, "silent_channels": drawn.silent, "missing_patches": drawn.missing }),
        );
        channels += layer.channels as u64;
        outputs.extend(drawn.files);
    }
    let secs = stage.finish(atlas, outputs)?;
    Ok(StageSummary::done(name::GALLERY, secs, channels, "channels", figures.into()))
}

fn layers_of(atlas: &Atlas, settings: &GallerySettings) -> Result<Vec<ConvColumns>, PipelineError> {
    let tapped = &atlas.manifest().schema.convs;
    let Some(wanted) = &settings.layer else { return Ok(tapped.clone()) };
    let found: Vec<ConvColumns> = tapped.iter().filter(|conv| conv.name == *wanted).cloned().collect();
    if found.is_empty() {
        let names: Vec<&str> = tapped.iter().map(|conv| conv.name.as_str()).collect();
        return Err(PipelineError::Setting {
            setting: "layer",
            problem: format!(
                "`{wanted}` was not tapped by the extraction; this atlas has {}",
                names.join(", ")
            ),
        });
    }
    Ok(found)
}

/// The folder of a layer's gallery; a slash in a layer's name makes no folder of its own.
pub(crate) fn folder_of(layer: &str) -> String {
    format!("galleries/{}", layer.replace('/', "-"))
}

fn cells_across(layer: &ConvColumns) -> u32 {
    u32::try_from(layer.width).expect("maps are a few hundred cells wide")
}

struct LayerGallery<'a> {
    atlas: &'a Atlas,
    cutter: PatchCutter<'a>,
    guided: Option<GuidedCutter<'a>>,
    records: &'a BTreeMap<ImageId, ImageRecord>,
    layer: &'a ConvColumns,
    progress: &'a dyn Progress,
}

/// What a layer's gallery became.
struct Drawn {
    files: Vec<FileRecord>,
    silent: usize,
    missing: u64,
}

impl LayerGallery<'_> {
    fn draw(&self, top: usize) -> Result<Drawn, PipelineError> {
        let tops = top_patches(self.atlas, &self.layer.name, top, self.progress)?;
        let params = GalleryParams { tile_px: PATCH_SIDE_PX, ..GalleryParams::default() };
        let folder = folder_of(&self.layer.name);
        let missing = AtomicU64::new(0);
        let (mut files, mut entries, mut overview) = (Vec::new(), Vec::new(), Vec::new());
        let digits = tops.len().saturating_sub(1).to_string().len().max(3);
        for (group, start) in tops.chunks(CHANNELS_AT_A_TIME).zip((0..).step_by(CHANNELS_AT_A_TIME)) {
            if self.progress.is_cancelled() {
                return Err(PipelineError::Interrupted);
            }
            let cut = self.cut(group, &missing);
            let guided = match &self.guided {
                Some(guided) => guided.cut(start, group)?,
                None => GuidedPatches::new(),
            };
            for (channel, top) in (start..).zip(group) {
                let mut patches: Vec<Patch> =
                    top.places.iter().map(|place| self.patch(place, channel, &cut, &guided)).collect();
                let file = format!("channel-{channel:0digits$}.png");
                let sheet = channel_sheet(&self.layer.name, channel, &patches, &params)?;
                files.push(self.write_picture(&format!("{folder}/{file}"), &sheet)?);
                entries.push(ChannelEntry {
                    channel,
                    file: PathBuf::from(file),
                    size_px: (sheet.width(), sheet.height()),
                    max: top.places.first().map_or(0.0, |place| place.value),
                    count: top.active,
                    note: self.shared_label(&top.places),
                });
                patches.truncate(params.overview_top);
                for patch in &mut patches {
                    patch.guided = None;
                    patch.image = resize(&patch.image, params.overview_px, params.overview_px);
                }
                overview.push((channel, patches));
                self.progress.advance(Step::Gallery, 1);
            }
        }
        let sheet = overview_sheet(&self.layer.name, &overview, &params)?;
        files.push(self.write_picture(&format!("{folder}/overview.png"), &sheet)?);
        let html = gallery_index_html(&self.layer.name, &entries, Some(Path::new("overview.png")));
        files.push(self.atlas.write_file(&format!("{folder}/index.html"), html.as_bytes())?);
        let silent = tops.iter().filter(|top| top.active == 0).count();
        Ok(Drawn { files, silent, missing: missing.into_inner() })
    }

    /// Cuts all patches of a group of channels; each original is decoded once.
    fn cut(&self, group: &[ChannelTop], missing: &AtomicU64) -> BTreeMap<(ImageId, u16), RgbImage> {
        let mut cells: BTreeMap<ImageId, BTreeSet<u16>> = BTreeMap::new();
        for place in group.iter().flat_map(|top| &top.places) {
            cells.entry(place.image).or_default().insert(place.cell);
        }
        let width = cells_across(self.layer);
        let jobs: Vec<(ImageId, BTreeSet<u16>)> = cells.into_iter().collect();
        let cut = jobs.par_iter().map(|(image, cells)| {
            let original = self.records.get(image).and_then(|record| self.cutter.open(record).ok());
            let Some(original) = original else {
                missing.fetch_add(cells.len() as u64, Ordering::Relaxed);
                return Vec::new();
            };
            let cut =
                |&cell| ((*image, cell), self.cutter.cut(&original, &self.layer.name, width, cell).image);
            cells.iter().map(cut).collect()
        });
        cut.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn patch(
        &self,
        place: &PatchPlace,
        channel: usize,
        cut: &BTreeMap<(ImageId, u16), RgbImage>,
        guided: &GuidedPatches,
    ) -> Patch {
        let blank = || RgbImage::filled(PATCH_SIDE_PX, PATCH_SIDE_PX, OUTSIDE);
        let image = cut.get(&(place.image, place.cell)).cloned().unwrap_or_else(blank);
        let path = self.records.get(&place.image).map(|record| record.display_path.clone());
        let guided = guided.get(&(place.image, place.cell, channel)).cloned();
        Patch { image, guided, value: place.value, caption: path.unwrap_or_default() }
    }

    /// The label that more than half of the patches share, with their number; empty if there is none.
    fn shared_label(&self, places: &[PatchPlace]) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for place in places {
            if let Some(label) = self.records.get(&place.image).and_then(|record| record.label.as_deref()) {
                *counts.entry(label).or_default() += 1;
            }
        }
        let most = counts.into_iter().max_by_key(|&(_, count)| count);
        most.filter(|&(_, count)| 2 * count > places.len() && count > 1)
            .map_or_else(String::new, |(label, count)| format!("{label} {count}/{}", places.len()))
    }

    fn write_picture(&self, file: &str, picture: &RgbImage) -> Result<FileRecord, PipelineError> {
        Ok(self.atlas.write_file(file, &encode_png(picture)?)?)
    }
}
