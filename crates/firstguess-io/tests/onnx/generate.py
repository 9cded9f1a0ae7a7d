#!/usr/bin/env python3
"""Writes the ONNX files beside this script, with both of torch's exporters and several operator sets, and `outputs.json`:
inputs, and what onnxruntime makes of them.

Usage: python3 generate.py [MODEL ...]. Needs torch, onnx, onnxscript and onnxruntime. The files are kept, so that the tests need none of them.
"""
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.shortcut = nn.Identity() if inputs == outputs else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        branch = self.norms[1](self.second(torch.relu(self.norms[0](self.first(x)))))
        return torch.relu(branch + self.shortcut(x))


class Rms(nn.Module):
    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)


class PreNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return x + 0.5 * self.down(nn.functional.gelu(self.up(self.norm(x))))


class Concatenated(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = nn.Linear(16, 6), nn.Linear(16, 6), nn.Linear(12, 4)

    def forward(self, x):
        return self.head(torch.cat([torch.relu(self.left(x)), torch.tanh(self.right(x))], 1))


class Tokens(nn.Module):
    """Attention over tokens: dense layers on every position, products of values."""

    def __init__(self):
        super().__init__()
        self.embed, self.keys, self.head = nn.Linear(6, 8), nn.Linear(8, 24), nn.Linear(8, 3)

    def forward(self, x):
        x = torch.relu(self.embed(x))
        q, k, v = self.keys(x).chunk(3, -1)
        x = x + torch.softmax(q @ k.transpose(1, 2) / 8**0.5, -1) @ v
        return self.head(x.mean(1))


class TwoInputs(nn.Module):
    """An image and a vector that meet in a sum."""

    def __init__(self):
        super().__init__()
        self.see, self.read, self.head = nn.Conv2d(1, 6, 3), nn.Linear(5, 6), nn.Linear(6, 4)

    def forward(self, image, vector):
        return self.head(torch.relu(self.see(image).mean((2, 3)) + self.read(vector)))


class Masked(nn.Module):
    """The mean of the tokens that a mask leaves, of any number."""

    def __init__(self):
        super().__init__()
        self.embed, self.hidden, self.head = nn.Embedding(30, 8), nn.Linear(8, 12), nn.Linear(12, 3)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.unsqueeze(-1).float()
        mean = (self.embed(input_ids) * mask).sum(1) / mask.sum(1)
        return self.head(torch.relu(self.hidden(mean)))


def activations():
    layers, width = [], 16
    for activation in [nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.ELU(0.7), nn.SELU(), nn.CELU(1.5),
                       nn.LeakyReLU(0.1), nn.Softplus(), nn.Sigmoid(), nn.Tanh(), nn.Hardtanh(), nn.ReLU6()]:
        layers += [nn.Linear(width, 8), activation]
        width = 8
    return nn.Sequential(*layers, nn.Linear(8, 4))


MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 5)), (1, 4, 4)),
    "activations": (activations, (16,)),
    "cnn": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3, padding=1, groups=2), nn.GELU(),
                                  nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.25), nn.Linear(8, 3)), (3, 8, 8)),
    "resnet": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), Block(4, 4, 1), Block(4, 6, 2),
                                     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)), (3, 12, 12)),
    "norms": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(),
                                    nn.Linear(8, 8), Rms(), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 4), nn.Softmax(-1)), (3, 4, 4)),
    "prenorm": (lambda: nn.Sequential(nn.Linear(16, 8), PreNorm(8), PreNorm(8), nn.LayerNorm(8), nn.Linear(8, 4)), (16,)),
    "concatenated": (Concatenated, (16,)),
    "padded": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(6, 5, 3, padding=1), nn.Tanh(),
                                     nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.Linear(45, 4)), (3, 9, 9)),
    "tokens": (Tokens, (5, 6)),
}

# Models of several inputs: each input's name, and a batch of it.
SEVERAL = {
    "two_inputs": (TwoInputs, lambda: {"image": torch.randn(2, 1, 6, 6), "vector": torch.randn(2, 5)}),
    "masked": (Masked, lambda: {"input_ids": torch.randint(0, 30, (2, 7)), "attention_mask": (torch.arange(7) < torch.tensor([[4], [7]])).long()}),
}


def export_several(name, model, inputs):
    """The older exporter with open extents, the newer one with those of the batch."""
    model.eval()
    axes = {key: {0: "n", 1: "tokens"} if name == "masked" else {0: "n"} for key in inputs}
    older = {"input_names": list(inputs), "dynamic_axes": axes, "dynamo": False, "opset_version": 17}
    yield f"{name}_opset17.onnx", lambda f: torch.onnx.export(model, tuple(inputs.values()), f, **older)
    yield f"{name}_dynamo.onnx", lambda f: torch.onnx.export(model, tuple(inputs.values()), f, dynamo=True, verbose=False, external_data=False)


def export(name, model, inputs):
    """Files: the older exporter in evaluation mode at operator sets 11, 17 and 20, in training mode at 17; the newer one."""
    model.eval()
    dynamic = {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}, "dynamo": False}
    for opset in (11, 17, 20):
        if opset == 20 and name != "activations":
            continue
        yield f"{name}_opset{opset}.onnx", lambda f, o=opset: torch.onnx.export(model, (inputs,), f, opset_version=o, **dynamic)
    kept = dict(dynamic, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    yield f"{name}_preserved.onnx", lambda f: torch.onnx.export(model, (inputs,), f, opset_version=17, **kept)
    yield f"{name}_dynamo.onnx", lambda f: torch.onnx.export(model, (inputs,), f, dynamo=True, verbose=False, external_data=name == "mlp")


def numbers(values):
    return [float(f"{x:.7g}") for x in np.asarray(values).flatten().tolist()]


def without_traces(path):
    """Drops what exporters write for debugging: stack traces with the paths of the machine they ran on."""
    model = onnx.load(path, load_external_data=False)
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    for part in [model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        part.doc_string = ""
        del part.metadata_props[:]
    path.write_bytes(model.SerializeToString())


def written(file, write):
    """Whether the exporter wrote the file; without its traces."""
    try:
        write(str(HERE / file))
    except Exception as error:
        print(file, "not written:", str(error).splitlines()[0])
        return None
    without_traces(HERE / file)
    return onnxruntime.InferenceSession(str(HERE / file))


# Files are written anew only where they are asked for: every release of an exporter writes them a little differently.
wanted = sys.argv[1:] or [*MODELS, *SEVERAL]
outputs = json.loads((HERE / "outputs.json").read_text()) if sys.argv[1:] else {}
for name in wanted:
    outputs.pop(name, None)
    torch.manual_seed(len(name))
    if name in SEVERAL:
        build, batch = SEVERAL[name]
        model, inputs = build(), batch()
        arrays = {key: {"shape": list(x.shape), "values": numbers(x)} for key, x in inputs.items()}
        for file, write in export_several(name, model, inputs):
            if session := written(file, write):
                found = session.run(None, {key: x.numpy() for key, x in inputs.items()})[0]
                outputs.setdefault(name, {"arrays": arrays, "files": {}})["files"][file] = numbers(found)
        continue
    build, shape = MODELS[name]
    model, inputs = build(), torch.randn(2, *shape)
    for module in model.modules():
        # Biases that are not zero show whether they are read.
        if getattr(module, "bias", None) is not None and not isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)):
            nn.init.uniform_(module.bias, -0.5, 0.5)
    for file, write in export(name, model, inputs):
        if session := written(file, write):
            found = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})[0]
            outputs.setdefault(name, {"shape": list(inputs.shape), "inputs": numbers(inputs), "files": {}})["files"][file] = numbers(found)
(HERE / "outputs.json").write_text(json.dumps(outputs, separators=(",", ":")).replace("},\"", "},\n\"") + "\n")
