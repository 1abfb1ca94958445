//! The demo's images, drawn by code from a seed.
