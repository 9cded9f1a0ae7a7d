"""What goes into a model and what comes out: batches, keyword arguments, labels, logits."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import numpy as np
import torch
from torch import Tensor, nn


@dataclass
class Batch:
    """The arguments of one call, copied from the user's."""

    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]
    #: Labels found in a batch of keywords.
    labels: Any = None

    @property
    def tensors(self) -> List[Tensor]:
        """Every tensor, in order."""
        found: List[Tensor] = []
        _map((self.args, self.kwargs), found.append)
        return found

    @property
    def examples(self) -> int:
        """The extent along the first axis of the first tensor."""
        return int(self.tensors[0].shape[0])

    def numeric(self) -> Optional[np.ndarray]:
        """The inputs as numbers, where one tensor of floating point is all there is."""
        tensors = self.tensors
        if len(tensors) != 1 or not tensors[0].is_floating_point() or tensors[0].dim() < 2:
            return None
        return np.ascontiguousarray(tensors[0].detach().cpu().float().numpy())

    def leaves(self) -> Tuple["Batch", List[Tensor]]:
        """The same batch with floating-point tensors that gradients flow back to; and those tensors."""
        roots: List[Tensor] = []

        def fresh(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return tensor.clone()
            leaf = tensor.detach().clone().requires_grad_()
            roots.append(leaf)
            # A copy, since models may write into what they are given.
            return leaf.clone()

        args, kwargs = _map((self.args, self.kwargs), fresh)
        return Batch(args, kwargs, self.labels), roots

    def copy(self) -> "Batch":
        """The same batch in tensors of its own."""
        args, kwargs = _map((self.args, self.kwargs), lambda t: t.detach().clone())
        return Batch(args, kwargs, self.labels)

    def first(self, count: int) -> "Batch":
        """The first examples."""
        n = self.examples
        args, kwargs = _map((self.args, self.kwargs), lambda t: t[:count] if t.dim() and t.shape[0] == n else t)
        return Batch(args, kwargs, self.labels)


def _map(value: Any, function: Callable[[Tensor], Any]) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {key: _map(item, function) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map(item, function) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(_map(item, function) for item in value)
    return value


def as_tensor(value: Any, device: torch.device) -> Any:
    """Arrays as tensors: floating point in torch's default type, integers as indices; anything else as it is."""
    if isinstance(value, Tensor):
        return value.detach().to(device)
    if isinstance(value, (np.ndarray, np.generic)) or (
        hasattr(value, "__array__") and not isinstance(value, (list, tuple))
    ):
        array = np.asarray(value)
        if array.dtype.kind == "f":
            return torch.from_numpy(np.ascontiguousarray(array)).to(device, torch.get_default_dtype())
        if array.dtype.kind in "iu":
            return torch.from_numpy(np.ascontiguousarray(array.astype(np.int64))).to(device)
        if array.dtype.kind == "b":
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)
        raise ValueError(f"inputs of dtype {array.dtype} are not numbers")
    return value


def batch(model: nn.Module, x: Any) -> Batch:
    """The call that ``x`` stands for: a tensor or array, a tuple of arguments, or a mapping of keyword arguments."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    signature = _parameters(model)
    labels = None
    if isinstance(x, Mapping):
        held = {key: _convert(value, device) for key, value in x.items()}
        labels = held.get("labels")
        if all(isinstance(key, str) for key in held) and (signature is None or _takes(signature, held)):
            made = Batch((), held, labels)
        else:
            made = Batch((held,), {}, labels)
    elif isinstance(x, (tuple, list)) and any(_is_array(item) for item in x):
        items = tuple(_convert(item, device) for item in x)
        made = Batch(items, {}) if signature is None or _room(signature) >= len(items) else Batch((items,), {})
    else:
        if isinstance(x, Sequence) and not isinstance(x, str):
            x = np.asarray(x)
        made = Batch((as_tensor(x, device),), {})
    tensors = made.tensors
    if not tensors or tensors[0].dim() == 0:
        raise ValueError(
            "x holds no tensor or array with an axis of examples; give a tensor or array, a tuple of arguments, "
            "or a mapping of keyword arguments"
        )
    if made.examples == 0:
        raise ValueError("x holds no example: its first axis has extent 0")
    for tensor in tensors:
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError("x holds NaN or infinity: inputs must be finite")
    return made


def _is_array(item: Any) -> bool:
    return isinstance(item, (Tensor, np.ndarray, Mapping))


def _convert(value: Any, device: torch.device) -> Any:
    if isinstance(value, Mapping):
        return {key: _convert(item, device) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, (int, float, list)) for item in value):
        return as_tensor(np.asarray(value), device)
    if isinstance(value, (list, tuple)):
        return type(value)(_convert(item, device) for item in value)
    return as_tensor(value, device)


def _parameters(model: nn.Module) -> Optional[Dict[str, inspect.Parameter]]:
    try:
        return dict(inspect.signature(model.forward).parameters)
    except (TypeError, ValueError):
        return None


def _takes(signature: Dict[str, inspect.Parameter], held: Dict[str, Any]) -> bool:
    if any(p.kind is p.VAR_KEYWORD for p in signature.values()):
        return True
    return all(name in signature for name in held)


def _room(signature: Dict[str, inspect.Parameter]) -> int:
    if any(p.kind is p.VAR_POSITIONAL for p in signature.values()):
        return 10**6
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in signature.values())


Output = Union[str, int, Callable[[Any], Tensor], None]


def logits_of(result: Any, output: Output) -> Tuple[Tensor, str]:
    """The class scores in what a model returns, and where they were found."""
    if callable(output):
        return _checked(output(result), "output(…)")
    if isinstance(output, (str, int)):
        return _checked(_entry(result, output), f"output {output!r}")
    if isinstance(result, Tensor):
        return _checked(result, "the returned tensor")
    for name in ("logits", "prediction_logits", "last_hidden_state", "out"):
        found = _entry(result, name, missing=None)
        if isinstance(found, Tensor):
            return _checked(found, f"`{name}`")
    items = result.values() if isinstance(result, Mapping) else result if isinstance(result, (tuple, list)) else ()
    for position, item in enumerate(items):
        if isinstance(item, Tensor) and item.is_floating_point() and item.dim() > 0:
            return _checked(item, f"entry {position} of what is returned")
    raise ValueError(
        f"the model returns {type(result).__name__}, in which no class scores are found; "
        "say where they are: output='name', an index, or a function"
    )


_RAISE = object()


def _entry(result: Any, key: Union[str, int], missing: Any = _RAISE) -> Any:
    try:
        return result[key]
    except (KeyError, IndexError, TypeError):
        found = getattr(result, key, missing) if isinstance(key, str) else missing
        if found is _RAISE:
            raise ValueError(f"what the model returns ({type(result).__name__}) has no output {key!r}") from None
        return found


def _checked(found: Any, where: str) -> Tuple[Tensor, str]:
    if not isinstance(found, Tensor) or not found.is_floating_point() or found.dim() == 0:
        raise ValueError(f"{where} is no tensor of floating point with an axis of examples")
    return found, where


def rows_of(logits: Tensor, examples: int, labels: Optional[Tensor] = None) -> Tensor:
    """The class scores as ``[rows, classes]``: the last axis are classes, or the second of images."""
    if logits.dim() == 1:
        return logits.reshape(examples, -1)
    planes = logits.dim() >= 4 or (
        logits.dim() == 3
        and labels is not None
        and tuple(labels.shape) == (logits.shape[0], logits.shape[2])
        and labels.shape[1] != logits.shape[1]
    )
    return logits.movedim(1, -1).flatten(0, -2) if planes else logits.flatten(0, -2)


def labels_of(y: Any, rows: int, classes: int, logits: Tensor) -> Tuple[Optional[np.ndarray], Optional[str]]:
    """One class per row, -1 where a row has none; or why there are none."""
    if y is None:
        return None, None
    labels = torch.as_tensor(np.asarray(y) if not isinstance(y, Tensor) else y).detach().cpu()
    if labels.is_floating_point():
        if labels.dim() == 2 and tuple(labels.shape) == (rows, classes) and bool(((labels == 0) | (labels == 1)).all()):
            labels = labels.argmax(1)
        elif not bool((labels == labels.round()).all()) or classes == 1 and labels.abs().max() > 1:
            return None, "y holds no classes: the loss at initialization is left out"
    found = labels.reshape(-1).to(torch.int64).numpy().copy()
    if found.size != rows:
        raise ValueError(f"{found.size} labels for {rows} rows of class scores: one label per row is needed")
    found[found < 0] = -1
    known = max(classes, 2)
    if found.size and int(found.max()) >= known:
        raise ValueError(f"the data have {int(found.max()) + 1} classes, the network tells {known} apart")
    return found, None
