//! Features as `NumPy` writes them.

use std::error::Error;

/// Reads a `.npy` file of `float32` rows `(n, dim)` in C order; returns the values and `dim`.
pub(crate) fn read(path: &str) -> Result<(Vec<f32>, usize), Box<dyn Error>> {
    let bytes = fs_err::read(path)?;
    let len = match bytes.get(..12) {
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..]) => {
            usize::from(u16::from_le_bytes([*a, *b])) + 10
        }
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', _, _, a, b, c, d]) => {
            usize::try_from(u32::from_le_bytes([*a, *b, *c, *d]))? + 12
        }
        _ => return Err("the file does not begin like a .npy file".into()),
    };
    let head = String::from_utf8_lossy(bytes.get(..len).ok_or("the file is cut short")?).into_owned();
    if !head.contains("'<f4'") || head.contains("'fortran_order': True") {
        return Err("expected float32 rows in C order".into());
    }
    let shape = head.split("'shape': (").nth(1).and_then(|rest| rest.split(')').next()).ok_or("no shape")?;
    let shape: Vec<usize> = shape
        .split(',')
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [_, dim] = shape[..] else { return Err("expected two axes".into()) };
    let values = bytes[len..].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok((values, dim))
}
