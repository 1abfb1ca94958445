//! One row as the rows file holds it: lossless, and a third of the size where most values are zero, as after a `ReLU`.
//!
//! A sparse record is a bit for every component, in 32-bit words, then the values whose bit is set. A record as long as
//! `dim` values holds them all: that is how a row without zeros is kept.

use crate::distance;
use crate::vectors::scale;

#[cfg(target_arch = "x86_64")]
mod expand;

/// A row in a form that can be walked quickly: where it is not zero, and what it is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sparse {
    /// Components that are not zero, ascending.
    pub(crate) at: Vec<u32>,
    /// Their values.
    pub(crate) values: Vec<f32>,
}

impl Sparse {
    /// Replaces what it holds by the entries of `row` that are not zero.
    pub(crate) fn set(&mut self, row: &[f32]) {
        // Every component is written, and stays if it is not zero: there is nothing to predict.
        self.at.resize(row.len() + 1, 0);
        self.values.resize(row.len() + 1, 0.0);
        let mut len = 0;
        for (&value, at) in row.iter().zip(0u32..) {
            self.at[len] = at;
            self.values[len] = value;
            len += usize::from(value != 0.0);
        }
        self.at.truncate(len);
        self.values.truncate(len);
    }
}

fn words(dim: usize) -> usize {
    dim.div_ceil(32)
}

/// Appends the record of `row` to `out`, as 32-bit words.
pub(crate) fn encode(row: &[f32], out: &mut Vec<u32>) {
    let first = out.len();
    let nonzero = row.iter().filter(|value| **value != 0.0).count();
    if words(row.len()) + nonzero >= row.len() {
        out.extend(row.iter().map(|value| value.to_bits()));
        return;
    }
    out.resize(first + words(row.len()), 0);
    for (at, value) in row.iter().enumerate() {
        if *value != 0.0 {
            out[first + at / 32] |= 1 << (at % 32);
        }
    }
    out.extend(row.iter().filter(|value| **value != 0.0).map(|value| value.to_bits()));
}

/// Unpacks `record` into `row`; false if it is not the record of a row of that length.
pub(crate) fn decode(record: &[u32], row: &mut [f32]) -> bool {
    if record.len() == row.len() {
        row.iter_mut().zip(record).for_each(|(value, bits)| *value = f32::from_bits(*bits));
        return true;
    }
    let Some((bitmap, values)) = record.split_at_checked(words(row.len())) else { return false };
    let count: u32 = bitmap.iter().map(|word| word.count_ones()).sum();
    let tail = row.len() % 32;
    let beyond = tail != 0 && bitmap.last().is_some_and(|last| last >> tail != 0);
    if count as usize != values.len() || beyond {
        return false;
    }
    unpack(bitmap, values, row);
    true
}

/// `|row - query|²` for the row of `record`, to the bit what [`distance::squared`] gives for the row unpacked; `None` if
/// it is not the record of a row of that length. What is in `buffer` does not matter. The record that is asked for next,
/// `ahead`, is brought near meanwhile.
pub(crate) fn squared_to(record: &[u32], query: &[f32], ahead: &[u32], buffer: &mut Vec<f32>) -> Option<f32> {
    if record.len() == query.len() {
        return Some(distance::squared(bytemuck::cast_slice(record), query));
    }
    #[cfg(target_arch = "x86_64")]
    if query.len().is_multiple_of(distance::LANES)
        && let Some(v3) = pulp::x86::V3::try_new()
    {
        let (bitmap, values) = record.split_at_checked(words(query.len()))?;
        return pulp::Simd::vectorize(v3, expand::SquaredDifference { v3, bitmap, values, query, ahead });
    }
    buffer.resize(query.len(), 0.0);
    decode(record, buffer).then(|| distance::squared(buffer, query))
}

/// Puts `values` where the bits of `bitmap` are, and zeros elsewhere; there are as many of one as of the other.
fn unpack(bitmap: &[u32], values: &[u32], row: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        pulp::Simd::vectorize(v3, expand::Expand { v3, bitmap, values, row });
        return;
    }
    unpack_portable(bitmap, values, row);
}

fn unpack_portable(bitmap: &[u32], values: &[u32], row: &mut [f32]) {
    row.fill(0.0);
    let mut rest = values;
    for (chunk, &word) in row.chunks_mut(32).zip(bitmap) {
        let (mine, others) = rest.split_at(rest.len().min(word.count_ones() as usize));
        let mut word = word;
        for bits in mine {
            // The last chunk may be short, but no bit lies beyond it.
            if let Some(value) = chunk.get_mut(word.trailing_zeros() as usize) {
                *value = f32::from_bits(*bits);
            }
            word &= word.wrapping_sub(1);
        }
        rest = others;
    }
}

/// Euclidean length, summed in `f64` in a fixed number of lanes.
fn length(row: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0f64; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (sum, &value) in sums.iter_mut().zip(block) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    let rest: f64 = rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    (sums.iter().sum::<f64>() + rest).sqrt()
}

/// What became of a row that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prepared {
    /// It is ready to be stored.
    Ready,
    /// It is all zero, and has no direction.
    Zero,
    /// It holds a value that is not finite, or so large that its length is not.
    NonFinite,
}

/// Brings `row` into the form in which rows are stored and compared: of length 1 for the cosine.
pub(crate) fn prepare(row: &mut [f32], metric: crate::Metric) -> Prepared {
    // A value that is not finite makes the length so.
    let norm = length(row);
    if !norm.is_finite() {
        return Prepared::NonFinite;
    }
    match metric {
        crate::Metric::Cosine if norm == 0.0 => return Prepared::Zero,
        crate::Metric::Cosine => scale(row, norm),
        // Adding zero turns -0 into 0, so that equal rows are equal byte by byte.
        crate::Metric::L2 => row.iter_mut().for_each(|value| *value += 0.0),
    }
    Prepared::Ready
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in(
            row in prop::collection::vec(prop_oneof![3 => Just(0.0f32), 1 => -1e6f32..1e6], 1..300)
        ) {
            let mut record = Vec::new();
            encode(&row, &mut record);
            prop_assert!(record.len() <= row.len());
            let mut back = vec![7.0; row.len()];
            prop_assert!(decode(&record, &mut back));
            prop_assert_eq!(&row, &back);
            let (bitmap, values) = record.split_at(words(row.len()).min(record.len()));
            if record.len() < row.len() {
                unpack_portable(bitmap, values, &mut back);
                prop_assert_eq!(&row, &back);
            }
            let mut sparse = Sparse::default();
            sparse.set(&row);
            prop_assert_eq!(sparse.values.len(), row.iter().filter(|v| **v != 0.0).count());
        }

        #[test]
        fn distances_are_those_of_the_row_unpacked(
            blocks in 1usize..6, ragged in 0usize..2, zeros in 0u32..4, seed in 0u64..1000
        ) {
            let dim = blocks * distance::LANES + ragged * 7;
            let rows = crate::testkit::unit_rows(2, dim, seed);
            let (row, query) = rows.split_at(dim);
            let mut row = row.to_vec();
            let keep = |at: usize| zeros == 0 || (at as u64 * 7919 + seed) % 4 >= u64::from(zeros);
            row.iter_mut().enumerate().filter(|(at, _)| !keep(*at)).for_each(|(_, value)| *value = 0.0);
            let mut record = Vec::new();
            encode(&row, &mut record);
            let got = squared_to(&record, query, &record, &mut Vec::new()).map(f32::to_bits);
            prop_assert_eq!(got, Some(distance::squared(&row, query).to_bits()));
            if record.len() < dim {
                record.pop();
                prop_assert_eq!(squared_to(&record, query, &record, &mut Vec::new()), None);
                record.extend([0, 0]);
                prop_assert_eq!(squared_to(&record, query, &record, &mut Vec::new()), None);
            }
        }

        #[test]
        fn any_words_decode_or_are_refused(record in prop::collection::vec(any::<u32>(), 0..40), dim in 1usize..200) {
            decode(&record, &mut vec![0.0; dim]);
        }
    }

    #[test]
    fn records_of_another_length_are_refused() {
        let mut row = vec![0.0; 100];
        row[3] = 1.0;
        row[99] = 2.0;
        let mut record = Vec::new();
        encode(&row, &mut record);
        assert_eq!(record.len(), 4 + 2);
        assert!(!decode(&record[..5], &mut row));
        assert!(!decode(&record[..2], &mut row));
        record.push(0);
        assert!(!decode(&record, &mut row));
        record.pop();
        record[3] |= 1 << 31;
        assert!(!decode(&record, &mut row), "a bit beyond the row");
    }
}
