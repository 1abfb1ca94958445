//! Convolutions by the CPU engine, for the numbers that it knows: f32.
//!
//! The engine keeps activations in blocks of channels; here they are planar, so every image goes into
//! blocks and out of them again, which costs a fraction of what the engine saves.

use super::conv::{Correlate, Sizes};
use crate::arch::Shape;
use crate::backend::cpu::{BLOCK, Convolution, Finish, Geometry, Isa, Place, Scratch, layout};
use rayon::prelude::*;

/// The engine's convolution, with its buffers.
#[derive(Debug)]
struct Blocked {
    conv: Convolution,
    input: Shape,
    output: Shape,
    scratch: Scratch,
}

/// The engine's convolution with `kernels`, `(outputs, inputs / groups, kernel, kernel)`.
pub(super) fn correlation(sizes: Sizes, kernels: &[f32], bias: &[f32]) -> Box<dyn Correlate<f32>> {
    let Sizes { window, groups, input, output } = sizes;
    // A picture's three planes would fill a block to a fifth.
    let planar = input.c < BLOCK / 2;
    let geometry = Geometry { input, out_channels: output.c, window, groups, planar };
    let conv = Convolution::new(Isa::best(), geometry, kernels, bias);
    Box::new(Blocked { conv, input, output, scratch: Scratch::default() })
}

/// Images that go through the engine together: enough for its tiles, few enough for the caches.
const IMAGES: usize = 16;

impl Correlate<f32> for Blocked {
    fn run(&self, images: &[f32], out: &mut [f32]) {
        let (in_len, out_len) = (self.input.len(), self.output.len());
        let passes = images.chunks(IMAGES * in_len).zip(out.chunks_mut(IMAGES * out_len));
        for (images, out) in passes {
            let map_len = layout::map_len(self.output);
            self.scratch.lend(images.len() / in_len * map_len, |results| {
                self.convolve(images, results);
                let pairs = out.par_chunks_exact_mut(out_len).zip(results.par_chunks_exact(map_len));
                pairs.for_each(|(out, map)| layout::from_map(map, self.output, out));
            });
        }
    }
}

impl Blocked {
    /// From planar images to blocks.
    fn convolve(&self, images: &[f32], results: &mut [f32]) {
        let place = Place { blocks: layout::blocks(self.output.c), first_block: 0 };
        let finish = Finish { relu: false, pool: None, threads: rayon::current_num_threads() };
        if self.conv.geometry().planar {
            self.conv.run(images, finish, results, place, &self.scratch);
            return;
        }
        let (in_len, map_len) = (self.input.len(), layout::map_len(self.input));
        self.scratch.lend(images.len() / in_len * map_len, |maps| {
            let pairs = maps.par_chunks_exact_mut(map_len).zip(images.par_chunks_exact(in_len));
            pairs.for_each(|(map, image)| layout::to_map(image, self.input, map));
            self.conv.run(maps, finish, results, place, &self.scratch);
        });
    }
}
