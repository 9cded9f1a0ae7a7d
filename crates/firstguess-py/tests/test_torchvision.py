"""Networks of torchvision, where it is installed: their first guesses on noise, and that they come back as they were."""

from __future__ import annotations

import copy
import os

import pytest

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

import firstguess as fg  # noqa: E402
from test_models import state  # noqa: E402

NETS = ["resnet18", "mobilenet_v2", "vgg11"] if os.environ.get("FIRSTGUESS_LONG") else ["resnet18"]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("training", [True, False])
def test_first_guess_and_loss_are_those_of_plain_torch(name: str, training: bool) -> None:
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, num_classes=10, **({} if name == "resnet18" else {"dropout": 0.0}))
    model.train(training)
    x, y = torch.randn(48, 3, 32, 32), torch.arange(48) % 10
    before = state(model)
    report = fg.check(model, x, y, redraw=False)
    assert state(model) == before
    with torch.no_grad():
        logits = copy.deepcopy(model)(x)
    counts = torch.bincount(logits.argmax(1), minlength=10)
    measured = report.to_dict()["measurement"]
    shares = [share["value"] for share in measured["prejudice"]["shares"]]
    assert shares == pytest.approx((counts / 48).tolist(), abs=1e-6)
    loss = torch.nn.functional.cross_entropy(logits, y)
    assert measured["loss"]["cross_entropy"]["value"] == pytest.approx(float(loss), rel=1e-5)
    assert all(layer["cotangent_gradient"]["value"] > 0 for layer in measured["layers"])
    assert report.rows()[0]["module"] in ("conv1", "features.0.0", "features.0")
