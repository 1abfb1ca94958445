//! Two-dimensional maps: PCA, t-SNE, grid assignment, map quality.
