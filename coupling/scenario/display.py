"""Display of a scenario in a notebook: its main keys, and the whole as TOML."""

from collections.abc import Mapping
from html import escape
from typing import Any

import tomli_w


def scenario_html(name: str, tables: Mapping[str, Any]) -> str:
    """Return a resolved scenario as HTML; all texts are escaped."""
    learner = tables.get("learner")
    facts = {
        "devices": f"{tables['devices']['count']:,}",
        "rounds": f"{tables['rounds']:,}",
        "seed": tables["seed"],
        "policy": tables["scheduler"]["kind"],
        "protocol": tables["protocol"]["kind"],
        "model": learner["model"] if learner else "none (network alone)",
    }
    rows = "".join(
        f"<tr><td>{escape(key)}</td><td>{escape(str(value))}</td></tr>"
        for key, value in facts.items()
    )
    return (
        f"<table><caption>Scenario {escape(name)}</caption><tbody>{rows}</tbody></table>"
        f"<details><summary>all keys</summary><pre>{escape(tomli_w.dumps(tables))}</pre></details>"
    )
