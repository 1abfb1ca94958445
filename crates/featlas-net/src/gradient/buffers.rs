//! Memory that passes use again and again: pages fresh from the system cost as much as a layer does.

use std::sync::{Mutex, PoisonError};

/// Vectors that nobody uses at the moment. There are never more than were in use at the same time.
#[derive(Debug)]
pub(super) struct Buffers<T> {
    free: Mutex<Vec<Vec<T>>>,
}

impl<T> Default for Buffers<T> {
    fn default() -> Self {
        Self { free: Mutex::default() }
    }
}

impl<T> Buffers<T> {
    /// Takes a vector back. One that came from elsewhere would make them one more.
    pub(super) fn give(&self, buffer: Vec<T>) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

impl<T: Copy + Default> Buffers<T> {
    /// `len` values, whatever they are.
    pub(super) fn take(&self, len: usize) -> Vec<T> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = (0..free.len()).filter(|&i| free[i].capacity() >= len);
        if let Some(index) = fitting.min_by_key(|&i| free[i].capacity()) {
            let mut buffer = free.swap_remove(index);
            drop(free);
            buffer.resize(len, T::default());
            return buffer;
        }
        // The new one takes the place of the largest that is too small.
        if let Some(index) = (0..free.len()).max_by_key(|&i| free[i].capacity()) {
            free.swap_remove(index);
        }
        drop(free);
        vec![T::default(); len]
    }

    /// `len` zeros.
    pub(super) fn zeros(&self, len: usize) -> Vec<T> {
        let mut buffer = self.take(len);
        buffer.fill(T::default());
        buffer
    }

    /// The same values.
    pub(super) fn copy(&self, values: &[T]) -> Vec<T> {
        let mut buffer = self.take(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

/// What a network's passes use again: activations and gradients, and what tapes remember.
#[derive(Debug)]
pub(super) struct Memory<T> {
    pub(super) values: Buffers<T>,
    pub(super) fired: Buffers<bool>,
    pub(super) winners: Buffers<u32>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { values: Buffers::default(), fired: Buffers::default(), winners: Buffers::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_is_used_again() {
        let buffers = Buffers::<f32>::default();
        let (small, large) = (vec![1.0; 10], vec![2.0; 1000]);
        let places = [small.as_ptr(), large.as_ptr()];
        buffers.give(large);
        buffers.give(small);
        let (first, second) = (buffers.take(8), buffers.zeros(11));
        assert_eq!([first.as_ptr(), second.as_ptr()], places);
        assert_eq!(first.len(), 8);
        assert_eq!(second, [0.0; 11]);
    }

    #[test]
    fn vectors_that_are_too_small_do_not_pile_up() {
        let buffers = Buffers::<u32>::default();
        for len in 1..50 {
            buffers.give(buffers.take(len));
        }
        assert_eq!(buffers.free.lock().unwrap().len(), 1);
    }
}
