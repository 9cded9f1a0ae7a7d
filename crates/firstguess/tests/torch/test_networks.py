"""Logits, losses and gradients of one network of each kind against PyTorch's own layers and autograd.

Run by `cargo xtask test`, or: FIRSTGUESS_EXPORT_NET=path/to/export_net python -m pytest crates/firstguess/tests/torch
"""
import json
import math
import os
import subprocess

import pytest
import torch
import torch.nn.functional as F
from torch import nn

EPSILON = 1e-5
# Relative to the largest magnitude of each tensor, or to 0.1.
TOLERANCE = {"f64": 1e-10, "f32": 1e-4}
DTYPE = {"f64": torch.float64, "f32": torch.float32}


def log_periodic(delta, omega):
    return lambda x: x * torch.exp(delta / omega * torch.sin(omega * torch.log(x.abs())))


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "leaky_relu(0.3)": lambda x: F.leaky_relu(x, 0.3),
    "abs": torch.abs,
    "elu": F.elu,
    "elu(1.7)": lambda x: F.elu(x, 1.7),
    "selu": F.selu,
    # PyTorch rounds 1/alpha to single precision on the way back: a power of two has no error there.
    "celu(0.5)": lambda x: F.celu(x, 0.5),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    # PyTorch turns linear beyond a threshold; ours has none.
    "softplus": lambda x: F.softplus(x, threshold=40.0),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hard_tanh": F.hardtanh,
    "hard_swish": F.hardswish,
    "erf": torch.erf,
    "sin": torch.sin,
    "sign": torch.sign,
    "relu6": F.relu6,
    "squared_relu": lambda x: F.relu(x) ** 2,
    "shifted_relu": lambda x: F.relu(x) - 1 / math.sqrt(math.pi),
    "shifted_relu(0.25)": lambda x: F.relu(x) - 0.25,
    "log_periodic(0.5,2)": log_periodic(0.5, 2.0),
    "x*sigmoid(1.702*x)": lambda x: x * torch.sigmoid(1.702 * x),
    "max(x,0.1*x)": lambda x: torch.maximum(x, 0.1 * x),
}


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Residual(nn.Module):
    def __init__(self, branch, shortcut, scale):
        super().__init__()
        self.branch, self.shortcut, self.scale = branch, shortcut, scale

    def forward(self, x):
        return self.shortcut(x) + self.scale * self.branch(x)


class Builder:
    """From layers as a spec file has them to modules, weights loaded in the order of their index."""

    def __init__(self, layers, weights, dtype):
        self.weights, self.dtype = iter(weights), dtype
        self.blocks = count(layers)
        self.loaded = []

    def tensor(self, values, shape):
        return nn.Parameter(torch.tensor(values, dtype=self.dtype).reshape(shape))

    def sequence(self, layers, shape):
        modules = []
        for layer in layers:
            module = self.module(layer, shape)
            # In train mode batch norm takes the statistics of the batch; more than one example fixes no shape.
            shape = module(torch.zeros(2, *shape, dtype=self.dtype)).shape[1:]
            modules.append(module)
        return nn.Sequential(*modules)

    def module(self, layer, shape):
        image = len(shape) == 3
        if isinstance(layer, str):
            if layer == "flatten":
                return nn.Flatten()
            if layer == "global_average_pool":
                return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
            if layer == "batch_norm":
                kind = nn.BatchNorm2d if image else nn.BatchNorm1d
                return kind(shape[0], eps=EPSILON, dtype=self.dtype)
            if layer == "layer_norm":
                return nn.LayerNorm(shape, eps=EPSILON, dtype=self.dtype)
            if layer == "rms_norm":
                dims = tuple(range(1, len(shape) + 1))
                return Function(lambda x: x * torch.rsqrt(x.square().mean(dims, keepdim=True) + EPSILON))
            return Function(ACTIVATIONS[layer])
        if "dense" in layer:
            loaded, inputs = next(self.weights), math.prod(shape)
            module = nn.Linear(inputs, layer["dense"], dtype=self.dtype)
            module.weight = nn.Parameter(self.tensor(loaded["weight"], (inputs, layer["dense"])).detach().T.contiguous())
            module.bias = self.tensor(loaded["bias"], (layer["dense"],))
            self.loaded.append(module)
            return nn.Sequential(nn.Flatten(), module)
        if "conv" in layer:
            loaded, kernel = next(self.weights), layer.get("kernel", 3)
            options = {"stride": layer.get("stride", 1), "padding": layer.get("padding", kernel // 2), "groups": layer.get("groups", 1)}
            module = nn.Conv2d(shape[0], layer["conv"], kernel, dtype=self.dtype, **options)
            module.weight = self.tensor(loaded["weight"], module.weight.shape)
            module.bias = self.tensor(loaded["bias"], (layer["conv"],))
            self.loaded.append(module)
            return module
        for name, sign in [("max_pool", 1), ("min_pool", -1), ("average_pool", 0)]:
            if name in layer:
                size = layer[name]
                return pool(sign, size, layer.get("stride", size), layer.get("padding", 0), image)
        if "group_norm" in layer:
            return nn.GroupNorm(layer["group_norm"], shape[0], eps=EPSILON, dtype=self.dtype)
        if "dropout" in layer:
            # The masks of two generators cannot agree: off on both sides.
            return nn.Identity()
        if "residual" in layer:
            scale = layer.get("branch_scale", 1.0)
            scale = 1 / math.sqrt(self.blocks) if isinstance(scale, str) else scale
            shortcut = self.sequence(layer.get("shortcut", []), shape)
            return Residual(self.sequence(layer["residual"], shape), shortcut, scale)
        return self.sequence(layer["layers"] * layer["repeat"], shape)


def pool(sign, size, stride, padding, image):
    if image:
        kind = F.max_pool2d if sign else F.avg_pool2d
        inner = lambda x: kind(x, size, stride, padding)
    else:
        kind = F.max_pool1d if sign else F.avg_pool1d
        inner = lambda x: kind(x.unsqueeze(1), size, stride, padding).squeeze(1)
    return Function(inner if sign >= 0 else lambda x: -inner(-x))


def count(layers):
    """Residual blocks, repeats written out."""
    total = 0
    for layer in layers:
        if isinstance(layer, dict):
            total += layer.get("repeat", 1) * count(layer.get("layers", []))
            if "residual" in layer:
                total += 1 + count(layer["residual"]) + count(layer.get("shortcut", []))
    return total


def export(requests):
    text = "\n".join(json.dumps(request) for request in requests)
    program = os.environ["FIRSTGUESS_EXPORT_NET"]
    done = subprocess.run([program], input=text, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


HEAD = ["tanh", "global_average_pool", {"dense": 3}]
CASES = {f"activation {name}": ([5], [{"dense": 16}, name, {"dense": 12}, name, {"dense": 3}]) for name in ACTIVATIONS}
CASES |= {
    "dense on an image": ([2, 3, 3], [{"dense": 8}, "relu", {"dense": 3}]),
    "conv": ([3, 8, 8], [{"conv": 6}, *HEAD]),
    "conv, many channels": ([8, 12, 10], [{"conv": 40}, "relu", {"conv": 16, "kernel": 5}, *HEAD]),
    "conv, no padding": ([3, 9, 7], [{"conv": 6, "padding": 0}, *HEAD]),
    "conv, wide padding": ([3, 5, 5], [{"conv": 6, "kernel": 3, "padding": 4}, *HEAD]),
    "conv, even kernel": ([3, 7, 6], [{"conv": 5, "kernel": 2, "padding": 1}, *HEAD]),
    "conv, stride": ([3, 9, 8], [{"conv": 6, "stride": 2}, *HEAD]),
    "conv, groups": ([4, 7, 7], [{"conv": 8, "groups": 2}, *HEAD]),
    "conv, groups and stride": ([4, 9, 7], [{"conv": 8, "groups": 4, "stride": 2}, *HEAD]),
    "conv, depthwise and pointwise": ([4, 6, 6], [{"conv": 4, "groups": 4}, {"conv": 8, "kernel": 1}, *HEAD]),
    "global average pool": ([3, 5, 4], [{"conv": 4}, "relu", "global_average_pool", {"dense": 3}]),
    "flatten and dropout": ([3, 4, 4], [{"conv": 4}, "relu", "flatten", {"dropout": 0.3}, {"dense": 3}]),
    "repeat": ([6], [{"repeat": 4, "layers": [{"dense": 9}, "tanh"]}, {"dense": 3}]),
    "residual": ([8], [{"repeat": 3, "layers": [{"residual": ["relu", {"dense": 8}], "branch_scale": "1/sqrt(depth)"}]}, {"dense": 3}]),
    "residual with a shortcut": ([3, 6, 6], [{"residual": [{"conv": 6, "stride": 2}, "relu", {"conv": 6}], "shortcut": [{"conv": 6, "kernel": 1, "stride": 2, "padding": 0}], "branch_scale": 0.5}, *HEAD]),
    "small convolutional classifier": ([3, 12, 12], [{"conv": 16}, "batch_norm", "relu", {"max_pool": 2}, {"conv": 24}, "relu", {"max_pool": 2}, "flatten", {"dense": 10}]),
}
for _pool in ["max_pool", "min_pool", "average_pool"]:
    for _size, _stride, _padding in [(2, 2, 0), (3, 2, 0), (2, 3, 0), (3, 1, 0), (3, 2, 1), (2, 2, 1), (5, 3, 2)]:
        _layer = {_pool: _size, "stride": _stride, "padding": _padding}
        _name = f"{_pool} {_size}/{_stride}+{_padding}"
        CASES[_name] = ([2, 9, 8], [{"conv": 4}, "tanh", _layer, "flatten", {"dense": 3}])
        CASES[f"{_name} of units"] = ([5], [{"dense": 13}, "tanh", _layer, {"dense": 3}])
for _norm in ["batch_norm", "layer_norm", "rms_norm", {"group_norm": 2}]:
    CASES[f"norm {_norm} of images"] = ([3, 5, 5], [{"conv": 4}, _norm, *HEAD])
    CASES[f"norm {_norm} of units"] = ([5], [{"dense": 8}, _norm, "tanh", {"dense": 3}])


@pytest.fixture(scope="module")
def answers():
    keys = [(name, precision) for name in CASES for precision in TOLERANCE]
    requests = [{"layers": CASES[n][1], "input": CASES[n][0], "batch": 5, "precision": p} for n, p in keys]
    return dict(zip(keys, export(requests), strict=True))


def close(what, found, expected, tolerance):
    expected = expected.detach().reshape(-1).double()
    found = torch.tensor(found, dtype=torch.float64)
    assert found.shape == expected.shape, what
    scale = expected.abs().max().clamp(min=0.1)
    distance = (found - expected).abs().max() / scale
    assert distance <= tolerance, f"{what}: {distance:.2e} of the largest value, more than {tolerance:.0e}"


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("name", CASES)
def test_network_agrees_with_torch(answers, name, precision):
    shape, layers = CASES[name]
    answer, dtype, tolerance = answers[name, precision], DTYPE[precision], TOLERANCE[precision]
    builder = Builder(layers, answer["weights"], dtype)
    model = builder.sequence(layers, shape)
    assert next(builder.weights, None) is None
    inputs = torch.tensor(answer["inputs"], dtype=dtype).reshape(-1, *shape).requires_grad_()
    logits = model(inputs)
    losses = F.cross_entropy(logits, torch.tensor(answer["labels"]), reduction="none")
    losses.sum().backward()
    close("logits", answer["logits"], logits, tolerance)
    close("losses", answer["losses"], losses, tolerance)
    for index, (module, ours) in enumerate(zip(builder.loaded, answer["gradients"], strict=True), 1):
        weight = module.weight.grad
        close(f"weights of layer {index}", ours["weight"], weight.T if isinstance(module, nn.Linear) else weight, tolerance)
        close(f"biases of layer {index}", ours["bias"], module.bias.grad, tolerance)
    close("input gradient", answer["input_gradient"], inputs.grad, tolerance)
