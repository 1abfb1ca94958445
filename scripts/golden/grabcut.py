"""Golden masks and energies of OpenCV's grabCut.

For each photograph, scaled to fit 400x300, two sketches: a rectangle (Rother's: outside is background for certain,
inside probably foreground), and, in cells of 16 pixels, the places most and least unlike their surroundings, with both
certain and probable marks, as a saliency map gives them.
Writes crates/featlas-explain/tests/golden/grabcut.json: per case the photograph, the SHA-256 of the pixels that were
cut, the sketch (the rectangle follows from the size; otherwise one digit a cell), and the energy of OpenCV's last cut
under its own mixtures. Its masks lie below each other in grabcut.png, in the order of the cases.
Two drawn pictures come first; a formula draws them in the Rust test too.

Needs: pip install opencv-python-headless Pillow numpy
Run:   python scripts/golden/grabcut.py FOLDER_OF_PHOTOGRAPHS
"""

import hashlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

OUT = Path(__file__).parents[2] / "crates/featlas-explain/tests/golden/grabcut.json"
COUNT = 52
CELL = 16
ITERATIONS = 5
GAMMA = 50.0
BOX = (400, 300)
BGD, FGD, PR_BGD, PR_FGD = 0, 1, 2, 3


def fitted(image: Image.Image) -> Image.Image:
    """Scaled down to fit the box, or the box turned."""
    box = BOX if image.width >= image.height else BOX[::-1]
    scale = min(box[0] / image.width, box[1] / image.height, 1.0)
    size = (max(1, int(image.width * scale + 0.5)), max(1, int(image.height * scale + 0.5)))
    return image.resize(size, Image.BILINEAR)


def drawn(kind: str) -> np.ndarray:
    """A disc before a ground, or two of different colors, with noise by an integer hash."""
    width, height = 64, 48
    y, x, c = np.mgrid[0:height, 0:width, 0:3].astype(np.int64)
    noise = (x * 374761393 + y * 668265263 + c * 2246822519) & 0xFFFFFFFF
    noise = ((noise ^ (noise >> 13)) * 1274126177 & 0xFFFFFFFF) >> 16 & 31
    y, x = y[..., 0], x[..., 0]
    ground = np.array([50, 110, 140])
    discs = [(30, 22, 14, [190, 60, 40])] if kind == "disc" else [(20, 20, 9, [200, 180, 60]), (42, 27, 11, [150, 30, 90])]
    color = np.broadcast_to(ground, (height, width, 3)).copy()
    for left, top, radius, paint in discs:
        color[(x - left) ** 2 + (y - top) ** 2 < radius**2] = paint
    return (color + noise).astype(np.uint8)


def rectangle(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    marks = np.full((height, width), BGD, np.uint8)
    marks[height // 8 : height - height // 8, width // 8 : width - width // 8] = PR_FGD
    return marks


def unlike_cells(rgb: np.ndarray) -> np.ndarray:
    """Marks by contrast: the top 5 % surely foreground, the next 25 % probably; the lowest 30 % surely background."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    side = max(rgb.shape[:2])
    contrast = np.linalg.norm(cv2.GaussianBlur(lab, (0, 0), side / 100) - cv2.GaussianBlur(lab, (0, 0), side / 5), axis=2)
    contrast = cv2.GaussianBlur(contrast, (0, 0), side / 30)[CELL // 2 :: CELL, CELL // 2 :: CELL]
    low, middle, high = np.quantile(contrast, [0.30, 0.70, 0.95])
    marks = np.full(contrast.shape, PR_BGD, np.uint8)
    marks[contrast <= low] = BGD
    marks[contrast >= middle] = PR_FGD
    marks[contrast >= high] = FGD
    return marks


def spread(cells: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each pixel takes the mark of its cell, and of the last one beyond."""
    rows = (np.arange(height) // CELL).clip(0, cells.shape[0] - 1)
    columns = (np.arange(width) // CELL).clip(0, cells.shape[1] - 1)
    return cells[rows][:, columns]


def costs(rgb: np.ndarray, model: np.ndarray) -> np.ndarray:
    """-ln of the mixture at every pixel, in the log domain."""
    weights, means, covariances = model[0, :5], model[0, 5:20].reshape(5, 3), model[0, 20:].reshape(5, 3, 3)
    color = rgb[..., ::-1].astype(np.float64)
    logs = []
    for weight, mean, covariance in zip(weights, means, covariances):
        if weight > 0:
            d = color - mean
            distance = np.einsum("hwi,ij,hwj->hw", d, np.linalg.inv(covariance), d)
            logs.append(np.log(weight) - 0.5 * np.log(np.linalg.det(covariance)) - 0.5 * distance)
    return -np.logaddexp.reduce(logs, axis=0)


def energy(rgb: np.ndarray, foreground: np.ndarray, background_model: np.ndarray, foreground_model: np.ndarray) -> float:
    looks = np.where(foreground, costs(rgb, foreground_model), costs(rgb, background_model)).sum()
    color = rgb.astype(np.float64)
    height, width = foreground.shape
    pairs = []
    for dy, dx, price in [(0, 1, GAMMA), (1, 0, GAMMA), (1, 1, GAMMA / 2**0.5), (1, -1, GAMMA / 2**0.5)]:
        a = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        b = (slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
        pairs.append((price, ((color[a] - color[b]) ** 2).sum(axis=2), foreground[a] != foreground[b]))
    beta = 1.0 / (2.0 * sum(d.sum() for _, d, _ in pairs) / sum(d.size for _, d, _ in pairs))
    return float(looks + sum((price * np.exp(-beta * d))[cut].sum() for price, d, cut in pairs))


def cut(rgb: np.ndarray, marks: np.ndarray, seed: int = 0):
    mask = marks.copy()
    background_model, foreground_model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(seed)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    cv2.grabCut(bgr, mask, None, background_model, foreground_model, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    foreground = (mask == FGD) | (mask == PR_FGD)
    return foreground, energy(rgb, foreground, background_model, foreground_model)


def cases_of(name: str, rgb: np.ndarray):
    """The rectangle and the sketch in cells: what goes into the JSON, and the mask."""
    height, width = rgb.shape[:2]
    cells = unlike_cells(rgb)
    digits = ["".join(str(mark) for mark in row) for row in cells]
    for sketch, marks in (("rectangle", rectangle(rgb)), (digits, spread(cells, height, width))):
        foreground, cost = cut(rgb, marks)
        sha256 = hashlib.sha256(rgb.tobytes()).hexdigest()
        yield {"image": name, "width": width, "height": height, "sha256": sha256, "energy": round(cost, 2), "sketch": sketch}, foreground


def photographs(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpeg", ".jpg"})
    return paths[:: max(1, len(paths) // COUNT)][:COUNT]


def main() -> None:
    found = []
    for kind in ("disc", "pair"):
        found.extend(cases_of(kind, drawn(kind)))
    for path in photographs(Path(sys.argv[1])):
        rgb = np.asarray(fitted(Image.open(path).convert("RGB")))
        found.extend(cases_of(path.name, rgb))
    cases = [one for one, _ in found]
    masks = np.zeros((sum(one["height"] for one in cases), max(BOX)), bool)
    top = 0
    for one, foreground in found:
        masks[top : top + one["height"], : one["width"]] = foreground
        top += one["height"]
    Image.fromarray(masks).save(OUT.with_suffix(".png"), optimize=True)
    lines = ",\n".join("    " + json.dumps(one, separators=(",", ":")) for one in cases)
    OUT.write_text(f'{{\n  "opencv": "{cv2.__version__}",\n  "cases": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
