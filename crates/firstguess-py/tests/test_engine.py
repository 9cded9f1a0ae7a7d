"""The package's numbers on a torch network against the Rust engine's on the same weights: two routes to each."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import firstguess as fg  # noqa: E402

INIT = {"scheme": "he_normal", "bias_variance": 0.05}


def load(net: Any, spec: Dict[str, Any], shape: List[int]) -> Any:
    layers = [m for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    drawn = fg.draw(spec, shape, seed=3)
    assert len(layers) == len(drawn)
    with torch.no_grad():
        for layer, (weight, bias) in zip(layers, drawn):
            assert tuple(layer.weight.shape) == weight.shape
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
    return net


NETS = {
    "dense relu": (
        [20], [{"repeat": 4, "layers": [{"dense": 48}, "relu"]}, {"dense": 10}],
        lambda: nn.Sequential(
            *[m for k in range(4) for m in (nn.Linear(20 if k == 0 else 48, 48), nn.ReLU())], nn.Linear(48, 10)
        ),
    ),
    "dense tanh": (
        [20], [{"dense": 40}, "tanh", {"dense": 30}, "tanh", {"dense": 5}],
        lambda: nn.Sequential(nn.Linear(20, 40), nn.Tanh(), nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 5)),
    ),
    "conv": (
        [3, 10, 10],
        [{"conv": 8, "kernel": 3}, "batch_norm", "relu", {"max_pool": 2}, {"conv": 12, "kernel": 3, "stride": 2}, "gelu",
         "global_average_pool", {"dense": 6}],
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, 2, 1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 6),
        ),
    ),
    "padded pools": (
        [3, 9, 9],
        [{"conv": 8, "kernel": 3}, "relu", {"max_pool": 3, "stride": 2, "padding": 1}, {"conv": 6}, "tanh",
         {"average_pool": 2, "padding": 1}, "flatten", {"dense": 4}],
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 6, 3, padding=1), nn.Tanh(),
            nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.Linear(54, 4),
        ),
    ),
    "layer norm": (
        [16], [{"dense": 32}, "layer_norm", "silu", {"dense": 32}, "elu", {"dense": 4}],
        lambda: nn.Sequential(
            nn.Linear(16, 32), nn.LayerNorm(32), nn.SiLU(), nn.Linear(32, 32), nn.ELU(), nn.Linear(32, 4)
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_measured_numbers_equal_the_engines_on_the_same_weights(name: str) -> None:
    shape, layers, make = NETS[name]
    rng = np.random.default_rng(5)
    x = rng.normal(size=(64, *shape)).astype(np.float32)
    classes = layers[-1]["dense"]
    y = np.arange(64) % classes
    spec = {
        "data": {"dataset": "given", "samples": 64},
        "init": INIT,
        "network": {"layers": layers},
        "measure": {"draws": 1, "seed": 3},
    }
    engine = fg.check(spec, x, y).to_dict()["measurement"]
    ours = fg.check(load(make(), spec, shape), x, y, redraw=False, seed=3).to_dict()["measurement"]
    for a, b in zip(engine["layers"], ours["layers"]):
        for field in ("q", "v", "t", "c", "gamma", "gradient", "cotangent_gradient", "median_gradient"):
            assert a[field]["value"] == pytest.approx(b[field]["value"], rel=1e-5, abs=1e-7), (field, a["index"])
    for field in ("shares", "ordered_shares"):
        assert [s["value"] for s in engine["prejudice"][field]] == [s["value"] for s in ours["prejudice"][field]]
    assert engine["loss"]["cross_entropy"]["value"] == pytest.approx(ours["loss"]["cross_entropy"]["value"], rel=1e-5)
    for field in ("all", "favoured", "unfavoured"):
        a, b = engine["loss"]["logit_gradient"][field]["value"], ours["loss"]["logit_gradient"][field]["value"]
        assert a == pytest.approx(b, rel=1e-5)


def test_gradients_equal_those_of_plain_autograd() -> None:
    """No hook, no engine: |dL/dh|² by autograd on tensors kept by hand."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 4))
    x, y = torch.randn(10, 6), torch.arange(10) % 4
    first = net[0](x)
    last = net[2](torch.tanh(first))
    loss = nn.functional.cross_entropy(last, y, reduction="sum")
    a, b = torch.autograd.grad(loss, [first, last])
    found = fg.check(net, x, y, redraw=False).to_dict()["measurement"]["layers"][0]["gradient"]["value"]
    assert found == pytest.approx(float(a.square().sum() / b.square().sum()), rel=1e-5)


def test_means_over_draws_equal_those_of_torch_alone() -> None:
    """The re-drawn ensemble against networks made by torch, within four standard errors."""
    x = torch.randn(100, 20, generator=torch.Generator().manual_seed(0))
    make = lambda: nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3))  # noqa: E731
    report = fg.check(make(), x, draws=200).to_dict()["measurement"]["layers"][1]["q"]
    with torch.no_grad():
        own = np.array([float(make()(x).square().mean()) for _ in range(200)])
    error = np.hypot(report["std_error"], own.std() / np.sqrt(200))
    assert abs(report["value"] - own.mean()) < 4 * error
