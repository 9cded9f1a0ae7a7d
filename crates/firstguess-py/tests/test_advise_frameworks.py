"""Source text of `advise` for other frameworks: it is well formed, and draws the advised law where the framework is installed."""

from __future__ import annotations

import ast
import importlib.util
import math
import os

import numpy as np
import pytest

import firstguess as fg

SMALL = dict(width=16, samples=40, draws=2)


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
    "cnn": dict(activation="elu", depth=6, architecture="cnn", **SMALL),
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
    text = fg.advise(activation="relu", depth=6, code=framework, **SMALL)["code"]
    for opening, closing in ["()", "[]", "{}"]:
        assert text.count(opening) == text.count(closing)
    assert "fn " in text
