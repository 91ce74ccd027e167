"""Browser that opens reports from disk, offline, and keeps what the page says and asks for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
"""Debian's package ``chromium``, which ``.ci/run`` installs; without it these tests fail."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


class Watched:
    """Page opened from disk, with its console messages and its requests."""

    def __init__(self, browser: Browser, path: Path, size: tuple[int, int], *, scheme: Any) -> None:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
        )
        context.set_offline(True)
        self.page: Page = context.new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")

    def drawn(self, plot: str, what: str) -> Any:
        return self.page.evaluate(f"document.getElementById('{plot}').data.map((trace) => {what})")

    def texts(self, selector: str) -> list[str]:
        """Return the text of each element of a CSS selector, shown or not."""
        found: list[str] = self.page.evaluate(
            "(wanted) => [...document.querySelectorAll(wanted)].map((e) => e.textContent)", selector
        )
        return found

    def ratio(self, front: str, back: str) -> float:
        """Return the WCAG contrast of two of the page's colours."""
        light = []
        for name in (front, back):
            value = self.page.evaluate(f"color('{name}')").lstrip("#")
            parts = np.array([int(value[start : start + 2], 16) / 255 for start in (0, 2, 4)])
            linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
            light.append(float(linear @ [0.2126, 0.7152, 0.0722]))
        return (max(light) + 0.05) / (min(light) + 0.05)
