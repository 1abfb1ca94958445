//! What a question is about: layers, channels and classes, from the words of a user to numbers.

use crate::error::ExplainError;
use crate::maps::argmax;
use featlas_net::{Architecture, LayerId, Model, Shape};

/// A layer, where its activation is read: behind the `ReLU` that alone follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLayer {
    /// Its name; an alias is replaced by it.
    pub name: String,
    /// Where it is read.
    pub id: LayerId,
    /// Its size.
    pub shape: Shape,
}

impl ReadLayer {
    /// Finds the layer called `name`.
    ///
    /// # Errors
    /// [`featlas_net::NetError::UnknownLayer`], which lists the layers.
    pub fn find(model: &Model, name: &str) -> Result<Self, ExplainError> {
        let id = model.find_layer(name)?;
        let name = model.architecture().layer(id).map_or_else(String::new, |layer| layer.name.clone());
        let shape = id.index().map_or(Shape { c: 0, h: 0, w: 0 }, |index| model.shapes()[index]);
        Ok(Self { name, id: model.architecture().read_at(id), shape })
    }

    /// The layer with cells that stands for the whole model unless another is named: its last
    /// convolution.
    ///
    /// # Errors
    /// As [`ReadLayer::find`].
    pub fn default_of(model: &Model) -> Result<Self, ExplainError> {
        Self::find(model, &model.architecture().default_conv)
    }

    /// Refuses a channel that the layer does not have.
    ///
    /// # Errors
    /// [`ExplainError::NoChannel`], which says how many there are.
    pub fn check_channel(&self, channel: usize) -> Result<(), ExplainError> {
        if channel < self.shape.c {
            return Ok(());
        }
        Err(ExplainError::NoChannel { layer: self.name.clone(), channel, count: self.shape.c })
    }

    /// Refuses a cell `(y, x)` that the layer does not have.
    ///
    /// # Errors
    /// [`ExplainError::NoCell`], which gives the layer's size.
    pub fn check_cell(&self, cell: (usize, usize)) -> Result<(), ExplainError> {
        let Shape { h, w, .. } = self.shape;
        if cell.0 < h && cell.1 < w {
            return Ok(());
        }
        Err(ExplainError::NoCell { layer: self.name.clone(), cell, height: h, width: w })
    }

    /// Refuses a layer of a single cell.
    ///
    /// # Errors
    /// [`ExplainError::NoMap`], which lists the layers with cells.
    pub fn check_map(&self, architecture: &Architecture) -> Result<(), ExplainError> {
        if self.shape.cells() > 1 {
            return Ok(());
        }
        let shapes = architecture.shapes(architecture.preprocess.input_px())?;
        let layers = architecture.layers.iter().zip(shapes).filter(|(_, shape)| shape.cells() > 1);
        let layers = layers.map(|(layer, _)| layer.name.clone()).collect();
        Err(ExplainError::NoMap { layer: self.name.clone(), layers })
    }
}

/// Which class of every image is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClassChoice {
    /// The one with the highest score, image by image.
    #[default]
    Top,
    /// The same for all: an index into the logits.
    Index(usize),
}

impl ClassChoice {
    /// Reads what a user wrote: a class's number, its name, or a part of the name that no other class
    /// has, in any case of letters.
    ///
    /// A name is a list of synonyms (`tench, Tinca tinca`); a text that is one of them, or all, wins over
    /// texts that contain it.
    ///
    /// # Errors
    /// [`ExplainError::NoClassIndex`], [`ExplainError::NoClass`], [`ExplainError::AmbiguousClass`],
    /// [`ExplainError::UnnamedClasses`].
    pub fn find(model: &Model, text: &str) -> Result<Self, ExplainError> {
        let count = model.architecture().num_classes;
        let text = text.trim();
        if let Ok(index) = text.parse::<usize>() {
            return Self::Index(index).checked(model);
        }
        let model_name = model.name().to_owned();
        let Some(names) = model.classes() else {
            return Err(ExplainError::UnnamedClasses { model: model_name, text: text.to_owned(), count });
        };
        let wanted = text.replace('_', " ").to_lowercase();
        let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let matching = |fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..lower.len()).filter(|&i| !wanted.is_empty() && fits(&lower[i])).collect()
        };
        let exact = |name: &str| name == wanted || name.split(", ").any(|synonym| synonym == wanted);
        let mut found = matching(&exact);
        if found.is_empty() {
            found = matching(&|name| name.contains(&wanted));
        }
        match found.as_slice() {
            [] => Err(ExplainError::NoClass { model: model_name, text: text.to_owned() }),
            [index] => Ok(Self::Index(*index)),
            several => Err(ExplainError::AmbiguousClass {
                text: text.to_owned(),
                matches: several.iter().map(|&index| (index, names[index].clone())).collect(),
            }),
        }
    }

    /// Refuses an index that the model does not have.
    ///
    /// # Errors
    /// [`ExplainError::NoClassIndex`], which says how many classes there are.
    pub fn checked(self, model: &Model) -> Result<Self, ExplainError> {
        let count = model.architecture().num_classes;
        match self {
            Self::Index(index) if index >= count => {
                Err(ExplainError::NoClassIndex { model: model.name().to_owned(), index, count })
            }
            choice => Ok(choice),
        }
    }

    /// The class of an image with these logits.
    pub(crate) fn of(self, logits: &[f32]) -> ClassScore {
        let class = match self {
            Self::Top => argmax(logits),
            Self::Index(index) => index,
        };
        ClassScore { class, score: logits[class], probability: probability(logits, class) }
    }
}

/// What a network thinks of one class for one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScore {
    /// Index into the logits.
    pub class: usize,
    /// The unnormalized score: the logit.
    pub score: f32,
    /// The softmax of all logits at this class, in `[0, 1]`.
    pub probability: f32,
}

/// The softmax of `logits` at `class`, summed in f64.
pub(crate) fn probability(logits: &[f32], class: usize) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let power = |score: f32| f64::from(score - highest).exp();
    let sum: f64 = logits.iter().map(|&score| power(score)).sum();
    #[expect(clippy::cast_possible_truncation, reason = "a probability")]
    let share = (power(logits[class]) / sum) as f32;
    share
}
