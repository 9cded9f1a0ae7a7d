"""Is a neural network's initialization any good, and what will the untrained network guess?

>>> import firstguess as fg
>>> fg.guess(classes=10, gamma=1.0)["mean_max"]  # doctest: +ELLIPSIS
0.43...
>>> fg.critical("tanh", bias_variance=0.05)["edge_of_chaos"][0]["weight_variance"]  # doctest: +ELLIPSIS
1.76...

With PyTorch: ``fg.check(model, x)`` measures the model as it is and leaves it as it was. Without it everything but models
works: specs, theory, phase diagrams.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from . import _core
from ._core import __version__
from ._errors import FindingsError, ModelError
from ._picture import Picture
from ._report import Finding, Report
from ._sweep import SweepError, SweepProgress, SweepResult, load, sweep

if TYPE_CHECKING:
    import torch as _torch

__all__ = [
    "Finding",
    "FindingsError",
    "ModelError",
    "Picture",
    "Report",
    "SweepError",
    "SweepProgress",
    "SweepResult",
    "__version__",
    "advise",
    "check",
    "cite",
    "critical",
    "draw",
    "explain",
    "findings",
    "guess",
    "init_",
    "load",
    "losses",
    "pair",
    "phase",
    "predict",
    "sweep",
]

#: A pool over units: ``"max:2"`` or ``("max", 2)``.
Pool = Union[str, Tuple[str, int], None]

#: A spec: the path of a TOML file, or what such a file holds.
SpecLike = Union[str, "os.PathLike[str]", Mapping[str, Any]]


def check(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    draws: Optional[int] = None,
    seed: Optional[int] = None,
    samples: Optional[int] = None,
    redraw: bool = True,
    output: Union[str, int, Callable[[Any], Any], None] = None,
    name: Optional[str] = None,
) -> Report:
    """Predicts, measures and judges an initialization.

    Parameters
    ----------
    model
        A ``torch.nn.Module``; a function or class without arguments that makes one; the path of a spec file or of an ONNX
        model (``.onnx``); or a mapping with what a spec file holds.
    x
        The inputs. For modules a batch: a tensor or array, a tuple of arguments, or a mapping of keyword arguments (such as
        a tokenizer's). For specs and ONNX models an array ``[examples, ...]`` or the name of a data set, for an ONNX model of
        several inputs a mapping of such arrays or the path of an npz file that holds them; unless given, the spec's own
        data, and standard normal inputs (or random tokens) for an ONNX model.
    y
        Class labels, one per row of class scores; negative where a row has none. Without them there is no loss.
    draws
        Networks to draw; 32, or the spec's number.
    seed
        Fixes every random number; 0, or the spec's.
    samples
        Of a spec's or an ONNX model's data, how many inputs to use at most.
    redraw
        Whether weights are drawn anew. ``False`` measures the one network at hand.
    output
        Where the class scores are in what a module returns: a name, an index, or a function. Found by itself in tensors,
        tuples, dicts and the outputs of transformers.
    name
        Title of the report; the module's class unless given.

    Returns
    -------
    Report
        With :attr:`Report.findings`, :meth:`Report.to_dict`, :meth:`Report.to_frame`.

    Raises
    ------
    ValueError
        For unusable input, with the message that the command line prints.
    ModelError
        Where the module fails; the message names the submodule.

    Notes
    -----
    A module is copied; the original is not run. Where it cannot be copied it is run itself and put back: parameters,
    buffers, attributes, hooks, modes and gradients. The random numbers of Python, NumPy and torch come back as they were.

    Weights are drawn anew by ``reset_parameters`` where that gives the law of the weights at hand, else by the law read off
    them (standard deviation; uniform, normal, truncated normal, orthogonal; else by shuffling them); constants and frozen
    parameters are kept. The report says which, module by module.

    Examples
    --------
    >>> import firstguess as fg
    >>> spec = {"name": "deep", "init": {"scheme": "torch_default"},
    ...         "network": {"layers": [{"repeat": 20, "layers": [{"dense": 64}, "relu"]}, {"dense": 10}]}}
    >>> report = fg.check(spec, draws=8, samples=100)
    >>> report.ok, report.findings[0].id
    (False, 'frozen-bias')
    """
    if isinstance(model, (str, os.PathLike, Mapping)):
        if not redraw or output is not None:
            raise ValueError("`redraw` and `output` go with torch modules; networks of files are always drawn anew")
        if name is not None and isinstance(model, Mapping):
            model = {**model, "name": name}
        path, text = _spec(model)
        arrays = _named_arrays(path, x, y) if isinstance(x, Mapping) else None
        source, inputs, labels, classes = (None, None, None, 0) if arrays is not None else _spec_data(x, y)
        counts = _whole("draws", draws), _whole("samples", samples), _whole("seed", seed)
        return Report(_core.check_spec(path, text, source, inputs, labels, classes, *counts, arrays))
    if not callable(model):
        raise ValueError(
            f"cannot check a {type(model).__name__}; give a torch.nn.Module, a function that makes one, the path of a "
            "spec file, or a mapping with what such a file holds"
        )
    _require_torch("to check a model")
    if x is None:
        raise ValueError("a model needs inputs: check(model, x)")
    if samples is not None:
        raise ValueError("`samples` goes with specs; give a model the batch that it is to see")
    from ._model import Asked, check_model

    count, key = _whole("draws", draws), _whole("seed", seed)
    if count is not None and not 1 <= count <= 10_000_000:
        raise ValueError(f"`draws` must be between 1 and 10000000, got {count}; two or more give a standard error")
    return check_model(model, x, y, Asked(32 if count is None else count, key or 0, redraw, output, name))


def predict(
    model: Optional[SpecLike] = None,
    *,
    activation: Optional[str] = None,
    weight_variance: Optional[float] = None,
    bias_variance: Optional[float] = None,
    depth: int = 20,
    pool: Pool = None,
    pool_correlation: Optional[float] = None,
    input_correlation: float = 0.0,
    seed: Optional[int] = None,
) -> Dict[str, Any]:
    """Theory alone, of a spec or of equal layers: the object that ``firstguess predict --json`` prints.

    Examples
    --------
    >>> import firstguess as fg
    >>> he = fg.predict(activation="relu", weight_variance=2.0, bias_variance=0.0, depth=20)
    >>> he["phase"], round(he["layers"][19]["gamma"], 3)
    ('edge_of_chaos', 17.016)
    >>> fg.predict(activation="rleu", weight_variance=2.0, bias_variance=0.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: ...relu...
    """
    if model is not None:
        if activation is not None or weight_variance is not None or bias_variance is not None:
            raise ValueError("give a model, or an activation with its variances, not both")
        with _file(model) as path:
            return _answer("predict", path, seed=seed)
    if activation is None or weight_variance is None or bias_variance is None:
        raise ValueError("give a model, or `activation` with `weight_variance` and `bias_variance`")
    return _answer(
        "predict",
        activation=activation,
        weight_variance=weight_variance,
        bias_variance=bias_variance,
        depth=depth,
        pool=_pool(pool),
        pool_correlation=pool_correlation,
        input_correlation=input_correlation,
        seed=seed,
    )


def critical(
    activation: str,
    *,
    bias_variance: float,
    pool: Pool = None,
    pool_correlation: Optional[float] = None,
) -> Dict[str, Any]:
    """The critical weight variances of an activation: the object that ``firstguess critical --json`` prints.

    Examples
    --------
    >>> import firstguess as fg
    >>> point = fg.critical("relu", bias_variance=0.0)["edge_of_chaos"][0]
    >>> round(point["weight_variance"], 9)
    2.0
    """
    return _answer(
        "critical",
        activation=activation,
        bias_variance=bias_variance,
        pool=_pool(pool),
        pool_correlation=pool_correlation,
    )


def advise(
    model: Optional[SpecLike] = None,
    *,
    activation: Optional[str] = None,
    depth: Optional[int] = None,
    width: Optional[int] = None,
    architecture: Optional[str] = None,
    data: Optional[str] = None,
    standardize: Optional[str] = None,
    samples: Optional[int] = None,
    loss: Optional[str] = None,
    draws: Optional[int] = None,
    code: Optional[str] = None,
    seed: Optional[int] = None,
) -> Dict[str, Any]:
    """The better start, measured: the object that ``firstguess advise --json`` prints.

    ``model`` is a spec file, what it holds, or an ONNX file, whose weights are then what there is already. With ``code`` (``"torch"``, ``"flax"``, ``"keras"``, ``"burn"`` or ``"candle"``) the object has the source text that draws the
    recommended weights under ``"code"``.

    Examples
    --------
    >>> import firstguess as fg
    >>> found = fg.advise(activation="tanh", depth=10, width=32, samples=60, draws=4)
    >>> found["recommended"]["trainable"], found["present"]["trainable"]
    (True, False)
    """
    options = {
        "activation": activation,
        "depth": depth,
        "width": width,
        "architecture": architecture,
        "data": data,
        "standardize": standardize,
        "samples": samples,
        "loss": loss,
        "draws": draws,
        "code": code,
        "seed": seed,
    }
    if model is None:
        if activation is None or depth is None:
            raise ValueError("give a model, or `activation` and `depth`")
        return _answer("advise", **options)
    with _file(model) as path:
        return _answer("advise", path, **options)


def guess(
    classes: int,
    *,
    gamma: Optional[float] = None,
    correlation: Optional[float] = None,
) -> Dict[str, Any]:
    """How unevenly untrained networks guess: the object that ``firstguess guess --json`` prints.

    Examples
    --------
    >>> import firstguess as fg
    >>> round(fg.guess(2, gamma=1.0)["mean_max"], 12)
    0.75
    """
    if (gamma is None) == (correlation is None):
        raise ValueError("give either `gamma` or `correlation`")
    return _answer("guess", classes=classes, gamma=gamma, correlation=correlation)


def pair(
    theta: float,
    *,
    branch: str = "odd",
    table: Sequence[float] = (),
    width: int = 1024,
    depth: int = 10,
) -> Dict[str, Any]:
    """A Gaussian pair of activation and weight law: the object that ``firstguess pair --json`` prints.

    Examples
    --------
    >>> import firstguess as fg
    >>> fg.pair(3.0, table=[0.0])["phi"][0]["value"]
    0.0
    """
    points = ",".join(repr(float(at)) for at in table)
    return _answer("pair", theta=theta, branch=branch, table=points or None, width=width, depth=depth)


def phase(
    activation: str,
    *,
    weight_variance: Tuple[float, float] = (0.0, 4.0),
    bias_variance: Tuple[float, float] = (0.0, 0.2),
    resolution: int = 100,
    pool: Pool = None,
    pool_correlation: Optional[float] = None,
    point: Optional[Tuple[float, float]] = None,
    output: Union[None, str, "os.PathLike[str]"] = None,
) -> Dict[str, Any]:
    """A phase diagram: the object that ``firstguess phase --json`` prints.

    ``point`` is a pair of variances, weight then bias, to be marked; ``output`` a file to draw or write it to, by its ending
    ``.svg``, ``.png``, ``.csv`` or ``.json``. :func:`firstguess.plot.phase` draws it with matplotlib.

    Examples
    --------
    >>> import firstguess as fg
    >>> diagram = fg.phase("tanh", resolution=4)
    >>> len(diagram["cells"])
    16
    """
    if output is not None and os.fspath(output) == "-":
        raise ValueError("the output is a file: the object itself is what this function returns")
    return _answer(
        "phase",
        activation=activation,
        weight_variance=":".join(repr(float(end)) for end in weight_variance),
        bias_variance=":".join(repr(float(end)) for end in bias_variance),
        resolution=resolution,
        pool=_pool(pool),
        pool_correlation=pool_correlation,
        point=None if point is None else ",".join(repr(float(part)) for part in point),
        output=None if output is None else os.fspath(output),
    )


def explain(finding: Optional[str] = None) -> str:
    """The manual page of a finding, or of all of them, in Markdown.

    Examples
    --------
    >>> import firstguess as fg
    >>> print(fg.explain("blind-loss").splitlines()[0])
    The loss at initialization is ln K although the guesses are anything but uniform.
    """
    pages = (_answer("explain", "--all") if finding is None else _answer("explain", finding))["findings"]
    return "\n".join(page["text"] for page in pages)


def cite(key: Optional[str] = None) -> str:
    """The work of this key, or all works behind the formulas, as BibTeX.

    Examples
    --------
    >>> import firstguess as fg
    >>> fg.cite("poole2016").startswith("@")
    True
    """
    return "\n".join(work["bibtex"] + "\n" for work in _answer("cite", *([key] if key else []))["references"])


def findings() -> List[str]:
    """The names of all findings."""
    return _core.findings()


def draw(
    spec: Mapping[str, Any],
    shape: Sequence[int],
    *,
    seed: int = 0,
    draw: int = 0,
) -> List[Tuple[np.ndarray, np.ndarray]]:
    """The weights and biases of one network of a spec, layer by layer, laid out as PyTorch has them.

    Examples
    --------
    >>> import firstguess as fg
    >>> spec = {"init": {"scheme": "he_normal"}, "network": {"layers": [{"dense": 8}, "relu", {"dense": 3}]}}
    >>> [weight.shape for weight, bias in fg.draw(spec, [5])]
    [(8, 5), (3, 8)]
    """
    layers, init = json.dumps(spec["network"]["layers"]), json.dumps(spec["init"])
    arrays = []
    for values, extents, bias in _core.draw_weights(layers, init, list(shape), seed, draw):
        weight = values.reshape(extents)
        arrays.append((np.ascontiguousarray(weight.T) if weight.ndim == 2 else weight, bias))
    return arrays


def init_(model: "_torch.nn.Module", scheme: str, **options: Any) -> "_torch.nn.Module":
    """Draws the model's weights anew, in place, by a scheme. See :func:`firstguess.torch.init_`."""
    _require_torch("to initialise a model")
    from . import torch as with_torch

    return with_torch.init_(model, scheme, **options)


def __getattr__(name: str) -> Any:
    if name == "losses":
        _require_torch("for the losses as torch modules")
        from . import torch as with_torch

        return with_torch
    raise AttributeError(f"module 'firstguess' has no attribute {name!r}")


def _require_torch(why: str) -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"PyTorch is needed {why}, and it is not installed: `pip install torch`. Specs and theory work without it."
        ) from error


def _answer(command: str, *positional: str, **options: Any) -> Dict[str, Any]:
    """What the command line prints with ``--json``: the same code answers, in this process."""
    arguments = [command, *positional]
    for name, value in options.items():
        if value is not None:
            arguments.append(f"--{name.replace('_', '-')}={value!r}" if isinstance(value, float) else f"--{name.replace('_', '-')}={value}")
    found: Dict[str, Any] = json.loads(_core.answer(arguments))
    return found


def _whole(name: str, value: Any) -> Optional[int]:
    if value is None:
        return None
    if isinstance(value, bool) or int(value) != value or value < 0:
        raise ValueError(f"invalid value {value!r} for '{name}': must be a whole number, at least 0")
    return int(value)


def _pool(pool: Pool) -> Optional[str]:
    return pool if pool is None or isinstance(pool, str) else f"{pool[0]}:{pool[1]}"


@contextmanager
def _file(model: SpecLike) -> Iterator[str]:
    """The path of a spec file; a mapping is written to one that lives as long as the question."""
    if not isinstance(model, Mapping):
        yield os.fspath(model)
        return
    with tempfile.TemporaryDirectory(prefix="firstguess-") as folder:
        path = os.path.join(folder, "spec.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in model.items() if value is not None)
        yield path


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items() if item is not None)
        return "{ " + inner + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _spec(model: SpecLike) -> Tuple[Optional[str], Optional[str]]:
    if isinstance(model, Mapping):
        return None, json.dumps(model)
    return os.fspath(model), None


def _named_arrays(path: Optional[str], x: Mapping[str, Any], y: Any) -> List[Tuple[str, np.ndarray]]:
    """An array for each input of an ONNX model, and the labels."""
    if path is None or not path.lower().endswith(".onnx"):
        raise ValueError("a mapping of arrays goes with torch modules and ONNX models; a spec has one input: give an array")
    named = {**x} if y is None else {**x, "y": y}
    return [(str(key), np.ascontiguousarray(np.asarray(value), dtype=np.float64)) for key, value in named.items()]


def _spec_data(
    x: Any, y: Any
) -> Tuple[Optional[str], Optional[np.ndarray], Optional[np.ndarray], int]:
    if x is None:
        if y is not None:
            raise ValueError("y without x: labels belong to inputs")
        return None, None, None, 0
    if isinstance(x, (str, os.PathLike)):
        return os.fspath(x), None, None, 0
    inputs = np.ascontiguousarray(np.asarray(x), dtype=np.float32)
    if y is None:
        return None, inputs, None, 0
    labels = np.asarray(y).reshape(-1)
    if labels.size and int(labels.min()) < 0:
        raise ValueError(f"label {int(labels.min())} must be at least 0")
    return None, inputs, np.ascontiguousarray(labels, dtype=np.uint32), int(labels.max(initial=0)) + 1
