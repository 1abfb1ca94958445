//! Which layers are read: one feature vector, and any number of convolutions.

use crate::arch::{Architecture, LayerId, Op, Pooling, Shape, feature_column};
use crate::error::NetError;

/// The tapped layers of a model, resolved and measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taps {
    /// The feature vector.
    pub feature: FeatureTap,
    /// The layers whose channel maxima are kept, in the order they were named.
    pub convs: Vec<ConvTap>,
    /// Whether the logits are read too. Without them, layers that nothing else needs are not computed.
    pub logits: bool,
}

impl Taps {
    /// The same without the logits: what is needed where no classes are asked for.
    #[must_use]
    pub fn without_logits(self) -> Self {
        Self { logits: false, ..self }
    }
}

/// The layer that becomes the feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureTap {
    /// The name of its column: `fc7`, `fire9_mean`.
    pub column: String,
    /// Values in a feature.
    pub dim: usize,
    pub(crate) layer: LayerId,
    pub(crate) pooling: Pooling,
}

/// A layer with cells, whose largest activation is kept per channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvTap {
    /// The layer's name; an alias is replaced by it.
    pub name: String,
    /// Channels.
    pub channels: usize,
    /// Rows of cells.
    pub height: usize,
    /// Columns of cells.
    pub width: usize,
    pub(crate) layer: LayerId,
}

/// Cells that a `u16` argmax can name.
const MAX_CELLS: usize = 1 << 16;

/// Suffix of a feature that is the mean over the cells of a layer.
const MEAN_SUFFIX: &str = "_mean";

impl Architecture {
    /// Resolves the names of taps for inputs whose layers have `shapes`.
    ///
    /// A layer with cells becomes a [`ConvTap`]; a layer without, or `NAME_mean`, becomes the feature.
    /// Where no convolution is named the default one is tapped, and likewise the feature. A layer named
    /// twice counts once.
    ///
    /// # Errors
    /// [`NetError::UnknownLayer`], [`NetError::TwoFeatures`], [`NetError::TooManyCells`].
    pub(crate) fn resolve_taps(&self, names: &[String], shapes: &[Shape]) -> Result<Taps, NetError> {
        let mut feature: Option<FeatureTap> = None;
        let mut convs: Vec<ConvTap> = Vec::new();
        for name in names {
            match self.resolve_tap(name, shapes)? {
                Tap::Conv(tap) if convs.iter().any(|known| known.name == tap.name) => {}
                Tap::Conv(tap) => convs.push(tap),
                Tap::Feature(tap) => match &feature {
                    Some(first) if *first != tap => {
                        return Err(NetError::TwoFeatures {
                            first: first.column.clone(),
                            second: tap.column,
                        });
                    }
                    _ => feature = Some(tap),
                },
            }
        }
        if convs.is_empty()
            && let Tap::Conv(tap) = self.resolve_tap(&self.default_conv, shapes)?
        {
            convs.push(tap);
        }
        let feature = if let Some(feature) = feature {
            feature
        } else {
            let (layer, pooling) = &self.feature;
            let id = self.find(layer).ok_or_else(|| self.unknown_layer(layer))?;
            self.feature_tap(id, *pooling, shapes)
        };
        Ok(Taps { feature, convs, logits: true })
    }

    fn resolve_tap(&self, name: &str, shapes: &[Shape]) -> Result<Tap, NetError> {
        if let Some(id) = self.find(name) {
            let shape = shape_of(id, shapes);
            let (layer, read) = (self.layer(id).expect("found by name"), self.read_at(id));
            if shape.cells() == 1 || layer.op == Op::Flatten {
                return Ok(Tap::Feature(self.feature_tap(id, Pooling::None, shapes)));
            }
            if shape.cells() > MAX_CELLS {
                return Err(NetError::TooManyCells { layer: layer.name.clone(), got: shape.cells() });
            }
            let (name, Shape { c, h, w }) = (layer.name.clone(), shape);
            return Ok(Tap::Conv(ConvTap { name, channels: c, height: h, width: w, layer: read }));
        }
        let pooled = name.strip_suffix(MEAN_SUFFIX).and_then(|layer| self.find(layer));
        match pooled.filter(|&id| shape_of(id, shapes).cells() > 1) {
            Some(id) => Ok(Tap::Feature(self.feature_tap(id, Pooling::Mean, shapes))),
            None => Err(self.unknown_layer(name)),
        }
    }

    fn feature_tap(&self, id: LayerId, pooling: Pooling, shapes: &[Shape]) -> FeatureTap {
        let shape = shape_of(id, shapes);
        let dim = match pooling {
            Pooling::None => shape.len(),
            Pooling::Mean => shape.c,
        };
        let name = &self.layer(id).expect("a layer, not the input").name;
        FeatureTap { column: feature_column(name, pooling), dim, layer: self.read_at(id), pooling }
    }

    pub(crate) fn unknown_layer(&self, name: &str) -> NetError {
        let aliases = self.aliases.iter().map(|(alias, _)| alias.clone());
        let layers = self.layers.iter().map(|layer| layer.name.clone()).chain(aliases).collect();
        NetError::UnknownLayer { name: name.to_owned(), model: self.name.clone(), layers }
    }
}

fn shape_of(id: LayerId, shapes: &[Shape]) -> Shape {
    shapes[id.index().expect("a layer, not the input")]
}

enum Tap {
    Feature(FeatureTap),
    Conv(ConvTap),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::architecture;

    fn resolve(model: &str, names: &[&str]) -> Result<Taps, NetError> {
        let arch = architecture(model).unwrap();
        let shapes = arch.shapes(arch.preprocess.input_px()).unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        arch.resolve_taps(&names, &shapes)
    }

    fn conv_sizes(taps: &Taps) -> Vec<(&str, usize, usize, usize)> {
        taps.convs.iter().map(|tap| (tap.name.as_str(), tap.channels, tap.height, tap.width)).collect()
    }

    #[test]
    fn defaults_are_the_last_convolution_and_the_feature() {
        for (model, column, dim, conv) in [
            ("alexnet-lite", "fc7", 4096, ("conv5", 128, 13, 13)),
            ("alexnet", "fc7", 4096, ("conv5", 256, 13, 13)),
            ("caffenet", "fc7", 4096, ("conv5", 256, 13, 13)),
            ("vgg16", "fc7", 4096, ("conv5_3", 512, 14, 14)),
            ("squeezenet1_0", "fire9_mean", 512, ("fire9", 512, 13, 13)),
        ] {
            let taps = resolve(model, &[]).unwrap();
            assert_eq!((taps.feature.column.as_str(), taps.feature.dim), (column, dim), "{model}");
            assert_eq!(conv_sizes(&taps), [conv], "{model}");
            let arch = architecture(model).unwrap();
            let named: Vec<String> = arch.default_taps();
            let named: Vec<&str> = named.iter().map(String::as_str).collect();
            assert_eq!(resolve(model, &named).unwrap(), taps, "{model}");
        }
    }

    #[test]
    fn several_layers_are_tapped_at_once_and_each_once() {
        let taps = resolve("alexnet", &["conv1", "fc6", "conv3", "conv1", "pool5", "fc6"]).unwrap();
        assert_eq!(taps.feature.column, "fc6");
        assert_eq!(conv_sizes(&taps), [("conv1", 64, 55, 55), ("conv3", 384, 13, 13), ("pool5", 256, 6, 6)]);
    }

    #[test]
    fn an_alias_is_the_blocks_last_convolution() {
        let taps = resolve("vgg19", &["conv3", "conv3_4"]).unwrap();
        assert_eq!(conv_sizes(&taps), [("conv3_4", 256, 56, 56)]);
    }

    #[test]
    fn convolutions_are_read_behind_their_relu() {
        let arch = architecture("alexnet").unwrap();
        let taps = resolve("alexnet", &["conv5", "fc8"]).unwrap();
        assert_eq!(Some(taps.convs[0].layer), arch.find("relu5"));
        assert_eq!(Some(taps.feature.layer), arch.find("fc8"));
    }

    #[test]
    fn mean_over_cells_is_a_feature() {
        let taps = resolve("alexnet", &["conv5_mean"]).unwrap();
        assert_eq!((taps.feature.column.as_str(), taps.feature.dim), ("conv5_mean", 256));
        assert_eq!(conv_sizes(&taps), [("conv5", 256, 13, 13)]);
        assert!(resolve("alexnet", &["fc7_mean"]).is_err());
    }

    #[test]
    fn wrong_names_are_refused_with_the_right_ones() {
        let err = resolve("alexnet-lite", &["conv6"]).unwrap_err();
        assert_eq!(
            err.to_string(),
            "model `alexnet-lite` has no layer `conv6`: expected one of conv1, relu1, pool1, conv2, relu2, \
             pool2, conv3, relu3, conv4, relu4, conv5, relu5, pool5, flatten, fc6, relu6, fc7, relu7, fc8"
        );
        let err = resolve("alexnet-lite", &["fc6", "fc8"]).unwrap_err();
        assert_eq!(err.to_string(), "expected at most one feature tap, got `fc6` and `fc8`");
    }
}
