"""The report in a notebook: the page that the command line writes, in a frame of its own."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._report import Report


def render(report: "Report") -> str:
    """A frame with the whole page in it: neither its style nor its script meets the notebook's.

    The sandbox lets the page draw and nothing else: no reading of the notebook, no way out.
    """
    page = escape(report.to_html(), quote=True)
    title = escape(f"firstguess report of {report.name}", quote=True)
    style = "width:100%;height:42rem;border:1px solid #8886;border-radius:4px"
    return f'<iframe title="{title}" sandbox="allow-scripts allow-modals" style="{style}" srcdoc="{page}"></iframe>'
