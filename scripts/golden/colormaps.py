"""Writes the reference colors of viridis, magma and inferno (matplotlib, CC0) as CSV.

Needs: pip install matplotlib numpy
Run:   python scripts/golden/colormaps.py > crates/featlas-render/tests/golden/colormaps.csv
Made with matplotlib 3.11.2.

With `--knots` prints the 33 knots a map that src/colormap/knots.rs holds instead.
"""

import sys

import matplotlib
import numpy as np

NAMES = ("viridis", "magma", "inferno")
KNOTS = 33


def table(name):
    return np.asarray(matplotlib.colormaps[name](np.arange(256)))[:, :3] * 255


def main():
    if "--knots" in sys.argv:
        for name in NAMES:
            at = np.linspace(0, 255, KNOTS)
            knots = np.stack([np.interp(at, np.arange(256), channel) for channel in table(name).T], 1)
            print(f"pub(super) const {name.upper()}: [Color; {KNOTS}] = [")
            for r, g, b in knots.round().astype(int):
                print(f"    [{r}, {g}, {b}],")
            print("];")
        return
    print(",".join(f"{name}_{c}" for name in NAMES for c in "rgb"))
    for row in np.concatenate([table(name) for name in NAMES], 1).round().astype(int):
        print(",".join(map(str, row)))


main()
