"""Images/s of ONNX Runtime, OpenVINO and PyTorch (random weights) for any network that featlas has a twin of.

The same lines as `scripts/bench/forward`, so that the two can be set side by side in one run:

    pip install torch torchvision onnx onnxruntime openvino
    python scripts/bench/peers_forward.py --model vgg16 --batches 1 8 --threads 2

All in f32 but `openvino-bf16`, which asks for bf16 and says what it got: f32 on a processor without bf16.
"""

import argparse
import json
import os
import tempfile
import time

import numpy as np
import onnxruntime
import openvino
import torch
import torchvision
from torch import nn


def relu_conv(inputs, outputs, kernel, **options):
    return [nn.Conv2d(inputs, outputs, kernel, **options), nn.ReLU()]


class AlexNetLite(nn.Module):
    """featlas's alexnet-lite: one tower of the original AlexNet, fc6 and fc7 through factors of rank 96."""

    def __init__(self):
        super().__init__()
        self.convs = nn.Sequential(
            *relu_conv(3, 48, 11, stride=4, padding=2), nn.MaxPool2d(3, 2),
            *relu_conv(48, 128, 5, padding=2), nn.MaxPool2d(3, 2),
            *relu_conv(128, 192, 3, padding=1), *relu_conv(192, 192, 3, padding=1),
            *relu_conv(192, 128, 3, padding=1))
        self.head = nn.Sequential(
            nn.MaxPool2d(3, 2), nn.Flatten(),
            nn.Linear(4608, 96, bias=False), nn.Linear(96, 4096), nn.ReLU(),
            nn.Linear(4096, 96, bias=False), nn.Linear(96, 4096), nn.ReLU())

    def forward(self, x):
        conv5 = self.convs(x)
        return self.head(conv5), conv5.amax((2, 3))


class Tapped(nn.Module):
    """A torchvision network to its feature, with the channel maxima of its last convolution."""

    def __init__(self, name):
        super().__init__()
        net = getattr(torchvision.models, name)()
        if name.startswith("squeezenet"):
            self.convs, self.head = net.features, None
            return
        cut = len(net.features) - 1
        self.convs = net.features[:cut]
        # The identity at 224 px; exporters do not all see that.
        self.head = nn.Sequential(net.features[cut], nn.Flatten(1), *net.classifier[:6])

    def forward(self, x):
        convs = self.convs(x)
        return (convs.mean((2, 3)) if self.head is None else self.head(convs)), convs.amax((2, 3))


def median_rate(batch, call, repeats):
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return batch / float(np.median(times))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="alexnet")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", nargs="+",
                        default=["onnxruntime", "openvino", "openvino-bf16", "torch", "torch-channels-last"])
    args = parser.parse_args()

    def report(peer, batch, call, precision="f32"):
        if peer in args.peers:
            rate = round(median_rate(batch, call, args.repeats), 1)
            line = {"peer": peer, "model": args.model, "precision": precision, "batch": batch, "images_per_s": rate}
            print(json.dumps(line), flush=True)

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    net = (AlexNetLite() if args.model == "alexnet-lite" else Tapped(args.model)).eval()
    path = os.path.join(tempfile.mkdtemp(), "net.onnx")
    torch.onnx.export(net, (torch.randn(1, 3, 224, 224),), path, input_names=["x"], output_names=["feature", "max"],
                      dynamic_axes={"x": {0: "n"}}, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(path, options)
    core = openvino.Core()
    for batch in args.batches:
        x = np.random.default_rng(0).random((batch, 3, 224, 224), dtype=np.float32)
        report("onnxruntime", batch, lambda: session.run(None, {"x": x}))
        for peer, precision in [("openvino", "f32"), ("openvino-bf16", "bf16")]:
            if peer not in args.peers:
                continue
            model = core.read_model(path)
            model.reshape([batch, 3, 224, 224])
            settings = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY",
                        "INFERENCE_PRECISION_HINT": precision}
            compiled = core.compile_model(model, "CPU", settings)
            got = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
            request = compiled.create_infer_request()
            report(peer, batch, lambda: request.infer([x]), {"float32": "f32", "bfloat16": "bf16"}.get(got, got))
        for peer, layout in [("torch", torch.contiguous_format), ("torch-channels-last", torch.channels_last)]:
            net = net.to(memory_format=layout)
            tensor = torch.from_numpy(x).to(memory_format=layout)
            with torch.inference_mode():
                report(peer, batch, lambda: net(tensor))


if __name__ == "__main__":
    main()
