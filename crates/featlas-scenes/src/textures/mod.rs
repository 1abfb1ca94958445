//! Surfaces seen from near: wood, marble, bricks, fabric, leopard and zebra coats, water.

mod coats;
mod fabric;
mod masonry;
mod water;
mod wood;

pub(crate) use coats::{leopard, zebra};
pub(crate) use fabric::fabric;
pub(crate) use masonry::{bricks, marble};
pub(crate) use water::water;
pub(crate) use wood::wood;
