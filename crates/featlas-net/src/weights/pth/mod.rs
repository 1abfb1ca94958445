//! Importing PyTorch checkpoints (`.pth`) without running them.
//!
//! A checkpoint is a pickle, which is a program, and a heap of numbers. The pickle is read by
//! [`pickle`], which builds dicts of tensors and nothing else; the numbers lie in a zip archive
//! ([`zip`], since PyTorch 1.6) or behind the pickle ([`legacy`]). The result is checked against the
//! architecture before any number is read, so a hostile file cannot make this take more memory than
//! the model itself.

mod legacy;
mod pickle;
#[cfg(test)]
mod tests;
mod zip;

use super::safetensors::{NewTensor, write_safetensors};
use crate::arch::{Architecture, Naming, architecture};
use crate::error::{NetError, PthError};
use featlas_core::{Digest, Hasher};
use half::{bf16, f16};
use pickle::{Element, Pickle, Storage, Tensor, Value};
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// No state dict's pickle is longer; torchvision's are below 100 KB.
const MAX_PICKLE_BYTES: u64 = 16 << 20;

/// A checkpoint may keep all its tensors in one storage, and some that the model does not need.
const MAX_STORAGE_PER_PARAMETER: u64 = 4;

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// The architecture that the tensors were checked against.
    pub model: String,
    /// `zip` or `legacy`.
    pub format: &'static str,
    /// How the tensors are named.
    pub naming: Naming,
    /// Tensors written.
    pub num_tensors: usize,
    /// Numbers written.
    pub num_parameters: u64,
    /// The digest of the checkpoint.
    pub imported_from: Digest,
    /// The digest of the safetensors file, as [`crate::Model::weights_digest`] will give it.
    pub digest: Digest,
}

/// Where the numbers of a checkpoint lie.
trait Storages {
    /// The bytes of elements `span` of `storage`, which is called `key`.
    fn read_span(&mut self, storage: &Storage, key: &str, span: Range<usize>) -> Result<Vec<u8>, PthError>;
}

/// Converts the checkpoint `path` of `model` into the safetensors file `out`.
///
/// `out` appears whole or not at all.
///
/// # Errors
/// [`NetError::Checkpoint`] for a file that is no state dict, the errors of
/// [`Architecture::check_tensors`], [`NetError::Read`] and [`NetError::Write`].
pub fn import_pth(path: &Path, model: &str, out: &Path) -> Result<ImportReport, NetError> {
    let architecture = architecture(model)?;
    let read = |source| NetError::Read { path: path.to_owned(), source };
    if !fs_err::metadata(path).map_err(read)?.is_file() {
        return Err(read(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let file = fs_err::File::open(path).map_err(read)?;
    import(std::io::BufReader::new(file), path, &architecture, out)
}

/// The same for a checkpoint in memory; `name` is what errors call it.
///
/// # Errors
/// As [`import_pth`].
pub fn import_pth_bytes(
    bytes: &[u8],
    name: &Path,
    model: &str,
    out: &Path,
) -> Result<ImportReport, NetError> {
    import(Cursor::new(bytes), name, &architecture(model)?, out)
}

fn import<R: Read + Seek>(
    mut reader: R,
    path: &Path,
    architecture: &Architecture,
    out: &Path,
) -> Result<ImportReport, NetError> {
    let read = |source| NetError::Read { path: path.to_owned(), source };
    let imported_from = digest_of(&mut reader).map_err(read)?;
    reader.rewind().map_err(read)?;
    let (format, naming, tensors) = read_tensors(reader, path, architecture)?;
    let metadata = BTreeMap::from([
        ("architecture".to_owned(), architecture.name.clone()),
        ("format".to_owned(), "pt".to_owned()),
        ("keys".to_owned(), naming_word(naming).to_owned()),
        ("imported_from".to_owned(), format!("blake3:{imported_from}")),
    ]);
    let digest = write_safetensors(out, &tensors, &metadata)?;
    Ok(ImportReport {
        model: architecture.name.clone(),
        format,
        naming,
        num_tensors: tensors.len(),
        num_parameters: architecture.num_parameters()?,
        imported_from,
        digest,
    })
}

fn naming_word(naming: Naming) -> &'static str {
    match naming {
        Naming::Lecture => "lecture",
        Naming::Torchvision => "torchvision",
    }
}

fn digest_of(reader: &mut impl Read) -> std::io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&buffer[..n]),
        };
    }
}

/// The tensors of a checkpoint, checked and contiguous, in the order of the layers.
fn read_tensors<R: Read + Seek>(
    mut reader: R,
    path: &Path,
    architecture: &Architecture,
) -> Result<(&'static str, Naming, Vec<NewTensor>), NetError> {
    let broken = |source| NetError::Checkpoint { path: path.to_owned(), source };
    let mut magic = Vec::new();
    let io = |source| broken(PthError::Io { source });
    reader.by_ref().take(4).read_to_end(&mut magic).map_err(io)?;
    reader.seek(SeekFrom::Start(0)).map_err(io)?;
    if magic == b"PK\x03\x04" {
        let (mut archive, bytes) = zip::Archive::open(reader).map_err(broken)?;
        let pickle = pickle::read(&bytes, 0).map_err(broken)?;
        let (naming, tensors) = convert(&pickle, &mut archive, path, architecture)?;
        Ok(("zip", naming, tensors))
    } else {
        let head = legacy::head(&mut reader).map_err(broken)?;
        let (pickle, mut archive) = legacy::open(reader, &head).map_err(broken)?;
        let (naming, tensors) = convert(&pickle, &mut archive, path, architecture)?;
        Ok(("legacy", naming, tensors))
    }
}

fn convert(
    pickle: &Pickle<'_>,
    storages: &mut impl Storages,
    path: &Path,
    architecture: &Architecture,
) -> Result<(Naming, Vec<NewTensor>), NetError> {
    let broken = |source| NetError::Checkpoint { path: path.to_owned(), source };
    let state = state_dict(pickle).map_err(broken)?;
    let shapes = state.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
    let naming = architecture.check_tensors(&shapes, path)?;
    let limit = architecture.num_parameters()?.saturating_mul(MAX_STORAGE_PER_PARAMETER);
    // Everything that can be refused without reading numbers is refused before reading any.
    let mut plans = Vec::with_capacity(state.len());
    for (name, _) in architecture.tensor_list(naming)?.unwrap_or_default() {
        let tensor = state[&name];
        plans.push(plan(name, tensor, limit).map_err(broken)?);
    }
    let mut tensors = Vec::with_capacity(plans.len());
    for plan in plans {
        tensors.push(read_planned(pickle, storages, plan).map_err(broken)?);
    }
    Ok((naming, tensors))
}

/// The dict of tensors: the checkpoint itself, or its entry `state_dict`; without the `module.` that
/// data-parallel training puts before every name.
fn state_dict<'a>(pickle: &'a Pickle<'_>) -> Result<BTreeMap<String, &'a Tensor>, PthError> {
    let Value::Dict(root) = pickle.root() else {
        return Err(PthError::NotAStateDict { got: pickle.root().kind() });
    };
    let wrapped = root
        .iter()
        .filter(|(key, _)| pickle.text(pickle.get(*key)) == Some("state_dict"))
        .find_map(|(_, value)| match pickle.get(*value) {
            Value::Dict(inner) => Some(inner),
            _ => None,
        });
    let mut tensors = Vec::new();
    for (key, value) in wrapped.unwrap_or(root) {
        let (key, value) = (pickle.get(*key), pickle.get(*value));
        let name = pickle.text(key).ok_or(PthError::NotAStateDict { got: "a dict with other keys" })?;
        let Value::Tensor(tensor) = value else {
            return Err(PthError::NotAStateDict { got: value.kind() });
        };
        tensors.push((name, &**tensor));
    }
    let parallel = !tensors.is_empty() && tensors.iter().all(|(name, _)| name.starts_with("module."));
    let mut state = BTreeMap::new();
    for (name, tensor) in tensors {
        let name = if parallel { &name["module.".len()..] } else { name };
        if state.insert(name.to_owned(), tensor).is_some() {
            return Err(PthError::Duplicate { name: name.to_owned() });
        }
    }
    Ok(state)
}

/// A tensor that can be read: its type in the new file, and where its elements lie in its storage.
struct Plan<'a> {
    name: String,
    tensor: &'a Tensor,
    dtype: Dtype,
    span: Range<usize>,
}

fn plan(name: String, tensor: &Tensor, limit: u64) -> Result<Plan<'_>, PthError> {
    let storage = &tensor.storage;
    if storage.num_elements as u64 > limit {
        return Err(PthError::Limit { what: "elements in a storage", limit });
    }
    let dtype = match storage.element {
        Element::Float | Element::Double => Dtype::F32,
        Element::Half => Dtype::F16,
        Element::BFloat16 => Dtype::BF16,
        Element::Other(got, _) => return Err(PthError::TensorType { name, got }),
    };
    match span_of(tensor) {
        Some(span) => Ok(Plan { name, tensor, dtype, span }),
        None => {
            Err(PthError::OutOfStorage { name, shape: tensor.shape.clone(), available: storage.num_elements })
        }
    }
}

/// Reads the elements of a tensor in row-major order, doubles as floats.
fn read_planned(
    pickle: &Pickle<'_>,
    storages: &mut impl Storages,
    plan: Plan<'_>,
) -> Result<NewTensor, PthError> {
    let Plan { name, tensor, dtype, span } = plan;
    let storage = &tensor.storage;
    let key = pickle.str(&storage.key).ok_or(PthError::NotAStateDict { got: "a storage without a name" })?;
    let bytes = storages.read_span(storage, key, span)?;
    let data = gather(&bytes, storage.element.size(), &tensor.shape, &tensor.stride);
    let data = checked(&name, storage.element, data)?;
    Ok(NewTensor { name, dtype, shape: tensor.shape.clone(), data })
}

/// The elements of its storage between a tensor's first and last; `None` if it reaches outside.
fn span_of(tensor: &Tensor) -> Option<Range<usize>> {
    let mut last = tensor.offset;
    for (&side, &stride) in tensor.shape.iter().zip(&tensor.stride) {
        last = last.checked_add(side.checked_sub(1)?.checked_mul(stride)?)?;
    }
    (last < tensor.storage.num_elements).then_some(tensor.offset..last + 1)
}

/// Copies strided elements of `size` bytes into row-major order.
fn gather(bytes: &[u8], size: usize, shape: &[usize], stride: &[usize]) -> Vec<u8> {
    let count: usize = shape.iter().product();
    let mut out = Vec::with_capacity(count * size);
    let mut place = vec![0; shape.len()];
    let mut at = 0;
    for _ in 0..count {
        out.extend_from_slice(&bytes[at * size..][..size]);
        for dim in (0..shape.len()).rev() {
            place[dim] += 1;
            at += stride[dim];
            if place[dim] < shape[dim] {
                break;
            }
            at -= stride[dim] * shape[dim];
            place[dim] = 0;
        }
    }
    out
}

/// Refuses NaN and infinities; narrows doubles.
fn checked(name: &str, element: Element, data: Vec<u8>) -> Result<Vec<u8>, PthError> {
    let refuse = |index: usize, value: f64| PthError::NonFinite { name: name.to_owned(), index, value };
    let check = |values: &mut dyn Iterator<Item = f32>| match values.enumerate().find(|(_, v)| !v.is_finite())
    {
        None => Ok(()),
        Some((index, value)) => Err(refuse(index, f64::from(value))),
    };
    match element {
        Element::Half => {
            check(&mut data.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()))?;
        }
        Element::BFloat16 => {
            check(&mut data.as_chunks::<2>().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()))?;
        }
        Element::Double => {
            let mut narrow = Vec::with_capacity(data.len() / 2);
            for (index, &bytes) in data.as_chunks::<8>().0.iter().enumerate() {
                let value = f64::from_le_bytes(bytes);
                if !value.is_finite() {
                    return Err(refuse(index, value));
                }
                #[expect(clippy::cast_possible_truncation, reason = "what does not fit is refused")]
                let single = value as f32;
                if !single.is_finite() {
                    return Err(PthError::BeyondF32 { name: name.to_owned(), value });
                }
                narrow.extend_from_slice(&single.to_le_bytes());
            }
            return Ok(narrow);
        }
        Element::Float | Element::Other(..) => {
            check(&mut data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)))?;
        }
    }
    Ok(data)
}
