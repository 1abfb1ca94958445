"""Gradients of single layers by PyTorch in float64, ties and zeros among the inputs: gradient.json.

pip install torch numpy

Inputs and gradients are made by the formula of net_common.py. Inputs are rounded to few values, so that
windows of a max-pool have several equal maxima and a ReLU sees exact zeros; what PyTorch does then is the
contract.
"""

import numpy as np
import torch
import torch.nn.functional as F
from net_common import fractions, rounded, weight, write

POOLS = [
    # kernel, stride, padding, ceil, side
    (2, 2, 0, False, 6),
    (3, 2, 0, False, 7),
    (3, 2, 0, True, 8),
    (3, 2, 1, True, 6),
    (3, 1, 1, False, 5),
    (3, 3, 1, True, 7),
]
LRNS = [(5, 1e-1, 0.75, 1.0, 7), (3, 0.5, 0.75, 2.0, 4), (4, 0.3, 0.5, 1.0, 6)]
MEANS = [(1, 5), (2, 5), (3, 7), (4, 4), (6, 4)]
CONVS = [
    # inputs, outputs, kernel, stride, padding, groups, side
    (4, 6, 3, 1, 1, 2, 5),
    (4, 4, 3, 2, 0, 1, 7),
    (3, 5, 5, 1, 2, 1, 6),
    (6, 4, 3, 2, 1, 2, 8),
    (2, 3, 1, 1, 0, 1, 4),
    (2, 3, 4, 3, 1, 1, 9),
    (2, 2, 2, 1, 2, 1, 3),
]


def values(shape, seed, levels=None):
    flat = fractions(int(np.prod(shape)), seed).astype(np.float64)
    if levels:
        flat = np.round(flat * levels) / levels
    return torch.from_numpy(flat.reshape(shape))


def gradient(op, x, seed):
    x = x.clone().requires_grad_(True)
    y = op(x)
    g = values(tuple(y.shape), seed)
    y.backward(g)
    return {"output": rounded(y.detach(), 12), "gradient": rounded(x.grad, 12)}


def main():
    cases = {"relu": [], "max_pool": [], "lrn": [], "mean": [], "conv": []}
    # Half of the inputs are exact zeros or negative.
    cases["relu"].append({"shape": [2, 3, 4, 4], **gradient(F.relu, values((2, 3, 4, 4), 1, 2), 2)})
    for kernel, stride, padding, ceil, side in POOLS:
        shape = (2, 2, side, side)
        op = lambda x: F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil)
        setting = {"kernel": kernel, "stride": stride, "padding": padding, "ceil": ceil, "shape": list(shape)}
        cases["max_pool"].append({**setting, **gradient(op, values(shape, 3, 2).relu(), 4)})
    for size, alpha, beta, k, channels in LRNS:
        shape = (2, channels, 3, 3)
        op = lambda x: F.local_response_norm(x, size, alpha, beta, k)
        setting = {"size": size, "alpha": alpha, "beta": beta, "k": k, "shape": list(shape)}
        cases["lrn"].append({**setting, **gradient(op, values(shape, 5) * 3, 6)})
    for out, side in MEANS:
        shape = (2, 3, side, side)
        cases["mean"].append({"out": out, "shape": list(shape), **gradient(lambda x: F.adaptive_avg_pool2d(x, out), values(shape, 7), 8)})
    for inputs, outputs, kernel, stride, padding, groups, side in CONVS:
        shape = (2, inputs, side, side)
        w = torch.from_numpy(weight((outputs, inputs // groups, kernel, kernel), 9).astype(np.float64))
        b = torch.from_numpy(weight((outputs,), 10).astype(np.float64))
        op = lambda x: F.conv2d(x, w, b, stride, padding, groups=groups)
        setting = {"outputs": outputs, "kernel": kernel, "stride": stride, "padding": padding, "groups": groups, "shape": list(shape)}
        cases["conv"].append({**setting, **gradient(op, values(shape, 11), 12)})
    write("gradient.json", cases)


if __name__ == "__main__":
    main()
