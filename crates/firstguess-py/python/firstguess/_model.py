"""``check`` of a PyTorch model: measured by hooks, streamed through the compiled core, judged there."""

from __future__ import annotations

import json
import weakref
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np
import torch
from torch import Tensor, nn

from . import _redraw
from ._core import Observer
from ._errors import ModelError
from ._guard import borrowed, random_state, seed_everything
from ._inputs import Batch, Output, batch, labels_of, logits_of, rows_of
from ._report import Report
from ._translate import Translated, activation_of, translate

_NORMS = (
    nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.Dropout, nn.Identity,
)  # fmt: skip


@dataclass
class _Layer:
    """One call of a module with weights."""

    path: str
    module: nn.Module
    number: int
    kind: str
    units: int
    positions: int
    planes: bool
    activation: Optional[str] = None
    #: Whether the layer's own output enters the activation.
    direct: bool = False
    #: The activation module whose input is looked at, and the number of its call.
    tap: Optional[Tuple[str, int]] = None
    #: The normalisation whose output is looked at, and the number of its call.
    behind: Optional[Tuple[str, int]] = None

    @property
    def title(self) -> str:
        return self.path if self.number == 0 else f"{self.path}#{self.number + 1}"


def kind_of(module: nn.Module) -> Optional[str]:
    """The kind of a module with weights, ``None`` for any other module."""
    if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D":
        return "dense"
    if isinstance(module, nn.modules.conv._ConvNd):
        return "conv"
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return "embedding"
    if isinstance(module, nn.MultiheadAttention):
        return "attention"
    if isinstance(module, nn.RNNBase):
        return "recurrent"
    if isinstance(module, _NORMS) or any(True for _ in module.children()):
        return None
    matrices = [p for _, p in _redraw.own_parameters(module) if sum(extent > 1 for extent in p.shape) >= 2]
    return "other" if matrices else None


def _first_tensor(result: Any) -> Optional[Tensor]:
    if isinstance(result, Tensor):
        return result
    items = result.values() if isinstance(result, Mapping) else result if isinstance(result, (tuple, list)) else ()
    return next((item for item in items if isinstance(item, Tensor)), None)


@contextmanager
def _naming(model: nn.Module, what: str) -> Iterator[None]:
    """Turns a failure into one that names the module it happened in."""
    inside: List[Tuple[str, nn.Module, str]] = []

    def enter(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Tuple[Any, ...]) -> None:
            inside.append((path, module, ", ".join(str(list(a.shape)) for a in args if isinstance(a, Tensor))))

        return hook

    def leave(module: nn.Module, args: Any, result: Any) -> None:
        while inside:
            if inside.pop()[1] is module:
                break

    with ExitStack() as stack:
        for path, module in model.named_modules():
            stack.callback(module.register_forward_pre_hook(enter(path)).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        try:
            yield
        except (ModelError, KeyboardInterrupt):
            raise
        except Exception as error:
            if not inside:
                raise ModelError(f"{type(model).__name__} failed {what}: {error}") from error
            path, module, shapes = inside[-1]
            name = f"`{path}` ({type(module).__name__})" if path else type(module).__name__
            took = f"; it was given {shapes}" if shapes else ""
            raise ModelError(f"{name} failed {what}: {error}{took}") from error


def _discover(model: nn.Module, made: Batch) -> Tuple[List[_Layer], Any]:
    """Runs the model once: its layers with weights in the order of their calls, and what it returns."""
    layers: List[_Layer] = []
    counts: Dict[nn.Module, int] = {}
    # Which layer a tensor comes from, directly or through a normalisation.
    origin: Dict[int, Tuple[weakref.ref[Tensor], int, bool]] = {}

    def remember(tensor: Tensor, layer: int, direct: bool) -> None:
        origin[id(tensor)] = (weakref.ref(tensor), layer, direct)

    def known(tensor: Any) -> Optional[Tuple[int, bool]]:
        entry = origin.get(id(tensor))
        return (entry[1], entry[2]) if entry is not None and entry[0]() is tensor else None

    def layer_hook(path: str, kind: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, result: Any) -> None:
            out = _first_tensor(result)
            if out is None or not out.is_floating_point() or out.numel() == 0 or out.dim() == 0:
                return
            number = counts.get(module, 0)
            counts[module] = number + 1
            planes, units, positions = _geometry(module, kind, out, made.examples)
            remember(out, len(layers), True)
            layers.append(_Layer(path, module, number, kind, units, positions, planes))

        return hook

    def pass_hook(module: nn.Module, args: Any, result: Any) -> None:
        found = known(args[0]) if args else None
        if found is not None and isinstance(result, Tensor) and result.shape == args[0].shape:
            remember(result, found[0], False)

    def activation_hook(path: str, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any) -> None:
            number = counts.get(module, 0)
            counts[module] = number + 1
            found = known(args[0]) if args else None
            if found is not None and layers[found[0]].activation is None:
                layers[found[0]].activation = name
                layers[found[0]].tap = (path, number)

        return hook

    with ExitStack() as stack:
        for path, module in model.named_modules():
            kind = kind_of(module)
            name = activation_of(module)
            if kind is not None:
                stack.callback(module.register_forward_hook(layer_hook(path, kind)).remove)
            elif name is not None:
                stack.callback(module.register_forward_pre_hook(activation_hook(path, name)).remove)
            elif isinstance(module, _NORMS):
                stack.callback(module.register_forward_hook(pass_hook).remove)
        with torch.no_grad(), _naming(model, "on the given batch"):
            call = made.copy()
            result = model(*call.args, **call.kwargs)
    if not layers:
        raise ModelError(
            f"{type(model).__name__} ran no module with weights: check looks at modules, so layers made of bare "
            "parameters are invisible to it"
        )
    return layers, result


def _geometry(module: nn.Module, kind: str, out: Tensor, examples: int) -> Tuple[bool, int, int]:
    """Whether units are the second axis, how many there are, and positions per example."""
    if kind == "conv":
        batched = out.dim() == len(module.kernel_size) + 2
        axis = 1 if batched else 0
        units = int(out.shape[axis])
        return True, units, int(out[0].numel() // units if batched else out.numel() // units)
    units = int(out.shape[-1])
    rows = out.numel() // units
    return False, units, rows // examples if rows % examples == 0 else 1


def _array(tensor: Tensor) -> np.ndarray:
    found: np.ndarray = tensor.detach().to("cpu", torch.float32).contiguous().numpy()
    return found


@dataclass
class _Run:
    """One network after the other through the same observer."""

    layers: List[_Layer]
    made: Batch
    output: Output
    rows: int
    classes: int
    labels: Optional[np.ndarray]
    position: Dict[Tuple[str, int], int] = field(default_factory=dict)
    shape: Optional[Tuple[int, ...]] = None

    def __post_init__(self) -> None:
        self.position = {(layer.path, layer.number): k for k, layer in enumerate(self.layers)}

    def observer(self, seed: int, inputs: Optional[np.ndarray]) -> Observer:
        announced = [
            {"kind": l.kind, "units": l.units, "positions": l.positions, "activation": l.activation}
            for l in self.layers
        ]
        return Observer(
            json.dumps(announced), self.classes, self.made.examples, self.rows, self.labels, inputs, seed
        )

    def measure(self, model: nn.Module, observer: Observer) -> None:
        """Sends the batch forward and two gradients backward."""
        observer.begin()
        counts: Dict[nn.Module, int] = {}
        watched: List[Tuple[int, Tensor]] = []
        roots: List[Tensor] = []
        # The layer whose values a root holds, None for an input.
        root_layers: List[Optional[int]] = []
        state = {"forward": True, "loss": False}

        def backward_hook(layer: int) -> Callable[[Tensor], None]:
            return lambda gradient: observer.backward(state["loss"], layer, _array(gradient))

        def layer_hook(path: str, kind: str) -> Callable[..., Any]:
            def hook(module: nn.Module, args: Any, result: Any) -> Any:
                # Checkpointed models run forward again on the way back.
                out = _first_tensor(result) if state["forward"] else None
                if out is None or not out.is_floating_point():
                    return None
                number = counts.get(module, 0)
                counts[module] = number + 1
                at = self.position.get((path, number))
                if at is None:
                    return None
                layer = self.layers[at]
                block = _array(out)
                observer.forward(at, block, layer.planes)
                if layer.direct:
                    observer.activation(at, block, layer.planes)
                if kind == "embedding" and isinstance(result, Tensor) and torch.is_grad_enabled():
                    # Gradients end here: indices have none.
                    leaf = result.detach().requires_grad_()
                    roots.append(leaf)
                    root_layers.append(at)
                    return leaf.clone()
                if out.requires_grad:
                    watched.append((at, out))
                    out.register_hook(backward_hook(at))
                return None

            return hook

        taps = {l.tap: k for k, l in enumerate(self.layers) if l.tap is not None and not l.direct}
        behind = {l.behind: k for k, l in enumerate(self.layers) if l.behind is not None}

        def look(path: str, module: nn.Module, table: Dict[Any, int], value: Any) -> None:
            if not state["forward"]:
                return
            number = counts.get(module, 0)
            counts[module] = number + 1
            at = table.get((path, number))
            if at is not None and isinstance(value, Tensor):
                observer.activation(at, _array(value), self.layers[at].planes)

        def tap_hook(path: str) -> Callable[..., None]:
            return lambda module, args: look(path, module, taps, args[0] if args else None)

        def behind_hook(path: str) -> Callable[..., None]:
            return lambda module, args, result: look(path, module, behind, result)

        norms = {path for path, _ in behind}
        with ExitStack() as stack:
            for path, module in model.named_modules():
                kind = kind_of(module)
                if kind is not None:
                    stack.callback(module.register_forward_hook(layer_hook(path, kind)).remove)
                elif activation_of(module) is not None:
                    stack.callback(module.register_forward_pre_hook(tap_hook(path)).remove)
                elif path in norms:
                    stack.callback(module.register_forward_hook(behind_hook(path)).remove)
            call, leaves = self.made.leaves()
            roots += leaves
            root_layers += [None] * len(leaves)
            with torch.enable_grad():
                with _naming(model, "while it was measured"):
                    result = model(*call.args, **call.kwargs)
                    state["forward"] = False
                    rows = rows_of(logits_of(result, self.output)[0], self.made.examples, self._shaped())
                if rows.shape != (self.rows, self.classes):
                    raise ModelError(
                        f"the class scores changed their shape from [{self.rows}, {self.classes}] to {list(rows.shape)} "
                        "between two runs on the same batch"
                    )
                finite = observer.logits(_array(rows))
                if finite and rows.requires_grad:
                    with _naming(model, "on the way back"):
                        self._gradients(rows, roots, root_layers, watched, observer, state)
        observer.end()

    def _shaped(self) -> Optional[Tensor]:
        return None if self.shape is None else torch.empty(self.shape, device="meta")

    def _gradients(
        self,
        rows: Tensor,
        roots: List[Tensor],
        root_layers: List[Optional[int]],
        watched: List[Tuple[int, Tensor]],
        observer: Observer,
        state: Dict[str, bool],
    ) -> None:
        loss = self._loss_gradient(rows.detach())
        random = torch.from_numpy(observer.cotangent().reshape(self.rows, self.classes)).to(rows)
        ends = roots or [tensor for _, tensor in watched[:1]]
        if not ends:
            return
        signals = [(True, loss), (False, random)] if loss is not None else [(False, random)]
        for number, (is_loss, entering) in enumerate(signals):
            state["loss"] = is_loss
            observer.entering(is_loss, _array(entering))
            last = number + 1 == len(signals)
            found = torch.autograd.grad(rows, ends, entering, retain_graph=not last, allow_unused=True)
            for at, gradient in zip(root_layers, found):
                if gradient is not None and at is not None:
                    observer.backward(is_loss, at, _array(gradient))

    def _loss_gradient(self, rows: Tensor) -> Optional[Tensor]:
        """Of the cross-entropy, per row, not divided by their number."""
        if self.labels is None:
            return None
        labels = torch.from_numpy(self.labels).to(rows.device)
        if self.classes == 1:
            gradient = torch.sigmoid(rows) - labels.clamp(min=0).to(rows)[:, None]
        else:
            gradient = torch.softmax(rows.float(), 1).to(rows.dtype)
            gradient[torch.arange(self.rows, device=rows.device), labels.clamp(min=0)] -= 1
        gradient[labels < 0] = 0
        return gradient


@dataclass(frozen=True)
class Asked:
    """How a model is to be looked at: the options of :func:`firstguess.check`."""

    draws: int
    seed: int
    redraw: bool
    output: Output
    name: Optional[str]


def check_model(target: Any, x: Any, y: Any, asked: Asked) -> Report:
    """See :func:`firstguess.check`."""
    with random_state():
        factory: Optional[Callable[[], nn.Module]] = None
        if isinstance(target, nn.Module):
            # A compiled model is looked at uncompiled: hooks would break its graph at every layer.
            model = getattr(target, "_orig_mod", target)
        else:
            factory = target
            seed_everything(asked.seed, 0)
            model = _made_by(target)
        with borrowed(model) as twin:
            return _check(model, twin, factory, x, y, asked)


def _made_by(factory: Callable[[], Any]) -> nn.Module:
    made = factory()
    if not isinstance(made, nn.Module):
        raise ValueError(f"the factory returned {type(made).__name__}; it must return a torch.nn.Module")
    return made


def _check(
    model: nn.Module,
    twin: nn.Module,
    factory: Optional[Callable[[], nn.Module]],
    x: Any,
    y: Any,
    asked: Asked,
) -> Report:
    seed, redraw, output = asked.seed, asked.redraw, asked.output
    made = batch(twin, x)
    seed_everything(seed, 0)
    layers, result = _discover(twin, made)
    scores, where = logits_of(result, output)
    labels_given = y
    if y is None and made.labels is not None:
        labels_given = _shifted(twin, made.labels, scores)
    shape = tuple(np.shape(labels_given)) if labels_given is not None and np.ndim(labels_given) > 1 else None
    run = _Run(layers, made, output, 0, 0, None, shape=shape)
    rows = rows_of(scores, made.examples, run._shaped())
    run.rows, run.classes = int(rows.shape[0]), int(rows.shape[1])
    if not rows.numel():
        raise ValueError(f"{where} has shape {list(scores.shape)}: no class scores")
    labels, why = labels_of(labels_given, run.rows, run.classes, scores)
    run.labels = labels
    notes = [why] if why else []
    if where != "the returned tensor":
        notes.append(f"class scores are {where}, {run.classes} per row")
    if not twin.training:
        notes.append("the model is in evaluation mode: batch norms use their running statistics, dropout is off")
    del result, scores, rows

    tied = _tied(twin)
    calls = {(layer.path, layer.number): position for position, layer in enumerate(layers)}
    translated = translate(twin, made, calls, tied)
    for position, (activation, behind) in translated.activations.items():
        layer = layers[position]
        if layer.activation is None:
            layer.activation, layer.direct = activation, behind is None
            layer.behind = behind

    plan = _redraw.plan(twin)
    inputs = made.numeric()
    seed_everything(seed, 0)
    as_found = run.observer(seed, inputs)
    run.measure(twin, as_found)

    if factory is not None and redraw:
        observer = run.observer(seed, inputs)
        for draw in range(asked.draws):
            seed_everything(seed, draw)
            run.measure(_made_by(factory), observer)
        words = "re-drawn by the factory"
    elif redraw and not plan.empty:
        observer = run.observer(seed, inputs)
        for draw in range(asked.draws):
            seed_everything(seed, draw)
            plan.redraw()
            run.measure(twin, observer)
        words = plan.summary()
    else:
        observer = run.observer(seed, inputs)
        seed_everything(seed, 0)
        run.measure(twin, observer)
        words = "the weights as found, one network"
        if redraw:
            notes.append("nothing can be drawn anew: all weights are frozen or constant; no standard errors")

    description = _description(model, twin, layers, translated, plan, factory is not None, tied)
    description.update(
        name=asked.name or type(model).__name__,
        input_shape=list(made.tensors[0].shape[1:]) or [1],
        logits=run.classes,
        classes=0 if labels is None or labels.max(initial=-1) < 0 else int(labels.max()) + 1,
        redraw=words,
        notes=notes,
    )
    drawn = as_found if observer is not as_found else None
    return Report(observer.judge(json.dumps(description), inputs, drawn))


def _shifted(model: nn.Module, labels: Any, scores: Tensor) -> Any:
    """The label of each token of a language model is the next one."""
    causal = any(word in type(model).__name__ for word in ("CausalLM", "LMHead"))
    if not causal or scores.dim() != 3 or tuple(labels.shape) != tuple(scores.shape[:2]):
        return labels
    moved = torch.full_like(labels, -100)
    moved[:, :-1] = labels[:, 1:]
    return moved


def _tied(model: nn.Module) -> Dict[str, str]:
    """Modules that share a weight with another one, and with which."""
    first: Dict[int, str] = {}
    tied: Dict[str, str] = {}
    for path, module in model.named_modules():
        for _, parameter in _redraw.own_parameters(module):
            other = first.setdefault(id(parameter), path)
            if other != path:
                tied[path], tied[other] = other, path
    return tied


def _description(
    model: nn.Module,
    twin: nn.Module,
    layers: List[_Layer],
    translated: Translated,
    plan: _redraw.Plan,
    by_factory: bool,
    tied: Dict[str, str],
) -> Dict[str, Any]:
    known = set(translated.order)
    reason = translated.nothing or translated.ended or "theory does not reach it"
    resets = {path for path, _, _ in plan.resets}
    described = []
    for position, layer in enumerate(layers):
        own = 0 if layer.number else sum(p.numel() for _, p in _redraw.own_parameters(layer.module))
        law = _law(layer, plan, resets)
        no_theory: Optional[str] = None
        if position not in known:
            no_theory = reason
        elif law is None:
            no_theory = "its weights follow no law of the vocabulary"
        described.append(
            {
                "path": layer.title or type(layer.module).__name__,
                "class": type(layer.module).__name__,
                "kind": layer.kind,
                "units": layer.units,
                "parameters": own,
                "redraw": "factory" if by_factory else plan.words.get(layer.path, "has no parameters of its own"),
                "law": law,
                "no_theory": no_theory,
            }
        )
    nothing = translated.nothing
    if nothing is None and any(described[at]["law"] is None for at in translated.order):
        nothing = "the weights of some layer follow no law of the vocabulary"
    return {
        "layers": described,
        "translation": None
        if nothing is not None
        else {"layers": translated.layers, "order": translated.order, "ended": translated.ended},
        "untranslated": nothing or translated.ended,
        "parameters": sum(p.numel() for p in twin.parameters()),
    }


def _law(layer: _Layer, plan: _redraw.Plan, resets: Any) -> Optional[Dict[str, Any]]:
    """The law of a layer's weights for theory: that of its own reset, or the one read off."""
    if layer.kind not in ("dense", "conv"):
        return None
    weight = getattr(layer.module, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() < 2 or not weight.requires_grad:
        return None
    transposed = type(layer.module).__name__ == "Conv1D"
    fan_in = weight.shape[0] if transposed else weight[0].numel()
    bias = getattr(layer.module, "bias", None)
    if layer.path in resets:
        # What torch.nn.Linear and the convolutions do: uniform on ±1/√fan_in.
        has_bias = isinstance(bias, Tensor)
        own = isinstance(layer.module, (nn.Linear, nn.modules.conv._ConvNd))
        return (
            {
                "family": "uniform",
                "weight_variance": 1 / 3,
                "bias_variance": 1 / (3 * fan_in) if has_bias else 0.0,
                "uniform_bias": True,
            }
            if own and type(layer.module).reset_parameters in (nn.Linear.reset_parameters, nn.modules.conv._ConvNd.reset_parameters)
            else None
        )
    law = plan.by_parameter.get(f"{layer.path}.weight".lstrip("."))
    if law is None or law.kind in ("kept", "constant", "shuffled") or law.mean != 0.0:
        return None
    shift = plan.by_parameter.get(f"{layer.path}.bias".lstrip("."))
    if isinstance(bias, Tensor) and (shift is None or (shift.kind == "constant" and bool((bias != 0).any()))):
        return None
    drawn = shift is not None and shift.kind not in ("kept", "constant")
    return {
        "family": law.kind,
        "weight_variance": fan_in * law.std**2,
        "bias_variance": shift.std**2 if drawn and shift is not None else 0.0,
        "uniform_bias": drawn and shift is not None and shift.kind == "uniform",
    }
