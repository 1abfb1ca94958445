"""Writes crates/featlas-embed/tests/golden/pca.json: scikit-learn's PCA of rows made by a formula.

pip install numpy scikit-learn
"""
import json
import pathlib

import numpy as np
from sklearn.decomposition import PCA

OUT = pathlib.Path(__file__).parents[2] / "crates/featlas-embed/tests/golden/pca.json"

row, column = np.mgrid[0:50, 0:8].astype(np.float64)
rows = (np.sin(row * 0.37 + column * 1.7) * (column + 1) + np.cos(row * 0.11) * 2).astype(np.float32).astype(np.float64)
pca = PCA(3, svd_solver="full").fit(rows)
signs = np.sign(pca.components_[np.arange(3), np.abs(pca.components_).argmax(1)])
components = pca.components_ * signs[:, None]
scores = (rows - pca.mean_) @ components.T
OUT.write_text(json.dumps({
    "explained_variance": pca.explained_variance_.tolist(),
    "components": np.round(components, 9).ravel().tolist(),
    "scores": np.round(scores, 7).ravel().tolist(),
}) + "\n")
