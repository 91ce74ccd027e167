"""Displays of notebooks: HTML tables of texts."""

from collections.abc import Sequence
from html import escape


def html_table(
    rows: Sequence[Sequence[object]], head: Sequence[str] = (), caption: str = ""
) -> str:
    """Return an HTML table of texts, all of which are escaped."""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    top = f"<thead><tr>{_cells(head, 'th')}</tr></thead>" if head else ""
    body = "".join(f"<tr>{_cells(row, 'td')}</tr>" for row in rows)
    return f"<table>{title}{top}<tbody>{body}</tbody></table>"


def number(value: float | None, template: str) -> str:
    """Return a number as text; empty if there is none."""
    return "" if value is None or value != value else template.format(value)


def _cells(texts: Sequence[object], tag: str) -> str:
    return "".join(f"<{tag}>{escape(str(text))}</{tag}>" for text in texts)
