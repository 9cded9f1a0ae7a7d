"""With PyTorch: losses as modules, initialization by scheme, and a monitor of the first guesses during training.

Nothing here is imported unless asked for: ``import firstguess.torch``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Dict, List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import _core
from ._translate import activation_of

__all__ = [
    "AGCELoss",
    "ActiveNegativeLoss",
    "BlurryLoss",
    "CrossEntropyLoss",
    "FocalLoss",
    "GCELoss",
    "GuessMonitor",
    "MAELoss",
    "NCELoss",
    "NFLLoss",
    "NNCELoss",
    "NNFLLoss",
    "PiecewiseZeroLoss",
    "RCELoss",
    "SCELoss",
    "WarmupLoss",
    "init_",
]


def _in(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise ValueError(f"`{name}` must be between {low:g} and {high:g}, got {value:g}")
    return float(value)


class _Loss(nn.Module):
    """A loss of class scores ``[batch, classes, ...]`` and labels ``[batch, ...]``; negative labels do not count.

    ``reduction`` is ``"mean"`` over the labels that count, ``"sum"``, or ``"none"`` (one value per label, zero where it does
    not count).
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"`reduction` is 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        """One value per row of log-probabilities ``[rows, classes]``."""
        raise NotImplementedError

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        rows = logits.movedim(1, -1).flatten(0, -2)
        labels = target.flatten()
        counts = labels >= 0
        values = self.value(F.log_softmax(rows, 1), labels.clamp(min=0))
        values = torch.where(counts, values, torch.zeros_like(values))
        if self.reduction == "none":
            return values.view(target.shape)
        total = values.sum()
        return total / counts.sum().clamp(min=1) if self.reduction == "mean" else total


def _labelled(ln_p: Tensor, target: Tensor) -> Tensor:
    return ln_p.gather(1, target[:, None]).squeeze(1)


class CrossEntropyLoss(_Loss):
    """``-ln p``.

    Examples
    --------
    >>> import torch, firstguess.torch as fgt
    >>> float(fgt.CrossEntropyLoss()(torch.zeros(1, 4), torch.tensor([2])))  # doctest: +ELLIPSIS
    1.386...
    """

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        return -_labelled(ln_p, target)


class FocalLoss(_Loss):
    """``-(1-p)^g ln p``, `lin2017`."""

    def __init__(self, g: float = 2.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.g = _in("g", g, 0, 100)

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        ln = _labelled(ln_p, target)
        return -_power(-torch.expm1(ln), self.g) * ln


def _power(base: Tensor, exponent: float) -> Tensor:
    """A power whose slope at zero is zero, not NaN."""
    if exponent == 0.0:
        return torch.ones_like(base)
    safe = base.clamp(min=torch.finfo(base.dtype).tiny)
    return torch.where(base > 0, safe**exponent, torch.zeros_like(base))


class BlurryLoss(_Loss):
    """``-p^g ln p``, `pellegrino2025b`: below ``exp(-1/g)`` its gradient is reversed.

    ``detach_weight`` keeps the gradient out of ``p^g``: then it is that of GCE with ``q = g``. Needs a warm-up if
    ``g > 1/ln(classes)``: see :class:`WarmupLoss`.
    """

    def __init__(self, g: float = 0.3, *, detach_weight: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.g = _in("g", g, 0, 100)
        self.detach_weight = detach_weight

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        ln = _labelled(ln_p, target)
        weight = (self.g * ln).exp()
        return -(weight.detach() if self.detach_weight else weight) * ln


class PiecewiseZeroLoss(_Loss):
    """``-ln p`` if ``p ≥ c``, else 0 with no gradient, `pellegrino2025b`. Needs a warm-up if ``c > 1/classes``."""

    def __init__(self, c: float = 0.05, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.c = _in("c", c, 0, 1)

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        ln = _labelled(ln_p, target)
        cut = math.log(self.c) if self.c > 0 else -math.inf
        return torch.where(ln >= cut, -ln, torch.zeros_like(ln))


class MAELoss(_Loss):
    """``1 - p``: exactly neutral to a biased start, never corrects it."""

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        return -torch.expm1(_labelled(ln_p, target))


class GCELoss(_Loss):
    """``(1 - p^q)/q``, `zhang2018`."""

    def __init__(self, q: float = 0.7, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.q = _in("q", q, 1e-6, 1)

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        return -torch.expm1(self.q * _labelled(ln_p, target)) / self.q


class RCELoss(_Loss):
    """``A (1 - p)``, ``A = -ln 1e-4``: the reverse cross-entropy."""

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        return -_REVERSE * torch.expm1(_labelled(ln_p, target))


_REVERSE = -math.log(1e-4)


class SCELoss(_Loss):
    """``a CE + b RCE``, `wang2019`."""

    def __init__(self, a: float = 0.1, b: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.a, self.b = _in("a", a, 0, 1e6), _in("b", b, 0, 1e6)

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        ln = _labelled(ln_p, target)
        return -self.a * ln - self.b * _REVERSE * torch.expm1(ln)


class AGCELoss(_Loss):
    """``((a+1)^q - (a+p)^q)/q``, `zhou2021`."""

    def __init__(self, a: float = 6.0, q: float = 1.5, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.a, self.q = _in("a", a, 0, 1e6), _in("q", q, 1e-6, 1e3)

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        p = _labelled(ln_p, target).exp()
        return ((self.a + 1) ** self.q - (self.a + p) ** self.q) / self.q


class NCELoss(_Loss):
    """``ln p / Σ_k ln p_k``, the normalised cross-entropy, `ma2020`."""

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        return _labelled(ln_p, target) / ln_p.sum(1)


class NFLLoss(_Loss):
    """The focal loss over its sum over classes, `ma2020`."""

    def __init__(self, g: float = 0.5, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.g = _in("g", g, 0, 100)

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        focal = _power(-torch.expm1(ln_p), self.g) * ln_p
        return _labelled(focal, target) / focal.sum(1)


_FLOOR = -math.log(1e-7)


class NNCELoss(_Loss):
    """``1 - (A' + ln p)/Σ_k (A' + ln p_k)``, ``A' = -ln 1e-7``: the normalised negative cross-entropy."""

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        above = _FLOOR + ln_p.clamp(min=-_FLOOR)
        return 1 - _labelled(above, target) / above.sum(1)


class NNFLLoss(_Loss):
    """The same of the focal loss, ``A' = -(1 - 1e-7)^g ln 1e-7``."""

    def __init__(self, g: float = 0.5, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.g = _in("g", g, 0, 100)

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        ln = ln_p.clamp(min=-_FLOOR)
        above = _FLOOR * (1 - 1e-7) ** self.g + _power(-torch.expm1(ln), self.g) * ln
        return 1 - _labelled(above, target) / above.sum(1)


class ActiveNegativeLoss(_Loss):
    """``a · active + b · negative``: a normalised loss and its negative counterpart, :class:`NCELoss` and
    :class:`NNCELoss` unless ``focal``. The L1 penalty of the weights that goes with it is the optimiser's business."""

    def __init__(self, a: float = 1.0, b: float = 1.0, *, focal: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.a, self.b = _in("a", a, 0, 1e6), _in("b", b, 0, 1e6)
        self.active: _Loss = NFLLoss() if focal else NCELoss()
        self.negative: _Loss = NNFLLoss() if focal else NNCELoss()

    def value(self, ln_p: Tensor, target: Tensor) -> Tensor:
        return self.a * self.active.value(ln_p, target) + self.b * self.negative.value(ln_p, target)


class WarmupLoss(nn.Module):
    """Cross-entropy for the first calls, then another loss.

    Losses that back off from unlikely labels (:class:`BlurryLoss`, :class:`PiecewiseZeroLoss`) freeze the bias of an
    untrained network unless cross-entropy has removed it first.

    Examples
    --------
    >>> import torch, firstguess.torch as fgt
    >>> loss = fgt.WarmupLoss(fgt.PiecewiseZeroLoss(0.2), steps=1)
    >>> logits, label = torch.zeros(1, 10), torch.tensor([0])
    >>> [round(float(loss(logits, label)), 3) for _ in range(2)]
    [2.303, 0.0]
    """

    def __init__(self, loss: nn.Module, *, steps: int) -> None:
        super().__init__()
        self.loss = loss
        self.warmup = CrossEntropyLoss(reduction=getattr(loss, "reduction", "mean"))
        self.steps = int(_in("steps", steps, 0, 1e12))
        self.done = 0

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of this call; calls in training mode count."""
        warm = self.done < self.steps
        if self.training and warm:
            self.done += 1
        found: Tensor = (self.warmup if warm else self.loss)(logits, target)
        return found


@torch.no_grad()
def init_(
    model: nn.Module,
    scheme: str,
    *,
    seed: int = 0,
    activation: Optional[str] = None,
    gain: float = 1.0,
    weight_variance: Optional[float] = None,
    bias_variance: Optional[float] = None,
    weight_law: Optional[str] = None,
    skip: Iterable[nn.Module] = (),
) -> nn.Module:
    """Draws the weights and biases of every linear and convolutional layer anew, in place; the only function that changes a
    model.

    Schemes and their numbers are those of spec files: ``he_normal``, ``glorot_uniform``, ``lecun_truncated_normal``,
    ``orthogonal``, ``delta_orthogonal``, ``torch_default``, ``explicit`` (with ``weight_variance``), and ``critical``, which
    puts the network at the edge of chaos of its ``activation`` (found in the model where all its activations are alike).

    Random numbers are the library's: torch's generator is not touched. Tied weights are drawn once; layers in ``skip`` and
    parameters without ``requires_grad`` stay. Returns the model.

    Examples
    --------
    >>> import torch, firstguess as fg
    >>> net = torch.nn.Sequential(torch.nn.Linear(400, 400), torch.nn.Tanh(), torch.nn.Linear(400, 10))
    >>> net = fg.init_(net, "critical", bias_variance=0.05)
    >>> round(float(net[0].weight.var()) * 400, 1)
    1.8
    """
    options: Dict[str, Any] = {"scheme": scheme, "gain": gain}
    given = {"weight_variance": weight_variance, "bias_variance": bias_variance, "weight_law": weight_law}
    options.update({key: value for key, value in given.items() if value is not None})
    left_out = {id(module) for module in skip}
    layers = [
        module
        for module in model.modules()
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)) and id(module) not in left_out
    ]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no linear or convolutional layer")
    if scheme.strip().lower() == "critical":
        activation = activation or _only_activation(model)
    drawn = []
    done = set()
    for number, layer in enumerate(layers):
        if id(layer.weight) in done or not layer.weight.requires_grad:
            continue
        done.add(id(layer.weight))
        description, shape = _single(layer, activation)
        (values, _, bias), *_ = _core.draw_weights(json.dumps(description), json.dumps(options), shape, seed, number)
        weight = torch.from_numpy(values)
        if "dense" in description[0]:
            weight = weight.view(-1, layer.weight.shape[0]).T
        drawn.append((layer, weight, torch.from_numpy(bias)))
    # Nothing is changed before everything could be drawn.
    for layer, weight, bias in drawn:
        _stored(layer).copy_(weight.reshape(_stored(layer).shape))
        if layer.bias is not None:
            layer.bias.copy_(bias)
    return model


def _transposed(layer: nn.Module) -> bool:
    """Whether the first axis of the weight counts inputs."""
    return bool(getattr(layer, "transposed", False))


def _stored(layer: Any) -> Tensor:
    return layer.weight.transpose(0, 1) if _transposed(layer) else layer.weight


def _single(layer: Any, activation: Optional[str]) -> Tuple[List[Any], List[int]]:
    """A network of this layer alone, and the shape that it is given."""
    weight = _stored(layer)
    end = [] if activation is None else [activation]
    square = weight.dim() == 4 and weight.shape[2] == weight.shape[3] and not _transposed(layer)
    if square:
        side, groups = int(weight.shape[2]), int(layer.groups)
        conv = {"conv": int(weight.shape[0]), "kernel": side, "padding": 0, "groups": groups}
        return [conv, "flatten", *end], [int(weight.shape[1]) * groups, side, side]
    return [{"dense": int(weight.shape[0])}, *end], [int(weight[0].numel())]


def _only_activation(model: nn.Module) -> str:
    names = sorted({name for name in map(activation_of, model.modules()) if name is not None})
    if len(names) == 1:
        return names[0]
    found = f"has {', '.join(names)}" if names else "has no activation module"
    raise ValueError(f"scheme `critical` needs one activation, this model {found}; say which: activation='tanh'")


class GuessMonitor:
    """Records what a network guesses during the first steps of training, inside your own loop.

    Attached to the model that the loop calls, it looks at the outputs of single calls in training mode: the first ones
    densely, later one in ``every``. It keeps counts, not outputs, and reads nothing back from the device until asked.

    Attach it to the compiled model, or to the one inside before its first call: ``torch.compile`` then breaks its graph at the
    end, and it does not look for hooks that come later.

    Examples
    --------
    >>> import torch, firstguess.torch as fgt
    >>> net = torch.nn.Linear(4, 3)
    >>> with fgt.GuessMonitor(net) as monitor:
    ...     for _ in range(5):
    ...         out = net(torch.randn(8, 4))
    >>> [record["step"] for record in monitor.records()]
    [0, 1, 2, 4]
    >>> abs(sum(monitor.records()[0]["shares"]) - 1) < 1e-6
    True
    """

    def __init__(
        self,
        model: Optional[nn.Module] = None,
        *,
        every: int = 50,
        output: Optional[Callable[[Any], Tensor]] = None,
        limit: int = 10_000,
    ) -> None:
        self.every = int(_in("every", every, 1, 1e9))
        self.limit = int(_in("limit", limit, 1, 1e7))
        self.steps = 0
        self._output = output
        self._kept: List[Tuple[int, Tensor, Tensor, Optional[Tensor]]] = []
        self._handle: Any = None
        if model is not None:
            self._handle = model.register_forward_hook(_eager(self._hook))

    def _due(self, step: int) -> bool:
        # 0, 1, 2, 4, 8 …, then one in `every`.
        return step % self.every == 0 or (step < self.every and step & (step - 1) == 0)

    def _hook(self, module: nn.Module, args: Any, result: Any) -> None:
        if module.training and torch.is_grad_enabled():
            self.step(result)

    def step(self, outputs: Any, labels: Optional[Tensor] = None) -> None:
        """Takes the outputs of one step; with ``labels`` the accuracy is recorded too. For loops without a hook."""
        step = self.steps
        self.steps += 1
        if not self._due(step) or len(self._kept) >= self.limit:
            return
        with torch.no_grad():
            logits = self._output(outputs) if self._output else _scores(outputs)
            rows = logits.detach()
            rows = rows.movedim(1, -1).flatten(0, -2) if rows.dim() >= 4 else rows.reshape(-1, rows.shape[-1])
            if rows.shape[1] == 1:
                rows = torch.cat([torch.zeros_like(rows), rows], 1)
            guesses = rows.argmax(1)
            counts = torch.bincount(guesses, minlength=rows.shape[1])
            mean = torch.softmax(rows.float(), 1).mean(0)
            right = None if labels is None else (guesses == labels.reshape(-1)).float().mean()
        self._kept.append((step, counts, mean, right))

    def records(self) -> List[Dict[str, Any]]:
        """One dict per recorded step: ``step``, ``shares``, ``largest_share``, ``entropy`` (1 where even), ``probability``."""
        found = []
        for step, counts, mean, right in self._kept:
            shares = (counts.double() / counts.sum()).cpu()
            entropy = -(shares * shares.clamp(min=1e-300).log()).sum() / math.log(len(shares))
            record: Dict[str, Any] = {
                "step": step,
                "shares": shares.tolist(),
                "largest_share": float(shares.max()),
                "favoured": int(shares.argmax()),
                "entropy": float(entropy) + 0.0,
                "probability": mean.cpu().tolist(),
            }
            if right is not None:
                record["accuracy"] = float(right)
            found.append(record)
        return found

    def absorbed(self, factor: float = 2.0) -> Optional[int]:
        """The first recorded step from which on no class has more than ``factor/classes`` of the guesses, if there is one."""
        found = None
        for record in self.records():
            even = record["largest_share"] <= factor / len(record["shares"])
            found = (record["step"] if found is None else found) if even else None
        return found

    def remove(self) -> None:
        """Detaches from the model; the records stay."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def __enter__(self) -> "GuessMonitor":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def _scores(outputs: Any) -> Tensor:
    if isinstance(outputs, Tensor):
        return outputs
    found = outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)
    if not isinstance(found, Tensor) and isinstance(outputs, (tuple, list)):
        found = next((item for item in outputs if isinstance(item, Tensor)), None)
    if not isinstance(found, Tensor):
        raise ValueError("no class scores in the outputs; say where they are: output=lambda outputs: …")
    return found


def _eager(function: Callable[..., None]) -> Callable[..., None]:
    """Keeps torch.compile out of a hook."""
    disable = getattr(getattr(torch, "compiler", None), "disable", None)
    if disable is None:
        return function
    wrapped: Callable[..., None] = disable(function)
    return wrapped
