//! Reading safetensors files, and writing them whole or not at all.

use super::embedded_path;
use crate::arch::{Architecture, EMBEDDED_MODEL, Naming};
use crate::error::NetError;
use featlas_core::Digest;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The compiled-in weights.
const EMBEDDED_WEIGHTS: &[u8] = include_bytes!("../../../../data/models/alexnet-lite.safetensors");

/// Room for names and metadata beside the numbers of a weights file.
const HEADER_ROOM_BYTES: u64 = 1 << 20;

/// A weights file in memory: its bytes, their digest, and where each tensor lies.
#[derive(Clone)]
pub struct Weights {
    bytes: Arc<Cow<'static, [u8]>>,
    digest: Digest,
    path: PathBuf,
    tensors: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    range: Range<usize>,
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Weights")
            .field("path", &self.path)
            .field("digest", &self.digest)
            .field("tensors", &self.tensors)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

impl Weights {
    /// The weights that are compiled in for `model`.
    ///
    /// # Errors
    /// [`NetError::NoWeights`] for every model but `alexnet-lite`.
    pub fn embedded(model: &str) -> Result<Self, NetError> {
        if model != EMBEDDED_MODEL {
            return Err(NetError::NoWeights { model: model.to_owned() });
        }
        Self::from_bytes(Cow::Borrowed(EMBEDDED_WEIGHTS), &embedded_path(model))
    }

    /// Reads the file at `path`, which must hold no more than `architecture` can explain.
    ///
    /// # Errors
    /// [`NetError::Read`], [`NetError::TooLarge`] before anything is read, [`NetError::NotSafetensors`].
    pub fn open(path: &Path, architecture: &Architecture) -> Result<Self, NetError> {
        let limit = architecture.num_parameters()? * 4 + HEADER_ROOM_BYTES;
        Self::from_bytes(Cow::Owned(read_at_most(path, limit)?), path)
    }

    /// Takes the bytes of a safetensors file; `path` is what errors call it.
    ///
    /// # Errors
    /// [`NetError::NotSafetensors`].
    pub fn from_bytes(bytes: Cow<'static, [u8]>, path: &Path) -> Result<Self, NetError> {
        let err = |source| NetError::NotSafetensors { path: path.to_owned(), source };
        let (header, info) = SafeTensors::read_metadata(&bytes).map_err(err)?;
        // `read_metadata` checks that the tensors lie without gap or overlap; `deserialize` also that
        // they end where the bytes end.
        SafeTensors::deserialize(&bytes).map_err(err)?;
        let start = header + size_of::<u64>();
        let tensors = info
            .tensors()
            .into_iter()
            .map(|(name, tensor)| {
                let (from, to) = tensor.data_offsets;
                let range = start + from..start + to;
                (name, Entry { dtype: tensor.dtype, shape: tensor.shape.clone(), range })
            })
            .collect();
        let metadata = info.metadata().clone().unwrap_or_default().into_iter().collect();
        let digest = Digest::of(&bytes);
        Ok(Self { bytes: Arc::new(bytes), digest, path: path.to_owned(), tensors, metadata })
    }

    /// The digest of the file's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Where the weights come from, in the words of an error message.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's own `__metadata__`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Names and shapes of all tensors.
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.iter().map(|(name, entry)| (name.clone(), entry.shape.clone())).collect()
    }

    /// Lets go of all values.
    pub(crate) fn release(&mut self) {
        self.bytes = Arc::default();
    }

    /// The values of a tensor, row-major, widened to f32; where they are that already, as they lie in memory.
    ///
    /// Returns `None` if there is none of that name, if its numbers are no weights, or if the values were
    /// let go of.
    pub fn tensor(&self, name: &str) -> Option<Cow<'_, [f32]>> {
        let entry = self.tensors.get(name)?;
        let bytes = self.bytes.get(entry.range.clone())?;
        widen(entry.dtype, bytes)
    }

    /// The rows of a tensor, to be read without the weights at hand; they stay in memory as long as this.
    pub(crate) fn rows(&self, name: &str) -> Option<Rows> {
        let entry = self.tensors.get(name)?;
        let rows = entry.shape.first().copied().filter(|&rows| rows > 0)?;
        let len = self.bytes.get(entry.range.clone())?.len() / rows;
        Some(Rows { bytes: Arc::clone(&self.bytes), dtype: entry.dtype, start: entry.range.start, len })
    }

    /// Checks every name, shape, type and value against `architecture`.
    ///
    /// # Errors
    /// The errors of [`Architecture::check_tensors`], [`NetError::TensorType`],
    /// [`NetError::NonFinite`].
    pub fn check(&self, architecture: &Architecture) -> Result<Naming, NetError> {
        let naming = architecture.check_tensors(&self.shapes(), &self.path)?;
        for (name, entry) in &self.tensors {
            if !matches!(entry.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                let got = format!("{:?}", entry.dtype).to_lowercase();
                return Err(NetError::TensorType { name: name.clone(), got, path: self.path.clone() });
            }
        }
        for (name, entry) in &self.tensors {
            let bytes = &self.bytes[entry.range.clone()];
            if let Some((index, value)) = first_non_finite(entry.dtype, bytes) {
                let (name, path) = (name.clone(), self.path.clone());
                return Err(NetError::NonFinite { name, index, value, path });
            }
        }
        Ok(naming)
    }
}

/// The rows of a tensor in the bytes of its weights file.
#[derive(Clone)]
pub(crate) struct Rows {
    bytes: Arc<Cow<'static, [u8]>>,
    dtype: Dtype,
    start: usize,
    /// Bytes of a row.
    len: usize,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { dtype, start, len, .. } = self;
        f.debug_struct("Rows").field("dtype", dtype).field("start", start).field("len", len).finish()
    }
}

impl Rows {
    /// The values of row `index`, widened to f32.
    ///
    /// # Panics
    /// If the tensor has no such row, or its numbers are no weights; [`Weights::check`] refuses those.
    pub(crate) fn row(&self, index: usize) -> Cow<'_, [f32]> {
        let bytes = &self.bytes[self.start + index * self.len..][..self.len];
        widen(self.dtype, bytes).expect("check() saw the type")
    }
}

/// Reads a regular file of at most `limit` bytes.
pub(super) fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, NetError> {
    let read = |source| NetError::Read { path: path.to_owned(), source };
    let metadata = fs_err::metadata(path).map_err(read)?;
    if !metadata.is_file() {
        // Opening a FIFO would wait for ever.
        return Err(read(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let too_large = |got| NetError::TooLarge { limit, got, path: path.to_owned() };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    let file = fs_err::File::open(path).map_err(read)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(read)?;
    // The file may have grown since.
    if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// A tensor to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NewTensor {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Row-major, little-endian.
    pub(super) data: Vec<u8>,
}

/// Writes a safetensors file and gives its digest.
///
/// The file appears under its name complete and synced, or not at all. Its bytes depend on the
/// arguments alone: the safetensors crate would write the metadata in the order of a hash map.
pub(super) fn write_safetensors(
    path: &Path,
    tensors: &[NewTensor],
    metadata: &BTreeMap<String, String>,
) -> Result<Digest, NetError> {
    let write = |source| NetError::Write { path: path.to_owned(), source };
    // Wider numbers first keeps every tensor aligned to its own size.
    let mut order: Vec<&NewTensor> = tensors.iter().collect();
    order.sort_by_key(|tensor| std::cmp::Reverse(tensor.dtype.bitsize()));
    let mut header = BTreeMap::new();
    header.insert("__metadata__".to_owned(), serde_json::json!(metadata));
    let mut offset = 0;
    for tensor in &order {
        let end = offset + tensor.data.len();
        let entry = serde_json::json!({
            "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, end],
        });
        header.insert(tensor.name.clone(), entry);
        offset = end;
    }
    let mut header = serde_json::json!(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let len = (header.len() as u64).to_le_bytes();
    let pieces = || [&len[..], &header].into_iter().chain(order.iter().map(|t| t.data.as_slice()));

    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".weights-").suffix(".partial");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // What any newly created file gets; the umask still applies.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(write)?;
    let mut hasher = featlas_core::Hasher::new();
    for piece in pieces() {
        file.write_all(piece).map_err(write)?;
        hasher.update(piece);
    }
    file.as_file().sync_all().map_err(write)?;
    file.persist(path).map_err(|err| write(err.error))?;
    // The name is durable only when the folder is.
    fs_err::File::open(folder).and_then(|folder| folder.sync_all()).map_err(write)?;
    Ok(hasher.finish())
}

fn f32s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b))
}

fn f16s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32())
}

fn bf16s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<2>().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32())
}

fn widen(dtype: Dtype, bytes: &[u8]) -> Option<Cow<'_, [f32]>> {
    match dtype {
        Dtype::F32 => Some(match bytemuck::try_cast_slice(bytes) {
            // The file's bytes are little-endian, and begin where they were read to.
            Ok(values) if cfg!(target_endian = "little") => Cow::Borrowed(values),
            _ => f32s(bytes).collect(),
        }),
        Dtype::F16 => Some(f16s(bytes).collect()),
        Dtype::BF16 => Some(bf16s(bytes).collect()),
        _ => None,
    }
}

fn first_non_finite(dtype: Dtype, bytes: &[u8]) -> Option<(usize, f32)> {
    let find = |values: &mut dyn Iterator<Item = f32>| values.enumerate().find(|(_, v)| !v.is_finite());
    match dtype {
        Dtype::F32 => find(&mut f32s(bytes)),
        Dtype::F16 => find(&mut f16s(bytes)),
        Dtype::BF16 => find(&mut bf16s(bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
