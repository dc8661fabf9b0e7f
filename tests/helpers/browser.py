"""A page in a real browser: Debian's Chromium, which is told to reach nothing but files."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_PATIENCE_MS = 180_000  # a machine that is busy with other tests is waited for


@dataclass
class Reader:
    """Somebody who opens a page; `complaints` is what the console said, `fetched` what the page asked for."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def open(self, file: Path, *, width: int = 1280, scheme: str = "light", address: str = "") -> Page:
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.fetched.append(request.url))
        page.goto(file.absolute().as_uri() + address)
        page.wait_for_function(
            "[...document.querySelectorAll('article:not([hidden]) .chart')].every(one => one.querySelector('svg'))"
        )
        return page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Closed after the last test of a module: while it is open an event loop runs, and nobody else may begin one."""
    program = os.environ.get("CLARI_TEST_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("this machine has no Chromium: make chromium, or name one in CLARI_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=_PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture
def reader(chromium: Browser) -> Iterator[Reader]:
    """Whatever a test does with the page: nothing is fetched, and the console stays silent."""
    somebody = Reader(chromium)
    yield somebody
    for context in chromium.contexts:
        context.close()
    assert somebody.complaints == []
    assert {url.partition(":")[0] for url in somebody.fetched} <= {"file"}
