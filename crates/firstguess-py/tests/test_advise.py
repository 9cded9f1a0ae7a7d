"""Source text of `advise` for PyTorch runs and draws the law that it was written for; files of `init` load."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import firstguess as fg

torch = pytest.importorskip("torch")
nn = torch.nn

ASKED = dict(width=48, samples=60, draws=2)


def perceptron(depth: int, width: int) -> "torch.nn.Sequential":
    layers, inputs = [], 64
    for _ in range(depth - 1):
        layers += [nn.Linear(inputs, width), nn.Tanh()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 10))


def variances(layer: "torch.nn.Module") -> "tuple[float, float]":
    fan_in = layer.weight[0].numel()
    squares = (weights.detach().double().pow(2).mean() for weights in (layer.weight, layer.bias))
    weight, bias = (float(mean) for mean in squares)
    return fan_in * weight, bias


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_torch_text_draws_the_advised_law(activation: str) -> None:
    advice = fg.advise(activation=activation, depth=8, **ASKED)
    text = fg.advise(activation=activation, depth=8, code="torch", **ASKED)["code"]
    scope: dict = {}
    exec(compile(text, "advice.py", "exec"), scope)
    torch.manual_seed(0)
    model = perceptron(8, 48)
    assert scope["init_"](model) is model
    layers = [module for module in model if isinstance(module, nn.Linear)]
    wanted = advice["recommended"]["layers"]
    assert len(layers) == len(wanted)
    for layer, law in zip(layers, wanted):
        weight, bias = variances(layer)
        # An orthogonal matrix has its mean square fixed; 48 biases have theirs to 20 %.
        tolerance = 1e-4 if law["weight_law"] == "orthogonal" else 5 * math.sqrt(0.5 / layer.weight.numel())
        assert weight == pytest.approx(law["weight_variance"], rel=tolerance)
        assert bias <= 4 * law["bias_variance"] and (bias > 0) == (law["bias_variance"] > 0)
    if wanted[1]["weight_law"] == "orthogonal":
        square = layers[1].weight
        product = square @ square.T / wanted[1]["weight_variance"]
        assert torch.allclose(product, torch.eye(48), atol=1e-4)


def test_a_kernel_is_delta_orthogonal() -> None:
    text = fg.advise(activation="elu", depth=6, architecture="cnn", code="torch", width=16, samples=40, draws=2)["code"]
    scope: dict = {}
    exec(compile(text, "advice.py", "exec"), scope)
    model = nn.Sequential(*[nn.Conv2d(16, 16, 3, padding=1) for _ in range(5)], nn.Linear(16, 10))
    scope["init_"](model)
    kernel = model[2].weight.detach().clone()
    centre = kernel[:, :, 1, 1].clone()
    kernel[:, :, 1, 1] = 0
    assert not kernel.any()
    product = centre @ centre.T
    assert torch.allclose(product, product[0, 0] * torch.eye(16), atol=1e-4)


SPEC = """
name = "mixed"
[data]
dataset = "digits"
standardize = "feature"
samples = 50
[init]
scheme = "he_normal"
[network]
layers = [{ conv = 4 }, "batch_norm", "relu", { max_pool = 2 }, "flatten", { dense = 12 }, "layer_norm", "tanh", { dense = 10 }]
"""


def mixed() -> "torch.nn.Sequential":
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 12),
        nn.LayerNorm(12),
        nn.Tanh(),
        nn.Linear(12, 10),
    )


@pytest.mark.parametrize("ending", ["safetensors", "npz"])
def test_files_of_init_load_into_a_sequential(cli, tmp_path: Path, ending: str) -> None:
    spec, file = tmp_path / "mixed.toml", tmp_path / f"weights.{ending}"
    spec.write_text(SPEC)
    code, answer, error = cli("init", str(spec), "--scheme", "orthogonal", "--lsuv", "--seed", "3", "-o", str(file))
    assert code == 0, error
    if ending == "safetensors":
        loader = pytest.importorskip("safetensors.torch")
        state = loader.load_file(str(file))
    else:
        archive = np.load(str(file))
        assert b'"seed":"3"' in archive["__metadata__"].tobytes()
        state = {name: torch.from_numpy(archive[name]) for name in archive.files if name != "__metadata__"}
    model = mixed()
    missing = model.load_state_dict(state, strict=False)
    # The counter of batches is a whole number, which files of weights do not hold.
    assert set(missing.missing_keys) <= {"1.num_batches_tracked"} and not missing.unexpected_keys
    assert [abs(q - 1) < 0.011 for q in answer["refined"]["after"]] == [True] * 3
    code, audit, error = cli("check", str(spec), "--weights", str(file), "--fail-on", "never")
    assert code == 0, error
    assert audit["weights"]["tensors"]
