"""Losses, initialization by scheme, and the monitor."""

from __future__ import annotations

import doctest

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import firstguess as fg  # noqa: E402
import firstguess.torch as fgt  # noqa: E402
import models  # noqa: E402

Z = [1.0, 2.0, 0.5, -1.0]
# Value and gradient at Z, from docs/theory/losses.md.
TABLE = [
    (fgt.CrossEntropyLoss(), 1, 0.495182, [0.224208, -0.390540, 0.135989, 0.030343]),
    (fgt.FocalLoss(2.0), 0, 0.899880, [-0.870434, 0.683810, 0.152579, 0.034045]),
    (fgt.BlurryLoss(0.3), 0, 0.954749, [-0.273176, 0.214607, 0.047885, 0.010685]),
    (fgt.BlurryLoss(0.3), 3, 1.224865, [-0.003815, -0.010370, -0.002314, 0.016499]),
    (fgt.BlurryLoss(0.5), 3, 0.608836, [-0.029198, -0.079367, -0.017709, 0.126274]),
    (fgt.BlurryLoss(0.5, detach_weight=True), 3, 0.608836, [0.039055, 0.106164, 0.023688, -0.168907]),
    (fgt.PiecewiseZeroLoss(0.05), 3, 0.0, [0.0, 0.0, 0.0, 0.0]),
    (fgt.MAELoss(), 0, 0.775792, [-0.173939, 0.136646, 0.030490, 0.006803]),
    (fgt.GCELoss(0.7), 0, 0.926971, [-0.272396, 0.213994, 0.047748, 0.010654]),
    (fgt.SCELoss(0.1, 1.0), 0, 7.294828, [-1.679614, 1.319499, 0.294420, 0.065694]),
    (fgt.NCELoss(), 0, 0.199871, [-0.100949, 0.043054, 0.030363, 0.027531]),
    (fgt.NNCELoss(), 0, 0.743420, [-0.013148, 0.004221, 0.004439, 0.004488]),
    (fgt.AGCELoss(6.0, 1.5), 0, 1.994587, [-0.433949, 0.340909, 0.076067, 0.016973]),
]


@pytest.mark.parametrize("row", range(len(TABLE)))
def test_losses_have_the_values_and_gradients_of_the_theory(row: int) -> None:
    loss, y, value, gradient = TABLE[row]
    z = torch.tensor([Z], dtype=torch.float64, requires_grad=True)
    found = loss(z, torch.tensor([y]))
    assert float(found.detach()) == pytest.approx(value, abs=2e-6)
    found.backward()
    assert z.grad is not None and z.grad[0].tolist() == pytest.approx(gradient, abs=2e-6)


# The same losses by their names in specs, whose formulas are Rust's.
NAMED = [
    (fgt.CrossEntropyLoss(), "cross_entropy"),
    (fgt.FocalLoss(2.0), "focal(2)"),
    (fgt.BlurryLoss(0.3), "blurry(0.3)"),
    (fgt.BlurryLoss(0.5, detach_weight=True), "blurry(0.5,detach_weight)"),
    (fgt.PiecewiseZeroLoss(0.05), "piecewise_zero(0.05)"),
    (fgt.MAELoss(), "mae"),
    (fgt.GCELoss(0.7), "gce(0.7)"),
    (fgt.RCELoss(), "rce"),
    (fgt.SCELoss(0.1, 1.0), "sce(0.1,1)"),
    (fgt.AGCELoss(6.0, 1.5), "agce(6,1.5)"),
    (fgt.NCELoss(), "nce"),
    (fgt.NFLLoss(0.5), "nfl(0.5)"),
    (fgt.NNCELoss(), "nnce"),
    (fgt.ActiveNegativeLoss(1.0, 2.0), "anl_ce(1,2,0)"),
    (fgt.ActiveNegativeLoss(1.0, 2.0, focal=True), "anl_fl(1,2,0,0.5)"),
]


@pytest.mark.parametrize("loss, name", NAMED, ids=[name for _, name in NAMED])
def test_losses_are_those_of_the_library(loss: nn.Module, name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    for scale in (0.1, 1.0, 5.0):
        z = (scale * torch.randn(7, 6, generator=generator, dtype=torch.float64)).requires_grad_()
        for y in range(6):
            values = type(loss).value(loss, torch.log_softmax(z, 1), torch.full((7,), y))
            (gradients,) = torch.autograd.grad(values.sum(), z, allow_unused=True)
            for row in range(7):
                value, gradient = fg._core.loss(name, z[row].tolist(), y)
                assert float(values[row]) == pytest.approx(value, rel=1e-10, abs=1e-13)
                found = torch.zeros(6) if gradients is None else gradients[row]
                assert found.tolist() == pytest.approx(gradient, rel=1e-8, abs=1e-12)


ALL = [row[0] for row in TABLE] + [fgt.RCELoss(), fgt.NFLLoss(), fgt.NNFLLoss(), fgt.ActiveNegativeLoss(), fgt.ActiveNegativeLoss(focal=True)]


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: type(loss).__name__)
def test_losses_are_finite_at_extreme_scores_and_ignore_negative_labels(loss: nn.Module) -> None:
    z = torch.tensor([[200.0, -200.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    for y in (0, 1, 2):
        value = loss(z, torch.tensor([y, y]))
        (gradient,) = torch.autograd.grad(value, z) if value.requires_grad else (torch.zeros(1),)
        assert torch.isfinite(value) and torch.isfinite(gradient).all()
    images = torch.randn(2, 3, 4, 4)
    labels = torch.randint(0, 3, (2, 4, 4))
    whole = loss(images, labels)
    labels_flat, scores = labels.reshape(-1), images.movedim(1, -1).reshape(-1, 3)
    assert float(whole) == pytest.approx(float(loss(scores, labels_flat)), rel=1e-5)
    masked = labels_flat.clone()
    masked[5:] = -100
    assert float(loss(scores, masked)) == pytest.approx(float(loss(scores[:5], labels_flat[:5])), rel=1e-5)


def test_a_loss_with_wrong_numbers_is_refused() -> None:
    for make in (lambda: fgt.GCELoss(0.0), lambda: fgt.PiecewiseZeroLoss(2.0), lambda: fgt.FocalLoss(-1.0), lambda: fgt.SCELoss(float("nan"))):
        with pytest.raises(ValueError, match="must be between"):
            make()
    with pytest.raises(ValueError, match="reduction"):
        fgt.MAELoss(reduction="sums")
    assert fg.losses.BlurryLoss is fgt.BlurryLoss


def test_schemes_give_their_variances_and_leave_the_generators_alone() -> None:
    before = torch.get_rng_state()
    net = nn.Sequential(nn.Conv2d(8, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 500), nn.ReLU(), nn.Linear(500, 10))
    state = torch.get_rng_state()
    for scheme, gain in [("he_normal", 2.0), ("lecun_uniform", 1.0), ("torch_default", 1 / 3)]:
        assert fg.init_(net, scheme) is net
        for layer in (net[0], net[3]):
            fan_in = layer.weight[0].numel()
            assert float(layer.weight.detach().var()) * fan_in == pytest.approx(gain, rel=0.05), scheme
    fg.init_(net, "orthogonal")
    w = net[3].weight.detach()
    assert torch.allclose(w @ w.T, torch.eye(500), atol=1e-4)
    fg.init_(net, "delta_orthogonal")
    assert float(net[0].weight[:, :, 0, 0].abs().max()) == 0 and float(net[0].weight[:, :, 1, 1].abs().max()) > 0
    assert torch.equal(state, torch.get_rng_state()) and not torch.equal(before, state)
    again, other = fg.init_(models.vgg(), "he_normal", seed=4), fg.init_(models.vgg(), "he_normal", seed=4)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), other.parameters()))


def test_critical_initialization_makes_a_deep_network_trainable() -> None:
    torch.manual_seed(0)
    net = models.mlp(depth=20, width=128)
    x = torch.randn(64, 20)
    assert not fg.check(net, x, draws=4).ok
    fg.init_(net, "critical")
    assert fg.check(net, x, draws=4).ok
    with pytest.raises(ValueError, match="say which"):
        fg.init_(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Tanh()), "critical")
    with pytest.raises(ValueError, match="did you mean `he_normal`"):
        fg.init_(net, "he_norml")
    with pytest.raises(ValueError, match="no linear or convolutional layer"):
        fg.init_(nn.ReLU(), "he_normal")


def test_refused_schemes_change_nothing_and_skipped_layers_stay() -> None:
    net = models.mlp()
    before = [p.clone() for p in net.parameters()]
    with pytest.raises(ValueError):
        fg.init_(net, "explicit")
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters()))
    fg.init_(net, "explicit", weight_variance=1.5, bias_variance=0.1, skip=[net[0]])
    assert torch.equal(before[0], net[0].weight) and not torch.equal(before[2], net[2].weight)
    transposed = nn.ConvTranspose2d(16, 8, 3)
    fg.init_(transposed, "lecun_normal")


def test_the_monitor_sees_the_bias_go() -> None:
    torch.manual_seed(0)
    net = fg.init_(models.mlp(depth=8, width=64), "critical")
    x = torch.randn(256, 20)
    y = x[:, :10].argmax(1)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    with fgt.GuessMonitor(net, every=10) as monitor:
        for _ in range(120):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        net.eval()
        net(x)
    records = monitor.records()
    assert [r["step"] for r in records[:6]] == [0, 1, 2, 4, 8, 10] and records[-1]["step"] == 110
    assert records[0]["largest_share"] > 0.25 and records[-1]["largest_share"] < records[0]["largest_share"]
    assert records[-1]["entropy"] > records[0]["entropy"]
    assert not net._forward_hooks
    assert monitor.absorbed(3.0) is not None
    manual = fgt.GuessMonitor(every=1)
    manual.step({"logits": torch.eye(3)}, torch.arange(3))
    assert manual.records()[0]["accuracy"] == 1.0 and manual.records()[0]["shares"] == pytest.approx([1 / 3] * 3)


def test_the_monitor_changes_no_training() -> None:
    def train(watched: bool) -> torch.Tensor:
        torch.manual_seed(0)
        net = models.mlp()
        monitor = fgt.GuessMonitor(net, every=1) if watched else None
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        for _ in range(5):
            x = torch.randn(8, 20)
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
        assert monitor is None or len(monitor.records()) == 5
        return torch.cat([p.flatten() for p in net.parameters()])

    assert torch.equal(train(False), train(True))


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2")
@pytest.mark.parametrize("inside", [False, True])
def test_the_monitor_survives_torch_compile(inside: bool) -> None:
    # What was compiled without a hook is reused as it is: torch does not look for hooks that come later.
    torch._dynamo.reset()
    net = models.mlp()
    compiled = torch.compile(net, backend="eager")
    with fgt.GuessMonitor(net if inside else compiled, every=1) as monitor:
        for _ in range(3):
            compiled(torch.randn(4, 20)).sum().backward()
    assert len(monitor.records()) == 3


def test_a_compiled_model_checks() -> None:
    if not hasattr(torch, "compile"):
        pytest.skip("torch.compile came with torch 2")
    report = fg.check(torch.compile(models.mlp(), backend="eager"), torch.randn(8, 20), draws=2)
    assert len(report.rows()) == 3


def test_examples_of_the_documentation_run() -> None:
    failed, attempted = doctest.testmod(fgt)
    assert attempted and not failed
