//! What the activations of a network lie between: the calibration of integer arithmetic.

use std::fmt;
use std::str::FromStr;

/// The smallest and largest value that was read; padding makes 0 one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f32,
    pub(crate) high: f32,
}

impl Range {
    /// What new images may reach beyond those of the calibration.
    const MARGIN: f32 = 1.5;

    pub(super) fn include(&mut self, values: &[f32]) {
        for &value in values {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
    }

    /// The range with its margin.
    pub(super) fn widened(self) -> Self {
        Self { low: self.low * Self::MARGIN, high: self.high * Self::MARGIN }
    }

    /// The value that is furthest from 0.
    pub(super) fn reach(self) -> f32 {
        self.high.max(-self.low)
    }
}

/// The ranges of what a network's layers read, measured over some images
/// ([`CpuBackend::calibrate`](super::CpuBackend::calibrate)).
///
/// Its text (`128 images; conv1 -2.12e0 2.64e0; …`, three digits) can be parsed again, and is what the
/// arithmetic follows: two backends from the same text give the same bits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranges {
    images: usize,
    /// By name of the layer, with its factor where it has two, in order of execution.
    of: Vec<(String, Range)>,
}

impl Ranges {
    /// How many images were looked at.
    pub fn num_images(&self) -> usize {
        self.images
    }

    pub(super) fn get(&self, name: &str) -> Option<Range> {
        self.of.iter().find(|(known, _)| known == name).map(|(_, range)| *range)
    }

    pub(super) fn include(&mut self, name: &str, values: &[f32]) {
        let at = self.of.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.of.push((name.to_owned(), Range::default()));
            self.of.len() - 1
        });
        self.of[at].1.include(values);
    }

    pub(super) fn add_images(&mut self, images: usize) {
        self.images += images;
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} images", self.images)?;
        for (name, Range { low, high }) in &self.of {
            write!(f, "; {name} {low:.2e} {high:.2e}")?;
        }
        Ok(())
    }
}

/// A text that is not that of [`Ranges`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `N images; LAYER LOW HIGH; …`, got `{0}`")]
pub struct RangesError(String);

impl FromStr for Ranges {
    type Err = RangesError;

    fn from_str(text: &str) -> Result<Self, RangesError> {
        let wrong = |part: &str| RangesError(part.to_owned());
        let mut parts = text.split("; ");
        let count = parts.next().unwrap_or_default();
        let images = count.strip_suffix(" images").and_then(|count| count.parse().ok());
        let images = images.ok_or_else(|| wrong(count))?;
        let number = |text: &str| text.parse().ok().filter(|value: &f32| value.is_finite());
        let of = parts.map(|part| {
            let mut words = part.split(' ');
            match (words.next(), words.next().and_then(number), words.next().and_then(number), words.next()) {
                (Some(name), Some(low), Some(high), None) if low <= 0.0 && high >= 0.0 => {
                    Ok((name.to_owned(), Range { low, high }))
                }
                _ => Err(wrong(part)),
            }
        });
        Ok(Self { images, of: of.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lead_back() {
        let mut ranges = Ranges::default();
        ranges.add_images(2);
        ranges.include("conv1", &[-2.117_9, 0.5]);
        ranges.include("fc6.down", &[3.0]);
        ranges.include("conv1", &[2.64]);
        let text = ranges.to_string();
        assert_eq!(text, "2 images; conv1 -2.12e0 2.64e0; fc6.down 0.00e0 3.00e0");
        let again: Ranges = text.parse().unwrap();
        assert_eq!((again.num_images(), again.to_string()), (2, text));
        assert_eq!(again.get("fc6.down"), Some(Range { low: 0.0, high: 3.0 }));
        assert_eq!(again.get("fc7"), None);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "images", "2 images; conv1", "2 images; conv1 1 2", "2 images; conv1 -1 NaN", "2 images;"]
        {
            let err = text.parse::<Ranges>().unwrap_err();
            assert!(err.to_string().starts_with("expected `N images; LAYER LOW HIGH; …`, got `"), "{err}");
        }
    }
}
