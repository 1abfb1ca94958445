//! A map under way, as bytes: what a killed run goes on from.

use super::descent::Moving;

/// What the bytes begin with; another form gets another number.
const MAGIC: [u8; 8] = *b"fltsne\x00\x01";
/// Values a point: place, velocity, gains.
const VALUES: usize = 6;

/// A two-dimensional map after some of its iterations.
#[derive(Debug, Clone, PartialEq)]
pub struct TsneState {
    pub(super) iteration: usize,
    pub(super) points: Vec<[f32; 2]>,
    pub(super) moving: Vec<Moving>,
}

impl TsneState {
    /// Iterations done.
    pub fn iteration(&self) -> usize {
        self.iteration
    }

    /// The state as bytes: 24 a point and a few more.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for count in [self.iteration, self.points.len()] {
            bytes.extend((count as u64).to_le_bytes());
        }
        for (point, moving) in self.points.iter().zip(&self.moving) {
            for value in point.iter().chain(&moving.velocity).chain(&moving.gains) {
                bytes.extend(value.to_le_bytes());
            }
        }
        bytes
    }

    /// The state behind `bytes`; none if they are not those of [`Self::to_bytes`], or hold a value that is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (counts, rest) = rest.split_at_checked(16)?;
        let count = |at: usize| usize::try_from(u64::from_le_bytes(counts[at..at + 8].try_into().ok()?)).ok();
        let (iteration, n) = (count(0)?, count(8)?);
        let (values, odd) = rest.as_chunks::<4>();
        if !odd.is_empty() || values.len() != n.checked_mul(VALUES)? {
            return None;
        }
        let values: Vec<f32> = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let (all, _) = values.as_chunks::<VALUES>();
        let points = all.iter().map(|v| [v[0], v[1]]).collect();
        let moving = all.iter().map(|v| Moving { velocity: [v[2], v[3]], gains: [v[4], v[5]] }).collect();
        Some(Self { iteration, points, moving })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> TsneState {
        let points = vec![[1.0, -2.5], [3.0, 1e-20]];
        let moving = vec![Moving { velocity: [0.5, -0.5], gains: [1.0, 2.0] }, Moving::REST];
        TsneState { iteration: 70, points, moving }
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        assert_eq!(TsneState::from_bytes(&state().to_bytes()), Some(state()));
    }

    #[test]
    fn damaged_bytes_are_no_state() {
        let bytes = state().to_bytes();
        for len in 0..bytes.len() {
            assert_eq!(TsneState::from_bytes(&bytes[..len]), None);
        }
        let mut nan = bytes.clone();
        nan[24..28].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(TsneState::from_bytes(&nan), None);
        let mut huge = bytes;
        huge[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(TsneState::from_bytes(&huge), None);
    }
}
