//! The common form of results.

/// One map or several for each of `n` images: `(n, c, h, w)`, row-major.
///
/// With `h = w = px` the cells are the pixels of the network's input. Three channels are red, green and
/// blue, whatever the order of the model's planes.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the field's own letters: images, channels, height, width")]
pub struct Maps {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    /// The values.
    pub values: Vec<f32>,
}

impl Maps {
    /// Takes `values` as maps of `(c, h, w)`.
    ///
    /// # Panics
    /// If they are not whole maps.
    pub fn new((c, h, w): (usize, usize, usize), values: Vec<f32>) -> Self {
        let len = c * h * w;
        assert!(len > 0 && values.len().is_multiple_of(len), "whole maps");
        Self { n: values.len() / len, c, h, w, values }
    }

    /// All values of image `i`: `(c, h, w)`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn image(&self, i: usize) -> &[f32] {
        let len = self.c * self.h * self.w;
        &self.values[i * len..][..len]
    }

    /// Channel `c` of image `i`: `(h, w)`.
    ///
    /// # Panics
    /// If there is no such image or channel.
    pub fn channel(&self, i: usize, c: usize) -> &[f32] {
        assert!(c < self.c, "channel {c} of {}", self.c);
        &self.image(i)[c * self.h * self.w..][..self.h * self.w]
    }

    /// Combines the channels of every cell into one: `(n, 1, h, w)`.
    #[must_use]
    pub fn reduce(&self, combine: impl Fn(&mut dyn Iterator<Item = f32>) -> f32) -> Self {
        let cells = self.h * self.w;
        let mut values = Vec::with_capacity(self.n * cells);
        for i in 0..self.n {
            let image = self.image(i);
            let cell = |cell: usize| combine(&mut (0..self.c).map(|c| image[c * cells + cell]));
            values.extend((0..cells).map(cell));
        }
        Self { c: 1, values, ..*self }
    }

    /// The largest magnitude over the channels: `(n, 1, h, w)`.
    #[must_use]
    pub fn magnitude(&self) -> Self {
        self.reduce(|cell| cell.fold(0.0, |most: f32, value| most.max(value.abs())))
    }

    /// The sum over the channels: `(n, 1, h, w)`.
    #[must_use]
    pub fn sum(&self) -> Self {
        self.reduce(|cell| cell.sum())
    }

    /// Of every cell the value with the largest magnitude, sign and all: `(n, 1, h, w)`.
    #[must_use]
    pub fn strongest(&self) -> Self {
        self.reduce(|cell| {
            cell.fold(0.0, |most: f32, value| if value.abs() > most.abs() { value } else { most })
        })
    }

    /// The cell of the largest value of a map, row-major, `(y, x)`; of equal ones the first.
    ///
    /// # Panics
    /// If there is no such image or channel.
    pub fn peak(&self, i: usize, c: usize) -> (usize, usize) {
        let cell = argmax(self.channel(i, c));
        (cell / self.w, cell % self.w)
    }

    /// The center of mass `(y, x)` of a map's magnitudes, in cells, where cell `i` covers `[i, i + 1)`;
    /// the middle of a map of zeros.
    ///
    /// # Panics
    /// If there is no such image or channel.
    pub fn center(&self, i: usize, c: usize) -> (f64, f64) {
        let (mut mass, mut y, mut x) = (0.0, 0.0, 0.0);
        for (cell, &value) in self.channel(i, c).iter().enumerate() {
            let weight = f64::from(value.abs());
            mass += weight;
            y += weight * ((cell / self.w) as f64 + 0.5);
            x += weight * ((cell % self.w) as f64 + 0.5);
        }
        if mass > 0.0 { (y / mass, x / mass) } else { (self.h as f64 / 2.0, self.w as f64 / 2.0) }
    }

    /// Every map stretched to `(h, w)`, bilinear between the centers of its cells (PyTorch's
    /// `interpolate` with `align_corners=False`).
    #[must_use]
    pub fn resized(&self, h: usize, w: usize) -> Self {
        let axis = |from: usize, to: usize| -> Vec<(usize, usize, f32)> {
            (0..to)
                .map(|i| {
                    let at = ((i as f32 + 0.5) * from as f32 / to as f32 - 0.5).max(0.0);
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cell")]
                    let low = (at as usize).min(from - 1);
                    (low, (low + 1).min(from - 1), at - low as f32)
                })
                .collect()
        };
        let (rows, columns) = (axis(self.h, h), axis(self.w, w));
        let mut values = Vec::with_capacity(self.n * self.c * h * w);
        for map in self.values.chunks_exact(self.h * self.w) {
            for &(top, bottom, dy) in &rows {
                let (top, bottom) = (&map[top * self.w..][..self.w], &map[bottom * self.w..][..self.w]);
                values.extend(columns.iter().map(|&(left, right, dx)| {
                    let along = |row: &[f32]| row[left] * (1.0 - dx) + row[right] * dx;
                    along(top) * (1.0 - dy) + along(bottom) * dy
                }));
            }
        }
        Self { h, w, values, ..*self }
    }
}

/// The first of the largest values.
pub(crate) fn argmax<T: Copy + PartialOrd>(values: &[T]) -> usize {
    let better = |best: usize, (i, &value): (usize, &T)| if value > values[best] { i } else { best };
    values.iter().enumerate().fold(0, better)
}
