//! What can go wrong with a model: its name, its weights, its taps.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// No architecture has this name.
    #[error("unknown model `{name}`: expected one of {}", known.join(", "))]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The model has no such layer to tap.
    #[error("model `{model}` has no layer `{name}`: expected one of {}", layers.join(", "))]
    UnknownLayer {
        /// What was asked for.
        name: String,
        /// The model's name.
        model: String,
        /// The layers that can be tapped.
        layers: Vec<String>,
    },
    /// Two taps would both become the feature.
    #[error("expected at most one feature tap, got `{first}` and `{second}`")]
    TwoFeatures {
        /// The feature tap named first.
        first: String,
        /// The feature tap named second.
        second: String,
    },
    /// Only `alexnet-lite` is compiled in.
    #[error("model `{model}` has no embedded weights")]
    NoWeights {
        /// The model's name.
        model: String,
    },
    /// A window does not fit into its input.
    #[error("layer `{layer}` does not fit its input: expected at least {needed} px, got {got}")]
    TooSmall {
        /// The layer's name.
        layer: String,
        /// Smallest side that has room for one window.
        needed: usize,
        /// The side it got.
        got: usize,
    },
    /// A layer list that does not fit together.
    #[error("layer `{layer}` cannot take its inputs: {reason}")]
    BadLayer {
        /// The layer's name.
        layer: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// A clause of a preprocessing text that the grammar does not know, or that stands twice.
    #[error("cannot read preprocessing clause `{clause}`: {reason} in `{text}`")]
    PreprocessClause {
        /// The clause.
        clause: String,
        /// Why not.
        reason: &'static str,
        /// The whole text.
        text: String,
    },
    /// A preprocessing text that leaves something open.
    #[error("preprocessing names no {missing}: `{text}`")]
    PreprocessIncomplete {
        /// What is missing.
        missing: &'static str,
        /// The whole text.
        text: String,
    },
    /// A metadata entry of a weights file with a value that the grammar does not know.
    #[error("cannot read weights metadata `{key}`: expected {expected}, got `{value}` in `{}`", path.display())]
    Metadata {
        /// The entry's key.
        key: String,
        /// What may stand there.
        expected: &'static str,
        /// What stands there.
        value: String,
        /// The weights file.
        path: PathBuf,
    },
    /// The preprocessing stated in a weights file cannot be read.
    #[error("cannot read weights metadata `preprocess` in `{}`", path.display())]
    MetadataPreprocess {
        /// The weights file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<Self>,
    },
    /// A weights file made for another architecture.
    #[error("weights are for another model: expected `{expected}`, got `{got}` in `{}`", path.display())]
    WrongArchitecture {
        /// The model asked for.
        expected: String,
        /// The model that the file names.
        got: String,
        /// The weights file.
        path: PathBuf,
    },
    /// A class list of another length than the model's last layer.
    #[error("wrong number of class names: expected {expected}, got {got} for `{}`", path.display())]
    ClassCount {
        /// Outputs of the last layer.
        expected: usize,
        /// Names in the list.
        got: usize,
        /// The weights file that asks for the list.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("cannot read weights from `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write weights to `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file larger than the architecture's tensors can explain.
    #[error("weights are too large: expected at most {limit} bytes, got {got} in `{}`", path.display())]
    TooLarge {
        /// Most bytes that are read.
        limit: u64,
        /// Bytes there are.
        got: u64,
        /// The file.
        path: PathBuf,
    },
    /// Not a safetensors file.
    #[error("not a safetensors file: `{}`", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// A tensor that the architecture needs is not there.
    #[error("tensor `{name}` is missing: expected {expected:?} in `{}`", path.display())]
    MissingTensor {
        /// The tensor.
        name: String,
        /// Its shape.
        expected: Vec<usize>,
        /// The weights file.
        path: PathBuf,
    },
    /// A tensor that the architecture does not know.
    #[error("tensor `{name}` is unknown to model `{model}` in `{}`", path.display())]
    ExtraTensor {
        /// The tensor.
        name: String,
        /// The model's name.
        model: String,
        /// The weights file.
        path: PathBuf,
    },
    /// A tensor of another shape.
    #[error("tensor `{name}` has the wrong shape: expected {expected:?}, got {got:?} in `{}`", path.display())]
    TensorShape {
        /// The tensor.
        name: String,
        /// The architecture's shape.
        expected: Vec<usize>,
        /// The file's shape.
        got: Vec<usize>,
        /// The weights file.
        path: PathBuf,
    },
    /// A tensor of a number type that is no weight.
    #[error("tensor `{name}` has the wrong type: expected f32, f16 or bf16, got {got} in `{}`", path.display())]
    TensorType {
        /// The tensor.
        name: String,
        /// The file's type.
        got: String,
        /// The weights file.
        path: PathBuf,
    },
    /// A weight that is NaN or infinite.
    #[error("tensor `{name}` holds `{value}` at index {index} in `{}`", path.display())]
    NonFinite {
        /// The tensor.
        name: String,
        /// Row-major index of the value.
        index: usize,
        /// The value.
        value: f32,
        /// The weights file.
        path: PathBuf,
    },
    /// A `.pth` file that cannot be imported.
    #[error("cannot import the checkpoint `{}`", path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// The cause.
        #[source]
        source: PthError,
    },
    /// Pixels or activations of another size than the model's input.
    #[error("wrong input size: expected {expected} px, got {got}")]
    InputSize {
        /// The model's side.
        expected: usize,
        /// The side of the batch.
        got: usize,
    },
    /// An activation with more cells than the argmax columns can name.
    #[error("layer `{layer}` has too many cells to tap: expected at most 65536, got {got}")]
    TooManyCells {
        /// The layer's name.
        layer: String,
        /// Its `h * w`.
        got: usize,
    },
    /// The numeric library refused a layer: our own bug, or no memory.
    #[error("cannot compute layer `{layer}`")]
    Compute {
        /// The layer's name.
        layer: String,
        /// The cause.
        #[source]
        source: Box<candle_core::Error>,
    },
}

impl NetError {
    /// What the user may do about it, when there is one thing.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoWeights { .. } => Some(
                "fetch a checkpoint with `featlas models pull` or convert one with `featlas models import`, \
                 then pass it with `--weights`",
            ),
            Self::UnknownModel { .. } => Some("`featlas models list` shows all models"),
            Self::UnknownLayer { .. } => Some("`featlas models info NAME` shows a model's layers"),
            Self::NotSafetensors { .. } => {
                Some("convert a `.pth` checkpoint with `featlas models import IN.pth --model NAME --out OUT`")
            }
            Self::WrongArchitecture { .. } => {
                Some("pass the model that the file was made for with `--model`")
            }
            Self::MissingTensor { .. } | Self::ExtraTensor { .. } | Self::TensorShape { .. } => Some(
                "pass the model that the weights were made for with `--model`: \
                 `featlas models info NAME` shows a model's layers",
            ),
            _ => None,
        }
    }
}

/// Why a `.pth` checkpoint cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PthError {
    /// Neither of PyTorch's two formats.
    #[error("expected a PyTorch checkpoint (zip or legacy), got other bytes")]
    NotACheckpoint,
    /// The zip container is damaged.
    #[error("damaged zip container")]
    Zip {
        /// The cause.
        #[source]
        source: zip::result::ZipError,
    },
    /// The file could not be read.
    #[error("cannot read the checkpoint")]
    Io {
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A member of the container is not there.
    #[error("the container has no member `{name}`")]
    NoMember {
        /// The member.
        name: String,
    },
    /// The bytes end too early.
    #[error("the {what} ends early, at byte {offset}")]
    Truncated {
        /// Which part.
        what: &'static str,
        /// Where, counted from the part's beginning.
        offset: usize,
    },
    /// A pickle instruction that no state dict needs; nothing of it was carried out.
    #[error("refused pickle opcode `0x{opcode:02x}` at byte {offset}")]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Where.
        offset: usize,
    },
    /// A pickle reference to code that no state dict needs; nothing of it was carried out.
    #[error("refused pickle global `{name}`")]
    Global {
        /// Module and name.
        name: String,
    },
    /// A call with arguments of another kind or number.
    #[error("malformed pickle: {what} at byte {offset}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where.
        offset: usize,
    },
    /// More of something than a state dict has.
    #[error("too many {what}: expected at most {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// Most that are read.
        limit: u64,
    },
    /// The checkpoint is no dict of tensors.
    #[error("expected a dict of tensors, got {got}")]
    NotAStateDict {
        /// What it is.
        got: &'static str,
    },
    /// Two entries of one name.
    #[error("tensor `{name}` stands twice")]
    Duplicate {
        /// The tensor.
        name: String,
    },
    /// The numbers of a storage are more or fewer than its name says.
    #[error("storage `{key}` has the wrong length: expected {expected} bytes, got {got}")]
    StorageLength {
        /// The storage's name.
        key: String,
        /// Bytes that its name promises.
        expected: u64,
        /// Bytes there are.
        got: u64,
    },
    /// A weight that is NaN or infinite.
    #[error("tensor `{name}` holds `{value}` at index {index}")]
    NonFinite {
        /// The tensor.
        name: String,
        /// Row-major index of the value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Big-endian numbers.
    #[error("expected little-endian numbers, got big-endian")]
    BigEndian,
    /// A tensor of numbers that are no weights.
    #[error("tensor `{name}` has the wrong type: expected float, double, half or bfloat16, got {got}")]
    TensorType {
        /// The tensor.
        name: String,
        /// The file's type.
        got: &'static str,
    },
    /// A tensor that reaches outside the numbers stored for it.
    #[error("tensor `{name}` reaches outside its storage of {available} elements: shape {shape:?}")]
    OutOfStorage {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Elements there are.
        available: usize,
    },
    /// A double beyond the range of f32.
    #[error("tensor `{name}` holds a number beyond f32: {value:e}")]
    BeyondF32 {
        /// The tensor.
        name: String,
        /// The number.
        value: f64,
    },
}

const _: () = assert!(size_of::<NetError>() <= 136);
