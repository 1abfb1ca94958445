"""Golden digests of Pillow's bilinear resize.

Writes crates/featlas-image/tests/golden/resize.json: for many pairs of sizes, the SHA-256 of the pixels that
Pillow's Image.resize(..., BILINEAR) makes of a picture drawn by a formula, which the Rust test draws too.

Needs: pip install Pillow numpy
Run:   python scripts/golden/resize.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

OUT = Path(__file__).parents[2] / "crates/featlas-image/tests/golden/resize.json"

# From, to: down, up, one axis only, odd, one pixel, long and thin, as torchvision does it, as Caffe does it.
SIZES = [
    ((500, 375), (341, 256)), ((375, 500), (256, 341)), ((500, 375), (256, 256)), ((640, 480), (227, 227)),
    ((256, 256), (255, 255)), ((256, 256), (257, 257)), ((32, 32), (256, 256)), ((28, 28), (224, 224)),
    ((64, 64), (64, 32)), ((64, 64), (32, 64)), ((64, 64), (64, 64)), ((64, 48), (128, 48)), ((64, 48), (64, 96)),
    ((1, 1), (1, 1)), ((1, 1), (7, 5)), ((1, 9), (4, 3)), ((9, 1), (3, 4)), ((2, 2), (1, 1)), ((3, 3), (2, 2)),
    ((100, 100), (1, 1)), ((313, 1), (1, 1)), ((1, 313), (17, 1)), ((1000, 2), (3, 2)), ((2, 1000), (2, 3)),
    ((97, 89), (61, 53)), ((61, 53), (97, 89)), ((97, 89), (53, 97)), ((89, 97), (97, 31)), ((301, 199), (7, 5)),
    ((7, 5), (301, 199)), ((1024, 768), (100, 75)), ((768, 1024), (1, 256)), ((255, 3), (254, 2)), ((5, 4), (4, 5)),
    # Around the point where Pillow 13 begins to take columns first: two rows lost for every column.
    ((100, 200), (90, 181)), ((100, 200), (90, 180)), ((100, 200), (90, 179)), ((100, 90), (120, 89)),
    ((375, 500), (227, 227)), ((300, 1000), (256, 853)), ((40, 100), (80, 101)), ((60, 400), (64, 64)),
]


def picture(kind: str, width: int, height: int) -> Image.Image:
    """Noise by an integer hash, or ramps with hard edges."""
    y, x, c = np.meshgrid(
        np.arange(height, dtype=np.uint64), np.arange(width, dtype=np.uint64), np.arange(3, dtype=np.uint64),
        indexing="ij",
    )
    low32 = np.uint64(0xFFFFFFFF)
    if kind == "noise":
        h = (x * np.uint64(374761393) + y * np.uint64(668265263) + c * np.uint64(2246822519)) & low32
        h = ((h ^ (h >> np.uint64(13))) * np.uint64(1274126177)) & low32
        value = h ^ (h >> np.uint64(16))
    else:
        edge = ((x // np.uint64(8) + y // np.uint64(8)) % np.uint64(2)) * np.uint64(97)
        value = x * np.uint64(5) + y * np.uint64(3) + c * np.uint64(85) + edge
    return Image.fromarray((value & np.uint64(255)).astype(np.uint8), "RGB")


def main() -> None:
    cases = []
    for kind in ("noise", "ramps"):
        for size, to in SIZES:
            resized = picture(kind, *size).resize(to, Image.BILINEAR)
            digest = hashlib.sha256(resized.tobytes()).hexdigest()
            cases.append({"kind": kind, "size": size, "to": to, "sha256": digest})
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    OUT.write_text(f'{{\n  "pillow": "{PIL.__version__}",\n  "cases": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
