"""Writes crates/featlas-embed/tests/golden/map_quality.json: scikit-learn's view of a map made by a formula.

pip install numpy scikit-learn
"""
import json
import pathlib

import numpy as np
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

OUT = pathlib.Path(__file__).parents[2] / "crates/featlas-embed/tests/golden/map_quality.json"

rows = np.sin(np.arange(300) * 0.731).astype(np.float32).reshape(60, 5).astype(np.float64)
points = np.cos(np.arange(120) * 1.137).astype(np.float32).reshape(60, 2).astype(np.float64)
near = lambda x: NearestNeighbors(n_neighbors=7).fit(x).kneighbors(return_distance=False)
kept = np.mean([len(set(a) & set(b)) / 7 for a, b in zip(near(rows), near(points))])
OUT.write_text(json.dumps({"trustworthiness_7": trustworthiness(rows, points, n_neighbors=7), "kept_7": kept}) + "\n")
