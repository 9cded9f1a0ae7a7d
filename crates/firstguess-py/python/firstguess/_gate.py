"""Which findings fail a build: options, ``[tool.firstguess]`` in pyproject.toml, baselines and SARIF."""

from __future__ import annotations

import difflib
import json
import os
import tempfile
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from . import _core
from ._errors import FindingsError
from ._report import Report

SEVERITIES = ("error", "warning", "note", "never")


@dataclass(frozen=True)
class Settings:
    """What counts, and when it fails."""

    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    fail_on: str = "error"
    baseline: Optional[str] = None
    draws: Optional[int] = None
    seed: Optional[int] = None

    def over(self, **given: Any) -> "Settings":
        """With what is given in place of what is here."""
        return replace(self, **{key: value for key, value in given.items() if value not in (None, (), [])})


@dataclass
class Gate:
    """Takes reports, collects what they say, and says whether they pass."""

    settings: Settings
    known: Optional[str] = None
    sarif: List[Dict[str, Any]] = field(default_factory=list)

    def take(self, report: Report, location: str, *, record: bool = False) -> Report:
        """The report with the findings that count."""
        report = report.narrow(select=self.settings.select, ignore=self.settings.ignore)
        if record:
            self.known = _core.record_baseline(self.known, report._core)
        if self.known is not None:
            report = report.narrow(baseline=self.known)
        self.sarif += json.loads(report.to_sarif(location))["runs"]
        return report

    def fails(self, report: Report) -> bool:
        """Whether the findings are grave enough to fail."""
        order = ("note", "warning", "error")
        limit = self.settings.fail_on
        return limit != "never" and report.worst is not None and order.index(report.worst) >= order.index(limit)

    def raise_for(self, report: Report) -> None:
        """Raises :class:`FindingsError` if the report fails."""
        if self.fails(report):
            report.raise_for_findings(self.settings.fail_on)
            raise FindingsError(report.headline)

    def sarif_text(self) -> str:
        """Every report so far, one run each."""
        schema = "https://json.schemastore.org/sarif-2.1.0.json"
        return json.dumps({"$schema": schema, "version": "2.1.0", "runs": self.sarif}, indent=2) + "\n"


def configured(start: Optional[Path] = None) -> Settings:
    """The settings of the nearest pyproject.toml with a ``[tool.firstguess]`` table, from ``start`` upwards."""
    here = (start or Path.cwd()).resolve()
    for folder in [here, *here.parents]:
        file = folder / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("firstguess")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"in `{file}`: {error}") from error
        if table is not None:
            return _settings(table, file)
    return Settings()


_KEYS = {"select": list, "ignore": list, "fail-on": str, "baseline": str, "draws": int, "seed": int}


def _settings(table: Dict[str, Any], file: Path) -> Settings:
    for key, value in table.items():
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            hint = f", did you mean `{near[0]}`?" if near else ""
            raise ValueError(f"in `{file}`: unknown key `{key}` in [tool.firstguess]{hint}; known: {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            raise ValueError(f"in `{file}`: `{key}` in [tool.firstguess] is a {_KEYS[key].__name__}, got {value!r}")
    if table.get("fail-on", "error") not in SEVERITIES:
        raise ValueError(f"in `{file}`: `fail-on` is one of {', '.join(SEVERITIES)}, got {table['fail-on']!r}")
    baseline = table.get("baseline")
    return Settings(
        select=tuple(table.get("select", ())),
        ignore=tuple(table.get("ignore", ())),
        fail_on=table.get("fail-on", "error"),
        baseline=str(file.parent / baseline) if baseline else None,
        draws=table.get("draws"),
        seed=table.get("seed"),
    )


def read_baseline(path: str, *, missing_ok: bool = False) -> Optional[str]:
    """The text of a baseline file."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        if missing_ok:
            return None
        raise ValueError(
            f"cannot read the baseline `{path}`: there is no such file; write it first with --write-baseline, under pytest with "
            "--firstguess-update-baseline"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the baseline `{path}`: {error}") from error


def write_whole(path: str, text: str) -> None:
    """Writes a file whole or not at all."""
    target = Path(path).resolve()
    if target.is_dir():
        raise ValueError(f"cannot write `{path}`: it is a folder. Give the name of a file")
    if not target.parent.is_dir():
        raise ValueError(f"cannot write `{path}`: the folder `{target.parent}` does not exist. Create it first")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".firstguess-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        if target.exists():
            os.chmod(name, target.stat().st_mode & 0o7777)
        else:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
