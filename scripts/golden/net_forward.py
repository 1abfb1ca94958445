"""Whole networks by PyTorch: tensors.json (names and shapes), forward.json (outputs).

pip install torch torchvision pillow numpy

The weights of every network but alexnet-lite are made by the formula of net_common.py, tensor by tensor
in the order of the state dict, with the tensor's index as seed. Caffe's two networks are written out here
from their published prototxt files.
"""

import json
import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torchvision
import torchvision.transforms as T
from net_common import picture, rounded, weight, write
from PIL import Image

DATA = Path(__file__).resolve().parents[2] / "data" / "models"
# A channel whose two largest cells are nearer than this may choose the other one on other hardware.
CLEAR = 1e-4


class Caffe(nn.Module):
    """bvlc_reference_caffenet (pool, then norm) or bvlc_alexnet (norm, then pool)."""

    def __init__(self, pool_first):
        super().__init__()
        self.pool_first = pool_first
        self.conv1 = nn.Conv2d(3, 96, 11, 4)
        self.conv2 = nn.Conv2d(96, 256, 5, 1, 2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, 1, 1)
        self.conv4 = nn.Conv2d(384, 384, 3, 1, 1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, 1, 1, groups=2)
        self.fc6 = nn.Linear(9216, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1000)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm = nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)

    def forward(self, x, seen):
        first, second = (self.pool, self.norm) if self.pool_first else (self.norm, self.pool)
        seen["conv1"] = x = self.conv1(x).relu()
        seen["conv2"] = x = self.conv2(second(first(x))).relu()
        seen["conv3"] = x = self.conv3(second(first(x))).relu()
        seen["conv4"] = x = self.conv4(x).relu()
        seen["conv5"] = x = self.conv5(x).relu()
        x = self.pool(x).flatten(1)
        seen["fc6"] = x = self.fc6(x).relu()
        seen["fc7"] = x = self.fc7(x).relu()
        return self.fc8(x)


class Lite(nn.Module):
    """alexnet-lite, as the metadata of its weights file describes it."""

    def __init__(self):
        super().__init__()
        sizes = [(3, 48, 11, 4, 2), (48, 128, 5, 1, 2), (128, 192, 3, 1, 1), (192, 192, 3, 1, 1), (192, 128, 3, 1, 1)]
        for i, (c, out, k, s, p) in enumerate(sizes, 1):
            setattr(self, f"conv{i}", nn.Conv2d(c, out, k, s, p))
        for name, inputs in (("fc6", 4608), ("fc7", 4096)):
            setattr(self, name, nn.ModuleDict({"down": nn.Linear(inputs, 96, bias=False), "up": nn.Linear(96, 4096)}))
        self.fc8 = nn.Linear(4096, 200)
        self.pool = nn.MaxPool2d(3, 2)

    def forward(self, x, seen):
        for i in range(1, 6):
            seen[f"conv{i}"] = x = getattr(self, f"conv{i}")(x).relu()
            if i in (1, 2, 5):
                x = self.pool(x)
        x = x.flatten(1)
        for name in ("fc6", "fc7"):
            layer = getattr(self, name)
            seen[name] = x = layer["up"](layer["down"](x)).relu()
        return self.fc8(x)


class Torchvision(nn.Module):
    """A torchvision network with hooks at the modules of `taps`."""

    def __init__(self, net, taps):
        super().__init__()
        self.net, self.seen = net, {}
        modules = dict(net.named_modules())
        for name, module in taps.items():
            modules[module].register_forward_hook(lambda _m, _i, out, name=name: self.seen.__setitem__(name, out.detach().clone()))

    def forward(self, x, seen):
        logits = self.net(x)
        seen.update(self.seen)
        return logits


def fill(net):
    state = net.state_dict()
    for seed, (name, tensor) in enumerate(state.items()):
        state[name] = torch.from_numpy(weight(tuple(tensor.shape), seed).copy())
    net.load_state_dict(state)


def load_lite(net):
    raw = (DATA / "alexnet-lite.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__")
    state = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[start:end], dtype=np.float16).astype(np.float32)
        state[name] = torch.from_numpy(values.reshape(entry["shape"]))
    net.load_state_dict(state)


def torchvision_input(pixels):
    crop = T.CenterCrop(224)(T.Resize(256)(Image.fromarray(pixels)))
    return T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(T.ToTensor()(crop))


def caffe_input(pixels):
    warped = Image.fromarray(pixels).resize((256, 256), Image.Resampling.BILINEAR)
    crop = np.asarray(T.CenterCrop(227)(warped))[:, :, ::-1].astype(np.float32)
    return torch.from_numpy((crop - np.array([104, 117, 123], np.float32)).transpose(2, 0, 1).copy())


def maxima(activation, wanted=12):
    """Channels whose largest cell is clear: channel, maximum, cell."""
    found = []
    for channel, plane in enumerate(activation.reshape(activation.shape[0], -1)):
        top = torch.topk(plane, 2).values
        if top[0] > 0 and top[0] - top[1] > CLEAR * top[0]:
            found.append([channel, rounded([top[0]])[0], int(plane.argmax())])
        elif top[0] == 0:
            found.append([channel, 0.0, 0])
        if len(found) == wanted:
            break
    return found


def run(name, net, feature, taps, pictures, preprocess):
    net.eval()
    images = []
    for width, height, seed in pictures:
        seen = {}
        with torch.no_grad():
            logits = net(preprocess(picture(width, height, seed))[None], seen)[0]
        vector = seen[feature][0]
        vector = vector.mean((1, 2)) if vector.dim() == 3 else vector
        top = torch.topk(logits, 6)
        gaps = top.values[:-1] - top.values[1:]
        clear = int((gaps > CLEAR * logits.abs().max()).cumprod(0).sum())
        images.append({
            "width": width,
            "height": height,
            "seed": seed,
            "feature_norm": rounded([vector.norm()])[0],
            "feature": rounded(vector[:24]),
            "taps": {tap: {"shape": list(seen[tap].shape[1:]), "maxima": maxima(seen[tap][0])} for tap in taps},
            "top": [[int(i), rounded([v])[0]] for i, v in zip(top.indices[: min(clear, 5)], top.values)],
        })
        print(name, width, height, "clear classes:", clear, "feature norm:", images[-1]["feature_norm"])
    return {"model": name, "images": images}


def main():
    torchvision_names = ["alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "squeezenet1_0", "squeezenet1_1"]
    lists = {}
    for name in torchvision_names:
        with torch.device("meta"):
            net = getattr(torchvision.models, name)()
        lists[name] = [[key, list(tensor.shape)] for key, tensor in net.state_dict().items()]
    write("tensors.json", lists)

    models = []
    lite = Lite()
    load_lite(lite)
    three = [(320, 240, 1), (240, 320, 2), (500, 300, 3)]
    models.append(run("alexnet-lite", lite, "fc7", ["conv1", "conv2", "conv3", "conv4", "conv5"], three, torchvision_input))

    # Modules whose output is the activation after ReLU; torchvision's ReLUs are in place.
    alexnet = {"conv1": "features.1", "conv3": "features.7", "conv5": "features.11", "fc6": "classifier.2", "fc7": "classifier.5"}
    vgg11 = {"conv1_1": "features.1", "conv3_1": "features.7", "conv5_2": "features.19", "fc7": "classifier.4"}
    squeeze10 = {"conv1": "features.1", "fire2/squeeze1x1": "features.3.squeeze_activation", "fire4": "features.5", "fire9": "features.12"}
    squeeze11 = {"conv1": "features.1", "fire5": "features.7", "fire9": "features.12"}
    for name, taps, feature in [("alexnet", alexnet, "fc7"), ("vgg11", vgg11, "fc7"), ("squeezenet1_0", squeeze10, "fire9"), ("squeezenet1_1", squeeze11, "fire9")]:
        net = getattr(torchvision.models, name)(weights=None)
        fill(net)
        convs = [tap for tap in taps if not tap.startswith("fc")]
        models.append(run(name, Torchvision(net, taps), feature, convs, [(256, 256, 4)], torchvision_input))
        del net
    for name, pool_first in [("caffenet", True), ("bvlc-alexnet", False)]:
        net = Caffe(pool_first)
        fill(net)
        models.append(run(name, net, "fc7", ["conv1", "conv2", "conv5"], [(256, 256, 5)], caffe_input))
    write("forward.json", {"models": models})


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
