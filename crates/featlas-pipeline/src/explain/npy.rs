//! Arrays as `NumPy` reads them: format 1.0 of `numpy.lib.format`, little-endian, row-major.

/// Bytes before the header: magic, version and the header's length.
const BEFORE_HEADER_BYTES: usize = 10;

/// An array with its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Length of every axis.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Values,
}

/// The values of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// `<f4`.
    F32(Vec<f32>),
    /// `|u1`.
    U8(Vec<u8>),
}

impl Array {
    /// An array of `f32`.
    pub(crate) fn f32(shape: &[usize], values: Vec<f32>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        Self { shape: shape.to_vec(), values: Values::F32(values) }
    }

    /// The bytes of a `.npy` file.
    pub(crate) fn to_npy(&self) -> Vec<u8> {
        let descr = match self.values {
            Values::F32(_) => "<f4",
            Values::U8(_) => "|u1",
        };
        // A tuple of one needs its comma; Python allows it everywhere.
        let axes: Vec<String> = self.shape.iter().map(|len| format!("{len},")).collect();
        let shape = axes.join(" ");
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
        // The data begin at a multiple of 64; the header ends with a line feed.
        let padded = (BEFORE_HEADER_BYTES + header.len() + 1).next_multiple_of(64) - BEFORE_HEADER_BYTES;
        header.extend(std::iter::repeat_n(' ', padded - 1 - header.len()));
        header.push('\n');
        let len = u16::try_from(header.len()).expect("a header of a few axes is short");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(len.to_le_bytes());
        bytes.extend(header.as_bytes());
        match &self.values {
            Values::F32(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Values::U8(values) => bytes.extend(values),
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_numpy() {
        // numpy.save of numpy.array([[1, 2.5]], "<f4").
        let array = Array::f32(&[1, 2], vec![1.0, 2.5]);
        let mut expected =
            b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2,), }".to_vec();
        expected.resize(127, b' ');
        expected.push(b'\n');
        expected.extend([0, 0, 0x80, 0x3f, 0, 0, 0x20, 0x40]);
        assert_eq!(array.to_npy(), expected);
    }

    #[test]
    fn data_begin_at_a_multiple_of_64() {
        for axes in 0..9 {
            let shape = vec![1; axes];
            let bytes = Array { shape, values: Values::U8(vec![7]) }.to_npy();
            assert!((bytes.len() - 1).is_multiple_of(64), "{axes} axes");
            assert_eq!(bytes.last(), Some(&7));
        }
    }
}
