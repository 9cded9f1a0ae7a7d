"""The report in a notebook: self-contained, no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from ._report import Report

_STYLE = """
<style>
.firstguess { font-family: system-ui, sans-serif; max-width: 60em; line-height: 1.45 }
.firstguess h3 { margin: 0 0 .2em } .firstguess p { margin: .3em 0 }
.firstguess table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6em 0 }
.firstguess td, .firstguess th { padding: .1em .7em; text-align: right; border: 0 }
.firstguess td.name, .firstguess th.name { text-align: left }
.firstguess .bar { background: #4878a8; height: .8em; display: inline-block }
.firstguess .error { border-left: .3em solid #b3261e } .firstguess .warning { border-left: .3em solid #b26a00 }
.firstguess .note { border-left: .3em solid #4878a8 } .firstguess .finding { padding: .2em .7em; margin: .5em 0 }
</style>
"""

#: Rows of the table of layers.
_ROWS = 24


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}"


def _measured(value: Any, error: Any) -> str:
    return _number(value) if error is None else f"{_number(value)} ± {error:.1g}"


def render(report: "Report") -> str:
    """A fragment of HTML."""
    fields = report.to_dict()
    verdict = {"error": "NOT OK", "warning": "DOUBTFUL"}.get(report.worst or "", "OK")
    parts: List[str] = [_STYLE, '<div class="firstguess">']
    parts.append(f"<h3>{escape(report.name)}: {verdict}</h3><p>{escape(report.headline)}</p>")
    network, measurement = fields["network"], fields["measurement"]
    parts.append(
        f"<p>{escape(network['layers'])}, {network['parameters']:,} parameters; {escape(network['init'])}; "
        f"{measurement['draws']} networks on {measurement['examples']} inputs, seed {fields['seed']}</p>"
    )
    rows = report.rows()
    shown = rows if len(rows) <= _ROWS else [rows[i * (len(rows) - 1) // (_ROWS - 1)] for i in range(_ROWS)]
    parts.append(
        '<table><tr><th class="name">layer</th><th>q theory</th><th>q</th><th>γ theory</th><th>γ</th>'
        "<th>gradient theory</th><th>gradient</th></tr>"
    )
    for row in shown:
        cells = [
            _number(row["q_theory"]), _measured(row["q"], row["q_error"]),
            _number(row["gamma_theory"]), _measured(row["gamma"], row["gamma_error"]),
            _number(row["gradient_theory"]), _measured(row["gradient"], row["gradient_error"]),
        ]  # fmt: skip
        name = escape(str(row.get("module", row["index"])))
        parts.append(f'<tr><td class="name">{name}</td>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    parts.append("</table>")
    parts.append("<p>First guess: mean share of each network's classes, most guessed first</p><table>")
    for rank, share in enumerate(measurement["prejudice"]["ordered_shares"][:5]):
        value = share["value"] or 0.0
        bar = f'<span class="bar" style="width:{20 * value:.2f}em"></span>'
        parts.append(f'<tr><td>{rank + 1}</td><td>{100 * value:.1f} %</td><td class="name">{bar}</td></tr>')
    parts.append("</table>")
    for finding in report.findings:
        remedy = f"<p>→ {escape(finding.remedy)}</p>" if finding.remedy else ""
        parts.append(
            f'<div class="finding {finding.severity}"><b>{finding.severity}: {finding.id}</b>'
            f"<p>{escape(finding.title)}. {escape(finding.explanation)}</p>{remedy}</div>"
        )
    parts.append("</div>")
    return "".join(parts)
