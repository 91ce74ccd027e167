"""References of a page: what it would load, run or link to, beside its own scripts."""

from html.parser import HTMLParser

from typing_extensions import override


class _References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("img", "iframe", "object", "embed", "base"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            # The empty icon keeps browsers from asking for one.
            own = (value or "").startswith("#") or value == "data:,"
            leads_away = name in ("href", "src") and not own
            if leads_away or name.startswith("on"):
                self.found.append(f"{name}={value!r}")


def references(page: str) -> list[str]:
    """Return the elements and attributes of a page that load, run or link to something."""
    parser = _References()
    parser.feed(page)
    return parser.found
