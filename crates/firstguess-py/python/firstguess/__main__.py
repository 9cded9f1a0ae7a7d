"""``python -m firstguess check pkg.mod:Net --data batch.npz``: a gate for models, as the command line is one for specs."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

import firstguess
from firstguess._gate import SEVERITIES, Gate, Settings, configured, read_baseline, write_whole


def main(arguments: Optional[List[str]] = None) -> int:
    """0 fine, 1 findings at or above ``--fail-on``, 2 unusable input."""
    options = _parser().parse_args(arguments)
    try:
        return _check(options)
    except BrokenPipeError:
        return 0
    except (ValueError, ImportError, OSError, firstguess.ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m firstguess",
        description="Predicts, measures and judges the initialization of a PyTorch model.",
        epilog="Exit status: 0 fine, 1 findings at or above --fail-on, 2 unusable input.",
    )
    parser.add_argument("--version", action="version", version=f"firstguess {firstguess.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        help="check a model",
        description="TARGET is module:name, where name is a torch.nn.Module, or a class or function without arguments that "
        "makes one, or makes a tuple (model, x) or (model, x, y); or the path of a spec file or of an ONNX model.",
    )
    check.add_argument("targets", metavar="TARGET", nargs="+", help="module:name, such as pkg.mod:Net")
    check.add_argument(
        "--data",
        metavar="NPZ",
        help="the batch: array x (and y) in an npz or npy file; other names become keyword arguments. For files of models as in "
        "`firstguess check`: a file or the name of a data set",
    )
    check.add_argument("--draws", type=int, metavar="N", help="networks to draw [32]")
    check.add_argument("--seed", type=int, metavar="N", help="seed of every random number [0]")
    check.add_argument("--name", metavar="NAME", help="title of the report")
    check.add_argument("--output", metavar="NAME", help="where the class scores are in what the model returns")
    check.add_argument("--as-found", action="store_true", help="measure the weights at hand, draw none")
    check.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    check.add_argument("--fail-on", choices=SEVERITIES, help="gravity of a finding from which the exit status is 1")
    check.add_argument("--select", metavar="ID,...", help="count these findings only")
    check.add_argument("--ignore", metavar="ID,...", help="leave these findings out")
    check.add_argument("--baseline", metavar="FILE", help="known findings, which do not count")
    check.add_argument("--write-baseline", metavar="FILE", help="write the findings down as known, and do not fail")
    check.add_argument("--sarif", metavar="FILE", help="write the findings as SARIF 2.1.0")
    return parser


def _names(text: Optional[str]) -> Tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def _check(options: argparse.Namespace) -> int:
    settings = configured().over(
        select=_names(options.select),
        ignore=_names(options.ignore),
        fail_on=options.fail_on,
        baseline=options.baseline,
        draws=options.draws,
        seed=options.seed,
    )
    # The one that pyproject.toml names is written for the first time here.
    writes = bool(options.write_baseline)
    known = read_baseline(settings.baseline, missing_ok=writes) if settings.baseline else None
    gate = Gate(settings, known)
    if options.write_baseline:
        gate.known = read_baseline(options.write_baseline, missing_ok=True)
    failed = False
    for text in options.targets:
        report = gate.take(*_report(options, text, settings), record=writes)
        _print(report, options.json)
        failed |= gate.fails(report)
    if options.write_baseline and gate.known is not None:
        write_whole(options.write_baseline, gate.known)
    if options.sarif:
        write_whole(options.sarif, gate.sarif_text())
    return int(failed)


def _report(options: argparse.Namespace, text: str, settings: Settings) -> Tuple[firstguess.Report, str]:
    """The report on one target, and the file that it is about."""
    target, location, x, y = _target(text)
    extra: Dict[str, Any] = {"draws": settings.draws, "seed": settings.seed}
    if isinstance(target, str):
        x, y = options.data, None
    else:
        if options.data:
            x, y = _data(options.data)
        extra.update(redraw=not options.as_found, output=options.output, name=options.name or text)
    return firstguess.check(target, x, y, **extra), location


def _print(report: firstguess.Report, as_json: bool) -> None:
    if as_json:
        print(report.to_json())
        return
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    print(report.to_text(color=color, unicode=unicode), end="")


def _target(text: str) -> Tuple[Any, str, Any, Any]:
    """The model or its factory, the file it is in, and the batch where the factory brings one."""
    if text.lower().endswith((".toml", ".onnx")):
        return text, text, None, None
    module_name, colon, path = text.partition(":")
    if not colon or not path:
        raise ValueError(f"`{text}` names no model: write module:name, such as pkg.mod:Net")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"cannot import `{module_name}`: {error}") from error
    location = getattr(found, "__file__", None) or module_name
    for part in path.split("."):
        if not hasattr(found, part):
            names = ", ".join(name for name in dir(found) if not name.startswith("_"))
            raise ValueError(f"`{module_name}` has no `{part}`; it has: {names}")
        found = getattr(found, part)
    location = os.path.relpath(location) if os.path.isabs(location) else location
    import torch

    if isinstance(found, torch.nn.Module) or not callable(found):
        return found, location, None, None
    made = found()
    if isinstance(made, tuple) and 2 <= len(made) <= 3:
        return made[0], location, made[1], made[2] if len(made) == 3 else None
    return found, location, None, None


def _data(path: str) -> Tuple[Any, Any]:
    try:
        held = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read `{path}`: {error}") from error
    if isinstance(held, np.ndarray):
        return held, None
    arrays = {name: held[name] for name in held.files}
    y = arrays.pop("y", None)
    if set(arrays) == {"x"}:
        return arrays["x"], y
    if not arrays:
        raise ValueError(f"`{path}` holds no inputs: name the array of the inputs x")
    return arrays, y


if __name__ == "__main__":
    sys.exit(main())
