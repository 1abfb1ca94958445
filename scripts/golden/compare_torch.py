#!/usr/bin/env python3
"""Random torchvision networks, saved as .pth, through featlas and through PyTorch: do they agree?

    python scripts/golden/compare_torch.py FEATLAS FOLDER_OF_IMAGES [--models alexnet vgg16] [--images 24]

For each network the weights are drawn by PyTorch (seed 0), saved in the zip and in the legacy format, imported by
`featlas models import`, and run over the images by `featlas extract`. PyTorch reads the same files by Pillow and
torchvision's transforms. Exits with an error unless, for every image,

- fc7 is within 1e-4 in relative L2: |got - expected| <= 1e-4 |expected|, both as vectors, and element by element
  |got_i - expected_i| <= 1e-4 max(|expected_i|, rms), where rms is the vector's root mean square: a sum of thousands
  of products that nearly cancel has no digits of its own, whichever order it is taken in;
- the conv5 maxima are within 1e-4 in both of these measures, and lie in the same cells unless two cells are as near;
- the cosine of fc7 is at least 0.9999.

Printed too, but no criterion: how far the worst maximum is off as a part of itself, however small it is, for featlas
and for PyTorch's own float32, both against PyTorch in float64.

pip install torch torchvision pillow numpy pyarrow
"""

import argparse
import copy
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
import pyarrow.parquet as pq
import torch
import torchvision
from PIL import Image
from torchvision import transforms

TOLERANCE = 1e-4
# The last ReLU of the convolutions, by model.
CONV5 = {"alexnet": 12, "vgg11": 20, "vgg13": 24, "vgg16": 30, "vgg19": 36}


def expected_of(net, model, files):
    """By file: fc7, the map of conv5 (channels, cells), and its maxima in float64."""
    exact = copy.deepcopy(net.features[:CONV5[model]]).double()
    prepare = transforms.Compose([
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])
    rows = {}
    with torch.inference_mode():
        for file in files:
            x = prepare(Image.open(file).convert("RGB"))[None]
            conv = net.features[:CONV5[model]](x)
            pooled = net.avgpool(net.features[CONV5[model]:](conv)).flatten(1)
            # Both classifiers end with fc7, its ReLU, (dropout,) fc8.
            fc7 = net.classifier[:-1](pooled)
            maxima = exact(x.double())[0].flatten(1).amax(1)
            rows[os.path.basename(file)] = (fc7[0].double().numpy(), conv[0].flatten(1).double().numpy(), maxima.numpy())
    return rows


def distances(got, expected):
    """The relative L2 distance, and the largest of an element, of which those below the rms are taken as large as it."""
    norm = np.linalg.norm(expected)
    floor = np.maximum(np.abs(expected), norm / np.sqrt(expected.size))
    return np.linalg.norm(got - expected) / norm, np.max(np.abs(got - expected) / floor)


def of_itself(got, expected):
    """The largest distance as a part of the element."""
    return np.max(np.abs(got - expected) / np.maximum(np.abs(expected), 1e-30))


def compare(got, expected):
    """Largest differences over all images, in the measures of the docstring."""
    worst = {}

    def note(key, value):
        worst[key] = max(worst.get(key, 0), value)

    for path, (fc7, conv, exact) in expected.items():
        row = got[path]
        [maxima_column] = [name for name in row if name.startswith("conv") and name.endswith("_max")]
        mine, my_maxima = np.asarray(row["fc7"], float), np.asarray(row[maxima_column], float)
        maxima = conv.max(axis=1)
        for name, pair in (("fc7", (mine, fc7)), ("conv5", (my_maxima, maxima))):
            l2, element = distances(*pair)
            note(f"{name} L2", l2)
            note(f"{name} element", element)
        note("1 - cosine", 1 - mine @ fc7 / (np.linalg.norm(mine) * np.linalg.norm(fc7)))
        # The value in the cell that featlas names: as large as the largest, if the cell is right.
        cells = np.asarray(row[maxima_column.replace("_max", "_argmax")])
        there = conv[np.arange(len(cells)), cells]
        floor = np.maximum(np.abs(maxima), np.sqrt(np.mean(maxima**2)))
        note("other cells", int(np.sum((maxima - there) / floor > TOLERANCE)))
        note("conv5 of itself", of_itself(my_maxima, exact))
        note("PyTorch's conv5 of itself", of_itself(maxima, exact))
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("featlas")
    parser.add_argument("folder")
    parser.add_argument("--models", nargs="+", default=["alexnet", "vgg16"])
    parser.add_argument("--images", type=int, default=24)
    args = parser.parse_args()
    featlas = os.path.abspath(args.featlas)
    names = sorted(os.listdir(args.folder))
    files = [os.path.join(args.folder, name) for name in names[::max(1, len(names) // args.images)]]
    failed = False
    for model in args.models:
        torch.manual_seed(0)
        net = getattr(torchvision.models, model)().eval()
        expected = expected_of(net, model, files)
        for kind, zipped in (("zip", True), ("legacy", False)):
            with tempfile.TemporaryDirectory() as desk:
                os.mkdir(os.path.join(desk, "images"))
                for file in files:
                    os.symlink(os.path.abspath(file), os.path.join(desk, "images", os.path.basename(file)))
                path = lambda name: os.path.join(desk, name)
                torch.save(net.state_dict(), path("net.pth"), _use_new_zipfile_serialization=zipped)
                run = lambda *words: subprocess.run([featlas, *words], check=True)
                run("models", "import", path("net.pth"), "--model", model, "--out", path("net.safetensors"), "--quiet")
                run("extract", "--images", path("images"), "--follow-links", "--model", model, "--weights",
                    path("net.safetensors"), "--out", path("atlas"), "--quiet")
                table = pq.ParquetDataset(glob.glob(path("atlas/features/*.parquet"))).read()
                got = {row["path"]: row for row in table.to_pylist()}
            assert sorted(got) == sorted(expected), "not the same images"
            worst = compare(got, expected)
            limits = {"fc7 L2": TOLERANCE, "fc7 element": TOLERANCE, "conv5 L2": TOLERANCE, "conv5 element": TOLERANCE,
                      "1 - cosine": 1e-4, "other cells": 0}
            good = all(worst[key] <= limit for key, limit in limits.items())
            failed |= not good
            figures = ", ".join(f"{key} {value:.2g}" for key, value in worst.items())
            print(f"{model} {kind}, {len(expected)} images: {figures}: {'agrees' if good else 'DIFFERS'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
