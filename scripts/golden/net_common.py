"""Numbers that Python and Rust make alike, so that goldens need no files of weights or pictures.

`crates/featlas-net/tests/common/mod.rs` and `crates/featlas-net/src/testing.rs` have the same formulas.
"""

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parents[2] / "crates" / "featlas-net" / "tests" / "golden"


def mix(count, seed):
    """`count` 32-bit numbers: a bijective integer hash of index and seed."""
    x = np.arange(count, dtype=np.uint32) + np.uint32((seed * 0x9E3779B9) & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def fractions(count, seed):
    """Numbers in [-1, 1) with 11 bits, so exact in f32 and f16."""
    return (mix(count, seed) >> np.uint32(21)).astype(np.float32) / np.float32(1024) - np.float32(1)


def weight(shape, seed):
    """A weight tensor of about He's variance; the scale is a power of two, so nothing is rounded."""
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 64
    scale = 1.0
    while scale * scale * fan_in > 8.0:
        scale /= 2
    return (fractions(int(np.prod(shape)), seed) * np.float32(scale)).reshape(shape)


def picture(width, height, seed):
    """A picture of slanted bands and blocks, `(height, width, 3)` bytes."""
    x = np.arange(width, dtype=np.int64)[None, :, None]
    y = np.arange(height, dtype=np.int64)[:, None, None]
    c = np.arange(3, dtype=np.int64)[None, None, :]
    bands = (x * (3 + c) + y * (7 - 2 * c) + seed * 31) % 256
    blocks = ((x // 23) * 61 + (y // 17) * 97 + c * 29 + seed * 13) % 256
    return ((bands + 2 * blocks) // 3).astype(np.uint8)


def checksum(values):
    """Position-weighted sum of bytes modulo 2^64."""
    flat = np.asarray(values, dtype=np.uint64).reshape(-1)
    with np.errstate(over="ignore"):
        return int(((np.arange(flat.size, dtype=np.uint64) + np.uint64(1)) * flat).sum(dtype=np.uint64))


def write(name, value):
    GOLDEN.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, separators=(",", ":"))
    text = text.replace('},{"', '},\n{"').replace('],"', '],\n"')
    (GOLDEN / name).write_text(text + "\n")
    print(name, len(text), "bytes")


def rounded(values, digits=7):
    return [float(f"{v:.{digits}g}") for v in np.asarray(values, dtype=np.float64).reshape(-1)]
