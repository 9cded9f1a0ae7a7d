"""What a check borrows, and how it comes back: random number generators, and models that cannot be copied."""

from __future__ import annotations

import copy
import random
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Tuple

import numpy as np
import torch
from torch import nn


@contextmanager
def random_state() -> Iterator[None]:
    """Puts back the generators of Python, NumPy and torch (CPU, and CUDA where it is in use)."""
    python, numpy_state, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def seed_everything(seed: int, draw: int) -> None:
    """One stream per draw."""
    key = (seed * 0x9E3779B1 + draw * 0x85EBCA77 + 0x165667B1) % 2**32
    random.seed(key)
    np.random.seed(key)
    torch.manual_seed(key)


@contextmanager
def borrowed(model: nn.Module) -> Iterator[nn.Module]:
    """A copy of the model; the model itself where it cannot be copied, put back afterwards."""
    try:
        twin = copy.deepcopy(model)
    except Exception:  # tensors with a history, handles of files, …: anything may refuse to be copied
        twin = None
    if twin is not None:
        yield twin
        return
    snapshot = _Snapshot(model)
    try:
        yield model
    finally:
        snapshot.restore()


class _Snapshot:
    """Every tensor, flag, hook and attribute of a model."""

    def __init__(self, model: nn.Module) -> None:
        self.attributes: List[Tuple[nn.Module, Dict[str, Any], Dict[str, Any]]] = []
        self.tensors: List[Tuple[torch.Tensor, torch.Tensor]] = []
        known = set()
        for module in model.modules():
            inner = {name: copy.copy(value) for name, value in module.__dict__.items() if isinstance(value, dict)}
            self.attributes.append((module, dict(module.__dict__), inner))
            for tensor in [*module._parameters.values(), *module._buffers.values()]:
                if tensor is not None and id(tensor) not in known:
                    known.add(id(tensor))
                    self.tensors.append((tensor, tensor.detach().clone()))

    def restore(self) -> None:
        for module, attributes, inner in self.attributes:
            module.__dict__.clear()
            module.__dict__.update(attributes)
            for name, content in inner.items():
                held = module.__dict__[name]
                held.clear()
                held.update(content)
        with torch.no_grad():
            for tensor, value in self.tensors:
                tensor.copy_(value)
