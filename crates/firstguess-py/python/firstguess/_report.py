"""Reports as Python sees them: the compiled core's own, with frames, findings and a notebook's view."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ._core import Report as _CoreReport
from ._errors import FindingsError
from ._picture import Picture

_RANKS = {"note": 0, "warning": 1, "error": 2}


@dataclass(frozen=True)
class Finding:
    """A verdict on one aspect of an initialization.

    ``evidence`` holds the numbers: each with its ``quantity``, and ``predicted`` or ``measured`` or both.
    """

    id: str
    severity: str
    title: str
    explanation: str
    evidence: Tuple[Dict[str, Any], ...]
    remedy: Optional[str]
    references: Tuple[str, ...]

    def __str__(self) -> str:
        remedy = f" To do: {self.remedy}." if self.remedy else ""
        return f"{self.severity}: {self.id}: {self.title}.{remedy}"


def _finding(fields: Dict[str, Any]) -> Finding:
    return Finding(
        id=fields["id"],
        severity=fields["severity"],
        title=fields["title"],
        explanation=fields["explanation"],
        evidence=tuple(fields["evidence"]),
        remedy=fields.get("remedy"),
        references=tuple(fields["references"]),
    )


class Report:
    """Everything that a check found.

    Examples
    --------
    >>> import firstguess as fg
    >>> report = fg.check({"init": {"scheme": "he_normal"}, "network": {"layers": [{"dense": 32}, "relu", {"dense": 10}]}},
    ...                   draws=4, samples=50)
    >>> report.ok
    True
    >>> report.to_dict()["measurement"]["draws"]
    4
    >>> [finding.id for finding in report.findings if finding.severity == "error"]
    []
    """

    def __init__(self, core: _CoreReport) -> None:
        self._core = core
        self._dict: Optional[Dict[str, Any]] = None

    @property
    def name(self) -> str:
        """Title."""
        return self._core.name

    @property
    def headline(self) -> str:
        """One sentence for someone who reads nothing else."""
        return self._core.headline

    @property
    def worst(self) -> Optional[str]:
        """The gravest severity among the findings: ``"error"``, ``"warning"``, ``"note"`` or ``None``."""
        return self._core.worst

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return self.worst != "error"

    @property
    def findings(self) -> List[Finding]:
        """The verdicts, the gravest first."""
        return [_finding(fields) for fields in self.to_dict()["findings"]]

    def to_dict(self) -> Dict[str, Any]:
        """The report in fields: the same object that ``firstguess check --json`` prints."""
        if self._dict is None:
            self._dict = json.loads(self._core.to_json())
        return self._dict

    def to_json(self) -> str:
        """The report as the text of one JSON object."""
        return self._core.to_json()

    def to_text(self, *, width: int = 80, color: bool = False, unicode: bool = True) -> str:
        """The report as the command line prints it."""
        return self._core.to_text(width, color, unicode)

    def to_sarif(self, location: str) -> str:
        """The findings as SARIF 2.1.0; ``location`` is the file that they point to."""
        return self._core.to_sarif(location)

    def to_html(self) -> str:
        """The report as one self-contained HTML page: the file that ``firstguess check --html`` writes."""
        return self._core.to_html()

    @property
    def pictures(self) -> Dict[str, Picture]:
        """Its pictures by name: depth profiles, the law of the guesses, shares of the classes."""
        return {picture.name: Picture(picture) for picture in self._core.pictures()}

    def plot(self, name: str = "gradient") -> Picture:
        """A picture by its name: ``signal``, ``correlation``, ``drift``, ``gradient``, ``gaussianity``, ``guess``, ``shares`` or
        ``classes``, of those that the report has numbers for. It needs no other library; a notebook shows it."""
        pictures = self.pictures
        if name not in pictures:
            raise ValueError(f"this report has no picture {name!r}; it has {', '.join(pictures) or 'none'}")
        return pictures[name]

    def to_frame(self, backend: Optional[str] = None) -> Any:
        """One row per layer, theory beside measurement: a pandas or polars frame, whichever is installed.

        ``backend`` is ``"pandas"`` or ``"polars"``; pandas is tried first.
        """
        if backend not in (None, "pandas", "polars"):
            raise ValueError(f"backend is 'pandas' or 'polars', got {backend!r}")
        for name in [backend] if backend else ["pandas", "polars"]:
            try:
                library = importlib.import_module(name)
            except ImportError:
                continue
            return library.DataFrame(self.rows())
        wanted = backend or "pandas or polars"
        raise ImportError(f"a frame needs {wanted}, which is not installed; report.rows() gives a list of dicts")

    def rows(self) -> List[Dict[str, Any]]:
        """One dict per layer with weights, as in :meth:`to_frame`."""
        fields = self.to_dict()
        modules = fields.get("model", {}).get("modules")
        rows = []
        pairs = zip(fields["prediction"]["layers"], fields["measurement"]["layers"])
        for position, (predicted, measured) in enumerate(pairs):
            row: Dict[str, Any] = {"index": measured["index"]}
            if modules:
                row["module"] = modules[position]["path"]
                row["class"] = modules[position]["class"]
            row["kind"] = measured["kind"]
            row["units"] = measured["units"]
            for name in ("q", "c", "v", "t", "gamma"):
                row[f"{name}_theory"] = predicted.get(name)
                row[name] = measured[name]["value"]
                row[f"{name}_error"] = measured[name]["std_error"]
            row["gradient_theory"] = predicted.get("gradient")
            row["gradient"] = measured["cotangent_gradient"]["value"]
            row["gradient_error"] = measured["cotangent_gradient"]["std_error"]
            row["dead_fraction"] = measured["dead_fraction"]["value"]
            row["saturated_fraction"] = measured["saturated_fraction"]["value"]
            row["excess_kurtosis"] = measured["excess_kurtosis"]["value"]
            row["no_theory"] = predicted.get("q_reason")
            rows.append(row)
        return rows

    def narrow(
        self,
        *,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        baseline: Optional[str] = None,
    ) -> "Report":
        """The report with the findings that count: selected, not ignored, and not in the text of a baseline."""
        return Report(self._core.narrow(list(select), list(ignore), baseline))

    def raise_for_findings(self, severity: str = "error") -> None:
        """Raises :class:`firstguess.FindingsError` if a finding is at least this grave.

        Examples
        --------
        >>> import firstguess as fg
        >>> report = fg.check("examples/torch_default_relu.toml", draws=4)  # doctest: +SKIP
        >>> report.raise_for_findings()  # doctest: +SKIP
        Traceback (most recent call last):
            ...
        firstguess.FindingsError: ...
        """
        if severity not in _RANKS:
            raise ValueError(f"severity is one of {', '.join(_RANKS)}, got {severity!r}")
        grave = [f for f in self.findings if _RANKS[f.severity] >= _RANKS[severity]]
        if grave:
            lines = "\n".join(f"  {finding}" for finding in grave)
            raise FindingsError(f"{self.name}: {self.headline}\n{lines}")

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<firstguess.Report {self.name!r}: {self.worst or 'fine'}>"

    def _repr_html_(self) -> str:
        # The one place where the notebook's view is made.
        from ._html import render

        return render(self)
