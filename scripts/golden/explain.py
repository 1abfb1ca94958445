"""Gradients and explanations by PyTorch and Captum: crates/featlas-explain/tests/golden/SET-MODEL.json.

pip install torch torchvision captum pillow numpy

Three networks (alexnet, vgg11, squeezenet1_0) explain pictures made by the formula of net_common.py, and,
where `shared/` stands beside the checkout, twenty photographs of it. Weights are made by formula; the
photographs are shown to SqueezeNet with its ImageNet weights and Caffe's conventions.

All are explained in float64, since the last bits decide which of two nearly equal values wins a max-pool and which units
near zero fire, and so where a gradient goes. In an evenly colored part of a photograph the values are equal, and even in
float64 the order of a sum's terms would decide: multiplied by 1 + 1e-14, the academic gown has another gradient by 1.6 %
in PyTorch's SqueezeNet. So max-pools here give the gradient to the first value that is equal but for rounding (FirstMax);
where no window has such values, that is PyTorch's own gradient. Of a map only its norm and its projections on NUM_PROJECTIONS fixed random
directions are written down: if two maps differ by a relative error e, the root mean square of the
differences of their projections is e times the norm, give or take an eighth.
For photographs the relative L2 distance of PyTorch's own float32 map is written down too, as "float32".

Usage: explain.py [formula|photographs] [MODEL...]
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
import torchvision.transforms as T
from captum.attr import (
    Deconvolution,
    GuidedBackprop,
    IntegratedGradients,
    LayerGradCam,
    NeuronGuidedBackprop,
    Occlusion,
    Saliency,
)
from net_common import checksum, fractions, picture, weight
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
GOLDEN = ROOT / "crates" / "featlas-explain" / "tests" / "golden"
NUM_PROJECTIONS = 32
NUM_PHOTOGRAPHS = 20
# How far below its window's maximum, as a part of it, a value still ties with it.
TIE = 2.0**-33
# The layer of Grad-CAM and of the guided channels, where torchvision has it: behind its ReLU.
LAYERS = {"alexnet": ("conv5", "features.11"), "vgg11": ("conv5_2", "features.19"), "squeezenet1_0": ("fire9", "features.12")}
# Steps of the integral; side and stride of the occlusion's window, which hangs over the border at the end.
SETTINGS = {"alexnet": (16, 64, 36), "vgg11": (4, 96, 70), "squeezenet1_0": (16, 64, 41)}

_directions = {}


def directions(count):
    """Random directions of unit variance: `(NUM_PROJECTIONS, count)`."""
    if count not in _directions:
        rows = [fractions(count, 1000 + k).astype(np.float64) for k in range(NUM_PROJECTIONS)]
        _directions[count] = np.stack(rows) * np.sqrt(3.0)
    return _directions[count]


def digest(values):
    flat = np.asarray(values.detach(), dtype=np.float64).reshape(-1)
    projections = directions(flat.size) @ flat
    return {"norm": float(f"{np.linalg.norm(flat):.9g}"), "projections": [float(f"{v:.9g}") for v in projections]}


class FirstMax(torch.nn.Module):
    """A max-pool whose gradient goes to the first of the values that tie with the maximum."""

    def __init__(self, pool):
        super().__init__()
        assert pool.padding == 0 and pool.dilation == 1
        self.kernel, self.stride, self.ceil_mode = pool.kernel_size, pool.stride, pool.ceil_mode

    def forward(self, x):
        kernel, stride = self.kernel, self.stride
        rows, columns = F.max_pool2d(x, kernel, stride, ceil_mode=self.ceil_mode).shape[2:]
        beyond = [max((cells - 1) * stride + kernel - side, 0) for cells, side in ((columns, x.shape[3]), (rows, x.shape[2]))]
        x = F.pad(x, (0, beyond[0], 0, beyond[1]), value=-float("inf"))
        windows = x.unfold(2, kernel, stride).unfold(3, kernel, stride)[:, :, :rows, :columns].flatten(4)
        values = windows.detach()
        most = values.amax(-1, keepdim=True)
        ties = values >= most - TIE * most.abs()
        first = (ties * torch.arange(kernel * kernel, 0, -1)).argmax(-1, keepdim=True)
        return windows.gather(-1, first)[..., 0]


def network(name):
    net = getattr(torchvision.models, name)(weights=None)
    for parent in list(net.modules()):
        for child, module in parent.named_children():
            if isinstance(module, torch.nn.MaxPool2d):
                setattr(parent, child, FirstMax(module))
    for module in net.modules():
        # Captum's hooks and in-place operations do not go together.
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return net.eval()


def formula_network(name, dtype):
    net = network(name).to(dtype)
    state = net.state_dict()
    for seed, (key, tensor) in enumerate(state.items()):
        state[key] = torch.from_numpy(weight(tuple(tensor.shape), seed).copy())
    net.load_state_dict(state)
    return net


def caffe_squeezenet(dtype):
    """SqueezeNet with its ImageNet weights: pools that round up, conv10 with padding 1."""
    raw = (SHARED / "models" / "squeezenet1_0-imagenet.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__")
    net = network("squeezenet1_0")
    state = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        stored = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
        values = np.frombuffer(raw[start:end], dtype=stored).astype(np.float32)
        state[name] = torch.from_numpy(values.reshape(entry["shape"]))
    net.load_state_dict(state)
    net.classifier[1].padding = (1, 1)
    assert all(module.ceil_mode for module in net.modules() if isinstance(module, FirstMax))
    return net.to(dtype)


def torchvision_input(pixels):
    crop = T.CenterCrop(224)(T.Resize(256)(Image.fromarray(pixels)))
    values = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(T.ToTensor()(crop))
    return values.double()[None], checksum(np.asarray(crop)), lambda maps: maps


def caffe_input(pixels):
    warped = Image.fromarray(pixels).resize((256, 256), Image.Resampling.BILINEAR)
    crop = np.asarray(T.CenterCrop(227)(warped))
    values = crop[:, :, ::-1].astype(np.float64) - np.array([104, 117, 123], np.float64)
    return torch.from_numpy(values.transpose(2, 0, 1).copy())[None], checksum(crop), lambda maps: maps.flip(1)


class Probability(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x).softmax(1)


def maps_of(name, net, prepared, target=None):
    """Facts about the image, and the map of every method."""
    x, pixels, rgb = prepared
    x = x.to(next(net.parameters()).dtype)
    layer, module = LAYERS[name]
    module = dict(net.named_modules())[module]
    steps, window, stride = SETTINGS[name]
    with torch.no_grad():
        logits = net(x)[0]
    top = logits.topk(2)
    target = int(top.indices[0]) if target is None else target
    gradient = Saliency(net).attribute(x, target=target, abs=False)

    seen = []
    hook = module.register_forward_hook(lambda _m, _i, out: seen.append(out.detach()[0]))
    with torch.no_grad():
        net(x)
    hook.remove()
    # The strongest channel of the layer, at its largest cell.
    channel, y, column = (int(v) for v in np.unravel_index(int(seen[0].argmax()), seen[0].shape))
    activation = float(seen[0][channel, y, column])
    neuron = NeuronGuidedBackprop(net, module).attribute(x, (channel, y, column)) * activation
    guided = GuidedBackprop(net).attribute(x, target=target)
    deconv = Deconvolution(net).attribute(x, target=target)
    cam = LayerGradCam(net, module).attribute(x, target=target, relu_attributions=True)
    integral = IntegratedGradients(net).attribute(
        x, baselines=0.0, target=target, n_steps=steps, method="gausslegendre", internal_batch_size=8
    )
    with torch.no_grad():
        drop = Occlusion(Probability(net)).attribute(
            x, (3, window, window), strides=(3, stride, stride), baselines=0.0, target=target, perturbations_per_eval=8
        )
        chance = float(Probability(net)(x)[0, target])
    drop = drop[:, :1]
    print(name, "class", target, f"margin {float(top.values[0] - top.values[1]):.3g}", f"probability {chance:.3g}", flush=True)
    facts = {
        "pixels": pixels,
        "class": target,
        "score": float(f"{float(logits[target]):.9g}"),
        "probability": float(f"{chance:.9g}"),
        "unit": [channel, y, column, float(f"{activation:.9g}")],
    }
    return facts, {
        "gradient": rgb(gradient),
        "saliency": gradient.abs().amax(1),
        "guided": rgb(guided),
        "deconv": rgb(deconv),
        "guided_unit": rgb(neuron),
        "gradcam": cam,
        "integrated": rgb(integral),
        "occlusion": drop,
    }


def explain(name, nets, prepared):
    """With one network by the methods in its numbers; with a second one in float32 the distance of its maps too."""
    facts, maps = maps_of(name, nets[0], prepared)
    found = {**facts, **{method: digest(values) for method, values in maps.items()}}
    if len(nets) > 1:
        _, rough = maps_of(name, nets[1], prepared, facts["class"])
        gaps = {m: float((rough[m].double() - maps[m]).norm() / maps[m].norm().clamp(min=1e-300)) for m in maps}
        found["float32"] = {method: float(f"{gap:.2g}") for method, gap in gaps.items()}
        print(found["float32"], flush=True)
    return found


def write(kind, name, nets, prepare, pictures):
    steps, window, stride = SETTINGS[name]
    images = [{**of, **explain(name, nets, prepare(pixels))} for of, pixels in pictures]
    case = {"layer": LAYERS[name][0], "steps": steps, "window_px": window, "stride_px": stride, "images": images}
    GOLDEN.mkdir(parents=True, exist_ok=True)
    text = json.dumps(case, separators=(",", ":"))
    path = GOLDEN / f"{kind}-{name}.json"
    path.write_text(text.replace('},"', '},\n"').replace('},{"', '},\n{"') + "\n")
    print(path.name, len(text), "bytes")


def main():
    wanted = sys.argv[1:]
    kinds = [kind for kind in ("formula", "photographs") if kind in wanted] or ["formula", "photographs"]
    names = [name for name in LAYERS if name in wanted] or list(LAYERS)
    if "formula" in kinds:
        sizes = [(256, 256, 4), (320, 240, 7)]
        pictures = [({"width": w, "height": h, "seed": s}, picture(w, h, s)) for w, h, s in sizes]
        for name in names:
            write("formula", name, [formula_network(name, torch.float64)], torchvision_input, pictures)
    if "photographs" in kinds:
        files = sorted((SHARED / "data" / "photos").iterdir())
        files = files[:: len(files) // NUM_PHOTOGRAPHS][:NUM_PHOTOGRAPHS]
        photographs = [({"file": f.name}, np.asarray(Image.open(f).convert("RGB"))) for f in files]
        for name in names:
            caffe = name == "squeezenet1_0"
            make = caffe_squeezenet if caffe else lambda dtype, name=name: formula_network(name, dtype)
            nets = [make(torch.float64), make(torch.float32)]
            write("photographs", name, nets, caffe_input if caffe else torchvision_input, photographs)


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
