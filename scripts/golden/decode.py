"""Golden files and pixels of every format and kind of color.

Writes crates/featlas-image/tests/golden/decode/*: small files, and cases.json with the SHA-256 of the pixels that
Pillow's ImageOps.exif_transpose(Image.open(f)).convert("RGB") makes of each. The one exception is 16-bit gray, which
Pillow clips to white: there the high byte of each sample is expected.

With the folder of 500 ImageNet samples as argument, writes photos.json for the first 25 of them as well.

Needs: pip install Pillow numpy opencv-python-headless (libjpeg-turbo for the one subsampling Pillow cannot write)
Run:   python scripts/golden/decode.py [PHOTOS]
"""

import hashlib
import io
import json
import shutil
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL
from PIL import Image, ImageOps, features

GOLDEN = Path(__file__).parents[2] / "crates/featlas-image/tests/golden"
OUT = GOLDEN / "decode"
WIDTH, HEIGHT = 45, 31
NUM_PHOTOS = 25


def scene(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A smooth picture with a disk, a few hard edges and a colored corner."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    r = 255 * x / max(1, width - 1)
    g = 255 * y / max(1, height - 1)
    b = 127 + 127 * np.sin(x / 5) * np.cos(y / 4)
    disk = (x - 0.6 * width) ** 2 + (y - 0.5 * height) ** 2 < (0.3 * height) ** 2
    r, g, b = (np.where(disk, 255 - v, v) for v in (r, g, b))
    rgb = np.stack([r, g, b], -1)
    rgb[: height // 4, : width // 5] = (250, 10, 30)
    return rgb.round().astype(np.uint8)


RGB = scene()
GRAY = np.asarray(Image.fromarray(RGB).convert("L"))
ALPHA = ((np.indices((HEIGHT, WIDTH)).sum(0) * 5) % 256).astype(np.uint8)
RGB16 = (RGB.astype(np.uint16) * 256 + 255 - RGB[..., ::-1]).astype(np.uint16)
GRAY16 = (GRAY.astype(np.uint16) * 256 + 255 - GRAY).astype(np.uint16)
ALPHA16 = ALPHA.astype(np.uint16) * 257


def pillow_bytes(image: Image.Image, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


# ---------------------------------------------------------------- JPEG


def jpegs() -> dict[str, bytes]:
    rgb, gray = Image.fromarray(RGB), Image.fromarray(GRAY)
    cmyk = Image.merge("CMYK", [Image.fromarray(c) for c in (*np.moveaxis(RGB, -1, 0), 255 - ALPHA // 2)])

    def jpeg(image, **options):
        return pillow_bytes(image, format="jpeg", **{"quality": 85, **options})

    sampled = {"s444": "4:4:4", "s422": "4:2:2", "s420": "4:2:0"}
    files = {f"jpeg-{name}": jpeg(rgb, subsampling=value) for name, value in sampled.items()}
    bgr = np.ascontiguousarray(RGB[..., ::-1])
    for name, value in (("s440", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440), ("s411", cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411)):
        options = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, value]
        files[f"jpeg-{name}"] = cv2.imencode(".jpg", bgr, options)[1].tobytes()
    files |= {
        "jpeg-gray": jpeg(gray),
        "jpeg-progressive": jpeg(rgb, progressive=True),
        "jpeg-progressive-gray": jpeg(gray, progressive=True),
        "jpeg-progressive-444": jpeg(rgb, progressive=True, subsampling="4:4:4"),
        "jpeg-optimized": jpeg(rgb, optimize=True),
        "jpeg-restarts": jpeg(rgb, restart_marker_blocks=2),
        "jpeg-low-quality": jpeg(rgb, quality=3),
        "jpeg-full-quality": jpeg(rgb, quality=100, subsampling="4:4:4"),
        "jpeg-stored-rgb": jpeg(rgb, keep_rgb=True),
        "jpeg-cmyk-adobe": jpeg(cmyk),
        "jpeg-cmyk-progressive": jpeg(cmyk, progressive=True),
        "jpeg-one-pixel": jpeg(Image.fromarray(scene(1, 1))),
        "jpeg-one-mcu": jpeg(Image.fromarray(scene(16, 16))),
        "jpeg-narrow": jpeg(Image.fromarray(scene(3, 50))),
        "jpeg-no-jfif": strip(jpeg(rgb), 0xE0),
        "jpeg-trailing-garbage": jpeg(rgb) + b"\xff\xd8 not a part of the picture",
        "jpeg-comment": jpeg(rgb, comment=b"\xff\xd9 this is no end"),
    }
    # The same samples, said to be YCCK, and with nobody saying anything.
    adobe = files["jpeg-cmyk-adobe"]
    at = adobe.index(b"Adobe") + 11
    assert adobe[at] == 0
    files["jpeg-ycck"] = adobe[:at] + b"\x02" + adobe[at + 1 :]
    files["jpeg-cmyk-plain"] = strip(adobe, 0xEE)
    small = Image.fromarray(scene(16, 10))
    for orientation in range(1, 9):
        files[f"jpeg-orientation-{orientation}"] = jpeg(small, exif=exif(orientation))
    return files


def strip(data: bytes, marker: int) -> bytes:
    """Removes the segments of one kind from the header of a JPEG."""
    out, at = data[:2], 2
    while data[at + 1] != 0xDA:
        size = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] != marker:
            out += data[at : at + size]
        at += size
    return out + data[at:]


# ---------------------------------------------------------------- PNG

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples: np.ndarray, depth: int, color: int, chunks=(), interlace=False) -> bytes:
    """A PNG of samples (h, w, c) in the given depth, with Paeth-free filters 0 to 2 in turn."""
    height, width, _ = samples.shape

    def rows(part):
        packed = pack(part, depth)
        step = max(1, part.shape[2] * depth // 8)
        out, above = b"", np.zeros(packed.shape[1], np.uint8)
        for number, row in enumerate(packed):
            kind = number % 3
            left = np.concatenate([np.zeros(step, np.uint8), row])[: len(row)]
            out += bytes([kind]) + (row - (np.zeros_like(row), left, above)[kind]).astype(np.uint8).tobytes()
            above = row
        return out

    if interlace:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        data = b"".join(rows(part) for part in parts if part.size)
    else:
        data = rows(samples)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlace))
    out = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(data, 9)), (b"IEND", b"")):
        out += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return out


def pack(samples: np.ndarray, depth: int) -> np.ndarray:
    """Rows of bytes: big-endian 16 bits, bytes, or several samples a byte."""
    rows = samples.reshape(samples.shape[0], -1)
    if depth == 16:
        return rows.astype(">u2").view(np.uint8).reshape(rows.shape[0], -1)
    if depth == 8:
        return rows.astype(np.uint8)
    bits = np.unpackbits(rows.astype(np.uint8)[..., None], axis=2)[..., 8 - depth :]
    return np.packbits(bits.reshape(rows.shape[0], -1), axis=1)


def pngs() -> dict[str, bytes]:
    def deep(values):
        return np.atleast_3d(values)

    palette = np.stack([np.arange(256), np.arange(256)[::-1], (np.arange(256) * 7) % 256], -1).astype(np.uint8)
    plte = lambda count: (b"PLTE", palette[:count].tobytes())
    alpha = (b"tRNS", bytes(range(0, 256, 16)))
    la, rgba = np.dstack([GRAY, ALPHA]), np.dstack([RGB, ALPHA])
    rgba16 = np.dstack([RGB16, ALPHA16])
    files = {
        "png-l1": png(deep(GRAY >> 7), 1, 0),
        "png-l2": png(deep(GRAY >> 6), 2, 0),
        "png-l4": png(deep(GRAY >> 4), 4, 0),
        "png-l8": png(deep(GRAY), 8, 0),
        "png-l16": png(deep(GRAY16), 16, 0),
        "png-l8-transparent": png(deep(GRAY), 8, 0, [(b"tRNS", b"\0\x40")]),
        "png-l16-transparent": png(deep(GRAY16), 16, 0, [(b"tRNS", b"\x40\xbf")]),
        "png-la8": png(la, 8, 4),
        "png-la16": png(np.dstack([GRAY16, ALPHA16]), 16, 4),
        "png-rgb8": png(RGB, 8, 2),
        "png-rgb16": png(RGB16, 16, 2),
        "png-rgb8-transparent": png(RGB, 8, 2, [(b"tRNS", b"\0\xfa\0\x0a\0\x1e")]),
        "png-rgba8": png(rgba, 8, 6),
        "png-rgba16": png(rgba16, 16, 6),
        "png-p1": png(deep(GRAY >> 7), 1, 3, [plte(2)]),
        "png-p2": png(deep(GRAY >> 6), 2, 3, [plte(4)]),
        "png-p4": png(deep(GRAY >> 4), 4, 3, [plte(16)]),
        "png-p8": png(deep(GRAY), 8, 3, [plte(256)]),
        "png-p8-transparent": png(deep(GRAY), 8, 3, [plte(256), alpha]),
        "png-interlaced-l1": png(deep(GRAY >> 7), 1, 0, interlace=True),
        "png-interlaced-p4": png(deep(GRAY >> 4), 4, 3, [plte(16)], interlace=True),
        "png-interlaced-rgb8": png(RGB, 8, 2, interlace=True),
        "png-interlaced-rgba16": png(rgba16, 16, 6, interlace=True),
        "png-one-pixel": png(scene(1, 1), 8, 2),
        "png-animated": pillow_bytes(
            Image.fromarray(RGB), format="png", save_all=True, append_images=[Image.fromarray(255 - RGB)], duration=9
        ),
    }
    for orientation in range(1, 9):
        chunk = (b"eXIf", exif(orientation).removeprefix(b"Exif\0\0"))
        files[f"png-orientation-{orientation}"] = png(scene(16, 10), 8, 2, [chunk])
    return files


# ---------------------------------------------------------------- WebP, GIF, BMP


def webps() -> dict[str, bytes]:
    rgb, rgba = Image.fromarray(RGB), Image.fromarray(np.dstack([RGB, ALPHA | 1]))
    files = {
        "webp-lossy": pillow_bytes(rgb, format="webp", quality=80),
        "webp-lossy-low": pillow_bytes(rgb, format="webp", quality=5),
        "webp-lossy-alpha": pillow_bytes(rgba, format="webp", quality=80),
        "webp-lossless": pillow_bytes(rgb, format="webp", lossless=True),
        "webp-lossless-alpha": pillow_bytes(rgba, format="webp", lossless=True, exact=True),
        "webp-animated": pillow_bytes(
            rgb, format="webp", lossless=True, save_all=True, append_images=[Image.fromarray(255 - RGB)]
        ),
    }
    small = Image.fromarray(scene(16, 10))
    for orientation in range(1, 9):
        files[f"webp-orientation-{orientation}"] = pillow_bytes(
            small, format="webp", lossless=True, exif=exif(orientation)
        )
    return files


def gifs() -> dict[str, bytes]:
    rgb = Image.fromarray(RGB)
    indexed = rgb.quantize(32)
    plain = pillow_bytes(indexed, format="gif", interlace=0)
    frames = [Image.fromarray(np.roll(RGB, 4 * i, 1)).quantize(32) for i in range(3)]
    files = {
        "gif-plain": plain,
        "gif-interlaced": pillow_bytes(indexed, format="gif", interlace=1),
        "gif-gray": pillow_bytes(Image.fromarray(GRAY), format="gif"),
        "gif-black-and-white": pillow_bytes(rgb.convert("1"), format="gif"),
        "gif-transparent": pillow_bytes(indexed, format="gif", transparency=3),
        "gif-animated": pillow_bytes(frames[0], format="gif", save_all=True, append_images=frames[1:], duration=50),
    }
    # A canvas larger than its first frame, with and without a transparent color, and one smaller than it.
    for name, data in (("", plain), ("-transparent", files["gif-transparent"])):
        at = data.index(b"\x2c\0\0\0\0" + struct.pack("<HH", WIDTH, HEIGHT))
        moved = data[:at] + b"\x2c" + struct.pack("<HH", 3, 5) + data[at + 5 :]
        files[f"gif-offset{name}"] = moved[:6] + struct.pack("<HH", WIDTH + 9, HEIGHT + 7) + moved[10:]
    return files


def bmp(width, height, depth, rows: bytes, palette=b"", compression=0, masks=b"", header=40) -> bytes:
    start = 14 + header + (len(masks) if header == 40 else 0) + len(palette)
    info = struct.pack(
        "<IiiHHIIiiII", header, width, height, 1, depth, compression, len(rows), 2835, 2835, len(palette) // 4, 0
    )
    info += masks + b"\0" * (header - 40 - len(masks) if header > 40 else 0)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + palette + rows


def bmp_rows(samples: np.ndarray, depth: int, bottom_up=True) -> bytes:
    rows = samples[::-1] if bottom_up else samples
    packed = pack(np.atleast_3d(rows), depth) if depth <= 8 else rows.reshape(rows.shape[0], -1).view(np.uint8)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4))).tobytes()


def rle8(samples: np.ndarray) -> bytes:
    """Runs and literal stretches in turn, row by row."""
    out = b""
    for row in samples[::-1]:
        at = 0
        while at < len(row):
            run = 1
            while at + run < len(row) and row[at + run] == row[at] and run < 255:
                run += 1
            stretch = row[at : at + 5]
            if run < 3 and len(stretch) == 5:
                out += bytes([0, 5]) + stretch.tobytes() + b"\0"
                at += 5
            else:
                out += bytes([run, row[at]])
                at += run
        out += b"\0\0"
    return out + b"\0\1"


def bmps() -> dict[str, bytes]:
    colors = np.stack([(np.arange(256) * 7) % 256, np.arange(256)[::-1], np.arange(256)], -1).astype(np.uint8)
    palette = lambda count: np.pad(colors[:count], ((0, 0), (0, 1))).tobytes()
    bgr = np.ascontiguousarray(RGB[..., ::-1])
    bgra = np.dstack([bgr, ALPHA])
    wide = RGB.astype(np.uint16)
    rgb555 = (wide[..., 0] >> 3) << 10 | (wide[..., 1] >> 3) << 5 | wide[..., 2] >> 3
    rgb565 = (wide[..., 0] >> 3) << 11 | (wide[..., 1] >> 2) << 5 | wide[..., 2] >> 3
    masks565 = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    masks8888 = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    size = (WIDTH, HEIGHT)
    return {
        "bmp-p1": bmp(*size, 1, bmp_rows(GRAY >> 7, 1), palette(2)),
        "bmp-p4": bmp(*size, 4, bmp_rows(GRAY >> 4, 4), palette(16)),
        "bmp-p8": bmp(*size, 8, bmp_rows(GRAY, 8), palette(256)),
        "bmp-rle8": bmp(*size, 8, rle8(GRAY >> 3), palette(32), compression=1),
        "bmp-rgb555": bmp(*size, 16, bmp_rows(rgb555, 16)),
        "bmp-rgb565": bmp(*size, 16, bmp_rows(rgb565, 16), compression=3, masks=masks565),
        "bmp-rgb24": bmp(*size, 24, bmp_rows(bgr, 24)),
        "bmp-rgb24-top-down": bmp(WIDTH, -HEIGHT, 24, bmp_rows(bgr, 24, bottom_up=False)),
        "bmp-rgb32": bmp(*size, 32, bmp_rows(bgra, 32)),
        "bmp-rgba32-v5": bmp(*size, 32, bmp_rows(bgra, 32), compression=3, masks=masks8888, header=124),
        "bmp-pillow": pillow_bytes(Image.fromarray(RGB), format="bmp"),
    }


# ---------------------------------------------------------------- TIFF


def tiff(strips: list[bytes], tags: dict[int, tuple[str, list[int]]], order="<", tiles=False) -> bytes:
    """A TIFF of ready-made strips or tiles; tags are {number: (struct letter, values)}."""
    data, offsets = b"", []
    for strip_bytes in strips:
        offsets.append(8 + len(data))
        data += strip_bytes + b"\0" * (len(strip_bytes) % 2)
    sizes = [len(strip_bytes) for strip_bytes in strips]
    tags = dict(tags) | {(324 if tiles else 273): ("I", offsets), (325 if tiles else 279): ("I", sizes)}
    types = {"B": 1, "H": 3, "I": 4}
    ifd_at = 8 + len(data)
    extra_at = ifd_at + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    for number, (letter, values) in sorted(tags.items()):
        body = struct.pack(f"{order}{len(values)}{letter}", *values)
        entries += struct.pack(f"{order}HHI", number, types[letter], len(values))
        if len(body) <= 4:
            entries += body.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", extra_at + len(extra))
            extra += body + b"\0" * (len(body) % 2)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(f"{order}I", ifd_at)
    return head + data + struct.pack(f"{order}H", len(tags)) + entries + b"\0\0\0\0" + extra


def tiffs() -> dict[str, bytes]:
    rgb, gray = Image.fromarray(RGB), Image.fromarray(GRAY)
    cmyk = Image.merge("CMYK", [Image.fromarray(c) for c in (*np.moveaxis(RGB, -1, 0), 255 - ALPHA // 2)])

    def tags(depths, photometric, **more):
        base = {
            256: ("H", [WIDTH]), 257: ("H", [HEIGHT]), 258: ("H", depths), 259: ("H", [1]),
            262: ("H", [photometric]), 277: ("H", [len(depths)]), 278: ("H", [HEIGHT]),
        }
        return base | {int(number[1:]): value for number, value in more.items()}

    def packed(samples, depth):
        return pack(np.atleast_3d(samples), depth).tobytes()

    color_map = [v * 257 for v in (*range(256), *range(255, -1, -1), *((i * 7) % 256 for i in range(256)))]
    small_map = [v * 257 for v in (*range(16), *range(255, 239, -1), *((i * 7) % 256 for i in range(16)))]
    tile = np.zeros((32, 48, 3), np.uint8)
    tile[:HEIGHT, :WIDTH] = RGB
    tile_data = [tile[y : y + 16, x : x + 16].tobytes() for y in (0, 16) for x in (0, 16, 32)]
    planes = [RGB[..., i].tobytes() for i in range(3)]
    strips = [RGB[y : y + 8].tobytes() for y in range(0, HEIGHT, 8)]
    files = {
        "tiff-rgb": pillow_bytes(rgb, format="tiff"),
        "tiff-lzw": pillow_bytes(rgb, format="tiff", compression="tiff_lzw"),
        "tiff-deflate": pillow_bytes(rgb, format="tiff", compression="tiff_adobe_deflate"),
        "tiff-packbits": pillow_bytes(rgb, format="tiff", compression="packbits"),
        "tiff-predictor": pillow_bytes(rgb, format="tiff", compression="tiff_lzw", tiffinfo={317: 2}),
        "tiff-gray": pillow_bytes(gray, format="tiff"),
        "tiff-black-and-white": pillow_bytes(rgb.convert("1"), format="tiff"),
        "tiff-group4": pillow_bytes(rgb.convert("1"), format="tiff", compression="group4"),
        "tiff-palette": pillow_bytes(rgb.quantize(64), format="tiff"),
        "tiff-rgba": pillow_bytes(Image.fromarray(np.dstack([RGB, ALPHA])), format="tiff"),
        "tiff-gray-alpha": pillow_bytes(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"), format="tiff"),
        "tiff-cmyk": pillow_bytes(cmyk, format="tiff"),
        "tiff-gray2": tiff([packed(GRAY >> 6, 2)], tags([2], 1)),
        "tiff-gray4": tiff([packed(GRAY >> 4, 4)], tags([4], 1)),
        "tiff-white-is-zero": tiff([packed(GRAY, 8)], tags([8], 0)),
        "tiff-white-is-zero1": tiff([packed(GRAY >> 7, 1)], tags([1], 0)),
        "tiff-gray16": tiff([GRAY16.astype("<u2").tobytes()], tags([16], 1)),
        "tiff-gray16-big-endian": tiff([GRAY16.astype(">u2").tobytes()], tags([16], 1), order=">"),
        "tiff-rgb16": tiff([RGB16.astype("<u2").tobytes()], tags([16] * 3, 2)),
        "tiff-rgb16-big-endian": tiff([RGB16.astype(">u2").tobytes()], tags([16] * 3, 2), order=">"),
        "tiff-big-endian": tiff([RGB.tobytes()], tags([8] * 3, 2), order=">"),
        "tiff-palette4": tiff([packed(GRAY >> 4, 4)], tags([4], 3, t320=("H", small_map))),
        "tiff-palette8": tiff([packed(GRAY, 8)], tags([8], 3, t320=("H", color_map))),
        "tiff-strips": tiff(strips, tags([8] * 3, 2, t278=("H", [8]))),
        "tiff-tiles": tiff(tile_data, tags([8] * 3, 2, t322=("H", [16]), t323=("H", [16])), tiles=True),
        "tiff-planes": tiff(planes, tags([8] * 3, 2, t284=("H", [2]))),
    }
    small = scene(16, 10)
    for orientation in range(1, 9):
        shape = {"t256": ("H", [16]), "t257": ("H", [10]), "t278": ("H", [10])}
        files[f"tiff-orientation-{orientation}"] = tiff(
            [small.tobytes()], tags([8] * 3, 2, t274=("H", [orientation]), **shape)
        )
    return files


# ---------------------------------------------------------------- expected pixels


def expected(data: bytes) -> tuple[np.ndarray, str]:
    image = Image.open(io.BytesIO(data))
    mode = image.mode
    image = ImageOps.exif_transpose(image)
    if mode.startswith("I;16"):
        high = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(high[..., None], 3, 2), mode
    return np.asarray(image.convert("RGB")), mode


def record(name: str, data: bytes) -> dict:
    pixels, mode = expected(data)
    return {
        "file": name, "mode": mode, "width": pixels.shape[1], "height": pixels.shape[0],
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }


def write(path: Path, cases: list[dict]) -> None:
    versions = {"pillow": PIL.__version__}
    for codec in ("libjpeg_turbo", "webp", "libtiff"):
        versions[codec] = features.version(codec)
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    path.write_text(f'{{\n  "versions": {json.dumps(versions)},\n  "cases": [\n{lines}\n  ]\n}}\n')


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    cases = []
    for files in (jpegs(), pngs(), webps(), gifs(), bmps(), tiffs()):
        for stem, data in files.items():
            name = f"{stem}.{stem.partition('-')[0]}"
            (OUT / name).write_bytes(data)
            cases.append(record(name, data))
    write(OUT / "cases.json", cases)
    if len(sys.argv) > 1:
        photos = sorted(Path(sys.argv[1]).glob("*.JPEG"))[:NUM_PHOTOS]
        write(GOLDEN / "photos.json", [record(photo.name, photo.read_bytes()) for photo in photos])


if __name__ == "__main__":
    main()
