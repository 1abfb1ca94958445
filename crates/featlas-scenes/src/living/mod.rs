//! Living things: flowers, leaves, butterflies, faces.

mod backdrop;
mod butterflies;
mod faces;
mod flowers;
mod leaves;

pub(crate) use butterflies::butterflies;
pub(crate) use faces::faces;
pub(crate) use flowers::flowers;
pub(crate) use leaves::leaves;
