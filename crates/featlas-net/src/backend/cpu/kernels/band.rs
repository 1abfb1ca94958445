//! The same stretch of several planes, as a task of its own: what `chunks_mut` is to a slice.

use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// A mutable stretch of each of several planes that lie `stride` apart.
#[derive(Debug)]
pub(crate) struct Band<'a> {
    /// Where the stretch of the first plane begins.
    start: *mut f32,
    planes: usize,
    stride: usize,
    len: usize,
    lives: PhantomData<&'a mut [f32]>,
}

// SAFETY: a band is a set of `&mut [f32]` that no other band shares a value with.
unsafe impl Send for Band<'_> {}

impl<'a> Band<'a> {
    /// All of `values` as planes of `stride` values; what is left behind the last plane belongs to none.
    ///
    /// # Panics
    /// If `stride` is 0.
    pub(crate) fn whole(values: &'a mut [f32], stride: usize) -> Self {
        let planes = values.len() / stride;
        Self { start: values.as_mut_ptr(), planes, stride, len: stride, lives: PhantomData }
    }

    pub(crate) fn planes(&self) -> usize {
        self.planes
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Values of the stretch of a plane.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The stretch of plane `index`.
    ///
    /// # Panics
    /// If there is no such plane.
    pub(crate) fn plane(&mut self, index: usize) -> &mut [f32] {
        assert!(index < self.planes, "plane {index} of {}", self.planes);
        // SAFETY: the stretch of every plane lies inside the slice the band was cut from, which is borrowed
        // mutably for 'a; no other band has any of its values.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(index * self.stride), self.len) }
    }

    /// For the kernels: where plane `index` begins.
    pub(super) fn as_mut_ptr(&mut self, index: usize) -> *mut f32 {
        debug_assert!(index < self.planes);
        // SAFETY: as in `plane`.
        unsafe { self.start.add(index * self.stride) }
    }
}

/// How [`bands`] cuts: into groups of whole images, or one image into bands of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// Planes of an image.
    pub(crate) planes: usize,
    /// Values of a plane.
    pub(crate) plane_len: usize,
    /// Images of a task; more than one only if `band_len` is all of a plane.
    pub(crate) images: usize,
    /// Values of a band.
    pub(crate) band_len: usize,
}

/// A task: its images, and which of their bands it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) images: Range<usize>,
    /// The number of the band, counted from the top.
    pub(crate) band: usize,
}

impl Cut {
    /// Tasks that `images` images give.
    pub(crate) fn tasks(&self, images: usize) -> usize {
        images.div_ceil(self.images) * self.plane_len.div_ceil(self.band_len)
    }
}

/// Cuts images into tasks that can be written at the same time.
///
/// # Panics
/// If `values` is not made of whole images, or the cut has several images and less than whole planes.
pub(crate) fn bands(values: &mut [f32], cut: Cut) -> impl IndexedParallelIterator<Item = (Part, Band<'_>)> {
    let image_len = cut.planes * cut.plane_len;
    assert!(values.len().is_multiple_of(image_len), "whole images");
    assert!(cut.images == 1 || cut.band_len >= cut.plane_len, "several images are not cut into bands");
    let num_images = values.len() / image_len;
    let bands = cut.plane_len.div_ceil(cut.band_len);
    let start = Shared(values.as_mut_ptr());
    (0..cut.tasks(num_images)).into_par_iter().map(move |task| {
        // All of `start` must move into the closure, not the pointer in it.
        let start = &start;
        let (group, band) = (task / bands, task % bands);
        let images = group * cut.images..((group + 1) * cut.images).min(num_images);
        let first = band * cut.band_len;
        let len = cut.band_len.min(cut.plane_len - first);
        // SAFETY: the values of the images and the band lie inside `values`, which the iterator borrows;
        // every task is handed out once, and no two tasks have the same image and band.
        let start = unsafe { start.0.add(images.start * image_len + first) };
        let planes = images.len() * cut.planes;
        let band_of = Band { start, planes, stride: cut.plane_len, len, lives: PhantomData };
        (Part { images, band }, band_of)
    })
}

/// A pointer that tasks share.
struct Shared(*mut f32);
// SAFETY: tasks make disjoint slices of what it points to.
unsafe impl Sync for Shared {}
// SAFETY: as above; the slice it comes from may itself be sent.
unsafe impl Send for Shared {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_every_value_once() {
        for (images, planes, plane_len, group, band_len) in
            [(1, 3, 10, 1, 4), (5, 2, 6, 2, 6), (4, 1, 7, 1, 7), (3, 2, 5, 1, 9)]
        {
            let mut values = vec![0.0; images * planes * plane_len];
            let cut = Cut { planes, plane_len, images: group, band_len };
            bands(&mut values, cut).for_each(|(part, mut band)| {
                assert_eq!(band.planes(), part.images.len() * planes);
                for plane in 0..band.planes() {
                    for value in band.plane(plane) {
                        *value += 1.0 + part.images.start as f32;
                    }
                }
            });
            for (image, values) in values.chunks(planes * plane_len).enumerate() {
                let first = image / group * group;
                let expected = vec![1.0 + first as f32; values.len()];
                assert_eq!(values, expected, "image {image}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "plane 2 of 2")]
    fn no_plane_behind_the_last() {
        let mut values = [0.0; 7];
        Band::whole(&mut values, 3).plane(2);
    }
}
