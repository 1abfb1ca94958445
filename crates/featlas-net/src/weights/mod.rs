//! Weights: read, checked against the architecture, imported, known by name.
//!
//! A file is read once into memory, digested, and checked in full (names, shapes, types, finite values)
//! before anything is computed; numbers are widened to f32 when a layer asks for them. Nothing is
//! mapped: a file that shrinks while it is read must not bring the process down.

mod pth;
mod registry;
mod safetensors;

use crate::arch::{Architecture, Naming, Shape};
use crate::error::NetError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(crate) use self::safetensors::Rows;
pub use self::safetensors::Weights;
pub use pth::{ImportReport, import_pth, import_pth_bytes};
pub use registry::{KnownWeights, known_weights, known_weights_list};

/// A tensor that a layer needs: its name behind the layer's key, and its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// `weight`, `bias`, `down.weight`, `up.weight` or `up.bias`.
    pub suffix: &'static str,
    /// Output channels first, as PyTorch has them.
    pub shape: Vec<usize>,
}

/// Names and shapes of tensors, in the order of the layers.
pub type TensorList = Vec<(String, Vec<usize>)>;

impl Architecture {
    /// The tensors of every layer with weights: index of the layer, and what it needs.
    ///
    /// # Errors
    /// As [`Architecture::shapes`].
    pub fn parameters(&self) -> Result<Vec<(usize, Vec<Parameter>)>, NetError> {
        let px = self.preprocess.input_px() as usize;
        self.parameters_from(Shape { c: 3, h: px, w: px })
    }

    pub(crate) fn parameters_from(&self, input: Shape) -> Result<Vec<(usize, Vec<Parameter>)>, NetError> {
        let shapes = self.shapes_from(input)?;
        let with_weights = self.layers.iter().enumerate().filter(|(_, layer)| layer.op.has_weights());
        Ok(with_weights
            .map(|(index, layer)| {
                let source = layer.inputs[0].index().map_or(input, |i| shapes[i]);
                (index, self.parameters_of(index, source))
            })
            .collect())
    }

    /// Checks `tensors` (name and shape) against what the architecture needs, in either naming.
    ///
    /// # Errors
    /// [`NetError::MissingTensor`], [`NetError::TensorShape`], [`NetError::ExtraTensor`]: the first in
    /// the order of the layers.
    pub fn check_tensors(
        &self,
        tensors: &BTreeMap<String, Vec<usize>>,
        path: &Path,
    ) -> Result<Naming, NetError> {
        let lists = [Naming::Torchvision, Naming::Lecture]
            .into_iter()
            .filter_map(|naming| match self.tensor_list(naming) {
                Ok(list) => list.map(|list| Ok((naming, list))),
                Err(err) => Some(Err(err)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        // The naming that fits best is the one whose misfits are worth reporting.
        let fit = |list: &TensorList| list.iter().filter(|(name, _)| tensors.contains_key(name)).count();
        let (naming, expected) =
            lists.into_iter().max_by_key(|(_, list)| fit(list)).unwrap_or((Naming::Lecture, Vec::new()));
        for (name, expected) in &expected {
            let (name, expected, path) = (name.clone(), expected.clone(), path.to_owned());
            match tensors.get(&name) {
                None => return Err(NetError::MissingTensor { name, expected, path }),
                Some(got) if *got != expected => {
                    return Err(NetError::TensorShape { name, expected, got: got.clone(), path });
                }
                Some(_) => {}
            }
        }
        let expected: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
        match tensors.keys().find(|name| !expected.contains(name.as_str())) {
            None => Ok(naming),
            Some(name) => Err(NetError::ExtraTensor {
                name: name.clone(),
                model: self.name.clone(),
                path: path.to_owned(),
            }),
        }
    }

    /// Names and shapes of all tensors in the order of the layers; `None` if the naming has no names for
    /// this architecture.
    ///
    /// # Errors
    /// As [`Architecture::shapes`].
    pub fn tensor_list(&self, naming: Naming) -> Result<Option<TensorList>, NetError> {
        let mut list = Vec::new();
        for (index, parameters) in self.parameters()? {
            let Some(key) = self.layers[index].key(naming) else { return Ok(None) };
            list.extend(parameters.into_iter().map(|p| (format!("{key}.{}", p.suffix), p.shape)));
        }
        Ok(Some(list))
    }

    /// Values of all tensors together.
    ///
    /// # Errors
    /// As [`Architecture::shapes`].
    pub fn num_parameters(&self) -> Result<u64, NetError> {
        let count = |p: &Parameter| p.shape.iter().map(|&side| side as u64).product::<u64>();
        Ok(self.parameters()?.iter().flat_map(|(_, parameters)| parameters).map(count).sum())
    }
}

/// What a refused file is called when it is the compiled-in one.
pub(crate) fn embedded_path(model: &str) -> std::path::PathBuf {
    std::path::PathBuf::from(format!("embedded {model}"))
}
