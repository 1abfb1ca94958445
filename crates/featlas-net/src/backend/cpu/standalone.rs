//! One convolution by itself, for those who need more than a forward pass.

use super::conv::{Convolution, Finish, Geometry, Place};
use super::kernels::Isa;
use super::layout::{blocks, from_map, map_len, to_map};
use super::scratch::Scratch;
use crate::arch::Shape;
use crate::backend::ops::Window;
use rayon::prelude::*;

/// The sizes of a convolution with square windows, equal strides and paddings, and zeros around the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvSizes {
    /// One image of the input.
    pub input: Shape,
    /// Channels of the output.
    pub out_channels: usize,
    /// Side of the window.
    pub kernel: usize,
    /// Cells from a window to the next.
    pub stride: usize,
    /// Zeros on each side of the input.
    pub padding: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

/// A convolution with its weights packed and its method chosen, as the engine's layers have them.
///
/// The gradient by the input of a stride-1 convolution is such a convolution too: of the gradient by the
/// output, with kernels turned by 180 degrees, input and output channels exchanged, and `kernel - 1 -
/// padding` zeros around.
#[derive(Debug)]
pub struct PlannedConv {
    convolution: Convolution,
    output: Shape,
    scratch: Scratch,
}

impl PlannedConv {
    /// Packs `kernels`, `(out, in / groups, k, k)`, and `bias`, one value an output channel.
    ///
    /// # Panics
    /// If the window finds no room, the groups do not divide the channels, or a slice has another length.
    pub fn new(sizes: ConvSizes, kernels: &[f32], bias: &[f32]) -> Self {
        let ConvSizes { input, out_channels, kernel, stride, padding, groups } = sizes;
        assert!(input.c.is_multiple_of(groups) && out_channels.is_multiple_of(groups), "whole groups");
        assert_eq!(
            kernels.len(),
            out_channels * input.c / groups * kernel * kernel,
            "a weight for every place"
        );
        assert_eq!(bias.len(), out_channels, "a bias for every channel");
        let window = Window { kernel, stride, padding };
        let geometry = Geometry { input, out_channels, window, groups, planar: false };
        let output = geometry.output();
        let convolution = Convolution::new(Isa::best(), geometry, kernels, bias);
        Self { convolution, output, scratch: Scratch::default() }
    }

    /// The size of one image of the output.
    pub fn output(&self) -> Shape {
        self.output
    }

    /// Convolves images, `(n, c, h, w)`, on the current rayon pool; every image gives the same bits in any
    /// batch.
    ///
    /// # Panics
    /// If `images` is not made of whole images.
    pub fn run(&self, images: &[f32], relu: bool) -> Vec<f32> {
        let input = self.convolution.geometry().input;
        assert!(images.len().is_multiple_of(input.len()), "whole images");
        let n = images.len() / input.len();
        let mut maps = self.scratch.take(n * map_len(input));
        let pairs = maps.par_chunks_exact_mut(map_len(input)).zip(images.par_chunks_exact(input.len()));
        pairs.for_each(|(map, image)| to_map(image, input, map));
        let mut results = self.scratch.take(n * map_len(self.output));
        let finish = Finish { relu, pool: None, threads: rayon::current_num_threads() };
        let place = Place { blocks: blocks(self.output.c), first_block: 0 };
        let (source, target) = (&maps[..n * map_len(input)], &mut results[..n * map_len(self.output)]);
        self.convolution.run(source, finish, target, place, &self.scratch);
        let mut out = vec![0.0; n * self.output.len()];
        let pairs =
            out.par_chunks_exact_mut(self.output.len()).zip(results.par_chunks_exact(map_len(self.output)));
        pairs.for_each(|(out, map)| from_map(map, self.output, out));
        self.scratch.give(maps);
        self.scratch.give(results);
        out
    }
}
