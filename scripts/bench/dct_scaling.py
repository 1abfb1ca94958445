#!/usr/bin/env python3
"""Could JPEGs be decoded at a fraction of their size, by a scaled inverse DCT, before they are resized?

    python scripts/bench/dct_scaling.py FOLDER

For every JPEG whose shorter side leaves room (at least 256 px after scaling) this compares the network's 224 x 224
pixels made from the scaled picture with those made from the whole one. The preprocessing tolerance is one gray level
per pixel. Larger pictures than the folder holds are put together from its own.

pip install pillow numpy
"""

import io
import os
import sys

import numpy as np
from PIL import Image


def pixels(image):
    """torchvision's Resize(256) and CenterCrop(224)."""
    width, height = image.size
    size = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
    image = image.resize(size, Image.BILINEAR)
    left, top = (int(round((side - 224) / 2.0)) for side in size)
    return np.asarray(image.crop((left, top, left + 224, top + 224))).astype(int)


def difference(data, scale):
    """Largest difference, share of values beyond one level; None if the decoder does not scale."""
    whole = Image.open(io.BytesIO(data))
    size = whole.size
    scaled = Image.open(io.BytesIO(data))
    scaled.draft("RGB", (size[0] // scale, size[1] // scale))
    if scaled.size == size:
        return None
    off = abs(pixels(whole.convert("RGB")) - pixels(scaled.convert("RGB")))
    return off.max(), (off > 1).mean()


def mosaic(files, side, rng):
    """A large picture of `side` x `side` of the photographs, as a JPEG."""
    image = Image.new("RGB", (500 * side, 375 * side))
    for x in range(side):
        for y in range(side):
            part = Image.open(files[rng.integers(len(files))]).convert("RGB").resize((500, 375), Image.LANCZOS)
            image.paste(part, (500 * x, 375 * y))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, subsampling=0)
    return out.getvalue()


def main():
    folder = sys.argv[1]
    files = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    rng = np.random.default_rng(0)
    pictures = [open(file, "rb").read() for file in files]
    pictures += [mosaic(files, side, rng) for side in (4, 4, 4, 4, 8, 8, 16)]
    rows = {}
    for data in pictures:
        short = min(Image.open(io.BytesIO(data)).size)
        for scale in (2, 4, 8):
            if short // scale >= 256 and (found := difference(data, scale)):
                # By how many times the scaled picture is still larger than what it is resized to.
                room = short / 256 / scale
                bucket = next(limit for limit in (1.25, 1.5, 2, 3, 6, 12) if room <= limit)
                rows.setdefault((scale, bucket), []).append(found)
    print("scale  room   pictures  within one level  largest difference  values beyond one level")
    for (scale, bucket), found in sorted(rows.items()):
        most, share = np.array(found).T
        print(f"1/{scale}    <={bucket:<5} {len(found):7}  {int((most <= 1).sum()):16}  "
              f"{int(np.median(most)):8} to {int(most.max()):<7}  {share.mean():9.2%}")


if __name__ == "__main__":
    main()
