"""The pytest plugin: checks as tests.

.. code-block:: python

    def test_init(firstguess_check):
        firstguess_check(Net(), torch.randn(64, 3, 32, 32))

The test fails where the report has findings at or above ``--firstguess-fail-on`` (``error``) that the baseline does not know.
"""

from __future__ import annotations

from typing import Any, Iterator, Optional, Protocol

import pytest

from ._errors import FindingsError
from ._gate import SEVERITIES, Gate, configured, read_baseline, write_whole
from ._report import Report

_GATE: "pytest.StashKey[Gate]" = pytest.StashKey()


class Check(Protocol):
    """What the fixture ``firstguess_check`` is."""

    def __call__(self, model: Any, x: Any = None, y: Any = None, **options: Any) -> Report:
        """As :func:`firstguess.check`; fails the test where the findings ask for it."""
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("firstguess", "checks of initializations")
    group.addoption("--firstguess-baseline", metavar="FILE", help="known findings, which do not fail a test")
    group.addoption(
        "--firstguess-update-baseline", action="store_true", help="write the findings down as known, and do not fail"
    )
    group.addoption("--firstguess-fail-on", choices=SEVERITIES, help="gravity of a finding from which a test fails")
    group.addoption("--firstguess-select", metavar="ID,...", help="count these findings only")
    group.addoption("--firstguess-ignore", metavar="ID,...", help="leave these findings out")
    group.addoption("--firstguess-sarif", metavar="FILE", help="write the findings of all tests as SARIF 2.1.0")


def _names(text: Optional[str]) -> Any:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def pytest_configure(config: pytest.Config) -> None:
    """Reads pyproject.toml and the options."""
    option = config.getoption
    try:
        settings = configured(config.rootpath).over(
            select=_names(option("--firstguess-select")),
            ignore=_names(option("--firstguess-ignore")),
            fail_on=option("--firstguess-fail-on"),
            baseline=option("--firstguess-baseline"),
        )
        updating = bool(option("--firstguess-update-baseline"))
        if updating and settings.baseline is None:
            raise ValueError("--firstguess-update-baseline needs the file: --firstguess-baseline FILE")
        known = read_baseline(settings.baseline, missing_ok=updating) if settings.baseline else None
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_GATE] = Gate(settings, known)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Writes the files that were asked for."""
    gate = config.stash.get(_GATE, None)
    if gate is None:
        return
    if config.getoption("--firstguess-update-baseline") and gate.known is not None and gate.settings.baseline:
        write_whole(gate.settings.baseline, gate.known)
    sarif = config.getoption("--firstguess-sarif")
    if sarif:
        write_whole(sarif, gate.sarif_text())


@pytest.fixture
def firstguess_check(request: pytest.FixtureRequest) -> Iterator[Check]:
    """Checks a model or a spec, and fails the test where the findings ask for it."""
    gate = request.config.stash[_GATE]
    counter = 0

    def check(model: Any, x: Any = None, y: Any = None, **options: Any) -> Report:
        __tracebackhide__ = True
        import firstguess

        nonlocal counter
        counter += 1
        suffix = "" if counter == 1 else f"#{counter}"
        own_name = "name" not in options and not isinstance(model, str) and not hasattr(model, "__fspath__")
        if own_name:
            options["name"] = f"{request.node.nodeid}{suffix}"[:200]
        options.setdefault("draws", gate.settings.draws)
        options.setdefault("seed", gate.settings.seed)
        location = request.node.location[0]
        record = bool(request.config.getoption("--firstguess-update-baseline"))
        report: Report = gate.take(firstguess.check(model, x, y, **options), location, record=record)
        try:
            gate.raise_for(report)
        except FindingsError as error:
            pytest.fail(str(error), pytrace=False)
        return report

    yield check
