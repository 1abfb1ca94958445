//! Mixtures of Gaussians over colors: what a region's pixels look like.
//!
//! Rother, Kolmogorov & Blake, "`GrabCut`" (2004), section 3.1: five components with full covariances, every pixel
//! given to one component, and the mixture learned from what each was given. As in OpenCV, a pixel goes to the
//! component that is densest at its color, whatever the component's weight, and a singular covariance gets 0.01
//! on its diagonal. Unlike there, several starts compete for the first mixture.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Components of a mixture.
pub(crate) const COMPONENTS: usize = 5;
/// Starts of k-means, of which the mixture that fits best is kept: a single start can cost a percent of the energy.
const STARTS: u64 = 8;
/// Most colors that a start looks at.
const SAMPLE: usize = 8_192;
/// Rounds in which a start's mixture takes its colors anew.
const SETTLING_ROUNDS: usize = 4;
/// Rounds of k-means that find the first components.
const KMEANS_ROUNDS: usize = 10;
/// Candidates for each starting center of k-means; the one that leaves the least error is taken.
const KMEANS_TRIALS: usize = 3;
/// A covariance with a smaller determinant counts as singular.
const SINGULAR: f64 = 1e-6;
/// Variance added to each channel of a singular covariance.
const WHITE_NOISE: f64 = 0.01;
/// Terms this far below the largest one are left out of a mixture's sum: they are less than 1e-13 of it.
const NEGLIGIBLE: f64 = 30.0;

/// An 8-bit color.
pub(crate) type Rgb = [u8; 3];

/// A weighted sum of Gaussian densities over colors.
#[derive(Debug, Clone)]
pub(crate) struct Mixture {
    components: Vec<Gaussian>,
}

#[derive(Debug, Clone)]
struct Gaussian {
    mean: [f64; 3],
    /// The inverse of the covariance: `rr, gg, bb, rg, rb, gb`, those off the diagonal doubled.
    inverse: [f64; 6],
    /// ln(det⁻¹ᐟ²).
    log_height: f64,
    log_weight: f64,
    /// Which component it is in the assignment.
    label: u8,
}

impl Mixture {
    /// Learns a mixture from pairs of a color and its component; none without any.
    pub(crate) fn learn(samples: impl Iterator<Item = (Rgb, u8)>) -> Option<Self> {
        let mut sums = [Moments::default(); COMPONENTS];
        for (color, label) in samples {
            sums[usize::from(label)].add(color);
        }
        let total: u64 = sums.iter().map(|sum| sum.count).sum();
        let components: Vec<Gaussian> =
            (0_u8..).zip(&sums).filter_map(|(label, sum)| sum.gaussian(label, total)).collect();
        (!components.is_empty()).then_some(Self { components })
    }

    /// A first mixture for `colors`, the best of several that k-means begins; none without any color.
    ///
    /// Looks at an even sample of them. The seed alone decides where k-means starts.
    pub(crate) fn first(colors: &[Rgb], seed: u64) -> Option<Self> {
        // An odd step does not fall into the columns of a picture of even width.
        let step = colors.len().div_ceil(SAMPLE) | 1;
        let sample: Vec<Rgb> = colors.iter().copied().step_by(step).collect();
        let common = most_common(&sample);
        let mut best: Option<(f64, Self)> = None;
        for start in 0..STARTS {
            // Every other start gives the most common color a component of its own: white paper and black night are one
            // color, and the density there decides much of the energy.
            let apart = common.filter(|_| start % 2 == 1);
            let labels = first_labels(&sample, apart, seed.wrapping_add(start));
            let mut mixture = Self::learn(sample.iter().copied().zip(labels))?;
            for _ in 0..SETTLING_ROUNDS {
                mixture = Self::learn(sample.iter().map(|&color| (color, mixture.component(color))))?;
            }
            let cost = sample.iter().map(|&color| mixture.cost(color)).sum();
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, mixture));
            }
        }
        best.map(|(_, mixture)| mixture)
    }

    /// The component that is densest at `color`; of equals the first.
    pub(crate) fn component(&self, color: Rgb) -> u8 {
        let color = color.map(f64::from);
        let mut best = (f64::NEG_INFINITY, 0);
        for component in &self.components {
            let log_density = component.log_density(color);
            if log_density > best.0 {
                best = (log_density, component.label);
            }
        }
        best.1
    }

    /// -ln of the mixture's density at `color`, without the constant (2π)⁻³ᐟ² that all mixtures share.
    pub(crate) fn cost(&self, color: Rgb) -> f64 {
        let (terms, most) = self.terms(color.map(f64::from));
        -(most + terms.iter().sum::<f64>().ln())
    }

    /// The mixture after one step of expectation-maximization (Dempster et al. 1977) over `colors`: every component learns
    /// from every color, by its share in the density there. No step raises the cost of the colors, but where a covariance is singular.
    pub(crate) fn refined(&self, colors: impl Iterator<Item = Rgb>) -> Self {
        // Of each component: the sum of its shares, of its colors, and of their products.
        let mut sums = [(0.0_f64, [0.0_f64; 3], [0.0_f64; 6]); COMPONENTS];
        for color in colors {
            let color @ [r, g, b] = color.map(f64::from);
            let (terms, _) = self.terms(color);
            let whole: f64 = terms.iter().sum();
            let products = [r * r, g * g, b * b, r * g, r * b, g * b];
            for ((count, mean, moments), term) in sums.iter_mut().zip(terms) {
                if term > 0.0 {
                    let share = term / whole;
                    *count += share;
                    mean.iter_mut().zip(color).for_each(|(sum, value)| *sum += share * value);
                    moments.iter_mut().zip(products).for_each(|(sum, value)| *sum += share * value);
                }
            }
        }
        let total: f64 = sums.iter().map(|(count, ..)| count).sum();
        // Less than a pixel is no group to learn from.
        let learned = self.components.iter().zip(sums).filter(|(_, (count, ..))| *count >= 1.0);
        let components: Vec<Gaussian> = learned
            .map(|(old, (n, mean, moments))| {
                Gaussian::new(mean.map(|sum| sum / n), moments.map(|sum| sum / n), n / total, old.label)
            })
            .collect();
        if components.is_empty() { self.clone() } else { Self { components } }
    }

    /// The components' parts of the density at `color` as multiples of the largest, and that one's logarithm.
    fn terms(&self, color: [f64; 3]) -> ([f64; COMPONENTS], f64) {
        let mut logs = [f64::NEG_INFINITY; COMPONENTS];
        let mut most = f64::NEG_INFINITY;
        for (log, component) in logs.iter_mut().zip(&self.components) {
            *log = component.log_weight + component.log_density(color);
            most = most.max(*log);
        }
        (logs.map(|log| if log > most - NEGLIGIBLE { (log - most).exp() } else { 0.0 }), most)
    }
}

impl Gaussian {
    /// From the mean color, the mean products (`rr, gg, bb, rg, rb, gb`) and the share of all pixels.
    fn new(mean: [f64; 3], products: [f64; 6], weight: f64, label: u8) -> Self {
        let [r, g, b] = mean;
        let squares = [r * r, g * g, b * b, r * g, r * b, g * b];
        let mut covariance: [f64; 6] = std::array::from_fn(|i| products[i] - squares[i]);
        if determinant(&covariance) <= SINGULAR {
            for variance in &mut covariance[..3] {
                *variance += WHITE_NOISE;
            }
        }
        let determinant = determinant(&covariance);
        let [rr, gg, bb, rg, rb, gb] = covariance;
        let inverse = [
            gg * bb - gb * gb,
            rr * bb - rb * rb,
            rr * gg - rg * rg,
            2.0 * (rb * gb - rg * bb),
            2.0 * (rg * gb - rb * gg),
            2.0 * (rg * rb - rr * gb),
        ]
        .map(|cofactor| cofactor / determinant);
        Self { mean, inverse, log_height: -0.5 * determinant.ln(), log_weight: weight.ln(), label }
    }

    fn log_density(&self, color: [f64; 3]) -> f64 {
        let [r, g, b] = [color[0] - self.mean[0], color[1] - self.mean[1], color[2] - self.mean[2]];
        let [rr, gg, bb, rg, rb, gb] = self.inverse;
        let distance = r * (rr * r + rg * g + rb * b) + g * (gg * g + gb * b) + bb * b * b;
        self.log_height - 0.5 * distance
    }
}

/// Sums over colors, exact in integers, so that their order does not matter.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: u64,
    sums: [u64; 3],
    /// `rr, gg, bb, rg, rb, gb`.
    products: [u64; 6],
}

impl Moments {
    fn add(&mut self, color: Rgb) {
        let [r, g, b] = color.map(u64::from);
        self.count += 1;
        for (sum, value) in self.sums.iter_mut().zip([r, g, b]) {
            *sum += value;
        }
        for (sum, value) in self.products.iter_mut().zip([r * r, g * g, b * b, r * g, r * b, g * b]) {
            *sum += value;
        }
    }

    fn mean(&self) -> [f64; 3] {
        self.sums.map(|sum| sum as f64 / self.count as f64)
    }

    fn gaussian(&self, label: u8, total: u64) -> Option<Gaussian> {
        if self.count == 0 {
            return None;
        }
        let n = self.count as f64;
        Some(Gaussian::new(self.mean(), self.products.map(|sum| sum as f64 / n), n / total as f64, label))
    }
}

fn determinant(&[rr, gg, bb, rg, rb, gb]: &[f64; 6]) -> f64 {
    rr * (gg * bb - gb * gb) - rg * (rg * bb - gb * rb) + rb * (rg * gb - gg * rb)
}

/// The most common of `colors`; of equally common ones the darkest red.
fn most_common(colors: &[Rgb]) -> Option<Rgb> {
    let mut sorted = colors.to_vec();
    sorted.sort_unstable();
    let runs = sorted.chunk_by(|a, b| a == b);
    // The last of equals wins a maximum; backward, that is the first.
    runs.rev().max_by_key(|run| run.len()).map(|run| run[0])
}

/// Clusters by k-means, with the color `apart` in one of its own.
fn first_labels(colors: &[Rgb], apart: Option<Rgb>, seed: u64) -> Vec<u8> {
    let Some(apart) = apart else { return kmeans(colors, COMPONENTS, seed) };
    let rest: Vec<Rgb> = colors.iter().copied().filter(|&color| color != apart).collect();
    let mut labels = kmeans(&rest, COMPONENTS - 1, seed).into_iter();
    let own = u8::try_from(COMPONENTS - 1).expect("five components");
    colors.iter().map(|&color| if color == apart { own } else { labels.next().unwrap_or(own) }).collect()
}

/// Gives each color to one of `clusters`, at most [`COMPONENTS`]: k-means (Lloyd) from the centers of k-means++ (Arthur &
/// Vassilvitskii 2007), of which each is the best of three candidates.
///
/// The seed alone decides the candidates. Fewer distinct colors make fewer clusters.
fn kmeans(colors: &[Rgb], clusters: usize, seed: u64) -> Vec<u8> {
    let mut centers = starting_centers(colors, clusters, seed);
    let mut labels = vec![0_u8; colors.len()];
    for _ in 0..KMEANS_ROUNDS {
        let mut sums = [Moments::default(); COMPONENTS];
        for (label, &color) in labels.iter_mut().zip(colors) {
            *label = nearest(&centers, color).1;
            sums[usize::from(*label)].add(color);
        }
        // A cluster that lost every color keeps its center.
        for (center, sum) in centers.iter_mut().zip(&sums).filter(|(_, sum)| sum.count > 0) {
            *center = sum.mean();
        }
    }
    for (label, &color) in labels.iter_mut().zip(colors) {
        *label = nearest(&centers, color).1;
    }
    labels
}

fn starting_centers(colors: &[Rgb], clusters: usize, seed: u64) -> Vec<[f64; 3]> {
    let Some(last) = colors.len().checked_sub(1) else { return Vec::new() };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut centers = vec![colors[rng.random_range(0..=last)]];
    let mut errors: Vec<u32> = colors.iter().map(|&color| squared(color, centers[0])).collect();
    while centers.len() < clusters {
        let total: u64 = errors.iter().map(|&error| u64::from(error)).sum();
        if total == 0 {
            break;
        }
        let mut best: Option<(u64, Rgb)> = None;
        for _ in 0..KMEANS_TRIALS {
            let mut left = rng.random_range(0..total);
            let chosen = errors.iter().position(|&error| {
                let here = left < u64::from(error);
                left = left.saturating_sub(u64::from(error));
                here
            });
            let candidate = colors[chosen.unwrap_or(last)];
            let error = |(&error, &color): (&u32, &Rgb)| u64::from(error.min(squared(color, candidate)));
            let left = errors.iter().zip(colors).map(error).sum();
            if best.is_none_or(|(least, _)| left < least) {
                best = Some((left, candidate));
            }
        }
        let Some((_, center)) = best else { break };
        for (error, &color) in errors.iter_mut().zip(colors) {
            *error = squared(color, center).min(*error);
        }
        centers.push(center);
    }
    centers.into_iter().map(|center| center.map(f64::from)).collect()
}

/// The squared distance to the nearest center and which it is; of equals the first.
fn nearest(centers: &[[f64; 3]], color: Rgb) -> (f64, u8) {
    let color = color.map(f64::from);
    let mut best = (f64::INFINITY, 0);
    for (label, center) in (0_u8..).zip(centers) {
        let distance: f64 = color.iter().zip(center).map(|(a, b)| (a - b) * (a - b)).sum();
        if distance < best.0 {
            best = (distance, label);
        }
    }
    best
}

fn squared(a: Rgb, b: Rgb) -> u32 {
    a.iter().zip(b).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

#[cfg(test)]
mod tests;
