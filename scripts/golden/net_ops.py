"""Layers without weights, and small convolutions, by PyTorch: ops.json.

pip install torch numpy
"""

import torch
import torch.nn.functional as F
from net_common import fractions, rounded, write


def tensor(shape, seed):
    count = 1
    for side in shape:
        count *= side
    return torch.from_numpy(fractions(count, seed).reshape(shape).copy())


def case(op, shape, params, out):
    return {"op": op, "shape": list(shape), "params": params, "out_shape": list(out.shape), "out": rounded(out.numpy())}


def main():
    cases = []
    # Every combination of remainder and mode: windows that fit, that leave cells over, that hang over.
    for height, width in [(6, 7), (7, 6), (8, 5), (5, 9)]:
        for kernel, stride, padding in [(3, 2, 0), (2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0), (2, 3, 1)]:
            for ceil in (False, True):
                shape = (2, 3, height, width)
                out = F.max_pool2d(tensor(shape, 1), kernel, stride, padding, ceil_mode=ceil)
                cases.append(case("max_pool", shape, {"kernel": kernel, "stride": stride, "padding": padding, "ceil": ceil}, out))
    for height, width, out_px in [(7, 9, 3), (6, 6, 6), (5, 4, 7), (13, 13, 6), (4, 5, 1)]:
        shape = (2, 2, height, width)
        cases.append(case("avg_pool", shape, {"out": out_px}, F.adaptive_avg_pool2d(tensor(shape, 2), out_px)))
    for channels, size, alpha, beta, k in [(7, 5, 1.0, 0.75, 1.0), (3, 5, 0.5, 0.75, 2.0), (6, 3, 2.0, 0.5, 1.0), (5, 4, 1.0, 0.75, 1.0)]:
        shape = (2, channels, 3, 2)
        out = F.local_response_norm(tensor(shape, 3), size, alpha, beta, k)
        cases.append(case("lrn", shape, {"size": size, "alpha": alpha, "beta": beta, "k": k}, out))
    for channels, out_channels, kernel, stride, padding, groups, height, width in [
        (3, 4, 3, 1, 1, 1, 6, 5),
        (4, 6, 5, 1, 2, 2, 7, 8),
        (3, 2, 11, 4, 2, 1, 23, 27),
        (6, 6, 1, 1, 0, 1, 4, 5),
        (4, 4, 3, 2, 0, 4, 8, 7),
        (2, 3, 3, 3, 2, 1, 5, 9),
        (2, 3, 1, 2, 1, 1, 5, 4),
        (1, 2, 2, 1, 3, 1, 2, 2),
    ]:
        shape = (2, channels, height, width)
        weight = tensor((out_channels, channels // groups, kernel, kernel), 5)
        out = F.conv2d(tensor(shape, 4), weight, tensor((out_channels,), 6), stride, padding, groups=groups)
        params = {"out_channels": out_channels, "kernel": kernel, "stride": stride, "padding": padding, "groups": groups}
        cases.append(case("conv", shape, params, out))
    write("ops.json", {"cases": cases})


if __name__ == "__main__":
    main()
