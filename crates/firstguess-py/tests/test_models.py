"""Models as people have them: measured as they are, left as they were."""

from __future__ import annotations

import copy
import random
from typing import Any, Callable, Dict, Tuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import firstguess as fg  # noqa: E402
import models  # noqa: E402

IMAGES = (12, 3, 16, 16)


def images(n: int = 12) -> Any:
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def tokens() -> Dict[str, Any]:
    generator = torch.Generator().manual_seed(2)
    return {"input_ids": torch.randint(0, 50, (6, 8), generator=generator), "attention_mask": torch.ones(6, 8)}


CASES: Dict[str, Tuple[Callable[[], Any], Callable[[], Any]]] = {
    "mlp": (models.mlp, lambda: torch.randn(16, 20)),
    "resnet": (models.ResNet, images),
    "mobilenet": (models.MobileNet, images),
    "vgg": (models.vgg, images),
    "vit": (models.ViT, images),
    "gpt": (models.GPT, tokens),
    "lstm": (models.Recurrent, lambda: torch.randn(6, 7, 5)),
    "two inputs": (models.Mixer, lambda: (torch.randn(9, 6), torch.randn(9, 4))),
}


def state(model: Any) -> Any:
    """Everything about a model and the generators, bit for bit."""
    grads = {n: None if p.grad is None else p.grad.numpy().tobytes() for n, p in model.named_parameters()}
    return {
        "tensors": {n: (id(t), t.detach().numpy().tobytes()) for n, t in list(model.named_parameters()) + list(model.named_buffers())},
        "grads": grads,
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [
            (list(m._forward_hooks), list(m._forward_pre_hooks), list(m._backward_hooks)) for m in model.modules()
        ],
        "attributes": [sorted(m.__dict__) for m in model.modules()],
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": str(np.random.get_state()),
        "python": random.getstate(),
    }


@pytest.mark.parametrize("name", CASES)
def test_every_kind_checks_and_comes_back_bit_identical(name: str) -> None:
    make, batch = CASES[name]
    torch.manual_seed(0)
    model, x = make(), batch()
    next(model.parameters()).grad = torch.ones_like(next(model.parameters()))
    model.register_forward_hook(lambda *_: None)
    before, given = state(model), copy.deepcopy(x)
    report = fg.check(model, x, draws=3)
    assert state(model) == before
    for a, b in zip(_flat(given), _flat(x)):
        assert torch.equal(a, b)
    fields = report.to_dict()
    layers = fields["measurement"]["layers"]
    assert len(layers) == len(fields["prediction"]["layers"]) == len(fields["model"]["modules"])
    assert all(layer["q"]["value"] > 0 and layer["q"]["n"] == 3 for layer in layers)
    # Gradients come back to every layer on the way from the inputs.
    missing = [m["path"] for m, l in zip(fields["model"]["modules"], layers) if l["cotangent_gradient"]["value"] is None]
    assert missing in ([], ["position"]), missing
    assert abs(sum(share["value"] for share in fields["measurement"]["prejudice"]["shares"]) - 1) < 1e-9
    assert report.to_text() and report._repr_html_() and report.rows()
    # The same seed gives the same bytes.
    assert fg.check(model, x, draws=3).to_json() == report.to_json()
    assert fg.check(model, x, draws=3, seed=1).to_json() != report.to_json()


def _flat(x: Any) -> Any:
    if isinstance(x, dict):
        return list(x.values())
    return list(x) if isinstance(x, tuple) else [x]


def test_a_failure_names_the_module_and_leaves_no_trace() -> None:
    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise IndexError("out of cheese")

    x, odd = torch.randn(5, 4), torch.randn(5, 7)
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), Broken()))
    before = state(model)
    with pytest.raises(fg.ModelError, match=r"`1\.1` \(Broken\) failed.*out of cheese.*\[5, 4\]"):
        fg.check(model, x)
    assert state(model) == before
    wrong = models.mlp()
    before = state(wrong)
    with pytest.raises(fg.ModelError, match=r"`0` \(Linear\)"):
        fg.check(wrong, odd)
    assert state(wrong) == before


class Uncopyable(nn.Module):
    """Cannot be copied, counts its calls, replaces a buffer, and fails when told to."""

    def __init__(self, fail_at: int) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)
        self.register_buffer("seen", torch.zeros(1))
        self.calls, self.fail_at = 0, fail_at

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("holds a file")

    def forward(self, x: Any) -> Any:
        self.calls += 1
        self.seen = self.seen + 1
        self.extra = x
        if self.calls == self.fail_at:
            raise RuntimeError("stop")
        return self.last(self.norm(self.first(x)).relu())


@pytest.mark.parametrize("fail_at", [10**9, 1, 3])
def test_a_model_that_cannot_be_copied_is_put_back(fail_at: int) -> None:
    model = Uncopyable(fail_at)
    model.last.weight.requires_grad_(False)
    x = torch.randn(6, 4)
    before = state(model)
    if fail_at < 10:
        with pytest.raises(fg.ModelError, match="stop"):
            fg.check(model, x, draws=3)
    else:
        fg.check(model, x, draws=3)
    assert state(model) == before
    assert model.calls == 0 and not hasattr(model, "extra")


def test_weights_are_drawn_by_what_they_are() -> None:
    net = nn.Sequential(
        nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    torch.manual_seed(0)
    nn.init.kaiming_normal_(net[2].weight)
    nn.init.orthogonal_(net[4].weight)
    nn.init.trunc_normal_(net[6].weight, std=0.5, a=-1, b=1)
    with torch.no_grad():
        net[8].weight.copy_(torch.randn(64, 64) ** 3)
    net[10].requires_grad_(False)
    fields = fg.check(net, torch.randn(8, 20), draws=2).to_dict()
    words = [module["redraw"] for module in fields["model"]["modules"]]
    for found, expected in zip(words, ["reset_parameters", "normal", "orthogonal", "truncated normal", "shuffled", "frozen"]):
        assert expected in found, words
    assert "reset_parameters (1 modules)" in fields["model"]["redraw"]
    # Frozen and shuffled weights follow no law, so theory has nothing to say of the whole.
    assert all(layer["q"] is None for layer in fields["prediction"]["layers"])


def test_laws_are_read_off_samples_of_every_size() -> None:
    """The sample's own standard deviation errs, and a bound measured in it errs along."""
    from firstguess._redraw import plan, read_law

    for seed in range(40):
        torch.manual_seed(seed)
        layer = nn.Linear(512, 4)
        assert plan(layer).words == {"": "reset_parameters"}, seed
        law = read_law(layer.weight)
        assert (law.kind, law.rule) == ("uniform", "torch default"), (seed, law)
        weights = torch.empty(40, 50)
        kinds = []
        for fill in (lambda w: nn.init.normal_(w), lambda w: nn.init.trunc_normal_(w, 0, 0.1, -0.2, 0.2)):
            fill(weights)
            kinds.append(read_law(weights).kind)
        assert kinds == ["normal", "truncated_normal"], seed


def test_a_factory_draws_by_itself() -> None:
    report = fg.check(models.mlp, torch.randn(32, 20), draws=20)
    fields = report.to_dict()
    assert fields["model"]["redraw"] == "re-drawn by the factory"
    assert fields["measurement"]["layers"][0]["q"]["n"] == 20
    with pytest.raises(ValueError, match="must return a torch.nn.Module"):
        fg.check(lambda: 3, torch.randn(4, 4))


def test_prediction_stands_beside_measurement_where_specs_have_words() -> None:
    torch.manual_seed(0)
    report = fg.check(models.mlp(depth=6, width=256), torch.randn(200, 20), draws=24)
    for row in report.rows():
        assert row["no_theory"] is None
        assert abs(row["q"] - row["q_theory"]) < 6 * row["q_error"] + 0.03 * row["q_theory"], row
        assert row["gradient_theory"] is not None
    assert report.to_dict()["prediction"]["phase"] == "ordered"
    residual = fg.check(models.ResNet(), images(), draws=2)
    modules = residual.to_dict()["model"]["modules"]
    assert [module["path"] for module in modules][:2] == ["stem.0", "blocks.0.conv1"]
    # All of it has a layer in specs, though theory has no answer for a stream of post-activations.
    assert not any("no_theory" in module for module in modules)
    assert all(row["no_theory"] is None for row in residual.rows()[:2])


def test_what_has_no_theory_says_why_module_by_module() -> None:
    vit = fg.check(models.ViT(), images(), draws=2).to_dict()
    reasons = [module.get("no_theory") for module in vit["model"]["modules"]]
    assert all(reasons), reasons
    gpt = fg.check(models.GPT(), tokens(), draws=2).to_dict()
    assert "one tensor of numbers" in gpt["model"]["modules"][0]["no_theory"]
    classes = [module["class"] for module in gpt["model"]["modules"]]
    assert {"Embedding", "MultiheadAttention", "Linear"} <= set(classes)
    assert gpt["network"]["logits"] == 50
    # The stem has a theory, what follows a padded pool has none.
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Linear(512, 4))
    rows = fg.check(stem, images(), draws=2).rows()
    assert rows[0]["q_theory"] is not None and rows[0]["gradient_theory"] is None
    assert "padding" in rows[1]["no_theory"]


def test_inputs_and_outputs_of_every_shape() -> None:
    x = torch.randn(6, 20)
    plain = fg.check(models.mlp(), x, draws=2).to_dict()["measurement"]
    for same in (x.numpy(), x.double().numpy(), (x,), [x], x.tolist()):
        assert fg.check(models.mlp(), same, draws=2, redraw=True).to_dict()["measurement"]["examples"] == 6
    assert plain["loss"]["cross_entropy"]["value"] is None
    labels = fg.check(models.mlp(), x, np.arange(6) % 10, draws=2).to_dict()["measurement"]
    assert abs(labels["loss"]["cross_entropy"]["value"] - np.log(10)) < 0.3
    assert labels["layers"][0]["gradient"]["value"] is not None
    with pytest.raises(ValueError, match="12 classes, the network tells 10 apart"):
        fg.check(models.mlp(), x, [0, 1, 2, 3, 4, 11], draws=2)
    with pytest.raises(ValueError, match="one label per row"):
        fg.check(models.mlp(), x, [0, 1], draws=2)
    with pytest.raises(ValueError, match="NaN or infinity"):
        fg.check(models.mlp(), x * float("nan"))
    with pytest.raises(ValueError, match="needs inputs"):
        fg.check(models.mlp())
    with pytest.raises(fg.ModelError, match="no module with weights"):
        fg.check(models.Bare(), torch.randn(5, 4))
    named = fg.check(models.Mixer(), {"a": torch.randn(5, 6), "b": torch.randn(5, 4)}, draws=2, output="aux")
    assert named.to_dict()["network"]["logits"] == 8
    function = fg.check(models.Mixer(), (torch.randn(5, 6), torch.randn(5, 4)), draws=2, output=lambda out: out["aux"][:, :2])
    assert function.to_dict()["network"]["logits"] == 2
    binary = fg.check(nn.Linear(20, 1), x, [0, 1, 0, 1, 1, 0], draws=2).to_dict()
    assert binary["measurement"]["classes"] == 2
    masked = {**tokens()}
    y = masked["input_ids"].clone()
    y[:, 4:] = -100
    report = fg.check(models.GPT(), masked, y, draws=2).to_dict()["measurement"]
    assert abs(report["loss"]["cross_entropy"]["value"] - np.log(50)) < 0.2
    dense = fg.check(nn.Conv2d(3, 4, 1), images(3), torch.zeros(3, 16, 16), draws=2).to_dict()["measurement"]
    assert dense["classes"] == 4 and abs(dense["loss"]["cross_entropy"]["value"] - np.log(4)) < 1


def test_overflow_is_a_finding_not_a_crash() -> None:
    net = models.mlp(depth=12, width=64)
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear):
                layer.weight.normal_(0, 1e5)
    report = fg.check(net, torch.randn(8, 20), draws=2)
    assert report.findings[0].id == "non-finite" and not report.ok


def test_modes_are_kept_and_said() -> None:
    evaluated = fg.check(models.ResNet().eval(), images(), draws=2).to_dict()
    assert any("evaluation mode" in note for note in evaluated["model"]["notes"])
    assert "batch" in evaluated["model"]["modules"][1]["no_theory"]
    trained = fg.check(models.ResNet(), images(), draws=2).to_dict()
    assert trained["model"]["notes"] == []


def test_dead_and_saturated_units_are_seen_through_a_normalisation() -> None:
    net = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 4))
    with torch.no_grad():
        net[1].bias.fill_(-100)
        net[3].weight.normal_(0, 1)
        net[3].bias.fill_(50)
    layers = fg.check(net, torch.randn(16, 20), draws=2).to_dict()["measurement"]["layers"]
    assert layers[0]["dead_fraction"]["value"] == 1
    assert layers[1]["saturated_fraction"]["value"] > 0.9


def test_a_frozen_embedding_passes_gradients_on() -> None:
    model = models.GPT()
    model.embed.weight.requires_grad_(False)
    fields = fg.check(model, tokens(), draws=2).to_dict()
    assert fields["measurement"]["layers"][0]["cotangent_gradient"]["value"] > 0
    assert "frozen" in fields["model"]["modules"][0]["redraw"]


def test_half_precision_and_lazy_modules() -> None:
    half = fg.check(models.mlp().to(torch.bfloat16), torch.randn(8, 20).to(torch.bfloat16), draws=2)
    assert half.to_dict()["measurement"]["layers"][0]["q"]["value"] > 0
    lazy = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, 3))
    assert len(fg.check(lazy, torch.randn(5, 7), draws=2).rows()) == 2
    assert isinstance(lazy[0], nn.LazyLinear)
