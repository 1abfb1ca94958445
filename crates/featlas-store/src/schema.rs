//! Column names and types of the tables of an atlas.

use crate::error::StoreError;
use arrow::datatypes::{DataType, Field, Fields, Schema as ArrowSchema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Column names of the feature, reject and thumbnail tables and of maps. The feature column is named after
/// its layer, and each tapped layer adds [`conv_max_column`] and [`conv_argmax_column`].
#[expect(missing_docs, reason = "each is the name it holds; the module of the rows says what is in them")]
pub mod columns {
    pub const IMAGE_ID: &str = "image_id";
    pub const PATH: &str = "path";
    pub const PATH_BYTES: &str = "path_bytes";
    pub const LABEL: &str = "label";
    pub const CONTENT_HASH: &str = "content_hash";
    pub const WIDTH: &str = "width";
    pub const HEIGHT: &str = "height";
    pub const SOURCE: &str = "source";
    pub const SIZE_BYTES: &str = "size_bytes";
    pub const MTIME_NS: &str = "mtime_ns";
    pub const TOP_CLASSES: &str = "top_classes";
    pub const CLASS: &str = "class";
    pub const SCORE: &str = "score";
    pub const THUMBNAIL: &str = "thumbnail";
    pub const PIXELS: &str = "pixels";
    pub const REASON: &str = "reason";
    pub const MESSAGE: &str = "message";
    pub const X: &str = "x";
    pub const Y: &str = "y";
    pub const Z: &str = "z";

    /// The column of a layer's per-channel maxima.
    pub fn conv_max_column(tap: &str) -> String {
        format!("{tap}_max")
    }

    /// The column of the cells at which those maxima lie, row-major.
    pub fn conv_argmax_column(tap: &str) -> String {
        format!("{tap}_argmax")
    }
}

use columns::{
    CLASS, CONTENT_HASH, HEIGHT, IMAGE_ID, LABEL, MESSAGE, MTIME_NS, PATH, PATH_BYTES, PIXELS, REASON, SCORE,
    SIZE_BYTES, SOURCE, THUMBNAIL, TOP_CLASSES, WIDTH, X, Y, Z, conv_argmax_column, conv_max_column,
};

/// Side of the small square picture kept of every image for distances between raw pixels.
pub const PIXELS_SIDE_PX: usize = 32;
/// Bytes of that picture: RGB, row-major.
pub const PIXELS_LEN: usize = PIXELS_SIDE_PX * PIXELS_SIDE_PX * 3;

/// The largest row that is stored; more is a mistake, and would be a burden for every reader.
const MAX_WIDTH: usize = 1 << 20;

/// Which features an atlas holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Name of the feature column, after its layer: `fc7`.
    pub feature_column: String,
    /// Components of a feature.
    pub dim: usize,
    /// The tapped convolution layers.
    pub convs: Vec<ConvColumns>,
}

/// A tapped convolution layer: two columns of `channels` items each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvColumns {
    /// The layer's name: `conv5`.
    pub name: String,
    /// Its channels.
    pub channels: usize,
    /// Rows of its grid of cells.
    pub height: usize,
    /// Columns of its grid of cells.
    pub width: usize,
}

impl ConvColumns {
    /// Cells of one channel: every argmax is below.
    pub fn cells(&self) -> usize {
        self.height.saturating_mul(self.width)
    }
}

impl Schema {
    /// Checks that rows of this kind can be stored.
    ///
    /// # Errors
    /// [`StoreError::BadSchema`] if a size is zero or beyond what the columns hold, or a name is empty or
    /// given twice.
    pub fn validate(&self) -> Result<(), StoreError> {
        let bad = |what: String| Err(StoreError::BadSchema { what });
        if self.dim == 0 || self.dim > MAX_WIDTH {
            return bad(format!("expected 1 to {MAX_WIDTH} components, got {}", self.dim));
        }
        for conv in &self.convs {
            if conv.channels == 0 || conv.channels > MAX_WIDTH {
                return bad(format!("layer `{}` has {} channels", conv.name, conv.channels));
            }
            // An argmax is a `u16`.
            if conv.cells() == 0 || conv.cells() > 1 << 16 {
                let ConvColumns { name, height, width, .. } = conv;
                return bad(format!("layer `{name}` has {height}x{width} cells, expected 1 to 65536"));
            }
        }
        let arrow = self.feature_table();
        let names: BTreeSet<&str> = arrow.fields().iter().map(|field| field.name().as_str()).collect();
        if names.len() < arrow.fields().len() {
            return bad("two columns of one name".to_owned());
        }
        let nameless = self.feature_column.is_empty() || self.convs.iter().any(|conv| conv.name.is_empty());
        if nameless { bad("a layer without a name".to_owned()) } else { Ok(()) }
    }

    /// The tapped layer of that name.
    pub fn conv(&self, tap: &str) -> Option<&ConvColumns> {
        self.convs.iter().find(|conv| conv.name == tap)
    }

    pub(crate) fn feature_table(&self) -> ArrowSchema {
        let mut fields = vec![
            Field::new(IMAGE_ID, DataType::UInt64, false),
            Field::new(PATH, DataType::Utf8, false),
            Field::new(PATH_BYTES, DataType::Binary, true),
            Field::new(LABEL, DataType::Utf8, true),
            Field::new(CONTENT_HASH, DataType::FixedSizeBinary(32), false),
            Field::new(WIDTH, DataType::UInt32, false),
            Field::new(HEIGHT, DataType::UInt32, false),
            Field::new(SOURCE, DataType::UInt32, false),
            Field::new(SIZE_BYTES, DataType::UInt64, false),
            Field::new(MTIME_NS, DataType::Int64, false),
            Field::new(&self.feature_column, fixed_list(DataType::Float32, self.dim), false),
        ];
        for conv in &self.convs {
            let [max, argmax] =
                [DataType::Float32, DataType::UInt16].map(|item| fixed_list(item, conv.channels));
            fields.push(Field::new(conv_max_column(&conv.name), max, false));
            fields.push(Field::new(conv_argmax_column(&conv.name), argmax, false));
        }
        fields.push(Field::new(TOP_CLASSES, DataType::List(class_item()), false));
        ArrowSchema::new(fields)
    }
}

/// The items of `top_classes`.
pub(crate) fn class_item() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Struct(class_fields()), false))
}

pub(crate) fn class_fields() -> Fields {
    vec![Field::new(CLASS, DataType::UInt32, false), Field::new(SCORE, DataType::Float32, false)].into()
}

/// The items of a fixed-size list. `element` is the name that the Parquet format itself prescribes.
pub(crate) fn list_item(item: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", item, false))
}

fn fixed_list(item: DataType, len: usize) -> DataType {
    DataType::FixedSizeList(list_item(item), i32::try_from(len).unwrap_or(i32::MAX))
}

pub(crate) fn thumb_table() -> ArrowSchema {
    let pixels = DataType::FixedSizeBinary(i32::try_from(PIXELS_LEN).expect("3072 fits"));
    ArrowSchema::new(vec![
        Field::new(IMAGE_ID, DataType::UInt64, false),
        Field::new(THUMBNAIL, DataType::Binary, false),
        Field::new(PIXELS, pixels, false),
    ])
}

pub(crate) fn reject_table() -> ArrowSchema {
    ArrowSchema::new(vec![
        Field::new(IMAGE_ID, DataType::UInt64, false),
        Field::new(PATH, DataType::Utf8, false),
        Field::new(PATH_BYTES, DataType::Binary, true),
        Field::new(SOURCE, DataType::UInt32, false),
        Field::new(SIZE_BYTES, DataType::UInt64, false),
        Field::new(MTIME_NS, DataType::Int64, false),
        Field::new(REASON, DataType::Utf8, false),
        Field::new(MESSAGE, DataType::Utf8, false),
    ])
}

pub(crate) fn map_table() -> ArrowSchema {
    ArrowSchema::new(vec![
        Field::new(IMAGE_ID, DataType::UInt64, false),
        Field::new(X, DataType::Float32, false),
        Field::new(Y, DataType::Float32, false),
    ])
}

pub(crate) fn map_3d_table() -> ArrowSchema {
    let axis = |name| Field::new(name, DataType::Float32, false);
    ArrowSchema::new(vec![Field::new(IMAGE_ID, DataType::UInt64, false), axis(X), axis(Y), axis(Z)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let conv = ConvColumns { name: "conv5".into(), channels: 128, height: 13, width: 13 };
        Schema { feature_column: "fc7".into(), dim: 4096, convs: vec![conv] }
    }

    #[test]
    fn sizes_that_do_not_fit_the_columns_are_refused() {
        schema().validate().unwrap();
        let changes: [fn(&mut Schema); 7] = [
            |s| s.dim = 0,
            |s| s.dim = usize::MAX,
            |s| s.convs[0].channels = 0,
            |s| s.convs[0].height = 0,
            |s| s.convs[0].width = 6000,
            |s| s.feature_column = "path".into(),
            |s| s.convs.push(s.convs[0].clone()),
        ];
        for change in changes {
            let mut schema = schema();
            change(&mut schema);
            assert!(schema.validate().is_err(), "{schema:?}");
        }
    }
}
