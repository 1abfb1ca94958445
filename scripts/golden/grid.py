"""Writes crates/featlas-embed/tests/golden/grid.json: the least cost of assigning points to the cells of a grid, by
scipy's linear_sum_assignment. The points come from a formula that the tests repeat.

pip install numpy scipy
"""
import json
import pathlib

import numpy as np
from scipy.optimize import linear_sum_assignment

OUT = pathlib.Path(__file__).parents[2] / "crates/featlas-embed/tests/golden/grid.json"


def points(n, seed):
    """Clumps on a plane: whole numbers below 2**22, exact in every arithmetic."""
    state = seed
    values = []
    for i in range(n):
        for axis in range(2):
            total = 0
            for _ in range(3):
                state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
                total += state >> 45
            clump = (i % 7) * (i % 7 + axis) * 100_000
            values.append(total + clump)
    return np.array(values, dtype=np.float64).reshape(n, 2)


def least_cost(n, columns, rows, seed):
    map_ = points(n, seed)
    share = (map_ - map_.min(0)) / (map_.max(0) - map_.min(0))
    places = np.stack([share[:, 0] * columns, (1.0 - share[:, 1]) * rows], axis=1)
    centers = np.stack(np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5), axis=-1).reshape(-1, 2)
    costs = sum((places[:, None, axis] - centers[None, :, axis]) ** 2 for axis in range(2))
    row, cell = linear_sum_assignment(costs)
    return float(costs[row, cell].sum())


cases = [(600, 25, 25, 1), (1200, 35, 35, 1)]
OUT.write_text(json.dumps([
    {"n": n, "columns": columns, "rows": rows, "seed": seed, "cost": least_cost(n, columns, rows, seed)}
    for n, columns, rows, seed in cases
], indent=1) + "\n")
