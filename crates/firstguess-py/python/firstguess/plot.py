"""Pictures with matplotlib, where it is installed. Each function takes and returns an axes."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ._report import Report


def _axes(axes: Optional[Any]) -> Any:
    if axes is not None:
        return axes
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("pictures need matplotlib, which is not installed: `pip install matplotlib`") from error
    return pyplot.subplots()[1]


def phase(diagram: Dict[str, Any], quantity: str = "chi_1", *, axes: Optional[Any] = None) -> Any:
    """The phase diagram that :func:`firstguess.phase` returns: ``quantity`` over both variances, with the edge of chaos."""
    cells = diagram["cells"]
    if not cells or quantity not in cells[0]:
        known = ", ".join(key for key, value in cells[0].items() if isinstance(value, float)) if cells else ""
        raise ValueError(f"the cells have no {quantity!r}; they have {known}")
    axes = _axes(axes)
    weights, biases = diagram["weight_variance"], diagram["bias_variance"]
    value = {(cell["weight_variance"], cell["bias_variance"]): cell[quantity] for cell in cells}
    grid = [[value.get((w, b)) for w in weights] for b in biases]
    numbers = [[float("nan") if v is None else v for v in row] for row in grid]
    mesh = axes.pcolormesh(weights, biases, numbers, shading="nearest")
    axes.figure.colorbar(mesh, ax=axes, label=quantity)
    edge = [
        (point["weight_variance"], line["bias_variance"])
        for line in diagram["edge_of_chaos"]
        for point in line.get("points") or []
    ]
    if edge:
        axes.plot(*zip(*edge), "k.", markersize=3, label="edge of chaos")
        axes.legend()
    axes.set_xlabel("weight variance σ_w²")
    axes.set_ylabel("bias variance σ_b²")
    return axes


def layers(report: Report, quantity: str = "q", *, axes: Optional[Any] = None) -> Any:
    """A quantity of each layer, theory as a line and the measurement with its errors: q, c, v, t, gamma or gradient."""
    names = ("q", "c", "v", "t", "gamma", "gradient")
    if quantity not in names:
        raise ValueError(f"quantity is one of {', '.join(names)}, got {quantity!r}")
    axes = _axes(axes)
    rows = report.rows()
    index = [row["index"] for row in rows]
    nan = float("nan")
    column = {key: [nan if row[key] is None else row[key] for row in rows] for key in (quantity, f"{quantity}_theory")}
    errors = [row[f"{quantity}_error"] or 0.0 for row in rows]
    axes.errorbar(index, column[quantity], yerr=errors, fmt="o", markersize=4, label="measured")
    axes.plot(index, column[f"{quantity}_theory"], label="theory")
    values = [v for v in column[quantity] if v == v and v > 0]
    if values and max(values) > 50 * min(values):
        axes.set_yscale("log")
    axes.set_xlabel("layer")
    axes.set_ylabel(quantity)
    axes.legend()
    return axes


def guesses(report: Report, *, axes: Optional[Any] = None) -> Any:
    """Mean shares of each network's classes, most guessed first."""
    axes = _axes(axes)
    shares = report.to_dict()["measurement"]["prejudice"]["ordered_shares"][:50]
    errors = [share["std_error"] or 0.0 for share in shares]
    axes.bar(range(1, len(shares) + 1), [share["value"] for share in shares], yerr=errors)
    axes.axhline(1.0 / report.to_dict()["measurement"]["classes"], linestyle=":", color="k", label="balanced")
    axes.set_xlabel("class, most guessed first")
    axes.set_ylabel("share of the inputs")
    axes.legend()
    return axes
