//! The map that the atlas holds already: what tonight's is to be recognized by.

use crate::{EmbedSettings, PipelineError};
use featlas_core::ImageId;
use featlas_store::{Atlas, MapData};
use std::collections::BTreeMap;

/// Key of the settings among the metadata of a map.
pub(super) const SETTINGS_KEY: &str = "settings";
/// Share of tonight's images that must be on the last map for it to be kept.
const LEAST_KNOWN: f64 = 0.5;

/// A recorded map made with the settings in force.
pub(super) struct LastMap {
    data: MapData,
}

impl LastMap {
    /// The map `name`, if the atlas holds it and it was made as `settings` want it.
    pub(super) fn read(
        atlas: &Atlas,
        name: &str,
        settings: &EmbedSettings,
    ) -> Result<Option<Self>, PipelineError> {
        if atlas.manifest().output(&featlas_store::map_file(name)).is_none() {
            return Ok(None);
        }
        // A damaged map is no reason to make none: the new one replaces it.
        let Ok(data) = featlas_store::read_map(atlas, name) else { return Ok(None) };
        let wanted = settings_text(settings)?;
        let same = data.params.iter().any(|(key, value)| key == SETTINGS_KEY && *value == wanted);
        Ok(same.then_some(Self { data }))
    }

    /// Whether the map was made in one piece, with no image placed later.
    pub(super) fn is_fresh(&self) -> bool {
        let figures = self.data.params.iter().find(|(key, _)| key == "parameters");
        let figures = figures.and_then(|(_, text)| serde_json::from_str::<serde_json::Value>(text).ok());
        figures.is_some_and(|figures| figures["placed"].is_null())
    }

    /// The place of each image; none if too few have one.
    pub(super) fn places_of(self, ids: &[ImageId]) -> Option<Vec<Option<[f32; 2]>>> {
        let places: BTreeMap<ImageId, [f32; 2]> =
            self.data.points.into_iter().map(|(id, x, y)| (id, [x, y])).collect();
        let found: Vec<Option<[f32; 2]>> = ids.iter().map(|id| places.get(id).copied()).collect();
        let known = found.iter().flatten().count() as f64;
        (known >= LEAST_KNOWN * ids.len() as f64 && known >= 4.0).then_some(found)
    }
}

/// The settings that a map must have been made with, as they are stored with it. More dimensions beside the plane
/// change nothing in the plane.
pub(super) fn settings_text(settings: &EmbedSettings) -> Result<String, PipelineError> {
    let settings = EmbedSettings { fresh: false, dims: 2, ..settings.clone() };
    serde_json::to_string(&settings).map_err(|err| PipelineError::Io(err.into()))
}
