//! Network architectures as data, weights, forward pass, receptive fields, preprocessing.
