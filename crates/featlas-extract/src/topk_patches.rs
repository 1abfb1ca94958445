//! Which image, and which cell of it, excites each channel most.

use crate::ExtractError;
use featlas_core::{ImageId, Progress, Stage, TopK};
use featlas_store::Atlas;

/// One place where a channel is strongly excited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchPlace {
    /// The image.
    pub image: ImageId,
    /// Row-major cell of the layer's map.
    pub cell: u16,
    /// The activation there, after the ReLU.
    pub value: f32,
}

/// A channel's strongest places.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelTop {
    /// The strongest first, ties by image id; none where no image excites the channel.
    pub places: Vec<PatchPlace>,
    /// Images that excite the channel at all.
    pub active: u64,
}

/// The `k` strongest places of every channel of `layer`.
///
/// An image appears at most once in a channel, since a row records its one maximum. Streams the columns; memory is `channels * k` places.
///
/// # Errors
/// A layer that the atlas did not tap, or a damaged shard.
pub fn top_patches(
    atlas: &Atlas,
    layer: &str,
    k: usize,
    progress: &dyn Progress,
) -> Result<Vec<ChannelTop>, ExtractError> {
    let mut tops: Vec<(TopK<(ImageId, u16)>, u64)> = Vec::new();
    atlas.for_each_conv_block(layer, |ids, max, argmax| {
        let channels = max.len() / ids.len().max(1);
        tops.resize_with(channels, || (TopK::new(k), 0));
        for ((id, max), argmax) in ids.iter().zip(max.chunks(channels)).zip(argmax.chunks(channels)) {
            for (((top, active), &value), &cell) in tops.iter_mut().zip(max).zip(argmax) {
                if value > 0.0 {
                    *active += 1;
                    top.push(value, (*id, cell));
                }
            }
        }
        progress.advance(Stage::Gallery, ids.len() as u64);
        Ok::<(), ExtractError>(())
    })?;
    let place = |(value, (image, cell))| PatchPlace { image, cell, value };
    let channel = |(top, active): (TopK<_>, u64)| ChannelTop {
        places: top.into_items().into_iter().map(place).collect(),
        active,
    };
    Ok(tops.into_iter().map(channel).collect())
}
