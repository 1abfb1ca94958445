//! Opening an atlas for a stage: the model it was made with, the sources it was made from.

use crate::stage::name;
use crate::{PipelineError, Settings, calibration};
use featlas_extract::{SourceSpec, open_sources};
use featlas_image::{DecodeOptions, Limits, Source, SourceOptions, decoder_versions};
use featlas_net::{Model, Ranges, Taps};
use featlas_store::{Atlas, ConvColumns, Fingerprint, Schema};
use std::path::{Path, PathBuf};

/// The settings of the extraction that made `atlas`.
pub(crate) fn settings_of(atlas: &Atlas) -> Result<Settings, PipelineError> {
    let missing = || PipelineError::Missing {
        what: "features",
        command: "featlas extract --images SRC --out ATLAS",
        atlas: atlas.root().to_owned(),
    };
    let record = atlas.manifest().stages.get(name::EXTRACT).ok_or_else(missing)?;
    serde_json::from_value(record.params.clone()).map_err(|_other_version| missing())
}

/// Opens the model that `atlas` was made with, from `weights` or from where the extraction found them.
///
/// # Errors
/// Weights that are gone, or that are not the atlas's.
pub(crate) fn open_model_of(atlas: &Atlas, weights: Option<&Path>) -> Result<Model, PipelineError> {
    let settings = settings_of(atlas)?;
    let path: Option<PathBuf> = weights.map(Path::to_owned).or(settings.weights);
    let model = Model::open(&settings.model, path.as_deref())?;
    let expected = atlas.manifest().fingerprint.get("weights").unwrap_or_default().to_owned();
    let got = model.weights_digest().to_string();
    if expected != got {
        let path = path.unwrap_or_else(|| PathBuf::from("(embedded)"));
        return Err(PipelineError::OtherWeights { expected, got, path });
    }
    Ok(model)
}

/// Opens the sources that `atlas` was made from, in the order that its rows count them.
pub(crate) fn sources_of(atlas: &Atlas) -> Result<Vec<Source>, PipelineError> {
    open_settings_sources(&settings_of(atlas)?)
}

/// Opens the sources that `settings` name.
pub(crate) fn open_settings_sources(settings: &Settings) -> Result<Vec<Source>, PipelineError> {
    let options = SourceOptions {
        follow_links: settings.follow_links,
        exclude: settings.exclude.clone(),
        path_column: settings.path_column.clone(),
        label_column: settings.label_column.clone(),
        limits: Limits::default(),
    };
    let specs: Vec<SourceSpec> =
        settings.images.iter().map(|location| SourceSpec { location: location.clone() }).collect();
    Ok(open_sources(&specs, &options)?)
}

/// How images are decoded for features: EXIF orientation applied, as the fingerprint records.
pub(crate) fn decode_options() -> DecodeOptions {
    DecodeOptions { limits: Limits::default(), apply_orientation: true }
}

/// The columns that a model's taps become.
pub(crate) fn schema_of(taps: &Taps) -> Schema {
    Schema {
        feature_column: taps.feature.column.clone(),
        dim: taps.feature.dim,
        convs: taps
            .convs
            .iter()
            .map(|conv| ConvColumns {
                name: conv.name.clone(),
                channels: conv.channels,
                height: conv.height,
                width: conv.width,
            })
            .collect(),
    }
}

/// Everything that decides a feature's value, by name; `ranges` are the scales of integer arithmetic.
pub(crate) fn fingerprint_of(
    model: &Model,
    taps: &Taps,
    settings: &Settings,
    ranges: Option<&Ranges>,
) -> Fingerprint {
    let convs: Vec<&str> = taps.convs.iter().map(|conv| conv.name.as_str()).collect();
    let of_model = model.fingerprint_fields().into_iter();
    let of_ranges = ranges.map(|ranges| (calibration::FIELD.to_owned(), ranges.to_string()));
    of_model
        .chain(of_ranges)
        .fold(Fingerprint::new(), |fingerprint, (name, value)| fingerprint.with(name, value))
        .with("feature", taps.feature.column.clone())
        .with("conv taps", convs.join(","))
        .with("precision", settings.precision.name())
        .with("backend", settings.backend.name())
        .with("orientation", "EXIF applied")
        .with("decoders", decoder_versions())
}
