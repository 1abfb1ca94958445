//! How long the assignment of a grid takes, and how near it comes to the best one.
//!
//! ```text
//! cargo run --release -p featlas-embed --example grid -- POINTS COLUMNS ROWS [MAP.f32]
//! ```
//!
//! The map is clumps in a disc, as t-SNE leaves them, or little-endian pairs of `f32` from a file.

#![expect(clippy::print_stdout, reason = "the program's output")]

use featlas_core::Silent;
use featlas_embed::{GridShape, assign_grid};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [n, columns, rows, file @ ..] = &args[..] else {
        return Err("usage: grid POINTS COLUMNS ROWS [MAP.f32]".into());
    };
    let (n, shape) = (n.parse()?, GridShape { columns: columns.parse()?, rows: rows.parse()? });
    let map = match file.first() {
        Some(file) => {
            let bytes = fs_err::read(file)?;
            let values = bytes.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value));
            values.take(2 * n).collect()
        }
        None => clumps(n),
    };
    let start = Instant::now();
    let grid = assign_grid(&map, shape, &Silent)?;
    println!(
        "{{\"points\": {}, \"columns\": {}, \"rows\": {}, \"secs\": {:.2}, \"exact\": {}, \"cost\": {:.1}, \
         \"lower_bound\": {:.1}, \"above_percent\": {:.4}, \"mean_displacement\": {:.3}}}",
        map.len() / 2,
        shape.columns,
        shape.rows,
        start.elapsed().as_secs_f64(),
        grid.exact,
        grid.cost,
        grid.lower_bound,
        100.0 * (grid.cost / grid.lower_bound - 1.0),
        grid.mean_displacement,
    );
    Ok(())
}

/// Sixty clumps of different width in a disc.
fn clumps(n: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut unit = || rng.random_range(0.0..1.0_f32);
    let centers: Vec<[f32; 3]> = (0..60)
        .map(|_| {
            let (angle, reach) = (unit() * std::f32::consts::TAU, unit().sqrt());
            [reach * angle.cos(), reach * angle.sin(), 0.02 + 0.1 * unit()]
        })
        .collect();
    let mut bell = || (0..6).map(|_| unit() - 0.5).sum::<f32>() * 1.4;
    (0..n)
        .flat_map(|i| {
            let [x, y, width] = centers[i % centers.len()];
            [x + width * bell(), y + width * bell()]
        })
        .collect()
}
