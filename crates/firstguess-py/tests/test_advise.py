"""Source text of `advise` runs and draws the law that it was written for; files of `init` load."""

from __future__ import annotations

import ast
import importlib.util
import math
import os
from pathlib import Path

import numpy as np
import pytest

import firstguess as fg

torch = pytest.importorskip("torch")
nn = torch.nn

ASKED = dict(width=48, samples=60, draws=2)
SMALL = dict(width=16, samples=40, draws=2)


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
    text = fg.advise(activation="tanh", depth=6, architecture="cnn", code="torch", width=16, samples=40, draws=2)["code"]
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


@pytest.mark.parametrize("framework", ["flax", "keras"])
@pytest.mark.parametrize("architecture", ["mlp", "cnn", "resnet", "preln"])
def test_other_python_text_is_python(framework: str, architecture: str) -> None:
    ast.parse(fg.advise(activation="tanh", depth=6, architecture=architecture, code=framework, **SMALL)["code"])


def spec(scheme: str) -> "dict[str, object]":
    """A start that advice keeps: text for each law of weights and biases."""
    layer, data = {"dense": 64}, {"dataset": "digits", "standardize": "feature", "samples": 60}
    layers = [layer, "relu", layer, "relu", {"dense": 10}]
    return {"name": scheme, "data": data, "init": {"scheme": scheme}, "network": {"layers": layers}}


# Orthogonal; delta-orthogonal, with a first layer of its own; normal, scaled at the ends of branches; normal; uniform.
QUESTIONS = {
    "relu": dict(activation="relu", depth=6, **SMALL),
    "tanh": dict(activation="tanh", depth=6, **SMALL),
    "cnn": dict(activation="tanh", depth=6, architecture="cnn", **SMALL),
    "resnet": dict(activation="relu", depth=12, architecture="resnet", **SMALL),
    "he_normal": dict(model=spec("he_normal"), draws=2),
    "he_uniform": dict(model=spec("he_uniform"), draws=2),
}


def drawn_by_flax(text: str, laws: "list[dict]") -> "list[list[np.ndarray]]":
    """Weights and biases of modules of both of Flax's kinds, for each layer a dense one and a convolution."""
    nnx, linen, jax = (pytest.importorskip(name) for name in ("flax.nnx", "flax.linen", "jax"))
    scope: dict = {"__name__": "advice"}
    exec(compile(text, "advice.py", "exec"), scope)
    drawn = []
    for index in range(len(laws)):
        starts = dict(kernel_init=scope["kernel_init"](index), bias_init=scope["bias_init"](index))
        rngs = nnx.Rngs(index)
        layers = [nnx.Linear(96, 128, rngs=rngs, **starts), nnx.Conv(32, 48, (3, 3), rngs=rngs, **starts)]
        states = [(layer.kernel[...], layer.bias[...]) for layer in layers]
        for layer, shape in [(linen.Dense(128, **starts), (1, 96)), (linen.Conv(48, (3, 3), **starts), (1, 8, 8, 32))]:
            found = layer.init(jax.random.key(index), np.zeros(shape, np.float32))["params"]
            states.append((found["kernel"], found["bias"]))
        drawn.append([(np.asarray(kernel), np.asarray(bias)) for kernel, bias in states])
    return drawn


def drawn_by_keras(text: str, laws: "list[dict]") -> "list[list[np.ndarray]]":
    """The same of Keras, and a model with these initializers comes back from its configuration."""
    keras = pytest.importorskip("keras")
    scope: dict = {"__name__": "advice"}
    exec(compile(text, "advice.py", "exec"), scope)
    drawn = []
    for index in range(len(laws)):
        starts = dict(kernel_initializer=scope["kernel_initializer"](index), bias_initializer=scope["bias_initializer"](index))
        layers = [keras.layers.Dense(128, **starts), keras.layers.Conv2D(48, 3, **starts)]
        for layer, shape in zip(layers, [(None, 96), (None, 8, 8, 32)]):
            layer.build(shape)
        arrays = [[keras.ops.convert_to_numpy(values) for values in (layer.kernel, layer.bias)] for layer in layers]
        drawn.append([tuple(pair) for pair in arrays])
        saved = keras.saving.serialize_keras_object(layers[0])
        assert keras.saving.deserialize_keras_object(saved, custom_objects={"Weights": scope["Weights"]}).units == 128
    return drawn


@pytest.mark.parametrize("draw", [drawn_by_flax, drawn_by_keras], ids=["flax", "keras"])
@pytest.mark.parametrize("question", list(QUESTIONS))
def test_modules_of_other_frameworks_have_the_advised_law(draw, question: str) -> None:
    framework = {drawn_by_flax: "flax", drawn_by_keras: "keras"}[draw]
    pytest.importorskip(framework)
    if framework == "keras" and importlib.util.find_spec("jax"):
        os.environ.setdefault("KERAS_BACKEND", "jax")
    asked = QUESTIONS[question]
    text, laws = fg.advise(code=framework, **asked)["code"], fg.advise(**asked)["recommended"]["layers"]
    for law, states in zip(laws, draw(text, laws)):
        for kernel, bias in states:
            fan_in = math.prod(kernel.shape[:-1])
            # An orthogonal matrix has its mean square fixed; else four standard errors of a normal sample's.
            tolerance = 1e-4 if "orthogonal" in law["weight_law"] else 4 * math.sqrt(2 / kernel.size)
            square = fan_in * float(np.mean(kernel.astype(np.float64) ** 2))
            assert square == pytest.approx(law["weight_variance"], rel=tolerance), (question, law, kernel.shape)
            found = float(np.mean(bias.astype(np.float64) ** 2))
            assert found <= 3 * law["bias_variance"] and (found > 0) == (law["bias_variance"] > 0), (question, law)
            if law["weight_law"] == "delta_orthogonal" and kernel.ndim == 4:
                kernel = kernel.copy()
                kernel[1, 1] = 0
                assert not kernel.any()


@pytest.mark.parametrize("framework", ["burn", "candle"])
def test_rust_text_has_balanced_brackets(framework: str) -> None:
    text = fg.advise(activation="relu", depth=6, code=framework, **ASKED)["code"]
    for opening, closing in ["()", "[]", "{}"]:
        assert text.count(opening) == text.count(closing)
    assert "fn " in text


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
