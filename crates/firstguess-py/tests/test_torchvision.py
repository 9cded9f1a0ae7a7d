"""Networks of torchvision, where it is installed: their first guesses on noise, and that they come back as they were."""

from __future__ import annotations

import math
import os

import pytest

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

import firstguess as fg  # noqa: E402
from test_models import state  # noqa: E402

LONG = bool(os.environ.get("FIRSTGUESS_LONG"))
# Mean largest share over networks, and how far a few networks may be from it.
NETS = {"resnet18": 0.53, "mobilenet_v2": 0.51, "vgg11": 0.27} if LONG else {"resnet18": 0.53}


@pytest.mark.parametrize("name", NETS)
def test_untrained_networks_are_biased_while_their_loss_looks_right(name: str) -> None:
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, num_classes=10)
    draws, inputs = (16, 128) if LONG else (3, 48)
    x = torch.randn(inputs, 3, 32, 32)
    before = state(model)
    report = fg.check(model, x, torch.arange(inputs) % 10, draws=draws)
    assert state(model) == before
    measured = report.to_dict()["measurement"]
    share = measured["prejudice"]["largest_share"]
    error = max(share["std_error"], 0.02)
    assert abs(share["value"] - NETS[name]) < 4 * error + 0.05, share
    assert abs(measured["loss"]["cross_entropy"]["value"] / math.log(10) - 1) < 0.15
    assert all(layer["cotangent_gradient"]["value"] > 0 for layer in measured["layers"])
    stem = report.rows()[0]
    assert stem["q_theory"] is not None
