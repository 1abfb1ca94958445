//! One answer of a nearest-neighbour search.

use crate::ImageId;
use std::cmp::Ordering;

/// An image and how far it is from the query; smaller is closer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// The image found.
    pub id: ImageId,
    /// Its distance to the query, never negative.
    pub distance: f32,
}

impl Neighbor {
    /// Orders by distance, ties by id, so that every search agrees on the order.
    pub fn by_distance(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.id.cmp(&other.id))
    }
}
