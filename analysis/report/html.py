"""HTML page of a report: template, style, script, plotly.js and data in one text."""

import json
import re
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from analysis.errors import MissingExtraError
from analysis.groups import Clock
from analysis.report.data import report_data
from analysis.runs import Runs

_FOLDER: Final = files("analysis.report")
_MARK: Final = re.compile(r"<!--(\w+)-->")


def page(runs: Runs, clock: Clock = "simulated") -> str:
    """Return the report of several runs as one HTML text.

    ``clock`` is the clock that the page begins with. The content security policy of the page
    forbids the browser every request. Data is in the page as JSON alone; the script shows it as
    text.

    Raises:
        MissingExtraError: plotly is not installed.
        TraceError: a run cannot be read, or has no complete round.
    """
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = {
        "style": _read("page.css"),
        "plotly": _plotly(),
        "data": script_json(report_data(runs, clock) | {"made": made}),
        "script": _read("page.js"),
    }
    # One pass over the template: marks within the parts are text.
    return _MARK.sub(lambda mark: parts[mark[1]], _read("page.html"))


def script_json(value: Any) -> str:
    r"""Return JSON that can stand in a script element: no character of it can end the element.

    ``<``, ``>`` and ``&`` appear in strings alone, and there as ``\u003c`` and so on.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingExtraError("plotly") from None
    return str(get_plotlyjs())


def _read(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")
