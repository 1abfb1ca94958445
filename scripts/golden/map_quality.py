"""Writes crates/featlas-embed/tests/golden/map_quality.json: scikit-learn's and openTSNE's view of a map made by a formula.

pip install numpy scikit-learn openTSNE
"""
import json
import pathlib

import numpy as np
import openTSNE
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

OUT = pathlib.Path(__file__).parents[2] / "crates/featlas-embed/tests/golden/map_quality.json"

rows = np.sin(np.arange(300) * 0.731).astype(np.float32).reshape(60, 5).astype(np.float64)
points = np.cos(np.arange(120) * 1.137).astype(np.float32).reshape(60, 2).astype(np.float64)
near = lambda x: NearestNeighbors(n_neighbors=7).fit(x).kneighbors(return_distance=False)
kept = np.mean([len(set(a) & set(b)) / 7 for a, b in zip(near(rows), near(points))])


def divergence(points):
    """Kullback-Leibler divergence over openTSNE's affinities of exact neighbors, normalized over all pairs."""
    p = openTSNE.affinity.PerplexityBasedNN(rows, 7, method="exact").P.tocoo()
    d = ((points[:, None] - points[None]) ** 2).sum(2)
    total = (1 / (1 + d)).sum() - len(points)
    return float((p.data * np.log(p.data * (1 + d[p.row, p.col]) * total)).sum())


OUT.write_text(json.dumps({
    "trustworthiness_7": trustworthiness(rows, points, n_neighbors=7),
    "kept_7": kept,
    "kl_perplexity_7": divergence(points),
    "kl_perplexity_7_wide": divergence(points * 20),
}) + "\n")
