//! Arrays of `f32` in `NumPy`'s format, read block by block.

use anyhow::{Context as _, bail, ensure};
use std::io::{BufReader, Read as _};
use std::path::Path;

/// A two-dimensional array in a file, of which some rows have been read.
pub(crate) struct Npy {
    file: BufReader<fs_err::File>,
    /// Rows in all.
    pub(crate) rows: usize,
    /// Values a row.
    pub(crate) dim: usize,
    left: usize,
}

impl Npy {
    /// Opens a little-endian `f32` array of two dimensions, of which no more than `limit` rows count.
    pub(crate) fn open(path: &Path, limit: usize) -> anyhow::Result<Self> {
        let mut file = BufReader::with_capacity(1 << 20, fs_err::File::open(path)?);
        let mut magic = [0; 8];
        file.read_exact(&mut magic)?;
        ensure!(magic.starts_with(b"\x93NUMPY"), "expected NumPy's magic bytes: `{}`", path.display());
        let len = if magic[6] == 1 {
            let mut len = [0; 2];
            file.read_exact(&mut len)?;
            u16::from_le_bytes(len).into()
        } else {
            let mut len = [0; 4];
            file.read_exact(&mut len)?;
            u32::from_le_bytes(len)
        };
        let mut header = String::new();
        file.by_ref().take(len.into()).read_to_string(&mut header)?;
        let wanted = header.contains("'<f4'") && header.contains("'fortran_order': False");
        ensure!(wanted, "expected little-endian f32 in C order, got {}", header.trim());
        let shape = header.split('(').nth(1).and_then(|rest| rest.split(')').next()).context("no shape")?;
        let sizes: Vec<usize> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
        let &[rows, dim] = sizes.as_slice() else { bail!("expected two dimensions, got {sizes:?}") };
        let rows = rows.min(limit);
        Ok(Self { file, rows, dim, left: rows })
    }

    /// The next rows, at most `rows`; none at the end.
    pub(crate) fn next_block(&mut self, rows: usize) -> anyhow::Result<Vec<f32>> {
        let rows = rows.min(self.left);
        let mut values = vec![0.0_f32; rows * self.dim];
        self.file.read_exact(bytemuck::cast_slice_mut(&mut values))?;
        self.left -= rows;
        Ok(values)
    }
}
