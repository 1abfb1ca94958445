"""Tiny PyTorch checkpoints in every shape that is imported: pth/*.pth, and their values: pth.json.

pip install torch numpy

The network has one 3x3 convolution from 3 to 2 channels (`conv1`) and one linear layer (`fc`); the tests
lay the same one out.
"""

import collections

import torch
from net_common import GOLDEN, fractions, rounded, write


def tensor(shape, seed):
    count = 1
    for side in shape:
        count *= side
    return torch.from_numpy(fractions(count, seed).reshape(shape).copy())


def main():
    folder = GOLDEN / "pth"
    folder.mkdir(parents=True, exist_ok=True)
    plain = collections.OrderedDict([
        ("conv1.weight", tensor((2, 3, 3, 3), 1)),
        ("conv1.bias", tensor((2,), 2)),
        ("fc.weight", tensor((4, 8), 3)),
        ("fc.bias", tensor((4,), 4)),
    ])
    # The same values, stored otherwise: transposed, with an offset, with steps, expanded, in one storage.
    flat = torch.zeros(200)
    strided = collections.OrderedDict()
    strided["conv1.weight"] = plain["conv1.weight"].permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    strided["conv1.bias"] = flat[100:102].copy_(plain["conv1.bias"])
    flat[2:66:2] = plain["fc.weight"].reshape(-1)
    strided["fc.weight"] = flat.as_strided((4, 8), (16, 2), 2)
    strided["fc.bias"] = flat[120:124].copy_(plain["fc.bias"])
    assert not strided["conv1.weight"].is_contiguous() and not strided["fc.weight"].is_contiguous()

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.fc = torch.nn.Conv2d(3, 2, 3), torch.nn.Linear(8, 4)

    model = Model()
    model.load_state_dict(plain)
    wrapped = {
        "epoch": 3,
        "loss": 0.25,
        "arch": "tiny",
        "best": None,
        "sizes": [torch.Size([1, 2]), (1, 2, 3, 4), -5, 70000, 2**40, 2**70, True],
        "steps": torch.arange(3),
        "state_dict": collections.OrderedDict(("module." + k, v) for k, v in plain.items()),
    }
    saves = {
        "plain": plain,
        "module": model.state_dict(),
        "strided": strided,
        "wrapped": wrapped,
        "parameters": {name: torch.nn.Parameter(value) for name, value in plain.items()},
        "double": {name: value.double() for name, value in plain.items()},
        "half": {name: value.half() for name, value in plain.items()},
        "bfloat16": {name: (value * 128).round().bfloat16() / 128 for name, value in plain.items()},
        "int": {**plain, "fc.bias": torch.arange(4)},
        "scalar": torch.ones(3),
        "nan": {**plain, "fc.bias": torch.tensor([0.0, float("nan"), 0.0, 0.0])},
        "huge": {**plain, "fc.bias": torch.tensor([0.0, 1e300, 0.0, 0.0], dtype=torch.float64)},
        "extra": {**plain, "bn.num_batches_tracked": torch.tensor(7)},
        "expanded": {**plain, "fc.bias": torch.tensor([0.5]).expand(4)},
    }
    for name, value in saves.items():
        torch.save(value, folder / f"{name}.zip.pth")
        torch.save(value, folder / f"{name}.legacy.pth", _use_new_zipfile_serialization=False)
    bfloat16 = {name: rounded(value.float().numpy(), 9) for name, value in saves["bfloat16"].items()}
    values = {name: rounded(value.numpy(), 9) for name, value in plain.items()}
    write("pth.json", {"shapes": {name: list(value.shape) for name, value in plain.items()}, "values": values, "bfloat16": bfloat16})
    print(sum(path.stat().st_size for path in folder.iterdir()), "bytes of checkpoints")


if __name__ == "__main__":
    main()
