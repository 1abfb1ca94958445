"""Crops and normalized values by torchvision on Pillow pictures: preprocess.json.

pip install torch torchvision pillow numpy
"""

import numpy as np
import torchvision.transforms as T
from net_common import checksum, picture, rounded, write
from PIL import Image

SIZES = [(320, 240), (240, 320), (256, 256), (257, 300), (300, 257), (224, 224), (255, 511), (1, 1), (3, 100), (100, 7), (640, 11), (500, 333), (333, 501)]
TORCHVISION = "RGB; shorter side to 256, antialiased bilinear; center crop 224; /255; mean 0.485 0.456 0.406; std 0.229 0.224 0.225"
CAFFE = "caffe: warp to 256x256 (bilinear), centre crop 227, BGR, 0-255, minus 104/117/123"
# Odd remainders of the crop (15.5, 16.5), and a crop larger than the picture, which is padded.
OTHERS = [("shorter side to 255", 255, 224), ("shorter side to 257", 257, 224), ("shorter side to 64", 64, 101), ("shorter side to 65", 65, 90)]


def torchvision_crop(image, side, crop):
    return T.CenterCrop(crop)(T.Resize(side, interpolation=T.InterpolationMode.BILINEAR)(image))


def main():
    cases = []
    for seed, (width, height) in enumerate(SIZES):
        image = Image.fromarray(picture(width, height, seed))
        crops = [(TORCHVISION, torchvision_crop(image, 256, 224))]
        warped = image.resize((256, 256), Image.Resampling.BILINEAR)
        crops.append((CAFFE, T.CenterCrop(227)(warped)))
        for clause, side, crop in OTHERS:
            text = f"RGB; {clause}; center crop {crop}; /255"
            crops.append((text, torchvision_crop(image, side, crop)))
        for text, cropped in crops:
            pixels = np.asarray(cropped)
            case = {"width": width, "height": height, "seed": seed, "preprocess": text, "px": pixels.shape[0], "sum": str(checksum(pixels)), "first": pixels[0, 0].tolist()}
            if text == TORCHVISION:
                tensor = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(T.ToTensor()(cropped)).numpy()
                case["values"] = rounded(tensor[:, 100, 100:103], 9)
            elif text == CAFFE:
                tensor = (pixels[:, :, ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)).transpose(2, 0, 1)
                case["values"] = rounded(tensor[:, 100, 100:103], 9)
            cases.append(case)
    write("preprocess.json", {"cases": cases})


if __name__ == "__main__":
    main()
