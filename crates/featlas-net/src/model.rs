//! A model: an architecture with its weights, the preprocessing in force, and names of classes.

use crate::arch::{Architecture, LayerId, Naming, Op, Shape, architecture};
use crate::classes::ClassList;
use crate::error::NetError;
use crate::preprocess::Preprocess;
use crate::taps::Taps;
use crate::weights::{Parameter, Rows, Weights};
use featlas_core::{Digest, Rect, TopK};
use std::borrow::Cow;
use std::path::Path;

/// A network that can be run.
#[derive(Debug, Clone)]
pub struct Model {
    architecture: Architecture,
    weights: Weights,
    naming: Naming,
    shapes: Vec<Shape>,
    classes: Option<Vec<String>>,
    /// What the weights' metadata changed in the layers: key and value, sorted.
    layer_options: Vec<(String, String)>,
}

/// The values of one tensor of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerTensor<'a> {
    /// `weight`, `bias`, `down.weight`, `up.weight` or `up.bias`, and the shape.
    pub parameter: Parameter,
    /// Row-major; those of the model's own copy where they are f32 there.
    pub values: Cow<'a, [f32]>,
}

impl Model {
    /// Opens the model `name` with the weights in `weights`, or with the embedded ones.
    ///
    /// Everything is checked here: names, shapes, types, finite values. A weights file may carry its own
    /// preprocessing, class list and layer options, which then replace the architecture's.
    ///
    /// # Errors
    /// [`NetError::UnknownModel`]; [`NetError::NoWeights`] when none are given and none are embedded;
    /// the errors of [`Weights::open`] and [`Weights::check`]; [`NetError::Metadata`] and its kin.
    pub fn open(name: &str, weights: Option<&Path>) -> Result<Self, NetError> {
        let architecture = architecture(name)?;
        let weights = match weights {
            Some(path) => Weights::open(path, &architecture)?,
            None => Weights::embedded(name)?,
        };
        Self::new(architecture, weights)
    }

    /// Joins an architecture with weights.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn new(mut architecture: Architecture, weights: Weights) -> Result<Self, NetError> {
        let path = weights.path().to_owned();
        let metadata = weights.metadata();
        if let Some(got) = metadata.get("architecture").filter(|got| **got != architecture.name) {
            let (expected, got) = (architecture.name, got.clone());
            return Err(NetError::WrongArchitecture { expected, got, path });
        }
        if let Some(text) = metadata.get("preprocess") {
            architecture.preprocess = Preprocess::parse(text).map_err(|source| {
                NetError::MetadataPreprocess { path: path.clone(), source: Box::new(source) }
            })?;
        }
        let mut layer_options = Vec::new();
        for (key, value) in metadata {
            if apply_layer_option(&mut architecture, key, value, &path)? {
                layer_options.push((key.clone(), value.clone()));
            }
        }
        let list = match metadata.get("classes") {
            Some(text) => ClassList::parse(text, &path)?,
            None => ClassList::of_count(architecture.num_classes),
        };
        let classes = list.names();
        if let Some(got) = classes.as_ref().map(Vec::len).filter(|&got| got != architecture.num_classes) {
            return Err(NetError::ClassCount { expected: architecture.num_classes, got, path });
        }
        let naming = weights.check(&architecture)?;
        let shapes = architecture.shapes(architecture.preprocess.input_px())?;
        Ok(Self { architecture, weights, naming, shapes, classes, layer_options })
    }

    /// The architecture's name.
    pub fn name(&self) -> &str {
        &self.architecture.name
    }

    /// The architecture as it is run: with the preprocessing and the options of the weights.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The preprocessing in force.
    pub fn preprocess(&self) -> &Preprocess {
        &self.architecture.preprocess
    }

    /// The BLAKE3 digest of the weights file's bytes.
    pub fn weights_digest(&self) -> Digest {
        self.weights.digest()
    }

    /// Lets go of the tensors' values, once a backend has packed its own copy; names, shapes, metadata and
    /// the digest stay.
    ///
    /// Afterwards [`Self::layer_tensors`] must not be called for layers with weights.
    pub fn release_weights(&mut self) {
        self.weights.release();
    }

    /// The weights file.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The size of every layer's activation.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The classes' names in the order of the logits, if they are known.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// The name of class `index`, or `class INDEX` where it has none.
    pub fn class_label(&self, index: usize) -> String {
        let known = self.classes.as_ref().and_then(|classes| classes.get(index));
        known.cloned().unwrap_or_else(|| format!("class {index}"))
    }

    /// Everything about the model that decides a feature's value, as named fields.
    pub fn fingerprint_fields(&self) -> Vec<(String, String)> {
        let options: Vec<String> =
            self.layer_options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let options = if options.is_empty() { "none".to_owned() } else { options.join("; ") };
        [
            ("model", self.name().to_owned()),
            ("weights", self.weights_digest().to_string()),
            ("preprocess", self.preprocess().describe()),
            ("layer_options", options),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Finds the layers to tap. Without names: the last convolution and the architecture's feature.
    ///
    /// A layer with cells (`conv5`, `pool2`, `fire9`) becomes a [`crate::ConvTap`], a layer without
    /// (`fc6`) or a mean (`conv5_mean`) the feature; where one of the two kinds is not named, its default
    /// stands in.
    ///
    /// # Errors
    /// [`NetError::UnknownLayer`], which lists the layers; [`NetError::TwoFeatures`];
    /// [`NetError::TooManyCells`].
    pub fn resolve_taps(&self, names: &[String]) -> Result<Taps, NetError> {
        self.architecture.resolve_taps(names, &self.shapes)
    }

    /// The layer called `name`.
    ///
    /// # Errors
    /// [`NetError::UnknownLayer`], which lists the layers.
    pub fn find_layer(&self, name: &str) -> Result<LayerId, NetError> {
        self.architecture.find(name).ok_or_else(|| self.architecture.unknown_layer(name))
    }

    /// The pixels of the network's input behind a cell of `layer`.
    ///
    /// Not clipped: where the cell also sees padding, the rectangle reaches outside the input. Clipped,
    /// it bounds exactly the pixels that can change the cell.
    ///
    /// # Panics
    /// If the model has no such layer; [`Model::resolve_taps`] gives only names that it has.
    pub fn receptive_field(&self, layer: &str, cell_y: usize, cell_x: usize) -> Rect {
        let id = self.architecture.find(layer).expect("a layer that was resolved");
        let input_px = self.preprocess().input_px();
        self.architecture.receptive_field(id, (cell_y, cell_x), input_px, &self.shapes)
    }

    /// The tensors of layer `id`, widened to f32; empty for a layer without weights.
    ///
    /// Half-precision numbers are widened at each call: keep the result.
    ///
    /// # Panics
    /// If `id` is not a layer of this model, or after [`Self::release_weights`].
    pub fn layer_tensors(&self, id: LayerId) -> Vec<LayerTensor<'_>> {
        let tensor = |(name, parameter): (String, Parameter)| {
            let values = self.weights.tensor(&name).expect("new() checked every tensor");
            LayerTensor { parameter, values }
        };
        self.layer_parameters(id).into_iter().map(tensor).collect()
    }

    /// The rows of each tensor of layer `id`, in the order of [`Self::layer_tensors`].
    pub(crate) fn layer_rows(&self, id: LayerId) -> Vec<Rows> {
        let rows =
            |(name, _): (String, Parameter)| self.weights.rows(&name).expect("new() checked every tensor");
        self.layer_parameters(id).into_iter().map(rows).collect()
    }

    /// The tensors of layer `id`, with their names in the weights file.
    fn layer_parameters(&self, id: LayerId) -> Vec<(String, Parameter)> {
        let Some(index) = id.index() else { return Vec::new() };
        let layer = &self.architecture.layers[index];
        let px = self.preprocess().input_px() as usize;
        let input = layer.inputs.first().and_then(|id| id.index());
        let input = input.map_or(Shape { c: 3, h: px, w: px }, |i| self.shapes[i]);
        let key = layer.key(self.naming).unwrap_or_default();
        let parameters = self.architecture.parameters_of(index, input).into_iter();
        parameters.map(|parameter| (format!("{key}.{}", parameter.suffix), parameter)).collect()
    }
}

/// Applies one entry of a weights file's metadata if it is a layer option: `LAYER_pad` = zero padding of
/// that convolution, `pooling` = `ceil mode` or `floor mode` of all max-pools.
///
/// Keys that say nothing about layers are left alone: a weights file may carry any remark.
fn apply_layer_option(
    architecture: &mut Architecture,
    key: &str,
    value: &str,
    path: &Path,
) -> Result<bool, NetError> {
    let err = |expected| NetError::Metadata {
        key: key.to_owned(),
        expected,
        value: value.to_owned(),
        path: path.to_owned(),
    };
    if key == "pooling" {
        let wanted = match value {
            "ceil mode" => true,
            "floor mode" => false,
            _ => return Err(err("`ceil mode` or `floor mode`")),
        };
        for layer in &mut architecture.layers {
            if let Op::MaxPool { ceil, .. } = &mut layer.op {
                *ceil = wanted;
            }
        }
        return Ok(true);
    }
    let Some(layer) = key.strip_suffix("_pad") else { return Ok(false) };
    let Some(index) = architecture.find(layer).and_then(LayerId::index) else {
        return Err(err("the name of a convolution before `_pad`"));
    };
    let Op::Conv { padding, kernel, .. } = &mut architecture.layers[index].op else {
        return Err(err("the name of a convolution before `_pad`"));
    };
    match value.parse() {
        Ok(pad) if pad <= *kernel => *padding = pad,
        _ => return Err(err("a padding between 0 and the side of the kernel")),
    }
    Ok(true)
}

/// The `k` largest logits: class and score, best first; of equal scores the lower class.
pub fn top_k_classes(logits: &[f32], k: usize) -> Vec<(u32, f32)> {
    let mut top = TopK::new(k);
    for (class, &score) in (0_u32..).zip(logits) {
        top.push(score, class);
    }
    top.into_items().into_iter().map(|(score, class)| (class, score)).collect()
}

#[cfg(test)]
mod tests;
