//! An atlas on disk: what is written is read, whatever happens in between.
//!
//! One program for all of them, since each links Parquet anew. The attribute tells clippy that helpers are
//! tests too.
#![cfg(test)]

mod crash;
mod damage;
mod lists;
mod manifest;
mod model;
mod select;
mod support;
mod sweep;
mod table;
