"""HTML page of a report: template, style, script, plotly.js and data in one text."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from analysis.errors import MissingExtraError
from analysis.report.data import report_data
from analysis.runs import Runs

_FOLDER: Final = files("analysis.report")


def page(runs: Runs, clock: str = "simulated") -> str:
    """Return the report of several runs as one HTML text.

    Its content security policy forbids the browser every request.

    Raises:
        MissingExtraError: plotly is not installed.
        TraceError: a run cannot be read, or has no complete round.
    """
    parts = {
        "style": _read("page.css"),
        "plotly": _plotly(),
        "data": json.dumps(report_data(runs), separators=(",", ":"), allow_nan=False).replace(
            "</", "<\\/"
        ),
        "script": _read("page.js"),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    text = _read("page.html")
    for name, part in parts.items():
        before, after = text.split(f"<!--{name}-->")
        text = before + part + after
    return text


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingExtraError("plotly") from None
    return str(get_plotlyjs())


def _read(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")
