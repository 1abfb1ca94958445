//! Views: sunset, night, mountains, forest, city, beach, snow.

mod beach;
mod city;
mod forest;
mod ground;
mod mountains;
mod night;
mod snow;
mod sunset;
mod trees;

pub(crate) use beach::beach;
pub(crate) use city::city;
pub(crate) use forest::forest;
pub(crate) use mountains::mountains;
pub(crate) use night::night;
pub(crate) use snow::snow;
pub(crate) use sunset::sunset;
