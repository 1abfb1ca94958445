//! From weights to panels of integers.

use super::super::BLOCK;
use super::super::aligned::Integer;
use super::Integers;

/// What [`pack_integers`] found out.
#[derive(Debug, Clone)]
pub(crate) struct Scales {
    /// What a unit of each channel's weights is worth; zero beyond the last channel.
    pub(crate) units: Vec<f32>,
    /// The largest activation, either way, with which no sum can leave 32 bits.
    pub(crate) limit: i16,
}

/// Packs weights for [`multiply_integers`]: `weight(channel, k)` is asked for every channel below `channels`
/// and every `k` below `depth`; channels that fill the last block up get zeros. Every channel's largest
/// weight becomes `largest`, so each has a scale of its own.
pub(crate) fn pack_integers<W: Integer>(
    integers: Integers,
    (channels, depth): (usize, usize),
    largest: i16,
    panels: &mut [W],
    weight: impl Fn(usize, usize) -> f32,
) -> Scales {
    let blocks = channels.div_ceil(BLOCK);
    assert!(depth.is_multiple_of(2), "products come in pairs");
    assert_eq!(panels.len(), blocks * BLOCK * depth, "a value for every channel and product");
    let mut units = vec![0.0; blocks * BLOCK];
    let mut most = 1_i64;
    let mut row = vec![0.0_f32; depth];
    let panel_blocks = integers.panel_blocks();
    for channel in 0..channels {
        for (k, value) in row.iter_mut().enumerate() {
            *value = weight(channel, k);
        }
        let range = row.iter().fold(0.0_f32, |range, value| range.max(value.abs()));
        let scale = if range > 0.0 { f32::from(largest) / range } else { 0.0 };
        units[channel] = range / f32::from(largest);
        // The channel's place: its panel, which may be the last and narrower, and its column there.
        let first = channel / (panel_blocks * BLOCK) * panel_blocks;
        let width = panel_blocks.min(blocks - first) * BLOCK;
        let panel = &mut panels[first * BLOCK * depth..][..width * depth];
        let mut sum = 0_i64;
        for (k, value) in row.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "at most `largest` either way")]
            let value = (value * scale).round_ties_even() as i16;
            sum += i64::from(value).abs();
            panel[k / 2 * 2 * width + 2 * (channel - first * BLOCK) + k % 2] = W::of(value);
        }
        most = most.max(sum);
    }
    let limit = i64::from(i32::MAX) / most;
    Scales { units, limit: i16::try_from(limit).unwrap_or(i16::MAX) }
}
