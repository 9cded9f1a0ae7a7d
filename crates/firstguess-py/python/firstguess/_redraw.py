"""How a model's weights are drawn anew: by the model's own means where they give the law that is found, else by that law."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import torch
from torch import Tensor, nn

Kinds = ("kept", "constant", "uniform", "normal", "truncated_normal", "orthogonal", "shuffled")

#: Excess kurtosis of the normal law cut at two standard deviations of its parent.
_TRUNCATED_KURTOSIS = -0.6344
#: Standard deviation of that law in units of its parent's.
_TRUNCATED_STD = 0.8796
#: Standard errors by which a sample may miss the moments of a law.
_TOLERANCE = 5.0
#: Entries from which on the shape of a law can be told from a sample.
_ENOUGH = 200
#: Entries from which on a uniform sample is told from a normal one by its density.
_TELLING = 32
#: Entries that are looked at: more tell nothing more.
_SAMPLE = 1 << 20


@dataclass(frozen=True)
class Law:
    """The law that the entries of one parameter follow."""

    kind: str
    mean: float = 0.0
    std: float = 0.0
    #: The rule that gives this standard deviation, where a known one does within the error of the sample.
    rule: str = ""

    def __str__(self) -> str:
        if self.kind in ("kept", "constant"):
            return self.kind
        centre = "" if self.mean == 0.0 else f"mean {self.mean:.3g}, "
        rule = f" ({self.rule})" if self.rule else ""
        return f"{self.kind.replace('_', ' ')}, {centre}std {self.std:.4g}{rule}"


def read_law(values: Tensor, hint: Optional[str] = None) -> Law:
    """The law of the entries that are not exactly zero; zeros are structure (padding rows, masks) and stay.

    ``hint`` is the kind that a very small sample is taken to have. A standard deviation within the sample's error of a known
    rule's is taken to be the rule's: it is then as exact as the rule.
    """
    law = _read(values, hint)
    if law.kind not in ("uniform", "normal", "truncated_normal") or values.dim() < 2 or law.mean != 0.0:
        return law
    n = min(int((values != 0).sum()), _SAMPLE)
    error = 16.0 / n if law.kind == "uniform" and n >= _ENOUGH else 3.0 * math.sqrt(0.5 / n)
    misses = {rule: abs(law.std / std - 1.0) for rule, std in _rules(values)}
    nearest = min(misses, key=lambda rule: misses[rule])
    if misses[nearest] > error:
        return law
    return Law(law.kind, law.mean, dict(_rules(values))[nearest], nearest)


def _rules(values: Tensor) -> List[Tuple[str, float]]:
    """Standard deviations by the usual rules, the most common first."""
    fan_in = values[0].numel()
    fan_out = values.shape[0] * (fan_in // values.shape[1])
    return [
        ("torch default", math.sqrt(1.0 / (3.0 * fan_in))),
        ("He", math.sqrt(2.0 / fan_in)),
        ("He by fan out", math.sqrt(2.0 / fan_out)),
        ("LeCun", math.sqrt(1.0 / fan_in)),
        ("Glorot", math.sqrt(2.0 / (fan_in + fan_out))),
        ("0.02", 0.02),
        ("0.01", 0.01),
    ]


def _read(values: Tensor, hint: Optional[str] = None) -> Law:
    entries = _sampled(values)
    entries = entries[entries != 0]
    n = entries.numel()
    if n == 0 or bool((entries == entries[0]).all()):
        return Law("constant")
    if not bool(torch.isfinite(entries).all()):
        return Law("kept")
    mean, std = float(entries.mean()), float(entries.std(unbiased=False))
    if abs(mean) < _TOLERANCE * std / math.sqrt(n):
        mean = 0.0
    centred = entries - mean
    std = float(centred.square().mean().sqrt())
    peak = float(centred.abs().max()) / std
    if n < _ENOUGH:
        if n < _TELLING and hint in ("uniform", "normal", "truncated_normal"):
            return Law(hint, mean, std)
        # The more likely of the two, by the density of the sample at its own scale.
        return Law("uniform" if 2 * peak < math.sqrt(2 * math.pi * math.e) else "normal", mean, std)
    if _is_orthogonal(values):
        return Law("orthogonal", 0.0, std)
    excess = float(centred.pow(4).mean()) / std**4 - 3.0
    error = _TOLERANCE * math.sqrt(24.0 / n)
    # The standard deviation of a uniform sample errs by √(1/5n).
    if peak < 1.7321 * (1 + _TOLERANCE * math.sqrt(0.2 / n)) and abs(excess + 1.2) < error:
        # The bound is known far better than the standard deviation.
        bound = peak * std * (n + 1) / n
        return Law("uniform", mean, bound / math.sqrt(3.0))
    # So does that of a cut normal one, by √(0.34/n); a whole one of five hundred entries has reached beyond.
    slack = 3.0 * math.sqrt(0.34 / n) if n >= 500 else 0.01
    if peak < 2.0 / _TRUNCATED_STD * (1 + slack) and abs(excess - _TRUNCATED_KURTOSIS) < error:
        return Law("truncated_normal", mean, std)
    if abs(excess) < error:
        return Law("normal", mean, std)
    return Law("shuffled", mean, std)


def _is_orthogonal(values: Tensor) -> bool:
    """Whether the rows (the columns of a tall matrix) are orthogonal and of one length; sixty-four of them tell."""
    if values.dim() < 2:
        return False
    matrix = values.detach().flatten(1)
    if min(matrix.shape) < 8:
        return False
    side = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    chosen = side[:64].double()
    gram = chosen @ chosen.T
    scale = float(gram.diagonal().mean())
    gram.diagonal().sub_(scale)
    return float(gram.abs().max()) < 1e-4 * scale


def _sampled(values: Tensor) -> Tensor:
    """Entries in double precision; evenly spaced ones where there are very many."""
    entries = values.detach().flatten()
    stride = max(1, entries.numel() // _SAMPLE)
    return entries[::stride].double()


def draw(law: Law, into: Tensor) -> None:
    """Overwrites the entries that are not exactly zero with a fresh draw of the law, from torch's random numbers."""
    zeros = into == 0
    fresh = torch.empty(into.shape, dtype=torch.float32)
    if law.kind in ("kept", "constant"):
        return
    if law.kind == "shuffled":
        entries = into.detach().cpu()
        mask = (entries != 0).flatten()
        values = entries.flatten()[mask]
        shuffled = entries.flatten().clone()
        shuffled[mask] = values[torch.randperm(values.numel())]
        into.copy_(shuffled.view(into.shape))
        return
    if law.kind == "uniform":
        reach = law.std * math.sqrt(3.0)
        fresh.uniform_(law.mean - reach, law.mean + reach)
    elif law.kind == "normal":
        fresh.normal_(law.mean, law.std)
    elif law.kind == "truncated_normal":
        parent = law.std / _TRUNCATED_STD
        nn.init.trunc_normal_(fresh, law.mean, parent, law.mean - 2 * parent, law.mean + 2 * parent)
    else:
        nn.init.orthogonal_(fresh)
        fresh.mul_(law.std / float(fresh.square().mean().sqrt()))
    into.copy_(fresh.to(into.dtype))
    into.masked_fill_(zeros, 0.0)


@dataclass
class Plan:
    """What is done to each parameter for a fresh draw."""

    #: Modules whose own method draws them.
    resets: List[Tuple[str, nn.Module, Callable[[], Any]]] = field(default_factory=list)
    #: Parameters that are drawn by their law.
    laws: List[Tuple[str, Tensor, Law]] = field(default_factory=list)
    #: In words, by the path of the module.
    words: Dict[str, str] = field(default_factory=dict)
    #: Laws by the path of the parameter, for theory.
    by_parameter: Dict[str, Law] = field(default_factory=dict)
    kept: int = 0

    @property
    def empty(self) -> bool:
        """Whether a fresh draw would change nothing."""
        return not self.resets and not any(law.kind not in ("kept", "constant") for _, _, law in self.laws)

    def summary(self) -> str:
        """In one line."""
        parts = []
        if self.resets:
            parts.append(f"reset_parameters ({len(self.resets)} modules)")
        drawn = [law for _, _, law in self.laws if law.kind not in ("kept", "constant")]
        if drawn:
            parts.append(f"the law read off the weights ({len(drawn)} parameters)")
        if self.kept:
            parts.append(f"kept as found: {self.kept} frozen parameters")
        return "re-drawn by " + ", ".join(parts) if parts else "as found"

    @torch.no_grad()
    def redraw(self) -> None:
        """Draws every parameter anew, from torch's random numbers."""
        for _, _, reset in self.resets:
            reset()
        for _, parameter, law in self.laws:
            draw(law, parameter)


def _reset_method(module: nn.Module) -> Optional[Callable[[], Any]]:
    for name in ("reset_parameters", "_reset_parameters"):
        method: Optional[Callable[[], Any]] = getattr(module, name, None)
        if callable(method):
            return method
    return None


def own_parameters(module: nn.Module) -> Iterator[Tuple[str, nn.Parameter]]:
    """The parameters of the module itself, not of its children."""
    return iter((name, p) for name, p in module._parameters.items() if p is not None)


@torch.no_grad()
def plan(model: nn.Module) -> Plan:
    """Decides, module by module. The model is as it was afterwards; torch's random numbers are used."""
    made = Plan()
    seen: Dict[int, str] = {}
    for path, module in model.named_modules():
        own = [(name, p) for name, p in own_parameters(module) if id(p) not in seen]
        for name, parameter in own:
            seen[id(parameter)] = f"{path}.{name}".lstrip(".")
        if not own:
            if any(True for _ in own_parameters(module)):
                made.words[path] = "tied to another module"
            continue
        if all(not p.requires_grad for _, p in own):
            made.kept += len(own)
            made.words[path] = "kept: frozen"
            continue
        reset = _reset_method(module)
        found = dict(own)
        if reset is not None and all(p.requires_grad for _, p in own) and _gives_found(reset, module, found):
            made.resets.append((path, module, reset))
            made.words[path] = "reset_parameters"
            continue
        words = []
        hint = None
        for name, parameter in sorted(own, key=lambda item: -item[1].numel()):
            law = read_law(parameter, hint) if parameter.requires_grad else Law("kept")
            hint = hint or law.kind
            made.laws.append((f"{path}.{name}".lstrip("."), parameter, law))
            made.by_parameter[f"{path}.{name}".lstrip(".")] = law
            if law.kind not in ("kept", "constant"):
                words.append(f"{name}: {law}")
        made.words[path] = "law read off the weights: " + "; ".join(words) if words else "kept: constant"
    return made


def _gives_found(reset: Callable[[], Any], module: nn.Module, found: Dict[str, nn.Parameter]) -> bool:
    """Whether the module's own method draws the law that its parameters show. Leaves the module as it was."""
    everything = list(module.parameters()) + list(module.buffers())
    saved = [tensor.detach().clone() for tensor in everything]
    before = {name: p.detach().clone() for name, p in found.items()}
    try:
        reset()
        after = dict(own_parameters(module))
        same = all(name in after and after[name] is p for name, p in found.items())
        return same and all(_same_law(before[name], after[name]) for name in found)
    except Exception:  # a method of this name that wants arguments, or fails
        return False
    finally:
        for tensor, value in zip(everything, saved):
            tensor.copy_(value)


def _same_law(a: Tensor, b: Tensor) -> bool:
    x, y = _sampled(a), _sampled(b)
    n = x.numel()
    constant = [bool((v == v[0]).all()) for v in (x, y)]
    if any(constant):
        return n == 1 or (all(constant) and float(x[0]) == float(y[0]))
    s, t = float(x.std(unbiased=False)), float(y.std(unbiased=False))
    if s == 0 or t == 0 or not (math.isfinite(s) and math.isfinite(t)):
        return False
    if abs(math.log(s / t)) > _TOLERANCE / math.sqrt(n) + 1e-6:
        return False
    # Four values of a bias may lie close together by chance: few say little of the spread either.
    if abs(float(x.mean() - y.mean())) > _TOLERANCE * math.hypot(s, t) * math.sqrt(1.0 / n) * (1.0 + 8.0 / n):
        return False
    if (float(x.abs().max()) > 1.02 * float(y.abs().max())) and _is_bounded(y, t):
        return False
    excess = [float((v - v.mean()).pow(4).mean()) / r**4 for v, r in ((x, s), (y, t))]
    return abs(excess[0] - excess[1]) < _TOLERANCE * math.sqrt(48.0 / n) and _is_orthogonal(a) == _is_orthogonal(b)


def _is_bounded(values: Tensor, std: float) -> bool:
    return values.numel() >= _ENOUGH and float(values.abs().max()) < 1.75 * std
